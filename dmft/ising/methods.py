r"""One step of seven mean-field theories of parallel kinetic Ising dynamics.

A theory takes the moments of time t-1 to those of t. Sources: Plefka expansions about
different reference models, Aguilera, Moosavi & Shimazaki, Nat. Commun. 12, 1197 (2021) [AMS];
the Gaussian field, Mezard & Sakellariou, arXiv:1103.3433 [MS]; conditional mean fields,
Poc-Lopez & Aguilera, arXiv:2107.06850 [CMS]. Throughout a = 1 - m(t-1)^2, b = 1 - m(t)^2,
and C's diagonal is b.
"""

import dataclasses

import numpy as np

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

    def onsager(self, a, v):
        """Solve m = tanh(a - v m), or say at which site v is negative."""
        if not np.isfinite(v).all() or v.min(initial=0) < -ROUNDING * max(1.0, abs(v).max()):
            where = tuple(int(i) for i in np.argwhere(~(v >= -ROUNDING))[0])
            raise FloatingPointError(
                f"the variance of the field of site {where[0]} is {v[where]:.6g}: C is no covariance "
                "any more, the theory has run away; lower beta or use another method"
            )
        return tanh_fixed(np.broadcast_to(a, v.shape), np.maximum(v, 0), n_threads=self.n_threads)

    def tanh_mean(self, g, v, n=0):
        """Average tanh over a Gaussian field; rounding may have left v below zero."""
        return tanh_gauss(g, np.maximum(v, 0), n, tol=self.tol, n_threads=self.n_threads)


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
    rho = np.clip(K / np.outer(width, width), -1, 1)
    C_now = tanh_gauss_covariance(g, v, rho, tol=max(net.tol, 1e-13), n_threads=net.n_threads)
    if net.exact_field:
        now, _, secant = tanh_product_mean(net.H, net.J, m, tol=net.tol, n_threads=net.n_threads)
        return now, with_diagonal(C_now, now), secant @ C
    now = net.tanh_mean(g, v)
    return now, with_diagonal(C_now, now), net.tanh_mean(g, v, 1)[:, None] * (net.J @ C)


def halves(plus, minus, mu):
    """Return mean and covariance with s of mean mu, of what is `plus` at s = 1 and `minus` at -1."""
    mean = (plus * (1 + mu) + minus * (1 - mu)) / 2
    return mean, (1 - mu**2) / 2 * (plus - minus)


def pairwise(net, m, C, D):
    """Return Plefka2[t], second order: pairs s_i(t), s_l(t-1) are kept [AMS]."""
    J, g, JC, JD = net.J, net.field(m), net.J @ C, net.J @ D
    K, W = JC @ J.T, JD @ J.T
    K = (K + K.T) / 2
    # Spin l is given, so it is taken out of the variance, and its past reaches the others.
    v = K.diagonal()[:, None] - 2 * J * JC + net.J2 * C.diagonal()
    pull = J + W - J * (J * D).sum(1)
    plus, minus = (net.onsager(g[:, None] + pull * (s - m), v) for s in (1, -1))
    means, D = halves(plus, minus, m)
    now = means.mean(1)
    mu = now if net.c_conditioning == "current" else m
    v = np.broadcast_to(K.diagonal()[:, None], K.shape)
    plus, minus = (net.onsager(g[:, None] + K * (s - mu), v) for s in (1, -1))
    C = halves(plus, minus, mu)[1]
    return now, with_diagonal((C + C.T) / 2, now), D


def conditional(net, m, C, D):
    """Return Gaussian fields of the spins given one of them, before or now [CMS]."""
    if (abs(m) == 1).all():
        return gaussian(net, m, C, D)  # nothing to condition on
    plus, minus = given_one(net, m, C, m)
    means, D = halves(plus, minus, m)
    now = means.mean(1)
    plus, minus = given_one(net, m, D.T, now)
    C = halves(plus, minus, now)[1]
    return now, with_diagonal((C + C.T) / 2, now), D


def given_one(net, m, cov, mu):
    """Return the means of tanh given s_l = 1 and given s_l = -1, both (site, l).

    `cov` (j, l) is the covariance of spin j at t-1 with s_l, whose mean is mu_l. The means
    m_j given s_l are linear in s_l, so that fields and variances need three matrix products
    for both signs; columns where a mean is cut at -1 or 1 are done again without.
    """
    b = 1 - mu**2
    slope = cov / np.where(b > 0, b, np.inf)
    cut = (abs(m)[:, None] + abs(slope) > 1) & (
        (abs(m[:, None] + slope * (1 - mu)) > 1 + 1e-12) | (abs(m[:, None] - slope * (1 + mu)) > 1 + 1e-12)
    )
    columns = np.flatnonzero(cut.any(0))
    if net.exact_field:
        return [exact_given_one(net, m, slope, s - mu) for s in (1, -1)]
    g, v = net.field(m)[:, None], (net.J2 @ (1 - m**2))[:, None]
    rise = net.J @ slope
    linear, square = 2 * ((net.J2 * m) @ slope), net.J2 @ slope**2
    out = []
    for s in (1, -1):
        x = s - mu
        field, variance = g + rise * x, v - (linear + square * x) * x
        if columns.size:
            given = np.clip(m[:, None] + slope[:, columns] * x[columns], -1, 1)
            field[:, columns] = net.H[:, None] + net.J @ given
            variance[:, columns] = net.J2 @ (1 - given**2)
        out.append(net.tanh_mean(field, variance))
    return out


def exact_given_one(net, m, slope, x):
    """Return the same for one sign, with exact sums of independent signs as fields."""
    out = np.empty(slope.shape)
    for k in range(len(m)):
        given = np.clip(m + slope[:, k] * x[k], -1, 1)
        out[:, k] = tanh_product_mean(
            net.H, net.J, given, secant=False, tol=net.tol, n_threads=net.n_threads
        )[0]
    return out


METHODS = {f.__name__: f for f in (naive, tap, plefka_t1, plefka_t2, gaussian, pairwise, conditional)}
