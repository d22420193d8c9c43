"""Run many orbits for one round and summarise each: exponents and moments with errors, the last states."""

from __future__ import annotations

import dataclasses

import numpy as np

from . import _series
from .exponents import LOST, Exponents
from .streaming import BatchMeans, WeightedAverages
from .system import System

CHUNK = 512  # samples at a time
_BLOCK = 32  # orbits whose samples fill a chunk
KEPT = 2_048  # states of an orbit that are kept to look at


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Statistics of one round of one orbit.

    Attributes
    ----------
    n_samples, period, n_rows : int
        Samples, steps from one to the next, and vectors of one kind in a sample.
    states : ndarray, shape (n_kept, size)
        The last ones.
    finite : bool
        Whether these are real numbers.
    mean, stderr : ndarray, shape (n_exponents,)
        Exponents per step as plain means, with the errors of batch means; in the order of `birkhoff`.
    birkhoff, error : ndarray, shape (n_exponents,)
        As weighted averages, descending, with the errors that `Estimates` gives regular motion.
    halves : ndarray, shape (n_exponents,)
        Difference of the weighted averages over both halves: what decisions are based on.
    unknown : ndarray of bool, shape (n_exponents,)
        Whether rounding has hidden the stretch in too many steps.
    blur : ndarray, shape (n_exponents,)
        What rounding adds to the errors.
    moments, moment_stderr, moment_birkhoff, moment_halves : ndarray, shape (n_moments,)
        The moments of `moments_of`, likewise.
    """

    n_samples: int
    period: int
    n_rows: int
    states: np.ndarray
    finite: bool
    mean: np.ndarray
    stderr: np.ndarray
    birkhoff: np.ndarray
    error: np.ndarray
    halves: np.ndarray
    unknown: np.ndarray
    blur: np.ndarray
    moments: np.ndarray
    moment_stderr: np.ndarray
    moment_birkhoff: np.ndarray
    moment_halves: np.ndarray


def run_round(orbits: System, n_samples: int) -> list[Round]:
    """Run all orbits further; return a `Round` for each."""
    n_exponents, n_points = orbits.n_lost.shape[1], orbits.n_points
    n_rows, n_features = orbits.n_rows, orbits.size // orbits.n_rows
    n_moments = n_features * (n_features + 3) // 2
    exponents = Exponents(n_points, n_exponents, orbits.n_dim, length=n_samples)
    weighted = WeightedAverages(n_points, n_moments, n_samples)
    batched = BatchMeans(n_points, n_moments)
    n_lost, rounding = orbits.n_lost.copy(), orbits.rounding.copy()
    chunk = chunk_of(n_points)
    at_once = n_samples <= min(chunk, KEPT)  # then they are not copied
    kept = np.empty((n_points, 0 if at_once else min(KEPT, n_samples), orbits.size))
    for first in range(0, n_samples, chunk):
        states, growth = orbits.strobe(min(chunk, n_samples - first), tangents=True)
        exponents.add(growth / orbits.period)
        each = moments_of(states, n_rows)
        weighted.add(each)
        batched.add(each)
        place = first + kept.shape[1] - n_samples
        if at_once:
            kept = states
        elif place + states.shape[1] > 0:
            kept[:, max(0, place) : place + states.shape[1]] = states[:, max(0, -place) :]
    now = exponents.averages()
    mean, stderr, birkhoff, error = now.mean, now.noise, now.weighted[:, 0], now.drift
    with np.errstate(invalid="ignore"):  # infinities
        halves = np.abs(now.weighted[:, 1] - now.weighted[:, 2])
        moment_halves = np.abs(weighted.first - weighted.second)
    # An annihilated direction is no doubtful one.
    gone = np.isneginf(mean) | (np.arange(n_exponents) >= orbits.n_directions()[:, None])
    n_steps = n_samples * orbits.period
    share, blur = (orbits.n_lost - n_lost) / n_steps, (orbits.rounding - rounding) / n_steps
    with np.errstate(invalid="ignore"):
        blur = blur + np.where(share > 0.0, share * (exponents.extremes.high - exponents.extremes.low), 0.0)
    unknown = (share > LOST) & ~gone
    mean = np.where(gone, -np.inf, mean)
    birkhoff[gone], stderr[gone], error[gone], halves[gone], blur[gone] = -np.inf, 0.0, 0.0, 0.0, 0.0
    moments, moment_stderr, moment_birkhoff = batched.mean, batched.stderr(), weighted.mean
    # A state that is no number shows in the moments, which may also be too large for numbers.
    finite = np.isfinite(moments).all(axis=1)
    finite[~finite] = np.isfinite(kept[~finite]).all(axis=(1, 2))
    order = np.argsort(-birkhoff, axis=1, kind="stable")[None]
    each = np.take_along_axis(np.stack([mean, stderr, birkhoff, error, halves, blur]), order, axis=2)
    unknown = np.take_along_axis(unknown, order[0], axis=1)
    return [
        Round(
            n_samples=n_samples,
            period=orbits.period,
            n_rows=n_rows,
            states=kept[i],
            finite=bool(finite[i]),
            mean=each[0, i],
            stderr=each[1, i],
            birkhoff=each[2, i],
            error=each[3, i],
            halves=each[4, i],
            unknown=unknown[i],
            blur=each[5, i],
            moments=moments[i],
            moment_stderr=moment_stderr[i],
            moment_birkhoff=moment_birkhoff[i],
            moment_halves=moment_halves[i],
        )
        for i in range(n_points)
    ]


def chunk_of(n_points: int) -> int:
    """Return how many samples to take at a time: more of few orbits, lest calls outweigh them."""
    return CHUNK * max(1, _BLOCK // n_points)


def moments_of(samples: np.ndarray, n_rows: int) -> np.ndarray:
    """First and second moments of the rows of samples (n_points, n_samples, size), averaged over rows."""
    n_features = samples.shape[-1] // n_rows
    out = np.empty((*samples.shape[:2], n_features * (n_features + 3) // 2))
    _series.moments(x=np.ascontiguousarray(samples), n_features=n_features, out=out, n_threads=1)
    return out
