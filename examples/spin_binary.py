"""Show relaxation and the transition of binary networks: the first figure of the published mean fields of spins.

Couplings are N(1/N, 0.01/N), fields uniform in [-1/2, 1/2], and the transition is at beta = 1.1108. Writes binary.png:
means of all sites over 128 steps from ones by TAP, and their mean by two closures; means over time from 100 random
starts below, at and above the transition; the mean at rest over beta for many networks. Two and a half cpu-minutes:

    python examples/spin_binary.py FOLDER [--sites 512] [--networks 100]
"""

import argparse
from pathlib import Path

import numpy as np

from dmft import figures
from dmft.spins import MeanField, VectorSpins

BETA_C = 1.1108


def network(n, seed, beta):
    """Draw a network; `beta` may be several."""
    rng = np.random.default_rng(seed)
    return VectorSpins(1 / n + 0.1 * rng.normal(size=(n, n)) / np.sqrt(n), rng.uniform(-0.5, 0.5, (n, 1)), beta)


@figures.style()
def main(argv=None):
    """Run all, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=512)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--starts", type=int, default=100)
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    n, rng = args.sites, np.random.default_rng(0)
    figure, (top, bottom) = figures.subplots(2, 3)
    ones = np.full((n, 1), 1.0 - 1e-9)
    model = network(n, 0, BETA_C)
    runs = {name: MeanField(model, name).run(128, ones, record="all")[..., 0] for name in ("naive", "tap")}
    image = top[0].imshow(runs["tap"].T, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    figure.colorbar(image, ax=top[0], label=r"$m_i$")
    top[0].set(xlabel="step", ylabel="site", title=rf"TAP at $\beta_c$ = {BETA_C}")
    for name, run in runs.items():
        top[1].plot(run.mean(axis=1), label=name)
    top[1].set(xlabel="step", ylabel="mean of m", title=r"from ones, $\beta_c$")
    top[1].legend()
    for panel, factor in zip((top[2], *bottom[:2]), (0.5, 1.0, 2.0), strict=True):
        theory = MeanField(network(n, 0, factor * BETA_C), "tap")
        for _ in range(args.starts):
            run = theory.run(64, rng.uniform(-0.99, 0.99, (n, 1)), record="all")
            panel.plot(run.mean(axis=(1, 2)), color="C0", lw=0.5, alpha=0.4)
        panel.set(xlabel="step", ylabel="mean of m", ylim=(-1, 1), title=rf"any start, {factor:g} $\beta_c$")
    beta = np.linspace(0.25, 2.0, 20) * BETA_C
    for closure, colour in (("naive", "C0"), ("tap", "C1")):
        found = [
            MeanField(network(n, seed, beta), closure).fixed_point(
                1e-6, start=np.full((n, 1), 0.9), strict=False, stability=False
            )
            for seed in range(args.networks)
        ]
        means = np.array([abs(np.where(each.converged, each.m.mean(axis=(1, 2)), np.nan)) for each in found])
        bottom[2].plot(beta / BETA_C, means.T, color=colour, lw=0.4, alpha=0.25)
        bottom[2].plot(beta / BETA_C, np.nanmean(means, axis=0), colour, label=closure)
    bottom[2].axvline(1.0, color="k", ls=":")
    bottom[2].set(xlabel=r"$\beta / \beta_c$", ylabel="|mean of m| at rest", title=f"{args.networks} networks")
    bottom[2].legend()
    figures.note(figure, f"{n} sites, J = 1/N + 0.1 z / sqrt(N); thin: single networks or starts, thick: means")
    print(f"drew {figures.save(figure, args.folder / 'binary.png')}")


if __name__ == "__main__":
    main()
