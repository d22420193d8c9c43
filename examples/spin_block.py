"""One block of spin attention taken apart: what drive, attention and Onsager term contribute to each token.

Writes a picture, and prints a row for each head. Seconds on one core:

    python examples/spin_block.py block.png
"""

import argparse

import numpy as np

from dmft import figures
from dmft.spins import SpinAttention


@figures.style()
def main(argv=None):
    """Make a block of tokens in groups, and draw its terms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--beta", type=float, default=1.5)
    args = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    width, heads = 64, 2
    # Three groups of similar tokens: those of a group attend to one another.
    centres = rng.normal(size=(3, width))
    tokens = centres[np.arange(args.tokens) % 3] + 0.6 * rng.normal(size=(args.tokens, width))
    block = SpinAttention(0.12 * rng.normal(size=(2 * width, width)), heads, args.beta, mask="causal")(tokens)
    print(block)
    (figure, axes), lengths = figures.subplots(2, 3, height=2.1), block.lengths()
    for h, row in enumerate(axes):
        image = row[0].imshow(block.couplings[h], cmap="magma", vmin=0)
        row[0].set(xlabel="token attended to", ylabel="token", title=f"head {h}: softmax attention")
        figure.colorbar(image, ax=row[0])
        for name in ("drive", "attention", "reaction"):
            row[1].plot(block.gain[:, h] * lengths[name][:, h], label=name)
        row[1].plot(lengths["output"][:, h], "k:", label="output")
        row[1].set(xlabel="token", ylabel="length x gain", title="what makes the output")
        row[2].plot(block.gain[:, h], "C4")
        row[2].set(xlabel="token", ylabel="gain", title="the normalisation")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    figures.note(figure, f"{args.tokens} tokens of width {width} in three groups, causal mask, beta = {args.beta:g}")
    print(f"drew {figures.save(figure, args.out)}")


if __name__ == "__main__":
    main()
