"""The six values of beta the paper shows: a torus, cycles and chaos, side by side.

    python examples/trajectories.py [FOLDER [STEPS]]

Draws one page per quantity into FOLDER (default: trajectories): attention in time, phase planes,
power spectra, running Lyapunov exponents. A few cpu-seconds.
"""

import sys
from pathlib import Path

import dmft
from dmft import figures

BETAS = {1.255: "torus", 1.26451: "cycle", 1.266: "chaos", 1.27: "cycle", 1.28: "chaos", 1.4: "chaos"}


def page(draw):
    """Draw one panel for each beta."""
    figure, axes = figures.subplots(2, 3)
    for ax, (beta, regime) in zip(axes.flat, BETAS.items(), strict=True):
        draw(beta, ax)
        ax.set_title(rf"$\beta = {beta}$, {regime}", fontsize=8)
        legend = ax.get_legend()
        if legend:  # the same in every panel: once for the page
            names = {text.get_text(): line for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)}
            legend.remove()
    if legend:
        figure.legend(names.values(), names.keys(), loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure


@figures.style()
def main(folder="trajectories", n_steps=20_000):
    """Run all, draw all."""
    folder, n_steps = Path(folder), int(n_steps)
    folder.mkdir(parents=True, exist_ok=True)
    base = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=3.0, gamma=220.0, epsilon=0.02)
    start = dmft.Start.feature("output", 0)
    orbits, spectra = {}, {}
    for beta in BETAS:
        model = base.replace(beta=beta)
        orbits[beta] = dmft.trajectory(model, n_steps, n_transient=5 * n_steps, start=start)
        how = {"n_transient": 5 * n_steps, "start": start, "n_exponents": 2, "n_history": 100}
        spectra[beta] = dmft.lyapunov(model, n_steps, **how)
        print(f"beta = {beta}: leading exponents {spectra[beta].exponents.round(4)}")

    pages = {
        "time": lambda beta, ax: figures.trajectory(orbits[beta].overlaps["output"][:100], ax=ax, labels="m^o"),
        "plane": lambda beta, ax: figures.phase_plane(orbits[beta].overlaps["output"], ax=ax, labels="m^o"),
        "power": lambda beta, ax: figures.power_spectrum(
            orbits[beta].overlaps["output"][:, 0], ax=ax, n_segment=n_steps // 5, labels="m^o"
        ),
        "exponents": lambda beta, ax: figures.running_exponents(
            spectra[beta].steps, spectra[beta].history, stderr=spectra[beta].history_stderr, ax=ax
        ),
    }
    for name, draw in pages.items():
        figures.save(page(draw), folder / f"{name}.png")
        print(f"drew {folder / name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
