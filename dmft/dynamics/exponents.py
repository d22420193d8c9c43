r"""Lyapunov exponents from the growth of tangents: values with honest errors, Kaplan-Yorke dimension.

Two estimators are kept of every growth series, and the motion decides which one is used:

- in chaos, the plain mean, with the error of the means of batches;
- where the motion is regular, the weighted Birkhoff average [1]_, with the largest difference between the averages over
  the whole series and over its halves. The two errors then differ by orders of magnitude; in chaos they are alike.

References
----------
.. [1] Sander & Meiss, arXiv:2409.08496.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import numbers
from .._util.memory import need_memory
from .._util.values import Frozen
from .series import SIGNIFICANT, standard_error
from .streaming import SHORTEST, BatchMeans, Extremes, WeightedAverages, spread
from .system import System

REGULAR = 0.05  # of the error of batch means: the weighted average has converged
CHUNK = 2**17  # numbers in a piece of the growth series: it stays in a core's cache
ZERO = 2.0  # errors below zero a sum may lie and count as zero in the Kaplan-Yorke dimension

LOST = 1.0 / 64.0  # of the steps: so many stretches below rounding leave an exponent unknown

ROUNDING = 2.0**9 * np.finfo(float).eps  # of a stretch, as in csrc/attention/repair.h


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimates(Frozen):
    """Exponents of a batch of orbits.

    Attributes
    ----------
    exponents : ndarray, shape (n_points, n_exponents)
        Descending, per step. -inf where the map annihilates a direction; NaN where all that is known is
        that it lies below the last finite one.
    stderr : ndarray, shape (n_points, n_exponents)
        Their standard errors, 0 for -inf, NaN where unknown. Where `regular`, a bound that is seldom reached. Steps
        that were lost have their share: as much as growth has differed on the whole orbit, by the steps.
    order : ndarray of int, shape (n_points, n_exponents)
        Which tangent each one came from.
    n_lost : ndarray of int, shape (n_points, n_exponents)
        In how many steps the stretch was below rounding; at least one where numbers too small to be held came as zeros.
    regular : ndarray of bool, shape (n_points,)
        Whether the growth is that of regular motion: a cycle, a torus. False: chaos, or not known yet.
    kaplan_yorke, kaplan_yorke_stderr : ndarray, shape (n_points,)
        See `kaplan_yorke`.
    """

    exponents: np.ndarray
    stderr: np.ndarray
    order: np.ndarray
    n_lost: np.ndarray
    regular: np.ndarray
    kaplan_yorke: np.ndarray
    kaplan_yorke_stderr: np.ndarray

    def of_tangents(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return exponents and errors in another order of their tangents, each (n_points, n_exponents)."""
        exponents, stderr = np.empty((2, *self.order.shape))
        for out, values in ((exponents, self.exponents), (stderr, self.stderr)):
            np.put_along_axis(out, self.order, values, axis=1)
        return np.take_along_axis(exponents, order, axis=1), np.take_along_axis(stderr, order, axis=1)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Averages(Frozen):
    """The growth of each tangent by both estimators, with their errors, (n_points, n_tangents); per step.

    Attributes
    ----------
    mean, noise : ndarray
        The plain mean, and the error of batch means.
    weighted : ndarray, shape (n_points, 3, n_tangents)
        Weighted averages over the whole series and over its halves.
    drift : ndarray
        Their largest difference.
    rounding : ndarray
        What rounding may do to a sum of so many numbers of this size: no error is less.
    """

    mean: np.ndarray
    noise: np.ndarray
    weighted: np.ndarray
    drift: np.ndarray
    rounding: np.ndarray


class Exponents:
    """Estimate the exponents of a batch of orbits from growth series that come chunk by chunk.

    Parameters
    ----------
    n_points, n_tangents, dimension : int
        Orbits, tangents of each, and how many there could be.
    period : int, default=1
        Steps from one sample to the next.
    length : float, optional
        After so many samples, or half, or twice as many, ..., a weighted average is complete.
    n_threads : int or None

    Examples
    --------
    >>> growth = np.log([[0.5, 0.25]]) * np.ones((1, 100, 1))
    >>> exponents = Exponents(1, 2, dimension=2)
    >>> exponents.add(growth)
    >>> exponents.estimate().exponents.round(3)
    array([[-0.693, -1.386]])
    """

    def __init__(
        self,
        n_points: int,
        n_tangents: int,
        dimension: int,
        period: int = 1,
        length: float = SHORTEST,
        n_threads: int | None = 1,
    ) -> None:
        self.period, self.dimension = period, dimension
        self.means = BatchMeans(n_points, n_tangents, n_threads=n_threads)
        self.weighted = WeightedAverages(n_points, n_tangents, length, n_threads)
        self.extremes = Extremes(n_points, n_tangents, n_threads)

    @property
    def n_samples(self) -> int:
        """Number of samples so far."""
        return self.means.n_samples

    def add(self, growth: ArrayLike, together: int = 1) -> None:
        """Add samples of the log growth between samples, (n_points, n_samples, n_tangents).

        With `together` each sample of the averages is the sum of so many; their extremes remain those of each.
        """
        self.extremes.add(growth)
        if together > 1:
            n_points, n_samples, n_tangents = np.shape(growth)
            growth = np.reshape(growth, (n_points, n_samples // together, together, n_tangents)).sum(axis=2)
        self.means.add(growth)
        self.weighted.add(growth)

    def select(self, points: np.ndarray | Sequence[int]) -> Exponents:
        """Return the estimator of some of the orbits, as it stands."""
        some = object.__new__(type(self))
        some.period, some.dimension = self.period, self.dimension
        for name in ("means", "weighted", "extremes"):
            setattr(some, name, getattr(self, name).select(points))
        return some

    def averages(self) -> Averages:
        """Return the averages so far, with their errors."""
        average = np.stack([self.weighted.mean, self.weighted.first, self.weighted.second], axis=1) / self.period
        largest = np.maximum(np.abs(self.extremes.low), np.abs(self.extremes.high))
        rounding = np.sqrt(16.0 + self.n_samples) * np.finfo(float).eps * largest / self.period
        mean = self.means.mean
        with np.errstate(invalid="ignore"):  # infinities
            # Batches may be whole turns of a cycle, and what is left over a part of one.
            noise = np.maximum(self.means.stderr(), np.abs(mean - self.means.batches.mean(axis=1)))
            return Averages(
                mean=mean / self.period,
                noise=np.maximum(noise / self.period, rounding),
                weighted=average,
                drift=np.maximum(spread(average), rounding),
                rounding=rounding,
            )

    def estimate(
        self,
        n_lost: ArrayLike = 0,
        n_directions: ArrayLike | None = None,
        *,
        exact_zeros: bool = True,
        dimension: bool = True,
        rounding: ArrayLike = 0.0,
    ) -> Estimates:
        """Return what is known now.

        Parameters
        ----------
        n_lost : array_like of int, shape (n_points, n_tangents)
            In how many steps a stretch was below rounding. If these are few, each adds its share to the error; else
            such exponents are unknown.
        n_directions : array_like of int, shape (n_points,), optional
            So many directions the map keeps; the exponents of the further tangents are -inf.
        exact_zeros : bool, default=True
            Whether a stretch of zero is that of the map. False: it may have come of numbers too small to be held, and
            tells nothing.
        dimension : bool, default=True
            Whether to find the Kaplan-Yorke dimension, which takes as long as all else; NaN without.
        rounding : array_like, shape (n_points, n_tangents)
            How far the sums of the growth may be off: their share is added to the errors.

        Returns
        -------
        Estimates
        """
        now = self.averages()
        mean, noise, average, drift = now.mean, now.noise, now.weighted, now.drift
        share = np.asarray(n_lost) / (max(1, self.n_samples) * self.period) * np.ones_like(mean)
        unknown = share > LOST
        n_lost = np.maximum(n_lost, np.isneginf(mean) & (not exact_zeros))
        vanished = np.isneginf(mean) & exact_zeros
        if n_directions is not None:
            vanished = vanished | (np.arange(mean.shape[1]) >= np.asarray(n_directions)[:, None])
            of_rounding = self._of_rounding() & (np.asarray(n_directions) < self.dimension)[:, None]
            n_lost, unknown = np.maximum(n_lost, of_rounding), unknown | of_rounding
        known = np.isfinite(mean) & ~unknown & ~vanished
        with np.errstate(invalid="ignore"):
            chaotic = (known & (mean > SIGNIFICANT * noise)).any(axis=1)
            settled = known & (drift <= np.maximum(REGULAR * noise, now.rounding))
            regular = ~chaotic & (2 * settled.sum(axis=1) > known.sum(axis=1))
        better = regular[:, None] & settled
        values = np.where(better, average[:, 0], mean)
        errors = np.where(better, drift, noise)
        _average_pairs(values, errors, average, regular[:, None] & known)
        with np.errstate(invalid="ignore"):
            more = np.where(share > 0.0, share * (self.extremes.high - self.extremes.low), 0.0)
            more = more + np.asarray(rounding) / (max(1, self.n_samples) * self.period)
            errors = errors + more
        values[~known], errors[~known] = np.nan, np.nan
        values[vanished], errors[vanished] = -np.inf, 0.0
        # What is known descends, what is annihilated last; what is unknown stays between its neighbours.
        order, places = np.empty(values.shape, dtype=np.intp), np.argsort(np.isnan(values), axis=1, kind="stable")
        np.put_along_axis(order, places, np.argsort(-values, axis=1, kind="stable"), axis=1)
        values, errors, known, n_lost = (np.take_along_axis(x, order, axis=1) for x in (values, errors, known, n_lost))
        of_sums, its_error = np.full((2, len(values)), np.nan)
        if dimension:
            sums = self._errors_of_sums(order, known, average, regular)
            sums = sums + np.where(known, np.take_along_axis(more, order, axis=1), 0.0).cumsum(axis=1)
            of_sums, its_error = kaplan_yorke(values, errors, sums, self.dimension)
        return Estimates(values, errors, order, n_lost, regular, of_sums, its_error)

    def _of_rounding(self) -> np.ndarray:
        """Return which tangents shrink, in a sample, below the rounding of what they grow from, (n_points, n_tangents).

        What a map annihilates it need not annihilate at once: errors in these directions live for a sample, whatever
        each step keeps of a tangent. With one all after it are of rounding.
        """
        with np.errstate(invalid="ignore"):
            shrunk = self.extremes.low - np.maximum.accumulate(self.extremes.high, axis=1) < np.log(ROUNDING)
        return np.logical_or.accumulate(shrunk, axis=1)

    def _errors_of_sums(
        self, order: np.ndarray, known: np.ndarray, average: np.ndarray, regular: np.ndarray
    ) -> np.ndarray:
        """Errors of the sums of the first 1, 2, ... exponents, which are correlated."""

        def sums(x: np.ndarray) -> np.ndarray:
            return np.where(known[:, None], np.take_along_axis(x, order[:, None], axis=2), 0.0).cumsum(axis=2)

        noise = standard_error(sums(self.means.batches / self.period), axis=1)
        return np.where(regular[:, None], spread(sums(average)), noise)


def estimated(system: System, exponents: Exponents, dimension: bool = True) -> Estimates:
    """Return what is known of a system now."""
    return exponents.estimate(
        system.n_lost,
        system.n_directions(),
        exact_zeros=system.exact_zeros,
        dimension=dimension,
        rounding=system.rounding,
    )


def accumulate(system: System, exponents: Exponents, n_samples: int, **how: Any) -> None:
    """Take a system so many samples further and add the growth to its estimator; `how` as for ``strobe``."""
    piece = max(1, CHUNK // (exponents.means.n_points * exponents.means.n_channels))
    for done in range(0, n_samples, piece):
        _, growth = system.strobe(min(piece, n_samples - done), tangents=True, states=False, **how)
        exponents.add(growth)


def run_to(
    system: System, exponents: Exponents, n_samples: int, marks: Collection[int] = (), **how: Any
) -> list[tuple[int, Estimates]]:
    """Take a system on until so many samples in all; return the estimates at some of them, with their numbers.

    Parameters
    ----------
    system : System
        With tangents.
    exponents : Exponents
        What is known of it; samples are added.
    n_samples : int
    marks : collection of int
        Numbers of samples; those not passed on the way are ignored.
    **how
        As for ``strobe``.
    """
    begun, history = exponents.n_samples, []
    for end in sorted({mark for mark in marks if begun < mark <= n_samples} | {n_samples}):
        accumulate(system, exponents, end - exponents.n_samples, **how)
        if end in marks:
            history.append((end, estimated(system, exponents)))
    return history


def history_marks(begun: int, n_samples: int, n_history: int) -> list[int]:
    """Return up to `n_history` evenly spaced numbers of samples after the `begun` first ones, up to `n_samples`.

    Examples
    --------
    >>> history_marks(0, 10, 4), history_marks(0, 2, 4), history_marks(0, 10, 0)
    ([2, 5, 7, 10], [1, 2], [])
    """
    need_memory(f"a history of {n_history} values", 32.0 * n_history, "ask for fewer (n_history)")
    marks = np.linspace(begun, n_samples, n_history + 1).astype(int)[1:]
    return sorted({int(mark) for mark in marks} - {begun})


def history_arrays(history: Sequence[Estimates], order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return past exponents and errors in one order of the tangents, each (n_points, n_history, n_exponents)."""
    shape = (order.shape[0], len(history), order.shape[1])
    exponents, stderr = np.empty(shape), np.empty(shape)
    for i, past in enumerate(history):
        exponents[:, i], stderr[:, i] = past.of_tangents(order)
    return exponents, stderr


def _average_pairs(values: np.ndarray, errors: np.ndarray, average: np.ndarray, sure: np.ndarray) -> None:
    """Replace two exponents that cannot be told apart by their mean, where the mean is known far better.

    The tangents of a pair of complex multipliers turn about each other: the growth of each is ragged, their common
    growth is not. The errors stay: they are what is known of the two not being equal.
    """
    one, two = errors[:, :-1], errors[:, 1:]
    with np.errstate(invalid="ignore"):
        common = spread(average[:, :, :-1] + average[:, :, 1:])
        alike = np.abs(values[:, :-1] - values[:, 1:]) <= 2.0 * (one + two)
        pairs = sure[:, :-1] & sure[:, 1:] & alike & (common < 0.1 * np.minimum(one, two))
    for i in np.flatnonzero(pairs.any(axis=0)).tolist():
        taken = pairs[:, i] & ~pairs[:, i - 1] if i else pairs[:, i]
        pairs[:, i] = taken  # none is in two pairs
        values[taken, i] = values[taken, i + 1] = average[taken, 0, i : i + 2].mean(axis=1)


def kaplan_yorke(
    exponents: ArrayLike, stderr: ArrayLike, sum_stderr: ArrayLike | None = None, dimension: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the Kaplan-Yorke dimension of an attractor, and its error.

    .. math:: D = j + \frac{\lambda_1 + \dots + \lambda_j}{|\lambda_{j+1}|},

    j the largest number with a sum that is not negative [1]_. A sum that is zero within two errors counts as zero:
    so a torus has the dimension 1, whatever the sign that rounding gives to its zero.

    Parameters
    ----------
    exponents, stderr : array_like, shape (..., n_exponents)
        Descending, and their errors.
    sum_stderr : array_like, shape (..., n_exponents), optional
        Errors of the sums of the first 1, 2, ... exponents. Default: the sums of the errors.
    dimension : int, optional
        Number of all exponents. Without it a spectrum whose sums are all positive has no known dimension.

    Returns
    -------
    dimension, stderr : ndarray, shape (...)
        NaN where more exponents would have to be known. The error is that of the sum and that of the last
        exponent, added.

    References
    ----------
    .. [1] Kaplan & Yorke, Lect. Notes Math. 730 (1979) 204.

    Examples
    --------
    >>> value, error = kaplan_yorke([0.42, -1.62], [0.01, 0.01])
    >>> float(value.round(3)), float(error.round(3))
    (1.259, 0.008)
    """
    exponents, stderr = (numbers(*one).astype(float) for one in (("exponents", exponents), ("stderr", stderr)))
    k = exponents.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.cumsum(exponents, axis=-1)
        sum_stderr = np.cumsum(stderr, axis=-1) if sum_stderr is None else numbers("sum_stderr", sum_stderr)
        j = np.logical_and.accumulate(sums >= -ZERO * sum_stderr, axis=-1).sum(axis=-1)[..., None]

        def at(x: np.ndarray, i: np.ndarray) -> np.ndarray:
            return np.take_along_axis(x, np.clip(i, 0, k - 1), axis=-1)

        total, error = (np.where(j > 0, at(x, j - 1), 0.0) for x in (sums, sum_stderr))
        following, its_error = np.abs(at(exponents, j)), at(stderr, j)
        value = j + np.where(np.isinf(following), 0.0, total / following)
        error = np.where(np.isinf(following), 0.0, error / following + np.abs(total) * its_error / following**2)
    # No sum is negative: the whole space, or more exponents would have to be known.
    everything = (float(k), 0.0) if k == dimension else (np.nan, np.nan)
    value, error = (np.where(j == k, most, x)[..., 0] for most, x in zip(everything, (value, error), strict=True))
    return value, error
