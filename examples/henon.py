"""The Henon map, by `dmft.Map`: its bifurcation diagram over the branches of its cycles, and its exponents.

    python examples/henon.py [FILE] [POINTS]

Writes FILE (default: henon.png); POINTS is how many values of a are swept (default: 600). About 3 cpu-seconds.
"""

import sys

import numpy as np

import dmft
from dmft import figures, orbits

COLORS = ("#0072B2", "#D55E00", "#009E73")


def step(state, a, b):
    """Return the next state: of one, or of many side by side."""
    x, y = state
    return 1 - a * x * x + y, b * x


HENON = dmft.Map(step, state=[0.1, 0.1], parameters={"a": 0.2, "b": 0.3})


@figures.style()
def main(path="henon.png", n_points=600):
    """Draw the diagram and the exponents."""
    a = np.linspace(0.2, 1.4, int(n_points))
    how = {"n_steps": 400, "n_transient": 600, "n_rows": 100, "progress": False}
    swept = dmft.sweep(HENON, a=a, measure=("orbit", "lyapunov"), **how)
    figure, axes = figures.subplots(2, 1, sharex=True)
    upper, lower = axes[:, 0]
    upper.plot(np.repeat(a, 100), swept["states"][:, :, 0].ravel(), ",", color="0.6", rasterized=True)
    cycle, low = dmft.cycle(HENON, 1), 0.2
    for color in COLORS:
        branch = dmft.branch(cycle, a=(low, 1.1), max_step=0.05)
        flip = next(point for point in branch.special if point.kind == "flip")
        print(f"the cycle of period {branch.period} doubles at a = {flip.value:.12f}")
        parameter, values, stable, special = branch.curve()
        figures.cycle_branch(parameter, values, stable, special=special, ax=upper, color=color)
        cycle = orbits.switch(flip)
        low = flip.value - 0.01
    lower.plot(a, swept["exponents"][:, 0], color="black", linewidth=0.6)
    lower.axhline(0, color="0.7", linewidth=0.6)
    lower.set(xlabel="a", ylabel=r"$\lambda_1$")
    upper.set(ylabel="x", xlabel="")
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
