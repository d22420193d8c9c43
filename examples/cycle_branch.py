"""Branches of cycles of the paper's network: how its fixed point becomes a torus, and a window of cycles.

    python examples/cycle_branch.py [FILE] [MAX_STEP]

Left, the fixed point of the four-step map (a cycle of 4 token steps) followed in beta through its Neimark-Sacker
point, over the orbits that a run settles on; the dotted lines are the torus as the normal form predicts it. Right, the
cycle of 28 steps whose window opens at a fold near beta = 1.267: it doubles between two flips that face each other, and
the branch of 56 steps born at one of them dies at the other. Writes FILE (default: cycle_branch.png); MAX_STEP is the
longest step along a branch as a part of its range (default: 0.02). About 3 cpu-seconds.
"""

import sys

import numpy as np

import dmft
from dmft import figures, orbits

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)


def torus_panel(ax, max_step):
    """Draw the fixed point, the orbits that leave it, and the torus predicted at its bifurcation."""
    branch = dmft.branch(dmft.cycle(PAPER, 4), beta=(1.235, 1.255), max_step=max_step)
    (point,) = branch.special
    print(f"beta_NS = {point.value:.13f}, angle / 2 pi = {point.form.angle / (2 * np.pi):.12f}")
    print(f"Re d = {point.form.coefficient.real:.4f}, supercritical: {point.form.supercritical}")
    beta = np.linspace(1.235, 1.255, 121)
    orbit = dmft.sweep(PAPER, beta=beta, n_steps=800, n_transient=40_000, every=4, record=["attention"], progress=False)
    ax.plot(
        np.repeat(beta, 200), orbit["attention"][:, :, 0].ravel(), ".", color="0.75", markersize=0.6, rasterized=True
    )
    parameter, values, stable, special = branch.curve()
    token = [3]  # made in steps of phase 3, as are the rows of a sweep, which end with its last step
    special = {kind: (x, y[:, token]) for kind, (x, y) in special.items()}
    figures.cycle_branch(parameter, values[:, token], stable, special=special, ax=ax)
    beyond = np.linspace(0, 0.0035, 50)
    centre = np.interp(point.value + beyond, branch.values, branch.attention[:, 3, 0])
    reach = 2 * np.abs(point.form.vector[3, 0]) * point.form.amplitude(beyond)
    for side in (-1, 1):
        ax.plot(point.value + beyond, centre + side * reach, ":", color="black", linewidth=1.2, label="_")
    ax.set_xticks(np.linspace(1.235, 1.255, 5))


def window_panel(ax, max_step):
    """Draw the cycle of 28 steps and its double, the largest token of each."""
    cycle = dmft.cycle(PAPER.replace(beta=1.27), 28, n_transient=40_000)
    where = {"beta": (1.2665, 1.2715), "max_step": max_step}
    branch = dmft.branch(cycle, **where)
    for each in branch.special:
        print(f"{each.kind} of {each.cycle.period} at beta = {each.value:.13f}")
    double = dmft.branch(orbits.switch(next(p for p in branch.special if p.kind == "flip")), **where)
    for each, color in ((branch, "#0072B2"), (double, "#D55E00")):
        parameter, values, stable, special = each.curve()
        special = {kind: (x, y.max(axis=1)) for kind, (x, y) in special.items()}
        figures.cycle_branch(parameter, values.max(axis=1), stable, special=special, ax=ax, color=color)
    ax.set_ylabel(r"$\max_t A_1$")


@figures.style()
def main(path="cycle_branch.png", max_step=0.02):
    """Draw both panels."""
    figure, ((left, right),) = figures.subplots(1, 2, height=2.8)
    torus_panel(left, float(max_step))
    window_panel(right, float(max_step))
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
