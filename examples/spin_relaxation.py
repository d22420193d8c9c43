"""Vector spins relax, respond and correlate: the figures of the published programs, drawn by this package.

Writes relaxation.png (means from equal ones at two temperatures, and with couplings twice as strong), response.png
(response of a site, ratios of Bessel functions) and errors.png (errors of closures over the drive and beta, with
simulations). Half a cpu-minute:

    python examples/spin_relaxation.py FOLDER [--sites 256] [--components 128]
"""

import argparse
from pathlib import Path

import numpy as np

from dmft import figures
from dmft.spins import MeanField, Response, bessel_ratio, sample_spins, spin_network


def relaxation(n_sites, n_components, n_steps=20):
    """Draw how means go to their stationary state from equal ones."""
    figure, axes = figures.subplots(3, 3, height=2.1)
    start = np.full((n_sites, n_components), 1 / np.sqrt(n_components))
    radius = np.sqrt(0.5 * n_components - 1)
    cases = (
        (r"$\beta$ = 1", {"beta": 1.0}),
        (r"$\beta$ = 2", {"beta": 2.0}),
        (r"$\beta$ = 1, J doubled, |x| = 1", {"beta": 1.0, "scale": 2.0, "drive": 1 / radius}),
    )
    for row, (title, options) in zip(axes, cases, strict=True):
        model = spin_network("gaussian", n_sites, n_components, response="large", seed=1, **options)
        for closure, style in (("gauss", "-"), ("naive", "--"), ("onsager", ":")):
            theory = MeanField(model, closure)
            run = theory.run(n_steps, start, record="all")
            rest = theory.fixed_point(strict=False, stability=False).m
            length = np.linalg.norm(run, axis=2)
            cosine = (run * model.fields).sum(2) / (length * np.linalg.norm(model.fields, axis=1))
            row[0].plot(length.mean(1) / model.radius, style, label=closure)
            row[1].plot(cosine.mean(1), style)
            row[2].semilogy([theory.mismatch(m, rest) / n_sites + 1e-16 for m in run], style)
            if closure == "gauss":
                row[0].fill_between(
                    range(n_steps + 1), *(f(length, axis=1) / model.radius for f in (np.min, np.max)), alpha=0.2
                )
        labels = "|m| / R", "cosine of m and x", "mismatch (nats / site)"
        for axis, label in zip(row, labels, strict=True):
            axis.set(xlabel="step", ylabel=label, title=title)
    axes[0, 0].legend()
    return figure


def responses():
    """Draw the response of a site over its field, and ratios of Bessel functions over their order."""
    figure, ((left, right),) = figures.subplots(1, 2, height=2.8)
    h = np.linspace(0, 4, 80)
    for i, beta in enumerate((0.1, 0.5, 1.0, 2.0, 10.0)):
        for kind, style in (("exact", "-"), ("large", ":")):
            site = Response(16, beta, kind=kind)
            fields = h[:, None] * site.length * np.eye(1, 16)
            left.plot(
                h,
                site.mean(fields)[:, 0] / site.length,
                f"C{i}{style}",
                label=rf"$\beta$ = {beta:g}" if style == "-" else None,
            )
    left.set(xlabel="|h| / R", ylabel="|m| / R", title="D = 16; dotted: for many components", ylim=(None, 1.3))
    left.legend(ncols=3, loc="upper center")
    nu = np.geomspace(0.5, 500, 60)
    for label, kappa in ((r"\sqrt{\nu}", np.sqrt(nu)), (r"\nu", nu), (r"\nu^2", nu**2)):
        right.semilogx(
            nu, [bessel_ratio(k, 2 * n + 2) for n, k in zip(nu, kappa, strict=True)], label=rf"$\kappa = {label}$"
        )
    right.set(xlabel=r"$\nu = D/2 - 1$", ylabel=r"$I_{\nu+1}(\kappa) / I_\nu(\kappa)$")
    right.legend()
    return figure


def errors(n_sites, n_replicas=16, n_steps=120):
    """Draw errors of means, delayed correlations and entropy production of attention-like couplings."""
    figure, axes = figures.subplots(2, 3, height=2.2)
    betas, drives = np.array([0.5, 1.0, 2.0, 4.0]), np.array([0.25, 1.0, 2.0])
    for row, n_components in zip(axes, (3, 16), strict=True):
        maps = np.empty((3, len(drives), len(betas)))
        for i, drive in enumerate(drives):
            for k, beta in enumerate(betas):
                model = spin_network("softmax", n_sites, n_components, beta=beta, drive=drive, seed=2)
                found = sample_spins(model, n_replicas, n_steps, seed=3, correlations=True)
                theory = MeanField(model, "gauss", tol=1e-7)
                m = theory.fixed_point(1e-8, stability=False).m
                maps[0, i, k] = np.linalg.norm(m - found.m) / np.linalg.norm(found.m)
                maps[1, i, k] = np.linalg.norm(theory.delayed(m) - found.D) / np.linalg.norm(found.D)
                maps[2, i, k] = abs(theory.entropy_production(m) / found.entropy_production - 1)
        for axis, values, name in zip(row, maps, ("m", "D", r"$\sigma$"), strict=True):
            image = axis.imshow(np.log10(values), origin="lower", aspect="auto", cmap="viridis")
            axis.set(xlabel=r"$\beta$", ylabel="|x| / R", title=f"D = {n_components}: error of {name}")
            axis.set_xticks(range(len(betas)), [f"{each:g}" for each in betas])
            axis.set_yticks(range(len(drives)), [f"{each:g}" for each in drives])
            figure.colorbar(image, ax=axis, label="log10")
    return figure


@figures.style()
def main(argv=None):
    """Draw all three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=256)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--replicas", type=int, default=16)
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    few = min(args.sites, 24)
    drawn = {
        "relaxation": (
            relaxation(args.sites, args.components),
            f"{args.sites} sites, D = {args.components}; band: least and largest of the sites",
        ),
        "response": (responses(), ""),
        "errors": (
            errors(few, args.replicas),
            f"softmax couplings of {few} sites, Gaussian fields against {args.replicas} sampled replicas",
        ),
    }
    for name, (figure, facts) in drawn.items():
        figures.note(figure, facts)
        print(f"drew {figures.save(figure, args.folder / f'{name}.png')}")


if __name__ == "__main__":
    main()
