"""Sections of a run file: their base classes, and axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np

from .._util.inputs import npz_arrays
from .._util.memory import need_memory
from .errors import ConfigError
from .job import Job


class Section(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A table of a run file; its fields are the keys."""

    def arguments(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return msgspec.structs.asdict(self)


class Described(NamedTuple):
    """What a run file describes: a job, the values of its axes, and which axes go side by side."""

    job: Job
    axes: Mapping[str, Any]
    together: bool | list[str]


class RunFile(Section):
    """A whole run file; a subclass names its sections."""

    @classmethod
    def spell_out(cls, tree: dict[str, Any]) -> None:
        """Write what a file may have in short as it is read, in place. Default: nothing."""

    def job(self) -> Described:
        """Return the job and the axes that the file describes.

        Raises
        ------
        ValueError
            If a value is outside its domain.
        """
        raise NotImplementedError


_MOST = np.finfo(float).max / 4  # of the ends of a range: their difference is a number


class Range(Section):
    """Values between two ends, both included."""

    start: float
    stop: float
    num: int
    scale: Literal["linear", "log"] = "linear"

    def values(self, name: str) -> np.ndarray:
        """Return the values as an array."""
        if self.num < 1:
            raise ConfigError(f"sweep.{name}.num must be >= 1, got {self.num}")
        need_memory(f"sweep.{name}.num = {self.num} values", 32.0 * self.num)
        for end in ("start", "stop"):
            if not abs(getattr(self, end)) <= _MOST:
                raise ConfigError(f"sweep.{name}.{end} must be in [-{_MOST:g}, {_MOST:g}], got {getattr(self, end)}")
        if self.scale == "log":
            if min(self.start, self.stop) <= 0:
                raise ConfigError(f"sweep.{name} must have start and stop > 0 on a log scale, got {self.start}")
            return np.geomspace(self.start, self.stop, self.num)
        return np.linspace(self.start, self.stop, self.num)


Axis: TypeAlias = Range | list[float] | None
"""Values along an axis; None: it is not swept."""


def axis_values(name: str, axis: Range | list[float]) -> np.ndarray:
    """Return the values of an axis as an array."""
    return axis.values(name) if isinstance(axis, Range) else np.array(axis, dtype=float)


class Axes(Section):
    """Axes, and which of them go side by side."""

    together: bool | list[str] = False

    def axes(self) -> dict[str, np.ndarray]:
        """Return the values of each axis that is swept, in the order of their definition."""
        given = {name: axis for name, axis in self.arguments().items() if name != "together" and axis is not None}
        return {name: axis_values(name, axis) for name, axis in given.items()}


def choice(names: Iterable[str]) -> Any:
    """Return the type of a key that has one of these values."""
    literal: Any = Literal
    return literal[tuple(names)]


def arrays_of(name: str, path: str, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Return arrays of a .npz file."""
    try:
        return npz_arrays(path, keys, _NPZ)
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(f"{name} must be a .npz file with arrays {', '.join(keys)}, got {path!r}: {error}") from error


_NPZ = 2**31  # bytes of the arrays of a run file's .npz
