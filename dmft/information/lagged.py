"""What the past tells: samples beside those before them, transfer entropy, informations at a distance in time."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import integers, numbers, one_of, whole
from .._util.underflow import underflow_is_zero
from .estimates import gaussian_cmi_estimate
from .laws import cmi
from .neighbours import neighbour_cmi
from .parts import Sites, part
from .series import InformationEstimate
from .sparse_laws import SparseLaw, whole_numbers

Estimator = Literal["gaussian", "neighbours", "discrete"]
ESTIMATORS = ("gaussian", "neighbours", "discrete")


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
    given = _series(samples)
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
        `gaussian_cmi_estimate`, `neighbour_cmi`, or the law of how often each state occurs.
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
    array = _series(samples)
    n_sites = array.shape[-1]
    x, y, b = (part(name, sites, n_sites, empty=name == "B") for name, sites in (("X", X), ("Y", Y), ("B", B)))
    lag = whole("lag", lag)
    _long_enough(array, lag)
    together = delayed(array, np.arange(lag + 1))
    between = [site + j * n_sites for j in range(lag + 1) for site in b]
    return _estimate(together, x, [site + lag * n_sites for site in y], between, method, options)


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
        `gaussian_cmi_estimate`, `neighbour_cmi`, or the law of how often each state occurs.
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
    array = _series(samples)
    n_sites = array.shape[-1]
    names = (("source", source), ("target", target), ("condition", condition))
    y, x, z = (part(name, sites, n_sites, empty=name == "condition") for name, sites in names)
    lag, history = whole("lag", lag, 1), whole("history", history, 1)
    _long_enough(array, lag + history - 1)
    together = delayed(array, np.arange(lag + history))
    past = [site + j * n_sites for j in range(1, history + 1) for site in (*x, *z)]
    cause = [site + j * n_sites for j in range(lag, lag + history) for site in y]
    return _estimate(together, x, cause, past, method, options)


def _series(samples: ArrayLike) -> np.ndarray:
    array = numbers("samples", samples, bools=True)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(
            f"samples must have shape (n_samples, n_sites) or (n_series, n_samples, n_sites), got shape {array.shape}"
        )
    return array


def _long_enough(array: np.ndarray, past: int) -> None:
    if array.shape[-2] <= past:
        raise ValueError(f"samples must be more in a series than the {past} of the past, got {array.shape[-2]}")


def _estimate(
    samples: np.ndarray, X: Sites, Y: Sites, B: Sites, method: Estimator, options: dict[str, Any]
) -> InformationEstimate:
    one_of("method", method, ESTIMATORS)
    if method == "neighbours":
        return neighbour_cmi(samples, X, Y, B, **options)
    if method == "gaussian":
        return gaussian_cmi_estimate(samples, X, Y, B, **options)
    return discrete_cmi_estimate(samples, X, Y, B, **options)


@underflow_is_zero
def discrete_cmi_estimate(
    samples: ArrayLike, X: Sites, Y: Sites, B: Sites = (), *, block: int = 1, n_boot: int = 100, seed: int = 0
) -> InformationEstimate:
    r"""Estimate I(X; Y | B) of whole numbers from how often each state occurs, in nats.

    Less the bias of Miller and Madow, :math:`(K_{XB} + K_{YB} - K_B - K_{XYB})/2n` with K the numbers of states seen;
    with the error of the bootstrap of blocks.

    Parameters
    ----------
    samples : array_like of int, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
    X, Y, B : int or sequence of int
    block : int, default=1
        Successive samples that go together; 1: all are independent.
    n_boot : int, default=100
    seed : int, default=0

    Returns
    -------
    InformationEstimate

    Raises
    ------
    ValueError
        If samples are no whole numbers, are too few, or parts overlap.

    References
    ----------
    G. A. Miller, in *Information Theory in Psychology* (1955).

    Examples
    --------
    >>> bits = np.random.default_rng(0).integers(0, 2, (4000, 3))
    >>> bits[:, 2] = bits[:, 0] ^ bits[:, 1]
    >>> one, two = discrete_cmi_estimate(bits, 0, 1), discrete_cmi_estimate(bits, 0, 1, 2)
    >>> bool(abs(one.value) < 0.002), bool(abs(two.value - np.log(2)) < 0.002)
    (True, True)
    """
    array = whole_numbers("samples", samples, "(n_samples, n_sites) or (n_series, n_samples, n_sites)", (2, 3))
    block, n_boot = whole("block", block, 1), whole("n_boot", n_boot, 20)
    rng = np.random.default_rng(whole("seed", seed))
    stacked = array if array.ndim == 3 else array[None]
    kept = stacked.shape[1] // block * block
    blocks = stacked[:, :kept].reshape(-1, block, stacked.shape[2])
    if len(blocks) < 20:
        raise ValueError(f"samples must make at least 20 blocks, got {len(blocks)} of {block}")
    x, y, b = (part(n, s, array.shape[-1], empty=n == "B") for n, s in (("X", X), ("Y", Y), ("B", B)))
    flat = blocks.reshape(-1, stacked.shape[2])
    law = SparseLaw.from_samples(flat)
    plain = cmi(law, x, y, b)

    def seen(sites: tuple[int, ...]) -> int:
        return len(law.marginal(sites).p) if sites else 1

    bias = (seen((*x, *y, *b)) + seen(b) - seen((*x, *b)) - seen((*y, *b))) / (2 * len(flat))
    # Every state's number, so that a bootstrap sample is a count of blocks.
    _, which = np.unique(flat, axis=0, return_inverse=True)
    states = flat[np.unique(which.reshape(-1), return_index=True)[1]]
    which = which.reshape(len(blocks), block)
    values = np.empty(n_boot)
    for i in range(n_boot):
        drawn = which[rng.integers(len(blocks), size=len(blocks))].reshape(-1)
        share = np.bincount(drawn, minlength=len(states)) / drawn.size
        values[i] = cmi(SparseLaw(states, share), x, y, b)
    return InformationEstimate(plain - bias, float(values.std(ddof=1)), bias, len(flat), block)
