"""Show where networks of vector spins, and blocks of attention, lose their fixed point, cycle, or are chaotic.

Follows the mean fields of Gaussian couplings N(0, scale^2 / N) over beta and the asymmetry, and those of softmax
couplings over beta and the width of their scores, for spins of 1, 2, 3, 16 and 64 components of length sqrt(D): then a
site answers a weak field with beta times it, whatever D. Gaussian fields are averaged over in closed form, which few
components have not. Writes phases.png. Some minutes on two cores:

    python examples/spin_phases.py FOLDER [--points 7] [--sites 24]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

import dmft
from dmft.spins import SpinScan

COMPONENTS = (1, 2, 3, 16, 64)
PHASES = ("fixed point", "fixed point, slow", "cycles, tori", "chaos")
COLOURS = ("#f2efe9", "#c9d7e8", "#e3a857", "#a63d40")
ROWS = {
    "Gaussian couplings, naive": ("gaussian", "naive", "asymmetry", (1, 2, 3, 16, 64)),
    "Gaussian couplings, Gaussian fields": ("gaussian", "gauss", "asymmetry", (1, 16, 64)),
    "softmax couplings, naive": ("softmax", "naive", "scale", (1, 2, 3, 16, 64)),
}


def phases(result):
    """Return the number of the phase at each point: by whether the orbit still moves, and its exponent."""
    exponent, motion = result["exponent"][..., 0], result["motion"][..., 0]
    found = np.where(motion < 1e-6, 0, np.where(exponent < 0.005, 2, 3))
    decays = (found == 2) & (motion < 1e-2) & (exponent < 0)  # at the rate of the exponent, or nearly
    return np.where(decays, 1, found)


def main(argv=None):
    """Scan all networks, and draw a map for each kind and number of components."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=7)
    parser.add_argument("--sites", type=int, default=24)
    parser.add_argument("--steps", type=int, default=120)
    args = parser.parse_args(argv)
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    grid = figure.subplots(len(ROWS), len(COMPONENTS), sharex=True)
    colours, norm = ListedColormap(COLOURS), BoundaryNorm(np.arange(-0.5, 4), 4)
    beta = np.linspace(0.5, 4.5, args.points)
    for row, (title, (kind, closure, axis, drawn)) in zip(grid, ROWS.items(), strict=True):
        other = np.linspace(0.0, 1.0 if axis == "asymmetry" else 4.0, args.points)
        for panel, D in zip(row, COMPONENTS, strict=True):
            if D not in drawn:
                panel.set_axis_off()
                continue
            job = SpinScan(
                kind=kind, n_sites=args.sites, n_components=D, radius=D**0.5, drive=0.1, closures=[closure],
                n_orbit=args.steps, response="large" if D > 3 and closure == "gauss" else "exact",
            )  # fmt: skip
            result = dmft.scan(job, beta=beta, **{axis: other}, progress=False)
            image = panel.pcolormesh(beta, other, phases(result).T, cmap=colours, norm=norm)
            radius = result["spectral_radius"][..., 0].T
            if np.nanmin(radius) < 1 < np.nanmax(radius):
                panel.contour(beta, other, radius, [1.0], colors="k")
            panel.set(title=f"D = {D}", xlabel=r"$\beta$" if kind == "softmax" else "")
            print(title, D, np.bincount(phases(result).ravel(), minlength=4), flush=True)
        row[0].set_ylabel(f"{title}\n\n{'asymmetry' if axis == 'asymmetry' else 'width of the scores'}")
    bar = figure.colorbar(image, ax=grid, ticks=range(4), shrink=0.5)
    bar.ax.set_yticklabels(PHASES)
    figure.suptitle("Mean fields of vector spins; black: a multiplier of the fixed point leaves the circle")
    figure.savefig(args.folder / "phases.png", dpi=110)


if __name__ == "__main__":
    main()
