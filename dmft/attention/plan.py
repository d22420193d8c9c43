"""What one run of a sweep does at every point."""

from __future__ import annotations

import dataclasses

import numpy as np

from .._util.checks import whole
from ..dynamics.exponents import Exponents, follow
from .directions import n_directions_of
from .model import SelfAttention
from .records import Every, SignChanges, check_record

ENOUGH = 2_048  # samples of the growth of tangents, or up to twice as many


def tangent_numbers(dimension, n_transient, n_exponents, n_tangent_transient):
    """Return the numbers of transient steps, of exponents and of steps with tangents among the former, checked."""
    n_transient = whole("n_transient", n_transient, 0)
    n_exponents = dimension if n_exponents is None else whole("n_exponents", n_exponents, 0)
    if n_exponents > dimension:
        raise ValueError(f"n_exponents must be <= n_context * n_features = {dimension}, got {n_exponents}")
    if n_tangent_transient is None:
        n_tangent_transient = min(n_transient // 10, 1_000)
    if whole("n_tangent_transient", n_tangent_transient, 0) > n_transient:
        raise ValueError(f"n_tangent_transient must be <= n_transient = {n_transient}, got {n_tangent_transient}")
    return n_transient, n_exponents, int(n_tangent_transient)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
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
        Steps between two orthogonalisations.
    attractor : bool, default=False
        Whether to judge, after the transient, what the orbit settles on; see `dmft.attractor`.

    Notes
    -----
    Exponents are measured over whole intervals of n_context steps, or of 2, 4, ... times as many in runs so long that
    there are more than enough of them; what is left of `n_steps` counts for the orbit alone.
    """

    model: SelfAttention
    n_steps: int
    n_transient: int = 1_000
    record: tuple = ()
    n_rows: int | None = None
    every: int = 1
    section: int | None = None
    n_exponents: int | None = 0
    n_tangent_transient: int | None = None
    n_history: int = 0
    qr_interval: int = 1
    attractor: bool = False

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        for name, least in (("n_steps", 1), ("every", 1), ("n_history", 0), ("qr_interval", 1)):
            put(name, whole(name, getattr(self, name), least))
        size = self.model.n_context * self.model.n_features
        numbers = tangent_numbers(size, self.n_transient, self.n_exponents, self.n_tangent_transient)
        for name, value in zip(("n_transient", "n_exponents", "n_tangent_transient"), numbers, strict=True):
            put(name, value)
        if self.n_exponents and self.n_steps < self.model.n_context:
            raise ValueError(f"n_steps must be >= n_context = {self.model.n_context} for exponents, got {self.n_steps}")
        if self.n_history > self.n_steps:
            raise ValueError(f"n_history must be <= n_steps = {self.n_steps}, got {self.n_history}")
        put("record", check_record(self.record))
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

    def check_start(self, state):
        """Raise unless the transient fills the window before tangents begin."""
        n_missing = self.model.n_context - len(state.attention) + (state.preset is not None)
        if self.n_exponents and self.n_transient - self.n_tangent_transient < n_missing:
            least = n_missing + self.n_tangent_transient
            raise ValueError(f"n_transient must be >= {least} to fill the window, got {self.n_transient}")

    @property
    def work(self):
        """Steps of a run, transient and all."""
        return self.n_transient + self.n_steps

    def begin(self, batch, tick=None):
        """Take a batch through the transient, and its tangents through theirs."""
        n_tangents = self.n_tangent_transient if self.n_exponents else 0
        batch.advance(self.n_transient - n_tangents, tick=tick)
        if self.n_exponents:
            batch.begin_tangents(self.n_exponents, self.qr_interval)
            batch.advance(n_tangents, tangents=True, tick=tick)
            batch.n_lost[:] = 0

    def run(self, batch, tick=None):
        """Take a batch through the plan; return arrays by name, points first."""
        tangents = self.n_exponents > 0
        self.begin(batch, tick)
        # The first row to keep, and the last strobe before it: a few rows more come in between.
        first_row = 0 if self.section is not None else self.n_steps - (self.n_rows - 1) * self.every - 1
        first = first_row // self.interval * self.interval
        n_extra = len(range(first_row - self.every, first - 1, -self.every))
        rule = Every(self.every, (first_row - first) % self.every)
        if self.section is not None:
            rule = SignChanges(self.section)
        rows = batch.new_record(self.record, self.n_rows + n_extra, rule)
        measured = {}
        if tangents:
            measured = self._measure(batch, rows, first, tick)
        else:
            batch.advance(first, tick=tick)
        done = self.n_samples * self.interval if tangents else first
        batch.advance(self.n_steps - done, record=rows, tick=tick)
        arrays = {name: array[:, n_extra:] for name, array in rows.arrays().items()}
        if self.record:
            arrays["n_recorded"] = rows.n_recorded - n_extra
        return {**arrays, "window": batch.window.copy(), "status": batch.failed().astype(np.int8), **measured}

    @property
    def interval(self):
        """Steps from one sample of the growth to the next."""
        interval = self.model.n_context
        while self.n_steps >= 2 * ENOUGH * interval:
            interval *= 2
        return interval

    @property
    def n_samples(self):
        """Whole intervals of the run."""
        return self.n_steps // self.interval

    @property
    def marks(self):
        """Steps after which a running exponent is taken; the last is that of the result."""
        samples = np.unique(np.linspace(0, self.n_samples, max(self.n_history, 1) + 1).astype(int)[1:])
        return samples[samples > 0] * self.interval

    def _measure(self, batch, rows, first, tick):
        """Exponents of all points, recording rows from step `first` on."""
        exponents = Exponents(
            batch.n_points, self.n_exponents, batch.n_dim, self.interval, self.n_samples, batch.n_threads
        )
        history, done, interval = [], 0, self.interval
        for end in sorted({first, *self.marks.tolist()} - {0}):
            record = rows if done >= first else None
            follow(batch, exponents, (end - done) // interval, interval=interval, record=record, tick=tick)
            done = end
            if self.n_history and end in self.marks:
                history.append(exponents.estimate())
        last = exponents.estimate(batch.n_lost, n_directions_of(batch, self.model))
        arrays = {"exponents": last.exponents, "stderr": last.stderr, "kaplan_yorke": last.kaplan_yorke}
        arrays["kaplan_yorke_stderr"] = last.kaplan_yorke_stderr
        arrays["n_lost"] = np.take_along_axis(batch.n_lost, last.order, axis=1)
        if history:
            arrays["history"] = np.stack([past.of_tangents("exponents", last.order) for past in history], axis=1)
            arrays["history_stderr"] = np.stack([past.of_tangents("stderr", last.order) for past in history], axis=1)
        return arrays
