"""Spins that flip one at a time, each at a bath of its own: over all their states, without a table of transitions."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit, xlogy

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import finite, integers, table, within
from .._util.memory import need_memory
from .._util.readonly import read_only
from .._util.values import Value
from ._jumps import net_flow as _net_flow
from .budget import Budget, PartBudget, net_squared
from .laws import checked_law, log_law
from .process import MarkovJump
from .reservoir import Reservoir
from .stationary import balanced, eliminated

MAX_SPINS = 20
MAX_EXPLICIT = 14  # whose edges are listed
DENSE_SPINS = 9  # up to which states are eliminated one by one; to MAX_DENSE where GMRES does not settle
MAX_DENSE = 11
TOLERANCE = 1e-9


def linear(weights: np.ndarray, constant: float = 0.0) -> np.ndarray:
    """Return ``constant + weights @ s`` for all states s of spins, site 0 slowest, +1 first; the states are not made.

    Examples
    --------
    >>> linear(np.array([10.0, 1.0]), 100.0)
    array([111., 109.,  91.,  89.])
    """
    out = np.full(1, float(constant))
    for weight in weights:
        out = (out[:, None] + weight * np.array([1.0, -1.0])).reshape(-1)
    return out


def flipped(array: np.ndarray, i: int) -> np.ndarray:
    """Return an array over the states with spin i of each turned over."""
    return np.flip(array.reshape(2**i, 2, -1), 1).reshape(-1)


def spin(i: int, n: int) -> np.ndarray:
    """Return spin i at every state of n."""
    return linear(np.eye(n)[i])


def net_flow(rates: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return L p for the rates of the flips of every spin at every state, shape (n, 2^n)."""
    out = np.empty_like(p)
    _net_flow(rates, np.ascontiguousarray(p), out)
    return out


def entropy_flow(p: np.ndarray, log_rate: np.ndarray, i: int) -> float:
    """Return the entropy that the flips of spin i give to its bath, from the logarithm of their rate at every state.

    Examples
    --------
    >>> round(entropy_flow(np.array([0.5, 0.5]), np.log([1.0, 3.0]), 0), 6)  # (3 - 1) ln 3 / 2
    1.098612
    """
    return float((p * np.exp(log_rate)) @ (log_rate - flipped(log_rate, i)))


def stationary_of_flips(rates: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the stationary law of spins that flip one at a time, and what flow is not balanced as a share of all.

    Parameters
    ----------
    rates : ndarray, shape (n_sites, 2^n_sites)
        Of the flips of each spin at every state.

    Raises
    ------
    FloatingPointError
        If flows are not balanced to 1e-9: states are trapped.

    Examples
    --------
    >>> stationary_of_flips(np.array([[1.0, 3.0]]))[0]
    array([0.75, 0.25])
    """
    n, leaving = len(rates), np.sum(rates, axis=0)
    if not leaving.min() > 0:
        raise FloatingPointError(
            "the stationary law is not balanced: it is so cold, or beta is so large that a state is never left"
        )

    def residual(p: np.ndarray) -> float:
        return float(abs(net_flow(rates, p)).sum() / (leaving @ p))

    p, rest = None, np.inf
    # One thread of linear algebra: sums over states must not depend on how many there are.
    with one_blas_thread():
        if n > DENSE_SPINS:
            with contextlib.suppress(FloatingPointError):
                p = balanced(lambda x: net_flow(rates, x), leaving)
                rest = residual(p)
        if n <= DENSE_SPINS or (n <= MAX_DENSE and not rest <= TOLERANCE):
            Q, here = np.zeros((2**n, 2**n)), np.arange(2**n)
            for i in range(n):
                Q[here, here ^ (1 << (n - 1 - i))] = rates[i]
            p = eliminated(Q)
            rest = residual(p)
    if p is None or not rest <= TOLERANCE:
        raise FloatingPointError(
            f"the stationary law is not balanced: {rest:.3g} of all flow is left over; it is so cold, or beta is so "
            "large that states are trapped"
        )
    return p, rest


@dataclasses.dataclass(frozen=True, eq=False)
class SpinProcess(Value):
    r"""Spins that flip at :math:`r_i (1 - s_i \tanh(h_i / T_i)) / 2` in fields :math:`h_i = H_i + \sum_j J_{ij} s_j`.

    To 14 of them are listed as a `MarkovJump`; to 20 have their stationary law and budget by products with the rates,
    which takes 8 (2 n + 60) 2^n bytes: 0.8 GB for 20.

    Parameters
    ----------
    J : array_like, shape (n_sites, n_sites)
        ``J[i, j]`` acts from j on i.
    H : array_like, shape (n_sites,), optional
        Fields; 0 unless given.
    T, rate : float or array_like, shape (n_sites,), default=1.0
        Temperature of the bath of each spin, and its rate, > 0.

    Raises
    ------
    ValueError
        If there are more than 20 sites, before anything is allocated, or numbers are outside their domain.

    References
    ----------
    R. J. Glauber, J. Math. Phys. 4, 294 (1963).

    Examples
    --------
    >>> pair = SpinProcess([[0.0, 1.0], [-1.0, 0.0]])
    >>> now = pair.budget(parts={"one": [0], "other": [1]})
    >>> round(now.ep, 6), abs(now.parts["one"].information + now.parts["other"].information) < 1e-12
    (1.523188, True)
    """

    J: np.ndarray
    H: np.ndarray = None  # type: ignore[assignment] # None until __post_init__ fills them
    T: np.ndarray = 1.0  # type: ignore[assignment] # of one number until then
    rate: np.ndarray = 1.0  # type: ignore[assignment]

    def __post_init__(self) -> None:
        J = finite("J", self.J, (None, None))
        n = len(J)
        if J.shape != (n, n) or not n:
            raise ValueError(f"J must have shape (n_sites, n_sites), got shape {J.shape}")
        if n > MAX_SPINS:
            raise ValueError(f"n_sites must be <= {MAX_SPINS} for enumeration, got {n}: 2^{n} states")
        given = {"J": J, "H": np.zeros(n) if self.H is None else finite("H", self.H, (n,))}
        for name in ("T", "rate"):
            value = finite(name, getattr(self, name))
            given[name] = within(name, np.full(n, value) if value.ndim == 0 else finite(name, value, (n,)), 1e-300, inf)
        for name, array in given.items():
            object.__setattr__(self, name, read_only(array))

    @property
    def n_sites(self) -> int:
        """Number of spins."""
        return len(self.J)

    @cached_property
    def log_rates(self) -> list[np.ndarray]:
        """Logarithm of the rate at which each spin flips, at every state; site 0 is the slowest bit, +1 first."""
        n = self.n_sites
        need_memory(f"2^{n} states", 8.0 * 2**n * (2 * n + 60))
        out = []
        for i in range(n):
            field = linear(self.J[i], self.H[i])
            out.append(np.log(self.rate[i]) + log_expit(-2 * spin(i, n) * field / self.T[i]))
        return out

    @cached_property
    def process(self) -> MarkovJump:
        """The jump process with all its edges, one mechanism a spin.

        Raises
        ------
        ValueError
            If there are more than 14 spins.
        """
        n = self.n_sites
        if n > MAX_EXPLICIT:
            raise ValueError(f"n_sites must be <= {MAX_EXPLICIT} for a list of edges, got {n}; see SpinProcess")
        here = np.arange(2**n)
        there = here[:, None] ^ (1 << np.arange(n)[::-1])
        source, which = np.repeat(here, n), np.tile(np.arange(n), 2**n)
        logs = np.stack(self.log_rates, axis=1).ravel()
        return MarkovJump(source, there.ravel(), logs, which, n_states=2**n, reservoirs=[Reservoir(t) for t in self.T])

    def _rates(self) -> np.ndarray:
        rates = np.empty((self.n_sites, 2**self.n_sites))
        for i, logs in enumerate(self.log_rates):
            np.exp(logs, out=rates[i])
        return rates

    @cached_property
    def _stationary(self) -> np.ndarray:
        return read_only(stationary_of_flips(self._rates())[0])

    @own_arithmetic
    def residual(self, p: ArrayLike | None = None) -> float:
        """Return how far a law, the stationary one unless given, is from balance: what flow is left over of all flow.

        Examples
        --------
        >>> pair = SpinProcess([[0.0, 1.0], [-1.0, 0.0]])
        >>> pair.residual() < 1e-14, pair.residual([1.0, 0.0, 0.0, 0.0])
        (True, 2.0)
        """
        law, rates = self.law(p), self._rates()
        return float(abs(net_flow(rates, law)).sum() / (rates.sum(axis=0) @ law))

    @own_arithmetic
    def stationary(self) -> np.ndarray:
        """Return the stationary law, shape (2^n_sites,).

        To 9 spins exact to rounding in every component; then by GMRES on products with the rates.

        Raises
        ------
        FloatingPointError
            If flows are not balanced to 1e-9 of all flow: it is so cold that states are trapped.
        """
        return self._stationary.copy()

    def law(self, p: ArrayLike | None, name: str = "p") -> np.ndarray:
        """Return a checked law over the states; the stationary one for None."""
        if p is None:
            return self._stationary
        return checked_law(name, p, 2**self.n_sites)

    def sites_of(self, parts: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """Return the sites of every part, which must share out all of them."""
        sites = {name: integers("parts", given, 0, self.n_sites - 1) for name, given in table("parts", parts).items()}
        count = np.bincount(np.concatenate([*sites.values(), np.zeros(0, dtype=np.int64)]), minlength=self.n_sites)
        if (count != 1).any():
            k = int(np.argmax(count != 1))
            raise ValueError(f"parts must have every site once, got site {k} in {count[k]} parts")
        return sites

    @own_arithmetic
    def budget(self, p: ArrayLike | None = None, parts: Mapping[str, ArrayLike] | None = None) -> Budget:
        """Return entropy production, flows and heat by spin, and by part with the information flows; see `Budget`.

        Parameters
        ----------
        p : array_like, shape (2^n_sites,), optional
            The stationary law unless given.
        parts : mapping of str to array_like of int, optional
            The sites of every part; each site in one.

        Raises
        ------
        ValueError
            If a site is in no part or in two.
        """
        n, law, pi = self.n_sites, self.law(p), self._stationary
        sites = {} if parts is None else self.sites_of(parts)
        log_p, log_pi = log_law(law), log_law(pi)
        log_own: dict[int, np.ndarray] = {}
        for mine in sites.values():
            others = tuple(set(range(n)) - set(mine.tolist()))
            own = log_law(law.reshape((2,) * n).sum(axis=others, keepdims=True))
            log_own.update(dict.fromkeys(mine.tolist(), own))
        ep, flow, adiabatic, nonadiabatic, change, own_change = np.zeros((6, n))
        activity = ep2 = 0.0
        for i, logs in enumerate(self.log_rates):
            flux = law * np.exp(logs)
            ratio, gain, fall = logs - flipped(logs, i), log_p - flipped(log_p, i), log_pi - flipped(log_pi, i)
            back = flipped(flux, i)
            current = flux - back
            flow[i] = flux @ ratio
            ep[i] = np.maximum(current * (ratio + gain), 0).sum() / 2
            adiabatic[i], nonadiabatic[i] = flux @ (ratio + fall), flux @ (gain - fall)
            change[i] = flux @ gain
            activity += float(flux.sum())
            both = flux + back
            ep2 += float(net_squared(current[both > 0], both[both > 0]).sum())
            if i in log_own:
                own = np.broadcast_to(log_own[i], (2,) * n).reshape(-1)
                own_change[i] = flux @ (own - flipped(own, i))
        total = float(ep.sum())
        found = {
            name: PartBudget(
                ep=float(ep[mine].sum()),
                flow=float(flow[mine].sum()),
                entropy_change=float(own_change[mine].sum()),
                information=float((own_change - change)[mine].sum()),
            )
            for name, mine in sites.items()
        }
        return Budget(
            ep=total,
            ep_by_mechanism=ep,
            flow=float(flow.sum()),
            flow_by_mechanism=flow,
            entropy_change=float(change.sum()),
            adiabatic=adiabatic,
            nonadiabatic=nonadiabatic,
            heat=-self.T * flow,
            chemical_work=np.zeros(n),
            other_work=None,
            activity=activity,
            ep2=ep2,
            far=max(0.0, 1 - ep2 / total) if total > 0 else 0.0,
            one_way=np.zeros(0, dtype=np.int64),
            parts=found,
        )

    @own_arithmetic
    def nonreciprocal_power(self, p: ArrayLike | None = None, among: ArrayLike | None = None) -> np.ndarray:
        """Return the work per unit time of the antisymmetric couplings on each spin, shape (n_sites,).

        Parameters
        ----------
        p : array_like, optional
            The stationary law unless given.
        among : array_like of int, optional
            Only couplings among these sites; all unless given.
        """
        n, law = self.n_sites, self.law(p)
        some = np.arange(n) if among is None else integers("among", among, 0, n - 1)
        J = np.zeros((n, n))
        J[np.ix_(some, some)] = ((self.J - self.J.T) / 2)[np.ix_(some, some)]
        flips = ((law * np.exp(logs)) @ (-2 * spin(i, n) * linear(J[i])) for i, logs in enumerate(self.log_rates))
        return np.array(list(flips))

    def energy(self) -> np.ndarray:
        """Return the energy of every state under the symmetric part of the couplings."""
        n = self.n_sites
        symmetric = (self.J + self.J.T) / 2
        out = -linear(self.H)
        for i in range(n):
            out -= spin(i, n) * linear(symmetric[i]) / 2
        return out

    @own_arithmetic
    def entropy(self, p: ArrayLike | None = None) -> float:
        """Return the Shannon entropy of a law, the stationary one unless given, in nats."""
        law = self.law(p)
        return -float(xlogy(law, law).sum())

    @own_arithmetic
    def magnetizations(self, p: ArrayLike | None = None) -> np.ndarray:
        """Return the mean of every spin, shape (n_sites,)."""
        law = self.law(p)
        return np.array([law @ spin(i, self.n_sites) for i in range(self.n_sites)])
