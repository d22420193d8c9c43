"""Exact distributions of small kinetic Ising systems, by enumeration of their states."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, number, whole, within
from .._util.memory import need_memory
from .._util.readonly import read_only
from .._util.signs import independent_law, sign_vectors
from .._util.values import Whole
from .model import system_of
from .moments import Moments, need_moments, stack
from .stationary import StationaryLaw, stationary_law
from .step import Step, moments_of_sums

if TYPE_CHECKING:
    from .model import KineticIsing

MAX_SITES = 14
MAX_CHUNK = 1 << 22  # elements of the transition matrix held at once


class Exact(Whole):
    """Evolve the distribution over all states of a small system.

    Parameters
    ----------
    model : KineticIsing
        With at most 14 sites; memory stays below 100 MB, time grows like ``4**n_sites``.

    Attributes
    ----------
    states : ndarray, shape (2**n_sites, n_sites)
        All states, of spins -1 and 1.

    Raises
    ------
    ValueError
        If there are more sites, before anything is allocated.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> exact = KineticIsing([[0.0, 1.0], [-1.0, 0.0]]).exact()
    >>> exact.evolve([1, 1], 1).m[-1].round(6)
    array([ 0.761594, -0.761594])
    """

    def __init__(self, model: KineticIsing) -> None:
        system_of(model)
        if model.n_sites > MAX_SITES:
            raise ValueError(
                f"n_sites must be <= {MAX_SITES} for enumeration, got {model.n_sites}: "
                f"2^{model.n_sites} states; use stationary_law to 18 sites, sample or MeanField"
            )
        self.model, self._step = model, Step(model)
        n = model.n_sites
        need_memory(f"all states of {n} sites", 24.0 * n * 2**n, "use sample or MeanField")
        # Site 0 is the slowest bit: the order of successive Kronecker products.
        self.states = sign_vectors(n)
        self.states.flags.writeable = False
        self._fields = self.states @ self._step.J.T + self._step.H
        self._matrix = self._rows(slice(None)) if 4**n <= MAX_CHUNK else None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.model,)

    def _rows(self, rows: slice) -> np.ndarray:
        """Return P(s'|s) of some s, shape (n_rows, 2^n)."""
        mean = self._step.conditional_mean(self.states[rows])
        if self.model.update == "async":
            return self._async_rows(rows)
        return independent_law((1 + mean) / 2)

    def _async_rows(self, rows: slice) -> np.ndarray:
        n, which = self.model.n_sites, np.arange(len(self.states))[rows]
        flip = self._flips()[rows] / n
        out = np.zeros((which.size, len(self.states)))
        out[np.arange(which.size), which] = 1 - flip.sum(1)
        for i in range(n):
            out[np.arange(which.size), which ^ (1 << (n - 1 - i))] += flip[:, i]
        return out

    def _flips(self) -> np.ndarray:
        """Return the probability that an update of site i flips it, shape (2^n, n)."""
        return expit(-2 * self.states * self._fields)

    @own_arithmetic
    def advance(self, p: np.ndarray) -> np.ndarray:
        """Return the distribution one step after the distribution `p`, shape (2**n_sites,)."""
        return self._advanced(self._distribution("p", p))

    def _advanced(self, p: np.ndarray) -> np.ndarray:
        if self._matrix is not None:
            return p @ self._matrix
        if self.model.update == "async":
            n, flow = self.model.n_sites, self._flips() * p[:, None] / self.model.n_sites
            here = np.arange(len(p))
            gain = sum(flow[here ^ (1 << (n - 1 - i)), i] for i in range(n))
            return p - flow.sum(1) + gain
        n_rows = max(1, MAX_CHUNK // len(p))
        parts = (slice(k, k + n_rows) for k in range(0, len(p), n_rows))
        return sum(p[rows] @ self._rows(rows) for rows in parts)

    def _distribution(self, name: str, p: ArrayLike) -> np.ndarray:
        """Return a distribution over the states, checked."""
        p = within(name, finite(name, p, (len(self.states),)), 0, np.inf)
        if abs(p.sum() - 1) > 1e-9:
            raise ValueError(f"{name} must sum to 1 as a distribution over states, got {float(p.sum())!r}")
        return p

    def _start(self, start: ArrayLike) -> np.ndarray:
        """Return the distribution at the start."""
        n_states, n = self.states.shape
        start = finite("start", start, (None,))
        if start.size == n_states and n_states != n:
            return self._distribution("start", start)
        if start.size != n or not (abs(start) == 1).all():
            raise ValueError(
                f"start must be {n} spins of -1 or 1, or a distribution over {n_states} states, "
                f"got {start.size} numbers such as {start[:3].tolist()}"
            )
        return (self.states == start).all(1).astype(float)

    @own_arithmetic
    def moments(self, p: np.ndarray) -> Moments:
        """Return the moments one step after the distribution `p`."""
        return self._moments(self._distribution("p", p))

    def _moments(self, p: np.ndarray) -> Moments:
        return moments_of_sums(self._step.sums(self.states, p), 1.0)

    @own_arithmetic
    def evolve(self, start: ArrayLike, n_steps: int) -> Moments:
        """Return the moments at times 0 to `n_steps`.

        Parameters
        ----------
        start : array_like
            A state of spins -1 and 1, or a distribution over the states (in the order of `states`).
        n_steps : int

        Returns
        -------
        Moments
            Time first; D of time 0 is 0.
        """
        n_steps, n = whole("n_steps", n_steps), self.model.n_sites
        need_moments(n, n_steps + 1, width=2)
        p = self._start(start)
        m = p @ self.states
        C = (self.states.T * p) @ self.states - np.outer(m, m)
        times = [Moments.unchecked(m=m, C=C, D=np.zeros_like(C))]
        for _ in range(n_steps):
            times.append(self._moments(p))
            p = self._advanced(p)
        return stack(times)

    @own_arithmetic
    def stationary_distribution(self, tol: float = 1e-14, max_steps: int = 1_000_000) -> np.ndarray:
        """Return the law that a step changes by less than `tol`: that of `stationary_law`, or some steps beyond it.

        Returns
        -------
        ndarray, shape (2**n_sites,)

        Raises
        ------
        FloatingPointError
            If states are trapped, or rounding keeps a step from changing so little within `max_steps`.
        """
        return self._stationary(tol, max_steps).law.reshape(-1)

    def _stationary(self, tol: float, max_steps: int) -> StationaryLaw:
        found = stationary_law(self.model)
        p, tol = found.law.reshape(-1), number("tol", tol, 1e-15)
        for _ in range(whole("max_steps", max_steps, 1)):
            new = self._advanced(p)
            change = abs(new - p).sum()
            if change < tol:
                return dataclasses.replace(found, law=read_only(p.reshape(found.law.shape)))
            p = new / new.sum()
        raise FloatingPointError(
            f"the stationary state was not reached in {max_steps} steps: the last changed p by "
            f"{change:.3g}; raise max_steps or tol"
        )

    @own_arithmetic
    def stationary(self, tol: float = 1e-14, max_steps: int = 1_000_000) -> Moments:
        """Return the moments of the stationary state; arguments as in `stationary_distribution`."""
        return self._stationary(tol, max_steps).moments()

    @own_arithmetic
    def entropy_production(self, tol: float = 1e-14, max_steps: int = 1_000_000) -> float:
        """Return the stationary entropy production per step, in nats; arguments as in `stationary_distribution`."""
        return self._stationary(tol, max_steps).entropy_production()
