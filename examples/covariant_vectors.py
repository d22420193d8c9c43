"""How hyperbolic three attractors are: the angle between what expands and what contracts along them.

    python examples/covariant_vectors.py [FILE] [STEPS]

A map of the torus has one angle everywhere. That of the Henon map comes arbitrarily near to 0: its stable and unstable
manifolds touch; so it is with the paper's network at beta = 2. Errors are those of batch means. Writes FILE (default:
covariant_vectors.png); STEPS are those of each run (default: 200000). About 20 cpu-seconds.
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import dmft
from dmft import figures, systems
from dmft.maps import textbook

CAT = np.array([[3.0, 2.0], [1.0, 1.0]])
NETWORK = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=2.0, gamma=220.0, epsilon=0.02)
ORBITS = {
    "map of the torus": systems.Map(lambda x: (x @ CAT.T) % 1.0, [[0.1, 0.7]], lambda x: CAT[None]),
    "Henon map": textbook.henon(),
    "network": NETWORK,
}


def main(path="covariant_vectors.png", n_steps=200_000):
    """Draw the densities of the angle."""
    densities, n_bins = {}, 30
    for name, model in ORBITS.items():
        found = dmft.covariant(model, int(n_steps), n_transient=5_000, n_rows=0, n_bins=n_bins)
        print(
            f"{name}: exponents {found.exponents[:2].round(4)}, {found.n_expanding} expanding, "
            f"mean angle {found.angle:.4f} +- {found.angle_stderr:.4f}, least {found.least_angle:.2g}"
        )
        if found.least_angle > found.angle - 1e-6:
            line = name, found.angle
        else:
            densities[name] = found.density, np.nan_to_num(found.density_stderr)
    at = (found.edges[1:] + found.edges[:-1]) / 2
    figure = Figure(figsize=(3.4, 2.6), layout="constrained", dpi=200)
    ax = figure.add_subplot()
    figures.estimates(at, densities, ax=ax, parameter_label="angle (rad)", value_label="density (1/rad)")
    ax.axvline(line[1], color="black", linewidth=1.0, label=line[0])
    ax.legend(frameon=False, fontsize=7, loc="upper right", bbox_to_anchor=(0.82, 1.0))
    ax.set(ylim=(0.0, None), xticks=[0.0, np.pi / 4, np.pi / 2], xticklabels=["0", r"$\pi/4$", r"$\pi/2$"])
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
