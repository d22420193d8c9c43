"""Read-only copies of arrays and dicts of arrays, for values that never change; functions of the caller on copies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from .checks import array_of

Key = TypeVar("Key", bound=str)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only copy of an array; the array itself if it is read-only and owns its data.

    Examples
    --------
    >>> given = np.zeros(2)
    >>> kept = read_only(given)
    >>> given[0] = 1.0
    >>> kept.tolist(), kept.flags.writeable, read_only(kept) is kept
    ([0.0, 0.0], False, True)
    """
    array = np.asarray(array)
    if array.flags.writeable or not array.flags.owndata:
        array = np.array(array)
        array.flags.writeable = False
    return array


def read_only_arrays(arrays: Mapping[Key, np.ndarray]) -> Mapping[Key, np.ndarray]:
    """Return a read-only dict of read-only copies of arrays.

    Examples
    --------
    >>> read_only_arrays({"a": np.zeros(2)})["a"].flags.writeable
    False
    """
    return MappingProxyType({name: read_only(array) for name, array in arrays.items()})


def seal(value: Any) -> None:
    """Make the arrays and dicts of a frozen dataclass read-only, when it is made.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Result:
    ...     series: np.ndarray
    ...     def __post_init__(self):
    ...         seal(self)
    >>> Result(np.zeros(2)).series.flags.writeable
    False
    """
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if isinstance(part, np.ndarray):
            object.__setattr__(value, field.name, read_only(part))
        elif isinstance(part, dict):
            object.__setattr__(value, field.name, MappingProxyType(dict(part)))


@dataclasses.dataclass(frozen=True, slots=True)
class OnCopies:
    """A function of arrays that may work in place: it is given copies, and what it returns is checked and copied.

    Attributes
    ----------
    function : callable
    name : str
        Of the function, for messages.
    axes : tuple of (int or None)
        The shape of what it returns, doubles: which axis of its first argument has the same length; None for any.

    Examples
    --------
    >>> def halve(x):
    ...     x /= 2
    ...     return x
    >>> given = np.ones(1)
    >>> float(OnCopies(halve, "halve", (0,))(given)[0]), float(given[0])
    (0.5, 1.0)
    """

    function: Callable[..., np.ndarray]
    name: str
    axes: tuple[int | None, ...]

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        shape = [None if axis is None else arrays[0].shape[axis] for axis in self.axes]
        return array_of(f"what {self.name} returns", self.function(*(array.copy() for array in arrays)), shape)
