"""Show where networks of vector spins, and blocks of attention, lose their fixed point, cycle, or are chaotic.

Labels what mean fields of 1, 2, 3, 16 and 64 components settle on: over beta and the asymmetry of Gaussian couplings
N(0, 1/N), by the naive closure and by Gaussian fields; over beta and J0 of couplings N(J0/N, 1/N); over beta and the
width of the scores of softmax ones. Spins are of length sqrt(D): then a site answers a weak field with beta times it,
whatever D. Gaussian fields of 2 and 3 components are averaged by quadrature, to 1e-3 of the length of a spin. Each
point is one network. Writes phases.png, and prints how many points have which label, and the least beta without a fixed
point. Maps are kept in FOLDER, and not computed again. Half a cpu-hour:

    python examples/spin_phases.py FOLDER [--points 6] [--sites 16] [--rows naive gauss J0 softmax] [--components 1 2 3]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap

import dmft
from dmft import figures
from dmft.dynamics.classify import ATTRACTOR_KINDS
from dmft.spins import SpinScan

COMPONENTS = (1, 2, 3, 16, 64)
PHASES = ("fixed point", "cycle", "torus", "chaos", "not told")
COLOURS = ("#f2efe9", "#8fb4d9", "#e3a857", "#a63d40", "#9a9a9a")
# name: title, kind of couplings, closure, second axis, its label, its range
ROWS = {
    "naive": ("Gaussian couplings\nnaive", "gaussian", "naive", "asymmetry", "asymmetry", (0.0, 1.0)),
    "gauss": ("Gaussian couplings\nGaussian fields", "gaussian", "gauss", "asymmetry", "asymmetry", (0.0, 1.0)),
    "J0": ("Gaussian couplings\nnaive", "gaussian", "naive", "J0", "$J_0$", (0.0, 3.0)),
    "softmax": ("softmax couplings\nnaive", "softmax", "naive", "scale", "width of the scores", (0.0, 4.0)),
}


def phases(result):
    """Return the number of the phase at each point; clear exponents count where they have not settled to digits."""
    kinds = np.array([4 if np.isnan(code) else code for code in result["regime"][..., 0].flat], dtype=int)
    numbers = {"cycle": 1, "torus": 2, "chaos": 3}
    found = np.array([numbers.get(ATTRACTOR_KINDS[kind], 4) for kind in kinds]).reshape(result.shape)
    found = np.where((found == 4) & (result["exponent"][..., 0] > 0.02), 3, found)
    return np.where(result["period"][..., 0] == 1, 0, found)


@figures.style()
def main(argv=None):
    """Label all networks, and draw a map for each kind and number of components."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--sites", type=int, default=16)
    parser.add_argument("--steps", type=int, default=300, help="before an orbit is looked at")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--components", nargs="+", type=int, default=COMPONENTS)
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    shape = len(args.rows), len(args.components)
    figure, grid = figures.subplots(*shape, height=1.5 if len(args.rows) > 1 else 2.5, sharex=True, sharey="row")
    colours, norm = ListedColormap(COLOURS), BoundaryNorm(np.arange(-0.5, 5), 5)
    beta = np.linspace(0.5, 4.0, args.points)
    for row, name in zip(grid, args.rows, strict=True):
        title, kind, closure, axis, label, ends = ROWS[name]
        other = np.linspace(*ends, args.points)
        for panel, D in zip(row, args.components, strict=True):
            many = D > 3 and closure == "gauss"  # averages in closed form
            coarse = closure == "gauss" and D in (2, 3)
            job = SpinScan(
                kind=kind, n_sites=args.sites, n_components=D, radius=D**0.5, drive=0.3, closures=[closure],
                regimes=True, n_transient=args.steps, response="large" if many else "exact",
                quadrature=1e-3 if coarse else 1e-11,
            )  # fmt: skip
            store = args.folder / f"{name}_{D}"
            result = dmft.scan(job, beta=beta, **{axis: other}, store=store, resume=store.exists(), progress=False)
            found = phases(result)
            image = panel.pcolormesh(beta, other, found.T, cmap=colours, norm=norm)
            radius = result["spectral_radius"][..., 0].T
            if np.nanmin(radius) < 1 < np.nanmax(radius):
                panel.contour(beta, other, radius, [1.0], colors="k", linewidths=1.0)
            counts = zip(PHASES, np.bincount(found.ravel(), minlength=5), strict=True)
            lost = beta[(found != 0).any(axis=1)]
            chaotic = beta[(found == 3).any(axis=1)]
            print(f"{name}, D = {D}:", ", ".join(f"{n} {phase}" for phase, n in counts if n), end="; ")
            print(
                f"no fixed point from beta = {lost.min():.2f} on" if lost.size else "a fixed point everywhere", end=""
            )
            print(f", chaos from {chaotic.min():.2f} on" if chaotic.size else "", flush=True)
        row[0].set_ylabel(f"{title}\n{label}")
    for panel, D in zip(grid[0], args.components, strict=True):
        panel.set_title(f"D = {D}")
    for panel in grid[-1]:
        panel.set_xlabel(r"$\beta$")
    bar = figure.colorbar(image, ax=grid, ticks=range(5), shrink=0.5)
    bar.ax.set_yticklabels(PHASES)
    figures.note(
        figure,
        f"what mean fields of {args.sites} sites settle on; black: a multiplier of the fixed point leaves the circle",
    )
    print(f"drew {figures.save(figure, args.folder / 'phases.png')}")


if __name__ == "__main__":
    main()
