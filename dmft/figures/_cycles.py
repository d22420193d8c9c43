"""Branches of cycles against a parameter, with their bifurcations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown
from ._arrays import checked, columns, parameters, truths
from ._style import COLORS, Look, drawing_axes, legend_above, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.typing import ColorType

MARKS = {"fold": "D", "flip": "o", "neimark-sacker": "s", "branch point": "^"}
SEVERAL = "*"  # the mark of kinds that come together, as "branch point and flip"
NAMES = {"neimark-sacker": "Neimark-Sacker"}


@styled
def cycle_branch(
    parameter: ArrayLike,
    values: ArrayLike,
    stable: ArrayLike,
    *,
    special: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    ax: Axes | None = None,
    color: ColorType = COLORS[0],
    parameter_label: str = r"$\beta$",
    value_label: str = r"$A_1$",
) -> dict[str, tuple[Line2D, ...]]:
    r"""Draw a branch of cycles: solid where it is stable, dashed where not, bifurcations marked.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        Along the branch; it may turn back at folds.
    values : array_like, shape (n_points,) or (n_points, n_lines)
        One component of some tokens of the cycle, or another quantity of it.
    stable : array_like of bool, shape (n_points,)
        A line between two stable points is solid. `dmft.Branch.curve` gives all three with the
        bifurcations among the points, so that lines change where they should.
    special : dict of str to (array_like, array_like), optional
        Parameter (n_marks,) and values (n_marks,) or (n_marks, n_lines) of the kinds "fold",
        "flip", "neimark-sacker", "branch point", or of several joined by " and ".
    ax : matplotlib Axes or None, default=None
    color : matplotlib color
    parameter_label, value_label : str

    Returns
    -------
    dict of str to tuple of matplotlib.lines.Line2D
        Lines under "stable" and "unstable", marks under their kind; those that occur.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> drawn = cycle_branch([0.0, 1.0, 2.0], [0.0, 1.0, 1.5], [True, True, False], special={"flip": ([1.0], [1.0])},
    ...                ax=Figure().add_subplot())
    >>> sorted(drawn)
    ['flip', 'stable', 'unstable']
    """
    parameter = parameters("parameter", parameter)
    values = checked("values", columns("values", values), (len(parameter), "n_lines")).astype(float)
    stable = truths("stable", stable, parameter.shape)
    marked = {kind: _marks(kind, points) for kind, points in (special or {}).items()}
    ax = drawing_axes(ax)
    drawn: dict[str, tuple[Line2D, ...]] = {}
    solid = stable[:-1] & stable[1:]
    cuts = np.flatnonzero(np.diff(solid)) + 1
    looks: dict[str, Look] = {"stable": {"linewidth": 1.2}, "unstable": {"linewidth": 0.8, "dashes": (3, 1.5)}}
    for name, look in looks.items():
        x, y = [], []
        for first, last in zip([0, *cuts], [*cuts, len(solid)], strict=True):
            if len(solid) and solid[first] == (name == "stable"):
                x += [parameter[first : last + 1], np.array([np.nan])]
                y += [values[first : last + 1], np.full((1, values.shape[1]), np.nan)]
        if x:
            drawn[name] = tuple(ax.plot(np.concatenate(x), np.concatenate(y), color=color, label=name, **look))
    for kind, (marks, heights) in marked.items():
        look = {
            "linestyle": "none",
            "marker": MARKS.get(kind, SEVERAL),
            "markersize": 4.5,
            "markeredgewidth": 0.9,
            "zorder": 3,
        }
        look |= {"markerfacecolor": "white", "markeredgecolor": "black", "label": NAMES.get(kind, kind)}
        drawn[kind] = tuple(ax.plot(marks, heights, **look))
    ax.set(xlabel=parameter_label, ylabel=value_label)
    ax.margins(x=0.02)  # a mark at the edge is to be seen whole
    _legend(ax)
    return drawn


def _marks(kind: str, points: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the parameters, shape (n_marks,), and the values, shape (n_marks, n_lines), of special points."""
    if not isinstance(kind, str) or not set(kind.split(" and ")) <= set(MARKS):
        raise ValueError(f"special must have keys of {tuple(MARKS)}, got {shown(kind)}")
    name = f"special[{kind!r}]"
    if not isinstance(points, list | tuple) or len(points) != 2:
        raise ValueError(f"{name} must be a pair of parameters and values, got {shown(points)}")
    at = checked(name, points[0], ("n_marks",)).astype(float)
    return at, checked(name, columns(name, points[1]), (len(at), "n_lines")).astype(float)


def _legend(ax: Axes) -> None:
    """Name each kind of line and mark of the axes once, above them."""
    handles: dict[str, Line2D] = {}
    for line in ax.lines:
        name = str(line.get_label())
        if not name.startswith("_"):
            handles.setdefault(name, line)
    legend_above(ax, list(handles.values()), ncols=len(handles), handlelength=1.6)
