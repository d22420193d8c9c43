"""Pictures of Markov blankets: dots coloured by a third number, estimates with errors, networks with a separator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import integers, shown, table
from .._util.memory import need_memory
from ._arrays import checked, not_negative
from ._style import COLORS, Look, drawing_axes, legend_above, meaning, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.container import ErrorbarContainer

PARTS = {"internal": COLORS[1], "blanket": "0.45", "external": COLORS[0]}


@styled
def coloured_dots(
    x: ArrayLike,
    y: ArrayLike,
    shade: ArrayLike,
    *,
    ax: Axes | None = None,
    x_label: str = "",
    y_label: str = "",
    shade_label: str = "",
) -> PathCollection:
    """Draw points coloured by a third number, with its bar.

    Parameters
    ----------
    x, y, shade : array_like, shape (n_points,)
        Points of which a number is NaN are left out.
    ax : matplotlib Axes or None, default=None
    x_label, y_label, shade_label : str

    Returns
    -------
    matplotlib.collections.PathCollection

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> dots = coloured_dots([0.0, 1.0], [0.0, np.nan], [1.0, 2.0], ax=Figure().add_subplot())
    >>> len(dots.get_offsets())
    1
    """
    given = (("x", x), ("y", y), ("shade", shade))
    across, up, colours = (checked(name, value, ("n_points",), may_hold=("nan",)) for name, value in given)
    if not across.shape == up.shape == colours.shape:
        raise ValueError(f"x, y and shade must have one shape, got {across.shape}, {up.shape} and {colours.shape}")
    there = ~(np.isnan(across) | np.isnan(up) | np.isnan(colours))
    ax = drawing_axes(ax)
    dots = ax.scatter(across[there], up[there], s=9, c=colours[there], linewidths=0, cmap="viridis", rasterized=True)
    ax.set(xlabel=x_label, ylabel=y_label)
    bar = ax.figure.colorbar(dots, ax=ax, pad=0.02, aspect=25)
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(labelsize=8, width=0.6, length=2.5)
    bar.set_label(shade_label, size=9)
    return dots


@styled
def estimates(
    parameter: ArrayLike,
    values: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    ax: Axes | None = None,
    parameter_label: str = "",
    value_label: str = "",
) -> tuple[ErrorbarContainer, ...]:
    """Draw estimates with their errors over a parameter, a line for each way to estimate.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
    values : dict of str to (array_like, array_like), each of shape (n_points,)
        Of each way its values and their standard errors.
    ax : matplotlib Axes or None, default=None
    parameter_label, value_label : str

    Returns
    -------
    tuple of matplotlib.container.ErrorbarContainer

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> bars = estimates([0.0, 1.0], {"Gaussian": ([1.0, 2.0], [0.1, 0.1])}, ax=Figure().add_subplot())
    >>> [bar.get_label() for bar in bars]
    ['Gaussian']
    """
    at = checked("parameter", parameter, ("n_points",))
    given = {}
    for name, pair in table("values", values).items():
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"values must be a dict of pairs (values, errors), got {shown(pair)} for {shown(name)}")
        given[name] = tuple(checked("values", one, at.shape) for one in pair)
        not_negative("values of errors", given[name][1])
    if not given:
        raise ValueError("values must be a dict of pairs (values, errors), got an empty one")
    ax = drawing_axes(ax)
    bars = []
    for i, (name, (heights, errors)) in enumerate(given.items()):
        look: Look = {"color": COLORS[i % 7], "marker": "os^Dv<>"[i % 7]}
        bars.append(ax.errorbar(at, heights, errors, label=name, markersize=3, capsize=2, elinewidth=0.6, **look))
        for bar in bars[-1].lines[2]:
            bar.set_label(meaning("bars: one standard error"))
    ax.set(xlabel=parameter_label, ylabel=value_label)
    if len(bars) > 1:
        legend_above(ax, bars, ncols=min(len(bars), 4))
    return tuple(bars)


@styled
def blanket_graph(
    couplings: ArrayLike, parts: Sequence[Sequence[int]], *, ax: Axes | None = None
) -> tuple[PathCollection, ...]:
    """Draw a network with its internal sites on the left, external ones on the right, those that separate them between.

    Parameters
    ----------
    couplings : array_like, shape (n_sites, n_sites)
        Lines are as wide as the stronger coupling of a pair.
    parts : sequence of three sequences of int
        Internal sites, the blanket, external ones: all sites, each once.
    ax : matplotlib Axes or None, default=None

    Returns
    -------
    tuple of matplotlib.collections.PathCollection
        The dots of the three parts.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> chain = [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    >>> len(blanket_graph(chain, ([0], [1], [2]), ax=Figure().add_subplot()))
    3
    """
    J = abs(checked("couplings", couplings, ("n_sites", "n_sites")).astype(float))
    n = len(J)
    if J.shape != (n, n):
        raise ValueError(f"couplings must have shape (n_sites, n_sites), got shape {J.shape}")
    need_memory(f"a figure of {n} sites", 4000.0 * n**2, "draw fewer sites")
    sets = _three_parts(parts, n)
    ax = drawing_axes(ax)
    place = np.zeros((n, 2))
    for sites, centre, wide in zip(sets, (-1.5, 0.0, 1.5), (0.55, 0.2, 0.55), strict=True):
        turn = np.pi / 2 + 2 * np.pi * (np.arange(len(sites)) + 0.5) / max(len(sites), 1)
        tall = min(len(sites) - 1, 1)  # one site stands in the middle
        place[sites] = np.column_stack([centre + tall * wide * np.cos(turn), tall * np.sin(turn)])
    strength = np.maximum(J, J.T)
    np.fill_diagonal(strength, 0)
    for i, j in np.argwhere(np.triu(strength) > 0).tolist():
        ax.plot(
            place[[i, j], 0],
            place[[i, j], 1],
            color="0.7",
            linewidth=0.2 + 1.5 * strength[i, j] / strength.max(),
            zorder=1,
        )
    dots = []
    for (name, colour), sites in zip(PARTS.items(), sets, strict=True):
        dots.append(
            ax.scatter(place[sites, 0], place[sites, 1], s=110, color=colour, label=name, zorder=2, linewidths=0)
        )
        for site in sites:
            at = place[site, 0], place[site, 1]
            ax.annotate(str(site), at, color="w", size=6, ha="center", va="center", zorder=3)
    legend_above(ax, dots, ncols=3, markerscale=0.5)
    ax.set_axis_off()
    ax.set_aspect("equal")
    return tuple(dots)


def _three_parts(parts: Sequence[Sequence[int]], n: int) -> list[list[int]]:
    """Return the sites of three parts that hold each of `n` sites once."""
    rule = f"be three lists of sites, with each of 0..{n - 1} once"
    if not isinstance(parts, list | tuple) or len(parts) != 3:
        raise ValueError(f"parts must {rule}, got {shown(parts)}")
    sets = [integers("each of parts", list(some), 0, n - 1).tolist() if _has(some) else [] for some in parts]
    if sorted(site for sites in sets for site in sites) != list(range(n)):
        raise ValueError(f"parts must {rule}, got {shown(parts)}")
    return sets


def _has(some: object) -> bool:
    if not isinstance(some, list | tuple | range | np.ndarray):
        raise ValueError(f"each of parts must be a list of sites, got {shown(some)}")
    return len(some) > 0
