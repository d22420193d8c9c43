"""The job of finite networks: replicas at every point of a sweep, over their number of sites too."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..._util.checks import one_of, seed_of, whole
from ..._util.memory import need_memory
from ..._util.values import Value
from ...sweeps.grid import Grid, Task
from ...sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ...sweeps.results import SweepResult
from ..axes import AXES, PARAMETERS
from ..batch import Batch
from ..drive import Drive
from ..model import SelfAttention
from ..pictures import nothing_of
from ..plan import Plan
from ..records import RECORDS, Every, check_record, row_size
from ..start import Start, State
from ..sweep_job import AttentionSweep, model_of, states_of_points
from . import pictures
from .batch import METHODS, MOST_SPINS, Method, NetworkBatch, check_drive
from .sites import FILLS, Fill, keys, number_of_sites, site_groups

AnyBatch = TypeVar("AnyBatch", Batch, NetworkBatch)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NetworkSweep(Value, Job):
    """Run finite networks at every point; for `dmft.scan`.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    n_sites : int
        Number of sites where it is not swept.
    n_steps, n_transient : int
        Token steps that are recorded, and before them.
    n_replicas : int, default=1
    seed : int, default=0
        Every replica of every point of the grid has its own stream.
    start : Start, optional
        As for `trajectory`.
    method : {"exact", "spins"}, default="exact"
    fill : {"remainder", "drawn"}, default="remainder"
    record : sequence of str, default=("attention",)
        As for `trajectory`; of the last `n_rows` of every so many steps.
    n_rows : int, optional
        Default: all.
    every : int, default=1
    theory : bool, default=False
        Run the infinite network beside: its attention in the same rows, and the root mean square deviation
        of each replica from it.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or the features do not fix the columns of sites.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, scan
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> job = NetworkSweep(model=model, n_sites=99, n_steps=50, n_replicas=3, theory=True)
    >>> result = scan(job, n_sites=[1e2, 1e6], beta=[0.5, 1.0], progress=False)
    >>> result["attention"].shape, result["deviation"].shape
    ((2, 2, 3, 50, 3), (2, 2, 3))
    """

    model: SelfAttention
    n_sites: int
    n_steps: int
    n_transient: int = 1_000
    n_replicas: int = 1
    seed: int = 0
    start: Start = dataclasses.field(default_factory=lambda: Start.random(0))
    method: Method = "exact"
    fill: Fill = "remainder"
    record: tuple[str, ...] = ("attention",)
    n_rows: int | None = None
    every: int = 1
    theory: bool = False

    block = 32
    shared = ("strength",)
    variables: ClassVar[Variables] = {
        **{name: ((), "1", AXES[name].meaning) for name in ("strength", *PARAMETERS)},
        "n_recorded": AttentionSweep.variables["n_recorded"],
        "n_sites": ((), "1", "number of sites N"),
        "status": (("replica",), "1", "0: finished, 1: the network left the real numbers"),
        **{name: (("replica", *kind.dims), kind.unit, kind.meaning) for name, kind in RECORDS.items()},
        "theory_attention": (("row", "feature"), "1", "attention A of the infinite network"),
        "deviation": (("replica",), "1", "root mean square deviation of A from the infinite network"),
    }

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "n_sites", number_of_sites(self.n_sites))
        for name, low in (("n_steps", 1), ("n_transient", 0), ("n_replicas", 1), ("every", 1)):
            put(self, name, whole(name, getattr(self, name), low))
        seed_of(self.seed, most=2**64 - 1)
        one_of("method", self.method, METHODS)
        one_of("fill", self.fill, FILLS)
        put(self, "record", check_record(self.record))
        if self.theory and "attention" not in self.record:
            raise ValueError(f"record must name 'attention' to compare with the theory, got {self.record}")
        most = -(-self.n_steps // self.every)
        n_rows = most if self.n_rows is None else whole("n_rows", self.n_rows, 1)
        if n_rows > most:
            raise ValueError(f"n_rows must be <= {most}, the steps that could be recorded, got {n_rows}")
        put(self, "n_rows", n_rows)
        width = 2.0 * self.model.n_context * self.model.n_features + n_rows * row_size(self.model, self.record)
        what = f"n_replicas = {self.n_replicas} networks with n_rows = {n_rows}"
        need_memory(what, 8.0 * self.n_replicas * (width + 8), "take fewer")
        self.start.state(self.model)
        groups = site_groups(self.model.features)
        if self.model.drive is not None:
            check_drive(self.model, groups, self.method)
        self.check("n_sites", self.n_sites)

    @property
    def point(self) -> dict[str, Any]:
        """Parameters of the model, and the number of sites."""
        drive = self.model.drive
        driven = {} if drive is None else {"strength": drive.strength}
        return {**driven, **{name: getattr(self.model, name) for name in PARAMETERS}, "n_sites": float(self.n_sites)}

    @property
    def names(self) -> tuple[str, ...]:
        """What can be swept."""
        return tuple(self.point)

    @property
    def described(self) -> dict[str, Any]:
        """Parameters, and what else the network is."""
        return {"n_context": self.model.n_context, **self.point, "replicas": self.n_replicas}

    def check(self, name: str, value: Any) -> None:
        """Raise if there is no network with this value."""
        if name != "n_sites":
            self._infinite().check(name, value)
        elif value != int(value):
            raise ValueError(f"n_sites must be a whole number, got {float(value)!r}")
        elif self.method == "spins" and number_of_sites(int(value)) > MOST_SPINS:
            raise ValueError(f"n_sites must be <= {MOST_SPINS:.0e} for explicit spins, got {int(value)}")
        else:
            number_of_sites(int(value))

    def _infinite(self) -> AttentionSweep:
        plan = Plan(model=self.model, n_steps=self.n_steps, n_transient=self.n_transient, record=self.record)
        return AttentionSweep(plan, self.start)

    def specification(self) -> dict[str, Any]:
        """Return the network, the start and the run."""
        groups = site_groups(self.model.features)
        spec = self._infinite().specification()
        own = ("n_steps", "n_transient", "n_replicas", "seed", "method", "fill", "record", "n_rows", "every", "theory")
        sites_of = {"signs": groups.signs, "columns": groups.columns, "shares": [str(share) for share in groups.shares]}
        return {
            "job": "finite network",
            "features": {**spec["features"], "sites": sites_of},
            "model": {**spec["model"], "n_sites": self.n_sites},
            "start": spec["start"],
            "run": {"n_exponents": 0, **{name: getattr(self, name) for name in own}},
        }

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> NetworkSweep:
        """Return the job that a specification describes."""
        model = {name: value for name, value in spec["model"].items() if name != "n_sites"}
        run = {name: value for name, value in spec["run"].items() if name != "n_exponents"}
        recipe = {name: value for name, value in spec["features"].items() if name != "sites"}
        return cls(
            model=model_of(recipe, model),
            n_sites=spec["model"]["n_sites"],
            start=Start.from_specification(spec["start"]),
            **run,
        )

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Run the replicas of a block of points side by side."""
        points, size = task.points, len(task.index)
        if self.model.drive is not None:
            strength = float(points["strength"][0])  # one for all of a block
            if strength != self.model.drive.strength:
                model = self.model.replace(drive=Drive(self.model.drive.tokens, strength))
                return dataclasses.replace(self, model=model).run(task, n_threads, tick)
        batch = self._batch(points, task.index, n_threads)
        work = self.n_transient + self.n_steps
        rows, arrays = self._rows(batch, lambda steps: tick(steps * size / work))
        shape = (size, self.n_replicas)
        arrays = {name: array.reshape(*shape, *array.shape[1:]) for name, array in arrays.items()}
        arrays["status"] = batch.failed().astype(np.int8).reshape(shape)
        if self.record:
            arrays["n_recorded"] = np.full(size, rows)
        if self.theory:
            states = self._states(points, 1)
            beside = {name: points[name] for name in PARAMETERS}
            infinite = Batch(self.model, **beside, states=states, n_threads=n_threads)
            arrays["theory_attention"] = self._rows(infinite)[1]["attention"]
            apart = arrays["attention"] - arrays["theory_attention"][:, None]
            arrays["deviation"] = np.sqrt((apart**2).sum(axis=-1).mean(axis=-1))
        return {**points, **arrays}

    def _states(self, points: Mapping[str, np.ndarray], n_replicas: int) -> list[State]:
        states = states_of_points([self.start] * len(points["epsilon"]), self.model, points)
        return [state for state in states for _ in range(n_replicas)]

    def _batch(
        self, points: Mapping[str, np.ndarray], index: Sequence[int] | np.ndarray, n_threads: int | None
    ) -> NetworkBatch:
        groups, n = site_groups(self.model.features), self.n_replicas
        sizes = [groups.sizes(int(n_sites), self.fill, self.seed) for n_sites in points["n_sites"].tolist()]
        return NetworkBatch(
            self.model,
            np.repeat(points["beta"], n),
            np.repeat(points["gamma"], n),
            np.repeat(points["epsilon"], n),
            sizes=np.repeat(sizes, n, axis=0),
            keys=keys(self.seed, index, n),
            states=self._states(points, n),
            method=self.method,
            n_threads=n_threads,
        )

    def _rows(self, batch: AnyBatch, tick: Callable[[float], None] | None = None) -> tuple[int, Arrays]:
        """Take a batch through the run; return how many rows it recorded, and the records by name."""
        assert self.n_rows is not None  # filled in by __post_init__
        rows = batch.new_record(self.record, self.n_rows, Every(self.every))
        unrecorded = self.n_steps - (self.n_rows - 1) * self.every - 1
        batch.advance(self.n_transient + unrecorded, tick=tick)
        batch.advance(self.n_steps - unrecorded, record=rows, tick=tick)
        return self.n_rows, rows.arrays()

    @property
    def kept(self) -> float:
        """How many doubles a point leaves."""
        assert self.n_rows is not None
        beside = self.model.n_features * self.theory
        return float(self.n_rows * (self.n_replicas * row_size(self.model, self.record) + beside))

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time."""
        return 16.0 * self.kept * size  # it is also packed for its file

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point from a short run of the one with most sites."""
        which = np.argmax(points["n_sites"])
        batch = self._batch({name: values[which : which + 1] for name, values in points.items()}, [0], 1)
        n_steps, spent = 1, 0.0
        while spent < 0.05:
            n_steps *= 2
            begun = time.process_time()
            batch.advance(n_steps)
            spent = time.process_time() - begun
        one = spent / n_steps * (self.n_transient + self.n_steps)
        rows = self.kept
        each = f"{self.n_replicas} networks of {self.n_transient + self.n_steps} steps each"
        assert self.n_rows is not None  # filled in by __post_init__
        clouds = self.n_replicas + self.theory if self.record else 0
        drawn = float(self.n_rows * clouds * (self.model.n_features + 1))
        return Estimate(each=each, seconds=one, stored=rows, memory=2 * rows, drawn=drawn)

    def no_picture(self, grid: Grid) -> str | None:
        """Return why no picture can be made of a grid; None: it can."""
        if pictures.name_for(self.record, grid.dims, grid.shape):
            return None
        return super().no_picture(grid) or nothing_of(self.record, grid.shape)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say how many networks left the real numbers."""
        return AttentionSweep.failures(result)

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
        """Draw the orbits of all replicas over one axis, beside the theory if that was run."""
        return pictures.draw(result, feature, variable)
