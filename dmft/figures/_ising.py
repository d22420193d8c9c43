"""Small multiples: quantities of several methods against one parameter, or each as a map of two."""

import numpy as np

from ._base import NEW, WIDTHS, checked, drawing_axes, edges, look_of, styled


def _panels(figure, names, height, **options):
    """Return a figure and as many axes as names, two in a row; one or three stand side by side."""
    from matplotlib.figure import Figure, FigureBase

    if not (figure is None or isinstance(figure, FigureBase)):
        raise ValueError(f"figure must be None or a matplotlib Figure, got {figure!r}")
    if not names:
        raise ValueError("panels must hold at least one array, got none")
    n = len(names)
    columns = n if n in (1, 3) else 2
    rows = -(-n // columns)
    if figure is None:
        width = WIDTHS["column" if n == 1 else "page"]
        figure = Figure(figsize=(width, rows * height * (0.85 if n == 3 else 1)), **NEW)
        figure.get_layout_engine().set(wspace=0.04)
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for ax in axes[n:]:
        ax.remove()
    return figure, axes[:n].tolist()


@styled
def curves(parameter, panels, names=("",), *, dots=None, mark=None, figure=None, parameter_label=r"$\beta$"):
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
    parameter = checked("parameter", parameter, ("n_points",)).astype(float)
    order = np.argsort(parameter, kind="stable")
    columns = {}
    for label, values in panels.items():
        values = np.asarray(values)[:, None] if np.ndim(values) == 1 else values
        columns[label] = checked("panels", values, (len(parameter), len(names)), may_hold=("nan", "inf", "-inf"))[order]
    x = parameter[order]
    rows_of_names = -(-len(names) // (4 if len(columns) > 1 else 2)) if len(names) > 1 else 0
    figure, axes = _panels(figure, columns, 2.1 if len(columns) > 1 else 2.1 + 0.15 * rows_of_names, sharex=True)
    for ax, (label, values) in zip(axes, columns.items(), strict=True):
        drawing_axes(ax)
        ax.set(ylabel=label, xlabel=parameter_label)
        values = np.where(np.isfinite(values), values, np.nan).astype(float)
        if mark is not None:
            ax.axvline(mark, color="0.75", linewidth=0.8, zorder=1)
        lines, ends = [], []  # crosses come after all lines
        for i, (name, y) in enumerate(zip(names, values.T, strict=True)):
            if name == dots:
                look = {"color": "black", "linestyle": "none", "marker": "o", "fillstyle": "none", "markersize": 3.5}
                lines += ax.plot(x, y, **look, markeredgewidth=0.7, zorder=4, label=name)
                continue
            # The first lines are the widest, others dashed: each shows where later ones lie on top.
            look = {"color": look_of(i)["color"], "linestyle": ("-", "-", "--", ":")[i % 4]}
            lines += ax.plot(x, y, **look, linewidth=0.9 + 0.12 * (len(names) - 1 - i), label=name)
            seen = np.pad(np.isfinite(y), 1, constant_values=True)
            stops = np.flatnonzero(seen[1:-1] & ~(seen[:-2] & seen[2:]))
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
                    ax.plot(x[stops], np.clip(values[stops, i], low, high), **look, zorder=3, clip_on=False)
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
def maps(x, y, panels, *, figure=None, x_label=r"$\beta$", y_label=r"$\Delta J$", cmap="viridis"):
    r"""Draw quantities of two parameters as colours, a panel for each quantity.

    Parameters
    ----------
    x, y : array_like, shapes (n_x,) and (n_y,)
        In any order, evenly spaced or not.
    panels : dict of str to array_like, shape (n_x, n_y)
        By the label of the panel; NaN is drawn grey.
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
    x, y = (checked(name, v, (f"n_{name}",)).astype(float) for name, v in (("x", x), ("y", y)))
    for name, values in (("x", x), ("y", y)):
        if len(np.unique(values)) < len(values):
            raise ValueError(f"{name} must be distinct, got {len(values) - len(np.unique(values))} values twice")
    arrays = {
        label: checked("panels", values, (len(x), len(y)), may_hold=("nan", "inf", "-inf"))
        for label, values in panels.items()
    }
    across, up = np.argsort(x), np.argsort(y)
    figure, axes = _panels(figure, arrays, 2.5, sharex=True, sharey=True)
    for ax, (label, values) in zip(axes, arrays.items(), strict=True):
        drawing_axes(ax)
        ax.set_facecolor("0.8")
        cells = np.ma.masked_invalid(values[np.ix_(across, up)].T.astype(float))
        mesh = ax.pcolormesh(edges(x[across]), edges(y[up]), cells, cmap=cmap, rasterized=True)
        bar = figure.colorbar(mesh, ax=ax, pad=0.02, aspect=25)
        bar.outline.set_linewidth(0.6)
        bar.ax.tick_params(labelsize=8, width=0.6, length=2.5)
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.set_title(label, fontsize=9)
        ax.label_outer()
    return figure, tuple(axes)
