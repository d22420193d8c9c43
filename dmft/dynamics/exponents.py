r"""Lyapunov exponents from the growth of tangents: values with honest errors, Kaplan-Yorke dimension.

Two estimators see every growth series, and the motion itself says which one holds:

- in chaos, the plain mean, with the error of the means of batches;
- where the motion is regular, the weighted Birkhoff average [1]_, with the largest difference between the averages over
  the whole series and over its halves. The two errors then differ by orders of magnitude; in chaos they are alike.

References
----------
.. [1] Sander & Meiss, arXiv:2409.08496.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .series import standard_error
from .streaming import SHORTEST, BatchMeans, Extremes, WeightedAverages

SIGNIFICANT = 5.0  # standard errors above zero: the motion is chaotic
REGULAR = 0.05  # of the error of batch means: the weighted average has converged
CHUNK = 2**17  # numbers in a piece of the growth series: it stays in a core's cache
ZERO = 2.0  # errors below zero a sum may lie and count as zero in the Kaplan-Yorke dimension


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Exponents of a batch of orbits.

    Attributes
    ----------
    exponents : ndarray, shape (n_points, n_exponents)
        Descending, per step. -inf where the map annihilates a direction; NaN where nothing is known
        but that it lies below the last finite one.
    stderr : ndarray, shape (n_points, n_exponents)
        Their standard errors, 0 for -inf, NaN where unknown. Where `regular`, a bound that is seldom reached.
    order : ndarray of int, shape (n_points, n_exponents)
        Which tangent each one came from.
    regular : ndarray of bool, shape (n_points,)
        Whether the growth is that of regular motion: a cycle, a torus. False: chaos, or not known yet.
    kaplan_yorke, kaplan_yorke_stderr : ndarray, shape (n_points,)
        See `kaplan_yorke`.
    """

    exponents: np.ndarray
    stderr: np.ndarray
    order: np.ndarray
    regular: np.ndarray
    kaplan_yorke: np.ndarray
    kaplan_yorke_stderr: np.ndarray

    def of_tangents(self, name, order):
        """Return an array of exponents in another order of their tangents, (n_points, n_exponents)."""
        out = np.empty(self.order.shape)
        np.put_along_axis(out, self.order, getattr(self, name), axis=1)
        return np.take_along_axis(out, order, axis=1)


class Exponents:
    """Estimates the exponents of a batch of orbits while their growth series come in.

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

    def __init__(self, n_points, n_tangents, dimension, period=1, length=SHORTEST, n_threads=1):
        self.period, self.dimension = period, dimension
        self.means = BatchMeans(n_points, n_tangents, n_threads=n_threads)
        self.weighted = WeightedAverages(n_points, n_tangents, length, n_threads)
        self.extremes = Extremes(n_points, n_tangents, n_threads)

    @property
    def n_samples(self):
        """Number of samples so far."""
        return self.means.n_samples

    def add(self, growth):
        """Add samples of the log growth between samples, (n_points, n_samples, n_tangents)."""
        for statistic in (self.means, self.weighted, self.extremes):
            statistic.add(growth)

    def select(self, points):
        """Return the estimator of some of the orbits, as it stands."""
        some = object.__new__(type(self))
        some.period, some.dimension = self.period, self.dimension
        for name in ("means", "weighted", "extremes"):
            setattr(some, name, getattr(self, name).select(points))
        return some

    def estimate(self, n_lost=0, rank=None):
        """Return what is known now.

        Parameters
        ----------
        n_lost : array_like of int, shape (n_points, n_tangents)
            In how many steps a stretch was below rounding: such exponents are unknown.
        rank : array_like of int, shape (n_points,), optional
            So many directions survive; the exponents of the further tangents are -inf.

        Returns
        -------
        Estimates
        """
        mean, noise = self.means.mean / self.period, self.means.stderr() / self.period
        average = np.stack([self.weighted.mean, self.weighted.first, self.weighted.second], axis=1) / self.period
        largest = np.maximum(np.abs(self.extremes.low), np.abs(self.extremes.high))
        rounding = np.sqrt(16.0 + self.n_samples) * np.finfo(float).eps * largest / self.period
        n_lost = np.broadcast_to(n_lost, mean.shape)
        vanished = np.isneginf(mean)
        if rank is not None:
            vanished = vanished | (np.arange(mean.shape[1]) >= np.asarray(rank)[:, None])
        known = np.isfinite(mean) & (n_lost == 0) & ~vanished
        with np.errstate(invalid="ignore"):
            drift = np.maximum(spread(average), rounding)
            noise = np.maximum(noise, rounding)
            chaotic = (known & (mean > SIGNIFICANT * noise)).any(axis=1)
            settled = known & (drift <= np.maximum(REGULAR * noise, rounding))
            regular = ~chaotic & (2 * settled.sum(axis=1) > known.sum(axis=1))
        better = regular[:, None] & settled
        values = np.where(better, average[:, 0], mean)
        errors = np.where(better, drift, noise)
        _average_pairs(values, errors, average, regular[:, None] & known)
        values[~known], errors[~known] = np.nan, np.nan
        values[vanished], errors[vanished] = -np.inf, 0.0
        # What is known descends, what is annihilated last; what is unknown stays between its neighbours.
        order, places = np.empty(values.shape, dtype=np.intp), np.argsort(np.isnan(values), axis=1, kind="stable")
        np.put_along_axis(order, places, np.argsort(-values, axis=1, kind="stable"), axis=1)
        values, errors, known = (np.take_along_axis(x, order, axis=1) for x in (values, errors, known))
        sums = self._errors_of_sums(order, known, average, regular)
        dimension, its_error = kaplan_yorke(values, errors, sums, self.dimension)
        return Estimates(values, errors, order, regular, dimension, its_error)

    def _errors_of_sums(self, order, known, average, regular):
        """Errors of the sums of the first 1, 2, ... exponents, which are correlated."""

        def sums(x):
            return np.where(known[:, None], np.take_along_axis(x, order[:, None], axis=2), 0.0).cumsum(axis=2)

        noise = standard_error(sums(self.means.batches / self.period), axis=1)
        return np.where(regular[:, None], spread(sums(average)), noise)


def follow(system, exponents, n_samples, **how):
    """Take a system so many samples further and tell its estimator of the growth; `how` as for ``strobe``."""
    piece = max(1, CHUNK // (exponents.means.n_points * exponents.means.n_channels))
    for done in range(0, n_samples, piece):
        _, growth = system.strobe(min(piece, n_samples - done), tangents=True, states=False, **how)
        exponents.add(growth)


def spread(average):
    """Return the largest difference of the averages over a series and its halves, (n_points, 3, k) to (n_points, k)."""
    with np.errstate(invalid="ignore"):  # -inf - -inf
        return np.abs(average - np.roll(average, 1, axis=1)).max(axis=1)


def _average_pairs(values, errors, average, sure):
    """Replace two exponents that cannot be told apart by their mean, where the mean is known far better.

    The tangents of a pair of complex multipliers turn about each other: the growth of each is ragged, their common
    growth is not. The errors stay: they are what is known of the two not being equal.
    """
    taken = np.zeros(len(values), dtype=bool)
    for i in range(values.shape[1] - 1):
        one, two = errors[:, i], errors[:, i + 1]
        with np.errstate(invalid="ignore"):
            common = spread(average[:, :, i : i + 2].sum(axis=2, keepdims=True))[:, 0]
            alike = np.abs(values[:, i] - values[:, i + 1]) <= 2.0 * (one + two)
            taken = sure[:, i] & sure[:, i + 1] & ~taken & alike & (common < 0.1 * np.minimum(one, two))
        values[taken, i] = values[taken, i + 1] = average[taken, 0, i : i + 2].mean(axis=1)


def kaplan_yorke(exponents, stderr, sum_stderr=None, dimension=None):
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
    exponents, stderr = np.asarray(exponents, dtype=float), np.asarray(stderr, dtype=float)
    k = exponents.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.cumsum(exponents, axis=-1)
        sum_stderr = np.cumsum(stderr, axis=-1) if sum_stderr is None else np.asarray(sum_stderr, dtype=float)
        j = np.logical_and.accumulate(sums >= -ZERO * sum_stderr, axis=-1).sum(axis=-1)[..., None]

        def at(x, i):
            return np.take_along_axis(x, np.clip(i, 0, k - 1), axis=-1)

        total, error = (np.where(j > 0, at(x, j - 1), 0.0) for x in (sums, sum_stderr))
        following, its_error = np.abs(at(exponents, j)), at(stderr, j)
        value = j + np.where(np.isinf(following), 0.0, total / following)
        error = np.where(np.isinf(following), 0.0, error / following + np.abs(total) * its_error / following**2)
    # No sum is negative: the whole space, or more exponents would have to be known.
    everything = (float(k), 0.0) if k == dimension else (np.nan, np.nan)
    value, error = (np.where(j == k, most, x)[..., 0] for most, x in zip(everything, (value, error), strict=True))
    return value, error
