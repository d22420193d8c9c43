"""The entropy production of tokens against one parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import checked, distinct, not_negative
from ._style import COLORS, drawing_axes, meaning, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def draw_irreversibility(
    ax: Axes | None, x: np.ndarray, y: np.ndarray, error: np.ndarray | None, parameter_label: str
) -> Line2D:
    """Draw a rate that is checked."""
    order = np.argsort(x)
    x, y = x[order], y[order]
    ax = drawing_axes(ax)
    seen = np.where(y > 0, y, np.nan)
    if error is not None:
        low, high = np.maximum(seen - error[order], seen / 10), seen + error[order]
        ax.fill_between(
            x, low, high, color=COLORS[1], alpha=0.3, linewidth=0, label=meaning("bands: one standard error")
        )
    near = np.pad(np.isfinite(seen), 1)
    alone = np.flatnonzero(near[1:-1] & ~near[:-2] & ~near[2:]).tolist()  # a line needs two points
    (line,) = ax.plot(x, seen, color=COLORS[1], linewidth=1.0, marker=".", markersize=3, markevery=alone)
    ax.set(xlabel=parameter_label, ylabel=r"$\sigma/N$ (nats/token)")
    if np.isfinite(seen).any():
        ax.set_yscale("log")
        least, most = float(np.nanmin(seen)), float(np.nanmax(seen))
        ax.set_ylim(max(least / 2, most * 1e-12), most * 2)
    ax.margins(x=0)
    return line


@styled
def irreversibility(
    parameter: ArrayLike,
    rate: ArrayLike,
    *,
    error: ArrayLike | None = None,
    ax: Axes | None = None,
    parameter_label: str = r"$\beta$",
) -> Line2D:
    r"""Draw the entropy production of the tokens against a parameter, on a logarithmic scale.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        In any order.
    rate : array_like, shape (n_points,)
        In nats per site and token; NaN and what is not above 0, as on fixed points, are not drawn.
    error : array_like, shape (n_points,), or None, default=None
        Half-width of the band round it; NaN for no band.
    ax : matplotlib Axes or None, default=None
    parameter_label : str

    Returns
    -------
    matplotlib.lines.Line2D

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> line = irreversibility([0.0, 1.0], [0.0, 0.1], ax=Figure().add_subplot())
    >>> line.get_ydata()
    array([nan, 0.1])
    """
    x = distinct("parameter", parameter)
    y = checked("rate", rate, (len(x),), may_hold=("nan",)).astype(float)
    width = None
    if error is not None:
        width = checked("error", error, (len(x),), may_hold=("nan",)).astype(float)
        not_negative("error", width)
    return draw_irreversibility(ax, x, y, width, parameter_label)
