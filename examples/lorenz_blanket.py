"""Ask of two coupled Lorenz systems whether the states that couple them screen the others off each other.

Attractors of states 0 (the blanket), 1 and 2 of one system, and I(1, 2; 4, 5 | 0, 3) over the coupling, with its error,
from the covariance and by nearest neighbours. Only the states 0 and 3 are coupled, yet they are no Markov blanket.

Command: ``python examples/lorenz_blanket.py [--time 500] [--couplings 7] [--noise 4] [--out lorenz_blanket.png]``
Cost: 3 cpu-seconds.
"""

import argparse

import numpy as np
from matplotlib.figure import Figure

from dmft import figures
from dmft.diffusions import CoupledLorenz


@figures.style()
def main():
    """Compute and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", type=float, default=500.0)
    parser.add_argument("--couplings", type=int, default=7)
    parser.add_argument("--noise", type=float, default=4.0)
    parser.add_argument("--out", default="lorenz_blanket.png")
    args = parser.parse_args()

    couplings = -np.linspace(0.0, 0.7, args.couplings)
    found = {"Gaussian": [], "neighbours": []}
    for coupling in couplings:
        pair = CoupledLorenz(coupling, noise=args.noise)
        samples = pair.paths(16, int(args.time / 1e-3), every=250, seed=1)
        found["Gaussian"].append(pair.blanket.estimate(samples, block=max(1, samples.shape[1] // 20)))
        found["neighbours"].append(pair.blanket.estimate(samples[:, ::5], "neighbours"))
        print(
            f"{coupling:.3f}", *(f"{name} {each[-1].value:.4f}({each[-1].error:.4f})" for name, each in found.items())
        )

    path = CoupledLorenz(-0.5, noise=args.noise).paths(1, 40_000, every=4, seed=1)[0]
    figure = Figure(figsize=(7.0, 2.7), layout="constrained")
    figure.get_layout_engine().set(wspace=0.1)
    for k, first in enumerate((0, 3)):
        axes = figure.add_subplot(1, 3, k + 1, projection="3d")
        names = [f"$x_{first + i}${' (blanket)' * (i == 0)}" for i in range(3)]
        figures.phase_plane(path[:, first : first + 3], components=(0, 1, 2), ax=axes, labels=names)
    values = {n: ([e.value for e in each], [e.error for e in each]) for n, each in found.items()}
    figures.estimates(
        -couplings,
        values,
        parameter_label=r"$-\lambda$",
        value_label=r"$I(X; Y \mid B)$ (nats)",
        ax=figure.add_subplot(1, 3, 3),
    )
    figures.note(figure, f"noise {args.noise:g}, time {args.time:g} of 16 paths")
    print(f"drew {figures.save(figure, args.out)}")


if __name__ == "__main__":
    main()
