"""The plan of a run: a transient, then steps that are recorded and measured, the same for all points of a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _kernels
from .._util.checks import shown, whole, words
from .._util.memory import need_memory
from .._util.values import Value
from ..dynamics.exponents import Exponents, estimated, history_arrays, history_marks, run_to
from ..dynamics.system import Tick
from ..dynamics.transients import run_transient, tangent_numbers
from .batch import Batch
from .drive import presets
from .measures import MEASURES
from .model import SelfAttention, network_of
from .records import Every, Record, SignChanges, check_record, row_size
from .start import State

ENOUGH = 2_048  # samples of the growth of tangents, or up to twice as many

_AGAIN = 128  # periods in which what is lost is measured in another way, which takes long
_MOST_STEPS, _MOST_INTERVAL = 2**62, 2**31 - 1  # what the kernels can count


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan(Value):
    """What one run does: a transient, then steps that are recorded and measured.

    Parameters
    ----------
    model : SelfAttention
        Gives the sizes.
    n_steps : int
        Token steps after the transient, >= 1.
    n_transient : int, default=1000
        Token steps before.
    record : sequence of str, default=()
        Arrays of the orbit to keep; see `dmft.trajectory`.
    n_rows : int or None, default=None
        How many rows of the orbit to keep, the last ones (with `section`: the first ones). None:
        all, or 1000 with `section`.
    every : int, default=1
        Keep one of so many steps.
    section : int or None, default=None
        Keep the steps in which this attention component changes its sign.
    n_exponents : int or None, default=0
        How many Lyapunov exponents; None: all, L*M.
    n_tangent_transient : int or None, default=None
        The last steps of the transient, in which tangents turn into place. None: a tenth of the
        transient, at most 1000.
    n_history : int, default=0
        How many running exponents to keep, with their errors.
    qr_interval : int, default=1
        Steps between two orthogonalisations; 1: as often as frames need it.
    after_transient : sequence of str, default=()
        Measures that look at the orbit at the end of the transient, such as "attractor"; see `MEASURES`.

    Notes
    -----
    Exponents are measured over whole intervals of n_context steps, or of 2, 4, ... times as many in runs so long that
    there are more than enough of them; what is left of `n_steps` counts for the orbit alone.
    """

    model: SelfAttention
    n_steps: int
    n_transient: int = 1_000
    record: Sequence[str] = ()
    n_rows: int = None  # type: ignore[assignment] # None until __post_init__ counts the rows
    every: int = 1
    section: int | None = None
    n_exponents: int = 0
    n_tangent_transient: int = None  # type: ignore[assignment] # None until __post_init__ takes the default
    n_history: int = 0
    qr_interval: int = 1
    after_transient: tuple[str, ...] = ()

    @classmethod
    def of_measures(cls, model: SelfAttention, measure: str | Sequence[str], **arguments: Any) -> Plan:
        """Return the plan of a run with some of MEASURES; what belongs to the others is left out.

        Parameters
        ----------
        model : SelfAttention
        measure : str or sequence of {"orbit", "lyapunov", "attractor", "irreversibility"}
        **arguments
            As for `Plan`, all that any measure may ask for. Default: ``record=("attention",)``, ``n_exponents=None``.

        Raises
        ------
        ValueError
            If a measure does not exist, there is none, or an argument is outside its domain.

        Examples
        --------
        >>> from dmft import Features
        >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
        >>> plan = Plan.of_measures(model, "lyapunov", n_steps=100, record=("attention", "query"))
        >>> plan.record, plan.n_exponents, plan.after_transient
        ((), 12, ())
        """
        network_of(model)
        measures = words("measure", measure)
        unknown = [repr(name) for name in measures if name not in MEASURES]
        if unknown or not measures:
            names = tuple(MEASURES)
            raise ValueError(f"measure must name some of {names}, got {unknown[0] if unknown else 'none'}")
        arguments = {"record": ("attention",), "n_exponents": None, **arguments}
        for name, measure_of_sweeps in MEASURES.items():
            if name not in measures:
                arguments.update(measure_of_sweeps.without)
        after = tuple(name for name in MEASURES if name in measures and MEASURES[name].after_transient)
        return cls(model=model, after_transient=after, **arguments)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        for name, least in (("n_steps", 1), ("every", 1), ("n_history", 0), ("qr_interval", 1)):
            put(name, whole(name, getattr(self, name), least))
        size = self.model.n_context * self.model.n_features
        numbers = tangent_numbers(
            size, self.n_transient, self.n_exponents, self.n_tangent_transient, "n_context * n_features"
        )
        for name, value in zip(("n_transient", "n_exponents", "n_tangent_transient"), numbers, strict=True):
            put(name, value)
        if self.n_transient + self.n_steps > _MOST_STEPS:
            raise ValueError(f"n_transient + n_steps must be <= 2**62, got {self.n_transient} + {self.n_steps}")
        if self.qr_interval > _MOST_INTERVAL:
            raise ValueError(f"qr_interval must be <= {_MOST_INTERVAL}, got {self.qr_interval}")
        if self.n_exponents and self.n_steps < self.model.period:
            name = "n_context" if self.model.drive is None else "the period"
            raise ValueError(f"n_steps must be >= {name} = {self.model.period} for exponents, got {self.n_steps}")
        if self.n_history > self.n_steps:
            raise ValueError(f"n_history must be <= n_steps = {self.n_steps}, got {self.n_history}")
        put("record", check_record(self.record))
        put("after_transient", tuple(self.after_transient))
        for name in self.after_transient:
            if name not in MEASURES or MEASURES[name].after_transient is None:
                raise ValueError(f"after_transient must name measures of the transient's end, got {shown(name)}")
            if (check := MEASURES[name].check) is not None:
                check(self.model)
        if self.section is not None:
            put("section", whole("section", self.section, 0))
            if self.section >= self.model.n_features:
                raise ValueError(f"section must be < n_features = {self.model.n_features}, got {self.section}")
            if self.every != 1:
                raise ValueError(f"every must be 1 with a section, got {self.every}")
        most = self.n_steps if self.section is not None else -(-self.n_steps // self.every)
        if self.n_rows is None:
            put("n_rows", min(most, 1_000) if self.section is not None else most)
        put("n_rows", whole("n_rows", self.n_rows, 1))
        if self.n_rows > most:
            raise ValueError(f"n_rows must be <= {most}, the steps that could be recorded, got {self.n_rows}")
        need_memory(f"n_rows = {self.n_rows}", 8.0 * self.n_rows * self.row_size, "keep fewer")
        need_memory(f"n_history = {self.n_history}", 32.0 * self.n_history * self.n_exponents, "ask for fewer")

    def check_start(self, state: State) -> None:
        """Raise unless the transient fills the window before tangents begin."""
        n_own = 0 if state.preset is None else presets(state.preset).shape[1]
        n_missing = self.model.n_context - len(state.attention) + n_own
        if self.n_exponents and self.n_transient - self.n_tangent_transient < n_missing:
            least = n_missing + self.n_tangent_transient
            raise ValueError(f"n_transient must be >= {least} to fill the window, got {self.n_transient}")

    @property
    def work(self) -> int:
        """Steps of a run, transient and all."""
        return self.n_transient + self.n_steps

    def begin(self, batch: Batch, tick: Tick | None = None) -> None:
        """Take a batch through the transient, and its tangents through theirs."""
        run_transient(batch, self.n_transient, self.n_exponents, self.n_tangent_transient, self.qr_interval, tick)

    def run(self, batch: Batch, tick: Tick | None = None) -> dict[str, np.ndarray]:
        """Take a batch through the plan; return arrays by name, points first."""
        self.begin(batch, tick)
        # The first row to keep, and the last strobe before it; a few rows may come before the former, where tangents
        # are not made orthogonal in every step.
        first_row = 0 if self.section is not None else self.n_steps - (self.n_rows - 1) * self.every - 1
        first, n_extra = first_row, 0
        if self.n_exponents:
            first = first_row // self.interval * self.interval
            if first < self.n_samples * self.interval:  # else no tangents are there any more
                sizes = self.model.n_features, self.model.n_context, self.n_exponents
                together = _kernels.steps_together(*sizes, self.qr_interval)
                n_extra = ((first_row - first) % together) // self.every
        rule: Every | SignChanges = Every(self.every, first_row - first)
        if self.section is not None:
            rule = SignChanges(self.section)
        rows = batch.new_record(self.record, self.n_rows + n_extra, rule)
        measured, done = {}, first
        if self.n_exponents:
            measured, done = self._measure(batch, rows, first, tick), self.n_samples * self.interval
        else:
            batch.advance(first, tick=tick)
        batch.advance(self.n_steps - done, record=rows, tick=tick)
        arrays = {name: array[:, n_extra:] for name, array in rows.arrays().items()}
        if self.record:
            arrays["n_recorded"] = rows.n_recorded - n_extra
        return {**arrays, "window": batch.window.copy(), "status": batch.failed().astype(np.int8), **measured}

    @property
    def row_size(self) -> int:
        """Numbers of a row of the orbit."""
        return row_size(self.model, self.record)

    @property
    def interval(self) -> int:
        """Steps from one sample of the growth to the next."""
        interval = self.model.period
        while self.n_steps >= 2 * ENOUGH * interval:
            interval *= 2
        return interval

    @property
    def n_samples(self) -> int:
        """Whole intervals of the run."""
        return self.n_steps // self.interval

    @property
    def marks(self) -> np.ndarray:
        """Steps after which a running exponent is taken; the last is that of the result."""
        return np.array(history_marks(0, self.n_samples, max(self.n_history, 1))) * self.interval

    def _measure(self, batch: Batch, rows: Record, first: int, tick: Tick | None) -> dict[str, np.ndarray]:
        """Exponents of all points, recording rows from step `first` on."""
        n_samples = self.n_samples
        exponents = Exponents(batch.n_points, self.n_exponents, batch.n_dim, self.interval, n_samples, batch.n_threads)
        marks = history_marks(0, n_samples, self.n_history)
        history = []
        for end, record in ((first // self.interval, None), (n_samples, rows)):
            history += run_to(batch, exponents, end, marks, interval=self.interval, record=record, tick=tick)
        last = estimated(batch, exponents)
        last = batch._measured_again(last, min(_AGAIN, self.n_steps // batch.period))
        arrays = {"exponents": last.exponents, "stderr": last.stderr, "kaplan_yorke": last.kaplan_yorke}
        arrays["kaplan_yorke_stderr"] = last.kaplan_yorke_stderr
        arrays["n_lost"] = last.n_lost
        if history:
            estimates = [past for _, past in history]
            arrays["history"], arrays["history_stderr"] = history_arrays(estimates, last.order)
        return arrays
