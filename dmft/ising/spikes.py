"""Spike trains from arrays of spins or from event times, and their moments."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, number, numbers, positive, whole
from .._util.memory import need_memory
from .._util.sparse import is_sparse
from .moments import Moments

MAX_BINS = 1e12
_PRODUCTS = 3e9  # in one call of linear algebra: a fraction of a second


@own_arithmetic
def spike_train(spikes: ArrayLike) -> np.ndarray:
    """Return a spike train as spins -1 and 1.

    Parameters
    ----------
    spikes : array_like, shape (n_sites, n_bins)
        0 and 1, or -1 and 1, or bools; a row is a neuron. A ``pandas.DataFrame`` or a SciPy sparse array as well. Event
        times are binned by `bin_events`.

    Returns
    -------
    ndarray of -1 and 1, shape (n_sites, n_bins), int8

    Raises
    ------
    ValueError
        If there are other values, or fewer than two bins.

    Examples
    --------
    >>> spike_train([[0, 1, 1]])
    array([[-1,  1,  1]], dtype=int8)
    """
    return spins_of("spikes", spikes, 2)


def spins_of(name: str, spikes: ArrayLike, n_least: int = 1) -> np.ndarray:
    """Return spikes of 0 and 1, or -1 and 1, in at least `n_least` bins, as spins, int8."""
    given: Any = spikes
    if is_sparse(given):
        need_memory(f"{name} of shape {given.shape}", 8.0 * np.prod(given.shape), "take fewer bins or sites")
        given = given.toarray()
    array = numbers(name, given, bools=True)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < n_least:
        raise ValueError(f"{name} must have shape (n_sites >= 1, n_bins >= {n_least}), got shape {array.shape}")
    low = -1 if (array == -1).any() else 0
    spins = np.empty(array.shape, dtype=np.int8)
    for i, row in enumerate(array):  # Ctrl-C gets a word in
        ok = (row == low) | (row == 1)
        if not ok.all():
            t = int(np.argmin(ok))
            rule = "0 and 1, or -1 and 1" if np.isfinite(row[t]) else "finite"
            raise ValueError(f"{name} must be {rule}, got {row[t]:g} at [{i}, {t}]")
        spins[i] = np.where(row == 1, 1, -1)
    return spins


@own_arithmetic
def bin_events(events: Sequence[ArrayLike], bin_width: float, *, duration: float | None = None) -> np.ndarray:
    """Bin event times into a spike train: 1 where a bin holds at least one event.

    Parameters
    ----------
    events : sequence of array_like
        The event times of each neuron, >= 0, in any order; may be empty.
    bin_width : float
        In the unit of the times, > 0.
    duration : float or None, default=None
        Length of the recording. None: up to the last event.

    Returns
    -------
    ndarray of -1 and 1, shape (n_sites, n_bins), int8

    Raises
    ------
    ValueError
        If a time is negative, or not before the end of the recording.

    Notes
    -----
    Bin k holds the times from ``k * bin_width``, included, up to the next edge, excluded. Decimal times on an edge are
    mostly no exact multiples of the width in binary: a time within four units in the last place of an edge (relative to
    it, 9e-16), or two in single precision (2.4e-7, if the times or the width are), counts as on it. So does the end of
    the recording.

    Examples
    --------
    >>> np.flatnonzero(bin_events([[0, 0.3, 0.7, 1.1]], 0.1, duration=1.2)[0] == 1)
    array([ 0,  3,  7, 11])
    >>> bin_events([[0.1, 2.5], []], 1.0)
    array([[ 1, -1,  1],
           [-1, -1, -1]], dtype=int8)
    """
    width = positive("bin_width", bin_width)
    if not isinstance(events, list | tuple):
        finite("events", events, (None, None))  # type: ignore[arg-type] # an array is one of sequences
    given = [numbers(f"events[{i}]", x) for i, x in enumerate(events)]
    times = [finite(f"events[{i}]", x, (None,)) for i, x in enumerate(given)]
    rounding = [max(_rounding(x), _rounding(bin_width)) for x in events]
    end = np.inf if duration is None else number("duration", duration, 0)
    if not times:
        raise ValueError("events must hold one array of times a neuron, got none")
    for i, t in enumerate(times):
        if t.size and (t.min() < 0 or t.max() >= end):
            raise ValueError(f"events[{i}] must be in [0, {end:g}), got {t.min():g} to {t.max():g}")
    bins = [np.floor(_in_widths(t, width, eps)) for t, eps in zip(times, rounding, strict=True)]
    if duration is None:
        n_bins = max((k.max() for k in bins if k.size), default=0.0) + 1
    else:
        n_bins = np.ceil(_in_widths(np.array(end), width, max(_rounding(duration), _rounding(bin_width))))
    if not n_bins <= MAX_BINS:
        raise ValueError(f"bin_width must give at most {MAX_BINS:g} bins, got {n_bins:g} with {width!r}")
    out = np.full((len(times), max(2, int(n_bins))), -1, np.int8)
    for row, k in zip(out, bins, strict=True):
        row[np.minimum(k, len(row) - 1).astype(int)] = 1
    return out


def _rounding(value: ArrayLike) -> float:
    """Return how far from an edge, relative to it, a value may be by its precision alone."""
    kind = np.asarray(value).dtype
    return float(2 * np.finfo(kind).eps if kind in (np.float16, np.float32) else 4 * np.finfo(float).eps)


def _in_widths(times: np.ndarray, width: float, rounding: float) -> np.ndarray:
    """Return times in units of the bin width: whole numbers for those on an edge, up to rounding."""
    with np.errstate(over="ignore", invalid="ignore"):
        quotient = times / width
        edge = np.rint(quotient)
        return np.where(abs(quotient - edge) <= rounding * edge, edge, quotient)


@contextlib.contextmanager
def untransposed(spikes: Any) -> Iterator[None]:
    """Say in errors about spikes with more neurons than bins that rows are neurons."""
    try:
        yield
    except (ValueError, MemoryError) as error:
        shape = _shape(spikes)
        if "transposed?" in str(error) or len(shape) != 2 or shape[0] <= shape[1]:
            raise
        raise type(error)(
            f"{error}; the spikes have {shape[0]} rows, the neurons, and {shape[1]} columns, the bins: transposed?"
        ) from None


def need_bins(spikes: Any) -> None:
    """Raise if there are as many neurons as bins: no couplings can be inferred, and the train is likely transposed."""
    shape = _shape(spikes)
    if len(shape) == 2 and shape[0] >= max(2, shape[1]) and shape[1]:
        raise ValueError(
            f"spikes must have more bins than neurons, or ridge be > 0, got {shape[0]} rows, the neurons, and "
            f"{shape[1]} columns, the bins: transposed?"
        )


def _shape(spikes: Any) -> tuple[int, ...]:
    """Return the shape of spikes that may still be of any kind; () of what has none."""
    try:
        return np.shape(spikes)
    except Exception:  # lists of unequal lengths, or an object of the caller's: the checks of arrays tell
        return ()


def neuron_names(spikes: Any) -> tuple[Any, ...] | None:
    """Return the names of the rows of a DataFrame, None of anything else."""
    pandas = sys.modules.get("pandas")  # not loaded before somebody makes a DataFrame
    return tuple(spikes.index) if pandas is not None and isinstance(spikes, pandas.DataFrame) else None


def _products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sums of the products of +-1: whole numbers, so in pieces too, between which Ctrl-C gets a word in."""
    n_at_once = max(1, int(_PRODUCTS / len(x) / len(y)))
    if n_at_once >= x.shape[1]:
        return x @ y.T
    total = np.zeros((len(x), len(y)))
    for first in range(0, x.shape[1], n_at_once):
        total += x[:, first : first + n_at_once] @ y[:, first : first + n_at_once].T
    return total


@own_arithmetic
def spike_moments(spikes: ArrayLike, *, n_lag: int = 1) -> Moments:
    """Return the moments of a spike train, over its pairs of successive bins.

    Parameters
    ----------
    spikes : array_like, shape (n_sites, n_bins)
        As in :func:`spike_train`.
    n_lag : int, default=1
        Bins from one time to the next.

    Returns
    -------
    Moments
        With ``n_samples`` pairs of times, and those of the time before.

    Examples
    --------
    >>> spike_moments([[0, 1, 1, 0]]).m
    array([0.33333333])
    """
    spins = spike_train(spikes).astype(float)
    lag = whole("n_lag", n_lag, 1)
    n = spins.shape[1] - lag
    if n < 1:
        raise ValueError(f"n_lag must be < {spins.shape[1]} bins, got {lag}")
    with untransposed(spikes):
        need_memory(f"moments of {len(spins)} sites", 40.0 * len(spins) ** 2, "take fewer sites")
    before, now = spins[:, :n], spins[:, lag:]
    m0, m = before.mean(1), now.mean(1)
    return Moments.unchecked(
        m=m,
        C=_products(now, now) / n - np.outer(m, m),
        D=_products(now, before) / n - np.outer(m, m0),
        m_before=m0,
        C_before=_products(before, before) / n - np.outer(m0, m0),
        n_samples=n,
    )
