r"""How series of vectors repeat themselves: their autocorrelation, its decay, and the times after which they return.

Of many series x_t at once, chunk by chunk, up to a largest lag. The autocorrelation is that of all components together,

.. math:: C_\tau = \frac{\sum_t (x_t - \bar x) \cdot (x_{t-\tau} - \bar x)}
          {\sqrt{\sum_t |x_t - \bar x|^2 \sum_t |x_{t-\tau} - \bar x|^2}},

so that it is 1 at every multiple of the period of a cycle, whatever the number of steps. A vector returns after the
least lag at which no component is further from it than a part of the standard deviation of the series.

References
----------
Slater, Proc. Camb. Phil. Soc. 63 (1967) 1115: at most three return times to an interval, of a rotation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._util.checks import number, whole
from .series import standard_error

N_BATCHES = 16  # of successive steps, whose scatter gives the errors
N_WINDOWS = 8  # of lags, in which the decay is read
SEEN, FALL = 3.0, 0.1  # a decay is at least so many standard errors, and so many nats over all lags
EXACT = 1e-9  # of the size of a series: what rounding leaves of a vector that returns

# Of the arrays: dimensions after the point, unit, meaning.
VARIABLES: dict[str, dict[str, tuple[tuple[str, ...], str, str]]] = {
    "autocorrelation": {
        "autocorrelation": (("lag",), "1", "autocorrelation of the attention, 1 at lag 0"),
        "autocorrelation_error": (("lag",), "1", "standard errors of the autocorrelation"),
        "decay": ((), "nat / token step", "rate of an exponential decay of the autocorrelation"),
        "decay_error": ((), "nat / token step", "standard error of that rate"),
        "decay_power": ((), "1", "exponent of a decay of the autocorrelation by a power of the lag"),
        "decay_power_error": ((), "1", "standard error of that exponent"),
        "decay_law": ((), "1", "0: it does not decay, 1: rather exponentially, 2: rather by a power, 3: at once"),
    },
    "repetition": {
        "return_times": (
            ("lag",),
            "1",
            "share of tokens last seen so many steps ago; at 0 of those not seen",
        ),
        "repetition": ((), "1", "share of tokens last seen up to the largest lag ago"),
        "repetition_error": ((), "1", "standard error of that share"),
        "return_time": ((), "token step", "mean return time of those"),
        "return_time_error": ((), "token step", "standard error of the mean return time"),
    },
}


class Lags:
    """Statistics of many series at lags, filled chunk by chunk.

    Parameters
    ----------
    first : ndarray, shape (n_points, n_rows, n_features)
        The rows before those that count, at least `max_lag`; they tell the size of each series.
    max_lag : int
        At least `N_WINDOWS`.
    tolerance : float, default=0.1
        A vector is like another if no component is further away, in standard deviations of the series.

    Examples
    --------
    >>> turns = np.cos(2 * np.pi * np.arange(400) / 5)[None, :, None]
    >>> lags = Lags(turns[:, :80], 20)
    >>> for begin in range(80, 400, 20):
    ...     lags.add(turns[:, begin : begin + 20])
    >>> found = lags.arrays()
    >>> found["autocorrelation"][0, [0, 5, 10]].round(12), found["return_time"], int(found["decay_law"][0])
    (array([1., 1., 1.]), array([3.]), 0)
    """

    def __init__(self, first: np.ndarray, max_lag: int, tolerance: float = 0.1) -> None:
        self.max_lag = whole("max_lag", max_lag, N_WINDOWS)
        if first.ndim != 3 or first.shape[1] < self.max_lag:
            raise ValueError(f"first must have at least max_lag = {self.max_lag} rows, got shape {first.shape}")
        self._offset = first.mean(axis=1, keepdims=True)  # near the mean, so that squares do not cancel
        self._tail = first[:, -self.max_lag :] - self._offset
        size = np.sqrt(first.var(axis=1).sum(axis=1)), np.abs(first).max(axis=(1, 2))
        self._near = np.maximum(number("tolerance", tolerance, 0.0) * size[0], EXACT * size[1])[:, None]
        self._products: list[np.ndarray] = []  # of each batch (n_points, max_lag + 1), as the next but one
        self._sums: list[np.ndarray] = []  # (n_points, n_features, max_lag + 1)
        self._squares: list[np.ndarray] = []
        self._times: list[np.ndarray] = []
        self._lengths: list[int] = []

    def add(self, rows: np.ndarray) -> None:
        """Take the next rows, (n_points, n, n_features), as one batch."""
        n_points, n, n_features = rows.shape
        rows = rows - self._offset
        whole_rows = np.concatenate([self._tail, rows], axis=1)
        products, squares = np.empty((2, n_points, self.max_lag + 1))
        sums = np.empty((n_points, n_features, self.max_lag + 1))
        times = np.zeros((n_points, n), dtype=np.int64)
        for lag in range(self.max_lag + 1):
            before = whole_rows[:, self.max_lag - lag : self.max_lag - lag + n]
            products[:, lag] = (rows * before).sum(axis=(1, 2))
            squares[:, lag] = (before**2).sum(axis=(1, 2))
            sums[:, :, lag] = before.sum(axis=1)
            if lag:
                back = (times == 0) & (np.abs(rows - before).max(axis=2) <= self._near)
                times[back] = lag
        self._tail = whole_rows[:, n:]
        counts = np.zeros((n_points, self.max_lag + 1))
        np.add.at(counts, (np.arange(n_points)[:, None], times), 1.0)
        for kept, new in (
            (self._products, products), (self._sums, sums), (self._squares, squares), (self._times, counts),
        ):  # fmt: skip
            kept.append(new)
        self._lengths.append(n)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of VARIABLES by name, points first; errors are NaN with less than two batches."""
        # Point by point: how NumPy sums over batches depends on how many points there are.
        each = [self._of_point(slice(i, i + 1)) for i in range(len(self._tail))]
        return {name: np.concatenate([one[name] for one in each]) for name in each[0]}

    def _of_point(self, point: slice) -> dict[str, np.ndarray]:
        products, sums, squares, times = (
            np.array([batch[point] for batch in part])
            for part in (self._products, self._sums, self._squares, self._times)
        )
        n = np.array(self._lengths, dtype=float)
        found = _correlation(products.sum(axis=0), sums.sum(axis=0), squares.sum(axis=0), n.sum())
        left_out = np.array(
            [
                _correlation(products.sum(axis=0) - a, sums.sum(axis=0) - b, squares.sum(axis=0) - c, n.sum() - k)
                for a, b, c, k in zip(products, sums, squares, n, strict=True)
            ]
        )
        error = _jackknife(left_out)
        n_windows = _above_noise(found, error)
        out = {"autocorrelation": found, "autocorrelation_error": error}
        residual = {}
        for name, of_lag in (("decay", lambda lag: lag), ("decay_power", np.log)):
            slope, residual[name], misfit = _slope(found, n_windows, of_lag)
            out[name] = slope
            scatter = _jackknife(np.array([_slope(one, n_windows, of_lag)[0] for one in left_out]))
            out[f"{name}_error"] = np.hypot(scatter, misfit)  # on a torus the autocorrelation comes and goes
        least = np.maximum(SEEN * np.nan_to_num(out["decay_error"]), FALL / self.max_lag)
        still = ~(out["decay"] > least)
        law = np.where(residual["decay"] <= residual["decay_power"], 1, 2)
        out["decay_law"] = np.where(n_windows < 2, 3, np.where(still, 0, law))
        shares = times / n[:, None, None]
        returned = times[..., 1:].sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):  # NaN where nothing returns
            mean = (times.sum(axis=0) * np.arange(self.max_lag + 1)).sum(axis=-1) / returned.sum(axis=0)
            each = (times * np.arange(self.max_lag + 1)).sum(axis=-1) / returned
        out |= {"return_times": times.sum(axis=0) / n.sum(), "repetition": returned.sum(axis=0) / n.sum()}
        out |= {"repetition_error": standard_error(1.0 - shares[..., 0]), "return_time": mean}
        out["return_time_error"] = standard_error(each)
        return out


def _correlation(products: np.ndarray, sums: np.ndarray, squares: np.ndarray, n: float) -> np.ndarray:
    """Return the autocorrelation at all lags, (n_points, max_lag + 1), of sums over steps; 1 where nothing moves."""
    mean = sums[..., 0] / n
    shift = (mean[..., None] * (sums[..., :1] + sums)).sum(axis=-2) - n * (mean**2).sum(axis=-1)[..., None]
    covariance = products - shift
    variance = squares - 2.0 * (mean[..., None] * sums).sum(axis=-2) + n * (mean**2).sum(axis=-1)[..., None]
    scale = np.sqrt(np.maximum(variance[..., :1] * variance, 0.0))
    still = scale <= EXACT**2 * np.maximum(squares, 1e-300)
    return np.where(still, 1.0, covariance / np.where(still, 1.0, scale))


def _windows(correlation: np.ndarray) -> np.ndarray:
    """Return the root mean squares of the autocorrelation in windows of lags, (n_points, N_WINDOWS)."""
    width = (correlation.shape[-1] - 1) // N_WINDOWS
    parts = correlation[..., 1 : 1 + N_WINDOWS * width].reshape(*correlation.shape[:-1], N_WINDOWS, width)
    return np.sqrt((parts**2).mean(axis=-1))


def _above_noise(correlation: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return how many of the first windows are above the noise, (n_points,)."""
    clear = _windows(correlation) > 3.0 * _windows(np.nan_to_num(error))
    return np.logical_and.accumulate(clear, axis=-1).sum(axis=-1)


def _slope(
    correlation: np.ndarray, n_windows: np.ndarray, of_lag: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how the logarithm of the autocorrelation falls, the mean square of what is left, the error it gives."""
    width = (correlation.shape[-1] - 1) // N_WINDOWS
    x = of_lag(width * np.arange(N_WINDOWS) + (width + 1) / 2.0)
    y = np.log(np.maximum(_windows(correlation), 1e-300))
    used = np.arange(N_WINDOWS) < n_windows[:, None]
    count = np.maximum(used.sum(axis=1), 1)
    x0, y0 = (used * x).sum(axis=1) / count, (used * y).sum(axis=1) / count
    dx, dy = used * (x - x0[:, None]), used * (y - y0[:, None])
    square = (dx**2).sum(axis=1)
    slope = np.where(n_windows < 2, np.nan, (dx * dy).sum(axis=1) / np.where(square > 0, square, 1.0))
    rest = (used * (dy - slope[:, None] * dx) ** 2).sum(axis=1)
    error = np.sqrt(rest / np.maximum(count - 2, 1) / np.where(square > 0, square, 1.0))
    return -slope, rest / count, error


def _jackknife(left_out: np.ndarray) -> np.ndarray:
    """Return the standard error of what is known with each batch left out."""
    n = len(left_out)
    if n < 2:
        return np.full(left_out.shape[1:], np.nan)
    return np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
