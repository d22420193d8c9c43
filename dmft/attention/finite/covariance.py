"""Gaussian fluctuations of a finite network about its mean field, to order 1/sqrt(N)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.blas import one_blas_thread
from ..._util.checks import ROLES, instance, whole
from ..._util.memory import need_memory
from ..._util.values import Frozen
from ..model import SelfAttention, undriven
from ..orbit import Orbit
from ..orbits import Cycle
from ..reference import attend
from ..start import Start
from .sites import ROLES_IN_ORDER, site_groups

_CLOSED = 1e-7  # how far from itself a cycle may be after one period


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Fluctuations(Frozen):
    r"""Covariances about a mean-field orbit, times the number of sites.

    Attributes
    ----------
    attention : ndarray, shape (n_rows, n_features, n_features)
        :math:`N \, \mathrm{Cov}(A_{a,t}, A_{b,t})`.
    overlaps : dict of str to ndarray, shape (n_rows, n_features, n_features)
        The same of :math:`m^o, m^v, m^q, m^k`.
    steps : ndarray of int, shape (n_rows,)
        The step of each row, as in the orbit.
    growth : float
        Spectral radius of the linear map over the rows: on a cycle the modulus of its leading
        multiplier, < 1.
    """

    attention: np.ndarray
    overlaps: Mapping[str, np.ndarray]
    steps: np.ndarray
    growth: float


@own_arithmetic
def fluctuations(model: SelfAttention, orbit: Orbit | Cycle, *, period: int | None = None) -> Fluctuations:
    r"""Return the covariance of a large finite network about a mean-field orbit.

    With noise :math:`\xi^\alpha_t` of the token drawn at t, linearising Eqs. (1)-(4) of [1]_ gives

    .. math::

        \delta m^\alpha_t = D^\alpha_{t} \delta A_{t-1} + \xi^\alpha_t, \qquad
        \delta A_t = \sum_d \frac{\partial A_t}{\partial m^v_{t-d}} \delta m^v_{t-d}
        + \frac{\partial A_t}{\partial m^k_{t-d}} \delta m^k_{t-d}
        + \frac{\partial A_t}{\partial m^q_t} \delta m^q_t,

        N \langle \xi^\alpha_a \xi^{\alpha'}_b \rangle
        = (1-\epsilon)^2 \frac1N \sum_i W^\alpha_{a,i} W^{\alpha'}_{b,i} (1 - \tanh^2 \beta W^o_i \cdot A_{t-1}),

    with the noise of a token staying in its key and value as long as the window holds them. The
    covariance of this linear recursion is exact as N grows.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    orbit : Orbit or orbits.Cycle
        Of this model, with its attention recorded at every step; at least ``n_context + 1`` rows. Of a
        cycle, the stationary covariance along it.
    period : int, optional
        For an `Orbit`: token steps, a multiple of ``n_context`` where the position matters: take the last `period`
        rows of the orbit for a cycle and return the stationary covariance along it. None: the
        network starts at row ``n_context`` from the window of the rows before it, whose attention is
        given and whose older tokens are drawn.

    Returns
    -------
    Fluctuations
        Of the rows from ``n_context`` on, or of one period.

    Raises
    ------
    ValueError
        If the orbit does not fit the model, or is no stable cycle of this period.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, fluctuations, network, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=0.9, gamma=220.0, epsilon=0.02)
    >>> orbit = trajectory(model, 8, n_transient=2_000)
    >>> theory = fluctuations(model, orbit, period=4)
    >>> runs = network(model, 40, n_sites=10**6, n_replicas=1_000, start=orbit.window, seed=1)
    >>> measured = 10**6 * runs.attention[:, -4:].var(axis=0)
    >>> bool(abs(measured / theory.attention.diagonal(axis1=1, axis2=2) - 1).max() < 0.2)
    True
    """
    linear, period = linearised(model, orbit, period)
    found = _along(linear, period)
    return dataclasses.replace(found, steps=np.arange(period)) if isinstance(orbit, Cycle) and period else found


def linearised(model: SelfAttention, orbit: Orbit | Cycle, period: int | None) -> tuple[Linearised, int | None]:
    """Return the equations linearised along an orbit, or some turns of a cycle, and the period."""
    instance("orbit", orbit, Orbit | Cycle, "an Orbit or a Cycle")
    if period is not None:
        period = whole("period", period, 1)
    undriven(model)
    if isinstance(orbit, Orbit):
        return Linearised(model, orbit), period
    cycle = np.asarray(orbit.attention)
    n_turns = 2 - (-model.n_context // len(cycle))
    if period not in (None, len(cycle)):
        raise ValueError(f"period must be None or that of the cycle, {len(cycle)}, got {period}")
    end = Start.window(cycle[-1:], n_turns * len(cycle) % model.n_context)
    turns = Orbit(np.tile(cycle, (n_turns, 1)), {}, np.arange(n_turns * len(cycle)), end)
    return Linearised(model, turns), len(cycle)


def _along(linear: Linearised, period: int | None) -> Fluctuations:
    L = linear.model.n_context
    if period is None:
        covariance = linear.begin(L)
        steps = np.arange(L, linear.n_rows)
    else:
        whole("period", period, 1)
        linear.check_cycle(period)
        steps = np.arange(linear.n_rows - period, linear.n_rows)
        covariance = linear.stationary(steps)
    attention, rows, product = [], [], np.eye(linear.size)
    for t in steps.tolist():
        jacobian, source = linear.step(t)
        rows.append(linear.overlaps(t, covariance))
        covariance = jacobian @ covariance @ jacobian.T + source
        attention.append(linear.of_attention(covariance))
        product = jacobian @ product
    blocks = dict(zip(ROLES_IN_ORDER, np.array(rows).transpose(1, 0, 2, 3), strict=True))
    return Fluctuations(
        attention=np.array(attention),
        overlaps={role: blocks[role] for role in ROLES},
        steps=linear.steps[steps],
        growth=float(np.abs(np.linalg.eigvals(product)).max()),
    )


def attention_derivatives(
    model: SelfAttention,
    weights: np.ndarray,
    attention: np.ndarray,
    query: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the derivatives of the attention by the query (..., M, M), and each key and value (..., L, M, M)."""
    head = np.arange(model.n_features) // (model.n_features // model.n_heads)
    same = head[:, None] == head
    lever = model.gain * weights * (values - attention[..., None, :])  # by the score of each key
    by_query = np.swapaxes(lever, -1, -2) @ keys * same
    by_key = lever[..., :, None] * query[..., None, None, :] * same
    return by_query, by_key, weights[..., :, None] * np.eye(model.n_features)


class Linearised:
    """The equations linearised along an orbit.

    The state is the newest attention, then the keys and the values of the ``n_context - 1`` older
    tokens, newest first; rows t of the orbit count from 0.
    """

    def __init__(self, model: SelfAttention, orbit: Orbit) -> None:
        self.model, self.steps = model, np.asarray(orbit.steps)
        groups = site_groups(model.features)
        L, M = model.n_context, model.n_features
        if orbit.attention is None or orbit.attention.ndim != 2 or orbit.attention.shape[1] != M:
            raise ValueError(f"orbit must have its attention recorded, with n_features = {M}")
        n_dim = M + 2 * M * (L - 1)
        need_memory(f"covariances of a state of {n_dim} numbers", 40.0 * n_dim**2, "take a smaller window (n_context)")
        self.attention = np.asarray(orbit.attention)
        self.n_rows = len(self.attention)
        if self.n_rows <= L or np.any(np.diff(self.steps) != 1):
            raise ValueError(f"orbit must have every step recorded, at least {L + 1}, got {self.n_rows} rows")
        self.signs, self.columns = groups.signs, groups.columns
        self.shares = groups.weights
        self.phases = (orbit.window.arguments["phase"] - self.n_rows + np.arange(self.n_rows)) % L
        self.mean = np.tanh(model.beta * self.attention @ self.signs.T)  # of the token after each row
        position = np.array([model.features.position_field(role, L) for role in ROLES_IN_ORDER])
        kept = 1.0 - model.epsilon
        # m[role, t] for t >= 1: of the token drawn from row t - 1
        drawn = kept * (self.mean[:-1] * self.shares) @ self.columns
        self.m = np.full((4, self.n_rows, M), np.nan)
        self.m[:, 1:] = drawn + model.epsilon * position[:, self.phases[1:]]
        self.size = M + 2 * M * (L - 1)
        wrong = max(np.abs(self._attend(t)[1] - self.attention[t]).max() for t in range(L, min(self.n_rows, 4 * L)))
        if not wrong < 1e-9:
            raise ValueError(f"orbit must be a trajectory of this model, got steps that differ by {wrong:.2g}")

    def _attend(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(t, t - self.model.n_context, -1)
        return attend(self.model, self.m[0, t], self.m[1, rows], self.m[2, rows])

    def response(self, t: int) -> np.ndarray:
        """Return the derivative of the four overlaps of the token at t by the attention before it, (4, M, M)."""
        slope = self.model.beta * self.shares * (1.0 - self.mean[t - 1] ** 2)
        kept = 1.0 - self.model.epsilon
        return kept * np.einsum("rja,j,jb->rab", self.columns, slope, self.signs)

    def noise(self, t: int) -> np.ndarray:
        """Return N times the covariance of the noise of the token at t, (4 M, 4 M)."""
        flat = self.columns.transpose(1, 0, 2).reshape(len(self.shares), -1)
        kept = 1.0 - self.model.epsilon
        return kept**2 * (flat.T * (self.shares * (1.0 - self.mean[t - 1] ** 2))) @ flat

    def step(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the linear map from the state before row t to that after it, and the source."""
        jacobian, to_state = self.maps(t)
        return jacobian, to_state @ self.noise(t) @ to_state.T

    def maps(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the linear maps to the state after row t: from that before it, and from the noise of its token."""
        model, L, M = self.model, self.model.n_context, self.model.n_features
        weights, attention = self._attend(t)
        rows = np.arange(t, t - L, -1)
        query, keys, values = self.m[0, t], self.m[1, rows], self.m[2, rows]
        by_query, by_key, by_value = attention_derivatives(model, weights, attention, query, keys, values)
        fresh = np.concatenate([by_query, by_key[0], by_value[0], np.zeros((M, M))], axis=1)  # by (q, k, v, o)
        response = self.response(t).reshape(4 * M, M)
        to_state = np.zeros((self.size, 4 * M))  # the new token in the state
        jacobian = np.zeros((self.size, self.size))
        to_state[:M] = fresh
        n = M * (L - 1)
        if L > 1:
            jacobian[:M, M : M + n] = by_key[1:].transpose(1, 0, 2).reshape(M, n)
            jacobian[:M, M + n :] = by_value[1:].transpose(1, 0, 2).reshape(M, n)
            for first, role in ((M, 1), (M + n, 2)):
                to_state[first : first + M, role * M : (role + 1) * M] = np.eye(M)
                jacobian[first + M : first + n, first : first + n - M] += np.eye(n - M)  # one token older
        jacobian[:, :M] += to_state @ response
        return jacobian, to_state

    def begin(self, t: int) -> np.ndarray:
        """Return the covariance of the state before row t of a network whose attention is given up to there."""
        L, M = self.model.n_context, self.model.n_features
        covariance = np.zeros((self.size, self.size))
        n = M * (L - 1)
        for lag in range(L - 1):
            at = np.concatenate([M + lag * M + np.arange(M), M + n + lag * M + np.arange(M)])
            covariance[np.ix_(at, at)] = self.noise(t - 1 - lag)[M : 3 * M, M : 3 * M]
        return covariance

    def overlaps(self, t: int, covariance: np.ndarray) -> np.ndarray:
        """Return N times the covariance of each role's overlaps of the token at t, from the state before it."""
        M, response, noise = self.model.n_features, self.response(t), self.noise(t)
        own = [noise[r * M : (r + 1) * M, r * M : (r + 1) * M] for r in range(4)]
        return response @ covariance[:M, :M] @ response.transpose(0, 2, 1) + own

    def of_attention(self, covariance: np.ndarray) -> np.ndarray:
        """Return the block of the attention."""
        M = self.model.n_features
        return covariance[:M, :M].copy()

    def check_cycle(self, period: int) -> None:
        """Raise unless the end of the orbit repeats itself after `period` rows."""
        L = self.model.n_context
        if self.model.epsilon and period % L:
            raise ValueError(f"period must be a multiple of n_context = {L}, got {period}")
        if self.n_rows < period + L:
            raise ValueError(f"orbit must have at least period + n_context = {period + L} rows, got {self.n_rows}")
        apart = np.abs(self.attention[-L:] - self.attention[-L - period : self.n_rows - period]).max()
        if not apart < _CLOSED:
            raise ValueError(f"orbit must end on a cycle of period {period}, got rows that differ by {apart:.2g}")

    def stationary(self, steps: np.ndarray) -> np.ndarray:
        """Return the covariance of the state before the first of the steps of a cycle."""
        from scipy.linalg import solve_discrete_lyapunov  # late: scipy is slow to load

        product, total = np.eye(self.size), np.zeros((self.size, self.size))
        for t in steps.tolist():
            jacobian, source = self.step(t)
            product, total = jacobian @ product, jacobian @ total @ jacobian.T + source
        growth = np.abs(np.linalg.eigvals(product)).max()
        if growth >= 1.0:
            raise ValueError(f"orbit must end on a stable cycle, got a multiplier of modulus {growth:.6g}")
        with one_blas_thread():  # of what was loaded late, too
            covariance = solve_discrete_lyapunov(product, total)
        return (covariance + covariance.T) / 2.0
