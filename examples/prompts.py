"""What a prompt does: how long networks remember it, at which temperature, and a drive that tames chaos.

    python examples/prompts.py [FILE] [N_REPLICAS] [N_STEPS] [N_VALUES]

Eight prompts of eight tokens each are read by the paper's network. Left, the information about the prompt that the
context holds, step by step after it was switched off, at beta = 3, in theory and in networks of 10^2 to 10^5 sites
(N_REPLICAS of each prompt; default: 64). Middle, what is left after N_STEPS steps (default: 1000) over beta, the
dashed line the most there can be. Right, one token in eight is given, each of its sites with a chance: the orbits at
beta = 1.4 and their largest exponent over that chance (N_VALUES values; default: 240). Writes FILE (default:
prompts.png). 15 cpu-seconds.
"""

import sys

import numpy as np

import dmft
from dmft import Drive, Start, figures

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=3.0, gamma=220.0, epsilon=0.02)
PROMPTS = [Start.prompt([f"{sign}{role} {i}" for i in (0, 1, 2, 0)] * 2) for role in ("output", "value", "query", "key")
           for sign in ("", "-")]  # fmt: skip
SIZES = (10**2, 10**3, 10**4, 10**5)
COLORS = ("#56B4E9", "#009E73", "#E69F00", "#CC79A7")


def over_time(ax, n_replicas, n_steps):
    """Draw what is remembered, step after step."""
    every = max(4, n_steps // 50)
    for n_sites, color in zip(SIZES, COLORS, strict=True):
        found = dmft.recall(PAPER, PROMPTS, n_steps, every=every, n_sites=n_sites, n_replicas=n_replicas, seed=1)
        exponent = round(np.log10(n_sites))
        ax.errorbar(found.steps, found.information, found.error, color=color, label=f"$N = 10^{exponent}$")
        print(f"N = {n_sites}: {found.information[-1]:.3f} +- {found.error[-1]:.3f} nats after {n_steps} steps")
    theory = dmft.recall(PAPER, PROMPTS, n_steps, every=every)
    ax.plot(theory.steps, theory.information, color="black", label=r"$N \to \infty$")
    ax.set_xscale("log")
    ax.set_xlabel("steps after the prompt")
    ax.set_ylabel("information (nats)")
    ax.set_ylim(-0.1, 2.2)
    ax.legend()


def over_beta(ax, n_replicas, n_steps, n_values):
    """Draw what is remembered at last."""
    betas = np.linspace(0.5, 4.0, max(2, n_values // 8))
    for n_sites, color in zip((*SIZES[1:], None), (*COLORS[1:], "black"), strict=True):
        how = {"every": n_steps, "n_sites": n_sites, "n_replicas": n_replicas, "seed": 1}
        last = [dmft.recall(PAPER.replace(beta=beta), PROMPTS, n_steps, **how) for beta in betas]
        values, errors = np.array([(one.information[-1], one.error[-1]) for one in last]).T
        ax.errorbar(betas, values, errors, color=color, marker=".", linestyle="-" if n_sites else "none")
    ax.axhline(np.log(len(PROMPTS)), color="0.6", linestyle="--")
    ax.set_xlabel(r"$\beta$")
    ax.set_ylabel("information left (nats)")
    ax.set_ylim(-0.1, 2.2)


def over_strength(ax, n_steps, n_values):
    """Draw orbits and exponents of a driven network."""
    driven = PAPER.replace(beta=1.4, drive=Drive(["output 0"] + ["free"] * 7))
    strengths = np.linspace(0.0, 0.5, n_values)
    how = {"n_transient": 4 * n_steps, "n_steps": 2 * n_steps, "every": 8, "n_rows": max(2, n_steps // 8)}
    how |= {"n_exponents": 1, "measure": ["orbit", "lyapunov"], "progress": False, "start": Start.random(0)}
    result = dmft.sweep(driven, strength=strengths, **how)
    orbit, exponent = result["attention"][:, :, 0], result["exponents"][:, 0]
    ax.plot(
        np.repeat(strengths, orbit.shape[1]),
        orbit.ravel(),
        ".",
        color="0.4",
        markersize=0.8,
        markeredgewidth=0,
        rasterized=True,
    )
    ax.set_xlabel("chance of a site to be given")
    ax.set_ylabel("$A_1$ every 8 steps")
    twin = ax.twinx()
    twin.plot(strengths, exponent, color="#D55E00", linewidth=0.8)
    twin.axhline(0.0, color="#D55E00", linewidth=0.4)
    twin.set_ylabel(r"$\lambda_1$ (nats/step)", color="#D55E00")
    twin.set_ylim(-0.3, 0.3)


@figures.style()
def main(path="prompts.png", n_replicas=64, n_steps=1_000, n_values=240):
    """Draw the three panels."""
    n_replicas, n_steps, n_values = int(n_replicas), int(n_steps), int(n_values)
    figure, ((left, middle, right),) = figures.subplots(1, 3, height=2.6)
    over_time(left, n_replicas, n_steps)
    over_beta(middle, n_replicas, n_steps, n_values)
    over_strength(right, n_steps, n_values)
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
