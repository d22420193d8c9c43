"""Diagrams against one parameter: orbits as densities, exponents, both on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown, whole
from .._util.memory import need_memory
from ._arrays import checked, distinct, indices, not_negative, parameters
from ._cells import edges
from ._density import density_image
from ._irreversibility import draw_irreversibility
from ._regimes import regime_strip
from ._style import (
    COLORS,
    Look,
    Width,
    draw_points,
    drawing_axes,
    drawing_figure,
    inches,
    legend,
    look_of,
    meaning,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D


def _draw_exponents(
    ax: Axes | None,
    x: np.ndarray,
    exponents: np.ndarray,
    stderr: np.ndarray | None,
    n_shown: int | None,
    **settings: Any,
) -> tuple[tuple[Line2D, ...], tuple[PolyCollection, ...]]:
    """Draw the leading exponents against `x`; return lines and bands."""
    k = exponents.shape[1]
    n_shown = min(4, k) if n_shown is None else whole("n_shown", n_shown, 1, k)
    exponents = np.where(np.isfinite(exponents), exponents, np.nan)[:, :n_shown].astype(float)
    ax = drawing_axes(ax)
    ax.set(ylabel=r"$\lambda_i$ (nats/step)", **settings)
    before = ax.get_ylim() if ax.lines else (0.0, 0.0)
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=1.9)
    lines, bands = [], []
    for i, y in enumerate(exponents.T):
        seen = np.pad(np.isfinite(y), 1)
        alone = np.flatnonzero(seen[1:-1] & ~seen[:-2] & ~seen[2:]).tolist()  # a line needs two points
        # The first is the widest and undermost: it shows beside those that lie on it, as pairs do.
        look: Look = {
            "linewidth": 0.7 + 0.3 * max(0, min(n_shown, 4) - 1 - i),
            "marker": ".",
            "markersize": 3,
            "markevery": alone,
        }
        lines += ax.plot(x, y, **look_of(i), **look, zorder=2 + 0.01 * i, label=rf"$\lambda_{{{i + 1}}}$")
        if stderr is not None:
            look = {"color": COLORS[i % 7], "alpha": 0.3, "linewidth": 0, "label": meaning("bands: one standard error")}
            bands.append(ax.fill_between(x, y - stderr[:, i], y + stderr[:, i], **look))
    finite = exponents[:, :2][np.isfinite(exponents[:, :2])]
    if finite.size:
        low, high = finite.min(), max(finite.max(), 0.0)
        if finite.size > 50:
            # Towards beta = 0 and near superstable cycles exponents dive without end: the deepest
            # may leave the axes at the bottom rather than flatten all others.
            quarter = np.percentile(finite, 25)
            low = max(low, quarter - (high - quarter) / 2)
        low = min(low, 0.0)
        pad = 0.06 * (high - low) or 0.1
        ax.set_ylim(min(low - pad, before[0]), max(high + pad, before[1]))
    ax.margins(x=0)
    legend(ax, [line for line in lines if np.any(np.asarray(line.get_ydata()) > ax.get_ylim()[0])])
    return tuple(lines), tuple(bands)


@styled
def bifurcation(
    parameter: ArrayLike,
    values: ArrayLike,
    *,
    ax: Axes | None = None,
    bins: int = 400,
    value_range: tuple[float, float] | None = None,
    style: Literal["density", "points"] = "density",
    parameter_label: str = r"$\beta$",
    value_label: str = r"$A_1$",
    cmap: str | Colormap = "magma_r",
) -> AxesImage | Line2D:
    r"""Draw where the orbit of each parameter value spends its time.

    The colour is the share of the rows of that column in the bin, on a logarithmic scale up to 1:
    a fixed point is one dark cell, a cycle of period p is p cells of share 1/p, chaos a paler band.
    Where several cells fall on one pixel it shows the largest share.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        Distinct, in any order, evenly spaced or not.
    values : array_like, shape (n_points, n_rows)
        One component of the orbit; NaN where a row is absent.
    ax : matplotlib Axes or None, default=None
    bins : int, default=400
        Number of bins over the range.
    value_range : (float, float) or None, default=None
        What the bins cover, by default the data. Rows outside are not drawn but count in the shares.
    style : {"density", "points"}, default="density"
        "points" draws each row as a tiny rasterised dot.
    parameter_label, value_label : str
    cmap : str or Colormap, default="magma_r"
        A name is used without its first fifth, the palest, which is lost on white.

    Returns
    -------
    matplotlib.image.AxesImage or matplotlib.lines.Line2D
        ``get_array()`` of the image holds the shares, shape (bins, n_points), masked where 0;
        ``x_edges`` and ``y_edges`` are the edges of its cells, both increasing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> image = bifurcation([1.0, 2.0], [[0.0, 0.0], [0.0, 1.0]], ax=Figure().add_subplot(), bins=2)
    >>> image.get_array().filled(0), image.x_edges
    (array([[1. , 0.5],
           [0. , 0.5]]), array([0.5, 1.5, 2.5]))
    """
    import matplotlib
    from matplotlib.colors import ListedColormap, LogNorm

    parameter = distinct("parameter", parameter)
    values = checked("values", values, (len(parameter), "n_rows"), may_hold=("nan",))
    order = np.argsort(parameter)
    parameter = parameter[order]
    if value_range is None:
        low, high = float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
        if np.isnan(low):
            raise ValueError("values must hold a number, got NaN only")
        if high - low <= 1e-12 * max(abs(low), abs(high)):  # a constant still needs bins round it
            low, high = low - (abs(low) / 2 or 0.5), high + (abs(high) / 2 or 0.5)
    else:
        low, high = map(float, checked("value_range", value_range, (2,)))
        if low >= high:
            raise ValueError(f"value_range must be (low, high) with low < high, got {shown(value_range)}")
    ax = drawing_axes(ax)
    ax.set(xlabel=parameter_label, ylabel=value_label)
    if style == "points":
        dots = draw_points(ax, np.repeat(parameter, values.shape[1]), np.ravel(values[order]))
        ax.margins(x=0, y=0.02)
        if value_range is not None:
            ax.set_ylim(low, high)
        return dots

    need_memory(f"{bins} bins of {len(parameter)} columns", 16.0 * bins * len(parameter), "take fewer (bins)")
    share, y_edges = np.full((bins, len(parameter)), np.nan), np.linspace(low, high, bins + 1)
    for i, row in enumerate(values[point] for point in order):
        row = row[~np.isnan(row)].astype(float)
        # As np.histogram, which takes twice as long.
        place = np.searchsorted(y_edges, row[(row >= low) & (row < high)], "right") - 1
        count = np.bincount(place, minlength=bins)
        count[-1] += np.count_nonzero(row == high)
        share[count > 0, i] = count[count > 0] / len(row)
    if isinstance(cmap, str):
        cmap = ListedColormap(matplotlib.colormaps[cmap](np.linspace(0.2, 1, 256)))
    x_edges = edges(parameter)
    extent = (*x_edges[[0, -1]], *y_edges[[0, -1]])
    # Below a tenth of the even share all is as pale: a handful of rows should not set the scale.
    look: Look = {"norm": LogNorm(0.1 / bins, 1.0), "cmap": cmap, "extent": extent}
    image = density_image(ax, x_edges, y_edges, share, **look)
    image.set_clip_path(ax.patch)
    image.set_label(meaning(f"shade: share of the rows in each of {bins} cells of the height, darkest 1, logarithmic"))
    image.sticky_edges.y.clear()  # what lies at the end of the range should not lie on the frame
    ax.add_image(image)
    ax.update_datalim(np.reshape(extent, (2, 2)).T)
    ax.margins(y=0.02)
    return image


@styled
def lyapunov_spectrum(
    parameter: ArrayLike,
    exponents: ArrayLike,
    *,
    stderr: ArrayLike | None = None,
    n_shown: int | None = None,
    ax: Axes | None = None,
    parameter_label: str = r"$\beta$",
) -> tuple[tuple[Line2D, ...], tuple[PolyCollection, ...]]:
    r"""Draw the leading Lyapunov exponents against a parameter.

    The limits hold zero and the two leading exponents; the deepest of many may leave at the bottom.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        In any order.
    exponents : array_like, shape (n_points, k)
        Leading one first, in nats per token step; -inf and NaN are not drawn.
    stderr : array_like, shape (n_points, k), or None, default=None
        Half-widths of the bands round the exponents; NaN for no band.
    n_shown : int or None, default=None
        How many to draw; None draws at most four.
    ax : matplotlib Axes or None, default=None
    parameter_label : str

    Returns
    -------
    lines : tuple of matplotlib.lines.Line2D, length n_shown
    bands : tuple of matplotlib.collections.PolyCollection
        Empty without `stderr`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> lines, bands = lyapunov_spectrum([0.0, 1.0], [[-np.inf], [0.1]], ax=Figure().add_subplot())
    >>> lines[0].get_ydata()
    array([nan, 0.1])
    """
    parameter = parameters("parameter", parameter)
    exponents = checked("exponents", exponents, (len(parameter), "k"), may_hold=("nan", "-inf"))
    order = np.argsort(parameter)
    if stderr is not None:
        stderr = checked("stderr", stderr, exponents.shape, may_hold=("nan",))[order]
        not_negative("stderr", stderr)
    return _draw_exponents(ax, parameter[order], exponents[order], stderr, n_shown, xlabel=parameter_label)


@styled
def diagram(
    parameter: ArrayLike,
    values: ArrayLike,
    exponents: ArrayLike | None = None,
    *,
    stderr: ArrayLike | None = None,
    n_shown: int | None = None,
    regime: ArrayLike | None = None,
    names: Sequence[str] = (),
    irreversibility: ArrayLike | None = None,
    width: Width = "column",
    figure: Figure | None = None,
    parameter_label: str = r"$\beta$",
    **options: Any,
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw the bifurcation diagram, under it regimes, the spectrum of exponents and irreversibility, on one axis.

    Parameters
    ----------
    parameter, values : array_like
        As in :func:`bifurcation`, which also takes the other `options`.
    exponents, stderr, n_shown : optional
        As in :func:`lyapunov_spectrum`; without exponents they are not drawn.
    regime, names : optional
        As in :func:`regime_strip`; without a regime there is no strip. Lines join neighbours of one regime alone.
    irreversibility : array_like, shape (n_points,), optional
        As in :func:`irreversibility`; without it there is no such panel.
    width : {"column", "page"}, default="column"
        3.4 or 7 inches, the widths of print.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, length 1 to 4

    Examples
    --------
    >>> figure, axes = diagram([0.0, 1.0], [[0.1, 0.2], [0.3, 0.4]], [[-0.1], [0.2]])
    >>> len(axes), [float(x) for x in axes[1].get_xlim()]
    (2, [-0.5, 1.5])
    """
    lanes = 0.0
    parameter = distinct("parameter", parameter)
    n = len(parameter)
    values = checked("values", values, (n, "n_rows"), may_hold=("nan",))
    if regime is not None:
        regime = indices("regime", regime, (n,), names)
        lanes = 0.35 * len(np.unique(regime))
    if exponents is not None:
        exponents = checked("exponents", exponents, (n, "k"), may_hold=("nan", "-inf"))
    if irreversibility is not None:
        irreversibility = checked("irreversibility", irreversibility, (n,), may_hold=("nan",)).astype(float)
    more = [x for x in (exponents, irreversibility) if x is not None]
    ratios = [5.0, *([] if regime is None else [lanes]), *([3.0] * len(more))]
    across = inches(width)
    size = (across, across**0.7 * 0.98 * (sum(ratios) / 5) ** 0.8)  # a page is the wider shape
    figure = drawing_figure(figure, size, h_pad=0.02, hspace=0)
    axes = figure.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    bifurcation(parameter, values, ax=axes[0], parameter_label=parameter_label, **options)
    if regime is not None:
        regime_strip(parameter, regime, names, ax=axes[1], parameter_label=parameter_label)
    if exponents is not None:
        below = {"ax": axes[-len(more)], "parameter_label": parameter_label}
        if stderr is not None:
            stderr = checked("stderr", stderr, exponents.shape, may_hold=("nan",))
        where, exponents, stderr = _parted(parameter, regime, exponents, stderr)
        lyapunov_spectrum(where, exponents, stderr=stderr, n_shown=n_shown, **below)
    if irreversibility is not None:
        where, rate = _parted(parameter, regime, irreversibility)
        draw_irreversibility(axes[-1], where, rate, None, parameter_label)
    for ax in axes[:-1]:
        ax.set_xlabel("")
    figure.align_ylabels(axes)
    return figure, tuple(axes)


def _parted(parameter: np.ndarray, regime: np.ndarray | None, *arrays: np.ndarray | None) -> list[Any]:
    """Return the parameter and what belongs to it, with a NaN between neighbours of different regimes."""
    if regime is None:
        return [parameter, *arrays]
    order = np.argsort(parameter)
    x = parameter[order].astype(float)
    change = np.flatnonzero(np.diff(regime[order])) + 1
    there = np.insert(x, change, (x[change - 1] + x[change]) / 2)
    return [there, *(each if each is None else np.insert(each[order], change, np.nan, axis=0) for each in arrays)]


@styled
def running_exponents(
    n_steps: ArrayLike,
    running: ArrayLike,
    *,
    stderr: ArrayLike | None = None,
    n_shown: int | None = None,
    ax: Axes | None = None,
) -> tuple[Line2D, ...]:
    r"""Draw how the running Lyapunov exponents settle, and within which errors.

    Parameters
    ----------
    n_steps : array_like, shape (n_records,)
        Steps averaged so far, increasing from 1 or more; drawn on a logarithmic axis.
    running : array_like, shape (n_records, k)
        Exponents in nats per token step; -inf and NaN are not drawn.
    stderr : array_like, shape (n_records, k), or None, default=None
        Half-widths of the bands round them; NaN for no band.
    n_shown : int or None, default=None
        How many to draw; None draws at most four.
    ax : matplotlib Axes or None, default=None

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_shown

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> lines = running_exponents([1, 10, 100], [[0.9], [0.2], [0.1]], ax=Figure().add_subplot())
    >>> lines[0].get_ydata()
    array([0.9, 0.2, 0.1])
    """
    n_steps = checked("n_steps", n_steps, ("n_records",))
    if n_steps[0] < 1 or np.any(n_steps[1:] <= n_steps[:-1]):
        raise ValueError(f"n_steps must increase from 1 or more, got {shown(n_steps)}")
    running = checked("running", running, (len(n_steps), "k"), may_hold=("nan", "-inf"))
    if stderr is not None:
        stderr = checked("stderr", stderr, running.shape, may_hold=("nan",))
        not_negative("stderr", stderr)
    settings = {"xlabel": "token steps averaged", "xscale": "log"}
    return _draw_exponents(ax, n_steps, running, stderr, n_shown, **settings)[0]
