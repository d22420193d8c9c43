"""Draw arrays on matplotlib axes: bifurcation diagrams, exponents, orbits and their statistics.

The only module that imports matplotlib, and only when something is drawn. Every function takes
plain arrays and ``ax`` (None makes a new figure), and returns the artists it drew, so that all else
(titles, colour bars, limits) stays with the caller. matplotlib's global settings are left as they were.
"""

import functools
import operator
import os
import secrets
from pathlib import Path

import numpy as np

WIDTHS = {"column": 3.4, "page": 7.0}  # inches: one column of a journal, a whole page
# Okabe and Ito's colours for every kind of sight, without the yellow that is lost on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000")
_NEW = {"dpi": 200, "layout": "constrained"}
_STYLE = {"font.size": 8, "axes.labelsize": 9, "axes.linewidth": 0.6, "lines.linewidth": 0.8}


def _styled(draw):
    """Run `draw` in the house style, or say what to install."""

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        try:
            import matplotlib
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            raise ImportError('figures need matplotlib; pip install "dmft[plot]"') from None
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def _array(name, value, shape, *, may_hold=()):
    """Return a real array of `shape` (a word fits any length), finite but for what it `may_hold`."""
    if np.ma.isMaskedArray(value):
        value = value.astype(float).filled(np.nan)
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    fits = len(shape) == array.ndim and all(
        n > 0 and asked in (n, str(asked)) for asked, n in zip(shape, array.shape, strict=True)
    )
    if not fits:
        rule = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise ValueError(f"{name} must have shape {rule} and not be empty, got shape {array.shape}")
    # Reductions, no masks: the rows of a long sweep fill most of the memory already.
    for found in (np.min(array), np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)):
        if not np.isfinite(found) and str(found) not in may_hold:
            raise ValueError(f"{name} must be {' or '.join(('finite', *may_hold))}, got {found}")
    return array


def _series(values, *, at_least=1, may_hold=()):
    """Return `values` as (n_steps, n_features); one series may come without its second axis."""
    if np.ndim(values) == 1:
        values = _array("values", values, ("n_steps",), may_hold=may_hold)[:, None]
    values = _array("values", values, ("n_steps", "n_features"), may_hold=may_hold)
    if len(values) < at_least:
        raise ValueError(f"values must have at least {at_least} steps, got {len(values)}")
    return values


def _whole(name, value, low, high):
    """Return `value` as an integer in low..high."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise ValueError(f"{name} must be a whole number in {low}..{high}, got {value!r}")
    return number


def _names(labels, n_features):
    """Return the label of each feature and that of their common axis."""
    if isinstance(labels, str):
        names = [rf"${labels}_{{{i + 1}}}$" for i in range(n_features)]
        return names, names[0] if n_features == 1 else f"${labels}$"
    if np.ndim(labels) != 1 or len(labels) != n_features:
        raise ValueError(f"labels must be a symbol or {n_features} strings, got {labels!r}")
    return list(labels), labels[0] if n_features == 1 else ""


def _axes(ax, projection=None):
    """Return `ax` checked, or the axes of a new figure, with the ticks of the house style."""
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        size = (WIDTHS["column"], 3.0 if projection else 2.3)
        ax = pyplot.figure(figsize=size, **_NEW).add_subplot(projection=projection)
    if not isinstance(ax, Axes) or (projection and ax.name != projection):
        kind = f"Axes with projection={projection!r}" if projection else "Axes"
        raise ValueError(f"ax must be None or matplotlib {kind}, got {ax!r}")
    # Labels are made before an rc_context can reach them, ticks after it.
    ax.tick_params(labelsize=8, width=0.6, length=2.5)
    for axis in (ax.xaxis, ax.yaxis, *([ax.zaxis] if projection else [])):
        axis.label.set_size(9)
        axis.offsetText.set_size(8)
    return ax


def _look(i):
    """Return the colour and dashes of line `i`."""
    return {"color": COLORS[i % 7], "linestyle": ("-", "--", ":", "-.")[i // 7 % 4]}


def _legend(ax, lines):
    """Name the lines above the axes, where the names cannot hide any of them."""
    if 1 < len(lines) <= 12:
        place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.0, "frameon": False}
        look = {"ncols": min(len(lines), 6), "handlelength": 1.2, "columnspacing": 1.0, "markerscale": 0}
        ax.legend(handles=lines, **place, **look)


def _draw_lines(ax, x, columns, names):
    """Draw each column against `x`, with dots where the steps can be told apart."""
    look = {"marker": ".", "markersize": 4} if len(x) <= 100 else {"rasterized": len(x) > 20_000}
    lines = [ax.plot(x, y, **_look(i), **look, label=names[i])[0] for i, y in enumerate(columns.T)]
    _legend(ax, lines)
    return tuple(lines)


def _draw_points(ax, *coordinates):
    """Draw rasterised dots: tiny for a cloud, larger where few of them differ."""
    some = np.stack([x[-20_000:] for x in coordinates], axis=1)
    size = np.clip(60 / np.sqrt(len(np.unique(np.round(some, 6), axis=0))), 0.6, 3.0)
    look = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0}
    return ax.plot(*coordinates, color=COLORS[0], rasterized=True, **look)[0]


def _draw_exponents(ax, x, exponents, stderr, n_shown, **settings):
    """Draw the leading exponents against `x`, the first one in front; return lines and bands."""
    k = exponents.shape[1]
    n_shown = min(4, k) if n_shown is None else _whole("n_shown", n_shown, 1, k)
    exponents = np.where(np.isfinite(exponents), exponents, np.nan)[:, :n_shown].astype(float)
    ax = _axes(ax)
    ax.set(ylabel=r"$\lambda_i$ (nats/step)", **settings)
    before = ax.get_ylim() if ax.lines else (0.0, 0.0)
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=1.9)
    lines, bands = [], []
    for i, y in enumerate(exponents.T):
        seen = np.pad(np.isfinite(y), 1)
        alone = np.flatnonzero(seen[1:-1] & ~seen[:-2] & ~seen[2:]).tolist()  # a line needs two points
        look = {"linewidth": 0.7 if i else 1.3, "marker": ".", "markersize": 3, "markevery": alone}
        lines += ax.plot(x, y, **_look(i), **look, zorder=2.5 - 0.01 * i, label=rf"$\lambda_{{{i + 1}}}$")
        if stderr is not None:
            look = {"color": COLORS[i % 7], "alpha": 0.3, "linewidth": 0}
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
    _legend(ax, [line for line in lines if np.any(line.get_ydata() > ax.get_ylim()[0])])
    return tuple(lines), tuple(bands)


def _edges(centres):
    """Return the n + 1 cell edges half-way between n increasing centres."""
    if len(centres) == 1:
        return centres[0] + np.array([-0.5, 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])


def _pooled(cells, edges, pixels):
    """Return the largest of the `cells` (axis 0) that each pixel touches, 0 where it touches none."""
    low, high = np.minimum(pixels[1:], pixels[:-1]), np.maximum(pixels[1:], pixels[:-1])
    first = np.clip(np.searchsorted(edges, low, "right") - 1, 0, len(cells))
    last = np.clip(np.searchsorted(edges, high, "left"), 0, len(cells))
    padded = np.concatenate([cells, np.zeros_like(cells[:1])])  # reduceat wants every index to exist
    pooled = np.maximum.reduceat(padded, np.stack([first, last], axis=1).ravel(), axis=0)[::2]
    pooled[first >= last] = 0
    return pooled


@functools.cache
def _density_image():
    """Return the class of the image that loses no cell, however small it is drawn.

    With several columns to a pixel a mesh shows one of them, or none: a fixed point turns into
    dashes, a narrow window of cycles vanishes. This image shows the largest share in each pixel,
    at the resolution of each drawing. Made by a function because matplotlib comes late.
    """
    from matplotlib.image import PcolorImage
    from matplotlib.transforms import IdentityTransform

    class DensityImage(PcolorImage):
        def make_image(self, renderer, magnification=1.0, unsampled=False):
            left, bottom, right, top = np.floor(self.axes.bbox.extents * magnification + 0.5)
            to_data = self.axes.transData.inverted().transform
            x, y = np.arange(left, right + 1) / magnification, np.arange(bottom, top + 1) / magnification
            x = to_data(np.stack([x, np.full_like(x, y[0])], axis=1))[:, 0]
            y = to_data(np.stack([np.full_like(y, left / magnification), y], axis=1))[:, 1]
            pooled = _pooled(_pooled(self.get_array().filled(0), self.y_edges, y).T, self.x_edges, x).T
            image = self.to_rgba(np.ma.masked_equal(pooled, 0), bytes=True)
            return image, left / magnification, bottom / magnification, IdentityTransform()

    return DensityImage


@_styled
def bifurcation(
    parameter,
    values,
    *,
    ax=None,
    bins=400,
    value_range=None,
    style="density",
    parameter_label=r"$\beta$",
    value_label=r"$A_1$",
    cmap="magma_r",
):
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

    parameter = _array("parameter", parameter, ("n_points",)).astype(float)
    values = _array("values", values, (len(parameter), "n_rows"), may_hold=("nan",))
    bins = _whole("bins", bins, 1, 10**5)
    order = np.argsort(parameter)
    parameter = parameter[order]
    if np.any(np.diff(parameter) == 0):
        raise ValueError(f"parameter must be distinct, got {parameter[1:][np.diff(parameter) == 0][0]} twice")
    if style not in ("density", "points"):
        raise ValueError(f"style must be 'density' or 'points', got {style!r}")
    if value_range is None:
        low, high = float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
        if np.isnan(low):
            raise ValueError("values must hold a number, got NaN only")
        if high - low <= 1e-12 * max(abs(low), abs(high)):  # a constant still needs bins round it
            low, high = low - (abs(low) / 2 or 0.5), high + (abs(high) / 2 or 0.5)
    else:
        low, high = map(float, _array("value_range", value_range, (2,)))
        if low >= high:
            raise ValueError(f"value_range must be (low, high) with low < high, got {value_range!r}")
    ax = _axes(ax)
    ax.set(xlabel=parameter_label, ylabel=value_label)
    if style == "points":
        dots = _draw_points(ax, np.repeat(parameter, values.shape[1]), np.ravel(values[order]))
        ax.margins(x=0, y=0.02)
        if value_range is not None:
            ax.set_ylim(low, high)
        return dots

    share = np.full((bins, len(parameter)), np.nan)
    for i, row in enumerate(values[point] for point in order):
        row = row[~np.isnan(row)].astype(float)
        count = np.histogram(row, bins, (low, high))[0]
        share[count > 0, i] = count[count > 0] / len(row)
    if isinstance(cmap, str):
        cmap = ListedColormap(matplotlib.colormaps[cmap](np.linspace(0.2, 1, 256)))
    x_edges, y_edges = _edges(parameter), np.linspace(low, high, bins + 1)
    extent = (*x_edges[[0, -1]], *y_edges[[0, -1]])
    # Below a tenth of the even share all is as pale: a handful of rows should not set the scale.
    look = {"norm": LogNorm(0.1 / bins, 1.0), "cmap": cmap, "extent": extent}
    image = _density_image()(ax, x_edges, y_edges, share, **look)
    image.x_edges, image.y_edges = x_edges, y_edges
    image.set_clip_path(ax.patch)
    image.sticky_edges.y.clear()  # what lies at the end of the range should not lie on the frame
    ax.add_image(image)
    ax.update_datalim(np.reshape(extent, (2, 2)).T)
    ax.margins(y=0.02)
    return image


@_styled
def lyapunov_spectrum(parameter, exponents, *, stderr=None, n_shown=None, ax=None, parameter_label=r"$\beta$"):
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
    parameter = _array("parameter", parameter, ("n_points",))
    exponents = _array("exponents", exponents, (len(parameter), "k"), may_hold=("nan", "-inf"))
    order = np.argsort(parameter)
    if stderr is not None:
        stderr = _array("stderr", stderr, exponents.shape, may_hold=("nan",))[order]
        if np.fmin.reduce(stderr, axis=None) < 0:
            raise ValueError(f"stderr must be >= 0, got {np.fmin.reduce(stderr, axis=None)}")
    return _draw_exponents(ax, parameter[order], exponents[order], stderr, n_shown, xlabel=parameter_label)


@_styled
def diagram(
    parameter,
    values,
    exponents=None,
    *,
    stderr=None,
    n_shown=None,
    width="column",
    figure=None,
    parameter_label=r"$\beta$",
    **options,
):
    r"""Draw the bifurcation diagram, and the spectrum of exponents under it on the same axis.

    Parameters
    ----------
    parameter, values : array_like
        As in :func:`bifurcation`, which also takes the other `options`.
    exponents, stderr, n_shown : optional
        As in :func:`lyapunov_spectrum`; without exponents the diagram stands alone.
    width : {"column", "page"}, default="column"
        3.4 or 7 inches, the widths of print.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, length 1 or 2

    Examples
    --------
    >>> figure, axes = diagram([0.0, 1.0], [[0.1, 0.2], [0.3, 0.4]], [[-0.1], [0.2]])
    >>> len(axes), [float(x) for x in axes[1].get_xlim()]
    (2, [-0.5, 1.5])
    """
    from matplotlib.figure import Figure, FigureBase

    if not (figure is None or isinstance(figure, FigureBase)):
        raise ValueError(f"figure must be None or a matplotlib Figure, got {figure!r}")
    if width not in WIDTHS:
        raise ValueError(f"width must be one of {', '.join(map(repr, WIDTHS))}, got {width!r}")
    ratios = [5, 3][: 1 if exponents is None else 2]
    if figure is None:
        height = WIDTHS[width] ** 0.7 * (0.98 if exponents is None else 1.4)  # a page is the wider shape
        figure = Figure(figsize=(WIDTHS[width], height), **_NEW)
        figure.get_layout_engine().set(h_pad=0.02, hspace=0)
    axes = figure.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    bifurcation(parameter, values, ax=axes[0], parameter_label=parameter_label, **options)
    if exponents is not None:
        shown = {"stderr": stderr, "n_shown": n_shown, "parameter_label": parameter_label}
        lyapunov_spectrum(parameter, exponents, ax=axes[1], **shown)
        axes[0].set_xlabel("")
        figure.align_ylabels(axes)
    return figure, tuple(axes)


@_styled
def trajectory(values, *, ax=None, first=0, labels="A"):
    r"""Draw each feature against the token step.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features) or (n_steps,)
        NaN leaves a gap.
    ax : matplotlib Axes or None, default=None
    first : int, default=0
        Token step of the first row.
    labels : str or sequence of str, length n_features, default="A"
        A symbol in mathtext without dollars, to be numbered from 1 (``"m^o"``), or all names.

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_features

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> lines = trajectory([[0.1, 0.2], [0.3, 0.4]], ax=Figure().add_subplot(), first=100)
    >>> lines[1].get_xdata(), lines[1].get_ydata(), lines[1].get_label()
    (array([100, 101]), array([0.2, 0.4]), '$A_{2}$')
    """
    values = _series(values, may_hold=("nan",))
    names, label = _names(labels, values.shape[1])
    steps = _whole("first", first, 0, 10**15) + np.arange(len(values))
    ax = _axes(ax)
    ax.set(xlabel="token step", ylabel=label)
    ax.margins(x=0.01)
    ax.locator_params(axis="x", integer=True, nbins=6)
    ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    return _draw_lines(ax, steps, values, names)


@_styled
def phase_plane(values, *, components=(0, 1), ax=None, labels="A"):
    r"""Draw one feature against another, or three of them in space, as rasterised dots.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features)
        Rows with NaN are left out.
    components : sequence of int, length 2 or 3, default=(0, 1)
        Columns of `values`; three draw in space.
    ax : matplotlib Axes or None, default=None
        For three components one with ``projection="3d"``.
    labels : str or sequence of str, length n_features, default="A"
        As in :func:`trajectory`.

    Returns
    -------
    matplotlib.lines.Line2D

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> dots = phase_plane([[0.1, 0.2, 0.3]], components=(2, 0), ax=Figure().add_subplot())
    >>> dots.get_data(), dots.axes.get_xlabel()
    ((array([0.3]), array([0.1])), '$A_{3}$')
    """
    values = _array("values", values, ("n_steps", "n_features"), may_hold=("nan",))
    names, _ = _names(labels, values.shape[1])
    if np.ndim(components) != 1 or len(components) not in (2, 3):
        raise ValueError(f"components must be 2 or 3 columns, got {components!r}")
    columns = [_whole("each of components", i, 0, values.shape[1] - 1) for i in components]
    chosen = values[:, columns]
    chosen = chosen[~np.isnan(chosen).any(axis=1)]
    ax = _axes(ax, "3d" if len(columns) == 3 else None)
    ax.locator_params(nbins=5)
    ax.set(xlabel=names[columns[0]], ylabel=names[columns[1]])
    if len(columns) == 3:
        ax.set_zlabel(names[columns[2]])
        ax.set_box_aspect(None, zoom=0.85)  # or the labels fall off the figure
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.labelpad = -2
            axis.set_tick_params(pad=0)
    return _draw_points(ax, *chosen.T)


@_styled
def power_spectrum(values, *, ax=None, window="hann", n_segment=None, labels="A"):
    r"""Draw the power of each feature against frequency, one-sided, without the mean.

    A cosine of amplitude c at a frequency of the grid has a peak of height :math:`c^2/2`.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features) or (n_steps,)
        At least 4 steps. A feature that does not change has no power and leaves no line.
    ax : matplotlib Axes or None, default=None
    window : str or tuple, default="hann"
        As in `scipy.signal.get_window`.
    n_segment : int or None, default=None
        Length of the half-overlapping segments to average (Welch's method). None takes the whole
        series as one: the sharpest lines, and the full noise of chaos.
    labels : str or sequence of str, length n_features, default="A"
        As in :func:`trajectory`.

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_features
        Frequencies in cycles per step, without zero, and powers.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> wave = 0.5 * np.cos(2 * np.pi * np.arange(64) / 8)
    >>> (line,) = power_spectrum(wave, ax=Figure().add_subplot())
    >>> peak = np.argmax(line.get_ydata())
    >>> float(line.get_xdata()[peak]), round(float(line.get_ydata()[peak]), 12)
    (0.125, 0.125)
    """
    from scipy import signal

    values = _series(values, at_least=4).astype(float)
    names, _ = _names(labels, values.shape[1])
    n_segment = _whole("n_segment", len(values) if n_segment is None else n_segment, 4, len(values))
    how = {"window": window, "nperseg": n_segment, "detrend": "constant", "scaling": "spectrum"}
    frequency, power = (out[1:] for out in signal.welch(values, axis=0, **how))
    power[:, _constant(values)] = 0
    ax = _axes(ax)
    ax.set(xlabel="frequency (cycles per step)", ylabel="power", yscale="log", xlim=(0, 0.5))
    lines = _draw_lines(ax, frequency, np.where(power > 0, power, np.nan), names)
    if power.any():  # what lies fourteen decades under the peak is rounding
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-14 * power.max()))
    return lines


def _constant(values):
    """Return which columns do not change but for rounding."""
    return np.ptp(values, axis=0) <= 1e-14 * np.abs(values).max(axis=0)


@_styled
def autocorrelation(values, *, max_lag, ax=None, labels="A"):
    r"""Draw the autocorrelation of each feature, 1 at lag 0.

    .. math:: C_\tau = \sum_t (x_t - \bar x)(x_{t+\tau} - \bar x) \Big/ \sum_t (x_t - \bar x)^2

    The upper sum has n - tau terms of the n, so that a cosine decays as :math:`1 - \tau / n`. A
    feature that does not change is drawn as 1 at every lag.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features) or (n_steps,)
    max_lag : int
        Largest lag, 1..n_steps - 1.
    ax : matplotlib Axes or None, default=None
    labels : str or sequence of str, length n_features, default="A"
        As in :func:`trajectory`.

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_features

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> (line,) = autocorrelation([1, -1, 1, -1], max_lag=2, ax=Figure().add_subplot())
    >>> line.get_ydata().round(12)
    array([ 1.  , -0.75,  0.5 ])
    """
    from scipy import fft

    values = _series(values, at_least=2).astype(float)
    max_lag = _whole("max_lag", max_lag, 1, len(values) - 1)
    names, _ = _names(labels, values.shape[1])
    n_padded = fft.next_fast_len(len(values) + max_lag, real=True)  # zeros keep the two ends apart
    power = np.abs(fft.rfft(values - values.mean(axis=0), n_padded, axis=0)) ** 2
    covariance = fft.irfft(power, n_padded, axis=0)[: max_lag + 1]
    covariance[:, _constant(values)] = 1
    ax = _axes(ax)
    ax.axhline(0, color="0.3", linewidth=0.6, zorder=1.9)
    ax.set(xlabel="lag (steps)", ylabel="autocorrelation")
    ax.margins(x=0.01)
    return _draw_lines(ax, np.arange(max_lag + 1), covariance / covariance[0], names)


@_styled
def running_exponents(n_steps, running, *, n_shown=None, ax=None):
    r"""Draw how the running means of the Lyapunov exponents settle.

    Parameters
    ----------
    n_steps : array_like, shape (n_records,)
        Steps averaged so far, increasing from 1 or more; drawn on a logarithmic axis.
    running : array_like, shape (n_records, k)
        Means in nats per token step; -inf and NaN are not drawn.
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
    n_steps = _array("n_steps", n_steps, ("n_records",))
    if n_steps[0] < 1 or np.any(n_steps[1:] <= n_steps[:-1]):
        raise ValueError(f"n_steps must increase from 1 or more, got {n_steps}")
    running = _array("running", running, (len(n_steps), "k"), may_hold=("nan", "-inf"))
    settings = {"xlabel": "token steps averaged", "xscale": "log"}
    return _draw_exponents(ax, n_steps, running, None, n_shown, **settings)[0]


def save(figure, path, *, dpi=300):
    """Write a figure whole or not at all, with the same bytes for the same drawing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or path-like
        Ends in .png, .pdf or .svg. What is there is replaced, or left as it was if drawing fails.
    dpi : float, default=300
        Resolution of a PNG, and of the images inside PDF and SVG.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Figure(), f"{folder}/empty.svg").name
    'empty.svg'
    """
    path = Path(path)
    kind = path.suffix[1:].lower()
    # A date would make two files of one figure differ.
    metadata = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    if kind not in metadata:
        raise ValueError(f"path must end in .png, .pdf or .svg, got {str(path)!r}")
    import matplotlib

    # Without a salt the names inside an SVG are random; journals refuse Type 3 fonts, the default.
    settings = {"svg.hashsalt": "dmft", "pdf.fonttype": 42}
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with matplotlib.rc_context(settings), part.open("xb") as file:
            figure.savefig(file, format=kind, dpi=dpi, metadata=metadata[kind])
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
