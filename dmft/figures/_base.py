"""What the figures share: the house style, checks, axes, lines and dots."""

import functools
import operator

import numpy as np

WIDTHS = {"column": 3.4, "page": 7.0}  # inches: one column of a journal, a whole page
# Okabe and Ito's colours for every kind of sight, without the yellow that is lost on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000")
NEW = {"dpi": 200, "layout": "constrained"}
STYLE = {"font.size": 8, "axes.labelsize": 9, "axes.linewidth": 0.6, "lines.linewidth": 0.8}


def styled(draw):
    """Run `draw` in the house style, or say what to install."""

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        try:
            import matplotlib
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            raise ImportError('figures need matplotlib; pip install "dmft[plot]"') from None
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


def checked(name, value, shape, *, may_hold=()):
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


def series(values, *, at_least=1, may_hold=()):
    """Return `values` as (n_steps, n_features); one series may come without its second axis."""
    if np.ndim(values) == 1:
        values = checked("values", values, ("n_steps",), may_hold=may_hold)[:, None]
    values = checked("values", values, ("n_steps", "n_features"), may_hold=may_hold)
    if len(values) < at_least:
        raise ValueError(f"values must have at least {at_least} steps, got {len(values)}")
    return values


def whole(name, value, low, high):
    """Return `value` as an integer in low..high."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise ValueError(f"{name} must be a whole number in {low}..{high}, got {value!r}")
    return number


def feature_names(labels, n_features):
    """Return the label of each feature and that of their common axis."""
    if isinstance(labels, str):
        names = [rf"${labels}_{{{i + 1}}}$" for i in range(n_features)]
        return names, names[0] if n_features == 1 else f"${labels}$"
    if np.ndim(labels) != 1 or len(labels) != n_features:
        raise ValueError(f"labels must be a symbol or {n_features} strings, got {labels!r}")
    return list(labels), labels[0] if n_features == 1 else ""


def edges(centres):
    """Return the n + 1 cell edges half-way between n increasing centres."""
    if len(centres) == 1:
        return centres[0] + np.array([-0.5, 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])


def drawing_axes(ax, projection=None):
    """Return `ax` checked, or the axes of a new figure, with the ticks of the house style."""
    from matplotlib.axes import Axes

    if ax is None:
        from matplotlib import pyplot

        size = (WIDTHS["column"], 3.0 if projection else 2.3)
        ax = pyplot.figure(figsize=size, **NEW).add_subplot(projection=projection)
    if not isinstance(ax, Axes) or (projection and ax.name != projection):
        kind = f"Axes with projection={projection!r}" if projection else "Axes"
        raise ValueError(f"ax must be None or matplotlib {kind}, got {ax!r}")
    # Labels are made before an rc_context can reach them, ticks after it.
    ax.tick_params(labelsize=8, width=0.6, length=2.5)
    for axis in (ax.xaxis, ax.yaxis, *([ax.zaxis] if projection else [])):
        axis.label.set_size(9)
        axis.offsetText.set_size(8)
    return ax


def look_of(i):
    """Return the colour and dashes of line `i`."""
    return {"color": COLORS[i % 7], "linestyle": ("-", "--", ":", "-.")[i // 7 % 4]}


def legend(ax, lines):
    """Name the lines above the axes, where the names cannot hide any of them."""
    if 1 < len(lines) <= 12:
        place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.0, "frameon": False}
        look = {"ncols": min(len(lines), 6), "handlelength": 1.2, "columnspacing": 1.0, "markerscale": 0}
        ax.legend(handles=lines, **place, **look)


def draw_lines(ax, x, columns, names):
    """Draw each column against `x`, with dots where the steps can be told apart."""
    look = {"marker": ".", "markersize": 4} if len(x) <= 100 else {"rasterized": len(x) > 20_000}
    lines = [ax.plot(x, y, **look_of(i), **look, label=names[i])[0] for i, y in enumerate(columns.T)]
    legend(ax, lines)
    return tuple(lines)


def draw_points(ax, *coordinates):
    """Draw rasterised dots: tiny for a cloud, larger where few of them differ."""
    some = np.stack([x[-20_000:] for x in coordinates], axis=1)
    size = np.clip(60 / np.sqrt(len(np.unique(np.round(some, 6), axis=0))), 0.6, 3.0)
    look = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0}
    return ax.plot(*coordinates, color=COLORS[0], rasterized=True, **look)[0]
