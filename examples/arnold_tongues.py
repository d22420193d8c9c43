"""Arnold tongues of the circle map, from their tips on, and their widths down to where doubles end.

    python examples/arnold_tongues.py [FILE] [STEP]

The angle turns by omega - K sin(2 pi theta) / 2 pi in a step. Where K = 0 it is a rotation, and at every rational omega
a tongue begins, in which the rotation number stays p / q; it is as wide as K^q. Each is found by its rotation number;
dashed is how the widths of the first three begin, in closed form. Writes FILE (default: arnold_tongues.png); STEP is
the longest step along K (default: 0.02). About 35 cpu-seconds.
"""

import sys

import matplotlib
import numpy as np

import dmft
from dmft import figures
from dmft.maps import textbook

ROTATIONS = ((0, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 5), (1, 6), (1, 7), (2, 7), (3, 7), (3, 8), (5, 13), (8, 21))
TURNS = sorted({q for _, q in ROTATIONS})
BEGINNINGS = {1: 1 / np.pi, 2: 1 / (4 * np.pi), 3: np.sqrt(7) / (24 * np.pi)}  # of the widths, in closed form


def tongue_of(p, q, step):
    """Return a tongue in omega and K, found by the rotation number at K = 0.5."""
    near = (-0.2, 0.2) if q == 1 else (p / q - 0.05, p / q + 0.11)
    ranges = {"omega": near, "coupling": (0.0, 1.0)}
    (tongue,) = dmft.tongues(textbook.circle(p / q, 0.5), (p, q), **ranges, max_step=step, progress=False)
    return tongue


@figures.style()
def main(path="arnold_tongues.png", step=0.02):
    """Draw the tongues, and their widths."""
    figure, axes = figures.subplots(1, 2, height=2.6)
    left, right = axes[0]
    for p, q in ROTATIONS:
        tongue = tongue_of(p, q, float(step))
        print(tongue)
        color = matplotlib.colormaps["turbo"](0.05 + 0.9 * TURNS.index(q) / (len(TURNS) - 1))
        lines = [values for values, _ in tongue.lines()]
        for turned in (1, -1) if 2 * p != q else (1,):  # the map turned round has 1 - p / q
            outline = np.concatenate([lines[0], lines[1][::-1]]) if len(lines) == 2 else tongue.middle
            omega = outline[:, 0] if turned == 1 else 1.0 - outline[:, 0]
            left.fill(omega, outline[:, 1], facecolor=color, edgecolor=color, linewidth=0.3, alpha=0.8)
        told = tongue.width > 0.0
        right.loglog(tongue.middle[told, 1], tongue.width[told], ".-", color=color, markersize=2, label=f"{p} / {q}")
        if q in BEGINNINGS:
            k = tongue.middle[told, 1]
            right.loglog(k, BEGINNINGS[q] * k**q, color="black", linewidth=0.7, linestyle="dashed", zorder=3)
    left.set(xlabel=r"$\Omega$", ylabel="$K$", xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    right.axhspan(1e-17, 2.0**-53, color="0.9", zorder=0)
    right.set(xlabel="$K$", ylabel="width", xlim=(1e-4, 1.0), ylim=(1e-17, 1.0))
    right.legend(fontsize="xx-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    print(f"drew {figures.save(figure, path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
