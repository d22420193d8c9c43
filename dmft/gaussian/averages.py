r"""Averages of tanh over Gaussian and over sign fields, element by element.

Gauss-Hermite quadrature is the usual choice and a slow one: tanh has poles at
:math:`\pm i\pi/2`, so that it needs 70 nodes for ten digits at variance 1 and hundreds
beyond. The methods here have errors below 1e-12 for any field and any variance: a scale mixture
of Gaussians with twenty nodes, or a trapezoid whose step is set by the poles, whichever is
cheaper; and the characteristic function for sums of signs.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite, flag, number, shown, within
from .._util.memory import need_memory
from .._util.threads import n_threads as threads
from . import _integrals

__all__ = [
    "log2cosh_gauss",
    "tanh_fixed",
    "tanh_gauss",
    "tanh_gauss_covariance",
    "tanh_gauss_pair",
    "tanh_product_mean",
    "tanh_signed_sum",
]

# The trapezoid of a pair takes ~ 43 sqrt(variance) nodes: this is a second per ten thousand pairs.
MAX_PAIR_VARIANCE = 1e8
# A sum over signs takes 3.2 nodes a unit of amplitude.
MAX_SUM = 1e10


def _log_eps(tol: float) -> float:
    """Return the logarithm of 1 / tol, plus 4 for the residues at the poles of tanh and of a product."""
    return 4.0 - np.log(number("tol", tol, 1e-14, 1e-2))


def _flat(**arrays: ArrayLike) -> tuple[list[np.ndarray], tuple[int, ...]]:
    """Return arrays checked, broadcast and flattened, and their common shape."""
    checked = [finite(name, value) for name, value in arrays.items()]
    try:
        shape = np.broadcast_shapes(*(a.shape for a in checked))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(arrays, checked, strict=True))
        raise ValueError(f"{' and '.join(arrays)} must broadcast together, got shapes {shapes}") from None
    n_bytes = 8.0 * (len(checked) + 1) * math.prod(shape)
    need_memory(f"averages of shape {shape}", n_bytes, "take them in parts")
    return [np.ascontiguousarray(np.broadcast_to(a, shape)).reshape(-1) for a in checked], shape


def tanh_gauss(
    g: ArrayLike,
    variance: ArrayLike,
    n: Literal[0, 1, 2] = 0,
    *,
    tol: float = 1e-12,
    n_threads: int | None = None,
) -> np.ndarray:
    r"""Average tanh, or one of its derivatives, over a Gaussian field.

    .. math:: T_n(g, v) = \frac{d^n}{dg^n} E_x \tanh(g + \sqrt{v}\, x), \qquad x \sim N(0, 1).

    By the heat equation :math:`dT_0/dv = T_2 / 2`.

    Parameters
    ----------
    g, variance : array_like
        Mean and variance (>= 0) of the field; they broadcast.
    n : {0, 1, 2}, default=0
        Which derivative.
    tol : float, default=1e-12
        Largest error. A looser one is faster for ``n=0``; derivatives are always exact to 1e-12.
    n_threads : int or None, default=None
        OpenMP threads over the elements. Bits do not depend on it.

    Returns
    -------
    ndarray of the broadcast shape (a float for scalars)

    Raises
    ------
    ValueError
        If an argument is not finite, or a variance negative.

    Examples
    --------
    >>> print(tanh_gauss(0.5, 0.0) - np.tanh(0.5))
    0.0
    >>> print(f"{tanh_gauss(0.5, 1.0):.12f} {tanh_gauss(0.5, 1.0, 1):.12f}")
    0.295452877052 0.561992947463
    """
    if not isinstance(n, int | np.integer) or isinstance(n, bool | np.timedelta64) or n not in (0, 1, 2):
        raise ValueError(f"n must be 0, 1 or 2, got {shown(n)}")
    tol = number("tol", tol, 1e-14, 1e-2)
    (field, v), shape = _flat(g=g, variance=variance)
    within("variance", v, 0, np.inf)
    out = np.empty(v.shape)
    if n == 0:
        _integrals.mean(g=field, v=v, log_eps=_log_eps(tol), out=out, n_threads=threads(n_threads))
        # The quadrature is off by rounding where nothing is to integrate.
        np.tanh(field, out=out, where=v == 0)
    else:
        _integrals.averages(g=field, v=v, **{("mean", "slope", "bend")[n]: out}, n_threads=threads(n_threads))
    return out.reshape(shape)[()]


def log2cosh_gauss(g: ArrayLike, variance: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
    r"""Average :math:`\log 2\cosh(g + \sqrt{v}\, x)` over a Gaussian :math:`x`.

    Its derivative by `g` is :func:`tanh_gauss`. The error is below 1e-12 times the larger
    of 1 and the result.

    Parameters
    ----------
    g, variance : array_like
        Mean and variance (>= 0) of the field; they broadcast.
    n_threads : int or None, default=None
        OpenMP threads over the elements. Bits do not depend on it.

    Returns
    -------
    ndarray of the broadcast shape (a float for scalars), in nats

    Examples
    --------
    >>> print(f"{log2cosh_gauss(0.0, 0.0):.12f} {np.log(2):.12f}")
    0.693147180560 0.693147180560
    """
    (field, v), shape = _flat(g=g, variance=variance)
    within("variance", v, 0, np.inf)
    out = np.empty(v.shape)
    _integrals.averages(g=field, v=v, log2cosh=out, n_threads=threads(n_threads))
    return out.reshape(shape)[()]


def tanh_gauss_pair(
    g1: ArrayLike,
    g2: ArrayLike,
    v1: ArrayLike,
    v2: ArrayLike,
    rho: ArrayLike,
    *,
    tol: float = 1e-12,
    n_threads: int | None = None,
) -> np.ndarray:
    r"""Average the product of two tanh over correlated Gaussians.

    .. math:: E \tanh(g_1 + \sqrt{v_1}\, x) \tanh(g_2 + \sqrt{v_2}\, y), \qquad \langle xy\rangle = \rho.

    Given :math:`x` the average over :math:`y` is :func:`tanh_gauss`, and a trapezoid does the
    rest: right up to :math:`|\rho| = 1`, in a time proportional to the root of the smaller of
    the variances that :math:`x` sees.

    Parameters
    ----------
    g1, g2, v1, v2, rho : array_like
        Means, variances (in [0, 1e8]) and correlation (in [-1, 1]); they broadcast.
    tol : float, default=1e-12
        Largest error.
    n_threads : int or None, default=None
        OpenMP threads over the elements. Bits do not depend on it.

    Returns
    -------
    ndarray of the broadcast shape (a float for scalars)

    Examples
    --------
    >>> bool(abs(tanh_gauss_pair(0.3, 0.3, 1.0, 1.0, 1.0) - (1 - tanh_gauss(0.3, 1.0, 1))) < 1e-12)
    True
    """
    arrays, shape = _flat(g1=g1, g2=g2, v1=v1, v2=v2, rho=rho)
    within("v1", arrays[2], 0, MAX_PAIR_VARIANCE)
    within("v2", arrays[3], 0, MAX_PAIR_VARIANCE)
    within("rho", arrays[4], -1, 1)
    out = np.empty(arrays[0].shape)
    named = dict(zip(("g1", "g2", "v1", "v2", "rho"), arrays, strict=True))
    _integrals.pair(**named, log_eps=_log_eps(tol), out=out, n_threads=threads(n_threads))
    return out.reshape(shape)[()]


def tanh_gauss_covariance(
    g: ArrayLike, variance: ArrayLike, rho: ArrayLike, *, tol: float = 1e-12, n_threads: int | None = None
) -> np.ndarray:
    r"""Return the covariances of :math:`\tanh(g_i + \sqrt{v_i}\, x_i)` of correlated Gaussians.

    Mehler's series :math:`\sum_{n \ge 1} \rho_{ik}^n A_n(i) A_n(k)` where its remainder,
    bounded by Schwarz's inequality, is below `tol`, and :func:`tanh_gauss_pair` elsewhere:
    :math:`O(N)` integrals instead of :math:`O(N^2)`.

    Parameters
    ----------
    g, variance : array_like, shape (n,)
        Means and variances (in [0, 1e8]).
    rho : array_like, shape (n, n)
        Correlations in [-1, 1], symmetric. The diagonal counts as any other element.
    tol : float, default=1e-12
        Largest error.
    n_threads : int or None, default=None
        OpenMP threads over the rows. Bits do not depend on it.

    Returns
    -------
    ndarray, shape (n, n)

    Examples
    --------
    >>> tanh_gauss_covariance([0.5, 1.0], [1.0, 2.0], np.zeros((2, 2)))
    array([[0., 0.],
           [0., 0.]])
    """
    g = finite("g", g, (None,))
    v = within("variance", finite("variance", variance, g.shape), 0, MAX_PAIR_VARIANCE)
    rho = within("rho", finite("rho", rho, (g.size, g.size)), -1, 1)
    tol = number("tol", tol, 1e-14, 1e-2)
    need_memory(f"covariances of {g.size} sites", 16.0 * rho.size, "take fewer")
    return covariance(g, v, rho, np.empty(rho.shape), tol, threads(n_threads))


def covariance(
    g: np.ndarray, v: np.ndarray, rho: np.ndarray, out: np.ndarray, tol: float, n_threads: int
) -> np.ndarray:
    """Write what :func:`tanh_gauss_covariance` returns to `out`, without checks, and return `out`."""
    coefficient, rest = (np.empty((n, g.size)) for n in (_integrals.HERMITE, _integrals.STAGES))
    _integrals.hermite(g=g, v=v, coefficient=coefficient, rest=rest, n_threads=n_threads)
    _integrals.mehler(coefficient=coefficient, rest=rest, rho=rho, tol=tol, out=out, n_threads=n_threads)
    if out.size and np.isnan(out.min()):
        i, k = np.nonzero(np.isnan(out))
        both = np.empty(i.size)
        pairs = {"g1": g[i], "g2": g[k], "v1": v[i], "v2": v[k], "rho": rho[i, k]}
        _integrals.pair(**pairs, log_eps=_log_eps(tol), out=both, n_threads=n_threads)
        out[i, k] = both - coefficient[0, i] * coefficient[0, k]
    return out


def tanh_fixed(a: ArrayLike, v: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
    r"""Solve :math:`m = \tanh(a - v m)` for :math:`v \ge 0`.

    The root is unique. Newton's iteration in :math:`\operatorname{artanh} m` starts below it, at
    :math:`\max(|a|/(1+v), |a|-v)`, where the equation is concave: it climbs monotonically and
    always ends. Started at `a` it would cycle for ever for many large `v`.

    Parameters
    ----------
    a, v : array_like
        Field and self-coupling (>= 0); they broadcast.
    n_threads : int or None, default=None
        OpenMP threads over the elements. Bits do not depend on it.

    Returns
    -------
    ndarray of the broadcast shape (a float for scalars)

    Raises
    ------
    ValueError
        If an argument is not finite, or `v` negative: the root may then not be unique.

    Examples
    --------
    >>> print(f"{tanh_fixed(1.0, 2.0):.15f}")
    0.329094040310562
    """
    (a, v), shape = _flat(a=a, v=v)
    within("v", v, 0, np.inf)
    out = np.empty(a.shape)
    if _integrals.fixed(a=a, v=v, out=out, n_threads=threads(n_threads)):
        i = int(np.flatnonzero(np.isnan(out))[0])
        raise FloatingPointError(f"m = tanh(a - v m) did not settle at a = {a[i]!r}, v = {v[i]!r}")
    return out.reshape(shape)[()]


def tanh_signed_sum(A: ArrayLike, beta: float = 1.0, *, tol: float = 1e-12, n_threads: int | None = None) -> np.ndarray:
    r"""Average :math:`s_a \tanh(\beta \sum_b s_b A_b)` over all signs :math:`s`, for every :math:`a`.

    Exact for any number M of signs without their :math:`2^M` combinations: an integral over
    the characteristic function of the sum, with :math:`O(\log\epsilon\,(\log\epsilon + \beta\sum|A|))`
    nodes and the products of all signs but one by prefixes and suffixes.

    Parameters
    ----------
    A : array_like, shape (..., M)
        Amplitudes.
    beta : float, default=1.0
        Multiplies them; :math:`\beta\sum|A|` is at most 1e10.
    tol : float, default=1e-12
        Largest error.
    n_threads : int or None, default=None
        OpenMP threads over the rows. Bits do not depend on it.

    Returns
    -------
    ndarray, shape (..., M)

    Examples
    --------
    >>> print(tanh_signed_sum([0.7, 0.0], beta=2.0))
    [0.88535165 0.        ]
    """
    A = finite("A", A)
    if A.ndim == 0:
        raise ValueError("A must have at least one axis, got a number")
    scale, rows = number("beta", beta), A.reshape(math.prod(A.shape[:-1]), A.shape[-1])
    _check_sum("beta sum |A|", [abs(scale) * size for size in np.abs(rows).sum(axis=1).tolist()])
    out = np.empty(rows.shape)
    if rows.size:
        _integrals.signs(scale=scale, A=rows, log_eps=_log_eps(tol), out=out, n_threads=threads(n_threads))
    return out.reshape(A.shape)


def _check_sum(name: str, sums: list[float]) -> None:
    """Raise if a sum over signs would take more than hours."""
    if sums and not max(sums) <= MAX_SUM:
        raise ValueError(f"{name} must be <= {MAX_SUM:g}, got {max(sums):g}")


def tanh_product_mean(
    H: ArrayLike,
    a: ArrayLike,
    m: ArrayLike,
    *,
    secant: bool = True,
    tol: float = 1e-12,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    r"""Average :math:`\tanh(H + \sum_j a_j s_j)` over independent signs of mean :math:`m_j`.

    Parameters
    ----------
    H : array_like, shape (...)
        Constant field.
    a, m : array_like, shape (..., M)
        Amplitudes, and means in [-1, 1]; all three broadcast. :math:`|H| + \sum|a|` is at most 1e10;
        the time of a row grows as that sum: about half a second at 1e6.
    secant : bool, default=True
        Whether the third result is wanted.
    tol : float, default=1e-12
        Largest error.
    n_threads : int or None, default=None
        OpenMP threads over the rows. Bits do not depend on it.

    Returns
    -------
    mean : ndarray, shape (...)
    slope : ndarray, shape (...)
        Derivative by `H`: the mean of :math:`\mathrm{sech}^2`.
    secant : ndarray, shape (..., M), or None
        :math:`(t_j(+) - t_j(-))/2` with :math:`t_j(s)` the mean given :math:`s_j = s`. The
        covariance with :math:`s_j` is :math:`(1 - m_j^2)` times it.

    Examples
    --------
    >>> mean, slope, secant = tanh_product_mean(0.2, [0.5], [0.0])
    >>> bool(abs(mean - (np.tanh(0.7) + np.tanh(-0.3)) / 2) < 1e-12)
    True
    """
    H, a, m = finite("H", H), finite("a", a), finite("m", m)
    within("m", m, -1, 1)
    try:
        shape = np.broadcast_shapes((*H.shape, 1), a.shape, m.shape)
    except ValueError:
        raise ValueError(
            f"H (...), a and m (..., M) must broadcast, got shapes {H.shape}, {a.shape}, {m.shape}"
        ) from None
    need_memory(f"averages of shape {shape}", 24.0 * math.prod(shape), "take them in parts")
    field = np.ascontiguousarray(np.broadcast_to(H, shape[:-1])).reshape(-1)
    rows = [np.ascontiguousarray(np.broadcast_to(x, shape)).reshape(field.size, shape[-1]) for x in (a, m)]
    _check_sum("|H| + sum |a|", (np.abs(field) + np.abs(rows[0]).sum(axis=1)).tolist())
    mean, slope = np.empty(field.shape), np.empty(field.shape)
    out = np.empty(rows[0].shape) if flag("secant", secant) else None
    if rows[0].size:
        _integrals.product(
            H=field,
            a=rows[0],
            m=rows[1],
            log_eps=_log_eps(tol),
            mean=mean,
            slope=slope,
            secant=out,
            n_threads=threads(n_threads),
        )
    elif field.size:  # no signs at all
        mean, slope = np.tanh(field), 1 - np.tanh(field) ** 2
    return (
        mean.reshape(shape[:-1])[()],
        slope.reshape(shape[:-1])[()],
        None if out is None else out.reshape(shape),
    )
