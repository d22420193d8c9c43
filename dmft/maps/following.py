"""The job of `follow` for a `Map`: every point starts from where its neighbour's run ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._util.values import Value
from ..sweeps.following import anchors_of, axis_to_follow, branch_names, first_transient
from ..sweeps.grid import Block, Grid, Task
from ..sweeps.job import Arrays, Estimate, Job, Tick, Variables
from ..sweeps.results import SweepResult
from .state import State, state_of
from .sweep_job import MapSweep


@dataclasses.dataclass(frozen=True, eq=False)
class MapFollowing(Value, Job):
    """Follow attractors of a map along one axis; see `dmft.follow`.

    Chains of one branch go side by side, as a call of the functions takes its time whatever their number.

    Parameters
    ----------
    sweep : MapSweep
    axes : dict of str to ndarray
        Values of the axes, without the branch.
    along : str
        The axis to follow.
    anchors : tuple of (int, State or None)
        Where each branch begins: the index along the axis, and the start there.
    n_first_transient : int
        Transient of the points that start from their anchor's start.
    """

    sweep: MapSweep
    axes: Mapping[str, np.ndarray]
    along: str
    anchors: tuple[tuple[int, State | None], ...]
    n_first_transient: int

    block = 64
    independent = False
    extras: ClassVar[Variables] = {"anchor": (("branch",), "1", "parameter at which the branch begins")}

    @property
    def names(self) -> tuple[str, ...]:
        """The branch, and the parameters."""
        return ("branch", *self.sweep.plan.model.parameters)

    @property
    def point(self) -> dict[str, Any]:
        """Parameters where they are no axis."""
        return {"branch": 0.0, **self.sweep.plan.model.parameters}

    @property
    def described(self) -> Mapping[str, Any]:
        """As of a sweep."""
        return self.sweep.described

    @property
    def variables(self) -> Variables:
        """Those of a sweep, and how each point was begun."""
        return {
            **self.sweep.variables,
            "phase": ((), "1", "phase of the step after the window"),
            "origin": ((), "1", "1: starts from the neighbour's end, 0: from the start of the anchor"),
        }

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """What the branches are called."""
        return {"branch": branch_names(self.axes[self.along], [place for place, _ in self.anchors])}

    def check(self, name: str, value: Any) -> None:
        """Raise if the map cannot have this value."""
        if name != "branch":
            self.sweep.check(name, value)

    def specification(self) -> dict[str, Any]:
        """Return that of the sweep, and how it is followed."""
        anchors = [
            {"at": float(self.axes[self.along][place]), **({"window": s.window, "phase": s.phase} if s else {})}
            for place, s in self.anchors
        ]
        how = {"along": self.along, "n_first_transient": self.n_first_transient}
        return {
            **self.sweep.specification(),
            "job": "map following",
            "follow": {"anchors": anchors, "branches": list(self.labels["branch"]), **how},
        }

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Job:
        """Raise: the functions of a map are in no file."""
        return MapSweep.from_specification(spec)

    @property
    def branches(self) -> Grid:
        """The grid: branches times the axes."""
        return self.grid({"branch": np.arange(len(self.anchors)), **self.axes})

    def cut(self, grid: Grid, size: int) -> list[Block]:
        """Return a block for some whole chains of one branch."""
        numbers = np.moveaxis(np.arange(grid.n_points).reshape(grid.shape), grid.dims.index(self.along), -1)
        numbers = np.moveaxis(numbers, grid.dims.index("branch") - (grid.dims.index(self.along) == 0), 0)
        blocks: list[Block] = []
        for branch in numbers.reshape(len(self.anchors), -1, numbers.shape[-1]):
            for first in range(0, len(branch), max(1, size)):
                blocks.append(Block(len(blocks), branch[first : first + max(1, size)].ravel(), ()))
        return blocks

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Follow whole chains, from their anchor to both ends of the axis."""
        n_along = len(self.axes[self.along])
        points = {name: values.reshape(-1, n_along) for name, values in task.points.items() if name != "branch"}
        place, start = self.anchors[int(task.points["branch"][0])]
        begin = start or self.sweep.starts[0]
        n_chains, arrays = len(task.index) // n_along, dict[str, np.ndarray]()
        # State of every chain before the next point: None where it begins anew, from the start of the anchor.
        before: list[list[State | None]] = [[None] * n_chains, [None] * n_chains]
        order = [(0, i) for i in range(place, n_along)] + [(1, i) for i in range(place - 1, -1, -1)]
        for side, i in order:
            here = {name: values[:, i] for name, values in points.items()}
            found, ends = self._measured(here, before[side], begin, n_threads)
            found["origin"] = np.array([state is not None for state in before[side]], dtype=np.int8)
            before[side] = ends
            if i == place:
                before[1] = list(ends)
            for name, values in found.items():
                made = arrays.setdefault(name, np.zeros((n_chains, n_along, *values.shape[1:]), values.dtype))
                made[:, i] = values
            tick(n_chains)
        flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in arrays.items()}
        known = {name: values.ravel() for name, values in points.items()}
        return {**known, **flat, "anchor": np.array([self.axes[self.along][at] for at, _ in self.anchors])}

    def _measured(
        self,
        points: Mapping[str, np.ndarray],
        before: Sequence[State | None],
        begin: State,
        n_threads: int | None,
    ) -> tuple[Arrays, list[State | None]]:
        """Return the arrays of points side by side, and the states after them."""
        plan, found, ends = self.sweep.plan, dict[str, np.ndarray](), list[State | None]([None] * len(before))
        kinds = [(state is None, (state or begin).phase) for state in before]
        for kind in dict.fromkeys(kinds):  # a batch shares its phase
            some = np.array([i for i, other in enumerate(kinds) if other == kind])
            windows = np.stack([(before[i] or begin).window for i in some])
            here = {name: values[some] for name, values in points.items()}
            system = self.sweep.system(here, windows, kind[1], n_threads)
            if kind[0]:
                system.advance(self.n_first_transient - plan.n_transient)
            arrays = plan.run(system)
            arrays["phase"] = np.full(some.size, system.phase)
            for name, values in arrays.items():
                found.setdefault(name, np.zeros((len(before), *values.shape[1:]), values.dtype))[some] = values
            for k, i in enumerate(some):
                ends[i] = system.continuation(k) if np.isfinite(system.windows[k]).all() else None
        return found, ends

    @property
    def kept(self) -> float:
        """How many doubles a point leaves at least."""
        return self.sweep.kept

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time."""
        return self.sweep.block_bytes(size)

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate | None:
        """Estimate the cost of a point."""
        return self.sweep.estimate(points)

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say how many orbits left the real numbers."""
        return MapSweep.failures(result)


def following(
    sweep: MapSweep,
    axes: Mapping[str, ArrayLike],
    along: str | None = None,
    anchors: Sequence[Any] | None = None,
    n_first_transient: int | None = None,
) -> MapFollowing:
    """Return the job of `dmft.follow` for a map, its arguments checked."""
    if len(sweep.starts) > 1:
        raise ValueError(f"start must be one state of the map, got {len(sweep.starts)}")
    checked = sweep.grid(axes).axes
    along = axis_to_follow(along, checked)
    first = first_transient(n_first_transient, sweep.plan.n_transient)
    places = anchors_of(
        along, checked[along], anchors, lambda start: state_of(sweep.plan.model, start, "anchors"), "a state"
    )
    return MapFollowing(sweep, checked, along, places, first)
