"""Where an orbit of a `Map` is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._util.checks import finite, shown, whole
from .._util.readonly import read_only
from .._util.values import Value
from .model import Map


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class State(Value):
    """Where an orbit of a map is, and in which step of the forcing: starting from it continues a run exactly.

    Parameters
    ----------
    window : array_like, shape (lags, size)
        The last states, newest first.
    phase : int, default=0
        Of the next step.

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> State([[0.5]]).phase
    0
    """

    window: np.ndarray
    phase: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", read_only(finite("window", self.window, (None, None))))
        object.__setattr__(self, "phase", whole("phase", self.phase))


def state_of(model: Map, start: Any, name: str = "start") -> State:
    """Return the argument `start`: a State, the numbers of one, or None for that of the map."""
    if start is None:
        return State(model.window)
    if not isinstance(start, State):
        return State(model.windows_of(name, [start])[0])
    if start.window.shape != model.window.shape or start.phase >= model.period:
        raise ValueError(
            f"{name} must have a window of shape {model.window.shape} and a phase < {model.period}, "
            f"got shape {start.window.shape} and {start.phase}"
        )
    return start


def states_of(model: Map, starts: Any) -> list[State]:
    """Return the argument `starts`: several states, or an array of them."""
    several = isinstance(starts, Sequence) and not isinstance(starts, str)
    if not (several or (isinstance(starts, np.ndarray) and starts.ndim)) or not len(starts):
        raise ValueError(f"starts must be states of the map, one or more, got {shown(starts)}")
    return [state_of(model, start, "starts") for start in starts]
