"""Entropies and informations of Gaussian laws from their covariances, in nats, by Cholesky factors.

Informations depend on correlations alone and are sums of ``log1p`` of squares: what is zero comes out as zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky, solve_triangular

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite
from .parts import Sites, named_parts, part, three_parts

MAX_CONDITION = 1e13
ASYMMETRY = 1e-10


def _covariance(name: str, value: ArrayLike, n: int | None = None) -> np.ndarray:
    """Return a symmetric matrix with a positive diagonal."""
    C = finite(name, value, (n, n))
    if C.shape[0] != C.shape[1] or not C.size:
        raise ValueError(f"{name} must be a square matrix, got shape {C.shape}")
    variance = np.diag(C)
    if not (variance > 0).all():
        where = int(np.argmin(variance > 0))
        raise ValueError(f"{name} must have positive variances, got {variance[where].item()!r} at site {where}")
    deviation = np.sqrt(variance)
    ok = abs(C - C.T) <= ASYMMETRY * np.outer(deviation, deviation)
    if not ok.all():
        i, j = map(int, np.argwhere(~ok)[0])
        raise ValueError(
            f"{name} must be symmetric, got {C[i, j].item()!r} at {[i, j]} and {C[j, i].item()!r} opposite"
        )
    return C / 2 + C.T / 2


def _factor(name: str, C: np.ndarray, sites: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the Cholesky factor of the correlations of some sites, in their order, and their standard deviations."""
    deviation = np.sqrt(np.diag(C)[list(sites)])
    R = C[np.ix_(sites, sites)] / np.outer(deviation, deviation)
    eigenvalues = np.linalg.eigvalsh(R)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    if low * MAX_CONDITION < high:
        kind = f"condition number {high / low:.3g}" if low > 0 else f"an eigenvalue of {low:.3g}"
        raise ValueError(
            f"{name} must be positive definite with a condition number <= {MAX_CONDITION:g}, got {kind} among the "
            f"correlations of {len(sites)} sites: leave out sites that others determine"
        )
    return cholesky(R, lower=True), deviation


@own_arithmetic
def gaussian_entropy(covariance: ArrayLike, sites: Sites | None = None) -> float:
    r"""Return the differential entropy of some sites of a Gaussian law, :math:`\frac12 \ln \det 2\pi e C`, in nats.

    Parameters
    ----------
    covariance : array_like, shape (n_sites, n_sites)
        Symmetric and positive definite.
    sites : int or sequence of int, optional
        All unless given.

    Returns
    -------
    float
        Of any sign: it changes with the units of the sites.

    Raises
    ------
    ValueError
        If the covariance is not symmetric or not positive definite to rounding (with its condition number).

    References
    ----------
    T. M. Cover, J. A. Thomas, *Elements of Information Theory*, theorem 8.4.1.

    Examples
    --------
    >>> round(gaussian_entropy([[1.0]]), 6)  # ln(2 pi e) / 2
    1.418939
    """
    C = _covariance("covariance", covariance)
    chosen = part("sites", range(len(C)) if sites is None else sites, len(C))
    L, deviation = _factor("covariance", C, chosen)
    return float(np.log(np.diag(L) * deviation).sum() + len(chosen) * np.log(2 * np.pi * np.e) / 2)


@own_arithmetic
def gaussian_cmi(covariance: ArrayLike, X: Sites, Y: Sites, B: Sites = ()) -> float:
    r"""Return I(X; Y | B) of a Gaussian law, in nats.

    :math:`\frac12 [\ln\det C_{XB} + \ln\det C_{YB} - \ln\det C_B - \ln\det C_{XYB}]`, computed as
    :math:`\frac12\sum\ln(1+s^2)` of the singular values s of what Y shares with X beyond B.

    Parameters
    ----------
    covariance : array_like, shape (n_sites, n_sites)
        Symmetric and positive definite.
    X, Y : int or sequence of int
        Sites of the two parts.
    B : int or sequence of int, default=()
        Sites that are known; sites in none of the parts are left out.

    Returns
    -------
    float
        >= 0.

    Raises
    ------
    ValueError
        If a part is empty, parts overlap, a site does not exist, or the covariance is not symmetric or not positive
        definite to rounding (with its condition number).

    References
    ----------
    T. M. Cover, J. A. Thomas, *Elements of Information Theory*, chapter 8.

    Examples
    --------
    >>> chain = np.linalg.inv([[2.0, -1.0, 0.0], [-1.0, 3.0, -1.0], [0.0, -1.0, 2.0]])
    >>> round(gaussian_cmi(chain, 0, 2), 6), round(gaussian_cmi(chain, 0, 2, 1), 6)  # 1 screens 0 from 2
    (0.020411, 0.0)
    """
    C = _covariance("covariance", covariance)
    x, y, b = three_parts(X, Y, B, len(C))
    L, _ = _factor("covariance", C, (*b, *x, *y))
    m, n = len(b), len(b) + len(x)
    shared = solve_triangular(L[n:, n:], L[n:, m:n], lower=True)
    return float(np.log1p(np.linalg.svd(shared, compute_uv=False) ** 2).sum() / 2)


def gaussian_mutual_information(covariance: ArrayLike, X: Sites, Y: Sites) -> float:
    """Return I(X; Y) of a Gaussian law, in nats: `gaussian_cmi` with nothing known.

    Parameters
    ----------
    covariance : array_like, shape (n_sites, n_sites)
    X, Y : int or sequence of int

    Returns
    -------
    float
        >= 0.

    Raises
    ------
    ValueError
        As `gaussian_cmi`.

    Examples
    --------
    >>> round(gaussian_mutual_information([[1.0, 0.5], [0.5, 1.0]], 0, 1), 6)  # -ln(1 - 0.25) / 2
    0.143841
    """
    return gaussian_cmi(covariance, X, Y)


@own_arithmetic
def gaussian_multi_information(covariance: ArrayLike, parts: Mapping[str, Sites]) -> float:
    """Return how much the entropies of parts exceed that of all together in a Gaussian law, in nats.

    Parameters
    ----------
    covariance : array_like, shape (n_sites, n_sites)
    parts : mapping of str to int or sequence of int
        Parts without common sites; sites in none of them are left out.

    Returns
    -------
    float
        >= 0; for two parts their mutual information.

    Raises
    ------
    ValueError
        If parts overlap or the covariance is not positive definite to rounding.

    References
    ----------
    S. Watanabe, IBM J. Res. Dev. 4, 66 (1960).

    Examples
    --------
    >>> C = [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    >>> round(gaussian_multi_information(C, {"a": 0, "b": 1, "c": 2}), 6)
    0.143841
    """
    C = _covariance("covariance", covariance)
    sets = list(named_parts(parts, len(C)).values())
    # The chain rule: each part with all before it.
    total, before = 0.0, sets[0]
    for sites in sets[1:]:
        total += gaussian_cmi(C, before, sites)
        before = (*before, *sites)
    return total


@own_arithmetic
def gaussian_kl(
    covariance: ArrayLike, other: ArrayLike, mean: ArrayLike | None = None, other_mean: ArrayLike | None = None
) -> float:
    r"""Return the divergence of one Gaussian law from another, in nats.

    :math:`\frac12 [\mathrm{tr}\, C_2^{-1} C_1 - n + \ln\det C_2 - \ln\det C_1 + \Delta^T C_2^{-1} \Delta]`.

    Parameters
    ----------
    covariance, other : array_like, shape (n_sites, n_sites)
        Of the law, and of the one it is compared with.
    mean, other_mean : array_like, shape (n_sites,), optional
        Zero unless given.

    Returns
    -------
    float
        >= 0.

    Raises
    ------
    ValueError
        If the shapes differ or a covariance is not positive definite to rounding.

    Examples
    --------
    >>> round(gaussian_kl([[1.0]], [[1.0]], mean=[1.0]), 6), round(gaussian_kl([[2.0]], [[1.0]]), 6)
    (0.5, 0.153426)
    """
    C = _covariance("covariance", covariance)
    D = _covariance("other", other, len(C))
    shift = np.zeros(len(C))
    if mean is not None:
        shift += finite("mean", mean, (len(C),))
    if other_mean is not None:
        shift -= finite("other_mean", other_mean, (len(C),))
    everything = tuple(range(len(C)))
    L, one = _factor("covariance", C, everything)
    M, two = _factor("other", D, everything)
    A = solve_triangular(M * two[:, None], L * one[:, None], lower=True)
    z = solve_triangular(M * two[:, None], shift, lower=True)
    return max(0.0, float((np.sum(A**2) - len(C)) / 2 - np.log(np.diag(A)).sum() + z @ z / 2))
