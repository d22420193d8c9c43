"""Jobs: what a sweep does at its points. Here the protocol, and the job of the attention map.

A sweep cuts its points into blocks and hands each to a job, which is any object with

- ``names``: the parameters that can be swept;
- ``point``: their values where they are not;
- ``block``: how many points make a task;
- ``max_threads``: how many threads a block can use, None for any number;
- ``unit``, ``work``: what progress counts, and how much of it a point is;
- ``variables``: of each array it may return the dimensions after the point, the unit, the meaning;
- ``labels``: the names along such a dimension, where it has any;
- ``check(name, value)``: raises ValueError if a value of a parameter is outside its domain;
- ``specification()``: all that determines the numbers besides the axes, as plain values for JSON;
- ``run(task, n_threads, tick)``: the arrays of a `Task` by name, points first. ``tick(work)`` is to
  be called as work gets done. Every point must get the same bits in whatever block and company;
- ``estimate(points)``: a sentence on a point, then per point the seconds of one core, the doubles it
  keeps on disk, and those it needs in memory.

and, if it likes,

- ``cut(grid, size)``: the blocks of a `Grid`, of about `size` points, in the order in which they
  should begin; a `Block` may come after others, and its task then holds their arrays;
- ``extras``: like ``variables``, of arrays that belong to a block as a whole and not to its points:
  all dimensions, the unit, the meaning. They are kept beside the others for the blocks that follow.

It travels to other MPI ranks by pickle. `AttentionSweep` is one, `dmft.ising.ForwardScan` and
`dmft.ising.PhaseDiagram` are others.
"""

from __future__ import annotations

import dataclasses
import time

from . import _kernels
from .features import ROLES
from .meanfield import Batch
from .model import Start, parameter
from .plan import Plan

BLOCK = 256  # points in one task: enough for every core's lanes, seconds of work


@dataclasses.dataclass(frozen=True)
class AttentionSweep:
    """Take the attention map through a plan at every point; see `dmft.sweep`."""

    plan: Plan
    start: Start

    names = ("beta", "gamma", "epsilon")
    block = BLOCK
    max_threads = None
    unit = "million steps"
    labels = {}  # noqa: RUF012
    variables = {  # noqa: RUF012
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
        "exponents": (("exponent",), "nat / token step", "Lyapunov exponents, descending"),
        "n_lost": (("exponent",), "token step", "steps in which a stretch was below rounding"),
        "stderr": (("exponent",), "nat / token step", "standard errors of the Lyapunov exponents"),
        "kaplan_yorke": ((), "1", "Kaplan-Yorke dimension"),
        "kaplan_yorke_stderr": ((), "1", "error of the Kaplan-Yorke dimension"),
        "history": (("record", "exponent"), "nat / token step", "running Lyapunov exponents"),
        "history_stderr": (("record", "exponent"), "nat / token step", "standard errors of the running exponents"),
    }

    def __post_init__(self):
        self.plan.check_start(self.start.state(self.plan.model))

    @property
    def point(self):
        """Parameters of the model."""
        return {name: getattr(self.plan.model, name) for name in self.names}

    @property
    def work(self):
        """Million steps of a point."""
        return self.plan.work / 1e6

    def check(self, name, value):
        """Raise if the model cannot have this value."""
        self.plan.model.replace(**{name: parameter(name, value)})

    def specification(self):
        """Return the network, the start and the plan."""
        model = self.plan.model
        run = {f.name: getattr(self.plan, f.name) for f in dataclasses.fields(self.plan) if f.name != "model"}
        laws = model.features.classes.couplings if model.features.classes else model.features.covariances
        network = {
            "law": model.features.law,
            "digest": model.features.digest,
            **{role: laws[role] for role in ROLES},
            "position": {role: model.features.position_field(role, model.n_context) for role in ROLES},
        }
        if model.features.classes:
            network["signs"] = model.features.classes.signs
        return {
            "features": network,
            "model": {name: getattr(model, name) for name in ("n_context", "n_heads", *self.names)},
            "start": {"kind": self.start.kind, **self.start.arguments},
            "run": run,
        }

    def run(self, task, n_threads, tick):
        """Run a block of points side by side."""
        model, points = self.plan.model, task.points
        # The overlaps of a starting token depend on epsilon.
        states = {e: self.start.state(model.replace(epsilon=e)) for e in set(points["epsilon"].tolist())}
        states = [states[e] for e in points["epsilon"].tolist()]
        return {**points, **self.measure(points, states, n_threads, tick)}

    def measure(self, points, states, n_threads, tick):
        """Run points side by side from states with equal numbers of rows and equal phases."""
        batch = Batch(self.plan.model, *(points[name] for name in self.names), states, n_threads)
        size = len(states)
        return self.plan.run(batch, lambda steps: tick(steps * size / 1e6))

    def estimate(self, points):
        """Estimate the cost of a point from a short run of some."""
        plan = self.plan
        n_block = min(points["beta"].size, _kernels.block_size())
        some = {name: values[:n_block] for name, values in points.items()}
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
