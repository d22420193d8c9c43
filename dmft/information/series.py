"""Samples: one series or several of equal length, how long they are correlated, and blocks that are not."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite
from .._util.readonly import read_only
from .._util.values import Frozen

SHAPES = "(n_samples, n_sites) or (n_series, n_samples, n_sites)"
FEWEST = 20  # independent samples, or blocks, that make an error bar
ROUNDING = 1e-26  # of the square of what is the same throughout
LONGEST_WINDOW = 5.0  # correlation times after which correlations are noise


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class InformationEstimate(Frozen):
    """An information estimated from samples.

    Attributes
    ----------
    value : float
        In nats, its bias taken off: it may lie below 0.
    error : float
        Its standard error.
    bias : float
        What was taken off; 0 where none is known.
    n_samples, block : int
        How many samples, and how many in succession went together for the error.
    ties : float
        Share of samples whose neighbours cannot be told apart by distance.
    null : ndarray, shape (n_null,)
        The same of samples whose X was exchanged among those of like B.
    """

    value: float
    error: float
    bias: float
    n_samples: int
    block: int
    ties: float = 0.0
    null: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "null", read_only(self.null))

    @property
    def p_value(self) -> float:
        """How often independence given B makes a value as large as this; NaN without `null`."""
        n = len(self.null)
        return float((1 + np.count_nonzero(self.null >= self.value)) / (1 + n)) if n else float("nan")


def one_or_many(samples: np.ndarray) -> np.ndarray:
    """Return samples if they are one series or several, with entries.

    Raises
    ------
    ValueError
        If they have another shape, or none.

    Examples
    --------
    >>> one_or_many(np.zeros((0, 3)))
    Traceback (most recent call last):
        ...
    ValueError: samples must have shape (n_samples, n_sites) or (n_series, n_samples, n_sites), got shape (0, 3)
    """
    if samples.ndim not in (2, 3) or 0 in samples.shape:
        raise ValueError(f"samples must have shape {SHAPES}, got shape {samples.shape}")
    return samples


def series(samples: ArrayLike) -> np.ndarray:
    """Return samples as series, shape (n_series, n_times, n_sites), each site about its mean in standard deviations.

    Raises
    ------
    ValueError
        If there are fewer than 20, or a site does not vary.

    Examples
    --------
    >>> series(np.arange(40.0).reshape(20, 2)).shape
    (1, 20, 2)
    """
    given = one_or_many(finite("samples", samples))
    z = given if given.ndim == 3 else given[None]
    n = z.shape[0] * z.shape[1]
    if n < FEWEST:
        raise ValueError(f"samples must be at least {FEWEST}, got {n}")
    z = np.ldexp(z, -np.frexp(abs(z).max(axis=(0, 1)))[1])  # sums of the largest numbers are none
    flat = z.reshape(n, -1)
    spread = np.ptp(flat, axis=0)
    flat_sites = ~(spread > 1e-14 * (spread + abs(flat).max(axis=0)))
    if flat_sites.any():
        raise ValueError(f"samples must vary at every site, got a constant at site {int(np.argmax(flat_sites))}")
    z = (z - flat.mean(axis=0)) / spread
    return np.asarray(z / z.reshape(n, -1).std(axis=0))


def correlation_time(values: np.ndarray) -> float:
    r"""Return the largest :math:`1 + 2\sum_t \rho_t` of several quantities, in samples, at least 1.

    Parameters
    ----------
    values : ndarray, shape (n_series, n_times, n_quantities)

    References
    ----------
    A. Sokal, in *Functional Integration* (1997): the window of five correlation times.

    Examples
    --------
    >>> correlation_time(np.tile([[1.0], [-1.0]], (50, 1))[None])
    1.0
    """
    n = values.shape[1]
    centred = values - values.mean(axis=(0, 1))
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    covariance = np.fft.irfft((spectrum * spectrum.conj()).real.mean(axis=0), axis=0)[:n] / n
    longest = 1.0
    for c, largest in zip(covariance.T, abs(values).max(axis=(0, 1)), strict=True):
        if c[0] > ROUNDING * largest**2:
            tau = 2 * np.cumsum(c / c[0]) - 1
            window = np.arange(n) >= LONGEST_WINDOW * np.maximum(tau, 1)
            longest = max(longest, float(tau[np.argmax(window) if window.any() else -1]))
    return longest


def block_length(values: np.ndarray, given: int | None) -> int:
    """Return how many successive samples go together: as many as make blocks of `values` independent.

    Raises
    ------
    ValueError
        If so few blocks are left that they give no error.

    Examples
    --------
    >>> block_length(np.random.default_rng(0).normal(size=(1, 1000, 2)), None)
    1
    """
    n_series, n_times, _ = values.shape
    tau = correlation_time(values) if given is None else 0.0
    block = given if given is not None else 1 if tau < 1.5 else int(np.ceil(4 * tau))
    n_blocks = n_series * (n_times // block)
    if n_blocks < FEWEST:
        why = f"they are correlated over {tau:.3g} samples" if given is None else f"block is {block}"
        raise ValueError(
            f"samples must make at least {FEWEST} independent blocks, got {n_blocks} of {n_series * n_times}: {why}"
        )
    return block


def in_blocks(values: np.ndarray, block: int) -> np.ndarray:
    """Return sums over blocks, (n_blocks, ...), of an array (n_series, n_times, ...); what is left over is left out.

    Examples
    --------
    >>> in_blocks(np.arange(5.0)[None], 2)
    array([1., 5.])
    """
    n_series, n_times = values.shape[:2]
    kept = n_times - n_times % block
    shape = (n_series * kept // block, block, *values.shape[2:])
    return np.asarray(values[:, :kept].reshape(shape).sum(axis=1))
