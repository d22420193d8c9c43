"""Where agents sustain themselves, and how far from equilibrium."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import checked, distinct, indices
from ._cells import colorbar, mesh
from ._phases import regime_map
from ._style import WIDTHS, drawing_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def agency(
    x: ArrayLike,
    y: ArrayLike,
    regions: ArrayLike,
    far: ArrayLike,
    *,
    names: Sequence[str],
    computed: ArrayLike | None = None,
    figure: Figure | None = None,
    x_label: str = "$x$",
    y_label: str = "$y$",
) -> tuple[Figure, tuple[Axes, Axes]]:
    r"""Draw the regions of an agency diagram, and beside them the distance from equilibrium with their borders.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        In any order, evenly spaced or not.
    regions : array_like of int, shape (n_x, n_y)
        Indices into `names`; anything else is drawn grey.
    far : array_like, shape (n_x, n_y)
        In [0, 1]; NaN is drawn grey.
    names : sequence of str
        At most 8.
    computed : array_like of bool, shape (n_x, n_y), or None, default=None
        Mark the points that were computed with dots, where others were filled in.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    x_label, y_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : pair of matplotlib Axes

    Examples
    --------
    >>> figure, axes = agency([0.0, 1.0], [0.0, 1.0], [[0, 0], [1, 2]], [[0.0, 0.1], [0.2, 0.3]], names=["a", "b", "c"])
    >>> [text.get_text() for text in axes[0].get_legend().get_texts()]
    ['a', 'b', 'c']
    """
    x, y = distinct("x", x), distinct("y", y)
    regions = indices("regions", regions, (len(x), len(y)), names)
    far = checked("far", far, (len(x), len(y)), may_hold=("nan",))
    figure = drawing_figure(figure, (WIDTHS["page"], 2.8), wspace=0.04)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    regime_map(x, y, regions, names=names, ax=left, computed=computed, x_label=x_label, y_label=y_label)
    if legend := left.get_legend():
        legend.set_ncols(2)
    shown = mesh(right, x, y, np.ma.masked_invalid(far.astype(float)), cmap="cividis", vmin=0.0)
    colorbar(right, shown)
    right.set(xlabel=x_label)
    right.set_title(r"distance from equilibrium $1-\sigma_2/\sigma$", fontsize=9)
    order = np.argsort(x), np.argsort(y)
    table = regions[np.ix_(*order)]
    if min(table.shape) > 1 and np.ptp(table):
        for region in np.unique(table)[:-1]:  # one by one: a border of the first and the last is one line
            here = (table == region).T.astype(float)
            right.contour(x[order[0]], y[order[1]], here, levels=[0.5], colors="white", linewidths=0.9)
    return figure, (left, right)
