"""Arrays over two parameters as coloured cells, and their colour bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import Look, meaning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar

# How it looks where there is no value: like no colour, and no grey of a regime.
NOTHING: Look = {"facecolor": "white", "edgecolor": "0.75", "linewidth": 0, "hatch": "////"}


def edges(centres: np.ndarray) -> np.ndarray:
    """Return the n + 1 cell edges half-way between n increasing centres."""
    if len(centres) == 1:
        return centres[0] + np.array([-0.5, 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])


def mesh(
    ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, *, masked: str = "no value", **look: Any
) -> QuadMesh:
    """Draw values, shape (n_x, n_y), as cells round the points; what is masked is hatched and named in a note."""
    from matplotlib.ticker import MaxNLocator

    across, up = np.argsort(x), np.argsort(y)
    ax.patch.set(**NOTHING)
    if np.ma.is_masked(values):
        ax.patch.set_label(meaning(f"hatched: {masked}"))
    cells = values[np.ix_(across, up)].T
    for axis, centres in ((ax.xaxis, x), (ax.yaxis, y)):
        if isinstance(locator := axis.get_major_locator(), MaxNLocator) and (centres == np.round(centres)).all():
            locator.set_params(integer=True)  # between two whole numbers there is nothing to name
    return ax.pcolormesh(edges(x[across]), edges(y[up]), cells, rasterized=True, **look)


def colorbar(ax: Axes, drawn: QuadMesh, label: str = "", **options: Any) -> Colorbar:
    """Draw the colour bar of cells beside their axes."""
    bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02, aspect=25, **options)
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(labelsize=8, width=0.6, length=2.5, which="both")
    bar.ax.tick_params(length=1.5, which="minor")
    bar.set_label(label, size=9)
    return bar
