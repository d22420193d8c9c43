"""Branches of cycles against a parameter, with their bifurcations."""

import numpy as np

from ._base import COLORS, checked, drawing_axes, styled

MARKS = {"fold": "D", "flip": "o", "neimark-sacker": "s", "branch point": "^"}
NAMES = {"neimark-sacker": "Neimark-Sacker"}


@styled
def cycle_branch(
    parameter,
    values,
    stable,
    *,
    special=None,
    ax=None,
    color=COLORS[0],
    parameter_label=r"$\beta$",
    value_label=r"$A_1$",
):
    r"""Draw a branch of cycles: solid where it is stable, dashed where not, bifurcations marked.

    Parameters
    ----------
    parameter : array_like, shape (n_points,)
        Along the branch; it may turn back at folds.
    values : array_like, shape (n_points,) or (n_points, n_lines)
        One component of some tokens of the cycle, or what else is to be shown of it.
    stable : array_like of bool, shape (n_points,)
        A line between two stable points is solid. `dmft.Branch.curve` gives all three with the
        bifurcations among the points, so that lines change where they should.
    special : dict of str to (array_like, array_like), optional
        Parameter (n_marks,) and values (n_marks,) or (n_marks, n_lines) of the kinds "fold",
        "flip", "neimark-sacker", "branch point".
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
    parameter = checked("parameter", parameter, ("n_points",)).astype(float)
    values = np.asarray(values)
    values = checked("values", values[:, None] if values.ndim == 1 else values, (len(parameter), "n_lines")).astype(
        float
    )
    stable = np.asarray(stable)
    if stable.shape != parameter.shape or stable.dtype != bool:
        raise ValueError(f"stable must be bool of shape ({len(parameter)},), got {stable.dtype} of {stable.shape}")
    special = special or {}
    if not set(special) <= set(MARKS):
        raise ValueError(f"special must have keys of {tuple(MARKS)}, got {sorted(set(special) - set(MARKS))}")
    ax = drawing_axes(ax)
    drawn = {}
    solid = stable[:-1] & stable[1:]
    cuts = np.flatnonzero(np.diff(solid)) + 1
    for name, look in (("stable", {"linewidth": 1.2}), ("unstable", {"linewidth": 0.8, "dashes": (3, 1.5)})):
        x, y = [], []
        for first, last in zip([0, *cuts], [*cuts, len(solid)], strict=True):
            if len(solid) and solid[first] == (name == "stable"):
                x += [parameter[first : last + 1], [np.nan]]
                y += [values[first : last + 1], np.full((1, values.shape[1]), np.nan)]
        if x:
            drawn[name] = tuple(ax.plot(np.concatenate(x), np.concatenate(y), color=color, label=name, **look))
    for kind, (x, y) in special.items():
        x = checked(f"special[{kind!r}]", x, ("n_marks",))
        y = np.asarray(y, dtype=float).reshape(len(x), -1)
        look = {"linestyle": "none", "marker": MARKS[kind], "markersize": 4.5, "markeredgewidth": 0.9, "zorder": 3}
        look |= {"markerfacecolor": "white", "markeredgecolor": "black", "label": NAMES.get(kind, kind)}
        drawn[kind] = tuple(ax.plot(x, y, **look))
    ax.set(xlabel=parameter_label, ylabel=value_label)
    ax.margins(x=0.02)  # a mark at the edge is to be seen whole
    _legend(ax)
    return drawn


def _legend(ax):
    """Name each kind of line and mark of the axes once, above them."""
    handles = {}
    for line in ax.lines:
        if not line.get_label().startswith("_"):
            handles.setdefault(line.get_label(), line)
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.0, "frameon": False}
    ax.legend(handles=list(handles.values()), ncols=len(handles), handlelength=1.6, columnspacing=1.0, **place)
