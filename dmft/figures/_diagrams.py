"""Diagrams against a parameter: orbits as densities, exponents, both on one axis."""

import functools

import numpy as np

from ._base import COLORS, NEW, WIDTHS, checked, draw_points, drawing_axes, edges, legend, look_of, styled, whole
from ._regimes import regime_strip


def _draw_exponents(ax, x, exponents, stderr, n_shown, **settings):
    """Draw the leading exponents against `x`, the first one in front; return lines and bands."""
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
        look = {"linewidth": 0.7 if i else 1.3, "marker": ".", "markersize": 3, "markevery": alone}
        lines += ax.plot(x, y, **look_of(i), **look, zorder=2.5 - 0.01 * i, label=rf"$\lambda_{{{i + 1}}}$")
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
    legend(ax, [line for line in lines if np.any(line.get_ydata() > ax.get_ylim()[0])])
    return tuple(lines), tuple(bands)


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


@styled
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

    parameter = checked("parameter", parameter, ("n_points",)).astype(float)
    values = checked("values", values, (len(parameter), "n_rows"), may_hold=("nan",))
    bins = whole("bins", bins, 1, 10**5)
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
        low, high = map(float, checked("value_range", value_range, (2,)))
        if low >= high:
            raise ValueError(f"value_range must be (low, high) with low < high, got {value_range!r}")
    ax = drawing_axes(ax)
    ax.set(xlabel=parameter_label, ylabel=value_label)
    if style == "points":
        dots = draw_points(ax, np.repeat(parameter, values.shape[1]), np.ravel(values[order]))
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
    x_edges, y_edges = edges(parameter), np.linspace(low, high, bins + 1)
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


def _not_negative(stderr):
    if np.fmin.reduce(stderr, axis=None) < 0:
        raise ValueError(f"stderr must be >= 0, got {np.fmin.reduce(stderr, axis=None)}")


@styled
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
    parameter = checked("parameter", parameter, ("n_points",))
    exponents = checked("exponents", exponents, (len(parameter), "k"), may_hold=("nan", "-inf"))
    order = np.argsort(parameter)
    if stderr is not None:
        stderr = checked("stderr", stderr, exponents.shape, may_hold=("nan",))[order]
        _not_negative(stderr)
    return _draw_exponents(ax, parameter[order], exponents[order], stderr, n_shown, xlabel=parameter_label)


@styled
def diagram(
    parameter,
    values,
    exponents=None,
    *,
    stderr=None,
    n_shown=None,
    regime=None,
    names=(),
    width="column",
    figure=None,
    parameter_label=r"$\beta$",
    **options,
):
    r"""Draw the bifurcation diagram, under it the regimes and the spectrum of exponents, on one axis.

    Parameters
    ----------
    parameter, values : array_like
        As in :func:`bifurcation`, which also takes the other `options`.
    exponents, stderr, n_shown : optional
        As in :func:`lyapunov_spectrum`; without exponents they are not drawn.
    regime, names : optional
        As in :func:`regime_strip`; without a regime there is no strip.
    width : {"column", "page"}, default="column"
        3.4 or 7 inches, the widths of print.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, length 1 to 3

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
    lanes = 0 if regime is None else len(np.unique(regime))
    ratios = [5.0, *([0.35 * lanes] if lanes else []), *([] if exponents is None else [3.0])]
    if figure is None:
        height = WIDTHS[width] ** 0.7 * 0.98 * (sum(ratios) / 5) ** 0.8  # a page is the wider shape
        figure = Figure(figsize=(WIDTHS[width], height), **NEW)
        figure.get_layout_engine().set(h_pad=0.02, hspace=0)
    axes = figure.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    bifurcation(parameter, values, ax=axes[0], parameter_label=parameter_label, **options)
    if lanes:
        regime_strip(parameter, regime, names, ax=axes[1], parameter_label=parameter_label)
    if exponents is not None:
        shown = {"stderr": stderr, "n_shown": n_shown, "parameter_label": parameter_label}
        lyapunov_spectrum(parameter, exponents, ax=axes[-1], **shown)
    for ax in axes[:-1]:
        ax.set_xlabel("")
    figure.align_ylabels(axes)
    return figure, tuple(axes)


@styled
def running_exponents(n_steps, running, *, stderr=None, n_shown=None, ax=None):
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
        raise ValueError(f"n_steps must increase from 1 or more, got {n_steps}")
    running = checked("running", running, (len(n_steps), "k"), may_hold=("nan", "-inf"))
    if stderr is not None:
        stderr = checked("stderr", stderr, running.shape, may_hold=("nan",))
        _not_negative(stderr)
    settings = {"xlabel": "token steps averaged", "xscale": "log"}
    return _draw_exponents(ax, n_steps, running, stderr, n_shown, **settings)[0]
