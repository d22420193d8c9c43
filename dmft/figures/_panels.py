"""Panels of several quantities, each as curves against one parameter or as a map of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown
from ._arrays import checked, distinct, parameters
from ._arrays import columns as as_columns
from ._cells import colorbar, mesh
from ._diagrams import bifurcation
from ._style import WIDTHS, Look, drawing_axes, drawing_figure, look_of, meaning, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def _panels(figure: Figure | None, n: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure and `n` axes, two in a row; one or three stand side by side."""
    if n == 0:
        raise ValueError("panels must hold at least one array, got none")
    columns = n if n in (1, 3) else 2
    rows = -(-n // columns)
    size = (WIDTHS["column" if n == 1 else "page"], rows * height * (0.85 if n == 3 else 1))
    figure = drawing_figure(figure, size, wspace=0.04)
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for ax in axes[n:]:
        ax.remove()
    return figure, axes[:n].tolist()


@styled
def curves(
    parameter: ArrayLike,
    panels: Mapping[str, ArrayLike],
    names: Sequence[str] = ("",),
    *,
    dots: str | None = None,
    joined: bool = True,
    mark: float | None = None,
    figure: Figure | None = None,
    parameter_label: str = r"$\beta$",
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw quantities of several methods against a parameter, a panel for each quantity.

    Where a method came to no end its curve ends in a cross, on the frame if it ends outside.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        In any order.
    panels : dict of str to array_like, shape (n_points,) or (n_points, n_methods)
        By the label of the panel; NaN where a method has no value.
    names : sequence of str, length n_methods, default=("",)
    dots : str or None, default=None
        One of the names that is drawn as circles: a simulation among theories.
    joined : bool, default=True
        Whether lines join the points. Not where nothing lies between two of them: numbers of seeds, periods.
    mark : float or None, default=None
        Where to draw a vertical line, the critical point.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, one a panel

    Examples
    --------
    >>> figure, axes = curves([0.0, 1.0], {"m": [[0.1, 0.2], [0.3, np.nan]]}, ["naive", "tap"])
    >>> [line.get_label() for line in axes[0].lines[:2]]
    ['naive', 'tap']
    """
    parameter = parameters("parameter", parameter)
    order = np.argsort(parameter, kind="stable")
    columns = {}
    if dots is not None and dots not in names:
        raise ValueError(f"dots must be one of names, {shown(names)}, got {shown(dots)}")
    for label, values in panels.items():
        values = as_columns("panels", values)
        columns[label] = checked("panels", values, (len(parameter), len(names)), may_hold=("nan", "inf", "-inf"))[order]
    x = parameter[order]
    wider = min(0.5, 2.0 / max(len(names) - 1, 1))
    rows_of_names = -(-len(names) // (4 if len(columns) > 1 else 2)) if len(names) > 1 else 0
    figure, axes = _panels(figure, len(columns), 2.1 if len(columns) > 1 else 2.1 + 0.15 * rows_of_names, sharex=True)
    for ax, (label, values) in zip(axes, columns.items(), strict=True):
        drawing_axes(ax)
        ax.set(ylabel=label, xlabel=parameter_label)
        values = np.where(np.isfinite(values), values, np.nan).astype(float)
        if mark is not None:
            ax.axvline(mark, color="0.75", linewidth=0.8, zorder=1)
        lines, ends = [], []  # crosses come after all lines
        for i, (name, y) in enumerate(zip(names, values.T, strict=True)):
            if name == dots:
                look: Look = {"linestyle": "none", "marker": "o", "fillstyle": "none", "markersize": 3.5}
                lines += ax.plot(x, y, color="black", **look, markeredgewidth=0.7, zorder=4, label=name)
                continue
            # The first lines are the widest, others dashed: each shows where later ones lie on top.
            look = {"color": look_of(i)["color"], "linestyle": ("-", "--", ":", "-.")[i % 4]}
            if not joined:
                look |= {"linestyle": "none", "marker": "o", "markersize": 1.5 + wider * (len(names) - 1 - i)}
            lines += ax.plot(x, y, **look, linewidth=0.9 + wider * (len(names) - 1 - i), label=name)
            seen = np.pad(np.isfinite(y), 1, constant_values=True)
            stops = np.flatnonzero(seen[1:-1] & ~(seen[:-2] & seen[2:])) if joined else np.empty(0, int)
            ends.append((stops, i))
        # Before it runs away a theory may be far from all others: then it leaves the axes.
        inside = values.copy()
        for stops, i in ends:
            inside[stops, i] = np.nan
        inside = inside[np.isfinite(inside)] if np.isfinite(inside).any() else values[np.isfinite(values)]
        if inside.size:
            pad = 0.05 * np.ptp(inside) or 0.05 * abs(inside[0]) or 0.1
            low, high = inside.min() - pad, inside.max() + pad
            ax.set_ylim(low, high)
            for stops, i in ends:
                if stops.size:
                    look = {"color": look_of(i)["color"], "linestyle": "none", "marker": "x", "markersize": 4}
                    look |= {"zorder": 3, "clip_on": False, "label": meaning("crosses: no value beyond")}
                    ax.plot(x[stops], np.clip(values[stops, i], low, high), **look)
        ax.margins(x=0.02)
    for ax in axes[: -2 if len(axes) > 3 else 0]:
        ax.set_xlabel("")
    if len(names) > 1:
        look = {"frameon": False, "handlelength": 1.6, "columnspacing": 1.2, "fontsize": 8}
        figure.legend(
            handles=lines, loc="outside upper center", ncols=min(len(names), 4 if len(axes) > 1 else 2), **look
        )
    return figure, tuple(axes)


@styled
def maps(
    x: ArrayLike,
    y: ArrayLike,
    panels: Mapping[str, ArrayLike],
    *,
    figure: Figure | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\Delta J$",
    cmap: str | Colormap = "viridis",
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw quantities of two parameters as colours, a panel for each quantity.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        In any order, evenly spaced or not.
    panels : dict of str to array_like, shape (n_x, n_y)
        By the label of the panel; NaN is hatched.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    x_label, y_label : str
    cmap : str or Colormap, default="viridis"

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, one a panel

    Examples
    --------
    >>> figure, axes = maps([1.0, 2.0], [0.0, 0.5, 1.0], {"m": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]})
    >>> axes[0].collections[0].get_array().shape
    (3, 2)
    """
    x, y = distinct("x", x), distinct("y", y)
    shape = len(x), len(y)
    arrays = {
        label: checked("panels", values, shape, may_hold=("nan", "inf", "-inf")) for label, values in panels.items()
    }
    figure, axes = _panels(figure, len(arrays), 2.5, sharex=True, sharey=True)
    for ax, (label, values) in zip(axes, arrays.items(), strict=True):
        drawing_axes(ax)
        colorbar(ax, mesh(ax, x, y, np.ma.masked_invalid(values.astype(float)), cmap=cmap))
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.set_title(label, fontsize=9)
        ax.label_outer()
    return figure, tuple(axes)


@styled
def bifurcations(
    parameter: ArrayLike,
    panels: Mapping[str, ArrayLike],
    *,
    figure: Figure | None = None,
    parameter_label: str = r"$\beta$",
    value_label: str = r"$A_1$",
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw where orbits spend their time against a parameter, a panel for each of some other condition.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        Distinct, in any order.
    panels : dict of str to array_like, shape (n_points, n_rows)
        By the title of the panel, one component of the orbit; NaN where a row is absent.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label, value_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, one a panel

    Examples
    --------
    >>> figure, axes = bifurcations([1.0, 2.0], {"N = 100": [[0.0, 0.1], [0.2, 0.3]], "N = 1000": [[0.0], [0.1]]})
    >>> [ax.get_title() for ax in axes]
    ['N = 100', 'N = 1000']
    """
    figure, axes = _panels(figure, len(panels), 2.5, sharex=True, sharey=True)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        bifurcation(parameter, values, ax=ax, parameter_label=parameter_label, value_label=value_label)
        ax.set_title(title, fontsize=9)
        ax.label_outer()
    return figure, tuple(axes)
