r"""Seven mean-field theories of parallel kinetic Ising dynamics, one function each.

A function returns the moments m, C, D of time t from those of t-1. Sources: Plefka expansions about
different reference models, Aguilera, Moosavi & Shimazaki, Nat. Commun. 12, 1197 (2021) [AMS];
the Gaussian field, Mezard & Sakellariou, arXiv:1103.3433 [MS]; conditional mean fields,
Poc-Lopez & Aguilera, arXiv:2107.06850 [CMS]. Throughout a = 1 - m(t-1)^2, b = 1 - m(t)^2,
and C's diagonal is b.
"""

from __future__ import annotations

import dataclasses
import operator
import threading
from collections.abc import Callable
from typing import Literal

import numpy as np

from .._util.pool import apart
from .._util.threads import n_threads as threads
from ..gaussian import _integrals
from ..gaussian.averages import covariance, tanh_fixed, tanh_gauss, tanh_product_mean

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # m, C, D
Method = Literal["naive", "tap", "plefka_t1", "plefka_t2", "gaussian", "pairwise", "conditional"]
Conditioning = Literal["current", "previous"]

# A variance that is more negative than rounding makes it: C is no covariance any more.
ROUNDING = 1e-10
MOST_VARIANCE = 1e12  # of a field: the nodes of its averages grow like the root


class _Scratch(threading.local):
    """Arrays of each thread, kept from step to step: new memory costs as much time as the arithmetic."""

    def __init__(self) -> None:
        self.n = 0
        self.arrays: list[np.ndarray] = []


_scratch = _Scratch()


def scratch(n: int, count: int) -> list[np.ndarray]:
    """Return n x n arrays to work in, the same ones at every call of a thread."""
    if _scratch.n != n:
        _scratch.n, _scratch.arrays = n, []
    while len(_scratch.arrays) < count:
        _scratch.arrays.append(np.empty((n, n)))
    return _scratch.arrays[:count]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Couplings and fields times beta, and the options of the theories.

    Attributes
    ----------
    J, J2 : ndarray, shape (n_sites, n_sites)
        Couplings, and their squares.
    H : ndarray, shape (n_sites,)
    exact_field, c_conditioning, tol, n_threads
        As in `MeanField`, whose `field` is "exact" or not.
    """

    J: np.ndarray
    H: np.ndarray
    exact_field: bool = False
    c_conditioning: Conditioning = "current"
    tol: float = 1e-12
    n_threads: int | None = None
    J2: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "J2", self.J**2)

    def field(self, m: np.ndarray) -> np.ndarray:
        """Return the mean fields of spins of mean `m`."""
        return self.H + self.J @ m

    def variance(self, v: np.ndarray) -> np.ndarray:
        """Return v with rounding below zero cut off; raise if a variance is negative."""
        lowest = v.min()
        if lowest >= 0:
            return v
        if not lowest >= -ROUNDING * max(1.0, abs(v).max()):
            where = np.unravel_index(np.argmin(v), v.shape)
            raise FloatingPointError(
                f"the variance of the field of site {where[0]} is {v[where]:.6g}: C is no covariance "
                "any more, the theory has run away; lower beta or use another method"
            )
        return np.maximum(v, 0)

    def onsager(self, a: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Solve m = tanh(a - v m)."""
        return tanh_fixed(a, self.variance(v), n_threads=self.n_threads)

    def given(
        self,
        g: np.ndarray,
        v: np.ndarray,
        rise: np.ndarray,
        mu: np.ndarray,
        linear: np.ndarray | None = None,
        square: np.ndarray | None = None,
        mean: np.ndarray | None = None,
    ) -> None:
        """Write covariances with s_l = 1 or -1 to `rise`, and the average means given s_l to `mean`, both (site, l).

        The field of site i is g_i + rise_il (s_l - mu_l). Without `linear` the means solve the
        Onsager equation with v, else they are Gaussian, of variance
        v_i - linear_il (s_l - mu_l) - square_il (s_l - mu_l)^2.
        """
        log_eps = 4 - np.log(self.tol)
        _integrals.given(
            g=g,
            v=v,
            rise=rise,
            linear=linear,
            square=square,
            mu=mu,
            log_eps=log_eps,
            mean=mean,
            cov=rise,
            n_threads=threads(self.n_threads),
        )


def with_diagonal(C: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Put the variances 1 - m^2 on the diagonal of C, in place."""
    np.fill_diagonal(C, 1 - m**2)
    return C


def half_sum(X: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return (X + X^T) / 2."""
    out = np.add(X, X.T, out=out)
    out *= 0.5
    return out


def scale(rows: np.ndarray, matrix: np.ndarray, columns: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return rows_i matrix_ik columns_k."""
    out = np.multiply(matrix, columns, out=out)
    out *= rows[:, None]
    return out


def third_cumulant(net: Network, m: np.ndarray, before: np.ndarray, D: np.ndarray, work: np.ndarray) -> np.ndarray:
    """Multiply D by 1 + 2 m_i J_il m_l(t-1), in place."""
    # The factor 2 is the third cumulant of s_l; programs before 2024 have 1.
    scale(2 * m, net.J, before, out=work)
    work += 1
    D *= work
    return D


def naive(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Plefka[t-1, t], first order."""
    a = 1 - m**2
    m = np.tanh(net.field(m))
    return m, np.diag(1 - m**2), scale(1 - m**2, net.J, a)


def tap(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Plefka[t-1, t], second order: Thouless, Anderson and Palmer."""
    a, before, work = 1 - m**2, m, scratch(len(m), 1)[0]
    half = np.multiply(net.J, np.sqrt(a), out=work)
    K = apart(np.matmul, half, half.T)
    m = net.onsager(net.field(m), K.diagonal())
    b = 1 - m**2
    D = third_cumulant(net, m, before, scale(b, net.J, a), work)
    return m, with_diagonal(scale(b, K, b, out=K), m), D


def plefka_t1(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Plefka[t], first order."""
    m = np.tanh(net.field(m))
    b = 1 - m**2
    D = apart(operator.matmul, net.J, C)
    D *= b[:, None]
    return m, np.diag(b), D


def plefka_t2(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Plefka[t], second order: C feeds back linearly and may run away."""
    before, JC = m, apart(operator.matmul, net.J, C)
    K = apart(np.matmul, JC, net.J.T, out=(work := scratch(len(m), 1)[0]))
    m = net.onsager(net.field(m), K.diagonal())
    b = 1 - m**2
    C = half_sum(K)
    JC *= b[:, None]
    return m, with_diagonal(scale(b, C, b, out=C), m), third_cumulant(net, m, before, JC, work)


def gaussian(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Plefka[t-1], first order: fields of independent spins are Gaussian [MS].

    With ``exact_field`` they are sums of independent signs, exactly, in m and in D; C keeps
    its Gaussian covariance.
    """
    a = 1 - m**2
    v, g = net.J2 @ a, net.field(m)
    if v.max() > MOST_VARIANCE:
        i = int(v.argmax())
        raise FloatingPointError(f"gaussian runs away: the field of site {i} has the variance {v[i]:.3g}")
    half, rho = scratch(len(m), 2)
    scale(1 / np.sqrt(np.where(v > 0, v, 1.0)), net.J, np.sqrt(a), out=half)
    apart(np.matmul, half, half.T, out=rho)
    np.clip(rho, -1, 1, out=rho)
    np.fill_diagonal(rho, 0)  # known otherwise
    n_threads = threads(net.n_threads)
    C_now = covariance(g, v, rho, np.empty_like(rho), max(net.tol, 1e-13), n_threads)
    if net.exact_field:
        now, _, secant = tanh_product_mean(net.H, net.J, m, tol=net.tol, n_threads=n_threads)
        return now, with_diagonal(C_now, now), apart(np.matmul, secant, C)
    now, slope = np.empty_like(g), np.empty_like(g)
    _integrals.averages(g=g, v=v, mean=now, slope=slope, n_threads=n_threads)
    D = apart(operator.matmul, net.J, C)
    D *= slope[:, None]
    return now, with_diagonal(C_now, now), D


def pairwise(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Plefka2[t], second order: pairs s_i(t), s_l(t-1) are kept [AMS]."""
    J, g, (JC, K, v) = net.J, net.field(m), scratch(len(m), 3)
    apart(np.matmul, J, C, out=JC)
    apart(np.matmul, JC, J.T, out=K)
    pull = apart(np.matmul, apart(np.matmul, J, D, out=v), J.T)
    # Spin l is given, so it is taken out of the variance, and its past reaches the others.
    pull += np.multiply(J, 1 - np.einsum("ln,ln->l", J, D), out=v)
    np.multiply(J, C.diagonal(), out=v)
    v -= JC
    v -= JC
    v *= J
    v += K.diagonal()[:, None]
    net.given(g, net.variance(v), pull, m, mean=JC)
    now = JC.mean(1)
    K = half_sum(K, out=v)
    v = np.ascontiguousarray(net.variance(K.diagonal())[:, None])
    net.given(g, v, K, now if net.c_conditioning == "current" else m)
    return now, with_diagonal(half_sum(K), now), pull


def conditional(net: Network, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
    """Return Gaussian fields of the spins given one of them, before or now [CMS]."""
    if (abs(m) == 1).all():
        return gaussian(net, m, C, D)  # nothing to condition on
    D, (K, weights) = np.empty_like(C), scratch(len(m), 6)[4:]
    fields = net.field(m), (net.J2 @ (1 - m**2))[:, None], np.multiply(net.J2, 2 * m, out=weights)
    now = given_one(net, m, C, m, fields, D).mean(1)
    given_one(net, m, D, now, fields, K, mean=False)
    return now, with_diagonal(half_sum(K), now), D


def given_one(
    net: Network,
    m: np.ndarray,
    cov: np.ndarray,
    mu: np.ndarray,
    fields: Arrays,
    out: np.ndarray,
    mean: bool = True,
) -> np.ndarray:
    """Write covariances with s_l to `out`, and return the average means given s_l, both (site, l), if `mean`.

    Spins j at t-1 have the covariance `cov` (l, j) with s_l. `fields` are the means and variances of the
    fields and 2 J^2 m, without condition. The means m_j given s_l are linear in s_l, so that fields and
    variances need three matrix products for both signs; columns where a mean would leave [-1, 1] are
    computed once more, with the mean clipped.
    """
    slope, square, linear, work = scratch(len(m), 4)
    b = 1 - mu**2
    np.divide(cov, np.where(b > 0, b, np.inf)[:, None], out=slope)
    columns = clipped_columns(slope, m, mu)
    if net.exact_field:
        means, out[:] = given_each_sign(net, m, slope.T, mu, np.arange(len(m)))
        return means
    np.matmul(net.J, slope.T, out=out)
    g, v, weights = fields
    np.matmul(weights, slope.T, out=linear)
    np.matmul(net.J2, np.multiply(slope, slope, out=work).T, out=square)
    means = linear  # they take the place of what they are computed from
    net.given(g, v, out, mu, linear, square, means if mean else None)
    if columns.size:
        means[:, columns], out[:, columns] = given_each_sign(net, m, slope.T, mu, columns)
    return means


def clipped_columns(slope: np.ndarray, m: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Return the spins l given which a mean m_j + slope_lj (s_l - mu_l) may leave [-1, 1]."""
    reach, own = 1 + abs(mu), slope.diagonal().copy()
    np.fill_diagonal(slope, 0)
    lines = np.flatnonzero(np.maximum(slope.max(1), -slope.min(1)) * reach + abs(m).max() > 1 + 1e-12)
    lines = lines[(abs(slope[lines]) * reach[lines, None] + abs(m)).max(1) > 1 + 1e-12]
    np.fill_diagonal(slope, own)
    # The mean of a spin given itself is -1 or 1 exactly: the bound is too wide there.
    own = abs(m + own * np.array([1 - mu, -1 - mu])).max(0) > 1 + 1e-12
    return np.union1d(lines, np.flatnonzero(own))


def given_each_sign(
    net: Network, m: np.ndarray, slope: np.ndarray, mu: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns of the average means and of the covariances, from the means given either sign, clipped."""
    plus, minus = (tanh_given(net, np.clip(m[:, None] + slope[:, columns] * (s - mu[columns]), -1, 1)) for s in (1, -1))
    mu = mu[columns]
    return (plus * (1 + mu) + minus * (1 - mu)) / 2, (1 - mu**2) / 2 * (plus - minus)


def tanh_given(net: Network, given: np.ndarray) -> np.ndarray:
    """Return the means of tanh, for columns of means of independent spins before."""
    if not net.exact_field:
        g = net.H[:, None] + net.J @ given
        v = np.maximum(net.J2 @ (1 - given**2), 0)
        return tanh_gauss(g, v, tol=net.tol, n_threads=net.n_threads)
    means = (tanh_product_mean(net.H, net.J, x, secant=False, tol=net.tol, n_threads=net.n_threads)[0] for x in given.T)
    return np.stack(list(means), axis=1)


METHODS: dict[str, Callable[[Network, np.ndarray, np.ndarray, np.ndarray], Arrays]] = {
    f.__name__: f for f in (naive, tap, plefka_t1, plefka_t2, gaussian, pairwise, conditional)
}
"""The theories by the name of their method."""
