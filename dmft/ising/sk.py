r"""The asymmetric Sherrington-Kirkpatrick model at infinite size.

Couplings are independent, of mean :math:`J_0/N` and variance :math:`\Delta J^2/N`, so that the field
of a spin is Gaussian and the order parameters m and q close exactly: Aguilera, Igarashi &
Shimazaki, Nat. Commun. 14, 3685 (2023) [1]_.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import erf

from .._util.arithmetic import own_arithmetic
from .._util.checks import number, whole
from .._util.memory import need_memory
from .._util.values import Value
from ..gaussian.averages import log2cosh_gauss, tanh_gauss, tanh_gauss_pair


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SteadyState(Value):
    """Order parameters and entropy rates of a stationary state; rates are per spin, in nats.

    A rate is per step if updates are parallel and per unit time, in which a spin is updated
    once on average, if they are asynchronous; the entropy rate is that of parallel updates.
    """

    m: float
    q: float
    k: float
    entropy_rate: float
    entropy_production: float

    @property
    def reverse_entropy_rate(self) -> float:
        """Entropy of a step against the reversed dynamics."""
        return self.entropy_rate + self.entropy_production


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AsymmetricSK(Value):
    r"""The asymmetric SK model.

    Parameters
    ----------
    J0 : float, default=1.0
        Mean coupling, times N.
    dJ : float
        Standard deviation of the couplings, times the root of N; from 0 to 1e150.
    H0 : float, default=0.0
        Fields are uniform on [-H0, H0].

    See Also
    --------
    PhaseDiagram : its stationary states on a grid of parameters.

    References
    ----------
    .. [1] Aguilera, Igarashi, Shimazaki, Nat. Commun. 14, 3685 (2023), arXiv:2205.09886.

    Examples
    --------
    >>> print(f"{AsymmetricSK(dJ=0.1, H0=0.5).beta_c():.10f}")
    1.1108400410
    """

    J0: float = 1.0
    dJ: float
    H0: float = 0.0

    def __post_init__(self) -> None:
        for name, low in (("J0", -np.inf), ("dJ", 0), ("H0", 0)):
            object.__setattr__(self, name, number(name, getattr(self, name), low))
        if self.dJ > 1e150:  # its square is no double
            raise ValueError(f"dJ must be <= 1e150, got {self.dJ:g}")

    @own_arithmetic
    def n_nodes(self, beta: float) -> int:
        """Return how many random fields averages take; raise MemoryError if they are too many: nodes are eigenvalues.

        Examples
        --------
        >>> AsymmetricSK(dJ=0.5, H0=0.5).n_nodes(1.0)
        29
        """
        beta = number("beta", beta, 0)
        if self.H0 == 0:
            return 1
        with np.errstate(over="ignore", invalid="ignore"):
            sharp = beta * self.H0 / np.sqrt(1 + np.float64(beta * self.dJ) ** 2)
        if not np.isfinite(sharp) and self.dJ > 0:
            sharp = self.H0 / self.dJ
        size = 24 + 12 * float(sharp)
        need_memory(f"random fields at beta = {beta:g}, H0 = {self.H0:g}, dJ = {self.dJ:g}", 16 * size * size)
        return int(24 + 12 * sharp)

    def _beta(self, beta: float) -> float:
        """Return the argument `beta`, for which the averages over Gaussian fields are known."""
        beta = number("beta", beta, 0)
        if beta * max(self.dJ, 1e-300) > 1e4 or beta * (abs(self.J0) + self.H0) > 1e15:
            raise ValueError(f"beta must be <= {1e4 / max(self.dJ, 1e-9):g} for dJ = {self.dJ:g}, got {beta:g}")
        return beta

    def _fields(self, beta: float) -> tuple[np.ndarray, np.ndarray]:
        """Return nodes and weights of the fields: Gauss-Legendre, finer than tanh or its smearing."""
        if self.H0 == 0:
            return np.zeros(1), np.ones(1)
        x, w = np.polynomial.legendre.leggauss(self.n_nodes(beta))
        return self.H0 * x, w / 2

    def _mean(self, beta: float, m: float, n: Literal[0, 1, 2] = 0) -> float:
        """Return the mean of tanh of the fields of spins of mean m, or its n-th derivative."""
        h, w = self._fields(beta)
        return float(w @ tanh_gauss(beta * (h + self.J0 * m), (beta * self.dJ) ** 2, n))

    def _overlap(self, beta: float, m1: float, m2: float, rho: ArrayLike) -> np.ndarray:
        """Return q after a step, from means m1, m2 and overlaps rho of the times before, shape (n,)."""
        h, w = self._fields(beta)
        v = (beta * self.dJ) ** 2
        return w @ tanh_gauss_pair(
            beta * (h + self.J0 * m1)[:, None], beta * (h + self.J0 * m2)[:, None], v, v, np.clip(rho, -1, 1)
        )

    @own_arithmetic
    def magnetisation(self, beta: float) -> float:
        """Return the largest stationary m: the state reached from all ones."""
        beta = self._beta(beta)
        m = 1.0
        for _ in range(200):
            excess = self._mean(beta, m) - m
            slope = 1 - beta * self.J0 * self._mean(beta, m, 1)
            # Newton from above stays above the root of a concave map; elsewhere plain iteration does.
            new = m + excess / slope if slope > 0 else m + excess
            if not 0 <= new <= m:
                new = m + excess
            if abs(new - m) < 1e-15 or abs(new) < 1e-13:
                return max(new, 0.0) if abs(new) >= 1e-13 else 0.0
            m = new
        # At the critical point the root is double, and Newton only halves the distance.
        return 0.0 if abs(m) < 1e-7 else m

    @own_arithmetic
    def overlap(self, beta: float, m: float) -> float:
        """Return q, the correlation of a spin with itself at distant times."""
        beta, m = self._beta(beta), number("m", m, -1, 1)
        excess = lambda q: float(self._overlap(beta, m, m, [q])[0]) - q  # noqa: E731
        if self.dJ == 0 or beta == 0:
            return excess(0.0)
        # E tanh tanh is convex in q and below 1 at q = 1: one root.
        return 0.0 if excess(0.0) < 1e-15 else brentq(excess, 0.0, 1.0, xtol=1e-15, rtol=1e-14)

    @own_arithmetic
    def steady(self, beta: float) -> SteadyState:
        """Return the stationary state of parallel updates.

        Parameters
        ----------
        beta : float
            At least 0.

        Returns
        -------
        SteadyState
        """
        beta = self._beta(beta)
        m = self.magnetisation(beta)
        q, k = self.overlap(beta, m), self._mean(beta, m, 1)
        h, w = self._fields(beta)
        g, v = beta * (h + self.J0 * m), (beta * self.dJ) ** 2
        # E u tanh u = g E tanh u + v E sech^2 u, by parts.
        entropy = w @ (log2cosh_gauss(g, v) - g * tanh_gauss(g, v)) - v * k
        return SteadyState(m=m, q=q, k=k, entropy_rate=float(entropy), entropy_production=v * (1 - q) * k)

    @own_arithmetic
    def asynchronous(self, beta: float) -> SteadyState:
        r"""Return the stationary state of asynchronous updates, at rate 1 per spin.

        m, q and k are those of parallel updates. The correlation C(u) of a spin with itself
        obeys :math:`C'' = C - F(C)` with F the overlap map; its energy integral gives C', and
        the entropy production needs :math:`\int_0^\infty e^{-u} C\,du`.

        Parameters
        ----------
        beta : float
            At least 0.

        Returns
        -------
        SteadyState
        """
        steady = self.steady(beta)
        m, q, v = steady.m, steady.q, (beta * self.dJ) ** 2
        if v == 0:
            return steady
        # C' = -(C - q) speed(C), where speed^2 / 2 is a mean of r = (c - F(c)) / (c - q) over [q, C].
        # F has a root singularity near 1 if v is large: everything is smooth in y, c = 1 - (1 - q) y^2.
        n = 96
        y = (1 - np.cos(np.pi * (np.arange(n) + 0.5) / n)) / 2
        c, above = 1 - (1 - q) * y**2, (1 - q) * (1 - y**2)
        smooth = np.polynomial.Chebyshev.fit
        r = smooth(y, (c - self._overlap(beta, m, m, c)) / above, n - 1, domain=[0, 1])
        x, w = np.polynomial.legendre.leggauss(64)
        x, w = (1 + x) / 2, w / 2
        z = y[:, None] + (1 - y[:, None]) * x
        mean = ((1 - x) * (1 + z) * 2 * z * r(z)) @ w / (1 + y) ** 2
        speed = smooth(y, np.sqrt(2 * mean), n - 1, domain=[0, 1])

        def derivative(s: float, state: np.ndarray) -> tuple[float, float]:
            # y = 1 - e^-s; state: time u, and int e^-u (-C') du, which is 1 - int e^-u C du.
            left = np.exp(-s)
            y = 1 - left
            return 2 * y / ((2 - left) * speed(y)), (1 - q) * 2 * y * left * np.exp(-state[0])

        lost = solve_ivp(derivative, (0, 40), [0.0, 0.0], method="DOP853", rtol=1e-11, atol=1e-13).y[1, -1]
        return dataclasses.replace(steady, entropy_production=v * steady.k * float(lost))

    @own_arithmetic
    def dynamics(self, beta: float, n_steps: int, m0: float = 1.0, q0: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Return m(t) and q(t, t-1) of parallel updates at times 1 to `n_steps`.

        Parameters
        ----------
        beta : float
        n_steps : int
        m0, q0 : float, default=1.0
            Mean of time 0, and overlap of the times 0 and -1, both of mean `m0`.

        Returns
        -------
        m, q : ndarray, shape (n_steps,)
        """
        beta, m0, q0 = self._beta(beta), number("m0", m0, -1, 1), number("q0", q0, -1, 1)
        need_memory(f"n_steps = {whole('n_steps', n_steps, 1)} steps", 16.0 * n_steps, "take fewer")
        m, q, before = np.empty(n_steps), np.empty(n_steps), m0
        now, overlap = m0, q0
        for t in range(n_steps):
            overlap = q[t] = self._overlap(beta, now, before, [overlap])[0]
            before, now = now, self._mean(beta, now)
            m[t] = now
        return m, q

    @own_arithmetic
    def two_times(self, beta: float, n_steps: int, m0: float = 1.0) -> np.ndarray:
        """Return q(t, s) of parallel updates at times 0 to `n_steps`, from one state of mean `m0`."""
        n_bytes = 8.0 * (whole("n_steps", n_steps, 1) + 1) ** 2
        need_memory(f"overlaps of {n_steps + 1} times with each other", n_bytes, "take fewer (n_steps)")
        m = np.r_[m0, self.dynamics(beta, n_steps, m0)[0]]
        q = np.ones((m.size, m.size))
        q[0, 1:] = q[1:, 0] = m0 * m[1:]
        for lag in range(1, m.size):
            for s in range(1, m.size - lag):
                t = s + lag
                q[t, s] = q[s, t] = self._overlap(beta, m[t - 1], m[s - 1], [q[t - 1, s - 1]])[0]
        return q

    @own_arithmetic
    def beta_c(self) -> float:
        r"""Return the inverse temperature where m = 0 loses stability, inf if it never does.

        There :math:`\beta J_0 k = 1`; with fields that is :math:`E\tanh(\beta(H_0 + \Delta J z)) = H_0/J_0`.

        Examples
        --------
        >>> AsymmetricSK(dJ=0.0, J0=1e-6).beta_c(), AsymmetricSK(dJ=0.8, J0=1.0).beta_c()
        (1000000.0, inf)
        """
        H, D = (value / self.J0 if self.J0 > 0 else np.inf for value in (self.H0, self.dJ))
        # Of a unit of J0: beta k tends to twice the density of fields at 0, and is short of it by bend / beta^2.
        if D == 0:
            limit, bend = (np.inf if H < 1 else 0.0), 0.0
        else:
            limit = float(erf(H / D / np.sqrt(2)) / H) if H > 1e-9 * D else float(np.sqrt(2 / np.pi) / D)
            bend = float(np.pi**2 / 12 * np.exp(-((H / D) ** 2) / 2) / np.sqrt(2 * np.pi) / D**3)
        if not limit > 1:
            return np.inf
        if D == 0:
            return (1.0 if H == 0 else float(np.arctanh(H)) / H) / self.J0
        model, unit = (self, 1.0) if 1e-3 < self.J0 < 1e3 else (dataclasses.replace(self, J0=1.0, H0=H, dJ=D), self.J0)
        excess = lambda beta: beta * model.J0 * model._mean(beta, 0.0, 1) - 1  # noqa: E731
        high = 1.0
        while high * model.dJ < 5e3 and excess(high) < 0:
            high *= 2
        if high * model.dJ >= 5e3:
            return float(np.sqrt(bend / (limit - 1))) / self.J0
        return brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-14) / unit
