"""The plan of a run of a `Map`: a transient, then steps that are kept and measured, for a batch of orbits."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._util.checks import whole, words
from .._util.memory import need_memory
from .._util.values import Value
from ..dynamics.exponents import Exponents, estimated, history_arrays, history_marks, run_to
from ..dynamics.labels import VARIABLES as LABELS
from ..dynamics.labels import arrays_of, with_labels
from ..dynamics.system import Tick
from ..dynamics.transients import run_transient, tangent_numbers
from .model import Map, map_of
from .runs import settle
from .system import MapSystem

_EXPONENT = ("exponent",)
VARIABLES: dict[str, dict[str, tuple[tuple[str, ...], str, str]]] = {
    "orbit": {
        "states": (("record", "component"), "1", "states of the orbit"),
        "n_recorded": ((), "1", "rows of the orbit that are filled"),
    },
    "lyapunov": {
        "exponents": (_EXPONENT, "nat / step", "Lyapunov exponents, descending"),
        "stderr": (_EXPONENT, "nat / step", "standard errors of the exponents"),
        "n_lost": (_EXPONENT, "step", "steps in which a stretch was below rounding"),
        "kaplan_yorke": ((), "1", "Kaplan-Yorke dimension"),
        "kaplan_yorke_stderr": ((), "1", "error of the Kaplan-Yorke dimension"),
        "history": (("record", "exponent"), "nat / step", "running Lyapunov exponents"),
        "history_stderr": (("record", "exponent"), "nat / step", "standard errors of the running exponents"),
    },
    "attractor": {
        name: (dims, unit.replace("token ", ""), meaning.replace("n_context", "period"))
        for name, (dims, unit, meaning) in LABELS.items()
    },
}
"""The measures by name: the arrays that each adds, with dimensions, unit and meaning."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan(Value):
    """What one run of a map does; `dmft.sweep` says what the arguments are."""

    model: Map
    measure: tuple[str, ...] = ("orbit",)
    n_steps: int
    n_transient: int = 1_000
    n_rows: int | None = None
    every: int = 1
    n_exponents: int | None = None
    n_tangent_transient: int | None = None
    n_history: int = 0
    qr_interval: int = 1

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        map_of(self.model)
        put("measure", tuple(dict.fromkeys(words("measure", self.measure))))
        unknown = [repr(name) for name in self.measure if name not in VARIABLES]
        if unknown or not self.measure:
            raise ValueError(
                f"measure must name some of {tuple(VARIABLES)} of a map, got {unknown[0] if unknown else 'none'}"
            )
        for name, least in (("n_steps", 1), ("every", 1), ("n_history", 0), ("qr_interval", 1)):
            put(name, whole(name, getattr(self, name), least, 2**62))
        asked = self.n_exponents if "lyapunov" in self.measure else 0
        numbers = tangent_numbers(self.model.n_dim, self.n_transient, asked, self.n_tangent_transient)
        for name, value in zip(("n_transient", "n_exponents", "n_tangent_transient"), numbers, strict=True):
            put(name, value)
        if self.n_exponents and self.n_steps < self.model.period:
            raise ValueError(f"n_steps must be >= {self.model.period} for exponents, got {self.n_steps}")
        if self.n_history > self.n_steps:
            raise ValueError(f"n_history must be <= n_steps = {self.n_steps}, got {self.n_history}")
        most = -(-self.n_steps // self.every)
        n_rows = 0 if "orbit" not in self.measure else most if self.n_rows is None else whole("n_rows", self.n_rows, 1)
        if n_rows > most:
            raise ValueError(f"n_rows must be <= {most}, the steps that could be recorded, got {n_rows}")
        need_memory(f"n_rows = {n_rows}", 8.0 * n_rows * self.model.size, "keep fewer")
        put("n_rows", n_rows)

    @property
    def work(self) -> int:
        """Steps of a run, transient and all."""
        return self.n_transient + self.n_steps

    def specification(self) -> dict[str, Any]:
        """Return the numbers of the plan by name."""
        plan = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("model", "measure")}
        return {"measure": list(self.measure), "section": None, **plan}

    def run(self, system: MapSystem, tick: Tick | None = None) -> dict[str, np.ndarray]:
        """Take a batch through the plan; return arrays by name, points first."""
        found: dict[str, np.ndarray] = {}
        assert self.n_exponents is not None  # for hints: they are counted when the plan is made
        assert self.n_rows is not None
        n_left = int(self.n_tangent_transient or 0) if self.n_exponents else 0
        if "attractor" in self.measure:  # first, so that what is recorded lies on what the orbit settles on
            system.advance(self.n_transient - n_left, tick=tick)
            each = settle(system)
            found |= arrays_of(each, min(max(4, self.n_exponents), system.n_dim))
            system.move_to(np.stack([one.states[-1] for one in each]))
            run_transient(system, n_left, self.n_exponents, n_left, self.qr_interval, tick)
        else:
            run_transient(system, self.n_transient, self.n_exponents, n_left, self.qr_interval, tick)
        if self.n_exponents:
            found = with_labels(found, self._exponents(system.select(range(system.n_points))))
        first = self.n_steps - (self.n_rows - 1) * self.every - 1 if self.n_rows else self.n_steps
        system.advance(first, tick=tick)
        if self.n_rows:
            found["states"] = system.orbit(self.n_steps - first, self.every)
            found["n_recorded"] = np.full(system.n_points, self.n_rows)
        return {**found, "window": system.windows.copy(), "status": system.failed().astype(np.int8)}

    def _exponents(self, system: MapSystem) -> dict[str, np.ndarray]:
        """Return the exponents of a batch whose tangents are in place; the batch is used up."""
        assert self.n_exponents is not None
        n_samples = self.n_steps // system.period
        exponents = Exponents(system.n_points, self.n_exponents, system.n_dim, system.period, n_samples)
        marks = history_marks(0, n_samples, self.n_history)
        history = run_to(system, exponents, n_samples, marks)
        last = estimated(system, exponents)
        names = ("exponents", "stderr", "kaplan_yorke", "kaplan_yorke_stderr", "n_lost")
        arrays = {name: getattr(last, name) for name in names}
        if history:
            arrays["history"], arrays["history_stderr"] = history_arrays([past for _, past in history], last.order)
        return arrays
