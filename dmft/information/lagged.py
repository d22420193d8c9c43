"""What the past tells: samples beside those before them, transfer entropy, informations at a distance in time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import integers, numbers, whole
from .estimators import Estimator, estimator
from .parts import Sites, part
from .series import InformationEstimate, one_or_many


def delayed(samples: ArrayLike, lags: ArrayLike) -> np.ndarray:
    """Return samples beside those of earlier times, as sites of their own.

    Parameters
    ----------
    samples : array_like, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
    lags : array_like of int, shape (n_lags,)
        How many steps before; >= 0.

    Returns
    -------
    ndarray, shape (..., n_samples - max(lags), n_lags * n_sites)
        Site i at the j-th lag is ``i + j * n_sites``.

    Raises
    ------
    ValueError
        If a lag is no whole number >= 0 or as long as the series.

    Examples
    --------
    >>> delayed([[0], [1], [2], [3]], [0, 2])
    array([[2, 0],
           [3, 1]])
    """
    given = one_or_many(numbers("samples", samples, bools=True))
    n = given.shape[-2]
    steps = integers("lags", lags, 0, n - 1)
    if not steps.size:
        raise ValueError("lags must be at least one, got none")
    longest = int(steps.max())
    return np.concatenate([given[..., longest - lag : n - lag, :] for lag in steps.tolist()], axis=-1)


def lagged_information(
    samples: ArrayLike,
    X: Sites,
    Y: Sites,
    lag: int,
    B: Sites = (),
    *,
    method: Estimator = "gaussian",
    **options: Any,
) -> InformationEstimate:
    """Estimate I(X now; Y `lag` steps before | B between, at all times from then until now), in nats.

    Parameters
    ----------
    samples : array_like, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
    X, Y, B : int or sequence of int
    lag : int
        >= 0.
    method : {"gaussian", "neighbours", "discrete"}, default="gaussian"
        `gaussian_cmi_estimate`, `neighbour_cmi` or `discrete_cmi_estimate`.
    **options
        Of the estimator.

    Returns
    -------
    InformationEstimate

    Raises
    ------
    ValueError
        As the estimator, or if the lag is as long as the series.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=5001)
    >>> echo = np.column_stack([x[1:], x[:-1] + np.roll(x[1:], 7)])  # 1 follows 0 by a step
    >>> bool(0.2 < lagged_information(echo, 1, 0, 1).value < 0.4)
    True
    """
    estimate = estimator(method)
    array = one_or_many(numbers("samples", samples, bools=True))
    n_sites = array.shape[-1]
    # X and Y may have sites in common, for they are of different times.
    x, y, b = (part(name, sites, n_sites, empty=name == "B") for name, sites in (("X", X), ("Y", Y), ("B", B)))
    lag = whole("lag", lag)
    _long_enough(array, lag)
    together = delayed(array, np.arange(lag + 1))
    between = [site + j * n_sites for j in range(lag + 1) for site in b]
    return estimate(together, x, [site + lag * n_sites for site in y], between, **options)


def transfer_entropy(
    samples: ArrayLike,
    source: Sites,
    target: Sites,
    condition: Sites = (),
    *,
    lag: int = 1,
    history: int = 1,
    method: Estimator = "gaussian",
    **options: Any,
) -> InformationEstimate:
    r"""Estimate how much the past of a source tells about the target beyond the target's own past, in nats.

    :math:`I(x_t; y_{t-\ell} .. y_{t-\ell-h+1} | x_{t-1} .. x_{t-h}, z_{t-1} .. z_{t-h})` for a target x, a source y and
    what else is known, z.

    Parameters
    ----------
    samples : array_like, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
        In their order in time.
    source, target : int or sequence of int
    condition : int or sequence of int, default=()
    lag : int, default=1
        How many steps the source is before the target.
    history : int, default=1
        How many steps of the past count.
    method : {"gaussian", "neighbours", "discrete"}, default="gaussian"
        `gaussian_cmi_estimate`, `neighbour_cmi` or `discrete_cmi_estimate`.
    **options
        Of the estimator.

    Returns
    -------
    InformationEstimate

    Raises
    ------
    ValueError
        As the estimator, or if the series is too short.

    References
    ----------
    T. Schreiber, Phys. Rev. Lett. 85, 461 (2000).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=4001)
    >>> x = np.roll(y, 1) + rng.normal(size=4001)
    >>> both = np.column_stack([x, y])[1:]
    >>> forth, back = transfer_entropy(both, 1, 0), transfer_entropy(both, 0, 1)
    >>> bool(abs(forth.value - np.log(2) / 2) < 0.05), bool(abs(back.value) < 0.01)
    (True, True)
    """
    estimate = estimator(method)
    array = one_or_many(numbers("samples", samples, bools=True))
    n_sites = array.shape[-1]
    names = (("source", source), ("target", target), ("condition", condition))
    y, x, z = (part(name, sites, n_sites, empty=name == "condition") for name, sites in names)
    lag, history = whole("lag", lag, 1), whole("history", history, 1)
    _long_enough(array, lag + history - 1)
    together = delayed(array, np.arange(lag + history))
    past = [site + j * n_sites for j in range(1, history + 1) for site in (*x, *z)]
    cause = [site + j * n_sites for j in range(lag, lag + history) for site in y]
    return estimate(together, x, cause, past, **options)


def _long_enough(array: np.ndarray, past: int) -> None:
    if array.shape[-2] <= past:
        raise ValueError(f"samples must be more in a series than the {past} of the past, got {array.shape[-2]}")
