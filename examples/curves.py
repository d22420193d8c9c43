"""Where the fixed point of the paper's network loses its stability, in two parameters, over phase diagrams.

    python examples/curves.py [FILE] [SIZE]

The Neimark-Sacker point at beta = 1.2434 (gamma = 220, epsilon = 0.02) is followed in (beta, gamma) and in
(beta, epsilon), and laid over the leading exponent of the attractor a run settles on. Marked are bifurcations of
codimension 2: a resonance 1:4, and a Chenciner point (CH), past which the torus is born unstable. Writes FILE
(default: curves.png); SIZE is the number of points along each axis of the diagrams (default: 41). About 3 cpu-seconds.
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import dmft
from dmft import figures

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
BETA = (1.2, 1.3)
PANELS = {"gamma": ((0.0, 400.0), r"$\gamma$"), "epsilon": ((0.0, 0.05), r"$\epsilon$")}


def main(path="curves.png", size=41):
    """Draw both panels."""
    (point,) = dmft.branch(dmft.cycle(PAPER, 4), beta=(1.23, 1.25)).special
    figure = Figure(figsize=(7.0, 2.8), layout="constrained", dpi=200)
    for ax, (name, (bounds, label)) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        curve = dmft.curve(point, name, beta=BETA, **{name: bounds}, max_step=0.1)
        print(curve)
        axes = {"beta": np.linspace(*BETA, int(size)), name: np.linspace(*bounds, int(size))}
        how = {"n_steps": 2_000, "n_transient": 6_000, "measure": "lyapunov", "n_exponents": 1, "progress": False}
        swept = dmft.sweep(PAPER, **axes, **how)
        figures.exponent_map(*axes.values(), swept["exponents"][..., 0], ax=ax, y_label=label)
        figures.bifurcation_curve(*curve.line(), kind=curve.kind, ax=ax)
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
