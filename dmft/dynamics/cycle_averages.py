"""Exponents of stable cycles that doubles hide of their multipliers, from tangents taken round the cycles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from .exponents import Estimates, Exponents, estimated
from .system import System

MANY = 64  # dimensions beyond which all tangents take longer than a label
N_TURNING = 256  # samples in which tangents turn into place
N_AVERAGED, N_TURNS = 512, 8  # samples and turns of the averages, at least
N_AGAIN = 64  # samples of what is measured in another way, which takes longer
ROUNDED = 1e-11  # relative: no average is better
STEADY = 0.1  # in a turn: what moves by more is of rounding alone, or of directions that turn about each other
PARTED = 36.0  # nepers in all turns, by which those that did are told apart
_NUMBERS = 2**22  # in all frames, and in the growth of all tangents, at a time


@np.errstate(all="ignore")  # NaN is what is not known here
def fill(
    system: System,
    periods: np.ndarray,
    exponents: np.ndarray,
    stderr: np.ndarray,
    n_exponents: int,
    at_length: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exponents of cycles with averages in the place of those that are hidden.

    On a cycle every turn is like the one before: averages over whole turns have no error but that of rounding, and of
    pairs that turn about each other; what has another volume in every turn is of rounding alone, and stays NaN.
    Tangents of all directions may come from both ends (`System.begin_tangents`), and tell what multipliers, which are
    products from one end, do not.

    Parameters
    ----------
    system : System
        Orbits on stable cycles. It is not changed.
    periods : ndarray of int, shape (n_points,)
        Steps of a turn.
    exponents, stderr : ndarray, shape (n_points, n_dim)
        Descending, NaN where they are not known. What is known stays.
    n_exponents : int
        So many of them are asked for.
    at_length : bool, default=False
        Whether seconds for an orbit may be spent.

    Returns
    -------
    exponents, stderr : ndarray, shape (n_points, n_dim)

    Examples
    --------
    >>> from dmft.systems import Map
    >>> two = Map(lambda x: 1e-9 * x, [[0.0, 0.0]], lambda x: np.diag([0.5, 1e-30])[None])
    >>> values, errors = fill(two, np.array([1]), np.array([[np.log(0.5), np.nan]]), np.array([[0.0, np.nan]]), 2)
    >>> bool(abs(values[0, 1] - np.log(1e-30)) < 1e-12)
    True
    """
    exponents, stderr = exponents.copy(), stderr.copy()
    hidden = np.flatnonzero(np.isnan(exponents[:, :n_exponents]).any(axis=1))
    n_tangents = system.n_dim if system.n_dim <= MANY else n_exponents
    n_samples = np.lcm(periods, system.period) // system.period
    for some in _parts(hidden, n_samples, system.n_dim, n_tangents):
        values, errors = _averages(system.select(some), n_samples[some], n_tangents, at_length)
        here = exponents[some, :n_tangents]
        known = ~np.isnan(here)
        # By as many errors as averages miss what is known, those of what is not known may be off, too.
        errors = np.maximum(errors, ROUNDED * np.abs(values))
        missed = np.where(known & np.isfinite(here), np.abs(values - here) / errors, 0.0)
        errors = errors * np.maximum(1.0, np.nanmax(missed, axis=1))[:, None]
        # An average above a multiplier that is known is of rounding.
        least = np.fmin.accumulate(np.where(known, here, np.inf), axis=1)
        told = ~known & (values <= least + errors)
        if n_tangents == system.n_dim:
            _complete(system.select(some), n_samples[some], np.where(told, values, here), values, errors, told)
        exponents[some, :n_tangents] = np.where(told, values, here)
        stderr[some, :n_tangents] = np.where(told, errors, stderr[some, :n_tangents])
    return exponents, stderr


def _complete(
    system: System, turns: np.ndarray, best: np.ndarray, values: np.ndarray, errors: np.ndarray, told: np.ndarray
) -> None:
    """Find the only exponent that is not known from the sum of all."""
    for turn, place in _by_turn(turns):
        alone = place[(np.isnan(best[place]).sum(axis=1) == 1) & ~np.isneginf(best[place]).any(axis=1)]
        if not alone.size:
            continue
        total = system.select(alone)._log_volume(turn * system.period)
        last = np.isnan(best[alone]).argmax(axis=1)
        values[alone, last] = total - np.nansum(best[alone], axis=1)
        errors[alone, last] = ROUNDED * np.abs(total) + np.where(told[alone], errors[alone], 0.0).sum(axis=1)
        told[alone, last] = ~np.isnan(total)


def _by_turn(turns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield every length of a turn, and the places of those that have it."""
    for turn in sorted(set(turns.tolist())):
        yield turn, np.flatnonzero(turns == turn)


def _averaged(turns: np.ndarray) -> np.ndarray:
    """Return over how many samples averages go: whole turns."""
    return turns * np.maximum(N_TURNS, -(-N_AVERAGED // turns))


def _parts(points: np.ndarray, turns: np.ndarray, n_dim: int, n_tangents: int) -> Iterator[np.ndarray]:
    """Yield points that go together, as few cost as much as many: those with shorter turns first, some at a time."""
    points = points[np.argsort(_averaged(turns[points]), kind="stable")]
    while points.size:
        numbers = np.arange(1, points.size + 1) * n_tangents * np.maximum(n_dim, _averaged(turns[points]))
        n = max(1, np.count_nonzero(numbers <= _NUMBERS))
        yield points[:n]
        points = points[n:]


def _averages(system: System, turns: np.ndarray, n_tangents: int, at_length: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return exponents and errors of orbits on cycles of so many samples, each (n_points, n_tangents)."""
    system.begin_tangents(n_tangents)
    system.turn_tangents()
    system.strobe(N_TURNING, tangents=True, states=False)
    system.forget_lost()
    exponents, stderr = np.empty((2, system.n_points, n_tangents))
    left, n_samples, series = np.arange(system.n_points), _averaged(turns), np.empty((system.n_points, 0, n_tangents))
    while left.size:
        now = int(n_samples[left].min())
        more = system.strobe(now - series.shape[1], tangents=True, states=False)[1]
        series, over = np.concatenate([series, more], axis=1), n_samples[left] == now
        for turn, place in _by_turn(np.where(over, turns[left], 0)):
            if not turn:
                continue
            some = system.select(place)
            found = Exponents(some.n_points, n_tangents, some.n_dim, some.period * turn, now // turn)
            found.add(series[place], turn)
            last = estimated(some, found, dimension=False)
            last = _believed(last, series[place].reshape(some.n_points, -1, turn, n_tangents).sum(axis=2))
            last = some._measured_again(last, max(N_AGAIN, 4 * turn), turn, at_length)
            exponents[left[place]], stderr[left[place]] = last.exponents, last.stderr
        left, series, system = left[~over], series[~over], system.select(np.flatnonzero(~over))
    return exponents, stderr


def _believed(found: Estimates, growth: np.ndarray) -> Estimates:
    """Return estimates with NaN for what is of rounding, by the growth in every turn (n_points, n_turns, n_tangents).

    The noise that rounding leaves of directions that are annihilated after several turns has no steady volume. What
    turns about each other is known to how far it has come apart.
    """
    exponents, stderr = found.exponents.copy(), found.stderr.copy()
    alone = (growth.std(axis=1) <= STEADY).all(axis=1)  # every direction by itself, as nearly always
    steady = ~np.isfinite(exponents) | alone[:, None]
    for i in np.flatnonzero(~alone):
        place = np.argsort(found.order[i])
        for space in _steady(growth[i]):
            steady[i, place[space]] = True
            if np.ptp(growth[i][:, space].sum(axis=0)) < PARTED:
                here = exponents[i, place[space]]
                stderr[i, place[space]] = np.fmax(stderr[i, place[space]], here.max() - here.min())
    return dataclasses.replace(
        found, exponents=np.where(steady, exponents, np.nan), stderr=np.where(steady, stderr, np.nan)
    )


def _steady(growth: np.ndarray) -> Iterator[np.ndarray]:
    """Yield which directions span spaces that all turns (n_turns, n_tangents) stretch by the same volume.

    Some turn about each other, so that each stretches by another length in every turn. They are found from the first
    on, and from the last on.
    """
    n, told = growth.shape[1], 0
    for order in (np.arange(n), np.arange(n)[::-1]):
        first = 0
        for end in range(1, n + 1 - told):
            if growth[:, order[first:end]].sum(axis=1).std() <= STEADY:
                yield order[first:end]
                first = end
        told = first
