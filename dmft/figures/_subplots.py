"""The house style for what no function here draws."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._style import COLORS, STYLE, Width, drawing_axes, drawing_figure, inches, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in the house style: letters, lines and colours, as a ``with`` block or a decorator.

    matplotlib's global settings are as they were after it.

    Examples
    --------
    >>> with style():
    ...     figure, axes = subplots(1, 2)
    ...     line = axes[0, 0].plot([0, 1], [0, 1])[0]
    >>> line.get_color(), line.get_linewidth()
    ('#0072B2', 0.8)
    """
    import matplotlib
    from cycler import cycler

    own: Any = {"axes.titlesize": 9, "legend.fontsize": 7, "legend.frameon": False, "lines.markersize": 3.0}
    with matplotlib.rc_context({**STYLE, **own, "axes.prop_cycle": cycler(color=COLORS)}):
        yield


@styled
def subplots(
    rows: int = 1, columns: int = 1, *, width: Width = "page", height: float = 2.3, **options: Any
) -> tuple[Figure, np.ndarray]:
    r"""Return a figure that pyplot does not know of, and its axes, of the sizes and with the ticks of the house style.

    What is drawn on them with matplotlib itself has its colours and letters inside of :func:`style`.

    Parameters
    ----------
    rows, columns : int, default=1
    width : {"column", "page"}, default="page"
        3.4 or 7 inches, the widths of print.
    height : float, default=2.3
        Of a row, in inches.
    **options
        Of ``matplotlib.figure.Figure.subplots``, such as `sharex` and `width_ratios`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of matplotlib Axes, shape (rows, columns)

    Examples
    --------
    >>> figure, axes = subplots(1, 2, sharey=True)
    >>> axes.shape, [float(x) for x in figure.get_size_inches()]
    ((1, 2), [7.0, 2.3])
    """
    figure = drawing_figure(None, (inches(width), rows * height))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        drawing_axes(ax)
    return figure, axes
