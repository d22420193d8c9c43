"""The statistics of `dmft.dynamics.series` for batches of series that come chunk by chunk, in compiled code.

Each takes chunks (n_points, n_samples, n_channels). What it keeps of a point does not grow with the run, and how a run
is cut changes no bit; so a run can be taken up again where it stopped. All of them travel by pickle.
"""

from __future__ import annotations

import copy
import functools

import numpy as np

from .._util.checks import number, whole
from .._util.threads import n_threads as effective_threads
from . import _series
from .series import standard_error

SHORTEST = 16  # samples of the shortest weighted average, or up to twice as many


class Statistic:
    """Something known of each of a batch of series, that more samples may be added to.

    Parameters
    ----------
    n_points, n_channels : int
        How many series, and how many numbers a sample of one has.
    n_threads : int or None
        Has no effect on the numbers.
    """

    _arrays = ()  # names of what is kept, points first

    def __init__(self, n_points, n_channels, n_threads=1):
        self.n_points, self.n_channels = n_points, n_channels
        self.n_samples = 0
        self._n_threads = min(effective_threads(n_threads), max(1, n_points // 32))

    def add(self, chunk):
        """Add samples of all series, (n_points, n_samples, n_channels)."""
        chunk = np.ascontiguousarray(chunk, dtype=float)
        if chunk.ndim != 3 or (chunk.shape[0], chunk.shape[2]) != (self.n_points, self.n_channels):
            raise ValueError(
                f"chunk must have shape ({self.n_points}, any, {self.n_channels}), got shape {chunk.shape}"
            )
        if chunk.shape[1]:
            self._add(chunk)
            self.n_samples += chunk.shape[1]

    def select(self, points):
        """Return the statistic of some of the series, as it stands."""
        some = copy.copy(self)
        for name in self._arrays:
            setattr(some, name, np.ascontiguousarray(getattr(self, name)[points]))
        some.n_points = len(getattr(some, self._arrays[0]))
        return some


class WeightedAverages(Statistic):
    """Weighted Birkhoff averages over the first l, 2l, 4l ... samples: the longest that is complete.

    Parameters
    ----------
    n_points, n_channels : int
    length : float, optional
        After so many samples, or half, or twice as many, ..., an average is complete. Default: a power of two.
    n_threads : int or None

    Attributes
    ----------
    mean : ndarray, shape (n_points, n_channels)
        NaN before the first one is complete, after 16 to 32 samples.
    first, second : ndarray, shape (n_points, n_channels)
        Those over the two halves alone.
    """

    _arrays = ("_sums", "_average")

    def __init__(self, n_points, n_channels, length=SHORTEST, n_threads=1):
        super().__init__(n_points, n_channels, n_threads)
        self.length = float(number("length", length, 1.0))
        while self.length >= 2 * SHORTEST:
            self.length /= 2.0
        self._norm = (0.0,) * _series.BIRKHOFF_SUMS
        self._sums = np.zeros((n_points, _series.BIRKHOFF_SUMS, n_channels))
        self._average = np.full((n_points, 3, n_channels), np.nan)

    def _add(self, chunk):
        n = chunk.shape[1]
        weights = _weights if n <= 1024 else _weights.__wrapped__  # not to keep much
        weight, total, done, self._norm = weights(self.n_samples, n, self.length, self._norm)
        _series.birkhoff(chunk, weight, total, done, self._sums, self._average, self._n_threads)

    @property
    def n_averaged(self):
        """Number of samples in the averages; 0: none yet."""
        n = self.length if self.length <= self.n_samples else 0
        while 0 < 2 * n <= self.n_samples:
            n *= 2
        return int(n)

    mean, first, second = (property(lambda self, i=i: self._average[:, i]) for i in range(3))

    @property
    def error(self):
        """Largest difference of the averages over the whole and its halves, (n_points, n_channels).

        For regular motion it bounds the error; for chaos it says little.
        """
        with np.errstate(invalid="ignore"):  # -inf - -inf
            spread = np.abs(self._average - np.roll(self._average, 1, axis=1))
        return spread.max(axis=1)


@functools.lru_cache(maxsize=256)  # series of equal length, as all blocks of a sweep have, meet the same ones
def _weights(first, n, length, norm):
    """Return the weights of n samples, the sums of weights up to each, which averages each completes; the last sums."""
    weight, total = np.empty((2, n, _series.BIRKHOFF_SUMS))
    done, sums = np.empty(n, dtype=np.intc), np.array(norm)
    _series.weights(first, length, sums, weight, total, done)
    return weight, total, done, tuple(sums.tolist())


class BatchMeans(Statistic):
    """Means of batches of equal length, which doubles when there are twice too many.

    Parameters
    ----------
    n_points, n_channels : int
    n_batches : int, default=20
        After the first samples there are so many complete batches, or up to twice as many.
    n_threads : int or None
    """

    _arrays = ("_sums",)

    def __init__(self, n_points, n_channels, n_batches=20, n_threads=1):
        super().__init__(n_points, n_channels, n_threads)
        self.length = 1
        self._room = 2 * whole("n_batches", n_batches, 2)
        self._sums = np.zeros((n_points, self._room, n_channels))

    def _add(self, chunk):
        _series.batches(chunk, self.n_samples, self.length, self._sums, self._n_threads)
        while self.n_samples + chunk.shape[1] > self._room * self.length:
            self.length *= 2

    @property
    def n_batches(self):
        """Number of complete batches."""
        return self.n_samples // self.length

    @property
    def batches(self):
        """Means of the complete batches, (n_points, n_batches, n_channels)."""
        return self._sums[:, : self.n_batches] / self.length

    @property
    def mean(self):
        """Mean of all samples, (n_points, n_channels)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._sums.sum(axis=1) / self.n_samples

    def stderr(self, weights=None):
        """Return the standard errors of the means, or of a weighted sum of the channels; see `standard_error`.

        Parameters
        ----------
        weights : array_like, shape (n_points, n_channels, n_sums), optional

        Returns
        -------
        ndarray, shape (n_points, n_channels or n_sums)
            NaN with less than two batches.
        """
        batches = self.batches if weights is None else self.batches @ np.asarray(weights)
        return standard_error(batches, axis=1)


class Extremes(Statistic):
    """The smallest and the largest value of every channel.

    Attributes
    ----------
    low, high : ndarray, shape (n_points, n_channels)
        inf and -inf before the first number; NaN is passed over.
    """

    _arrays = ("low", "high")

    def __init__(self, n_points, n_channels, n_threads=1):
        super().__init__(n_points, n_channels, n_threads)
        self.low = np.full((n_points, n_channels), np.inf)
        self.high = np.full((n_points, n_channels), -np.inf)

    def _add(self, chunk):
        _series.extremes(chunk, self.low, self.high, self._n_threads)


class Histogram(Statistic):
    """How often every channel was in each of equal bins.

    Parameters
    ----------
    low, high : array_like, shape (n_points, n_channels)
        The ends of the bins, low < high.
    n_bins : int
    n_threads : int or None
    """

    _arrays = ("low", "high", "_count")

    def __init__(self, low, high, n_bins, n_threads=1):
        self.low, self.high = (np.ascontiguousarray(x, dtype=float) for x in (low, high))
        if self.low.ndim != 2 or self.low.shape != self.high.shape or not (self.low < self.high).all():
            raise ValueError(f"low must be below high, both of shape (n_points, n_channels), got {low} and {high}")
        super().__init__(*self.low.shape, n_threads)
        self._count = np.zeros((*self.low.shape, whole("n_bins", n_bins, 1) + 2), dtype=np.int64)

    def _add(self, chunk):
        _series.histogram(chunk, self.low, self.high, self._count, self._n_threads)

    @property
    def count(self):
        """Samples in every bin, (n_points, n_channels, n_bins)."""
        return self._count[..., 1:-1]

    @property
    def outside(self):
        """Samples below and above all bins, (n_points, n_channels, 2)."""
        return self._count[..., [0, -1]]


class ClosestReturns(Statistic):
    """Returns to the first sample; see `closest_returns`.

    Parameters
    ----------
    n_points, n_channels : int
    radius : float or array_like, shape (n_points,), default=0.0
        Returns that come at least so close are counted.
    n_records : int, default=32
        Room for records; beyond it the last one is the latest.
    n_threads : int or None

    Attributes
    ----------
    times : ndarray of int, shape (n_points, n_records)
        When a sample was closer than all before it; 0 where there is none.
    distances : ndarray, shape (n_points, n_records)
        How close; inf where there is none.
    n_records : ndarray of int, shape (n_points,)
        How many records there were.
    n_close : ndarray of int, shape (n_points,)
        How many returns within the radius.
    divisor : ndarray of int, shape (n_points,)
        Greatest common divisor of their times: the number of bands that the orbit visits in turn, if the
        radius is less than their distance. 0 where there was no return.
    """

    _arrays = ("_radius", "_reference", "times", "distances", "n_records", "n_close", "divisor")

    def __init__(self, n_points, n_channels, radius=0.0, n_records=32, n_threads=1):
        super().__init__(n_points, n_channels, n_threads)
        self._radius = np.array(np.broadcast_to(np.asarray(radius, dtype=float), n_points))
        self._reference = np.full((n_points, n_channels), np.nan)
        self.times = np.zeros((n_points, n_records), dtype=np.int64)
        self.distances = np.full((n_points, n_records), np.inf)
        self.n_records, self.n_close, self.divisor = np.zeros((3, n_points), dtype=np.int64)

    def _add(self, chunk):
        _series.returns(
            chunk, self.n_samples, self._radius, self._reference, self.times, self.distances,
            self.n_records, self.n_close, self.divisor, self._n_threads,
        )  # fmt: skip


class Rotation(Statistic):
    """Rotation numbers about a centre in a plane, as weighted averages; see `rotation_steps`.

    Parameters
    ----------
    centre : array_like, shape (n_points, n_channels)
    plane : array_like, shape (n_points, 2, n_channels)
    length : float, optional
        As for `WeightedAverages`.
    n_threads : int or None

    Attributes
    ----------
    low, high : ndarray, shape (n_points,)
        The smallest and the largest step, in turns. Where they are a turn or more apart there is no rotation number
        in this plane.
    """

    _arrays = ("low", "high", "_centre", "_plane", "_angle")

    def __init__(self, centre, plane, length=SHORTEST, n_threads=1):
        self._centre, self._plane = (np.ascontiguousarray(x, dtype=float) for x in (centre, plane))
        super().__init__(*self._centre.shape, n_threads)
        if self._plane.shape != (self.n_points, 2, self.n_channels):
            raise ValueError(
                f"plane must have shape {(self.n_points, 2, self.n_channels)}, got shape {self._plane.shape}"
            )
        self._angle, self.low, self.high = np.full((3, self.n_points), np.nan)
        self._average = WeightedAverages(self.n_points, 1, length, n_threads)

    def _add(self, chunk):
        steps = np.empty(chunk.shape[:2])
        _series.turns(
            chunk, self._centre, self._plane, self._angle, self.low, self.high, steps, self._n_threads
        )  # fmt: skip
        self._average.add(steps[:, int(self.n_samples == 0) :, None])  # the first sample is no step

    def select(self, points):
        """Return the statistic of some of the series, as it stands."""
        some = super().select(points)
        some._average = self._average.select(points)
        return some

    @property
    def number(self):
        """Turns from sample to sample, (n_points,)."""
        return self._average.mean[:, 0]

    @property
    def error(self):
        """Error of the number for regular motion, (n_points,); see `WeightedAverages.error`."""
        return self._average.error[:, 0]
