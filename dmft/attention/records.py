"""What can be recorded of an orbit (one table), and the arrays that a batch fills as it advances."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable

import numpy as np

from .._util.checks import shown, words
from .._util.memory import need_memory, unfilled
from .model import SelfAttention


@dataclasses.dataclass(frozen=True, slots=True)
class RecordKind:
    """One observable of a step that can be recorded.

    Attributes
    ----------
    name : str
        In arguments, run files and results.
    meaning : str
        Says what it is in tables and files.
    symbol : str
        LaTeX, without dollars.
    unit : str
    dims : tuple of str
        Axes of the array of one point.
    """

    name: str
    meaning: str
    symbol: str
    unit: str = "1"
    dims: tuple[str, ...] = ("row", "feature")

    def shape(self, model: SelfAttention) -> tuple[int, ...]:
        """Return the shape of one row."""
        lengths = {"feature": model.n_features, "head": model.n_heads, "context": model.n_context}
        return tuple(lengths[dim] for dim in self.dims[1:])


_KINDS = (  # in the order of the kernels' records: csrc/records.h
    RecordKind("attention", "attention A", "A"),
    RecordKind("output", "overlap m^o", "m^o"),
    RecordKind("semantic", "semantic part of the overlap m^o", "m^o"),
    RecordKind("value", "overlap m^v", "m^v"),
    RecordKind("query", "overlap m^q", "m^q"),
    RecordKind("key", "overlap m^k", "m^k"),
    RecordKind(
        "weights", "softmax weight of each token of the window, newest first", "w", dims=("row", "head", "context")
    ),
)
RECORDS = {kind.name: kind for kind in _KINDS}
"""The observables by name; store variables, choices of run files and pictures read this table."""
FEATURE_RECORDS = tuple(kind.name for kind in _KINDS if kind.dims == ("row", "feature"))
"""Those with a number for every feature: what a trajectory keeps unless told otherwise, and what diagrams draw."""


def check_record(record: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of the observables to record in the order of the table, checked.

    Raises
    ------
    ValueError
        If a name is not in RECORDS.

    Examples
    --------
    >>> check_record(["key", "attention"])
    ('attention', 'key')
    """
    names = words("record", record)
    for name in names:
        if name not in RECORDS:
            raise ValueError(f"record must name some of {tuple(RECORDS)}, got {shown(name)}")
    return tuple(name for name in RECORDS if name in names)


def row_size(model: SelfAttention, names: Collection[str]) -> int:
    """Return how many numbers a row of these observables has."""
    return sum(math.prod(kind.shape(model)) for kind in _KINDS if kind.name in names)


@dataclasses.dataclass(frozen=True, slots=True)
class Every:
    """Record the steps `first`, `first + steps`, `first + 2 * steps` and so on.

    Attributes
    ----------
    steps : int, default=1
        At least 1.
    first : int, default=0
        Counted from the first step that is taken with the record. At `steps` or beyond it is the batch that waits, in
        whole numbers of steps between two orthogonalisations: what it comes short of that fills rows.
    """

    steps: int = 1
    first: int = 0

    def clock(self, n_steps: int) -> int:
        """Return how many steps ago, or would have been, the last one to record before step `n_steps`, inclusive."""
        return (n_steps - self.first) % self.steps


@dataclasses.dataclass(frozen=True, slots=True)
class SignChanges:
    """Record the steps in which an attention component changes its sign.

    Attributes
    ----------
    component : int
        Index of the feature.
    """

    component: int


EVERY_STEP = Every()


class Record:
    """Rows of the orbits of a batch, filled as it advances.

    Parameters
    ----------
    n_points : int
        Of the batch; see `Batch.new_record`.
    model : SelfAttention
        Gives the lengths of rows.
    names : collection of str
        Some of RECORDS.
    n_rows : int
        Room for so many rows of each point; further ones are dropped.
    rule : Every or SignChanges
        Which steps fill a row.
    """

    def __init__(
        self, n_points: int, model: SelfAttention, names: Collection[str], n_rows: int, rule: Every | SignChanges
    ) -> None:
        need_memory(
            f"a record of {n_rows} steps of {n_points} orbits",
            8.0 * n_points * n_rows * row_size(model, names),
            "take fewer steps, or record fewer of them",
        )
        self._shapes = {kind.name: (n_points, n_rows, *kind.shape(model)) for kind in _KINDS if kind.name in names}
        filled = {name: unfilled((*shape[:2], math.prod(shape[2:]))) for name, shape in self._shapes.items()}
        self._slots = [filled.get(name) for name in RECORDS]
        self._n_recorded = np.zeros(n_points, dtype=np.int64)
        self._rule = rule
        self._n_steps = 0

    @property
    def n_recorded(self) -> np.ndarray:
        """How many rows of each point are filled, (n_points,) of int."""
        return self._n_recorded

    def idle(self, n_steps: int) -> int:
        """Return how many of the next steps come before the first row."""
        return 0 if isinstance(self._rule, SignChanges) else min(max(0, self._rule.first - self._n_steps), n_steps)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the records by name, (n_points, n_rows) and the shape of a row; NaN where no row was filled."""
        slots = zip(RECORDS, self._slots, strict=True)
        return {name: x.reshape(self._shapes[name]) for name, x in slots if x is not None}

    def kernel_arguments(self) -> dict[str, object]:
        """Return what the kernel asks of a record, by its keywords."""
        rows = {"records": self._slots, "n_recorded": self._n_recorded}
        if isinstance(self._rule, SignChanges):
            return {**rows, "section": self._rule.component, "every": 1, "clock": 0}
        return {**rows, "section": -1, "every": self._rule.steps, "clock": self._rule.clock(self._n_steps)}

    def count_steps(self, n_steps: int) -> None:
        """Count steps that the batch has taken with this record."""
        self._n_steps += n_steps
