"""Jobs: what a sweep does at its points. Here the protocol, and the job of the attention map.

A sweep cuts its points into blocks and hands each to a job, which is any object with

- ``names``: the parameters that can be swept;
- ``point``: their values where they are not;
- ``block``: how many points make a task: some seconds of work, no more than fit in memory;
- ``max_threads``: how many threads a block can use, None for any number;
- ``variables``: of each array it may return the dimensions after the point, the unit, the meaning;
- ``labels``: the names along such a dimension, where it has any;
- ``check(name, value)``: raises ValueError if a value of a parameter is outside its domain, an interval;
- ``specification()``: all that determines the numbers besides the axes: numbers, text, arrays, dicts
  and lists of them; "job" names the kind of job;
- ``run(task, n_threads, tick)``: the arrays of a `Task` by name, points first, "status" among them: 0
  where a point came to its end. ``tick(n)`` is to be called as n points, or fractions of them, get
  done. Every point must get the same bits in whatever block and company;
- ``estimate(points)``: a sentence on a point, then per point the seconds of one core, the doubles it
  keeps on disk, and those it needs in memory.

and, if it likes,

- ``from_specification(spec)``, a class method: the job again; listed in `KINDS`, ``dmft verify`` finds it;
- ``grain``: the fewest points that are worth a task or a thread (1);
- ``integers``: which of the parameters are whole numbers;
- ``shared``: which of them must be equal for all points of a block;
- ``cost(points)``: how long a block of such points takes, in any unit; the longest are begun first;
- ``cut(grid, size)``: the blocks of a `Grid`, of about `size` points, in the order in which they
  should begin; a `Block` may come after others, and its task then holds their arrays;
- ``extras``: like ``variables``, of arrays that belong to a block as a whole and not to its points:
  all dimensions, the unit, the meaning. They are kept beside the others for the blocks that follow.

It travels to other processes by pickle. `AttentionSweep` is one, `dmft.ising.ForwardScan` and
`dmft.ising.PhaseDiagram` are others.
"""

from __future__ import annotations

import dataclasses
import importlib
import time
from typing import ClassVar

import numpy as np

from .. import _kernels
from .._util.checks import whole
from ..attention.basins import VARIABLES as JUDGED
from ..attention.basins import settled_arrays
from ..attention.batch import Batch
from ..attention.features import Features
from ..attention.model import SelfAttention, parameter
from ..attention.plan import Plan
from ..attention.start import Start

# Which class makes the job of a specification again.
KINDS = {
    "attention sweep": ("dmft.sweeps.job", "AttentionSweep"),
    "finite network": ("dmft.attention.finite.sweep_job", "NetworkSweep"),
    "following": ("dmft.attention.following", "Following"),
    "forward scan": ("dmft.ising", "ForwardScan"),
    "phase diagram": ("dmft.ising", "PhaseDiagram"),
}

PARAMETERS = ("beta", "gamma", "epsilon")  # what points side by side in the kernel may differ in
AXES = ("n_context", "seed", "start", *PARAMETERS)

_BLOCK_SECONDS, _GRAIN_SECONDS = 10.0, 0.25  # of one core
_BLOCK_BYTES = 2**26


def from_specification(spec):
    """Return the job that a specification describes; ValueError if its kind is not known."""
    if spec.get("job") not in KINDS:
        raise ValueError(f"a job of kind {spec.get('job')!r} cannot be made from its manifest")
    module, name = KINDS[spec["job"]]
    return getattr(importlib.import_module(module), name).from_specification(spec)


# Which argument numbers the members of a family of starts.
_FAMILIES = {"random": "seed", "feature": "index"}


def features_of(spec):
    """Return the features that a specification describes."""
    features = Features.from_recipe({name: value for name, value in spec.items() if name != "digest"})
    if features.digest != spec["digest"]:
        raise ValueError(
            f"features made by this NumPy have digest {features.digest}, the sweep's have {spec['digest']}: "
            "use the NumPy of its manifest"
        )
    return features


def start_of(spec):
    """Return the start that a specification describes."""
    arguments = {name: value for name, value in spec.items() if name != "kind"}
    arrays = {name: np.array(arguments[name]) for name in ("x", "attention", "preset") if name in arguments}
    return Start(spec["kind"], arguments | arrays)


def measure(plan, points, states, n_threads, tick):
    """Take points side by side through a plan, from states with equal numbers of rows and equal phases."""
    batch = Batch(plan.model, *(points[name] for name in PARAMETERS), states, n_threads)
    size, work, found = len(states), plan.work, {}

    def done(steps):
        tick(steps * size / work)

    if plan.attractor:
        # First, so that what is recorded lies on what was judged.
        n_left = plan.n_tangent_transient if plan.n_exponents else 0
        batch.advance(plan.n_transient - n_left, tick=done)
        found = settled_arrays(batch, plan.model, n_threads)
        plan = dataclasses.replace(plan, n_transient=n_left, n_tangent_transient=n_left)
    return {**found, **plan.run(batch, done)}


@dataclasses.dataclass(frozen=True)
class AttentionSweep:
    """Take the attention map through a plan at every point; see `dmft.sweep`."""

    plan: Plan
    start: Start

    integers = ("n_context", "seed", "start")
    shared = ("n_context", "seed")
    max_threads = None
    labels: ClassVar = {}
    variables: ClassVar = {
        "n_context": ((), "1", "context length"),
        "seed": ((), "1", "seed of the features"),
        "start": ((), "1", "seed or index of the start"),
        "beta": ((), "1", "inverse temperature of the output"),
        "gamma": ((), "1", "inverse temperature of the attention"),
        "epsilon": ((), "1", "weight of the position"),
        "status": ((), "1", "0: finished, 1: the orbit left the real numbers"),
        "n_recorded": ((), "1", "rows of the orbit that are filled"),
        "attention": (("row", "feature"), "1", "attention A"),
        "output": (("row", "feature"), "1", "overlap m^o"),
        "semantic": (("row", "feature"), "1", "semantic part of the overlap m^o"),
        "value": (("row", "feature"), "1", "overlap m^v"),
        "query": (("row", "feature"), "1", "overlap m^q"),
        "key": (("row", "feature"), "1", "overlap m^k"),
        "window": (("context", "feature"), "1", "attention at the end, newest first"),
        "n_lost": (("exponent",), "token step", "steps in which a stretch was below rounding"),
        "kaplan_yorke": ((), "1", "Kaplan-Yorke dimension"),
        "kaplan_yorke_stderr": ((), "1", "error of the Kaplan-Yorke dimension"),
        **JUDGED,
        "history": (("record", "exponent"), "nat / token step", "running Lyapunov exponents"),
        "history_stderr": (("record", "exponent"), "nat / token step", "standard errors of the running exponents"),
    }

    def __post_init__(self):
        self.plan.check_start(self.start.state(self.plan.model))

    @property
    def point(self):
        """Parameters of the model, and where the run has them, of its features and its start."""
        model = self.plan.model
        point = {"n_context": model.n_context}
        if model.features.recipe.get("seed") is not None:
            point["seed"] = model.features.recipe["seed"]
        if self.start.kind in _FAMILIES:
            point["start"] = self.start.arguments[_FAMILIES[self.start.kind]]
        return point | {name: getattr(model, name) for name in PARAMETERS}

    @property
    def names(self):
        """What can be swept."""
        return tuple(self.point)

    @property
    def block(self):
        """Points of a task: seconds of work, at least enough lanes for many threads, within the memory."""
        rows = len(self.plan.record) * self.plan.n_rows + self.plan.model.n_context * self.plan.n_exponents
        most = _BLOCK_BYTES // (16 * self.plan.model.n_features * (rows + 20))
        return max(self.grain, int(min(max(256, _BLOCK_SECONDS / self.cost(self.point)), most)))

    @property
    def grain(self):
        """Points that are worth a task: as many as the kernel takes side by side, or more."""
        lanes = _kernels.block_size()
        return lanes * max(1, int(_GRAIN_SECONDS / self.cost(self.point) / lanes))

    def cost(self, points):
        """Return about how many seconds a point with this context takes."""
        model, plan = self.plan.model, self._plan(int(np.ravel(points["n_context"])[0]), None)
        n_classes = len(model.features.classes) if model.features.classes else model.n_features
        size = plan.model.n_context * model.n_features
        n_tangent = plan.n_steps + plan.n_tangent_transient if plan.n_exponents else 0
        plain = 2e-10 * (5 * n_classes * model.n_features + 2 * size + 50)
        judged = 0.01 if plan.attractor else 0.0  # Newton's method for the most part
        return plan.work * plain + n_tangent * 3e-10 * plan.n_exponents**2 * size + judged

    def _plan(self, n_context, seed):
        """Return the plan of points with another context, or features of another seed."""
        plan, model = self.plan, self.plan.model
        if seed is not None and seed != model.features.recipe["seed"]:
            model = model.replace(features=Features.from_recipe({**model.features.recipe, "seed": seed}))
        if n_context == model.n_context:
            return dataclasses.replace(plan, model=model)
        size = n_context * model.n_features
        every = plan.n_exponents == model.n_context * model.n_features
        n_exponents = size if every else min(plan.n_exponents, size)
        return dataclasses.replace(plan, model=model.replace(n_context=n_context), n_exponents=n_exponents)

    def _start(self, number):
        """Return the start of the family with this seed or index."""
        if self.start.kind not in _FAMILIES:
            return self.start
        return Start(self.start.kind, {**self.start.arguments, _FAMILIES[self.start.kind]: number})

    def check(self, name, value):
        """Raise if the model cannot have this value."""
        if name == "n_context":
            plan = self._plan(whole(name, value, 1), None)
            plan.check_start(self.start.state(plan.model))
        elif name == "start":
            self._start(whole(name, value)).state(self.plan.model)
        elif name == "seed":
            whole(name, value)
        else:
            self.plan.model.replace(**{name: parameter(name, value)})

    def specification(self):
        """Return the network, the start and the plan."""
        model = self.plan.model
        plan = {f.name: getattr(self.plan, f.name) for f in dataclasses.fields(self.plan) if f.name != "model"}
        return {
            "job": "attention sweep",
            "features": {**model.features.recipe, "digest": model.features.digest},
            "model": {name: getattr(model, name) for name in ("n_context", "n_heads", *PARAMETERS)},
            "start": {"kind": self.start.kind, **self.start.arguments},
            "run": plan,
        }

    @classmethod
    def from_specification(cls, spec):
        """Return the job that a specification describes."""
        plan = Plan(model=SelfAttention(features_of(spec["features"]), **spec["model"]), **spec["run"])
        return cls(plan, start_of(spec["start"]))

    def run(self, task, n_threads, tick):
        """Run a block of points side by side."""
        points = task.points
        seed = int(points["seed"][0]) if "seed" in points else None
        plan = self._plan(int(points["n_context"][0]), seed)
        # The overlaps of a starting token depend on epsilon.
        numbers = points.get("start", np.zeros_like(points["n_context"])).tolist()
        cases = list(zip(numbers, points["epsilon"].tolist(), strict=True))
        states = {
            (number, e): self._start(number).state(plan.model.replace(epsilon=e)) for number, e in dict.fromkeys(cases)
        }
        return {**points, **measure(plan, points, [states[case] for case in cases], n_threads, tick)}

    def estimate(self, points):
        """Estimate the cost of a point from a short run of some."""
        plan = self.plan
        n_block = min(points["beta"].size, _kernels.block_size())
        some = {name: points[name][:n_block] for name in PARAMETERS}
        batch = Batch(plan.model, **some, states=[self.start.state(plan.model)] * n_block, n_threads=1)
        batch.advance(plan.model.n_context)
        seconds = {}
        for tangents in (False, True) if plan.n_exponents else (False,):
            if tangents:
                batch.begin_tangents(plan.n_exponents, plan.qr_interval)
            n_steps, spent = 16, 0.0
            while spent < 0.05:
                n_steps *= 2
                begun = time.perf_counter()
                batch.advance(n_steps, tangents=tangents)
                spent = time.perf_counter() - begun
            seconds[tangents] = spent / n_steps / n_block
        plain = plan.work if not plan.n_exponents else plan.n_transient - plan.n_tangent_transient
        one = plain * seconds[False] + (plan.work - plain) * seconds.get(True, 0.0)
        size = plan.model.n_context * plan.model.n_features
        rows = (
            len(plan.record) * plan.n_rows * plan.model.n_features + (3 + 2 * plan.n_history) * plan.n_exponents + size
        )
        # A block is also packed for its file.
        return f"{plan.work} steps each", one, rows, 2 * rows + 2 * plan.n_exponents * size
