"""Systems of finite sizes: scaling with the size, smeared transitions, diagrams beside that of infinite size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown
from ._arrays import checked, columns, not_negative, parameters
from ._diagrams import bifurcation
from ._style import COLORS, WIDTHS, Look, drawing_axes, drawing_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

DEVIATION = r"$\langle |A^N - A|^2 \rangle^{1/2}$"


@styled
def scaling(
    sizes: ArrayLike,
    values: ArrayLike,
    *,
    stderr: ArrayLike | None = None,
    theory: ArrayLike | None = None,
    names: Sequence[str] = ("",),
    ax: Axes | None = None,
    value_label: str = DEVIATION,
) -> tuple[ErrorbarContainer, ...]:
    r"""Draw what a finite network measures against its size, both on logarithmic scales.

    Parameters
    ----------
    sizes : array_like, shape (n_sizes,)
        Numbers of sites.
    values : array_like, shape (n_sizes,) or (n_sizes, n_series)
        Positive; drawn as circles.
    stderr : array_like, shape of `values`, or None, default=None
        Half-lengths of the error bars.
    theory : array_like, shape of `values`, or None, default=None
        Drawn as lines.
    names : sequence of str, length n_series, default=("",)
    ax : matplotlib Axes or None, default=None
    value_label : str

    Returns
    -------
    tuple of matplotlib.container.ErrorbarContainer, length n_series

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> drawn = scaling([100, 10_000], [0.2, 0.02], theory=[0.21, 0.021], ax=Figure().add_subplot())
    >>> drawn[0].lines[0].get_ydata()
    array([0.2 , 0.02])
    """
    sizes = checked("sizes", sizes, ("n_sizes",)).astype(float)

    def series(name: str, array: ArrayLike) -> np.ndarray:
        return checked(name, columns(name, array), (len(sizes), len(names))).astype(float)

    values = series("values", values)
    lines = None if theory is None else series("theory", theory)
    bars = None if stderr is None else series("stderr", stderr)
    if bars is not None:
        not_negative("stderr", bars)
    if sizes.min() <= 0 or values.min() <= 0:
        raise ValueError(f"sizes and values must be > 0, got {min(sizes.min(), values.min())}")
    ax = drawing_axes(ax)
    ax.set(xscale="log", yscale="log", xlabel="$N$", ylabel=value_label)
    drawn = []
    for i, name in enumerate(names):
        color = COLORS[i % 7]
        if lines is not None:
            ax.plot(sizes, lines[:, i], color=color, zorder=1)
        error = None if bars is None else bars[:, i]
        look: Look = {"color": color, "fmt": "osD^v"[i % 5], "markersize": 3.5, "fillstyle": "none", "elinewidth": 0.8}
        drawn.append(ax.errorbar(sizes, values[:, i], error, label=name, **look))
    if len(names) > 1:
        ax.legend(frameon=False, fontsize=8, handlelength=1.2)
    return tuple(drawn)


@styled
def transition(
    parameter: ArrayLike,
    values: ArrayLike,
    sizes: ArrayLike,
    *,
    theory: ArrayLike | None = None,
    mark: float | None = None,
    ax: Axes | None = None,
    parameter_label: str = r"$\beta$",
    value_label: str = "amplitude",
) -> tuple[Line2D, ...]:
    r"""Draw how a transition is smeared in networks of several sizes.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        In any order.
    values : array_like, shape (n_sizes, n_points)
        Positive; on a logarithmic scale.
    sizes : array_like, shape (n_sizes,)
        Numbers of sites; a darker line for more.
    theory : array_like, shape (n_points,), or None, default=None
        Of the infinite network: a thick grey line behind.
    mark : float or None, default=None
        Where to draw a vertical line, the transition.
    ax : matplotlib Axes or None, default=None
    parameter_label : str
    value_label : str

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_sizes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> lines = transition([1.0, 2.0], [[0.3, 0.4], [0.1, 0.4]], [100, 10_000], ax=Figure().add_subplot())
    >>> lines[1].get_label()
    '$N = 10^{4}$'
    """
    import matplotlib

    parameter = parameters("parameter", parameter)
    sizes = checked("sizes", sizes, ("n_sizes",))
    values = checked("values", values, (len(sizes), len(parameter)))
    low, high = np.min(values), np.max(values)
    if low <= 0 or sizes.min() <= 0:
        raise ValueError(f"sizes and values must be > 0, got {min(low, sizes.min())}")
    if theory is not None:
        theory = checked("theory", theory, (len(parameter),))
    order = np.argsort(parameter, kind="stable")
    ax = drawing_axes(ax)
    ax.set(yscale="log", xlabel=parameter_label, ylabel=value_label)
    if mark is not None:
        ax.axvline(mark, color="0.75", linewidth=0.8, zorder=1)
    if theory is not None:
        shown = np.maximum(theory[order], low / 10)  # it leaves the axes where it is zero
        ax.plot(parameter[order], shown, color="0.7", linewidth=2.5, zorder=1.5, label=r"$N = \infty$")
    shades = matplotlib.colormaps["viridis"](np.linspace(0.85, 0.0, len(sizes)))
    lines = []
    for size, row, color in zip(sizes.tolist(), values, shades, strict=True):
        power = np.log10(size)
        name = f"10^{{{power:.0f}}}" if abs(power - round(power)) < 1e-9 else f"{size:g}"
        look: Look = {"marker": ".", "markersize": 4, "label": f"$N = {name}$"}
        lines += ax.plot(parameter[order], row[order], color=color, **look)
    ax.set_ylim(low / 1.3, high * 1.3)
    look = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.0, "columnspacing": 1.0}
    ax.legend(frameon=False, fontsize=7, handlelength=1.2, ncols=4, **look)
    ax.margins(x=0.02)
    return tuple(lines)


@styled
def beside_theory(
    parameter: ArrayLike,
    theory: ArrayLike,
    networks: Sequence[ArrayLike],
    names: Sequence[str],
    *,
    figure: Figure | None = None,
    parameter_label: str = r"$\beta$",
    **options: Any,
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw the bifurcation diagrams of the infinite network and of finite ones, one above the other.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        In any order.
    theory : array_like, shape (n_points, n_rows)
    networks : sequence of array_like, shape (n_points, n_rows)
    names : sequence of str
        A title for each of the networks.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label : str
    **options
        Of `bifurcation`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes

    Examples
    --------
    >>> figure, axes = beside_theory([0.0, 1.0], [[0.1], [0.2]], [[[0.12], [0.19]]], ["$N = 99$"])
    >>> axes[1].get_title(loc="right")
    '$N = 99$'
    """
    if not isinstance(networks, list | tuple) and not (isinstance(networks, np.ndarray) and networks.ndim):
        raise ValueError(f"networks must be a list of arrays, got {shown(networks)}")
    if len(networks) != len(names) or not len(names):
        raise ValueError(f"names must be as many as networks, at least one, got {len(names)} and {len(networks)}")
    parameter = parameters("parameter", parameter)
    shape = (len(parameter), "n_rows")
    rows = [("infinite network", checked("theory", theory, shape, may_hold=("nan",)))]
    for name, one in zip(names, networks, strict=True):
        rows.append((name, checked("networks", one, shape, may_hold=("nan",))))
    together = [end.reduce(values, axis=None) for _, values in rows for end in (np.fmin, np.fmax)]
    low, high = float(np.fmin.reduce(together)), float(np.fmax.reduce(together))
    if np.isnan(low):
        raise ValueError("theory or networks must hold a number, got NaN only")
    figure = drawing_figure(figure, (WIDTHS["page"], 0.4 + 1.7 * len(rows)))
    axes = figure.subplots(len(rows), sharex=True, sharey=True, squeeze=False)[:, 0]
    options = {"value_range": (low, high) if low < high else None, "bins": 250, **options}
    for ax, (name, values) in zip(axes, rows, strict=True):
        bifurcation(parameter, values, ax=ax, parameter_label=parameter_label, **options)
        ax.set_title(name, fontsize=8, loc="right", pad=2)
    for ax in axes[:-1]:
        ax.set_xlabel("")
    return figure, tuple(axes)
