"""Agents that feed themselves by information: a demon, its battery, a tape, a sensor, foragers.

    python examples/agents.py [FILE [POINTS]]

Draws nine panels into FILE (default: agents.png). Four cpu-seconds.
"""

import sys
from dataclasses import replace

import numpy as np
from matplotlib.colors import ListedColormap

from dmft import figures
from dmft.thermodynamics import regulate, scramble, semantic
from dmft.thermodynamics.agents import Battery, FoodAgent, Forager, IsingAgent, Regulated, Sensor, Tape, TwoDots


def budget_of_parts(ax):
    """Draw each part of a spin agent in a driven environment: what it gives off, produces, and learns."""
    agent = IsingAgent(drive=2.0, T_env=3.0, c_in=2.0, c_out=2.0, w=1.5, j_int=1.0, field=0.5, rate_env=0.2)
    parts = agent.budget().parts
    place = np.arange(len(parts))
    for k, (what, name) in enumerate((("flow", "entropy flow"), ("information", "information"), ("ep", "production"))):
        ax.bar(place + 0.27 * (k - 1), [getattr(part, what) for part in parts.values()], 0.25, label=name)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set_xticks(place, parts, fontsize=7, rotation=30)
    ax.set(ylabel="nats per time", title="parts of an Ising agent")
    ax.set_yscale("symlog", linthresh=0.01)
    ax.legend()


def demon(ax, n):
    """Draw current and power of the two dots against the bias."""
    bias = np.linspace(0, 5, 5 * n)
    dots = [TwoDots(mu_R=mu) for mu in bias]
    flows = np.array([dot.process.budget().flow_by_mechanism[:2].sum() for dot in dots])
    ax.plot(bias, [dot.current() for dot in dots], label="current")
    ax.plot(bias, [dot.power() for dot in dots], label="power won")
    ax.plot(bias, flows, label=r"$\varphi_s$")
    ax.set_ylim(-0.27, 0.62)  # room for the legend
    ax.fill_between(
        bias, *ax.get_ylim(), where=flows < 0, color="0.9", zorder=0, label=r"$\varphi_s < 0$: paid by information"
    )
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(xlabel=r"bias $\mu_R - \mu_L$", title="two dots")
    ax.legend(loc="upper right")


def battery(ax, n):
    """Draw what the demon stores, against that of a blind one."""
    T = np.geomspace(0.1, 1.0, 2 * n)
    cells = [Battery(T_d=t) for t in T]
    ax.plot(T, [cell.stored() for cell in cells], label="demon")
    blind = [cell.stored(scramble(cell.process, cell.partition, *cell.sensing)[1]) for cell in cells]
    ax.plot(T, blind, "--", label="blind")
    ax.set(xlabel=r"$T_d / T$", ylabel="stored free energy / T", title="battery")
    ax.legend()


def tape(ax, n):
    """Draw where the tape's demon is an engine, an eraser, or neither."""
    eps, delta = np.linspace(-0.95, 0.95, 4 * n), np.linspace(-1, 1, 4 * n + 1)
    kinds = ["engine", "eraser", "dud"]
    table = [[kinds.index(Tape(eps=e, delta=d, tau=1.0).kind()) for e in eps] for d in delta]
    ax.pcolormesh(eps, delta, table, cmap=ListedColormap(["#56B4E9", "#009E73", "#BBBBBB"]), vmin=0, vmax=2)
    places = {
        "engine": ((0.25, 0.85), (-0.25, -0.85)),
        "eraser": ((0.7, 0.1), (-0.6, -0.2)),
        "dud": ((-0.5, 0.6), (0.5, -0.6)),
    }
    for name, place in ((name, place) for name, both in places.items() for place in both):
        ax.text(*place, name, ha="center", va="center")
    ax.set(xlabel=r"load $\epsilon$", ylabel=r"excess of zeros $\delta$", title=r"tape, $\tau = 1$")


def sensor(ax, n):
    """Draw what share of its dissipation a sensor turns into learning."""
    gamma = np.geomspace(1e-3, 1e2, 4 * n)
    for a in (1.0, 2.0, 4.0):
        bits = [Sensor(g01=g, g10=g, nu_passive=0.0, K=0.0, a=a) for g in gamma]
        share = [bit.learning_rate() / bit.process.budget().flow_by_mechanism[1:].sum() for bit in bits]
        ax.plot(gamma, share, label=f"a = {a:g}")
    ax.set(
        xscale="log",
        ylim=(0, 1),
        xlabel=r"flips of the environment $\gamma$",
        ylabel="learning rate / dissipation",
        title="sensor",
    )
    ax.legend()


def meaning(ax):
    """Draw the viability of the published agent against what it knows at the start."""
    agent, bit = FoodAgent(), np.log(2)
    worth = semantic(agent.process, agent.partition, "food", agent.start, 5, agent.viability, ordered=True)
    ax.plot(worth.information / bit, worth.viability / bit, ".", color="0.6")
    order = np.argsort(worth.information)
    best = np.maximum.accumulate(worth.viability[order])
    ax.plot(worth.information[order] / bit, best / bit, drawstyle="steps-post", label="best")
    ax.axhline(worth.viability[-1] / bit, color="0.3", linewidth=0.8, linestyle=":")
    ax.axvline(worth.semantic / bit, color="C3", label=f"semantic: {worth.semantic / bit:.2f} bits")
    ax.set(xlabel="information kept (bits)", ylabel="viability (bits)", title="food agent", ylim=(-97, None))
    ax.legend()


def foragers(axes, n):
    """Draw the stored free energy against food, frozen and regulated, and what the regulator costs."""
    one = Forager(k=2, n_max=8, nu0=0.0, leak=0.0, eta=1.0)
    agent = Regulated(forager=one)
    eta = np.geomspace(0.1, 4.0, 2 * n)
    rules = regulate(one, "eta", eta, target=agent.stored())
    regulated = [replace(agent, forager=replace(one, eta=x)) for x in eta]
    axes[0].plot(eta, rules.frozen, label="frozen")
    axes[0].plot(eta, [each.stored() for each in regulated], label="regulator")
    axes[0].plot(eta, rules.stored, ":", label="integral rule")
    axes[0].set(xscale="log", xlabel=r"food $\eta$", ylabel="stored free energy", title="forager, regulated")
    axes[0].legend()
    axes[1].plot(eta, [each.process.budget().flow_by_mechanism[5] for each in regulated])
    axes[1].set(xscale="log", xlabel=r"food $\eta$", ylabel="nats per time", title="cost of regulation", ylim=(0, None))


def harvest(ax, n):
    """Draw how near equilibrium the harvest is of second order in the drive."""
    mu = np.geomspace(1e-3, 5.0, 3 * n)
    for a, name in ((0.0, "blunt"), (2.0, "a = 2")):
        ax.plot(mu, [Forager(mu_food=x, a=a).stored() for x in mu], label=name)
    ax.plot(mu[: 2 * n], Forager(mu_food=mu[0], a=0.0).stored() * (mu[: 2 * n] / mu[0]) ** 2, "k:", label=r"$\mu^2$")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=r"$\mu_\mathrm{food}$",
        ylabel="stored free energy",
        title="low near equilibrium",
    )
    ax.legend()


@figures.style()
def main(file="agents.png", n=15):
    """Compute and draw."""
    n = int(n)
    figure, axes = figures.subplots(3, 3, height=2.4)
    axes = axes.ravel()
    budget_of_parts(axes[0])
    demon(axes[1], n)
    battery(axes[2], n)
    tape(axes[3], n)
    sensor(axes[4], n)
    meaning(axes[5])
    foragers(axes[6:8], n)
    harvest(axes[8], n)
    figures.save(figure, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
