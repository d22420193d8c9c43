"""Draw the phase diagram of the asymmetric SK model with its entropy production.

At infinite size the magnetisation m, and the entropy production per spin and step, in the plane of
temperature and coupling width. It peaks at the critical line (white), and grows without an end in the
disordered phase when cooled. There is no spin-glass phase. Right: cuts, parallel and asynchronous.

Command: ``python examples/ising_sk.py [--points 40] [--field 0.0] [--out ising_sk.png]``
Cost: 6 cpu-seconds.
"""

import argparse

import numpy as np

import dmft
from dmft import figures
from dmft.ising import AsymmetricSK, PhaseDiagram


@figures.style()
def main():
    """Compute and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--field", type=float, default=0.0)
    parser.add_argument("--out", default="ising_sk.png")
    args = parser.parse_args()

    temperature, widths = np.linspace(0.1, 1.4, args.points), np.linspace(0.02, 1.2, args.points)
    sk = AsymmetricSK(dJ=0.0, H0=args.field)
    grid = dmft.scan(PhaseDiagram(sk), beta=1 / temperature, dJ=widths)
    critical = [1 / AsymmetricSK(dJ=d, H0=args.field).beta_c() for d in widths]

    figure, (axes,) = figures.subplots(1, 3)
    for axis, name, label in ((axes[0], "m", "m"), (axes[1], "entropy_production", r"$\sigma/N$")):
        image = axis.pcolormesh(widths, temperature, grid[name], shading="nearest")
        axis.plot(widths, np.where(np.array(critical) > temperature[0], critical, np.nan), "w", lw=1)
        axis.set(xlabel=r"$\Delta J$", ylabel="T", title=label)
        figure.colorbar(image, ax=axis)
    for d, colour in ((0.5, "C0"), (0.7, "C1"), (1.0, "C2")):
        model = AsymmetricSK(dJ=d, H0=args.field)
        betas = np.linspace(0.3, 4, min(24, args.points))
        axes[2].plot(betas, [model.steady(b).entropy_production for b in betas], colour, label=f"{d}")
        axes[2].plot(betas, [model.asynchronous(b).entropy_production for b in betas], colour + "--")
    axes[2].set(xlabel=r"$\beta$", ylabel=r"$\sigma/N$, dashed: asynchronous")
    axes[2].legend(title=r"$\Delta J$")
    figures.save(figure, args.out)


if __name__ == "__main__":
    main()
