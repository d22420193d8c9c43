r"""One step of seven mean-field theories of parallel kinetic Ising dynamics.

A theory takes the moments of time t-1 to those of t. Sources: Plefka expansions about
different reference models, Aguilera, Moosavi & Shimazaki, Nat. Commun. 12, 1197 (2021) [AMS];
the Gaussian field, Mezard & Sakellariou, arXiv:1103.3433 [MS]; conditional mean fields,
Poc-Lopez & Aguilera, arXiv:2107.06850 [CMS]. Throughout a = 1 - m(t-1)^2, b = 1 - m(t)^2,
and C's diagonal is b.
"""

import dataclasses

import numpy as np

from .. import _integrals
from .._threads import n_threads as threads
from ..gaussian import tanh_fixed, tanh_gauss, tanh_gauss_covariance, tanh_product_mean

# A variance below zero by more than rounding says that C is no covariance any more.
ROUNDING = 1e-10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """Couplings and fields with beta in them, and the choices a theory may be given."""

    J: np.ndarray
    H: np.ndarray
    exact_field: bool = False
    c_conditioning: str = "current"
    tol: float = 1e-12
    n_threads: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "J2", self.J**2)

    def field(self, m):
        """Return the mean fields."""
        return self.H + self.J @ m

    def variance(self, v):
        """Return v with rounding below zero cut off, or say at which site it is negative."""
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

    def onsager(self, a, v):
        """Solve m = tanh(a - v m)."""
        return tanh_fixed(a, self.variance(v), n_threads=self.n_threads)

    def given(self, g, v, rise, mu, linear=None, square=None):
        """Return means given s_l = 1 or -1, averaged over s_l, and covariances with it, both (site, l).

        The field of site i is g_i + rise_il (s_l - mu_l). Without `linear` the means solve the
        Onsager equation with v, else they are Gaussian, of variance
        v_i - linear_il (s_l - mu_l) - square_il (s_l - mu_l)^2.
        """
        mean, cov = np.empty_like(rise), np.empty_like(rise)
        log_eps = 4 - np.log(self.tol)
        _integrals.given(
            g,
            np.ascontiguousarray(v),
            np.ascontiguousarray(rise),
            linear,
            square,
            mu,
            log_eps,
            mean,
            cov,
            threads(self.n_threads),
        )
        return mean, cov


def with_diagonal(C, m):
    """Put the variances 1 - m^2 on the diagonal of C, in place."""
    np.fill_diagonal(C, 1 - m**2)
    return C


def scale(rows, matrix, columns):
    """Return rows_i matrix_ik columns_k."""
    return rows[:, None] * matrix * columns


def naive(net, m, C, D):
    """Return Plefka[t-1, t], first order."""
    a = 1 - m**2
    m = np.tanh(net.field(m))
    return m, np.diag(1 - m**2), scale(1 - m**2, net.J, a)


def tap(net, m, C, D):
    """Return Plefka[t-1, t], second order: Thouless, Anderson and Palmer."""
    a, before = 1 - m**2, m
    half = net.J * np.sqrt(a)
    K = half @ half.T
    m = net.onsager(net.field(m), K.diagonal())
    b = 1 - m**2
    # The factor 2 is the third cumulant of s_l; programs before 2024 have 1.
    D = scale(b, net.J, a) * (1 + 2 * scale(m, net.J, before))
    return m, with_diagonal(scale(b, K, b), m), D


def plefka_t1(net, m, C, D):
    """Return Plefka[t], first order."""
    m = np.tanh(net.field(m))
    b = 1 - m**2
    return m, np.diag(b), b[:, None] * (net.J @ C)


def plefka_t2(net, m, C, D):
    """Return Plefka[t], second order: C feeds back linearly and may run away."""
    before, JC = m, net.J @ C
    K = JC @ net.J.T
    m = net.onsager(net.field(m), K.diagonal())
    b = 1 - m**2
    D = b[:, None] * JC * (1 + 2 * scale(m, net.J, before))
    return m, with_diagonal(scale(b, (K + K.T) / 2, b), m), D


def gaussian(net, m, C, D):
    """Return Plefka[t-1], first order: fields of independent spins are Gaussian [MS].

    With ``exact_field`` they are sums of independent signs, exactly, in m and in D; C keeps
    its Gaussian covariance.
    """
    a = 1 - m**2
    half = net.J * np.sqrt(a)
    K = half @ half.T
    v, g = K.diagonal().copy(), net.field(m)
    width = np.sqrt(np.where(v > 0, v, 1.0))
    rho = K / width
    rho /= width[:, None]
    np.clip(rho, -1, 1, out=rho)
    np.fill_diagonal(rho, 0)  # known otherwise
    C_now = tanh_gauss_covariance(g, v, rho, tol=max(net.tol, 1e-13), n_threads=net.n_threads)
    if net.exact_field:
        now, _, secant = tanh_product_mean(net.H, net.J, m, tol=net.tol, n_threads=net.n_threads)
        return now, with_diagonal(C_now, now), secant @ C
    now, slope = np.empty_like(g), np.empty_like(g)
    _integrals.averages(g, v, now, slope, None, None, threads(net.n_threads))
    return now, with_diagonal(C_now, now), slope[:, None] * (net.J @ C)


def pairwise(net, m, C, D):
    """Return Plefka2[t], second order: pairs s_i(t), s_l(t-1) are kept [AMS]."""
    J, g, JC = net.J, net.field(m), net.J @ C
    K, pull = JC @ J.T, (J @ D) @ J.T
    # Spin l is given, so it is taken out of the variance, and its past reaches the others.
    pull += J * (1 - (J * D).sum(1))
    v = J * C.diagonal()
    v -= 2 * JC
    v *= J
    v += K.diagonal()[:, None]
    means, D = net.given(g, net.variance(v), pull, m)
    now = means.mean(1)
    K = (K + K.T) / 2
    v = net.variance(K.diagonal()[:, None].copy())
    C = net.given(g, v, K, now if net.c_conditioning == "current" else m)[1]
    return now, with_diagonal((C + C.T) / 2, now), D


def conditional(net, m, C, D):
    """Return Gaussian fields of the spins given one of them, before or now [CMS]."""
    if (abs(m) == 1).all():
        return gaussian(net, m, C, D)  # nothing to condition on
    means, D = given_one(net, m, C, m)
    now = means.mean(1)
    C = given_one(net, m, D.T, now)[1]
    return now, with_diagonal((C + C.T) / 2, now), D


def given_one(net, m, cov, mu):
    """Return what `Network.given` does, if spins at t-1 have covariances `cov` (j, l) with s_l.

    The means m_j given s_l are linear in s_l, so that fields and variances need three matrix
    products for both signs; columns where a mean is cut at -1 or 1 are done again without.
    """
    b = 1 - mu**2
    slope = cov / np.where(b > 0, b, np.inf)
    most = abs(slope)
    most *= 1 + abs(mu)
    most += abs(m)[:, None]
    # A mean given itself goes to -1 or 1 and no further: the bound is too wide there.
    own = m + slope.diagonal() * np.array([1 - mu, -1 - mu])
    np.fill_diagonal(most, abs(own).max(0))
    columns = np.flatnonzero(most.max(0) > 1 + 1e-12)
    if net.exact_field:
        return apart(net, m, slope, mu, np.arange(len(m)))
    g, v = net.field(m), (net.J2 @ (1 - m**2))[:, None]
    out = net.given(g, v, net.J @ slope, mu, 2 * ((net.J2 * m) @ slope), net.J2 @ slope**2)
    if columns.size:
        for whole, part in zip(out, apart(net, m, slope, mu, columns), strict=True):
            whole[:, columns] = part
    return out


def apart(net, m, slope, mu, columns):
    """Return these columns of it, from the means given either sign, cut at -1 and 1."""
    plus, minus = (tanh_given(net, np.clip(m[:, None] + slope[:, columns] * (s - mu[columns]), -1, 1)) for s in (1, -1))
    mu = mu[columns]
    return (plus * (1 + mu) + minus * (1 - mu)) / 2, (1 - mu**2) / 2 * (plus - minus)


def tanh_given(net, given):
    """Return the means of tanh for columns of means of independent spins before."""
    if not net.exact_field:
        g = net.H[:, None] + net.J @ given
        v = np.maximum(net.J2 @ (1 - given**2), 0)
        return tanh_gauss(g, v, tol=net.tol, n_threads=net.n_threads)
    means = (tanh_product_mean(net.H, net.J, x, secant=False, tol=net.tol, n_threads=net.n_threads)[0] for x in given.T)
    return np.stack(list(means), axis=1)


METHODS = {f.__name__: f for f in (naive, tap, plefka_t1, plefka_t2, gaussian, pairwise, conditional)}
