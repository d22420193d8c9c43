"""Measure the Lyapunov exponents of one orbit of any system, with errors, a stop rule and a history."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import number, whole
from .._util.memory import free_memory
from .._util.progress import shows_progress, working
from .._util.reporting import tell
from .._util.values import Frozen
from .cycle_averages import fill
from .cycles.newton import complete, cycle_bytes, find_cycles
from .exponents import Estimates, Exponents, estimated, history_arrays, history_marks, run_to
from .recurrence import ARRIVED, cycle_length
from .system import System
from .transients import run_transient, tangent_numbers

MAX_STEPS = 2_000_000  # of a run with a tolerance, if not told otherwise
MULTIPLIERS = 2.0**30  # nobody asked for the multipliers of a cycle that take more
FAR = 1e-3  # relative: an average that is not of the cycle it was taken on
N_RETURNS = 512  # samples in which a cycle must return


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Spectrum(Frozen):
    """Lyapunov exponents of one orbit.

    Attributes
    ----------
    exponents : ndarray, shape (n_exponents,)
        Descending, in nats per step. -inf where the map annihilates a direction; NaN where
        the stretch was below rounding in more than one of 64 steps, so that nothing is known but that it lies
        between its finite neighbours. Of a network such exponents are measured again in more digits, if these do; the
        functions of a `Map` have none.
    stderr : ndarray, shape (n_exponents,)
        Their standard errors: 0 for -inf, NaN for NaN.
    regular : bool
        Whether the growth is that of regular motion. Then the exponents are weighted averages, and the error is
        the difference between the halves of the run; else they are means, with the error of batch means.
    period : int
        Where the orbit has come to rest on a stable cycle, its period in steps: the exponents are
        then the logarithms of its multipliers, and the errors 0, or averages over whole turns. Else 0.
    kaplan_yorke, kaplan_yorke_stderr : float
        The Kaplan-Yorke dimension and its error; NaN where it takes more exponents.
    n_lost : ndarray of int, shape (n_exponents,)
        Steps in which the stretch was below rounding: a few widen the error, many leave the exponent NaN, or to
        what is measured in more digits.
    n_steps : int
        Steps that were averaged over.
    converged : bool or None
        Whether the errors are within the tolerance; None if none was asked for.
    steps, history, history_stderr : ndarray, shape (n_history,) and (n_history, n_exponents)
        Exponents and errors as they were after so many steps, in the order of `exponents`.
    window : Start or None
        Where the orbit ended; None for a system that has no starts.
    """

    exponents: np.ndarray
    stderr: np.ndarray
    regular: bool
    period: int
    kaplan_yorke: float
    kaplan_yorke_stderr: float
    n_lost: np.ndarray
    n_steps: int
    converged: bool | None
    steps: np.ndarray
    history: np.ndarray
    history_stderr: np.ndarray
    window: Any
    _run: Run = dataclasses.field(repr=False)

    @shows_progress
    @own_arithmetic
    def resume(
        self,
        n_steps: int,
        *,
        tolerance: float | None = None,
        max_steps: int | None = None,
        n_history: int = 0,
        progress: bool = True,
    ) -> Spectrum:
        """Continue the run, with what it knows: the numbers are those of one run.

        To the last bit if the steps in all are the steps before times a power of two, as the stop rule has it; else
        the weighted averages are over other windows.

        Parameters
        ----------
        n_steps : int
            Steps to add, >= 1.
        tolerance, max_steps, n_history
            As for `lyapunov`; `max_steps` counts all steps of the run.
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        Spectrum
            The history goes on too.

        Raises
        ------
        ValueError
            If an argument is outside its domain.
        FloatingPointError
            If the orbit leaves the real numbers.

        Examples
        --------
        >>> from dmft.systems import Map
        >>> logistic = Map(lambda x: 3.9 * x * (1 - x), [[0.3]], lambda x: (3.9 - 7.8 * x)[..., None])
        >>> half, whole = (measure_spectrum(logistic, n) for n in (4_000, 8_000))
        >>> bool((half.resume(4_000).exponents == whole.exponents).all())
        True
        """
        run = self._run.copy()
        return run.to(self.n_steps + whole("n_steps", n_steps, 1), tolerance, max_steps, n_history)


@dataclasses.dataclass(slots=True, eq=False)
class Run:
    """A run so far: the orbit and its tangents, and what is known of their growth.

    Attributes
    ----------
    system : System
        Of one orbit, with tangents.
    exponents : Exponents
    marks : list of (int, Estimates)
        The history: numbers of samples, and what was known then.
    multipliers : bool
        Whether to look for a cycle.
    """

    system: System
    exponents: Exponents
    marks: list[tuple[int, Estimates]]
    multipliers: bool

    def copy(self) -> Run:
        """Return a run that may go on without a change to this one."""
        return Run(self.system.select([0]), self.exponents.select([0]), [*self.marks], self.multipliers)

    def to(self, n_steps: int, tolerance: float | None, max_steps: int | None, n_history: int) -> Spectrum:
        """Go on until so many steps in all, or until the errors are small; return the spectrum."""
        tolerance = None if tolerance is None else number("tolerance", tolerance, 0.0)
        max_steps = max(MAX_STEPS, n_steps) if max_steps is None else whole("max_steps", max_steps, 1)
        if max_steps < n_steps:
            raise ValueError(f"max_steps must be >= the {n_steps} steps asked for, got {max_steps}")
        begun, period = self.exponents.n_samples, self.system.period
        n_samples = max(begun + 1, n_steps // period)
        most = max(n_samples, max_steps // period)
        marks = set(history_marks(begun, n_samples, whole("n_history", n_history, 0)))
        converged = None
        while True:
            if tolerance is not None:
                marks.add(n_samples)
            with working((n_samples - self.exponents.n_samples) * period) as tick:
                self.marks += run_to(self.system, self.exponents, n_samples, marks, tick=tick)
            self.system.check_finite()
            found = estimated(self.system, self.exponents)
            found, period_found = self._on_a_cycle(found)
            if not period_found:
                found = self.system._measured_again(found, n_samples, at_length=True)
            if tolerance is not None:
                errors = found.stderr[~np.isnan(found.exponents)]
                converged = bool(errors.size and (errors <= tolerance).all())
            if tolerance is None or converged or n_samples >= most:
                return self._spectrum(found, period_found, converged)
            n_samples = min(2 * n_samples, most)

    def _on_a_cycle(self, found: Estimates) -> tuple[Estimates, int]:
        """Return the estimates with a cycle's multipliers in their place, and its period, where the orbit is on one."""
        window_map = self.system.window_map() if self.multipliers else None
        if window_map is None or found.exponents[0, 0] > 0.0:
            return found, 0
        system = self.system.select([0])
        states = system.strobe(N_RETURNS)[0]
        period = cycle_length(states[0]) * system.period
        if not period:
            return found, 0
        n_bytes = cycle_bytes(window_map, period)
        if n_bytes > min(MULTIPLIERS, free_memory()):
            tell(
                f"the exponents are averages, not those of the multipliers of the cycle of period {period} that the "
                f"orbit is on: these take {n_bytes / 2**30:.3g} GiB; multipliers=False asks for averages",
                stacklevel=2,
            )
            return found, 0
        windows = states[:, -1].reshape(1, window_map.n_context, window_map.n_features)
        cycles = find_cycles(window_map, windows, [period], phase=system.phase)
        if not (cycles.found[0] and cycles.distance[0] <= np.sqrt(ARRIVED)):
            return found, 0
        n_exponents = found.exponents.shape[1]
        exponents = complete(window_map, cycles, n_exponents).exponents
        if not exponents[0, 0] < 0.0:
            return found, 0
        stderr = np.where(np.isnan(exponents), np.nan, 0.0)
        if np.isnan(exponents).any():
            exponents, stderr = fill(system, cycles.period, exponents, stderr, n_exponents, at_length=True)
        exponents, stderr = exponents[:, :n_exponents], stderr[:, :n_exponents]
        settled = dataclasses.replace(found, exponents=exponents, stderr=stderr, regular=np.array([True]))
        n_lost = np.where(np.isnan(settled.exponents), np.maximum(found.n_lost, 1), 0)
        return dataclasses.replace(settled, n_lost=n_lost), int(cycles.period[0])

    def _spectrum(self, found: Estimates, period: int, converged: bool | None) -> Spectrum:
        history, history_stderr = history_arrays([past for _, past in self.marks], found.order)
        if period and self.marks:  # averages that missed the multipliers were of rounding
            with np.errstate(invalid="ignore"):
                miss = np.abs(history[:, -1:] - found.exponents[:, None])
                wrong = ~(miss <= 10.0 * history_stderr[:, -1:] + FAR * np.abs(found.exponents[:, None]))
            wrong &= np.isfinite(history[:, -1:])
            history, history_stderr = (np.where(wrong, np.nan, x) for x in (history, history_stderr))
        return Spectrum(
            exponents=found.exponents[0],
            stderr=found.stderr[0],
            regular=bool(found.regular[0]),
            period=period,
            kaplan_yorke=float(found.kaplan_yorke[0]),
            kaplan_yorke_stderr=float(found.kaplan_yorke_stderr[0]),
            n_lost=found.n_lost[0],
            n_steps=self.exponents.n_samples * self.system.period,
            converged=converged,
            steps=np.array([n_samples * self.system.period for n_samples, _ in self.marks], dtype=int),
            history=history[0],
            history_stderr=history_stderr[0],
            window=self.system.continuation(),
            _run=self,
        )


@own_arithmetic
def measure_spectrum(
    system: System,
    n_steps: int,
    *,
    tolerance: float | None = None,
    max_steps: int | None = None,
    n_transient: int = 1_000,
    n_tangent_transient: int | None = None,
    n_exponents: int | None = None,
    n_history: int = 0,
    qr_interval: int = 1,
    multipliers: bool = True,
) -> Spectrum:
    """Measure the Lyapunov exponents of a system of one orbit, which is not changed; see `dmft.lyapunov`.

    Examples
    --------
    >>> from dmft.systems import Map
    >>> doubling = Map(lambda x: 4 * x * (1 - x), [[0.3]], lambda x: (4 - 8 * x)[..., None])
    >>> spectrum = measure_spectrum(doubling, 10_000)
    >>> bool(abs(spectrum.exponents[0] - np.log(2)) < 5 * spectrum.stderr[0])
    True
    """
    n_steps = whole("n_steps", n_steps, 1)
    if n_exponents is not None:
        whole("n_exponents", n_exponents, 1)
    if system.n_points != 1:
        raise ValueError(f"system must have one orbit, got {system.n_points}")
    n_transient, n_exponents, n_tangent_transient = tangent_numbers(
        system.n_dim, n_transient, n_exponents, n_tangent_transient
    )
    system = system.select([0])
    run_transient(system, n_transient, n_exponents, n_tangent_transient, whole("qr_interval", qr_interval, 1))
    n_samples = max(1, n_steps // system.period)
    exponents = Exponents(1, n_exponents, system.n_dim, system.period, n_samples)
    return Run(system, exponents, [], bool(multipliers)).to(n_steps, tolerance, max_steps, n_history)
