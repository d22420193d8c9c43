"""How finite networks approach their theory: deviations, a smeared transition, noise and chaos, two replicas.

    python examples/finite_size.py [FOLDER [EFFORT]]

Draws into FOLDER (default: finite_size). 15 cpu-seconds; steps and replicas go with EFFORT (default: 1).
"""

import sys
from pathlib import Path

import numpy as np

import dmft
from dmft import figures

COLORS = ("#0072B2", "#D55E00", "#009E73")
BETA_NS = 1.2434445478150  # where the fixed point of the paper's model turns into a torus
PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)


def new_axes():
    """Make a figure of one column and its axes."""
    return figures.subplots(width="column", height=2.5)[1][0, 0]


def deviations(effort):
    """Deviations fall as 1/sqrt(N), at the amplitude that the Gaussian theory of fluctuations gives."""
    sizes = 10 ** np.arange(2, 13)
    found, theory, names = [], [], []
    for beta in (0.5, 1.0, 1.2):
        model = PAPER.replace(beta=beta)
        orbit = dmft.trajectory(model, 16, n_transient=20_000)
        covariance = dmft.fluctuations(model, orbit, period=4).attention
        theory.append(np.sqrt(np.trace(covariance, axis1=1, axis2=2).mean() / sizes))
        found.append(
            dmft.finite_size(
                model, sizes=sizes.tolist(), n_transient=400, n_replicas=int(10 + 190 * effort), seed=1,
                start=orbit.window,
            )
        )  # fmt: skip
        names.append(rf"$\beta = {beta}$")
        print(f"beta = {beta}: slope {found[-1].slope:.4f} +- {found[-1].slope_stderr:.4f}")
    ax = new_axes()
    columns = [np.stack([getattr(one, name) for one in found], axis=1) for name in ("deviation", "stderr")]
    figures.scaling(sizes, columns[0], stderr=columns[1], theory=np.stack(theory, axis=1), names=names, ax=ax)
    return ax.figure


def smeared_transition(effort):
    """Below the transition noise alone, above it the torus, and N^(-1/4) in between."""
    n_steps = 4 * int(10 + 4_990 * effort)
    found = dmft.smearing(
        PAPER, sizes=[10**k for k in range(3, 9)], beta=BETA_NS + np.linspace(-0.02, 0.02, 17), seed=1,
        n_steps=n_steps, n_transient=n_steps,
    )  # fmt: skip
    ax = new_axes()
    figures.transition(found.values, found.amplitude, found.sizes, theory=found.theory, mark=BETA_NS, ax=ax)
    return ax.figure


def exponents(effort):
    """Noise wakes the chaotic transients of a cycle (1.27); chaos that is there keeps its exponent (1.28)."""
    sizes = 10 ** np.arange(2, 14)
    ax = new_axes()
    for i, beta in enumerate((1.0, 1.27, 1.28)):
        steps = {"n_steps": int(10 + 990 * effort), "n_transient": int(200 + 2_800 * effort)}
        noisy = [dmft.noisy_lyapunov(PAPER.replace(beta=beta), n_sites=int(n), seed=1, **steps) for n in sizes]
        look = {"color": COLORS[i], "marker": "o", "markersize": 3, "capsize": 2, "linewidth": 0.8}
        value, error = (np.array([getattr(one, name)[0] for one in noisy]) for name in ("exponents", "stderr"))
        ax.errorbar(sizes, value, error, label=rf"$\beta = {beta}$", **look)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(xscale="log", xlabel="$N$", ylabel=r"$\lambda_1$ (nats/step)")
    ax.legend(frameon=False, fontsize=7)
    return ax.figure


def escapes(effort):
    """One feature and one token make the Curie-Weiss model: the time to leave a well is exponential in N."""
    one = [[1]]
    model = dmft.SelfAttention(dmft.Features(one, one, one, one, n_positions=0), n_context=1, beta=1.3, gamma=0.0)
    wells = [dmft.trajectory(model, 2, n_transient=99, start=dmft.Start.window([[m]])) for m in (0.9, -0.9)]
    sizes = np.arange(10, 51, 10)
    found = [
        dmft.switching(model, wells, int(500 + 9_500 * effort), n_sites=int(n), n_replicas=64, seed=1) for n in sizes
    ]
    ax = new_axes()
    look = {"color": COLORS[0], "fmt": "o", "markersize": 3.5, "capsize": 2}
    found = {n: one for n, one in zip(sizes, found, strict=True) if np.isfinite(one.first).any()}
    times, errors = ([getattr(f, x) for f in found.values()] for x in ("escape_time", "escape_time_stderr"))
    ax.errorbar(list(found), times, errors, **look)
    ax.set(yscale="log", xlabel="$N$", ylabel="mean escape time (steps)")
    return ax.figure


def replicas(effort):
    """Distances between two networks after 200 steps, from two starts: with common and independent noise."""
    model, starts = PAPER.replace(beta=1.28), [dmft.Start.random(1), dmft.Start.random(2)]
    axes = figures.subplots(1, 2, sharey=True)[1][0]
    for ax, noise in zip(axes, ("common", "independent"), strict=True):
        for i, n_sites in enumerate((10**2, 10**4, 10**6)):
            how = {"n_sites": n_sites, "n_pairs": int(50 + 3_950 * effort), "starts": starts, "noise": noise}
            apart = dmft.distance(model, 201, seed=1, every=200, **how)
            look = {"histtype": "step", "color": COLORS[i], "label": f"$N = 10^{{{2 * i + 2}}}$"}
            ax.hist(apart[:, -1], np.linspace(0, 1, 51), density=True, **look)
        ax.set_xlabel("share of sites that differ")
        ax.set_title(f"{noise} noise", fontsize=9)
    axes[0].set_ylabel("density")
    axes[0].legend(frameon=False, fontsize=7)
    return axes[0].figure


@figures.style()
def main(folder="finite_size", effort=1.0):
    """Draw all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (deviations, smeared_transition, exponents, escapes, replicas):
        figures.save(draw(float(effort)), folder / f"{draw.__name__}.png")
        print(f"drew {folder / draw.__name__}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
