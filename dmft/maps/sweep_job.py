"""The job of maps: a plan, taken at every parameter point."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._util.checks import finite, number, shown, whole, words
from .._util.values import Value
from ..sweeps.errors import PythonOnly
from ..sweeps.grid import Task
from ..sweeps.job import Arrays, Estimate, Job, Tick, Variables
from ..sweeps.results import SweepResult
from .compiled import title
from .model import Map
from .plan import VARIABLES, Plan
from .state import State, state_of, states_of
from .system import MapSystem, orbits_at

_BLOCK_BYTES = 2**26
_STEP_SECONDS, _POINT_SECONDS = 5e-5, 2e-8  # of a call of functions, and of each number in it


@dataclasses.dataclass(frozen=True, eq=False)
class MapSweep(Value, Job):
    """Take a map through a plan at every point; see `dmft.sweep`.

    Parameters
    ----------
    plan : Plan
    starts : tuple of State
        Of one phase; several make the axis "start".
    """

    plan: Plan
    starts: tuple[State, ...]

    grain = 64
    integers = ("start",)

    def __post_init__(self) -> None:
        if len({start.phase for start in self.starts}) != 1:
            raise ValueError(f"start must be states of one phase, got {shown([start.phase for start in self.starts])}")

    @property
    def names(self) -> tuple[str, ...]:
        """What can be swept."""
        return tuple(self.point)

    @property
    def point(self) -> dict[str, Any]:
        """The parameters, and which start where there are several."""
        return {**self.plan.model.parameters, **({"start": 0} if len(self.starts) > 1 else {})}

    @property
    def variables(self) -> Variables:
        """Parameters, what is measured, and how runs end."""
        return {
            **{name: ((), "1", "parameter of the map") for name in self.plan.model.parameters},
            "start": ((), "1", "number of the start"),
            "status": ((), "1", "0: finished, 1: the orbit left the real numbers"),
            "window": (("lag", "component"), "1", "states at the end, newest first"),
            **{name: about for measure in VARIABLES.values() for name, about in measure.items()},
        }

    @property
    def block(self) -> int:
        """Points of a task: many side by side, as a call of the functions takes its time whatever their number."""
        return max(self.grain, min(4_096, int(_BLOCK_BYTES // (8 * (self.kept + 4.0 * self.plan.model.n_dim**2 + 20)))))

    @property
    def kept(self) -> float:
        """How many doubles a point leaves at least."""
        plan = self.plan
        return float((plan.n_rows or 0) * plan.model.size + plan.n_history * (plan.n_exponents or 0))

    def check(self, name: str, value: Any) -> None:
        """Raise if the map cannot have this value."""
        if name == "start":
            whole(name, value, 0, len(self.starts) - 1)
        else:
            number(name, value)

    def specification(self) -> dict[str, Any]:
        """Return the map, as far as it can be told apart, the starts and the plan."""
        model = self.plan.model
        described = {"step": title(model.step), "digest": model.digest, "derivative": model.derivative}
        sizes = {"size": model.size, "lags": model.lags, "period": model.period}
        return {
            "job": "map sweep",
            "model": {**described, **sizes, **model.parameters},
            "start": {"windows": np.stack([start.window for start in self.starts]), "phase": self.starts[0].phase},
            "run": self.plan.specification(),
        }

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Job:
        """Raise: the functions of a map are in no file."""
        raise PythonOnly(
            f"the map {spec['model']['step']} is of functions, which no file holds: make the call again from Python"
        )

    def system(
        self, points: Mapping[str, np.ndarray], windows: np.ndarray, phase: int, n_threads: int | None = None
    ) -> MapSystem:
        """Return orbits at points from their windows."""
        values = {name: points[name] for name in self.plan.model.parameters}
        return orbits_at(self.plan.model, windows, phase, values, n_threads)

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Run a block of points side by side."""
        points, n = task.points, len(task.index)
        which = points["start"].astype(int) if "start" in points else np.zeros(n, dtype=int)
        windows = np.stack([start.window for start in self.starts])[which]
        done = 0.0

        def count(n_steps: int) -> None:
            nonlocal done
            now = min(n_steps * n / self.plan.work, n - done)
            done += now
            tick(now)

        found = self.plan.run(self.system(points, windows, self.starts[0].phase, n_threads), count)
        tick(n - done)
        return {**points, **found}

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time."""
        return 16.0 * self.kept * size  # it is also packed for its file

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point in a full block."""
        plan, size = self.plan, self.plan.model.n_dim
        n_tangents = plan.n_exponents or 0
        one = plan.work * (_STEP_SECONDS / self.block + _POINT_SECONDS * size * (1 + size * n_tangents))
        stored = self.kept + size + 5.0 * n_tangents
        return Estimate(each=f"{plan.work} steps each", seconds=one, stored=stored, memory=2 * stored)

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say how many orbits left the real numbers."""
        n_points = np.prod(result.shape)
        return f"{result.n_failed} of {n_points} points left the real numbers; they are marked in status"


def sweep_of(model: Map, start: Any, section: Any, record: Any, measure: Any, **plan: Any) -> MapSweep:
    """Return the job of `dmft.sweep` for a map, its arguments checked."""
    if section is not None:
        raise ValueError(f"section must be None of a dmft.Map, got {shown(section)}")
    if words("record", record) != ("attention",):
        raise ValueError(f"record must not be given of a dmft.Map, whose states are kept, got {shown(record)}")
    made = Plan(model=model, measure=measure, **plan)
    among = isinstance(start, list | tuple) and any(isinstance(one, State) for one in start)
    known = among or start is None or isinstance(start, State)
    if among or (not known and finite("start", start).ndim == np.ndim(model.state) + 1):
        return MapSweep(made, tuple(states_of(model, start)))
    return MapSweep(made, (state_of(model, start),))
