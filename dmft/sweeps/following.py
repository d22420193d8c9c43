"""What following has in common, whatever is followed: the axis, where branches begin, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from .._util.checks import number, shown, whole

T = TypeVar("T")


def axis_to_follow(along: Any, axes: Mapping[str, np.ndarray]) -> str:
    """Return the axis to follow, the first one unless said; raise if it is none or has a value twice."""
    along = next(iter(axes)) if along is None else along
    if not isinstance(along, str) or along not in axes:
        raise ValueError(f"along must be one of the axes {tuple(axes)}, got {shown(along)}")
    if len(np.unique(axes[along])) < len(axes[along]):
        raise ValueError(f"{along} must have distinct values to be followed")
    return along


def first_transient(n_first_transient: Any, n_transient: int) -> int:
    """Return the transient of the points that begin from an anchor, that of all unless said."""
    first = n_transient if n_first_transient is None else whole("n_first_transient", n_first_transient)
    if first < n_transient:
        raise ValueError(f"n_first_transient must be >= n_transient = {n_transient}, got {first}")
    return first


def anchors_of(
    along: str, values: np.ndarray, anchors: Any, begin: Callable[[Any], T], what: str
) -> tuple[tuple[int, T | None], ...]:
    """Return where branches begin: places along the axis, and starts of their own.

    Parameters
    ----------
    along : str
    values : ndarray
        Of this axis.
    anchors : sequence or None
        Values, or pairs of a value and a start. None: both ends of the axis.
    begin : callable
        Returns a start that was given, checked.
    what : str
        What that is, for messages.

    Raises
    ------
    ValueError
        If an anchor is neither, or outside of the axis, or there is none.

    Examples
    --------
    >>> anchors_of("beta", np.array([1.0, 1.5, 2.0]), [2.0, (1.4, "here")], str, "a str")
    ((2, None), (1, 'here'))
    """
    if not isinstance(anchors, list | tuple | range | type(None)) and not (
        isinstance(anchors, np.ndarray) and anchors.ndim
    ):
        raise ValueError(f"anchors must be a list, got {shown(anchors)}")
    given: Any = [values.min(), values.max()][: min(len(values), 2)] if anchors is None else anchors
    found: list[tuple[int, T | None]] = []
    for anchor in given:
        is_pair = isinstance(anchor, tuple | list)
        if is_pair and len(anchor) != 2:
            raise ValueError(f"anchors must be values, or pairs of a value and {what}, got {shown(anchor)}")
        at, start = anchor if is_pair else (anchor, None)
        at = number(f"anchors of {along}", at, values.min(), values.max())
        found.append((int(np.argmin(np.abs(values - at))), None if start is None else begin(start)))
    if not found:
        raise ValueError("anchors must hold at least one, got none")
    return tuple(found)


def branch_names(values: np.ndarray, places: Sequence[int]) -> tuple[str, ...]:
    """Return what branches are called that begin at places along an axis: "up" from its lower end, "down", "from 1.2".

    Examples
    --------
    >>> branch_names(np.array([1.0, 1.5, 2.0]), [0, 2, 1, 0])
    ('up', 'down', 'from 1.5', 'up (4)')
    """
    names: list[str] = []
    for place in places:
        ends = {int(np.argmin(values)): "up", int(np.argmax(values)): "down"}
        name = ends.get(place, f"from {values[place]:g}")
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return tuple(names)
