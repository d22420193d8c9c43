"""Regimes of orbits along a parameter, attractors that coexist, and their basins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown, whole
from ._arrays import checked, distinct, indices, parameters
from ._cells import edges
from ._style import COLORS, WIDTHS, Look, drawing_axes, drawing_figure, legend_above, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection, QuadMesh
    from matplotlib.figure import Figure

# Apart in hue and in lightness, so that print without colour and every kind of sight tell them apart.
REGIME_COLORS = ("#BBBBBB", "#56B4E9", "#009E73", "#D55E00", "#000000", "#E69F00", "#CC79A7", "#0072B2")

_DOT: Look = {"linestyle": "none", "marker": "o", "markersize": 4, "markeredgewidth": 0}


@styled
def regime_strip(
    parameter: ArrayLike,
    regime: ArrayLike,
    names: Sequence[str],
    *,
    ax: Axes | None = None,
    parameter_label: str = r"$\beta$",
) -> dict[str, PolyCollection]:
    r"""Draw what the orbit settles on along a parameter: a lane for each regime that occurs.

    The lane tells the regime as well as its colour does.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        Distinct, in any order.
    regime : array_like of int, shape (n_points,)
        Indices into `names`; -1 is not drawn.
    names : sequence of str
        At most 8, from bottom to top.
    ax : matplotlib Axes or None, default=None
    parameter_label : str

    Returns
    -------
    dict of str to matplotlib.collections.PolyCollection
        The marks of each regime that occurs.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().add_subplot()
    >>> marks = regime_strip([1.0, 2.0, 3.0], [1, 0, 1], ["cycle", "chaos"], ax=ax)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['cycle', 'chaos']
    """
    from matplotlib.collections import PolyCollection

    whole("the number of names", len(names), 1, len(REGIME_COLORS))
    parameter = distinct("parameter", parameter)
    regime = indices("regime", regime, (len(parameter),), names)
    order = np.argsort(parameter)
    sides, regime = edges(parameter[order]), regime[order]
    ax = drawing_axes(ax)
    present = [i for i in range(len(names)) if np.any(regime == i)]
    marks: dict[str, PolyCollection] = {}
    for lane, i in enumerate(present):
        left, right = sides[:-1][regime == i], sides[1:][regime == i]
        low, high = np.full_like(left, lane + 0.12), np.full_like(left, lane + 0.88)
        corners: Any = np.stack([left, low, right, low, right, high, left, high], axis=1).reshape(-1, 4, 2)
        # The thin edge keeps a single point of a long sweep visible.
        color = REGIME_COLORS[i]
        marks[names[i]] = PolyCollection(corners, facecolor=color, edgecolor=color, linewidth=0.4, rasterized=True)
        ax.add_collection(marks[names[i]])
    ax.set(ylim=(0, max(len(present), 1)), xlabel=parameter_label, xlim=sides[[0, -1]])
    ax.set_yticks(np.arange(len(present)) + 0.5, [names[i] for i in present])
    ax.tick_params(axis="y", length=0)
    return marks


@styled
def coexisting(
    parameter: ArrayLike,
    values: ArrayLike,
    index: ArrayLike,
    names: Sequence[str] = (),
    *,
    figure: Figure | None = None,
    parameter_label: str = r"$\beta$",
    value_label: str = r"$A_1$",
) -> tuple[Figure, Axes]:
    r"""Draw the orbits of several starts at each parameter, a colour for each attractor.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
    values : array_like, shape (n_points, n_starts, n_rows)
        One component of the orbit; NaN where a row is absent.
    index : array_like of int, shape (n_points, n_starts)
        The attractor of each orbit, the same number where it is the same one, which sets its colour; -1 where it
        is not known, drawn grey.
    names : sequence of str, default=()
        Of each attractor, for the legend, by its number. None: their numbers.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label, value_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : matplotlib Axes
        Its lines are the dots of each attractor, those of the largest number of orbits first and
        undermost; those that are not known before all. Colours come round again after 28 attractors.

    Examples
    --------
    >>> figure, axes = coexisting([1.0, 2.0], np.zeros((2, 3, 5)), [[0, 0, 1], [0, 0, 0]], ["cycle 4", "torus"])
    >>> [(line.get_label(), line.get_xdata().size) for line in axes.lines]
    [('cycle 4', 25), ('torus', 5)]
    """
    parameter = parameters("parameter", parameter)
    values = checked("values", values, (len(parameter), "n_starts", "n_rows"), may_hold=("nan",))
    from matplotlib.lines import Line2D

    index = checked("index", index, values.shape[:2])
    if index.dtype.kind not in "iu":
        raise ValueError(f"index must hold whole numbers, got dtype {index.dtype}")
    most = int(index.max(initial=-1))
    if names and len(names) <= most:
        raise ValueError(f"names must be one for each attractor, {most + 1}, got {len(names)}")
    numbers, counts = np.unique(index[index >= 0], return_counts=True)
    figure = drawing_figure(figure, (WIDTHS["page"], 3.8 + 0.13 * (len(numbers) // 6)))
    ax = drawing_axes(figure.add_subplot())
    size = np.clip(60 / np.sqrt(values.shape[2]) / np.sqrt(len(parameter)) * 4, 0.5, 3.0)
    drawn = {}
    for number in [-1, *numbers[np.argsort(-counts, kind="stable")].tolist()]:
        here = index < 0 if number < 0 else index == number
        x = np.broadcast_to(parameter[:, None, None], values.shape)[here].ravel()
        name = "unknown" if number < 0 else names[number] if names else str(number)
        look: Look = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0, "rasterized": True}
        if here.any():
            color = "0.75" if number < 0 else _lasting_color(number)
            (drawn[number],) = ax.plot(x, values[here].ravel(), color=color, label=name, **look)
    handles = [
        Line2D([], [], color=one.get_color(), label=str(one.get_label()), **_DOT) for _, one in sorted(drawn.items())
    ]
    if len(handles) <= 28:
        legend_above(ax, handles, ncols=min(len(handles), 6), handlelength=0.8, fontsize=7)
    ax.margins(x=0.01, y=0.02)
    ax.set(xlabel=parameter_label, ylabel=value_label)
    return figure, ax


def _lasting_color(number: int) -> Any:
    """Return the colour of an attractor, whatever others there are: of the house, then paler, darker, palest ones."""
    from matplotlib.colors import to_rgb

    target, share = ((0, 0.0), (1, 0.5), (0, 0.45), (1, 0.75))[number // 7 % 4]
    return tuple((1 - share) * part + share * target for part in to_rgb((*COLORS[:6], "#7A5195")[number % 7]))


@styled
def basin_map(
    x: ArrayLike,
    y: ArrayLike,
    index: ArrayLike,
    names: Sequence[str],
    *,
    ax: Axes | None = None,
    x_label: str = r"$A_1$",
    y_label: str = r"$A_2$",
) -> QuadMesh:
    r"""Draw which attractor each start of a plane leads to.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        Evenly spaced or not, increasing.
    index : array_like of int, shape (n_x, n_y)
        Indices into `names`; -1 is drawn white.
    names : sequence of str
        At most 8.
    ax : matplotlib Axes or None, default=None
    x_label, y_label : str

    Returns
    -------
    matplotlib.collections.QuadMesh

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().add_subplot()
    >>> mesh = basin_map([0.0, 1.0], [0.0, 1.0], [[0, 1], [1, 1]], ["cycle", "torus"], ax=ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['cycle (25 %)', 'torus (75 %)']
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    whole("the number of names", len(names), 1, 7)
    x, y = (checked(name, v, (f"n_{name}",)).astype(float) for name, v in (("x", x), ("y", y)))
    for name, line in (("x", x), ("y", y)):
        if np.any(np.diff(line) <= 0):
            raise ValueError(f"{name} must increase, got {shown(line)}")
    index = indices("index", index, (len(x), len(y)), names)
    ax = drawing_axes(ax)
    colors = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000"]
    cells = np.ma.masked_less(index, 0).T
    look: Look = {"cmap": ListedColormap(colors), "vmin": -0.5, "vmax": 6.5, "rasterized": True}
    mesh = ax.pcolormesh(edges(x), edges(y), cells, **look)
    share = [np.mean(index == i) for i in range(len(names))]
    patches = [
        Patch(color=colors[i], label=f"{name} ({share[i]:.0%})".replace("%", " %")) for i, name in enumerate(names)
    ]
    place: Look = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "frameon": False}
    ax.legend(handles=patches, ncols=min(2, len(names)), handlelength=1.0, columnspacing=1.0, **place)
    ax.set(xlabel=x_label, ylabel=y_label)
    return mesh
