"""Resonance tongues of a delayed logistic map, from its curve of torus points, over a phase diagram.

    python examples/tongues.py [FILE] [SIZE]

x' = r x (1 - (1 - s) x - s y), y the x before: the fixed point becomes a torus at s (r - 1) = 1. Where the angle there
is 2 pi p / q, two curves of folds of cycles of q turns begin, and between them the torus is locked. The colours are the
leading exponent of the attractor a run settles on: 0 on a torus, below in a tongue. Writes FILE (default: tongues.png);
SIZE is the number of points along each axis of the diagram (default: 161). About 15 cpu-seconds.
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import dmft
from dmft import figures

S, R = (0.6, 1.5), (1.6, 2.5)
ROTATIONS = ((1, 5), (2, 11), (1, 6), (1, 7))


def step(window, r, s):
    """Return the next state."""
    x, y = window[:, 0]
    return r * x * (1.0 - (1.0 - s) * x - s * y)


DELAYED = dmft.Map(step, state=[0.5], lags=2, parameters={"r": 1.9, "s": 1.0})


def main(path="tongues.png", size=161):
    """Draw the diagram, the curve and the tongues."""
    (point,) = dmft.branch(dmft.cycle(DELAYED, 1), r=(1.9, 2.1)).special
    torus = dmft.curve(point, "s", r=R, s=S, max_step=0.05)
    print(torus)
    axes = {"s": np.linspace(*S, int(size)), "r": np.linspace(*R, int(size))}
    how = {"n_steps": 2_000, "n_transient": 2_000, "measure": "lyapunov", "n_exponents": 1, "progress": False}
    swept = dmft.sweep(DELAYED, **axes, **how)
    figure = Figure(figsize=(3.6, 3.0), layout="constrained", dpi=200)
    ax = figure.add_subplot()
    figures.exponent_map(*axes.values(), swept["exponents"][..., 0], ax=ax, x_label="$s$", y_label="$r$")
    for rotation in ROTATIONS:
        (tongue,) = dmft.tongues(torus, rotation, r=R, s=S, max_step=0.05)
        print(f"{rotation[0]} / {rotation[1]}: tip at r = {tongue.tip[0]:.6f}, s = {tongue.tip[1]:.6f}")
        for values, stable in tongue.lines():
            figures.bifurcation_curve(values[:, ::-1], stable, kind="fold", ax=ax)
    values, stable, _ = torus.line()
    figures.bifurcation_curve(values[:, ::-1], stable, kind="neimark-sacker", ax=ax)
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
