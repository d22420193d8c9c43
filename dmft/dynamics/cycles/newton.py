"""Cycles by Newton's method, stable or not, many at once."""

from __future__ import annotations

import dataclasses

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.checks import finite, number, whole
from ...attention.batch import Record, check_finite, single
from ...attention.model import SelfAttention
from ...attention.start import Start
from . import cyclic
from .window_map import AttentionMap

TOLERANCE = 1e-11  # largest residual of a cycle, relative to its size where that exceeds 1
SAME = 1e-6  # tokens this near, relative to the largest, may be one token of a shorter cycle
MAX_STEPS = 40
MAX_HALVINGS = 8
N_GUESSES = 12  # turns of an orbit to start from
_PIECE = 20_000  # token steps solved for at once: some hundred MB


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    r"""A periodic orbit and how it attracts or repels.

    Attributes
    ----------
    model : SelfAttention
    attention : ndarray, shape (period, n_features)
        Row t is the attention made in step t; step 0 has phase 0.
    residual : float
        Largest miss of any step, :math:`\max_t |f_t(\ldots) - A_t|`.
    multipliers : ndarray of complex, shape (n_context * n_features,)
        Of one turn round the cycle, descending in modulus. Below 1e-308 they are shown as 0.
    exponents : ndarray, shape (n_context * n_features,)
        :math:`\log|\mu|` per token step, in nats; see `Spectrum` for NaN and -inf.

    See Also
    --------
    cycle : finds one.
    """

    model: SelfAttention
    attention: np.ndarray
    residual: float
    multipliers: np.ndarray
    exponents: np.ndarray

    @property
    def period(self):
        """Smallest number of token steps after which everything repeats."""
        return len(self.attention)

    @property
    def n_unstable(self):
        """Number of multipliers outside the unit circle."""
        return int(np.count_nonzero(self.exponents > 0))

    @property
    def stable(self):
        """Whether all multipliers are inside the unit circle."""
        return bool(self.exponents[0] < 0)  # what is unknown lies below what is known

    @property
    def kind(self):
        """One of "stable node", "stable focus", "saddle" and "repeller"."""
        if self.stable:
            return "stable focus" if self.multipliers[0].imag else "stable node"
        return "repeller" if np.all(self.exponents > 0) else "saddle"

    @property
    def window(self):
        """Start that lands on it: step 0 of the run is step 0 of the cycle."""
        rows = (-1 - np.arange(self.model.n_context)) % self.period
        return Start.window(self.attention[rows])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """What Newton's method made of many guesses.

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
    growth, angle : ndarray, shape (n_points, n_context * n_features)
        Logarithms of the multipliers, as of `cyclic.multipliers`; NaN where none was found.
    """

    found: np.ndarray
    period: np.ndarray
    orbits: list
    residual: np.ndarray
    distance: np.ndarray
    growth: np.ndarray
    angle: np.ndarray

    @property
    def exponents(self):
        """Nats per token step, (n_points, n_context * n_features), descending."""
        return self.growth / self.period[:, None]

    @property
    def multipliers(self):
        """Complex multipliers, (n_points, n_context * n_features)."""
        with np.errstate(over="ignore"):
            return np.exp(self.growth) * np.exp(1j * self.angle)


def windows_of(orbit, n_context):
    """Return the window before each step of cycles (..., period, n_features)."""
    period = orbit.shape[-2]
    rows = (np.arange(period)[:, None] - 1 - np.arange(n_context)) % period
    return orbit[..., rows, :]


@np.errstate(over="ignore", invalid="ignore")  # an orbit that leaves the real numbers is data
def find_cycles(system, windows, periods, *, phase=0, tolerance=TOLERANCE):
    """Search for a cycle from the window of every point of a map.

    Parameters
    ----------
    system : WindowMap
        With n_points points; an `AttentionMap` carries arrays of beta, gamma, epsilon.
    windows : ndarray, shape (n_points, n_context, n_features)
        On or near the cycle, newest first.
    periods : array_like of int, shape (n_points,)
        Token steps; need not be minimal, but a multiple of the period of the position.
    phase : int, default=0
        Position of the step after the windows.
    tolerance : float, default=1e-11

    Returns
    -------
    Cycles
        One entry for each point; none raises.
    """
    periods = np.broadcast_to(periods, system.n_points)
    bad = periods % system.phases != 0
    if np.any(bad) or np.any(periods < 1):
        raise ValueError(f"periods must be multiples of {system.n_phases}, got {periods[bad | (periods < 1)][0]}")
    n_turn = -phase % system.n_phases
    guesses = [None] * system.n_points
    for period in np.unique(periods):
        points = np.flatnonzero(periods == period)
        for some, part in zip(points, system.take(points).run(windows[points], n_turn + period, phase), strict=True):
            guesses[some] = part[n_turn:]
    return polish(system, guesses, tolerance=tolerance)


@np.errstate(over="ignore", invalid="ignore")
@threadpool_limits.wrap(limits=1, user_api="blas")  # more only slow it down, and may change the last bits
def polish(system, guesses, *, tolerance=TOLERANCE):
    """Search for the cycle near each guess (period, n_features), whose step 0 has phase 0."""
    n_points, size = system.n_points, system.n_context * system.n_features
    orbits, residual = list(guesses), np.full(n_points, np.inf)
    phases, period = system.phases, np.array([len(guess) for guess in guesses])
    for points in _groups(period, phases):
        orbit, residual[points] = newton(system.take(points), np.stack([guesses[i] for i in points]))
        for i, solved in zip(points, orbit, strict=True):
            orbits[i] = solved
    scale = np.array([max(1.0, np.abs(orbit).max()) for orbit in orbits])
    found = np.isfinite(residual) & (residual <= tolerance * scale)
    distance = np.array([np.abs(orbit - guess).max() for orbit, guess in zip(orbits, guesses, strict=True)])

    # A guess may go round a shorter cycle several times.
    near = [SAME * np.abs(orbit).max() + 1e-13 for orbit in orbits]
    shorter = [first_return(orbits[i], phases[i], near[i]) if found[i] else period[i] for i in range(n_points)]
    shorter = np.array(shorter, dtype=int)
    for points in _groups(shorter, phases, shorter < period):
        starts = [orbits[i].reshape(-1, shorter[i], system.n_features).mean(axis=0) for i in points]
        orbit, miss = newton(system.take(points), np.stack(starts))
        for i, start, solved, left in zip(points, starts, orbit, miss, strict=True):
            if left <= tolerance * scale[i] and np.abs(solved - start).max() <= near[i]:
                orbits[i], residual[i], period[i] = solved, left, shorter[i]

    growth, angle = np.full((n_points, size), np.nan), np.zeros((n_points, size))
    for points in _groups(period, phases, found):
        windows = windows_of(np.stack([orbits[i] for i in points]), system.n_context)
        rows = system.take(points).linearize(windows)[1]
        growth[points], angle[points], _ = cyclic.multipliers(rows)
    suspect = np.flatnonzero(found & ~np.isfinite(growth).all(axis=1))
    if suspect.size:  # what vanishes by the structure of the map, rounding would hide
        vanished = np.arange(size) >= system.take(suspect).rank[:, None]
        growth[suspect] = np.where(vanished, -np.inf, growth[suspect])
    return Cycles(found, period, orbits, residual, distance, growth, angle)


def _groups(period, phases, chosen=None):
    """Yield the indices of points of one period, not too many at a time."""
    chosen = np.ones(len(period), dtype=bool) if chosen is None else chosen
    for kind in np.unique(np.stack([period, phases])[:, chosen], axis=1).T:
        points = np.flatnonzero(chosen & (period == kind[0]) & (phases == kind[1]))
        n = max(1, _PIECE // int(kind[0]))
        yield from (points[i : i + n] for i in range(0, len(points), n))


def first_return(orbit, n_phases, tolerance):
    """Return the first multiple of n_phases that divides the period and brings the orbit back."""
    period = len(orbit)
    for n in range(n_phases, period, n_phases):
        if period % n == 0 and np.abs(np.roll(orbit, n, axis=0) - orbit).max() <= tolerance:
            return n
    return period


def newton(system, guess):
    """Solve for the cycles of one period near the guesses, every token an unknown.

    Parameters
    ----------
    system : WindowMap
    guess : ndarray, shape (n_points, period, n_features)

    Returns
    -------
    orbit : ndarray, shape (n_points, period, n_features)
    residual : ndarray, shape (n_points,)
        inf where the guess or what came of it is not finite.
    """

    def look(points, orbit):
        following, rows = system.take(points).linearize(windows_of(orbit, system.n_context))
        miss = following - orbit
        size = np.abs(miss).max(axis=(1, 2))
        return miss, rows, np.where(np.isfinite(size) & np.isfinite(rows).all(axis=(1, 2, 3, 4)), size, np.inf)

    orbit = np.array(guess, dtype=float)
    miss, rows, residual = look(np.arange(len(orbit)), orbit)
    active = np.flatnonzero(np.isfinite(residual))
    for _ in range(MAX_STEPS):
        active = active[residual[active] > 0.0]
        if not active.size:
            break
        move = cyclic.solve(rows[active], miss[active])
        fraction, waiting = 1.0, np.isfinite(move).all(axis=(1, 2))
        better = np.zeros(active.size, dtype=bool)
        while waiting.any() and fraction > 2.0**-MAX_HALVINGS:
            points = active[waiting]
            trial = orbit[points] + fraction * move[waiting]
            new_miss, new_rows, new_residual = look(points, trial)
            accept = new_residual < residual[points]
            taken = points[accept]
            orbit[taken], residual[taken] = trial[accept], new_residual[accept]
            miss[taken], rows[taken] = new_miss[accept], new_rows[accept]
            better[np.flatnonzero(waiting)[accept]] = True
            # Near rounding a whole step that does not help is the last one.
            waiting[waiting] = ~accept & (residual[points] > TOLERANCE)
            fraction /= 2.0
        active = active[better]
    return orbit, residual


def cycle(model, period, *, start=None, guess=None, n_transient=1_000, n_search=10_000, tolerance=TOLERANCE):
    r"""Find a cycle of the network, stable or unstable.

    Newton's method on all tokens of the cycle at once, from a guess: what is given, or those parts
    of an orbit that come nearest to themselves after `period` steps.

    Parameters
    ----------
    model : SelfAttention
    period : int
        Token steps, >= 1; a multiple of the period of the position code (n_context, unless
        epsilon = 0). If the cycle is shorter, its own period is found.
    start : Start, optional
        Where the orbit begins that is searched. Default: ``Start.random(0)``.
    guess : array_like, shape (period, n_features), optional
        Attention of one turn; row 0 is made in a step of phase 0. Nothing is run then.
    n_transient, n_search : int, default=1000 and 10000
        Token steps that are run before, and that are searched.
    tolerance : float, default=1e-11
        Largest residual to accept, relative to the size of the cycle where that exceeds 1.

    Returns
    -------
    Cycle

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    FloatingPointError
        If the orbit leaves the real numbers.
    RuntimeError
        If Newton's method does not converge; the message says how near it came.

    References
    ----------
    .. [1] Kuznetsov, Elements of Applied Bifurcation Theory, ch. 10.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    >>> found = cycle(model, 4)
    >>> found.kind, round(float(found.exponents[0]), 14)
    ('stable focus', -0.00107283396865)
    """
    if not isinstance(model, SelfAttention):
        raise ValueError(f"model must be a dmft.SelfAttention, got {model!r}")
    tolerance = number("tolerance", tolerance, 0.0)
    system = AttentionMap(model)
    period = whole("period", period, 1)
    if period % system.n_phases:
        raise ValueError(
            f"period must be a multiple of {system.n_phases}, the period of the position code, got {period}"
        )
    if guess is None:
        guesses = _returns(model, period, start, n_transient, n_search)
    else:
        guesses = [finite("guess", guess, (period, model.n_features))]
    return refined(model, *guesses, tolerance=tolerance)


def refined(model, *guesses, tolerance=TOLERANCE):
    """Return the best cycle of a model near some guesses of one period, or say how near none came."""
    result = polish(AttentionMap(model).take(np.zeros(len(guesses), dtype=int)), guesses, tolerance=tolerance)
    if not result.found.any():
        raise RuntimeError(
            f"Newton's method must reach a residual <= {tolerance:g}, got {result.residual.min():.2g} "
            f"for period {len(guesses[0])}; start nearer to the cycle, search longer, or ask for another period"
        )
    # The whole period rather than a part of it, then the guess that was best.
    best = np.lexsort((result.distance, -result.period, ~result.found))[0]
    return Cycle(
        model=model,
        attention=result.orbits[best],
        residual=float(result.residual[best]),
        multipliers=result.multipliers[best],
        exponents=result.exponents[best],
    )


def _returns(model, period, start, n_transient, n_search):
    """Return the turns of an orbit whose windows come nearest to themselves, each from a step of phase 0."""
    n_transient, n_search = whole("n_transient", n_transient, 0), whole("n_search", n_search, 1)
    n_context = model.n_context
    batch = single(model, start)
    batch.advance(n_transient + (-batch.phase - n_transient) % n_context)
    n_steps = n_search + period + n_context
    record = Record(batch, ("attention",), n_steps)
    batch.advance(n_steps, record=record)
    check_finite(batch, model)
    orbit = record.arrays()["attention"][0]
    # How far the window of each step of phase 0 is from that a period later.
    step = np.abs(orbit[period:] - orbit[:-period]).max(axis=1)
    miss = np.lib.stride_tricks.sliding_window_view(step, n_context).max(axis=1)[::n_context]
    guesses, apart = [], -(-period // (2 * n_context))
    while len(guesses) < N_GUESSES and np.isfinite(miss).any():
        best = int(np.argmin(miss))
        first = n_context * (best + 1)
        guesses.append(orbit[first : first + period])
        miss[max(best - apart, 0) : best + apart + 1] = np.inf
    return guesses
