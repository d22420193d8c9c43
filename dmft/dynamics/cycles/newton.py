"""Find cycles by Newton's method, stable or not, many at once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import instance, number, numbers, places, shown, whole
from ..._util.memory import need_memory
from ..._util.values import Frozen
from . import linear, many_digits
from .window_map import WindowMap, windows_of

TOLERANCE = 1e-11  # largest residual of a cycle, relative to its size where that exceeds 1
SAME = 1e-6  # tokens this near, relative to the largest, may be one token of a shorter cycle
MAX_PERIOD = 10**9  # token steps
MAX_STEPS = 40
MAX_HALVINGS = 8
WIDE = np.log(1e10)  # logarithms of multipliers so far apart may be of rounding
N_DRAWS = 2  # of the signs of rounding
_FEW = 5_000  # token steps of a map that cost hardly more than one
_PIECE = 20_000  # token steps solved for at once: some hundred MB


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycle(Frozen):
    r"""A periodic orbit and how it attracts or repels.

    Attributes
    ----------
    orbit : ndarray, shape (period, n_features)
        Row t is the vector made in step t; step 0 has phase 0.
    residual : float
        Largest miss of any step, :math:`\max_t |f_t(\ldots) - x_t|`.
    multipliers : ndarray of complex, shape (n_context * n_features,)
        Of one turn round the cycle, descending in modulus. Below 1e-308 they are shown as 0.
    exponents : ndarray, shape (n_context * n_features,)
        :math:`\log|\mu|` per step, in nats; see `Spectrum` for NaN and -inf.
    """

    orbit: np.ndarray
    residual: float
    multipliers: np.ndarray
    exponents: np.ndarray

    @property
    def period(self) -> int:
        """Smallest number of steps after which everything repeats."""
        return len(self.orbit)

    @property
    def n_unstable(self) -> int:
        """Number of multipliers outside the unit circle."""
        return int(np.count_nonzero(self.exponents > 0))

    @property
    def stable(self) -> bool:
        """Whether all multipliers are inside the unit circle."""
        return bool(self.exponents[0] < 0)  # what is unknown lies below what is known

    @property
    def kind(self) -> Literal["stable node", "stable focus", "saddle", "repeller", "unknown"]:
        """Whether it attracts, and how; "unknown" where rounding hides all multipliers."""
        if np.isnan(self.exponents[0]):
            return "unknown"
        if self.stable:
            return "stable focus" if self.multipliers[0].imag else "stable node"
        return "repeller" if np.all(self.exponents > 0) else "saddle"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycles(Frozen):
    """Results of Newton's method from many guesses.

    Attributes
    ----------
    found : ndarray of bool, shape (n_points,)
    period : ndarray of int, shape (n_points,)
        Minimal period of the cycle; where none was found, that of the guess.
    orbits : list of ndarray, shape (period, n_features)
        The cycle, step 0 at phase 0; where none was found, the last iterate.
    residual : ndarray, shape (n_points,)
        Largest miss of any step; inf where the orbit left the real numbers.
    distance : ndarray, shape (n_points,)
        Largest difference from the guess.
    error : ndarray, shape (n_points,)
        How far rounding may have moved the orbit; inf where none was found.
    growth, angle : ndarray, shape (n_points, n_context * n_features)
        Logarithms of the multipliers, as of `linear.multipliers`; NaN where none was found.
    """

    found: np.ndarray
    period: np.ndarray
    orbits: list[np.ndarray]
    residual: np.ndarray
    distance: np.ndarray
    error: np.ndarray
    growth: np.ndarray
    angle: np.ndarray

    def select(self, points: Sequence[int]) -> Cycles:
        """Return the results of some of the points."""
        points = places("points", points, len(self.orbits)).tolist()
        some = {
            field.name: getattr(self, field.name)[points]
            for field in dataclasses.fields(self)
            if field.name != "orbits"
        }
        return Cycles(orbits=[self.orbits[i] for i in points], **some)

    @property
    def exponents(self) -> np.ndarray:
        """Nats per token step, (n_points, n_context * n_features), descending."""
        return self.growth / self.period[:, None]

    @property
    def multipliers(self) -> np.ndarray:
        """Complex multipliers, (n_points, n_context * n_features)."""
        with np.errstate(over="ignore"):
            return np.exp(self.growth) * np.exp(1j * self.angle)


@np.errstate(over="ignore", invalid="ignore")  # an orbit that leaves the real numbers is data
@own_arithmetic
def find_cycles(
    system: WindowMap,
    windows: np.ndarray,
    periods: ArrayLike,
    *,
    phase: int = 0,
    tolerance: float = TOLERANCE,
    patience: int = MAX_STEPS,
) -> Cycles:
    """Search for a cycle from the window of every point of a map.

    Parameters
    ----------
    system : WindowMap
        With n_points points.
    windows : ndarray, shape (n_points, n_context, n_features)
        On or near the cycle, newest first.
    periods : array_like of int, shape (n_points,)
        Token steps; need not be minimal, but a multiple of the period of the position.
    phase : int, default=0
        Position of the step after the windows.
    tolerance : float, default=1e-11
    patience : int, default=40
        Steps of Newton's method within which the residual must halve, or the guess is given up: near a cycle one will
        do. Default: as many as there are at most.

    Returns
    -------
    Cycles
        One entry for each point; none raises.

    Raises
    ------
    ValueError
        If a period is no multiple of the period of the phase, the windows have another shape, or the map has no such
        phase.

    Examples
    --------
    The logistic map has a stable 2-cycle at 3.2:

    >>> from dmft.systems import Map
    >>> logistic = Map(lambda x: 3.2 * x * (1 - x), [[0.5]], lambda x: (3.2 - 6.4 * x)[..., None])
    >>> found = find_cycles(logistic.window_map(), np.array([[[0.5]]]), [2])
    >>> found.period.tolist(), found.multipliers.real.round(9).tolist()
    ([2], [[0.16]])
    """
    instance("system", system, WindowMap, "a dmft.orbits.WindowMap")
    tolerance, patience = number("tolerance", tolerance, 0.0), whole("patience", patience, 1)
    one_each = numbers("periods", periods, rule="be whole numbers")
    if one_each.dtype.kind not in "iu" or one_each.shape not in ((), (1,), (system.n_points,)):
        raise ValueError(f"periods must be whole numbers of shape ({system.n_points},), got {shown(periods)}")
    periods = np.broadcast_to(one_each, system.n_points)
    good = (periods % system.phases == 0) & (periods >= 1) & (periods <= MAX_PERIOD)
    if not good.all():
        most = f"{system.n_phases}..{MAX_PERIOD}"
        raise ValueError(f"periods must be multiples of {system.n_phases} in {most}, got {periods[~good][0]}")
    windows, _, phase = system.beginning(windows, 1, phase)
    n_turn = -phase % system.n_phases
    guesses: list[np.ndarray] = [np.empty(0)] * system.n_points
    for period in sorted(set(periods.tolist())):  # np.unique would load numpy.ma
        points = np.flatnonzero(periods == period)
        for some, part in zip(points, system.take(points).run(windows[points], n_turn + period, phase), strict=True):
            guesses[some] = part[n_turn:]
    return polish(system, guesses, tolerance=tolerance, patience=patience)


@np.errstate(over="ignore", invalid="ignore")
@threadpool_limits.wrap(limits=1, user_api="blas")  # more only slow it down, and may change the last bits
def polish(
    system: WindowMap, guesses: Sequence[np.ndarray], *, tolerance: float = TOLERANCE, patience: int = MAX_STEPS
) -> Cycles:
    """Search for the cycle near each guess (period, n_features), whose step 0 has phase 0."""
    n_points, size = system.n_points, system.n_context * system.n_features
    n_steps = max((len(guess) for guess in guesses), key=functools.partial(cycle_bytes, system), default=0)
    if n_steps:
        need_memory(
            f"a cycle of period {n_steps} in {size} dimensions", cycle_bytes(system, n_steps), "seek a shorter one"
        )
    orbits, residual = list(guesses), np.full(n_points, np.inf)
    phases, period = system.phases, np.array([len(guess) for guess in guesses])
    for points in _groups(period, phases):
        orbit, residual[points] = newton(system.take(points), np.stack([guesses[i] for i in points]), patience)
        for i, solved in zip(points, orbit, strict=True):
            orbits[i] = solved
    scale = np.array([max(1.0, np.abs(orbit).max()) for orbit in orbits])
    found = np.isfinite(residual) & (residual <= tolerance * scale)
    distance = np.array([np.abs(orbit - guess).max() for orbit, guess in zip(orbits, guesses, strict=True)])

    # A guess may go round a shorter cycle several times.
    near = [SAME * np.abs(orbit).max() + 1e-13 for orbit in orbits]
    returns = [first_return(orbits[i], phases[i], near[i]) if found[i] else period[i] for i in range(n_points)]
    shorter = np.array(returns, dtype=int)
    for points in _groups(shorter, phases, shorter < period):
        starts = [orbits[i].reshape(-1, shorter[i], system.n_features).mean(axis=0) for i in points]
        orbit, miss = newton(system.take(points), np.stack(starts))
        for i, start, solved, left in zip(points, starts, orbit, miss, strict=True):
            if left <= tolerance * scale[i] and np.abs(solved - start).max() <= near[i]:
                orbits[i], residual[i], period[i] = solved, left, shorter[i]

    growth, angle = np.full((n_points, size), np.nan), np.zeros((n_points, size))
    error = np.full(n_points, np.inf)
    for points in _groups(period, phases, found):
        windows = windows_of(np.stack([orbits[i] for i in points]), system.n_context)
        following, rows = system.take(points).linearize(windows)
        error[points] = _rounding_error(windows, following, rows, residual[points])
        some = system.take(points)
        reduced, doubt = some._reduced(rows), some._errors(windows, rows)
        its_growth, its_angle, _ = linear.multipliers(reduced, error=doubt, near=some._near)
        n_read = its_growth.shape[1]
        growth[points, :n_read], angle[points, :n_read] = its_growth, its_angle
        growth[points, n_read:] = -np.inf
    with np.errstate(invalid="ignore"):
        suspect = np.flatnonzero(found & ~(growth[:, -1] > growth[:, 0] - WIDE))
    if suspect.size:  # what vanishes by the structure of the map, rounding would hide
        vanished = np.arange(size) >= system.take(suspect).n_directions[:, None]
        growth[suspect] = np.where(vanished, -np.inf, growth[suspect])
    for i in np.flatnonzero(found & np.isnan(growth[:, 0])).tolist():  # else it is not known whether it is stable
        one = system.take([i])
        growth[i], angle[i] = many_digits.complete(one, orbits[i], growth[i], angle[i], many_digits.LITTLE)
    return Cycles(found, period, orbits, residual, distance, error, growth, angle)


def complete(system: WindowMap, cycles: Cycles, n: int | None = None) -> Cycles:
    """Return cycles of a map with those of the leading n multipliers that doubles do not tell; see `many_digits`."""
    growth, angle = cycles.growth.copy(), cycles.angle.copy()
    for i in np.flatnonzero(cycles.found & np.isnan(growth[:, :n]).any(axis=1)).tolist():
        growth[i], angle[i] = many_digits.complete(system.take([i]), cycles.orbits[i], growth[i], angle[i])
    return dataclasses.replace(cycles, growth=growth, angle=angle)


def _rounding_error(windows: np.ndarray, following: np.ndarray, rows: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Return how far cycles move if every step misses by its rounding or the residual, (n_points,).

    The signs of the misses are drawn; the shift grows with what they have in common with the slow directions.
    """
    moved = np.einsum("ptdab,ptdb->pta", np.abs(rows), np.abs(windows))
    miss = linear.EPS * (np.abs(following) + moved) + residual[:, None, None]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(N_DRAWS, *miss.shape[1:]))
    shift = np.abs(linear.solve(rows, miss[:, None] * signs)).max(axis=(1, 2, 3))
    return np.where(np.isfinite(shift), shift, np.inf)


def best(result: Cycles, tolerance: float, period: int) -> int:
    """Return which cycle is the best found near guesses of one period, or say how near none came."""
    if not result.found.any():
        raise RuntimeError(
            f"Newton's method must reach a residual <= {tolerance:g}, got {result.residual.min():.2g} "
            f"for period {period}; start nearer to the cycle, search longer, or ask for another period"
        )
    # The whole period rather than a part of it, then the guess that was best.
    return int(np.lexsort((result.distance, -result.period, ~result.found))[0])


def returns(orbit: np.ndarray, period: int, n_context: int, n_phases: int, most: int) -> list[np.ndarray]:
    """Return the turns of an orbit (n_steps, n_features) whose windows come nearest to themselves a period later.

    Each begins in a step of phase 0, as the orbit does.
    """
    step = np.abs(orbit[period:] - orbit[:-period]).max(axis=1)
    miss = np.lib.stride_tricks.sliding_window_view(step, n_context).max(axis=1)
    # Window k ends before step k + n_context.
    first = -n_context % n_phases
    miss, guesses = miss[first::n_phases].copy(), list[np.ndarray]()
    apart = -(-period // (2 * n_phases))
    while len(guesses) < most and np.isfinite(miss).any():
        nearest = int(np.argmin(miss))
        begin = n_context + first + n_phases * nearest
        guesses.append(orbit[begin : begin + period])
        miss[max(nearest - apart, 0) : nearest + apart + 1] = np.inf
    return guesses


def cycle_bytes(system: WindowMap, period: int) -> float:
    """Return how much memory it takes to find a cycle of a map, and its multipliers: for those sought at a time."""
    size, n_points = float(system.n_context * system.n_features), min(system.n_points, max(1, _PIECE // period))
    # The factors of every step, the rows of the derivative, and the segments with what is eliminated of them.
    per_step = size**2 + 3.0 * size * system.n_features + 16.0 * size**2 / system.n_context
    return 8.0 * n_points * (period * per_step + 16.0 * size**2)


def _groups(period: np.ndarray, phases: np.ndarray, chosen: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield the indices of points of one period, not too many at a time."""
    chosen = np.ones(len(period), dtype=bool) if chosen is None else chosen
    for length, n_phases in sorted(set(zip(period[chosen].tolist(), phases[chosen].tolist(), strict=True))):
        points = np.flatnonzero(chosen & (period == length) & (phases == n_phases))
        n = max(1, _PIECE // length)
        yield from (points[i : i + n] for i in range(0, len(points), n))


def first_return(orbit: np.ndarray, n_phases: int, tolerance: float) -> int:
    """Return the first multiple of n_phases that divides the period and brings the orbit back."""
    period = len(orbit)
    for n in range(n_phases, period, n_phases):
        if period % n == 0 and np.abs(np.roll(orbit, n, axis=0) - orbit).max() <= tolerance:
            return n
    return period


def newton(system: WindowMap, guess: np.ndarray, patience: int = MAX_STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the cycles of one period near the guesses, every token an unknown.

    Parameters
    ----------
    system : WindowMap
    guess : ndarray, shape (n_points, period, n_features)
    patience : int, default=40
        See `find_cycles`.

    Returns
    -------
    orbit : ndarray, shape (n_points, period, n_features)
    residual : ndarray, shape (n_points,)
        inf where the guess or what came of it is not finite.
    """

    def look(points: np.ndarray, orbit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        following, rows = system.take(points).linearize(windows_of(orbit, system.n_context))
        miss = following - orbit
        size = np.abs(miss).max(axis=(1, 2))
        return miss, rows, np.where(np.isfinite(size) & np.isfinite(rows).all(axis=(1, 2, 3, 4)), size, np.inf)

    orbit = np.array(guess, dtype=float)
    miss, rows, residual = look(np.arange(len(orbit)), orbit)
    active = np.flatnonzero(np.isfinite(residual))
    halved, since = residual.copy(), np.zeros(len(orbit), dtype=int)
    for _ in range(MAX_STEPS):
        active = active[residual[active] > 0.0]
        if not active.size:
            break
        move = linear.solve(rows[active], miss[active])
        fraction, waiting = 1.0, np.isfinite(move).all(axis=(1, 2))
        better = np.zeros(active.size, dtype=bool)
        while waiting.any() and fraction > 2.0**-MAX_HALVINGS:
            points = active[waiting]
            # A guess that leads nowhere is halved to the end in every step. Of few steps several fractions take no
            # longer than one.
            n = 1 if fraction == 1.0 else max(1, min(MAX_HALVINGS, _FEW // (points.size * orbit.shape[1])))
            fractions = [f for f in fraction * 0.5 ** np.arange(n) if f > 2.0**-MAX_HALVINGS]
            trials = np.concatenate([orbit[points] + f * move[waiting] for f in fractions])
            new_miss, new_rows, new_residual = look(np.tile(points, len(fractions)), trials)
            smaller = new_residual.reshape(len(fractions), -1) < residual[points]
            accept, largest = smaller.any(axis=0), smaller.argmax(axis=0)
            taken, best_of = points[accept], (largest * points.size + np.arange(points.size))[accept]
            orbit[taken], residual[taken] = trials[best_of], new_residual[best_of]
            miss[taken], rows[taken] = new_miss[best_of], new_rows[best_of]
            better[np.flatnonzero(waiting)[accept]] = True
            # Near rounding a whole step that does not help is the last one.
            waiting[waiting] = ~accept & (residual[points] > TOLERANCE)
            fraction = fractions[-1] / 2.0
        active, since = active[better], since + 1
        less = residual <= 0.5 * halved
        halved[less], since[less] = residual[less], 0
        active = active[since[active] < patience]
    return orbit, residual
