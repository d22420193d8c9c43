"""The job of the attention map: a plan, taken at every parameter point."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .._kernels import block_size
from .._util.checks import whole
from .._util.values import Value
from ..dynamics.labels import with_labels
from ..sweeps.grid import Grid, Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.results import SweepResult
from . import pictures
from .axes import AXES, PARAMETERS, SHARED
from .batch import Batch
from .drive import Drive
from .features import Features
from .measures import MEASURES
from .model import SelfAttention, parameter
from .plan import Plan
from .start import Start, State

_BLOCK_SECONDS, _GRAIN_SECONDS = 10.0, 0.25  # of one core
_BLOCK_BYTES = 2**26
_TRIED, _TRIED_STEPS = 32, 20_000  # points that are measured to estimate what it costs, and steps before
_OF_POINT = 150.0  # doubles that Python's objects of a point take


def features_of(spec: Mapping[str, Any]) -> Features:
    """Return the features that a specification describes."""
    features = Features.from_recipe({name: value for name, value in spec.items() if name != "digest"})
    if features.digest != spec["digest"]:
        raise ValueError(
            f"features made by this NumPy have digest {features.digest}, the sweep's have {spec['digest']}: "
            "use the NumPy of its manifest"
        )
    return features


def model_specification(model: SelfAttention) -> dict[str, Any]:
    """Return a model without its features as one dict, for a manifest."""
    spec = {name: getattr(model, name) for name in ("n_context", "n_heads", *PARAMETERS)}
    return spec if model.drive is None else {**spec, "drive": model.drive.specification()}


def model_of(features: Mapping[str, Any], spec: Mapping[str, Any]) -> SelfAttention:
    """Return the model that the specifications of features and model describe."""
    drive = {"drive": Drive.from_specification(spec["drive"])} if "drive" in spec else {}
    return SelfAttention(features_of(features), **{**spec, **drive})


def states_of_points(starts: Sequence[Start], model: SelfAttention, points: Mapping[str, np.ndarray]) -> list[State]:
    """Return the state of each point at its start: one object for all points in which the start reads the same."""
    read = {name for start in starts for name in start.reads}
    values = {name: points[name].tolist() for name in PARAMETERS if name in read}
    known: dict[Any, State] = {}
    states = []
    for i, start in enumerate(starts):
        mine = {name: values[name][i] for name in start.reads}
        case = (id(start), *mine.values())
        if case not in known:
            known[case] = start.state(model.replace(**mine))
        states.append(known[case])
    return states


def measure(
    plan: Plan, points: Mapping[str, np.ndarray], states: Sequence[State], n_threads: int | None, tick: Tick
) -> Arrays:
    """Take points side by side through a plan, from states with equal numbers of rows and equal phases."""
    batch = Batch(plan.model, **{name: points[name] for name in PARAMETERS}, states=states, n_threads=n_threads)
    size, work = len(states), plan.work
    found: Arrays = {}

    def done(steps: float) -> None:
        tick(steps * size / work)

    if plan.after_transient:
        # First, so that what is recorded lies on what the orbit settles on.
        n_left = plan.n_tangent_transient if plan.n_exponents else 0
        batch.advance(plan.n_transient - n_left, tick=done)
        for name in plan.after_transient:
            if (look := MEASURES[name].after_transient) is not None:
                found |= look(batch, plan.model, n_threads, plan.n_exponents)
        plan = dataclasses.replace(plan, n_transient=n_left, n_tangent_transient=n_left)
    return with_labels(found, plan.run(batch, done))


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionSweep(Value, Job):
    """Take the attention map through a plan at every point; see `dmft.sweep`.

    Parameters
    ----------
    plan : Plan
    start : Start

    Raises
    ------
    ValueError
        If the transient does not fill the window before tangents begin.
    """

    plan: Plan
    start: Start

    integers = tuple(name for name, axis in AXES.items() if axis.whole is not None)
    shared = SHARED
    variables: ClassVar[Variables] = {
        **{name: ((), "1", axis.meaning) for name, axis in AXES.items()},
        "status": ((), "1", "0: finished, 1: the orbit left the real numbers"),
        "window": (("context", "feature"), "1", "attention at the end, newest first"),
        **{name: about for measure in MEASURES.values() for name, about in measure.variables.items()},
    }

    def __post_init__(self) -> None:
        self.plan.check_start(self.start.state(self.plan.model))

    @property
    def point(self) -> dict[str, Any]:
        """Parameters of the model, and where the run has them, of its features and its start."""
        point = {name: axis.value(self.plan.model) for name, axis in AXES.items()}
        if self.start.family is not None:
            point["start"] = self.start.arguments[self.start.family]
        return {name: value for name, value in point.items() if value is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """What can be swept."""
        return tuple(self.point)

    @property
    def block(self) -> int:
        """Points of a task: seconds of work, at least enough lanes for many threads, within the memory."""
        plan = self.plan
        growth = plan.model.n_features * (plan.model.n_context * plan.n_exponents + 20)
        most = _BLOCK_BYTES // (16 * (plan.row_size * plan.n_rows + growth))
        return max(self.grain, int(min(max(256, _BLOCK_SECONDS / self.cost(self.point)), most)))

    @property
    def grain(self) -> int:  # type: ignore[override]  # a constant of other jobs
        """Points that are worth a task: as many as the kernel takes side by side, or more."""
        lanes = block_size()
        return lanes * max(1, int(_GRAIN_SECONDS / self.cost(self.point) / lanes))

    @property
    def kept(self) -> float:
        """How many doubles a point leaves at least: what crosses a section may be less than there is room for."""
        plan = self.plan
        rows = plan.row_size * plan.n_rows if plan.section is None else 0
        return float(rows + plan.n_history * plan.n_exponents)

    def cost(self, points: Mapping[str, Any]) -> float:
        """Return about how many seconds a point with this context takes."""
        model, plan = self.plan.model, self._plan({"n_context": int(np.ravel(points["n_context"])[0])})
        n_classes = len(model.features.classes) if model.features.classes else model.n_features
        size = plan.model.n_context * model.n_features
        n_tangent = plan.n_steps + plan.n_tangent_transient if plan.n_exponents else 0
        plain = 2e-10 * (5 * n_classes * model.n_features + 2 * size + 50)
        more = sum(MEASURES[name].seconds for name in plan.after_transient)
        return plan.work * plain + n_tangent * 3e-10 * plan.n_exponents**2 * size + more

    def _plan(self, values: Mapping[str, Any]) -> Plan:
        """Return the plan of points with other values of axes that a block shares."""
        plan, model = self.plan, self.plan.model
        for name, value in values.items():
            change = AXES[name].change
            if change is not None and value != AXES[name].value(model):
                model = change(model, value)
        if model.n_context == plan.model.n_context:
            return dataclasses.replace(plan, model=model)
        size = model.n_context * model.n_features
        every = plan.n_exponents == plan.model.n_context * model.n_features
        return dataclasses.replace(plan, model=model, n_exponents=size if every else min(plan.n_exponents, size))

    def check(self, name: str, value: Any) -> None:
        """Raise if the model cannot have this value."""
        axis, model = AXES[name], self.plan.model
        if name in PARAMETERS:
            model.replace(**{name: parameter(name, value)})
            return
        if axis.whole is None:
            if axis.change is not None:
                axis.change(model, value)
            return
        value = whole(name, value, axis.whole, axis.most(model) if axis.most is not None else None)
        if name == "start":
            self.start.member(value).state(model)
        elif axis.most is None:
            plan = self._plan({name: value})
            plan.check_start(self.start.state(plan.model))

    def specification(self) -> dict[str, Any]:
        """Return the network, the start and the plan."""
        model = self.plan.model
        plan = {f.name: getattr(self.plan, f.name) for f in dataclasses.fields(self.plan) if f.name != "model"}
        return {
            "job": "attention sweep",
            "features": {**model.features.recipe, "digest": model.features.digest},
            "model": model_specification(model),
            "start": self.start.specification(),
            "run": plan,
        }

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> AttentionSweep:
        """Return the job that a specification describes."""
        plan = Plan(model=model_of(spec["features"], spec["model"]), **spec["run"])
        return cls(plan, Start.from_specification(spec["start"]))

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Run a block of points side by side."""
        points = task.points
        plan = self._plan({name: points[name][0].item() for name in self.shared if name in points})
        numbers = points["start"].tolist() if "start" in points else [None] * len(task.index)
        starts = {number: self.start if number is None else self.start.member(number) for number in numbers}
        states = states_of_points([starts[number] for number in numbers], plan.model, points)
        return {**points, **measure(plan, points, states, n_threads, tick)}

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point from a short run of some."""
        plan, n_all = self.plan, points["beta"].size
        n_left = plan.n_tangent_transient if plan.n_exponents else 0
        batch = self._some(points, block_size())
        batch.advance(plan.model.n_context)
        seconds = {}
        for tangents in (False, True) if plan.n_exponents else (False,):
            if tangents:
                batch.begin_tangents(plan.n_exponents, plan.qr_interval)
            n_steps, spent = 16, 0.0
            while spent < 0.05:
                n_steps *= 2
                begun = time.process_time()
                batch.advance(n_steps, tangents=tangents)
                spent = time.process_time() - begun
            seconds[tangents] = spent / n_steps / batch.n_points
        plain = plan.work if not plan.n_exponents else plan.n_transient - n_left
        one = plain * seconds[False] + (plan.work - plain) * seconds.get(True, 0.0)
        after = 0.0
        if plan.after_transient:
            some = self._some(points, _TRIED)
            some.advance(min(plan.n_transient - n_left, _TRIED_STEPS))
            for name in plan.after_transient:
                if (look := MEASURES[name].after_transient) is not None:
                    look(some.select([0]), plan.model, 1, plan.n_exponents)  # wakes up what is loaded late
                    begun = time.process_time()
                    look(some, plan.model, 1, plan.n_exponents)
                    after += (time.process_time() - begun) / some.n_points
        if "n_context" in points:  # they were tried at that of the model
            sizes = points["n_context"].tolist()[:: max(1, n_all // 32)]
            costs = [self.cost({**self.point, "n_context": n}) for n in sizes]
            one *= float(np.mean(costs)) / self.cost(self.point)
        rows = self._rows + (3 + 2 * plan.n_history) * plan.n_exponents + plan.model.n_context * plan.model.n_features
        # Orbits are judged side by side, but for the most part by one thread.
        return Estimate(
            each=f"{plan.work} steps each",
            seconds=one + after,
            stored=rows,
            memory=self.block_bytes(self.block) / (8.0 * self.block),
            alone=0.7 * after,
            abreast=batch.n_points,
            drawn=plan.n_rows * (plan.model.n_features + 1.0) if plan.record else 0.0,
        )

    def _some(self, points: Mapping[str, np.ndarray], n: int) -> Batch:
        """Return a batch of some points, far from each other, at their starts."""
        n_all = points["beta"].size
        places = np.linspace(0, n_all - 1, min(n, n_all)).astype(int)
        starts = points["start"][places].tolist() if "start" in points else [None] * places.size
        some = {x: points[x][places] for x in PARAMETERS}
        states = states_of_points(
            [self.start if k is None else self.start.member(k) for k in starts], self.plan.model, some
        )
        return Batch(self.plan.model, **some, states=states, n_threads=1)

    @property
    def _rows(self) -> float:
        """How many doubles of its orbit a point leaves."""
        return float(self.plan.row_size * self.plan.n_rows)

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time."""
        plan, window = self.plan, self.plan.model.n_context * self.plan.model.n_features
        kept = self._rows + (3 + 2 * plan.n_history) * plan.n_exponents + window
        # A block is also packed for its file; tangents come in two frames.
        of_point = 2.0 * kept + 2.0 * plan.n_exponents * window + _OF_POINT
        measured = [MEASURES[name].doubles(size, plan.model) for name in plan.after_transient]
        return 8.0 * max([size * of_point, *measured])

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of what the points leave that pictures look for."""
        plan = self.plan
        measured = [name for measure in plan.after_transient for name in MEASURES[measure].variables]
        return (*plan.record, *(("exponents", "kaplan_yorke") if plan.n_exponents else ()), *measured)

    def no_picture(self, grid: Grid) -> str | None:
        """Return why no picture can be made of a grid; None: it can."""
        if pictures.name_for(self.arrays, grid.dims, grid.shape):
            return None
        return super().no_picture(grid) or pictures.nothing_of(self.arrays, grid.shape)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say how many orbits left the real numbers."""
        n_points = np.prod(result.shape)
        return f"{result.n_failed} of {n_points} points left the real numbers; they are marked in status"

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of a sweep."""
        return pictures.name_of(result)

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw the orbit over one axis, orbits of several starts, or maps over two axes."""
        return pictures.draw(result, feature, variable)
