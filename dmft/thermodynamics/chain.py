"""Chains in discrete time: entropy production of a step, and of parts that may move together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, whole, within
from .._util.memory import need_memory
from .._util.readonly import read_only, seal
from .._util.values import Frozen, Value
from .chain_counting import ChainCounting, moments_of_steps, scgf_of_steps
from .laws import checked_law, log_law
from .partition import Partition, fits
from .stationary import log_stationary_state, stationary_state

MAX_STATES = 4096
MANY_STEPS = 1 << 16  # beyond them steps are doubled


def log_ratios(P: np.ndarray) -> np.ndarray:
    """Return ``ln P[x', x] / P[x, x']``; 0 where neither step occurs, inf for one-way steps."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(P) - np.log(P.T)
    return np.where((P == 0) & (P.T == 0), 0.0, ratio)


def steps_after(P: np.ndarray, laws: np.ndarray, n_steps: int) -> np.ndarray:
    """Return laws, shape (n_states, ...), after some steps, of which many are doubled."""
    if n_steps <= MANY_STEPS:
        for _ in range(n_steps):
            laws = P @ laws
        return laws
    while n_steps:
        P = P / P.sum(axis=0)  # what rounding adds would be doubled too
        if n_steps % 2:
            laws = P @ laws
        P, n_steps = P @ P, n_steps // 2
    return laws


def entropy_flow(P: np.ndarray, p: np.ndarray) -> float:
    """Return the entropy that a step from a law gives off, in nats: what it produces where the law is stationary.

    Examples
    --------
    >>> bool(abs(entropy_flow(np.array([[0.5, 0.25], [0.5, 0.75]]), np.array([1 / 3, 2 / 3]))) < 1e-15)  # balanced
    True
    """
    joint = P * p
    steps = joint > 0
    return float(joint[steps] @ log_ratios(P)[steps])


def distance(P: np.ndarray, p: np.ndarray) -> float:
    """Return how far a stationary chain is from equilibrium, in [0, 1]: `Budget.far` of its steps.

    Examples
    --------
    >>> round(distance(np.array([[0.0, 0.25, 0.75], [0.75, 0.0, 0.25], [0.25, 0.75, 0.0]]), np.full(3, 1 / 3)), 6)
    0.089761
    """
    joint = P * p
    both, net = joint + joint.T, joint - joint.T
    ep = entropy_flow(P, p)
    ep2 = float((net**2 / np.where(both > 0, both, 1)).sum())
    return 0.0 if not ep > 0 else max(0.0, 1 - ep2 / ep)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChainPart(Value):
    """A part of a chain that may move together with others, in nats per step.

    Attributes
    ----------
    flow : float
        Mean of ``ln P(x'|x, y) / P(x|x', y')``: in the stationary state at least `transfer` less `backward` (our proof:
        the difference is a divergence).
    transfer, backward : float
        I(x'; y | x) and I(x; y' | x'): what the others tell of the part's next state, and of its last one backwards.
    """

    flow: float
    transfer: float
    backward: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChainBudget(Frozen):
    """Entropy produced in a step, in nats.

    Attributes
    ----------
    ep, adiabatic, nonadiabatic : float
        The first is the sum of the others: what keeps the stationary state, and what approaches it.
    parts : dict of str to ChainPart
        If a partition was given.

    References
    ----------
    P. Gaspard, J. Stat. Phys. 117, 599 (2004); the two parts: M. Esposito, C. Van den Broeck, Phys. Rev. Lett. 104,
    090601 (2010), in discrete time.
    """

    ep: float
    adiabatic: float
    nonadiabatic: float
    parts: Mapping[str, ChainPart]

    def __post_init__(self) -> None:
        seal(self)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Chain(Value):
    """A Markov chain.

    Parameters
    ----------
    P : array_like, shape (n_states, n_states)
        ``P[x', x]`` is the probability of a step from x to x': columns add up to 1. At most 4096 states.

    Raises
    ------
    ValueError
        If the matrix is not square, an entry is negative, or a column does not add up to 1.

    References
    ----------
    P. Gaspard, J. Stat. Phys. 117, 599 (2004).

    Examples
    --------
    >>> ring = Chain([[0.0, 0.25, 0.75], [0.75, 0.0, 0.25], [0.25, 0.75, 0.0]])
    >>> round(ring.budget().ep, 6)  # (0.75 - 0.25) ln 3
    0.549306
    """

    P: np.ndarray

    def __post_init__(self) -> None:
        P = within("P", finite("P", self.P, (None, None)), 0, np.inf)
        if P.shape[0] != P.shape[1] or not len(P) or len(P) > MAX_STATES:
            raise ValueError(f"P must be square with at most {MAX_STATES} states, got shape {P.shape}")
        total = P.sum(axis=0)
        wrong = abs(total - 1) > 1e-9
        if wrong.any():
            k = int(np.argmax(wrong))
            raise ValueError(f"P must have columns that add up to 1, got {total[k].item()!r} in column {k}")
        object.__setattr__(self, "P", read_only(P))

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.P)

    def law(self, p: Any, name: str = "p") -> np.ndarray:
        """Return a checked law over the states; the stationary one for None."""
        if p is None and name == "p":
            return self.stationary()
        return checked_law(name, p, self.n_states)

    def stationary(self) -> np.ndarray:
        """Return the stationary state, shape (n_states,).

        Raises
        ------
        ValueError
            If several sets of states are never left.
        """
        off = self.P * ~np.eye(self.n_states, dtype=bool)
        target, source = np.nonzero(off)
        return stationary_state(source, target, np.log(off[target, source]), self.n_states, "elimination")

    def _log_stationary(self) -> np.ndarray:
        """Return the logarithms of the stationary state, also of what is below the smallest numbers."""
        off = self.P * ~np.eye(self.n_states, dtype=bool)
        target, source = np.nonzero(off)
        return log_stationary_state(source, target, np.log(off[target, source]), self.n_states)

    @own_arithmetic
    def residual(self, p: ArrayLike | None = None) -> float:
        """Return how far a law, the stationary one unless given, is from balance: what a step changes of what moves.

        Examples
        --------
        >>> Chain([[0.5, 0.5], [0.5, 0.5]]).residual([1.0, 0.0])
        2.0
        """
        law = self.law(p)
        moves = float((1 - np.diagonal(self.P)) @ law)
        return float(abs(self.P @ law - law).sum() / moves) if moves > 0 else 0.0

    @own_arithmetic
    def evolve(self, p0: ArrayLike, n_steps: int) -> np.ndarray:
        """Return the laws after 0 .. `n_steps` steps, shape (n_steps + 1, n_states)."""
        laws = [self.law(p0, "p0")]
        n_bytes = 16.0 * whole("n_steps", n_steps) * self.n_states
        need_memory(f"the laws of {n_steps} steps", n_bytes, "take fewer steps")
        for _ in range(whole("n_steps", n_steps)):
            laws.append(self.P @ laws[-1])
        return np.array(laws)

    def log_ratio(self) -> np.ndarray:
        """Return ``ln P[x', x] / P[x, x']``; 0 where neither step occurs, inf for one-way steps."""
        return log_ratios(self.P)

    def _ratio_both_ways(self) -> np.ndarray:
        """Return the same, or raise if a step has no way back."""
        ratio = self.log_ratio()
        if np.isinf(ratio[self.P > 0]).any():
            raise ValueError("P must have a way back for every step, got one-way steps")
        return ratio

    @own_arithmetic
    def budget(self, p: ArrayLike | None = None, partition: Partition | None = None) -> ChainBudget:
        """Return the entropy produced in a step from a law, the stationary one unless given; see `ChainBudget`."""
        law, pi = self.law(p), self.stationary()
        joint = self.P * law
        after = joint.sum(axis=1)
        steps = joint > 0
        ratio = self.log_ratio()[steps]
        log_p, log_after, log_pi = map(log_law, (law, after, pi))
        to, of = np.nonzero(steps)
        ep = joint[steps] @ (ratio + log_p[of] - log_after[to])
        adiabatic = joint[steps] @ (ratio + log_pi[of] - log_pi[to])
        nonadiabatic = rel_entr(law, pi).sum() - rel_entr(after, pi).sum()
        parts = {}
        if partition is not None:
            fits(partition, self.n_states)
            parts = {name: self._part(joint, partition.labels[k]) for k, name in enumerate(partition.names)}
        return ChainBudget(float(ep), float(adiabatic), float(nonadiabatic), parts)

    def _part(self, joint: np.ndarray, label: np.ndarray) -> ChainPart:
        own = np.eye(int(label.max()) + 1)[label]
        next_given = own.T @ self.P  # of the part, from every state of all
        steps = joint > 0
        to, of = np.nonzero(steps)
        with np.errstate(divide="ignore"):
            log_next = np.log(next_given)
        flow = joint[steps] @ (log_next[label[to], of] - log_next[label[of], to])
        forth, back = own.T @ joint, own.T @ joint.T  # (part after, all before), (part before, all after)
        return ChainPart(float(flow), _told(forth, own), _told(back, own))

    @own_arithmetic
    def scgf(self, k: ArrayLike) -> np.ndarray:
        """Return the scaled cumulant generating function of the entropy given off, per step; symmetric about -1/2.

        Parameters
        ----------
        k : array_like

        Returns
        -------
        ndarray
            Of the shape of `k`.

        Raises
        ------
        ValueError
            If ratios to the power k are no numbers.
        FloatingPointError
            If the growth is not found.
        """
        return scgf_of_steps(self.P, self._ratio_both_ways(), finite("k", k))

    @own_arithmetic
    def ep_variance(self) -> float:
        """Return the variance per step of the entropy given off in the long run, in squared nats."""
        return moments_of_steps(self.P, self.stationary(), self._ratio_both_ways())[1]

    @own_arithmetic
    def counting(self, increments: ArrayLike) -> ChainCounting:
        """Return the statistics of a count in the stationary state; see `ChainCounting`.

        Parameters
        ----------
        increments : array_like, shape (n_states, n_states)
            ``increments[x', x]`` is what a step from x to x' adds, also from x to x.

        Returns
        -------
        ChainCounting

        Examples
        --------
        >>> ring = Chain([[0.0, 0.25, 0.75], [0.75, 0.0, 0.25], [0.25, 0.75, 0.0]])
        >>> turns = ring.counting([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
        >>> round(turns.mean, 12), round(turns.variance, 12)  # 0.75 - 0.25, 1 - 0.5^2
        (0.5, 0.75)
        """
        d, p = finite("increments", increments, self.P.shape), self.stationary()
        mean, variance = moments_of_steps(self.P, p, d)
        return ChainCounting(mean, variance, entropy_flow(self.P, p), self.P, d)


def _told(table: np.ndarray, own: np.ndarray) -> float:
    """Return I(part; all | part of all) of a joint law of a part (rows) and of all, whose own part is known."""
    known = (table @ own) @ own.T
    total = table.sum(axis=0)
    total_known = (total @ own) @ own.T
    some = table > 0
    ratio = table / np.where(total > 0, total, 1) / np.where(known > 0, known, 1) * total_known
    return max(0.0, float(table[some] @ np.log(ratio[some])))
