"""Refinement: a job on a grid of two axes, from coarse to fine where a label changes, every point computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._util.checks import function, shown, whole
from .._util.values import Value
from ..dynamics.series import SIGNIFICANT
from . import registry
from .errors import UserError
from .grid import Block, Grid, Task
from .job import Arrays, Estimate, Figure, Job, Tick, Variables
from .quadtree import Quadtree
from .results import Memory, Source, SweepResult

Label: TypeAlias = str | Callable[[SweepResult], np.ndarray]
"""The name of an array, "sign", or a function of a result over a list of points."""


@dataclasses.dataclass(frozen=True, eq=False)
class Refinement(Value, Job):
    """Do another job where its label changes; what is left gets the label of its cell.

    Two arrays are added to those of the job: "label", at every point, and "computed". Where a point was not computed
    the other arrays hold NaN, -1 or "".

    Parameters
    ----------
    job : Job
        Its points must not depend on one another.
    dims : (str, str)
        The axes.
    label : str or callable, default="sign"
        "sign": of the leading exponent, zero where it is within five standard errors if these are measured. The
        name of an array of whole numbers or of words, one for each point. Or a function of a `SweepResult` over a
        list of points that returns whole numbers, each of which depends on its point alone; for other processes it
        must be picklable.
    coarse : int, default=8
        Grid steps of the first cells.

    Raises
    ------
    ValueError
        If there are not two axes, or the label is no array of the job.

    Examples
    --------
    >>> import numpy as np
    >>> from dmft.ising import AsymmetricSK, PhaseDiagram
    >>> from dmft.sweeps.engine import scan
    >>> job = Refinement(PhaseDiagram(AsymmetricSK(dJ=0.5)), ("beta", "H0"), lambda points: points["m"] > 0.1, 4)
    >>> result = scan(job, beta=np.linspace(0.5, 1.5, 9), H0=np.linspace(0, 1, 9), progress=False)
    >>> result["label"][[0, -1], 0].tolist(), bool(result["computed"].all())
    ([0, 1], False)
    """

    job: Job
    dims: tuple[str, ...]
    label: Label = "sign"
    coarse: int = 8

    growing = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", tuple(self.dims))
        object.__setattr__(self, "coarse", whole("coarse", self.coarse, 1))
        if len(self.dims) != 2:
            raise ValueError(f"a diagram to refine must have two axes, got {', '.join(self.dims)}")
        if not self.job.independent:
            raise ValueError("a job to refine must not have points that depend on one another")
        if not isinstance(self.label, str):
            function("label", self.label)
        elif self.label != "sign" and self.label not in self.job.variables:
            numbers = [name for name, (dims, _, _) in self.job.variables.items() if not dims]
            names = ", ".join(name for name in numbers if not name.endswith("_error"))  # no error is a label
            raise ValueError(f"label must be 'sign' or an array that is measured, {names}; got {shown(self.label)}")

    # -- what the other job says ------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that can be swept."""
        return self.job.names

    @property
    def point(self) -> Mapping[str, Any]:
        """The values of the parameters where they are not swept."""
        return self.job.point

    @property
    def described(self) -> Mapping[str, Any]:
        """The numbers that a picture says, if they are not swept."""
        return self.job.described

    @property
    def block(self) -> int:
        """How many points make a task."""
        return self.job.block

    @property
    def grain(self) -> int:  # type: ignore[override]  # a constant of most jobs
        """The fewest points that are worth a task."""
        return self.job.grain

    @property
    def max_threads(self) -> int | None:  # type: ignore[override]
        """How many threads a block can use."""
        return self.job.max_threads

    @property
    def integers(self) -> tuple[str, ...]:  # type: ignore[override]
        """Which parameters are whole numbers."""
        return self.job.integers

    @property
    def shared(self) -> tuple[str, ...]:  # type: ignore[override]
        """Which parameters must be equal for all points of a block."""
        return self.job.shared

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """The names along dimensions that have any."""
        return self.job.labels

    @property
    def variables(self) -> Variables:
        """Those of the other job, and the label."""
        measured = {name: about for name, about in self.job.variables.items() if name not in self.dims}
        meaning = "label that was refined, of all points"
        if self.label == "sign":
            meaning += "; sign of the leading exponent, 2 where it is not known"
        return {**measured, "computed": ((), "1", "1: computed, 0: filled in"), "label": ((), "1", meaning)}

    def check(self, name: str, value: Any) -> None:
        """Raise if a value of a parameter is outside its domain."""
        self.job.check(name, value)

    def cost(self, points: Mapping[str, np.ndarray]) -> float:
        """Return how long a point takes, in any unit."""
        return self.job.cost(points)

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time."""
        return self.job.block_bytes(size)

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate | None:
        """Return what one of these points costs, which it does where it is computed."""
        one = self.job.estimate(points)
        return one and dataclasses.replace(one, each=f"{one.each}, if all are computed")

    def specification(self) -> dict[str, Any]:
        """Return that of the other job, and how it is refined."""
        spec = self.job.specification()
        label = self.label if isinstance(self.label, str) else "a function"
        return {**spec, "job": "refinement", "refine": {"job": spec["job"], "label": label, "coarse": self.coarse}}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Refinement:
        """Return the job that a specification, with the axes, describes."""
        how = spec["refine"]
        if how["label"] == "a function":
            raise UserError("the diagram was refined by a function of Python, which its manifest does not hold")
        job = registry.from_specification({**spec, "job": how["job"]})
        return cls(job, tuple(spec["dims"]), how["label"], how["coarse"])

    # -- from coarse to fine ----------------------------------------------------------------------

    def cut(self, grid: Grid, size: int) -> list[Block]:
        """Return the blocks of the corners of the first cells."""
        return self._blocks(grid, size, self._tree(grid).missing(), 0)

    def more(self, grid: Grid, size: int, blocks: Sequence[Block], done: Source) -> list[Block]:
        """Return the blocks of the next round; at the end one of all points that are filled in."""
        computed = np.zeros(grid.n_points, dtype=bool)
        for block in blocks:
            computed[np.asarray(block.index)] = True
        if computed.all():
            return []
        index, labels = (np.concatenate(each) for each in zip(*done.parts("label"), strict=True))
        names, numbers = np.unique(labels, return_inverse=True)
        words = labels.dtype.kind in "US"
        known = np.zeros(grid.n_points, dtype=np.int64)
        known[index] = numbers if words else labels
        tree = self._tree(grid)
        while len(points := tree.missing()):
            flat = np.ravel_multi_index(tuple(points.T), grid.shape)
            if not computed[flat].all():
                return self._blocks(grid, size, points, len(blocks))
            tree.put(points, known[flat])
        rest = np.flatnonzero(~computed)
        filled = tree.labels().ravel()[rest]
        arrays = {name: _nothing(name, next(iter(done.parts(name)))[1], rest.size) for name in done.variables()}
        arrays |= {"label": names[filled] if words else filled, "computed": np.zeros(rest.size, np.int8)}
        return [Block(len(blocks), rest, arrays=arrays)]

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Run the other job, and label its points."""
        arrays = self.job.run(task, n_threads, tick)
        source = Memory(self.job)
        source.save(dataclasses.replace(task, index=np.arange(task.index.size)), arrays)
        axes = {name: task.points[name] for name in self.dims}
        labels = self._labels(SweepResult(axes, self.dims[:1], source))
        kept = {name: array for name, array in arrays.items() if name not in self.dims}
        return {**kept, "computed": np.ones(task.index.size, np.int8), "label": labels}

    def _tree(self, grid: Grid) -> Quadtree:
        rows, columns = grid.shape
        return Quadtree((rows, columns), self.coarse)

    def _blocks(self, grid: Grid, size: int, points: np.ndarray, first: int) -> list[Block]:
        index = np.ravel_multi_index(tuple(points.T), grid.shape)
        return grid.cut(size, self.shared, self.cost, index, first)

    def _labels(self, result: SweepResult) -> np.ndarray:
        """Return the labels of a list of points."""
        if callable(self.label):
            labels = np.asarray(self.label(result))
            if labels.dtype.kind not in "iub" or labels.shape != result.shape:
                wrong = f"{labels.dtype} of shape {labels.shape}"
                raise ValueError(f"labels must be {result.shape[0]} whole numbers, got {wrong}")
            return labels.astype(np.int64)
        if self.label == "sign":
            if "exponents" not in result:
                raise ValueError("label 'sign' needs exponents: measure must name 'lyapunov'")
            leading = result["exponents"][:, 0]
            error = SIGNIFICANT * result["stderr"][:, 0] if "stderr" in result else np.zeros(leading.shape)
            sign = np.where(np.abs(leading) <= error, 0, np.sign(leading))
            return np.where(np.isnan(sign), 2, sign).astype(np.int64)
        if self.label not in result:
            names = ", ".join(result)
            raise ValueError(f"label must be 'sign' or an array that is measured, {names}; got {shown(self.label)}")
        labels = result[self.label]
        if labels.ndim != 1 or labels.dtype.kind not in "iubU":
            raise ValueError(
                f"label must be an array of whole numbers or words, one for each point; got {shown(self.label)}"
            )
        return labels if labels.dtype.kind == "U" else labels.astype(np.int64)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def _of(cls, result: SweepResult) -> type[Job]:
        return registry.job_class(result.specification["refine"]["job"])

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say in a sentence how many points failed, and why."""
        return cls._of(result).failures(result)

    @classmethod
    def findings(cls, result: SweepResult) -> Sequence[object]:
        """Return what is to be told of a result."""
        return cls._of(result).findings(result)

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture that `draw` makes."""
        return cls._of(result).picture(result)

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Return the picture that the other job draws."""
        return cls._of(result).draw(result, feature, variable, findings)


def _nothing(name: str, part: np.ndarray, size: int) -> np.ndarray:
    """Return what stands for nothing in an array of other points: one value, repeated without taking memory."""
    value: Any = {"f": np.nan, "U": ""}.get(part.dtype.kind, 0 if name == "status" else -1)
    return np.broadcast_to(np.array(value, dtype=part.dtype), (size, *part.shape[1:]))
