"""Attractors followed along a parameter from several anchors, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import checked, parameters, real, truths
from ._style import COLORS, Look, Width, drawing_axes, drawing_figure, inches, legend_above, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COMMON = "0.35"  # where branches agree
_SHADE = "#F0E442"


@styled
def branches(
    parameter: ArrayLike,
    values: ArrayLike,
    exponents: ArrayLike | None = None,
    *,
    names: Sequence[str] = ("up", "down"),
    differ: ArrayLike | None = None,
    intervals: Sequence[tuple[float, float]] = (),
    width: Width = "page",
    figure: Figure | None = None,
    parameter_label: str = r"$\beta$",
    value_label: str = r"$A_1$",
) -> tuple[Figure, tuple[Axes, ...]]:
    r"""Draw the orbits of branches that were followed, and their leading exponents under them.

    Where all branches agree they are drawn in one grey, elsewhere each in a colour of its own; the
    intervals where attractors coexist are shaded.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        Distinct, in any order.
    values : array_like, shape (n_branches, n_points, n_rows)
        One component of the orbit; NaN where a row is absent.
    exponents : array_like, shape (n_branches, n_points), or None, default=None
        The leading one, in nats per token step; -inf and NaN are not drawn.
    names : sequence of str, length n_branches, default=("up", "down")
    differ : array_like of bool, shape (n_points,), or None, default=None
        Where branches are on different attractors, as `dmft.hysteresis` says. None: everywhere.
    intervals : sequence of (float, float), default=()
        What to shade.
    width : {"column", "page"}, default="page"
        3.4 or 7 inches, the widths of print.
    figure : matplotlib Figure or None, default=None
        Used as it is; None makes one that pyplot does not know of.
    parameter_label, value_label : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : tuple of matplotlib Axes, length 1 or 2

    Examples
    --------
    >>> figure, axes = branches([0.0, 1.0], [[[0.1, 0.2], [0.3, 0.4]], [[0.1, 0.2], [0.7, 0.8]]], differ=[False, True])
    >>> [line.get_label() for line in axes[0].lines]
    ['both', 'up', 'down']
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    parameter = parameters("parameter", parameter)
    if not 1 <= len(names) <= len(COLORS):
        raise ValueError(f"names must be 1 to {len(COLORS)}, got {len(names)}")
    shape = (len(names), len(parameter), "n_rows")
    values = checked("values", values, shape, may_hold=("nan",))
    if exponents is not None:
        exponents = checked("exponents", exponents, shape[:2], may_hold=("nan", "-inf"))
    differ = np.ones(len(parameter), bool) if differ is None else truths("differ", differ, parameter.shape)
    shades = real("intervals", intervals)
    shades = checked("intervals", shades, ("n_intervals", 2)) if shades.size else shades
    order = np.argsort(parameter)
    parameter, values, differ = parameter[order], values[:, order], differ[order]
    ratios = [5, 3][: 1 if exponents is None else 2]
    across = inches(width)
    size = (across, across**0.7 * (0.98 if exponents is None else 1.4))
    figure = drawing_figure(figure, size, h_pad=0.02, hspace=0)
    axes = figure.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    agree = "both" if len(names) == 2 else "all"
    parts = [(agree, _COMMON, 0, ~differ)] if not differ.all() else []
    parts += [(name, COLORS[i], i, differ) for i, name in enumerate(names)] if differ.any() else []

    ax = drawing_axes(axes[0])
    look: Look = {"linestyle": "none", "marker": "o", "markersize": 0.6, "markeredgewidth": 0, "rasterized": True}
    for name, color, branch, where in parts:
        x = np.repeat(parameter[where], values.shape[2])
        ax.plot(x, values[branch, where].ravel(), color=color, label=name, **look)
    ax.set(ylabel=value_label)
    ax.margins(y=0.02)
    if exponents is not None:
        exponents = np.where(np.isfinite(exponents), exponents, np.nan).astype(float)[:, order]
        ax = drawing_axes(axes[1])
        ax.axhline(0, color="0.3", linewidth=0.8, zorder=1.9)
        for name, color, branch, where in parts:
            y = np.where(where, exponents[branch], np.nan)
            # Single points among others are no line.
            alone = np.flatnonzero(np.isfinite(y) & ~np.convolve(np.isfinite(y), [1, 0, 1], "same").astype(bool))
            ax.plot(parameter, y, color=color, label=name, marker=".", markersize=3, markevery=alone.tolist())
        ax.set(ylabel=r"$\lambda_1$ (nats/step)")
        finite = exponents[np.isfinite(exponents)]
        if finite.size:
            low, high = np.percentile(finite, 2), max(finite.max(), 0.0)
            pad = 0.06 * (high - min(low, 0.0)) or 0.1
            ax.set_ylim(min(low, 0.0) - pad, high + pad)
    step = np.diff(parameter).min() / 2 if len(parameter) > 1 else 0.5
    for ax in axes:
        for low, high in shades:
            ax.axvspan(low - step, high + step, color=_SHADE, alpha=0.35, linewidth=0, zorder=0.5)
        ax.margins(x=0)
    axes[-1].set_xlabel(parameter_label)
    look = {"linestyle": "none", "marker": "o", "markersize": 4}
    handles: list[Artist] = [Line2D([], [], color=color, label=name, **look) for name, color, _, _ in parts]
    if len(shades):
        handles.append(Patch(color=_SHADE, alpha=0.35, linewidth=0, label="coexistence"))
    legend_above(axes[0], handles, ncols=len(handles), handlelength=1.0, fontsize=8)
    figure.align_ylabels(axes)
    return figure, tuple(axes)
