"""Run a mean-field theory of a kinetic Ising system: one step, many steps, to the stationary state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, number, one_of, whole
from .._util.pool import checkpoint
from .._util.progress import each, shows_progress
from .._util.threads import n_threads as threads
from .._util.values import Whole
from .methods import METHODS, Arrays, Conditioning, Method, Network
from .model import system_of
from .moments import Moments, need_moments, spin_state, stack

if TYPE_CHECKING:
    from .model import KineticIsing

# No covariance of spins exceeds 1; theories exceed it a little before they run away.
MAX_COVARIANCE = 2.0


class MeanField(Whole):
    r"""A mean-field theory of a kinetic Ising system.

    ============== ==================================== ================= ================
    method         theory                               matrix products   takes
    ============== ==================================== ================= ================
    "naive"        Plefka[t-1, t], first order          0                 m
    "tap"          Plefka[t-1, t], second order         1                 m
    "plefka_t1"    Plefka[t], first order               1                 m, C
    "plefka_t2"    Plefka[t], second order              2                 m, C
    "gaussian"     Plefka[t-1]: Gaussian fields         2                 m, C
    "pairwise"     Plefka2[t]: pairs kept               4                 m, C, D
    "conditional"  Gaussian fields given one spin       6                 m, C
    ============== ==================================== ================= ================

    Each predicts the moments after an update of all spins. Those after a lazy or an asynchronous step
    are mixtures of the predicted moments and of the moments before.

    Parameters
    ----------
    model : KineticIsing
    method : str
    field : {"gaussian", "exact"}, default="gaussian"
        "exact" (methods "gaussian" and "conditional"): the field is a sum of independent signs
        instead of a Gaussian, better for sparse couplings. Costs :math:`O(N^2)`, respectively
        :math:`O(N^3)`, times 100.
    c_conditioning : {"current", "previous"}, default="current"
        Method "pairwise": the mean of :math:`s_k(t)` that its C is conditioned on, that of t or,
        as published, of t - 1.
    tol : float, default=1e-12
        Error of the integrals.
    n_threads : int or None, default=None
        Threads of the integrals. Their bits do not depend on it.

    Raises
    ------
    ValueError
        If a choice does not exist or does not apply to the method.

    References
    ----------
    .. [1] Aguilera, Moosavi, Shimazaki, Nat. Commun. 12, 1197 (2021).
    .. [2] Mezard, Sakellariou, arXiv:1103.3433.
    .. [3] Poc-Lopez, Aguilera, arXiv:2107.06850.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> theory = MeanField(KineticIsing([[0.0, 0.5], [-0.5, 0.0]]), "conditional")
    >>> theory.run(2).m.round(6)
    array([-0.204382, -0.204382])
    """

    @own_arithmetic
    def __init__(
        self,
        model: KineticIsing,
        method: Method,
        *,
        field: Literal["gaussian", "exact"] = "gaussian",
        c_conditioning: Conditioning = "current",
        tol: float = 1e-12,
        n_threads: int | None = None,
    ) -> None:
        system_of(model)
        self.method = one_of("method", method, tuple(METHODS))
        self.field = one_of("field", field, ("gaussian", "exact"))
        if field == "exact" and method not in ("gaussian", "conditional"):
            raise ValueError(f"field must be 'gaussian' with method={method!r}, got 'exact'")
        one_of("c_conditioning", c_conditioning, ("current", "previous"))
        self.model = model
        self._network = Network(
            J=model.J,
            H=model.H,
            exact_field=field == "exact",
            c_conditioning=c_conditioning,
            tol=number("tol", tol, 1e-14, 1e-2),
            n_threads=threads(n_threads),
        )

    def _full_update(self, m: np.ndarray, C: np.ndarray, D: np.ndarray) -> Arrays:
        """Return m, C, D after an update of all spins; |m| <= 1 up to rounding of an average."""
        m, C, D = METHODS[self.method](self._network, m, C, D)
        return np.clip(m, -1, 1), C, D

    @own_arithmetic
    def step(self, moments: Moments) -> Moments:
        """Return the moments one step later.

        Parameters
        ----------
        moments : Moments
            Of one time.

        Returns
        -------
        Moments

        Raises
        ------
        FloatingPointError
            If the theory runs away: a variance falls below 0 or a covariance exceeds 2.
        """
        checkpoint()
        self._check(moments)
        m0, C0 = moments.m, moments.C
        m1, C1, D1 = self._full_update(m0, C0, moments.D)
        update, rate, n = self.model.update, self.model.rate, self.model.n_sites
        if update == "parallel":
            m, C, D = m1, C1, D1
        elif update == "lazy":
            m = m0 + rate * (m1 - m0)
            C = (1 - rate) ** 2 * C0 + rate * (1 - rate) * (D1 + D1.T) + rate**2 * C1
            D = C0 + rate * (D1 - C0)
        else:
            # One of n spins moves: s_i s_k changes by what either would change.
            m = m0 + (m1 - m0) / n
            C = C0 + (D1 + D1.T - 2 * C0) / n - np.outer(m1 - m0, m1 - m0) / n**2
            D = C0 + (D1 - C0) / n
        if update != "parallel":
            np.fill_diagonal(C, 1 - m**2)
        self._check_covariance(C)
        return Moments.unchecked(m=m, C=C, D=D, m_before=m0, C_before=C0)

    def _check(self, moments: Moments) -> None:
        """Raise if moments are not of the model's sites at one time."""
        instance("moments", moments, Moments, "a dmft.ising.Moments")
        if moments.m.shape != (self.model.n_sites,):
            raise ValueError(f"moments must be of {self.model.n_sites} sites at one time, got m of {moments.m.shape}")

    def _check_covariance(self, C: np.ndarray) -> None:
        """Raise if a covariance is far beyond those of spins."""
        if not (C.max() <= MAX_COVARIANCE and C.min() >= -MAX_COVARIANCE):
            i, k = np.unravel_index(np.argmax(np.where(np.isnan(C), np.inf, abs(C))), C.shape)
            raise FloatingPointError(
                f"the covariance of sites {i} and {k} is {C[i, k]:.6g}: {self.method} has run away; "
                "lower beta or use another method"
            )

    def _begin(self, start: Moments | ArrayLike | None) -> Moments:
        """Return the moments at the start."""
        if isinstance(start, Moments):
            self._check(start)
            return start
        n = self.model.n_sites
        return Moments.of_state(np.ones(n) if start is None else spin_state("start", start, n))

    @shows_progress
    @own_arithmetic
    def run(
        self,
        n_steps: int,
        start: Moments | ArrayLike | None = None,
        *,
        record: Literal["last", "all"] = "last",
        progress: bool = True,
    ) -> Moments:
        """Return the moments after `n_steps`, or at every time from 0.

        Parameters
        ----------
        n_steps : int
            At least 1.
        start : Moments, array_like of -1 and 1, or None, default=None
            None: all ones.
        record : {"last", "all"}, default="last"
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        Moments

        Raises
        ------
        FloatingPointError
            If the theory runs away: says at which step and site.
        """
        one_of("record", record, ("last", "all"))
        n_steps = whole("n_steps", n_steps, 1)
        need_moments(self.model.n_sites, n_steps + 1 if record == "all" else 1, width=2 if record == "all" else 6)
        times = [self._begin(start)]
        for t in each(range(1, n_steps + 1)):
            try:
                times.append(self.step(times[-1]))
            except FloatingPointError as error:
                raise FloatingPointError(f"step {t}: {error}") from None
            if record == "last":
                del times[0]
        return stack(times) if record == "all" else times[0]

    @own_arithmetic
    def fixed_point(
        self,
        tol: float = 1e-10,
        *,
        damping: float = 0.0,
        max_steps: int = 10_000,
        start: Moments | ArrayLike | None = None,
    ) -> Moments:
        """Iterate to a stationary state.

        Asynchronous updates have the stationary state of all spins updated at infinitesimal
        rate; it is found by whole updates of m and C.

        Parameters
        ----------
        tol : float, default=1e-10
            Largest change of any moment in a step.
        damping : float, default=0.0
            Share of the old moments kept, in [0, 1).
        max_steps : int, default=10_000
        start : Moments, array_like of -1 and 1, or None, default=None
            None: all ones.

        Returns
        -------
        Moments

        Raises
        ------
        FloatingPointError
            If it does not settle: says which site moves most.
        """
        keep = number("damping", damping, 0, 1)
        if keep == 1:
            raise ValueError("damping must be < 1, got 1.0")
        number("tol", tol, 0)
        now, n = self._begin(start), self.model.n_sites
        change: list[np.ndarray] = []
        for t in range(1, whole("max_steps", max_steps, 1) + 1):
            old = now.m, now.C, now.D
            try:
                new = self._next(now)
            except FloatingPointError as error:
                raise FloatingPointError(f"step {t}: {error}") from None
            change = [abs(x - y) for x, y in zip(new, old, strict=True)]
            m, C, D = (x + keep * (y - x) for x, y in zip(new, old, strict=True))
            now = Moments.unchecked(m=m, C=C, D=D)
            if max(x.max() for x in change) < tol:
                return now
        site = int(np.argmax(np.maximum(change[0], change[1].max(1))))
        raise FloatingPointError(
            f"{self.method} did not settle in {max_steps} steps: the last changed site {site} of {n} by "
            f"{max(change[0][site], change[1][site].max()):.3g}; try damping=0.5"
        )

    def _next(self, now: Moments) -> Arrays:
        """Return m, C and D one iteration nearer to the stationary state."""
        if self.model.update != "async":
            new = self.step(now)
            return new.m, new.C, new.D
        # dC/dt = -2 C + K + K^T in continuous time; D of one update is C + (K - C)/n.
        n = self.model.n_sites
        K_now = now.C + n * (now.D - now.C) if now.D.any() else now.D
        m, _, K = self._full_update(now.m, now.C, K_now)
        C = (K + K.T) / 2
        np.fill_diagonal(C, 1 - m**2)
        self._check_covariance(C)
        return m, C, C + (K - C) / n
