"""Entropy production of a jump process: while it relaxes, in its fluctuations, along one path.

    python examples/entropy_of_jumps.py [FILE [POINTS]]

Draws three panels into FILE (default: entropy_of_jumps.png). A few cpu-seconds.
"""

import sys

import numpy as np

from dmft import figures
from dmft.thermodynamics import MarkovJump, Reservoir


def network(n=6, seed=3):
    """Return some states between a cold and a warm bath."""
    rng = np.random.default_rng(seed)
    energy, G = rng.normal(size=n), rng.exponential(size=(2, n, n))
    return MarkovJump.from_energies(energy, G + G.transpose(0, 2, 1), [Reservoir(T=0.4), Reservoir(T=2.0)])


def relaxation(ax, process, n):
    """Draw what is produced until a time, by staying out of equilibrium and by approaching the stationary state."""
    times = np.linspace(0, 1.0, 5 * n)
    now = process.relax(np.eye(process.n_states)[int(np.argmax(process.energy))], times)
    ax.stackplot(
        times, now.nonadiabatic, now.adiabatic, labels=["nonadiabatic", "adiabatic"], colors=["#E69F00", "#56B4E9"]
    )
    ax.plot(times, now.ep, "k", linewidth=0.8, label="entropy production")
    ax.set(xlabel="time", ylabel="nats", title="relaxation", xlim=(0, 1), ylim=(0, 48))
    ax.legend(loc="upper left")


def fluctuations(ax, process, n):
    """Draw the cumulants of the entropy given off, symmetric about -1/2, and the bound of the uncertainty relation."""
    count = process.counting(process.log_ratio)
    k = np.linspace(-1.3, 0.3, 5 * n)
    ax.plot(k, count.scgf(k), label=r"$\lambda(k)$")
    ax.plot(k, count.mean * k * (1 + k), "--", label="bound: parabola of the mean")
    ax.axvline(-0.5, color="0.5", linewidth=0.8, linestyle=":")
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(xlabel="$k$", ylabel="nats per time", title=f"currents, TUR {count.tur:.2f}")
    ax.set_ylim(None, 1.35 * ax.get_ylim()[1])
    ax.legend()


def path(ax, process, n):
    """Draw the entropy along trajectories, and its mean."""
    p, times = process.stationary(), np.linspace(0, 10, 20 * n)
    for item in range(8):
        # The same trajectory for longer and longer: its stream depends on its number alone.
        entropy = [process.paths(1, t, seed=1, first=item, n_threads=1).ep(p, p)[0] for t in times]
        ax.plot(times, entropy, color="C0", alpha=0.9 if item == 0 else 0.25, linewidth=1.2 if item == 0 else 0.7)
    ax.plot(times, process.budget().ep * times, "k--", label="mean")
    ax.set(xlabel="time", ylabel="stochastic entropy (nats)", title="trajectories")
    ax.legend()


@figures.style()
def main(file="entropy_of_jumps.png", n=20):
    """Compute and draw."""
    figure, (axes,) = figures.subplots(1, 3)
    process = network()
    for ax, draw in zip(axes, (relaxation, fluctuations, path), strict=True):
        draw(ax, process, int(n))
    figures.save(figure, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
