"""Curves of bifurcations over two parameters, alone or laid over a phase diagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import one_of, shown
from ._arrays import checked, truths
from ._style import COLORS, drawing_axes, legend_above, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.typing import ColorType

KINDS = {"fold": COLORS[1], "flip": COLORS[2], "neimark-sacker": COLORS[6], "pitchfork": COLORS[5]}
NAMES = {"neimark-sacker": "Neimark-Sacker"}
# What the field writes beside points of codimension 2.
SHORT = {
    "cusp": "CP",
    "generalised flip": "GPD",
    "chenciner": "CH",
    "generalised pitchfork": "GPF",
    "1:1 resonance": "1:1",
    "1:2 resonance": "1:2",
    "1:3 resonance": "1:3",
    "1:4 resonance": "1:4",
    "fold-flip": "FF",
    "fold-neimark-sacker": "FNS",
    "flip-neimark-sacker": "PDNS",
    "double neimark-sacker": "NSNS",
    "pitchfork-flip": "PFPD",
    "pitchfork-neimark-sacker": "PFNS",
}


@styled
def bifurcation_curve(
    values: ArrayLike,
    stable: ArrayLike,
    special: Mapping[str, ArrayLike] | None = None,
    *,
    kind: str = "fold",
    ax: Axes | None = None,
    color: ColorType | None = None,
    x_label: str = r"$\beta$",
    y_label: str = r"$\gamma$",
) -> dict[str, Line2D]:
    r"""Draw a curve of bifurcations: solid where what attracts changes, dashed elsewhere, codimension 2 marked.

    Axes that hold something already, as a phase diagram, keep their limits and labels.

    Parameters
    ----------
    values : array_like, shape (n_points, 2)
        Both parameters along the curve.
    stable : array_like of bool, shape (n_points,)
        A line between two stable points is solid. `dmft.Curve.line` gives all three.
    special : dict of str to array_like, shape (n, 2), optional
        Parameters of points of codimension 2 by their kind.
    kind : {"fold", "flip", "neimark-sacker", "pitchfork"}, default="fold"
        Says the colour and the name in the legend.
    ax : matplotlib Axes or None, default=None
    color : matplotlib color or None, default=None
        None: that of the kind.
    x_label, y_label : str

    Returns
    -------
    dict of str to matplotlib.lines.Line2D
        Lines under "stable" and "unstable", marks under their kind; those that occur.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> drawn = bifurcation_curve([[0, 0], [1, 1], [2, 1]], [True, True, False], {"cusp": [[1, 1]]},
    ...                           ax=Figure().add_subplot())
    >>> sorted(drawn)
    ['cusp', 'stable', 'unstable']
    """
    values = checked("values", values, ("n_points", 2)).astype(float)
    stable = truths("stable", stable, (len(values),))
    one_of("kind", kind, tuple(KINDS))
    marked = {name: _marks(name, points) for name, points in (special or {}).items()}
    ax = drawing_axes(ax)
    kept = (ax.get_xlim(), ax.get_ylim()) if ax.has_data() else None
    color, name = KINDS[kind] if color is None else color, NAMES.get(kind, kind)
    drawn: dict[str, Line2D] = {}
    solid = stable[:-1] & stable[1:]
    for state, where in (("stable", solid), ("unstable", ~solid)):
        if where.any():
            line = _parts(values, where)
            look: dict[str, Any] = {"linewidth": 1.2} if state == "stable" else {"linewidth": 0.9, "dashes": (3, 1.5)}
            label = name if state == "stable" or not solid.any() else "_"
            drawn[state] = ax.plot(*line.T, color=color, label=label, zorder=2.5, **look)[0]
    for which, points in marked.items():
        look = {"linestyle": "none", "marker": "o", "markersize": 3.5, "markeredgewidth": 0.9, "zorder": 3}
        look |= {"markerfacecolor": "white", "markeredgecolor": color, "label": "_"}
        drawn[which] = ax.plot(*points.T, **look)[0]
        for point in points:
            place: Any = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 7, "zorder": 3}
            ax.annotate(SHORT[which], tuple(point), annotation_clip=True, **place)
    if kept:
        ax.set(xlim=kept[0], ylim=kept[1])
    else:
        ax.set(xlabel=x_label, ylabel=y_label)
    handles: dict[str, Line2D] = {}
    for one in ax.lines:
        label = str(one.get_label())
        if label in (NAMES.get(each, each) for each in KINDS):
            handles.setdefault(label, one)
    legend_above(ax, list(handles.values()), ncols=len(handles), handlelength=1.6)
    return drawn


def _parts(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the stretches of a line (n_points, 2) where its pieces are of one kind, with gaps between them."""
    out, cuts = [], np.flatnonzero(np.diff(where)) + 1
    for first, last in zip([0, *cuts], [*cuts, len(where)], strict=True):
        if where[first]:
            out += [values[first : last + 1], np.full((1, 2), np.nan)]
    return np.concatenate(out)


def _marks(kind: str, points: ArrayLike) -> np.ndarray:
    """Return the parameters (n, 2) of points of codimension 2."""
    if not isinstance(kind, str) or kind not in SHORT:
        raise ValueError(f"special must have keys of {tuple(SHORT)}, got {shown(kind)}")
    return checked(f"special[{kind!r}]", points, ("n", 2)).astype(float)
