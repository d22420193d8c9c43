"""Statistics of batches of series that come chunk by chunk, compiled: weighted averages, batch means, extremes.

Each takes chunks (n_points, n_samples, n_channels). What is kept of a point does not grow with the run, and how a run
is cut changes no bit; so a run can be resumed where it stopped. All of them can be pickled. `dmft.dynamics.series` has
the same statistics of a whole series, in NumPy.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import array_of, number, places, whole
from .._util.memory import need_memory
from .._util.threads import n_threads as effective_threads
from .._util.values import Whole
from . import _series
from .series import standard_error

N_BATCHES = 20  # complete batches, or up to twice as many
SHORTEST = 16  # samples of the shortest weighted average, or up to twice as many
_FEW, _KEPT = 4, 512  # series, and samples of a piece whose weights are kept
_NUMBERS = 2**20  # in one call of a kernel: Ctrl-C gets a word in between


class Statistic(Whole):
    """A statistic of each of a batch of series, to which samples can be added.

    Parameters
    ----------
    n_points, n_channels : int
        How many series, and how many numbers a sample of one has.
    n_threads : int or None
        Has no effect on the numbers.
    """

    _arrays: tuple[str, ...] = ()  # names of what is kept, points first

    def __init__(self, n_points: int, n_channels: int, n_threads: int | None = 1, width: float = 3.0) -> None:
        self.n_points, self.n_channels = whole("n_points", n_points), whole("n_channels", n_channels)
        need_memory(
            f"statistics of {n_points} series of {n_channels} numbers",
            8.0 * n_points * n_channels * width,
            "take fewer",
        )
        self.n_samples = 0
        self._n_threads = min(effective_threads(n_threads), max(1, self.n_points // 32))

    def add(self, chunk: ArrayLike) -> None:
        """Add samples of all series, (n_points, n_samples, n_channels)."""
        if type(chunk) is not np.ndarray or chunk.dtype != np.float64:  # what the package gives is not copied
            chunk = array_of("chunk", chunk)
        if chunk.ndim != 3 or (chunk.shape[0], chunk.shape[2]) != (self.n_points, self.n_channels):
            raise ValueError(
                f"chunk must have shape ({self.n_points}, any, {self.n_channels}), got shape {chunk.shape}"
            )
        n_at_once = self._at_once(chunk.shape[1])
        for first in range(0, chunk.shape[1], n_at_once):
            some = np.ascontiguousarray(chunk[:, first : first + n_at_once])
            self._add(some)
            self.n_samples += some.shape[1]

    def _at_once(self, n_samples: int) -> int:
        return max(1, min(n_samples, _NUMBERS // max(1, self.n_points * self.n_channels)))

    def _add(self, chunk: np.ndarray) -> None:
        raise NotImplementedError

    def select(self, points: np.ndarray | Sequence[int]) -> Self:
        """Return the statistic of some of the series, as it stands."""
        some, points = copy.copy(self), places("points", points, self.n_points)
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

    def __init__(self, n_points: int, n_channels: int, length: float = SHORTEST, n_threads: int | None = 1) -> None:
        super().__init__(n_points, n_channels, n_threads, width=_series.BIRKHOFF_SUMS + 3.0)
        self.length = float(number("length", length, 1.0))
        while self.length >= 2 * SHORTEST:
            self.length /= 2.0
        self._norm: tuple[float, ...] = (0.0,) * _series.BIRKHOFF_SUMS
        self._sums = np.zeros((n_points, _series.BIRKHOFF_SUMS, n_channels))
        self._average = np.full((n_points, 3, n_channels), np.nan)

    def _at_once(self, n_samples: int) -> int:
        # In pieces whose weights are kept, where these take longer to make than the pieces to add.
        at_once = super()._at_once(n_samples)
        return min(at_once, _KEPT) if self.n_points < _FEW else at_once

    def _add(self, chunk: np.ndarray) -> None:
        n = chunk.shape[1]
        weights = _weights if n <= 2 * _KEPT else _weights.__wrapped__  # not to keep much
        weight, total, done, self._norm = weights(self.n_samples, n, self.length, self._norm)
        _series.birkhoff(
            x=chunk,
            weight=weight,
            total=total,
            done=done,
            sums=self._sums,
            average=self._average,
            n_threads=self._n_threads,
        )

    @property
    def n_averaged(self) -> int:
        """Number of samples in the averages; 0: none yet."""
        n = self.length if self.length <= self.n_samples else 0
        while 0 < 2 * n <= self.n_samples:
            n *= 2
        return int(n)

    @property
    def averages(self) -> np.ndarray:
        """Averages over the whole series and over its first and second half, (n_points, 3, n_channels)."""
        return self._average

    @property
    def mean(self) -> np.ndarray:
        """Average over the whole series, (n_points, n_channels)."""
        return self._average[:, 0]

    @property
    def first(self) -> np.ndarray:
        """Average over its first half, (n_points, n_channels)."""
        return self._average[:, 1]

    @property
    def second(self) -> np.ndarray:
        """Average over its second half, (n_points, n_channels)."""
        return self._average[:, 2]

    @property
    def error(self) -> np.ndarray:
        """Largest difference of the three averages, (n_points, n_channels).

        For regular motion it bounds the error; for chaos it says little.
        """
        return spread(self._average)


def spread(averages: np.ndarray) -> np.ndarray:
    """Return the largest difference of the averages over a series and its halves, (n_points, 3, k) to (n_points, k).

    Examples
    --------
    >>> spread(np.array([[[1.0], [1.5], [0.75]]]))
    array([[0.75]])
    """
    with np.errstate(invalid="ignore"):  # -inf - -inf
        whole, first, second = averages[:, 0], averages[:, 1], averages[:, 2]
        return np.maximum(np.abs(whole - first), np.maximum(np.abs(first - second), np.abs(second - whole)))


@functools.lru_cache(maxsize=256)  # series of equal length, as all blocks of a sweep have, meet the same ones
def _weights(
    first: int, n: int, length: float, norm: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, ...]]:
    """Return the weights of n samples, the sums of weights up to each, which averages each completes; the last sums."""
    weight, total = np.empty((2, n, _series.BIRKHOFF_SUMS))
    done, sums = np.empty(n, dtype=np.intc), np.array(norm)
    _series.weights(first=first, length=length, norm=sums, weight=weight, total=total, done=done)
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

    def __init__(self, n_points: int, n_channels: int, n_batches: int = N_BATCHES, n_threads: int | None = 1) -> None:
        self._room = 2 * whole("n_batches", n_batches, 2)
        super().__init__(n_points, n_channels, n_threads, width=self._room)
        self.length = 1
        self._sums = np.zeros((n_points, self._room, n_channels))

    def _add(self, chunk: np.ndarray) -> None:
        _series.batches(x=chunk, first=self.n_samples, length=self.length, sums=self._sums, n_threads=self._n_threads)
        while self.n_samples + chunk.shape[1] > self._room * self.length:
            self.length *= 2

    @property
    def n_batches(self) -> int:
        """Number of complete batches."""
        return self.n_samples // self.length

    @property
    def batches(self) -> np.ndarray:
        """Means of the complete batches, (n_points, n_batches, n_channels)."""
        return self._sums[:, : self.n_batches] / self.length

    @property
    def mean(self) -> np.ndarray:
        """Mean of all samples, (n_points, n_channels)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._sums.sum(axis=1) / self.n_samples

    def stderr(self, weights: ArrayLike | None = None) -> np.ndarray:
        """Return the standard errors of the means, or of a weighted sum of the channels; see `standard_error`.

        Parameters
        ----------
        weights : array_like, shape (n_points, n_channels, n_sums), optional

        Returns
        -------
        ndarray, shape (n_points, n_channels or n_sums)
            NaN with less than two batches.
        """
        batches = self.batches
        if weights is not None:
            given = array_of("weights", weights)
            if (
                given.ndim not in (2, 3)
                or given.shape[-2] != self.n_channels
                or given.shape[:-2] not in ((), (1,), (self.n_points,))
            ):
                shape = f"({self.n_points}, {self.n_channels}, any)"
                raise ValueError(f"weights must have shape {shape}, got shape {given.shape}")
            batches = batches @ given
        return standard_error(batches, axis=1)


class Extremes(Statistic):
    """The smallest and the largest value of every channel.

    Attributes
    ----------
    low, high : ndarray, shape (n_points, n_channels)
        inf and -inf before the first number; NaN is passed over.
    """

    _arrays = ("low", "high")

    def __init__(self, n_points: int, n_channels: int, n_threads: int | None = 1) -> None:
        super().__init__(n_points, n_channels, n_threads)
        self.low = np.full((n_points, n_channels), np.inf)
        self.high = np.full((n_points, n_channels), -np.inf)

    def _add(self, chunk: np.ndarray) -> None:
        _series.extremes(x=chunk, low=self.low, high=self.high, n_threads=self._n_threads)
