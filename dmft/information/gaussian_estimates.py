"""Informations of Gaussian laws estimated from samples, with the bias and the error of so many samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from .._util.arithmetic import own_arithmetic
from .._util.checks import seed_of, whole
from .._util.memory import need_memory
from .._util.progress import each, shows_progress
from .gaussian import gaussian_cmi
from .parts import Sites, three_parts
from .series import FEWEST, InformationEstimate, block_length, in_blocks, series


@shows_progress
@own_arithmetic
def gaussian_cmi_estimate(
    samples: ArrayLike,
    X: Sites,
    Y: Sites,
    B: Sites = (),
    *,
    block: int | None = None,
    n_boot: int = 200,
    seed: int = 0,
    progress: bool = True,
) -> InformationEstimate:
    r"""Estimate I(X; Y | B) from samples as if they were Gaussian, in nats.

    `gaussian_cmi` of the covariance of the samples, less its bias: of independent samples exactly
    :math:`\frac12\sum\pm\sum_{i<d}\psi\left(\frac{n-1-i}{2}\right)` over the parts' dimensions d; of a time series what
    the bootstrap shows. The error is that of the bootstrap of blocks, long enough to be independent.

    Parameters
    ----------
    samples : array_like, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
        In their order in time, if they have one.
    X, Y : int or sequence of int
        Sites of the two parts.
    B : int or sequence of int, default=()
        Sites that are known; sites in none of the parts are left out.
    block : int, optional
        Samples of a block; 1: they are independent. By their correlation time unless given.
    n_boot : int, default=200
        Bootstrap samples, at least 20.
    seed : int, default=0
        Of the bootstrap.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    InformationEstimate

    Raises
    ------
    ValueError
        If there are too few samples, a site does not vary or is determined by others, or parts overlap.

    Notes
    -----
    Of samples that are not Gaussian this is the information of the Gaussian law with their covariance.

    References
    ----------
    N. R. Goodman, Ann. Math. Stat. 34, 178 (1963): the determinant of a sample covariance.
    H. R. Kunsch, Ann. Stat. 17, 1217 (1989): the bootstrap of blocks.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> b, noise = rng.normal(size=(10_000, 1)), rng.normal(size=(10_000, 2))
    >>> both = np.hstack([b, b + noise])  # 1 and 2 follow 0
    >>> pair, screened = gaussian_cmi_estimate(both, 1, 2), gaussian_cmi_estimate(both, 1, 2, 0)
    >>> abs(pair.value - 0.143841) < 3 * pair.error, abs(screened.value) < 3 * screened.error
    (True, True)
    """
    z = series(samples)
    x, y, b = three_parts(X, Y, B, z.shape[2])
    block = None if block is None else whole("block", block, 1)
    n_boot, rng = whole("n_boot", n_boot, FEWEST), np.random.default_rng(seed_of(seed))
    # Only what matters, in the order X, Y, B.
    z = z[:, :, [*x, *y, *b]]
    d = z.shape[2]
    x, y, b = tuple(range(len(x))), tuple(range(len(x), len(x) + len(y))), tuple(range(len(x) + len(y), d))
    n = z.shape[0] * z.shape[1]
    if n < 2 * d + FEWEST:
        raise ValueError(f"samples must be at least {2 * d + FEWEST} of {d} sites, got {n}")
    C = _covariance(np.array([n]), z.sum(axis=(0, 1)), np.einsum("stj,stk->jk", z, z))[0]
    plain = gaussian_cmi(C, x, y, b)
    block = block_length(_influences(z, C, x, y, b), block)
    weights, first = in_blocks(np.ones(z.shape[:2]), block), in_blocks(z, block)
    second = np.stack([in_blocks(z * z[:, :, k : k + 1], block) for k in range(d)], axis=1)
    if len(weights) < 2 * d + FEWEST:
        raise ValueError(
            f"samples must make at least {2 * d + FEWEST} blocks of {d} sites, got {len(weights)} of {block}"
        )
    n_bytes = 8.0 * n_boot * len(weights)
    need_memory(f"{n_boot} draws of {len(weights)} blocks", n_bytes, "draw fewer (n_boot), or take longer blocks")
    drawn, equal = np.empty((n_boot, len(weights))), np.full(len(weights), 1 / len(weights))
    for row in each(drawn, "draws"):  # Ctrl-C gets a word in
        row[:] = rng.multinomial(len(weights), equal)
    again = _covariance(drawn @ weights, drawn @ first, np.tensordot(drawn, second, axes=1))
    values = _log_dets(again, x, y, b)
    bias = float(values.mean() - plain) if block > 1 else _bias(n - 1, len(x), len(y), len(b))
    return InformationEstimate(value=plain - bias, error=float(values.std(ddof=1)), bias=bias, n_samples=n, block=block)


def _covariance(n: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return covariances, shape (n_sets, d, d), from sums over samples."""
    mean = np.atleast_2d(first) / n[:, None]
    return np.asarray(second.reshape(len(n), *mean.shape[1:] * 2) / n[:, None, None] - mean[:, :, None] * mean[:, None])


def _log_dets(C: np.ndarray, x: tuple[int, ...], y: tuple[int, ...], b: tuple[int, ...]) -> np.ndarray:
    """Return the information of many covariances at once, for statistics: differences of determinants."""
    log_det = [np.linalg.slogdet(C[:, p][:, :, p])[1] if p else np.zeros(len(C)) for p in (x + b, y + b, b, x + y + b)]
    return np.asarray(log_det[0] + log_det[1] - log_det[2] - log_det[3]) / 2


def _bias(freedom: int, x: int, y: int, b: int) -> float:
    """Return the mean of the information of a sample covariance over that of the law, of independent samples."""
    log_det = np.concatenate([[0.0], np.cumsum(digamma((freedom - np.arange(x + y + b)) / 2))])
    return float(log_det[x + b] + log_det[y + b] - log_det[b] - log_det[x + y + b]) / 2


def _influences(z: np.ndarray, C: np.ndarray, *parts: tuple[int, ...]) -> np.ndarray:
    """Return what of a series makes the error: the local information, and the products of X and Y beyond B."""
    x, y, b = (list(p) for p in parts)

    def square(sites: list[int]) -> np.ndarray:
        if not sites:
            return np.zeros(z.shape[:2])
        return np.asarray(
            np.einsum("stj,jk,stk->st", z[:, :, sites], np.linalg.inv(C[np.ix_(sites, sites)]), z[:, :, sites])
        )

    local = square(x + b) + square(y + b) - square(b) - square(x + y + b)
    known = np.linalg.solve(C[np.ix_(b, b)], C[b][:, x + y]) if b else np.zeros((0, len(x + y)))
    rest = z[:, :, x + y] - z[:, :, b] @ known
    products = rest[:, :, : len(x), None] * rest[:, :, None, len(x) :]
    return np.concatenate([local[:, :, None], products.reshape(*z.shape[:2], -1)], axis=2)
