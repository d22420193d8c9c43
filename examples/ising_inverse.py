"""Infer couplings from spike trains that the package makes, with every method.

A random network fires; its couplings and fields are inferred from trains of growing length by each
mean-field theory and by exact maximum likelihood. Left: error of the couplings falls like 1/sqrt(T) until
the bias of the theory is left. Middle: couplings against the true ones, with standard errors.
Right: covariances that the inferred network reproduces against those of a held-out train.

Command: ``python examples/ising_inverse.py [--sites 20] [--out ising_inverse.png]``
Cost: 5 cpu-seconds.
"""

import argparse

import numpy as np

from dmft import figures
from dmft.ising import KineticIsing, goodness_of_fit, infer, max_likelihood, spike_moments

DASHES = ("-", "--", ":", "-.")
METHODS = ("tap", "plefka_t1", "plefka_t2", "gaussian", "pairwise", "conditional")


def fit(spikes, method):
    """Infer by a theory or by maximum likelihood; None where a theory has no answer."""
    try:
        return max_likelihood(spikes) if method == "max_likelihood" else infer(spikes, method, n_threads=1)
    except FloatingPointError as error:
        print(f"{method}, {spikes.shape[1]} bins: {error}")
        return None


@figures.style()
def main():
    """Run, print a table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="ising_inverse.png")
    args = parser.parse_args()

    rng, n = np.random.default_rng(args.seed), args.sites
    model = KineticIsing(0.6 * rng.normal(size=(n, n)) / np.sqrt(n), rng.uniform(-0.4, 0.2, n))
    lengths = [1000, 4000, 16_000, 64_000]
    train = model.trajectory(lengths[-1], n_transient=100, seed=1)
    held_out = model.trajectory(16_000, n_transient=100, seed=2)

    figure, (axes,) = figures.subplots(1, 3)
    for i, method in enumerate((*METHODS, "max_likelihood")):  # some lie on each other
        results = [fit(train[:, :length], method) for length in lengths]
        error = [np.nan if r is None else np.sqrt(((r.couplings - model.J) ** 2).mean()) for r in results]
        axes[0].loglog(lengths, error, label=method, marker=".", linewidth=3.0 - 0.35 * i, linestyle=DASHES[i % 4])
        if results[-1] is not None:
            quality = goodness_of_fit(results[-1].model(), held_out, n_samples=4000, n_threads=1)
            print(
                f"{method:15s} rms error of J {error[-1]:.4f}, held-out log-likelihood "
                f"{quality.log_likelihood:.5f}, rms misfit of m, C, D "
                f"{quality.m:.4f}, {quality.C:.4f}, {quality.D:.4f}"
            )
    axes[0].loglog(lengths, 1 / np.sqrt(lengths), "k:", label=r"$T^{-1/2}$")
    axes[0].set(xlabel="bins T", ylabel="rms error of couplings", ylim=(4e-4, None))
    axes[0].legend()

    best = infer(train[:, :16_000], "conditional", n_threads=1)
    axes[1].errorbar(model.J.ravel(), best.couplings.ravel(), best.stderr.ravel(), fmt=".", ms=3, lw=0.5)
    axes[1].axline((0, 0), slope=1, color="k", lw=0.5)
    axes[1].set(xlabel="true coupling", ylabel="inferred (conditional)")

    seen = spike_moments(held_out)
    made = best.model().sample(20_000, 100, n_threads=1)
    off = ~np.eye(n, dtype=bool)
    axes[2].plot(seen.C[off], made.C[off], ".", ms=3, label="C")
    axes[2].plot(seen.D.ravel(), made.D.ravel(), ".", ms=3, label="D")
    axes[2].axline((0, 0), slope=1, color="k", lw=0.5)
    axes[2].set(xlabel="held-out train", ylabel="inferred network")
    axes[2].legend()
    figures.save(figure, args.out)


if __name__ == "__main__":
    main()
