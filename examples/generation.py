"""How generated tokens repeat themselves, and what one flipped site does, in theory and in networks of any size.

    python examples/generation.py [FILE] [N_STEPS] [N_VALUES] [N_PAIRS]

The paper's network. Left, the autocorrelation at beta = 1.255, a torus, whose phase diffuses in finite networks, the
faster the fewer sites. Middle, how far the networks' autocorrelation up to lag 64 is from the theory's, over N, on a
cycle (1.24), the torus, and in chaos (1.28), over N_STEPS steps (default: 4000). Right, the response to one flipped
site of a token over beta in theory: its growth per step, N_VALUES values (default: 201), beside the largest exponent;
inset, its size step after step at beta = 1.2 in theory and in twins of 10^8 sites (N_PAIRS pairs; default: 200).
Writes FILE (default: generation.png). Seven cpu-seconds.
"""

import sys

import numpy as np

import dmft
from dmft import figures

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.255, gamma=220.0, epsilon=0.02)
SIZES = (10**4, 10**5, 10**6, 10**7, 10**8)
COLORS = ("#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#0072B2")


def torus(ax, n_steps):
    """Draw the autocorrelation of a torus."""
    how = {"n_transient": 20_000, "max_lag": 400}
    lags = np.arange(401)
    theory = dmft.generation(PAPER, n_steps, **how)
    ax.plot(lags, theory.autocorrelation, color="black", linewidth=0.8, label=r"$N \to \infty$")
    for n_sites, color in list(zip(SIZES, COLORS, strict=True))[1::2]:
        found = dmft.generation(PAPER, n_steps, n_sites=n_sites, **how)
        exponent = round(np.log10(n_sites))
        ax.plot(lags, found.autocorrelation, color=color, linewidth=0.8, label=f"$N = 10^{exponent}$")
    ax.set_xlabel("lag (steps)")
    ax.set_ylabel("autocorrelation")
    ax.set_ylim(-1.05, 1.7)
    ax.legend(ncol=2)


def scaling(ax, n_steps):
    """Draw how the autocorrelation nears that of the theory."""
    how = {"n_transient": 20_000, "max_lag": 64}
    for beta, name, color in ((1.24, "cycle", "#0072B2"), (1.255, "torus", "#009E73"), (1.28, "chaos", "#D55E00")):
        model = PAPER.replace(beta=beta)
        theory = dmft.generation(model, n_steps, **how)
        apart, error = np.empty((2, len(SIZES)))
        for i, n_sites in enumerate(SIZES):
            found = dmft.generation(model, n_steps, n_sites=n_sites, **how)
            away = found.autocorrelation - theory.autocorrelation
            apart[i] = np.sqrt((away**2).mean())
            error[i] = np.sqrt((found.autocorrelation_error**2 + theory.autocorrelation_error**2).mean())
        print(f"beta = {beta} ({name}): " + ", ".join(f"{x:.4f} +- {e:.4f}" for x, e in zip(apart, error, strict=True)))
        ax.errorbar(SIZES, apart, error, color=color, marker=".", label=name)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("number of sites")
    ax.set_ylabel("deviation of the autocorrelation")
    ax.legend()


def flips(ax, n_values, n_pairs):
    """Draw the growth of responses."""
    betas = np.linspace(1.15, 1.3, n_values)
    how = {"n_transient": 20_000, "n_steps": 8_000, "n_exponents": 1, "measure": ["lyapunov", "response"]}
    result = dmft.sweep(PAPER, beta=betas, progress=False, **how)
    ax.errorbar(
        betas, result["response_rate"], result["response_rate_error"], color="#0072B2", linestyle="none", marker=".",
        markersize=2, elinewidth=0.4, label="one flipped site",
    )  # fmt: skip
    ax.plot(betas, result["exponents"][:, 0], color="#D55E00", linewidth=0.8, label=r"$\lambda_1$")
    ax.set_xlabel(r"$\beta$")
    ax.set_ylabel("growth (nats/step)")
    ax.set_ylim(-0.15, 0.45)
    ax.legend(loc="lower right")
    inset = ax.inset_axes([0.22, 0.66, 0.55, 0.31])
    calm = {"n_transient": 2_000}
    theory = dmft.flip_response(PAPER.replace(beta=1.2), 40, **calm)
    twins = dmft.flip_response(PAPER.replace(beta=1.2), 40, n_sites=10**8, n_pairs=n_pairs, n_flipped=10**4, **calm)
    inset.plot(theory.size, color="black", linewidth=0.8)
    inset.plot(twins.size, ".", color="#CC79A7", markersize=3)
    inset.set_title("size, step after step", fontsize=6)
    inset.tick_params(labelsize=6)
    print(f"largest deviation of the twins: {np.abs(twins.size - theory.size).max():.4f} of {theory.size.max():.4f}")


@figures.style()
def main(path="generation.png", n_steps=4_000, n_values=201, n_pairs=200):
    """Draw the three panels."""
    figure, ((left, middle, right),) = figures.subplots(1, 3, height=2.6)
    torus(left, int(n_steps))
    scaling(middle, int(n_steps))
    flips(right, int(n_values), int(n_pairs))
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
