"""What estimators take: orbits that can be sampled with the growth of their tangents; and any map in NumPy.

Exponents, statistics and labels know nothing of attention. They take a *system*, a batch of orbits with

- ``n_points``, ``size``: how many orbits, and the length of a sampled state;
- ``n_dim``: how many tangents an orbit can have;
- ``period``: steps after which the map is the same again; exponents are per step;
- ``advance(n_steps, tangents=False)``: take all orbits further;
- ``begin_tangents(n_tangents)``: give each orbit so many orthonormal tangents;
- ``strobe(n_samples, *, interval=None, tangents=False, states=True, tick=None)``: take all orbits further with a sample
  after every `interval` steps (default: `period`); returns the states (n_points, n_samples, size) and the log growth of
  each tangent between samples (n_points, n_samples, n_tangents), each None where it is not asked for;
- ``n_lost``: in how many steps a tangent's stretch was below rounding, (n_points, n_tangents);
- ``failed()``: which orbits have left the real numbers, (n_points,) of bool;
- ``select(points)``: a system of some of the orbits, from where they are.

An orbit's numbers must not depend on its company, nor on how a run is cut into calls. `dmft.attention.batch.Batch` is such
a system, compiled; `Map` makes one of two functions.
"""

from __future__ import annotations

import copy

import numpy as np


class Map:
    r"""Orbits of a map given by functions: slow, and for any map.

    Parameters
    ----------
    step : callable
        ``step(state, *parameters)`` takes states (n_points, size) to the next ones.
    state : array_like, shape (n_points, size)
        Where the orbits begin.
    jacobian : callable, optional
        The derivative of `step`, of the same arguments, (n_points, size, size). Only tangents need it.
    observe : callable, optional
        ``observe(state)``: what of the states is sampled, (n_points, n_observables). Default: all.
    parameters : sequence of array_like, shape (n_points, ...)
        What differs from orbit to orbit.

    Examples
    --------
    The logistic map doubles small differences, on average:

    >>> logistic = Map(lambda x: 4 * x * (1 - x), [[0.3]], lambda x: (4 - 8 * x)[..., None])
    >>> logistic.begin_tangents(1)
    >>> _, growth = logistic.strobe(10_000, tangents=True)
    >>> float(growth.mean().round(2)), float(np.log(2).round(2))
    (0.69, 0.69)
    """

    period = 1

    def __init__(self, step, state, jacobian=None, observe=None, parameters=()):
        self.step, self.jacobian = step, jacobian
        self.observe = observe or (lambda state: state)
        self.state = np.array(state, dtype=float)
        self.parameters = tuple(np.asarray(values) for values in parameters)
        self.frame = self.n_lost = None

    @property
    def n_points(self):
        """Number of orbits."""
        return len(self.state)

    @property
    def size(self):
        """Number of observables."""
        return self.observe(self.state[:1]).shape[1]

    @property
    def n_dim(self):
        """Dimension of the map, whatever is observed of it."""
        return self.state.shape[1]

    def begin_tangents(self, n_tangents):
        """Start a frame of orthonormal tangents on every orbit."""
        if self.jacobian is None:
            raise ValueError("jacobian must be given for tangents")
        self.frame = np.repeat(np.eye(self.state.shape[1], n_tangents)[None], self.n_points, axis=0)
        self.n_lost = np.zeros((self.n_points, n_tangents), dtype=np.int64)

    def advance(self, n_steps, tangents=False):
        """Take all orbits n_steps further; return how much the tangents have grown, or None."""
        growth = np.zeros(self.n_lost.shape) if tangents else None
        for _ in range(n_steps):
            if tangents:
                self.frame, r = np.linalg.qr(self.jacobian(self.state, *self.parameters) @ self.frame)
                with np.errstate(divide="ignore"):  # a singular derivative: -inf is the answer
                    growth += np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
            self.state = self.step(self.state, *self.parameters)
        return growth

    def strobe(self, n_samples, *, interval=None, tangents=False, states=True, tick=None):
        """Take all orbits further with a sample after every `interval` steps; see `dmft.dynamics.system`."""
        seen, grown = [], []
        for _ in range(n_samples):
            grown.append(self.advance(interval or 1, tangents))
            seen.append(self.observe(self.state) if states else None)
        if tick:
            tick(n_samples * (interval or 1))
        return np.stack(seen, axis=1) if states else None, np.stack(grown, axis=1) if tangents else None

    def failed(self):
        """Return which orbits have left the real numbers, (n_points,) of bool."""
        return ~np.isfinite(self.state).all(axis=1)

    def select(self, points):
        """Return some of the orbits, from where they are."""
        some = copy.copy(self)
        some.state = self.state[points]
        some.parameters = tuple(values[points] for values in self.parameters)
        if self.frame is not None:
            some.frame, some.n_lost = self.frame[points], self.n_lost[points]
        return some
