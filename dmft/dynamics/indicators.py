r"""Tests of chaos that do not use Lyapunov exponents: 0-1 test, fast Lyapunov indicator, correlation dimension.

They are functions of plain arrays, and check labels independently of the exponents. All need samples taken once a
period of the map (`System.strobe`): a forcing of that period would be taken for motion.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, numbers, whole, within
from .._util.memory import need_memory
from .._util.progress import each, shows_progress
from . import _series

RESOLUTION = 64.0 * float(np.finfo(float).eps)  # of the largest value: less is rounding
LONG = 2**15  # samples of a series from which Fourier transforms make the 0-1 test faster than sums of products
_TOGETHER = 256  # frequencies of one call
# What one call of NumPy or SciPy is given at most, so that Ctrl-C gets a word in: a fraction of a second of
_NUMBERS = 2**20  # Fourier transforms
_PAIRS = 10**8  # pairs of points


@shows_progress
@own_arithmetic
def zero_one(
    series: ArrayLike, *, n_bands: int = 1, n_frequencies: int = 100, progress: bool = True
) -> tuple[float, np.ndarray]:
    r"""Return near 1 for chaos, near 0 for regular motion: the 0-1 test of Gottwald and Melbourne.

    The sum :math:`z_c(n) = \sum_{j \le n} \phi_j e^{ijc}` of a chaotic series wanders like a random walk, that of a
    regular one stays bounded [1]_. K_c is the correlation of its mean square displacement with time; the
    result is the median over frequencies c in (pi/5, 4 pi/5).

    Parameters
    ----------
    series : array_like, shape (n_samples,)
        One observable of a strobed orbit on its attractor; a thousand samples and more.
    n_bands : int, default=1
        Where a chaotic orbit visits so many bands in turn, one sample of each round is used. Without, weak chaos
        in many bands passes for a cycle: the steps from band to band are regular.
    n_frequencies : int, default=100
        How many c.

    Returns
    -------
    median : float
    each : ndarray, shape (n_frequencies,)
        K_c; near a frequency of the orbit itself K_c is near 1 for regular motion too, hence the median.

    Raises
    ------
    ValueError
        If the series is not finite or leaves less than 100 samples of a band.

    Notes
    -----
    Noise counts as chaos: of no use for finite networks. A series sampled too densely counts as regular.

    References
    ----------
    .. [1] Gottwald & Melbourne, SIAM J. Appl. Dyn. Syst. 8 (2009) 129, arXiv:0906.1418.

    Examples
    --------
    >>> x = np.empty(2_000)
    >>> x[0] = 0.3
    >>> for n in range(1_999):
    ...     x[n + 1] = 4 * x[n] * (1 - x[n])
    >>> turn = np.cos(np.sqrt(2) * np.arange(2_000))
    >>> [abs(round(float(zero_one(series)[0]), 1)) for series in (x, turn)]
    [1.0, 0.0]
    """
    series = finite("series", series, (None,))[:: whole("n_bands", n_bands, 1)]
    if series.size < 100:
        raise ValueError(f"series must have >= 100 samples of a band, got {series.size}")
    of_each = zero_one_each(series[None], whole("n_frequencies", n_frequencies, 1))[0]
    return float(np.median(of_each)), of_each


def zero_one_each(series: np.ndarray, n_frequencies: int, n_threads: int = 1) -> np.ndarray:
    """Return the K_c of many series (n_points, n_samples), each by itself, (n_points, n_frequencies)."""
    n_points, n_samples = series.shape
    n_longest, compiled = n_samples // 10, n_samples <= LONG
    n_at_once = min(n_frequencies, _TOGETHER if compiled else max(1, _NUMBERS // n_samples))
    n_bytes = (24.0 * n_longest if compiled else 100.0 * n_samples) * n_at_once + 16.0 * n_points * n_frequencies
    need_memory(f"a 0-1 test of {n_samples} samples at {n_frequencies} frequencies", n_bytes, "take fewer")
    exponent = np.frexp(np.abs(series).max(axis=1, keepdims=True))[1]
    # Fourth powers of the largest would be no doubles; the result knows no unit.
    series = np.where(np.abs(exponent) > 100, np.ldexp(series, -exponent), series)
    still = np.ptp(series, axis=1) <= RESOLUTION * np.abs(series).max(axis=1)  # it varies by rounding alone
    # Without its mean a series has no oscillating term that would have to be taken out later.
    away = np.where(still[:, None], 0.0, series - series.mean(axis=1, keepdims=True))
    growth = np.empty((n_points, n_frequencies))
    if not compiled:
        c = _frequencies(n_frequencies)
        for k in each(range(0, n_frequencies, n_at_once), "frequencies", n_at_once):
            growth[:, k : k + n_at_once] = [_growth(one, c[k : k + n_at_once]) for one in away]
        return growth
    # They lie evenly round pi/2: one and its mirror image, pi - c, take as long as one.
    n_pairs = (n_frequencies + 1) // 2
    for k in each(range(0, n_pairs, n_at_once), "frequencies", n_at_once):
        n = min(n_at_once, n_pairs - k)
        twice = _cosines(n_longest, n_frequencies, k, n)
        both = np.empty((n_points, 2, twice.shape[1]))
        _series.zero_one(x=away, twice=twice, growth=both, n_threads=n_threads)
        growth[:, n_frequencies - k - n : n_frequencies - k] = both[:, 1, :n][:, ::-1]
        growth[:, k : k + n] = both[:, 0, :n]
    return growth


def _frequencies(n: int) -> np.ndarray:
    """Return n frequencies in (pi/5, 4 pi/5)."""
    return np.pi * (0.2 + 0.6 * (np.arange(n) + 0.5) / n)


@functools.lru_cache(maxsize=4)  # all orbits that are labelled meet the same ones
def _cosines(n_longest: int, n_frequencies: int, first: int, n: int) -> np.ndarray:
    """Return 2 cos(dc) of n frequencies from the first one on, beside as many zeros as the kernel wants."""
    c = _frequencies(n_frequencies)[first : first + n]
    return 2.0 * np.cos(np.arange(n_longest)[:, None] * np.append(c, np.zeros(-n % _series.TOGETHER)))


def _growth(away: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return K_c of a long series at some frequencies, by Fourier transforms, (n_frequencies,)."""
    n_longest = away.size // 10
    n_begins = away.size - n_longest
    walk = np.cumsum(away * np.exp(1j * np.arange(away.size) * c[:, None]), axis=1)
    # |z(j+n) - z(j)|^2, summed over j: two sums of squares, and a correlation by Fourier transform.
    n_fft = 2 * away.size
    begins = np.where(np.arange(away.size) < n_begins, walk, 0.0)
    product = np.fft.ifft(np.fft.fft(walk, n_fft) * np.conj(np.fft.fft(begins, n_fft)), axis=1).real
    squares = np.cumsum(np.pad(np.abs(walk) ** 2, ((0, 0), (1, 0))), axis=1)
    n = np.arange(1, n_longest + 1)
    moved = squares[:, n + n_begins] - squares[:, n] + squares[:, [n_begins]] - 2.0 * product[:, n]
    far, time = moved - moved.mean(axis=1, keepdims=True), n - n.mean()
    size = np.sqrt((far**2).sum(axis=1) * (time**2).sum())
    scale = squares[:, -1] * 1e-13 * n_longest  # what is left of a walk that stands still
    return np.where(size > scale, (far * time).sum(axis=1) / np.where(size > scale, size, 1.0), 0.0)


@own_arithmetic
def fast_lyapunov_indicator(growth: ArrayLike) -> np.ndarray:
    r"""Return the largest log growth of a tangent so far, after every sample [1]_.

    It rises like :math:`\lambda_1 n` in chaos, and stays within a few units of what it soon reaches where the motion is
    regular: a short run tells them apart, with no average to converge.

    Parameters
    ----------
    growth : array_like, shape (n_samples, ...)
        Log growth of the first tangent between samples, from when it began.

    Returns
    -------
    ndarray, shape (n_samples, ...)
        At least 0.

    References
    ----------
    .. [1] Froeschlé, Lega & Gonczi, Celest. Mech. Dyn. Astron. 67 (1997) 41.

    Examples
    --------
    >>> fast_lyapunov_indicator([0.5, -1.0, 1.0, 1.0])
    array([0.5, 0.5, 0.5, 1.5])
    """
    return np.maximum.accumulate(np.maximum(np.cumsum(numbers("growth", growth), axis=0), 0.0), axis=0)


@shows_progress
@own_arithmetic
def correlation_sum(points: ArrayLike, radii: ArrayLike, n_apart: int = 1, *, progress: bool = True) -> np.ndarray:
    r"""Return the share of pairs of points within each of some distances of each other.

    .. math:: C(r) = \frac{\#\{i < j: j - i \ge w, |x_i - x_j| \le r\}}{\#\{i < j: j - i \ge w\}}

    Parameters
    ----------
    points : array_like, shape (n_samples, n_channels)
        States of a strobed orbit, in their order.
    radii : array_like, shape (n_radii,)
        In the largest difference of a component, >= 0.
    n_apart : int, default=1
        w: pairs nearer in time are left out, for they are near in space whatever the attractor [1]_.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    ndarray, shape (n_radii,)

    References
    ----------
    .. [1] Theiler, Phys. Rev. A 34 (1986) 2427.

    Examples
    --------
    >>> correlation_sum([[0.0], [1.0], [3.0]], [1.0, 2.0, 3.0]).round(3)
    array([0.333, 0.667, 1.   ])
    """
    from scipy.spatial import cKDTree

    points = finite("points", points, (None, None))
    radii = within("radii", finite("radii", radii, (None,)), 0.0, np.inf)
    n, n_apart = len(points), whole("n_apart", n_apart, 1)
    if not points.shape[1]:
        raise ValueError("points must have a column, got none")
    if n_apart > 1:
        need_memory(f"correlations of {n} points at {len(radii)} radii", 1.0 * len(radii) * n, "take fewer radii")
    if n_apart >= n:
        raise ValueError(f"n_apart must be < {n}, the number of points, got {n_apart}")
    tree, some = cKDTree(points), max(1, _PAIRS // n)
    if some >= n:
        within_radii = tree.count_neighbors(tree, radii, p=np.inf)
    else:  # in the order of the tree neighbours are together, and counted together
        parts = (points[tree.indices[k : k + some]] for k in each(range(0, n, some), "points", some))
        within_radii = sum(cKDTree(part).count_neighbors(tree, radii, p=np.inf) for part in parts)
    count = (within_radii - n) / 2.0
    for lag in each(range(1, n_apart), "lags"):
        near = np.abs(points[lag:] - points[:-lag]).max(axis=1)
        count -= (near[:, None] <= radii).sum(axis=0)
    return count / ((n - n_apart) * (n - n_apart + 1) / 2.0)


@shows_progress
@own_arithmetic
def correlation_dimension(
    points: ArrayLike, *, n_apart: int | None = None, n_radii: int = 24, progress: bool = True
) -> tuple[float, float]:
    r"""Estimate the correlation dimension of an attractor: the slope of log C(r) against log r [1]_.

    Parameters
    ----------
    points : array_like, shape (n_samples, n_channels)
        States of a strobed orbit, in their order; thousands. N of them show no dimension above 2 log10 N.
    n_apart : int, optional
        As for `correlation_sum`. Default: a hundredth of the samples.
    n_radii : int, default=24
        Radii between those of 1e-3 (or a hundred pairs, if that is more) and of 3e-2 of all pairs.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    dimension, error : float
        The slope of the fit; half the range of the slopes of its thirds, which shows where there is no plateau.
        0, 0 for states that repeat exactly and in order, a cycle.

    Raises
    ------
    ValueError
        If there are too few points, or they are quantised so coarsely that no range of radii is left.

    Notes
    -----
    Points that were rounded or digitised to steps of q tell nothing below q: radii then begin at 5.5 q and lie half-way
    between multiples of q, where the counts are those of the exact points on average.

    References
    ----------
    .. [1] Grassberger & Procaccia, Physica D 9 (1983) 189.

    Examples
    --------
    >>> angle = np.arange(3_000) * 2.4
    >>> dimension, error = correlation_dimension(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    >>> bool(abs(dimension - 1) < 0.05)
    True
    """
    points = finite("points", points, (None, None))
    n = len(points)
    if not points.shape[1]:
        raise ValueError("points must have a column, got none")
    if n < 300:
        raise ValueError(f"points must be >= 300, got {n}")
    n_apart, n_radii = max(1, n // 100) if n_apart is None else n_apart, whole("n_radii", n_radii, 6)
    need_memory(f"correlations of {n} points at {n_radii} radii", n_radii * (24.0 + n), "take fewer (n_radii)")
    n_pairs = 200_000
    need_memory(f"differences of points of {points.shape[1]} numbers", 24.0 * n_pairs * points.shape[1], "take fewer")
    one, other = np.random.default_rng(0).integers(n, size=(2, n_pairs))
    distance = np.sort(np.abs(points[one] - points[other]).max(axis=1)[one != other])
    low = max(1e-3, 200.0 / n**2)
    extent = np.abs(points - points.mean(axis=0)).max()
    least, most = distance[[int(low * distance.size), int(3e-2 * distance.size)]]
    if least <= 1e-10 * extent and _repeats(points[n // 2 :], 1e-10 * extent):
        return 0.0, 0.0
    steps = _quanta(np.abs(points[one] - points[other]), 1e-10 * extent)
    # A component of few values far apart parts the points and no more, where the others tell them apart.
    step = float(steps[steps <= most].max(initial=0.0) if least > 1e-10 * extent else steps.max(initial=0.0))
    quantised = least < 5.5 * step
    if quantised and most < 20.0 * step:
        raise ValueError(
            f"points must be finer than the steps of {step:.3g} that they are quantised to, got 3 % of all pairs "
            f"within {most / step:.3g} steps of each other: no range of radii is left"
        )
    radii = np.geomspace(max(least, 5.5 * step), most, n_radii)
    if quantised:
        radii = (np.floor(radii / step) + 0.5) * step
    x, y = np.log(radii), np.log(np.maximum(correlation_sum(points, radii, n_apart), np.finfo(float).tiny))
    slopes = [np.polyfit(x[part], y[part], 1)[0] for part in np.array_split(np.arange(n_radii), 3)]
    return float(np.polyfit(x, y, 1)[0]), float(np.ptp(slopes) / 2.0)


def _repeats(points: np.ndarray, tolerance: float) -> bool:
    """Return whether points, (n, n_channels), repeat in the same order at least twice."""
    returns = np.flatnonzero(np.abs(points[1 : len(points) // 2 + 1] - points[0]).max(axis=1) <= tolerance) + 1
    return any(np.abs(points[period:] - points[:-period]).max() <= tolerance for period in returns[:1_000].tolist())


def _quanta(difference: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the smallest difference that is not 0 of each component that has one."""
    smallest = np.where(difference > tolerance, difference, np.inf).min(axis=0)
    return smallest[np.isfinite(smallest)]
