r"""Statistics of a whole series of samples: averages with errors, returns.

They are functions of a series (n_samples, ...), in NumPy; `dmft.dynamics.streaming` has averages for many series of any
length, chunk by chunk. Samples are to be taken once a period of the map.

The average of a function over a quasi-periodic orbit converges slowly, like 1/N; weighted by a bump that
vanishes smoothly at both ends of the series it converges faster than any power [1]_,

.. math:: \mathrm{WB}_N(f) = \sum_n w\Big(\frac{n+1/2}{N}\Big) f_n \Big/ \sum_n w\Big(\frac{n+1/2}{N}\Big), \qquad
          w(t) = e^{-1/t(1-t)}.

In chaos nothing beats the plain mean, and its error is that of the means of a few long batches [2]_, which are all
but independent where single samples are not.

References
----------
.. [1] Das, Saiki, Sander & Yorke, Nonlinearity 30 (2017) 4111, arXiv:1508.00062.
.. [2] Flyvbjerg & Petersen, J. Chem. Phys. 91 (1989) 461.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import array_of, whole

SIGNIFICANT = 5.0  # standard errors: a difference that is larger is taken for real, a smaller one for chance
_SHORT = 4_096  # samples whose weights are kept


def _samples(series: ArrayLike) -> np.ndarray:
    """Return the argument `series`, (n_samples, ...), with at least one sample."""
    array = array_of("series", series)
    if not array.ndim or not len(array):
        raise ValueError(f"series must have at least one sample along its first axis, got shape {array.shape}")
    return array


def bump(n: int) -> np.ndarray:
    """Return the weights of n samples, not normalised; not to be written to."""
    return _bump(n) if n <= _SHORT else _bump.__wrapped__(n)


@functools.lru_cache(maxsize=8)  # all orbits that are labelled meet the same ones
def _bump(n: int) -> np.ndarray:
    t = (np.arange(n) + 0.5) / n
    weight = np.exp(-1.0 / (t * (1.0 - t)))
    weight.flags.writeable = False
    return weight


@own_arithmetic
def weighted_average(series: ArrayLike) -> np.ndarray:
    """Return the weighted Birkhoff average of a series over its first axis.

    Parameters
    ----------
    series : array_like, shape (n_samples, ...)
        At least one sample.

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    >>> turn = 2 * np.pi * np.arange(1_000) * (np.sqrt(5) - 1) / 2
    >>> bool(abs(np.cos(turn).mean()) > 1e-5), bool(abs(weighted_average(np.cos(turn))) < 1e-12)
    (True, True)
    """
    series = _samples(series)
    weight = bump(len(series))
    return np.tensordot(weight, series, axes=(0, 0)) / weight.sum()


@own_arithmetic
def standard_error(means: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the standard error of the mean of batches, from their means along an axis.

    Where batches are still correlated with their neighbours it is that of an autoregressive series [1]_.

    Parameters
    ----------
    means : ndarray
    axis : int, default=0

    Returns
    -------
    ndarray
        Without that axis; NaN with less than two batches.

    References
    ----------
    .. [1] Steiger, Lada, Wilson, Joines, Alexopoulos & Goldsman, ACM Trans. Model. Comput. Simul. 15 (2005) 39.

    Examples
    --------
    >>> float(standard_error(np.array([1.0, -1.0, 1.0, -1.0])).round(3))
    0.577
    """
    means = array_of("means", means)
    if not means.ndim:
        raise ValueError("means must have an axis, got a number")
    means = np.moveaxis(means, whole("axis", axis, -means.ndim, means.ndim - 1), 0)
    n = len(means)
    if n < 2:
        return np.full(means.shape[1:], np.nan)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # constant or infinite channels
        away = means - means.mean(axis=0)
        square = (away**2).sum(axis=0)
        # 1 / n takes the bias out; a correlation that may be chance is left alone.
        correlation = np.minimum((away[1:] * away[:-1]).sum(axis=0) / square + 1.0 / n, 0.9)
        widening = np.where(correlation > 1.0 / np.sqrt(n), (1.0 + correlation) / (1.0 - correlation), 1.0)
        return np.sqrt(square / (n - 1) / n * widening)


@own_arithmetic
def batch_means(series: ArrayLike, n_batches: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of a series over its first axis, and its standard error from the means of batches.

    Parameters
    ----------
    series : array_like, shape (n_samples, ...)
        What is left over by `n_batches` equal batches counts in the mean alone.
    n_batches : int, default=20
        At least 2, at most n_samples. The error follows Student's law of ``n_batches - 1`` degrees.

    Returns
    -------
    mean, stderr : ndarray, shape (...)

    Examples
    --------
    >>> mean, stderr = batch_means(np.random.default_rng(0).normal(size=10_000))
    >>> bool(abs(mean) < 0.03), float(stderr.round(3))
    (True, 0.01)
    """
    series = _samples(series)
    n_batches = whole("n_batches", n_batches, 2)
    length = len(series) // n_batches
    if not length:
        raise ValueError(f"n_batches must be <= {len(series)}, the number of samples, got {n_batches}")
    means = series[: length * n_batches].reshape(n_batches, length, *series.shape[1:]).mean(axis=1)
    return series.mean(axis=0), standard_error(means)


@own_arithmetic
def closest_returns(series: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return when a series comes closer to its first sample than ever before, and how close.

    On a cycle the times end with its period, on a torus they are the denominators of the best rational
    approximations of its rotation number.

    Parameters
    ----------
    series : array_like, shape (n_samples, n_channels)

    Returns
    -------
    times : ndarray of int, shape (n_records,)
    distances : ndarray, shape (n_records,)
        The largest difference of a component.

    Examples
    --------
    >>> angle = 2 * np.pi * np.arange(100) * (np.sqrt(5) - 1) / 2
    >>> closest_returns(np.stack([np.cos(angle), np.sin(angle)], axis=1))[0]
    array([ 1,  2,  3,  5,  8, 13, 21, 34, 55, 89])
    """
    series = array_of("series", series, (None, None))
    if 0 in series.shape:
        raise ValueError(f"series must have samples of one channel or more, got shape {series.shape}")
    distance = np.abs(series[1:] - series[0]).max(axis=1)
    before = np.minimum.accumulate(np.concatenate([[np.inf], distance[:-1]]))
    times = np.flatnonzero(distance < before)
    return times + 1, distance[times]
