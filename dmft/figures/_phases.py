"""Phase diagrams: the leading exponent with its sign, the regime, the period, over two parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown
from ._arrays import checked, distinct, truths
from ._cells import NOTHING, colorbar, mesh
from ._regimes import REGIME_COLORS
from ._style import WIDTHS, Look, drawing_axes, drawing_figure, meaning, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure


@styled
def exponent_map(
    x: ArrayLike,
    y: ArrayLike,
    exponent: ArrayLike,
    *,
    ax: Axes | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\gamma$",
    limits: tuple[float, float] | None = None,
) -> QuadMesh:
    r"""Draw an exponent over two parameters, white at zero: blue shrinks, red grows.

    Each side has a scale of its own, in which colours go with the root of the exponent: weak chaos
    beside strongly stable cycles is seen, and white is left to what is zero.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        In any order, evenly spaced or not.
    exponent : array_like, shape (n_x, n_y)
        In nats per token step; -inf is drawn as the lowest, NaN hatched.
    ax : matplotlib Axes or None, default=None
    x_label, y_label : str
    limits : (float, float) or None, default=None
        Ends of the colours, below and above 0. None: all values above, all but the lowest 2 % below.

    Returns
    -------
    matplotlib.collections.QuadMesh

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> mesh = exponent_map([0.0, 1.0], [0.0, 1.0], [[-np.inf, -0.2], [0.0, 0.1]], ax=Figure().add_subplot())
    >>> [round(float(v), 3) for v in mesh.norm([-0.2, -0.05, 0.0, 0.025, 0.1])]
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    from matplotlib.colors import FuncNorm
    from matplotlib.ticker import FixedLocator, NullLocator

    x, y = distinct("x", x), distinct("y", y)
    values = checked("exponent", exponent, (len(x), len(y)), may_hold=("nan", "-inf")).astype(float)
    limits = _limits(values) if limits is None else limits
    low, high = map(float, checked("limits", limits, (2,)))
    if not low < 0 < high:
        raise ValueError(f"limits must be (below, above) with below < 0 < above, got {shown(limits)}")
    ax = drawing_axes(ax)

    def size(value: np.ndarray) -> np.ndarray:
        return np.where(np.asarray(value) < 0, -low, high)

    def to_color(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.sqrt(np.abs(value) / size(value))

    def from_color(color: np.ndarray) -> np.ndarray:
        return np.sign(color) * np.square(color) * size(color)

    norm = FuncNorm((to_color, from_color), low, high)
    cells = np.ma.masked_where(np.isnan(values), np.maximum(values, low))
    drawn = mesh(ax, x, y, cells, cmap="RdBu_r", norm=norm, masked="no exponent")
    bar = colorbar(ax, drawn, r"$\lambda_1$ (nats/step)", extend="min" if np.any(values < low) else "neither")
    ticks = sorted({0.0, *(_rounded(part * end) for end in (low, high) for part in (0.04, 0.25, 1.0))})
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel=x_label, ylabel=y_label)
    return drawn


@styled
def regime_map(
    x: ArrayLike,
    y: ArrayLike,
    regime: ArrayLike,
    *,
    names: Sequence[str],
    ax: Axes | None = None,
    computed: ArrayLike | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\gamma$",
) -> QuadMesh:
    r"""Draw a label over two parameters, with a legend of those that occur.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        In any order, evenly spaced or not.
    regime : array_like of int, shape (n_x, n_y)
        Indices into `names`; anything else is hatched, and "unknown" in the legend.
    names : sequence of str
        At most 8.
    ax : matplotlib Axes or None, default=None
    computed : array_like of bool, shape (n_x, n_y), or None, default=None
        Mark the points that were computed with dots, where others were filled in.
    x_label, y_label : str

    Returns
    -------
    matplotlib.collections.QuadMesh

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().add_subplot()
    >>> mesh = regime_map([0.0, 1.0], [0.0, 1.0], [[0, 0], [2, 2]], names=["cycle", "torus", "chaos"], ax=ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['cycle', 'chaos']
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    x, y = distinct("x", x), distinct("y", y)
    regime = checked("regime", regime, (len(x), len(y)))
    if regime.dtype.kind not in "iu":
        raise ValueError(f"regime must hold whole numbers, got dtype {regime.dtype}")
    if not 1 <= len(names) <= len(REGIME_COLORS):
        raise ValueError(f"names must be 1 to {len(REGIME_COLORS)}, got {len(names)}")
    if computed is not None:
        computed = truths("computed", computed, regime.shape)
    known = (regime >= 0) & (regime < len(names))
    ax = drawing_axes(ax)
    colors = ListedColormap(REGIME_COLORS[: len(names)])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    drawn = mesh(ax, x, y, np.ma.masked_array(regime, ~known), cmap=colors, norm=norm, masked="unknown")
    if computed is not None:
        i, j = np.nonzero(computed)
        size = 0.5 * np.clip(120 / max(regime.shape), 0.3, 3)
        look: Look = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0, "rasterized": True}
        ax.plot(x[i], y[j], color="0.35", **look, label=meaning("dots: computed, all else filled in"))
    patches = [
        Patch(facecolor=REGIME_COLORS[i], edgecolor="0.4", linewidth=0.4, label=names[i])
        for i in np.unique(regime[known]).tolist()
    ]
    if not known.all():
        patches.append(Patch(**{**NOTHING, "linewidth": 0.4}, label="unknown"))
    place: Look = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 0.1, "frameon": False}
    ax.legend(
        handles=patches, ncols=4 if len(patches) <= 4 else 3, handlelength=1.0, columnspacing=1.0, fontsize=8, **place
    )
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.margins(0)
    return drawn


@styled
def period_map(
    x: ArrayLike,
    y: ArrayLike,
    period: ArrayLike,
    *,
    ax: Axes | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\gamma$",
) -> QuadMesh:
    r"""Draw the period of cycles over two parameters, on a logarithmic scale.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        In any order, evenly spaced or not.
    period : array_like of int, shape (n_x, n_y)
        In token steps; below 1, or NaN, where there is none: hatched.
    ax : matplotlib Axes or None, default=None
    x_label, y_label : str

    Returns
    -------
    matplotlib.collections.QuadMesh

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> mesh = period_map([0.0, 1.0], [0.0, 1.0], [[4, 28], [0, 44]], ax=Figure().add_subplot())
    >>> mesh.get_array().count()
    np.int64(3)
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    x, y = distinct("x", x), distinct("y", y)
    period = checked("period", period, (len(x), len(y)), may_hold=("nan",)).astype(float)
    cells = np.ma.masked_array(period, ~(period >= 1))
    low, high = (float(cells.min()), float(cells.max())) if cells.count() else (1.0, 2.0)
    ax = drawing_axes(ax)
    drawn = mesh(ax, x, y, cells, cmap="viridis_r", norm=LogNorm(low, max(high, 1.5 * low)), masked="no period")
    bar = colorbar(ax, drawn, "period (steps)")
    ticks = [low * 2**k for k in range(12) if low * 2**k <= high] or [low]
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 7)]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.set(xlabel=x_label, ylabel=y_label)
    return drawn


@styled
def phase_diagram(
    x: ArrayLike,
    y: ArrayLike,
    exponent: ArrayLike | None = None,
    regime: ArrayLike | None = None,
    period: ArrayLike | None = None,
    *,
    names: Sequence[str] = (),
    computed: ArrayLike | None = None,
    figure: Figure | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\gamma$",
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw what is known over two parameters, a panel each: leading exponent, regime, period.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
    exponent, regime, period : array_like, shape (n_x, n_y), or None
        As in :func:`exponent_map`, :func:`regime_map` and :func:`period_map`; at least one.
    names, computed
        As in :func:`regime_map`.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    x_label, y_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes

    Examples
    --------
    >>> figure, axes = phase_diagram([0.0, 1.0], [0.0, 1.0], [[-0.1, 0.1], [-0.2, 0.2]], period=[[4, 0], [8, 0]])
    >>> len(axes)
    2
    """
    x, y = distinct("x", x), distinct("y", y)
    shape = len(x), len(y)
    labels = {"x_label": x_label, "y_label": y_label}
    draws: list[Callable[[Axes], QuadMesh]] = []
    if exponent is not None:
        exponent = checked("exponent", exponent, shape, may_hold=("nan", "-inf"))
        draws.append(lambda ax: exponent_map(x, y, exponent, ax=ax, x_label=x_label, y_label=y_label))
    if regime is not None:
        regime = checked("regime", regime, shape)
        computed = None if computed is None else truths("computed", computed, shape)
        draws.append(lambda ax: regime_map(x, y, regime, names=names, ax=ax, computed=computed, **labels))
    if period is not None:
        period = checked("period", period, shape, may_hold=("nan",))
        draws.append(lambda ax: period_map(x, y, period, ax=ax, **labels))
    if not draws:
        raise ValueError("phase_diagram needs exponent, regime or period, got none")
    figure, axes = _row(figure, len(draws))
    for ax, draw in zip(axes, draws, strict=True):
        draw(ax)
        if computed is not None and ax.patch.get_label() == meaning("hatched: no exponent"):
            ax.patch.set_label(meaning("hatched: not computed"))
        ax.label_outer()
        if (legend := ax.get_legend()) and len(draws) == 3:
            legend.set_ncols(2)  # or it would take the width of its neighbours
    return figure, tuple(axes)


@styled
def exponent_maps(
    x: ArrayLike,
    y: ArrayLike,
    panels: Mapping[str, ArrayLike],
    *,
    figure: Figure | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\gamma$",
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw one exponent of several branches over two parameters, side by side on one scale.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
    panels : dict of str to array_like, shape (n_x, n_y)
        By the title of the panel; as in :func:`exponent_map`.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    x_label, y_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, one a panel

    Examples
    --------
    >>> panels = {"up": [[-0.1, 0.1], [-0.2, 0.2]], "down": [[0, 0], [0, 0]]}
    >>> figure, axes = exponent_maps([0.0, 1.0], [0.0, 1.0], panels)
    >>> [ax.get_title() for ax in axes]
    ['up', 'down']
    """
    if not panels:
        raise ValueError("panels must hold at least one array, got none")
    x, y = distinct("x", x), distinct("y", y)
    shape = len(x), len(y)
    panels = {title: checked("panels", one, shape, may_hold=("nan", "-inf")) for title, one in panels.items()}
    limits = _limits(np.concatenate([np.ravel(one).astype(float) for one in panels.values()]))
    figure, axes = _row(figure, len(panels))
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        exponent_map(x, y, values, ax=ax, limits=limits, x_label=x_label, y_label=y_label)
        ax.set_title(title, fontsize=9)
        ax.label_outer()
    return figure, tuple(axes)


def _row(figure: Figure | None, n: int) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure and its axes, `n` in a row."""
    size = (WIDTHS["column"] if n == 1 else WIDTHS["page"], 2.7 if n == 1 else 2.6 if n == 2 else 2.1)
    figure = drawing_figure(figure, size)
    return figure, figure.subplots(1, n, squeeze=False)[0]


def _rounded(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, of the sign of the value and no larger than it."""
    power = 10 ** np.floor(np.log10(abs(value)))
    return float(np.sign(value) * power * max(digit for digit in (1, 2, 5) if digit <= abs(value) / power * (1 + 1e-9)))


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the colours: all values above zero, all but the lowest 2 % below."""
    below, above = values[np.isfinite(values) & (values < 0)], values[values > 0]
    low = np.percentile(below, 2) if below.size else 0.0
    high = above.max() if above.size else 0.0
    # One side alone still leaves white in the middle.
    return low or -high or -1.0, high or -low or 1.0
