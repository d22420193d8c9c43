"""Stationary laws of kinetic Ising systems over all their states, exactly, without a matrix of transitions."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.special import expit, log_expit
from threadpoolctl import threadpool_limits

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance
from .._util.memory import need_memory
from .._util.readonly import read_only
from .._util.signs import independent_law, sign_vectors
from .._util.values import Frozen
from ..thermodynamics.chain import entropy_flow as flow_of_step
from ..thermodynamics.spins import entropy_flow, stationary_of_flips
from ..thermodynamics.stationary import balanced, eliminated
from .model import KineticIsing
from .moments import Moments
from .step import Step, moments_of_sums

Flow: TypeAlias = Callable[[np.ndarray], np.ndarray]

MAX_SITES = 18
DENSE_SITES = 9  # up to which states are eliminated one by one; to MAX_DENSE where GMRES does not settle
MAX_DENSE = 11
CHUNK = 4096  # states whose transitions are formed at once
KEPT_SITES = 13  # up to which they are kept
TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StationaryLaw(Frozen):
    """The stationary law of a small kinetic Ising system.

    Attributes
    ----------
    model : KineticIsing
    law : ndarray, shape (2,) * n_sites
        Probability of every state, with one axis a site: index 0 is spin 1, index 1 is spin -1. What
        `dmft.information.cmi` takes.
    residual : float
        Probability flow that is not balanced, as a share of all flow.
    """

    model: KineticIsing
    law: np.ndarray
    residual: float

    @own_arithmetic
    def moments(self) -> Moments:
        """Return means, covariances, and covariances one step apart.

        Returns
        -------
        Moments
            m of shape (n_sites,), C and D of shape (n_sites, n_sites).
        """
        step = Step(self.model)
        return moments_of_sums(step.sums(sign_vectors(self.model.n_sites), self.law.reshape(-1)), 1.0)

    @own_arithmetic
    def entropy_production(self) -> float:
        r"""Return the entropy produced in a step, in nats: of all spins, or asynchronous of one attempt.

        :math:`\sum_{ss'} p(s) P(s'|s) \log [P(s'|s) / P(s|s')]`; of parallel and asynchronous updates written as one
        average over states.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If updates are lazy and there are more than 11 sites.
        """
        if self.model.update == "parallel":
            return float(self.moments().entropy_production(self.model))
        n, p, states = self.model.n_sites, self.law.reshape(-1), sign_vectors(self.model.n_sites)
        if self.model.update == "lazy":
            if n > MAX_DENSE:
                raise ValueError(f"n_sites must be <= {MAX_DENSE} for lazy entropy production, got {n}")
            return float(flow_of_step(_transitions(self.model).T, p))
        return max(0.0, sum(entropy_flow(p, _log_flip(states, i, self.model), i) for i in range(n)) / n)


def _log_flip(states: np.ndarray, i: int, model: KineticIsing) -> np.ndarray:
    """Return the logarithm of the probability that an update of site i flips it, at every state."""
    return np.asarray(log_expit(-2 * states[:, i] * (states @ model.J[i] + model.H[i])))


@own_arithmetic
def stationary_law(model: KineticIsing) -> StationaryLaw:
    """Find the stationary law over all states of a system of at most 18 sites, of any update.

    To 9 sites by elimination of one state after the other, exact to rounding in every component. Beyond by GMRES on
    products with the transitions, which are never formed: a flip a site of asynchronous updates, a product of two
    factors, each of half of the sites, of parallel and lazy ones.

    Parameters
    ----------
    model : KineticIsing

    Returns
    -------
    StationaryLaw

    Raises
    ------
    ValueError
        If there are more sites, before anything is allocated.
    FloatingPointError
        If the flows cannot be balanced: beta is so large that states are trapped.

    Notes
    -----
    Time grows like ``n 2**n`` a product for asynchronous updates and like ``4**n`` for the others.

    References
    ----------
    W. K. Grassmann, M. I. Taksar, D. P. Heyman, Oper. Res. 33, 1107 (1985): the elimination.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> pair = KineticIsing([[0.0, 0.5], [0.5, 0.0]], update="async")
    >>> stationary_law(pair).law.round(6)  # exp(s s' / 2), in equilibrium
    array([[0.365529, 0.134471],
           [0.134471, 0.365529]])
    """
    n = instance("model", model, KineticIsing, "a dmft.ising.KineticIsing").n_sites
    if n > MAX_SITES:
        raise ValueError(
            f"n_sites must be <= {MAX_SITES} for enumeration, got {n}: 2^{n} states; use linear_response or samples"
        )
    need_memory(f"2^{n} states", 8.0 * 2**n * (2 * n + 50))
    if model.update == "async":
        states = sign_vectors(n)
        p, rest = stationary_of_flips(np.stack([np.exp(_log_flip(states, i, model)) for i in range(n)]))
    else:
        p, rest = _of_parallel(model)
    return StationaryLaw(model, read_only(p.reshape((2,) * n)), rest)


def _of_parallel(model: KineticIsing) -> tuple[np.ndarray, float]:
    """Return the stationary law of parallel or lazy updates, and what flow is not balanced as a share of all."""
    n = model.n_sites
    # One thread of linear algebra: sums over states must not depend on how many there are.
    with threadpool_limits(1, "blas"):
        flow, exit_rate = _parallel_flow(model)
        if not exit_rate.min() > 0:
            raise FloatingPointError("the stationary law is not balanced: beta is so large that a state is never left")
        p, rest = None, np.inf
        if n > DENSE_SITES:
            with contextlib.suppress(FloatingPointError):
                p = balanced(flow, exit_rate)
                rest = _residual(flow, exit_rate, p)
        if n <= DENSE_SITES or (n <= MAX_DENSE and not rest <= TOLERANCE):
            Q = _transitions(model)
            np.fill_diagonal(Q, 0.0)
            p = eliminated(Q.copy())
            rest = _residual(lambda p: p @ Q - p * Q.sum(axis=1), exit_rate, p)
    if p is None or not rest <= TOLERANCE:
        raise FloatingPointError(
            f"the stationary law is not balanced: {rest:.3g} of all flow is left over; beta is so large that states "
            "are trapped"
        )
    return p, rest


def _residual(flow: Flow, exit_rate: np.ndarray, p: np.ndarray) -> float:
    return float(abs(flow(p)).sum() / (exit_rate @ p))


def _transitions(model: KineticIsing) -> np.ndarray:
    """Return the probabilities of all states after a parallel or lazy step from each, shape (2^n, 2^n)."""
    left, right = _factors(model, sign_vectors(model.n_sites))
    return np.asarray((left[:, :, None] * right[:, None, :]).reshape(2**model.n_sites, -1))


def _factors(model: KineticIsing, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of all next states of either half of the sites, from some states."""
    h, n = 2 * (states @ model.J.T + model.H), model.n_sites
    up, down = expit(h), expit(-h)
    if model.update == "lazy":
        flip = model.rate * np.where(states > 0, down, up)
        up, down = np.where(states > 0, 1 - flip, flip), np.where(states > 0, flip, 1 - flip)
    return independent_law(up[:, : n // 2], down[:, : n // 2]), independent_law(up[:, n // 2 :], down[:, n // 2 :])


def _parallel_flow(model: KineticIsing) -> tuple[Flow, np.ndarray]:
    n, states = model.n_sites, sign_vectors(model.n_sites)
    first = n // 2

    parts = [slice(k, k + CHUNK) for k in range(0, 2**n, CHUNK)]
    kept = [_factors(model, states[rows]) for rows in parts] if n <= KEPT_SITES else None

    def flow(p: np.ndarray) -> np.ndarray:
        out = np.zeros((2**first, 2 ** (n - first)))
        for k, rows in enumerate(parts):
            left, right = kept[k] if kept else _factors(model, states[rows])
            out += (left * p[rows, None]).T @ right
        return out.reshape(-1) - p

    def log_stay(rows: slice) -> np.ndarray:
        pull = 2 * states[rows] * (states[rows] @ model.J.T + model.H)
        each = np.log1p(-model.rate * expit(-pull)) if model.update == "lazy" else log_expit(pull)
        return np.asarray(each.sum(axis=1))

    return flow, -np.expm1(np.concatenate([log_stay(rows) for rows in parts]))
