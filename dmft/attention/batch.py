"""Batches of parameter points of one network, taken through the map together."""

from __future__ import annotations

import copy
from collections.abc import Collection

import numpy as np

from .. import _kernels
from .._util.threads import n_threads as effective_threads
from ..dynamics.system import System
from .directions import n_directions_of
from .model import gain
from .records import EVERY_STEP, Every, Record, SignChanges
from .start import Start, State

LAWS = ("classes", "gaussian", "independent")
_KERNEL_ROLES = ("query", "key", "value", "output")
_PIECE = 2e7  # point steps in one call of the kernel: a fraction of a second


def network_arrays(model):
    """Return what the kernels ask of a network: signs, couplings, position, number of heads, law."""
    features = model.features
    if features.classes is not None:
        signs, laws = features.classes.signs, features.classes.couplings
        couplings = [laws[role] for role in _KERNEL_ROLES]
    else:
        signs = features.covariances["output"]
        couplings = [features.covariances[role].T for role in _KERNEL_ROLES]
    position = np.array([features.position_field(role, model.n_context) for role in _KERNEL_ROLES])
    return (
        np.ascontiguousarray(signs),
        np.ascontiguousarray(couplings),
        position,
        model.n_heads,
        LAWS.index(features.law),
    )


def linearize(model, beta, gamma, epsilon, windows, phase, n_threads=None):
    """Return one step of many full windows and its derivative by each of their rows.

    Parameters
    ----------
    model : SelfAttention
        Gives what the points share.
    beta, gamma, epsilon : array_like, shape (n_points,)
    windows : ndarray, shape (n_points, n_context, n_features)
        Newest first.
    phase : int
        Position of the step.
    n_threads : int or None

    Returns
    -------
    following : ndarray, shape (n_points, n_features)
    rows : ndarray, shape (n_points, n_context, n_features, n_features)
        As `reference.jacobian`.
    """
    beta, gamma, epsilon, windows = (np.ascontiguousarray(x, dtype=float) for x in (beta, gamma, epsilon, windows))
    n_points, n_context, n_features = windows.shape
    following, rows = np.empty((n_points, n_features)), np.empty((n_points, n_context, n_features, n_features))
    if n_points:
        factor = gain(gamma, n_features, model.n_heads)
        n_threads = min(effective_threads(n_threads), -(-n_points // 2_000))  # for less, none is worth waking
        _kernels.linearize(*network_arrays(model), beta, factor, epsilon, windows, phase, following, rows, n_threads)
    return following, rows


class Batch(System):
    """Many parameter points of one network, taken through the map together.

    The points share features, context and heads, and differ in beta, gamma, epsilon and state.
    This is the workhorse under `trajectory`, `lyapunov` and `sweep`; its arrays lead with the point.

    Parameters
    ----------
    model : SelfAttention
        Gives what the points share.
    beta, gamma, epsilon : array_like, shape (n_points,)
        Inside their domains; not checked again.
    states : sequence of State, length n_points
        All with the same number of rows and the same phase.
    n_threads : int or None
        OpenMP threads over blocks of points; results do not depend on it.
    """

    def __init__(self, model, beta, gamma, epsilon, states, n_threads=None):
        n_context = model.n_context
        self._model = model
        self._signs, self._couplings, self._position, self._n_heads, self._law = network_arrays(model)
        self.beta, self.gamma, self.epsilon = (np.ascontiguousarray(x, dtype=float) for x in (beta, gamma, epsilon))
        self._gain = np.array([gain(g, model.n_features, model.n_heads) for g in self.gamma])
        first = states[0]
        self.n_filled, self.phase = len(first.attention), first.phase
        self.window = np.zeros((self.n_points, n_context, model.n_features))
        self.window[:, : self.n_filled] = [state.attention for state in states]
        self._preset = None
        if first.preset is not None:
            self._preset = np.ascontiguousarray([state.preset for state in states])
        self.n_threads = effective_threads(n_threads)
        self.frame = self.exponent = self.n_lost = self._mark = None
        self.qr_interval, self.n_dual = 1, 0

    @property
    def n_points(self):
        """Number of points."""
        return self.beta.size

    @property
    def shape(self):
        """The window's shape, (n_context, n_features)."""
        return self.window.shape[1:]

    @property
    def size(self):
        """Dimension of the state, n_context * n_features."""
        return self.window[0].size

    @property
    def n_dim(self):
        """Number of tangents a state can have, its `size`."""
        return self.size

    @property
    def period(self):
        """Steps after which the map is the same again, n_context."""
        return self.shape[0]

    def new_record(self, names: Collection[str], n_rows: int, rule: Every | SignChanges = EVERY_STEP) -> Record:
        """Return a `Record` for this batch to fill."""
        return Record(self.n_points, self.shape[1], names, n_rows, rule)

    def begin_tangents(self, n_tangents, qr_interval=1):
        """Start a frame of orthonormal tangents of the window, made orthogonal again every so many steps.

        Where there are as many as the window has dimensions, and the map annihilates none of them
        whatever the orbit, the last half is carried by the inverse transposed Jacobian: `frame` then
        holds tangents whose lengths are the inverses of the stretches.
        """
        n_context, n_features = self.shape
        frame = np.eye(n_tangents, n_context * n_features).reshape(n_tangents, n_context, n_features)
        self.frame = np.repeat(frame[None], self.n_points, axis=0)
        self.exponent = np.zeros((self.n_points, n_tangents))
        self.n_lost = np.zeros((self.n_points, n_tangents), dtype=np.int64)
        self._mark = np.zeros((self.n_points, n_tangents, 2))
        self.qr_interval = qr_interval
        self.n_dual = 0
        if n_tangents == self.size > 1 and self._invertible():
            self.n_dual = self.size - 2 * ((self.size + 3) // 4)  # they go through the kernel two by two

    def _invertible(self):
        """Return whether dA_t/dA of the oldest row has an inverse, but for accidents of the orbit."""
        value = self._couplings[_KERNEL_ROLES.index("value")]
        if LAWS[self._law] == "classes":
            slopes = np.random.default_rng(0).uniform(0.5, 1.0, len(value))
            value = value.T * slopes @ self._signs
        return np.linalg.matrix_rank(value) == self.shape[1]

    def log_growth(self):
        """Return the log of how much every tangent has grown since they began, (n_points, n_tangents)."""
        length = np.linalg.norm(self.frame.reshape(*self.exponent.shape, -1), axis=2)
        with np.errstate(divide="ignore"):  # a tangent that has vanished has grown by -inf
            growth = self.exponent * np.log(2.0) + np.log(length)
        growth[:, growth.shape[1] - self.n_dual :] *= -1.0
        return growth

    def advance(self, n_steps, *, record=None, tangents=False, tick=None):
        """Take all points n_steps further, filling a `Record`; `tick` hears of steps now and then."""
        record = record or self.new_record((), 1)
        # In pieces, so that Ctrl-C and progress get a word in.
        cost = self.n_points * (10 if tangents else 1)
        piece = max(1, int(_PIECE / cost) // self.qr_interval) * self.qr_interval
        for done in range(0, n_steps, piece):
            steps = min(piece, n_steps - done)
            # A strobe after the last step: growth sampled later counts from there.
            self._run(steps, record, tangents, until=n_steps - done)
            if tick:
                tick(steps)

    def strobe(self, n_samples, *, interval=None, tangents=False, states=True, record=None, tick=None):
        """Take all points further, with a sample after every `interval` steps.

        Parameters
        ----------
        n_samples : int
            At least 1.
        interval : int, optional
            Steps from one sample to the next, a multiple of n_context. Default: n_context.
        tangents : bool, default=False
            Sample the growth of the tangents.
        states : bool, default=True
            Sample the windows.
        record : Record, optional
            To fill on the way.
        tick : callable, optional
            Hears of the steps when they are done.

        Returns
        -------
        states : ndarray, shape (n_points, n_samples, size), or None
            Windows, newest row first. Taken every n_context steps they hold the whole orbit.
        growth : ndarray, shape (n_points, n_samples, n_tangents), or None
            Log of the factor by which each tangent, less its part along those before it, has
            grown since the last sample; for the first one: since `strobe` or `advance` was called
            last. -inf for one that has vanished.
        """
        interval = self.period if interval is None else interval
        if interval < 1 or interval % self.period:
            raise ValueError(f"interval must be a multiple of n_context = {self.period}, got {interval}")
        if self.n_filled < self.period:
            raise ValueError(f"the window must be full, got {self.n_filled} of {self.period} rows; advance first")
        windows = np.empty((self.n_points, n_samples, *self.shape)) if states else None
        growth = np.empty((self.n_points, n_samples, self.frame.shape[1])) if tangents else None
        record = record or self.new_record((), 1)
        self._run(n_samples * interval, record, tangents, interval, interval, windows, growth)
        if tick:
            tick(n_samples * interval)
        return windows.reshape(self.n_points, n_samples, self.size) if states else None, growth

    def _run(self, n_steps, record, tangents, until, interval=0, windows=None, growth=None):
        _kernels.advance(
            self._signs, self._couplings, self._position, self._n_heads, self._law,
            self.beta, self._gain, self.epsilon,
            self.window, self._preset, self.n_filled, self.phase,
            n_steps, *record.kernel_arguments(),
            self.frame if tangents else None, self.exponent, self.n_lost, self._mark,
            interval, until, windows, growth, self.qr_interval, self.n_dual if tangents else 0, self.n_threads,
        )  # fmt: skip
        record.count_steps(n_steps)
        n_context = self.shape[0]
        if self._preset is not None and n_steps > n_context - self.n_filled:
            self._preset = None  # the token of its own has left the window
        self.n_filled = min(n_context, self.n_filled + n_steps)
        self.phase = (self.phase + n_steps) % n_context

    def select(self, points):
        """Return a batch of some of the points, from where they are."""
        some = copy.copy(self)
        for name in ("beta", "gamma", "epsilon", "_gain", "window", "_preset", "frame", "exponent", "n_lost", "_mark"):
            array = getattr(self, name)
            setattr(some, name, None if array is None else np.ascontiguousarray(array[points]))
        return some

    def n_directions(self):
        """Return how many directions the map keeps whatever the orbit, (n_points,); see `directions.n_directions`."""
        # With no direction lost to rounding none can have been annihilated.
        suspect = self.n_lost.any(axis=1) | ~np.isfinite(self.log_growth()).all(axis=1)
        return n_directions_of(self._model, self.beta, self.epsilon, suspect & ~self.failed())

    def describe(self, point=0):
        """Return the parameters of a point in words."""
        return f"beta = {self.beta[point]}, gamma = {self.gamma[point]}, epsilon = {self.epsilon[point]}"

    def continuation(self, point=0):
        """Return the start from which a run of a point goes on exactly."""
        return Start.continuing(self.state(point))

    def state(self, point=0):
        """Return the state of one point."""
        preset = None if self._preset is None else self._preset[point].copy()
        return State(self.window[point, : self.n_filled].copy(), self.phase, preset)

    def failed(self):
        """Return which points have left the real numbers, (n_points,) of bool."""
        return ~np.isfinite(self.window).all(axis=(1, 2))


def single(model, start, n_threads=None):
    """Return a batch of the one point `model`, at its start."""
    state = (Start.random(0) if start is None else start).state(model)
    return Batch(model, [model.beta], [model.gamma], [model.epsilon], [state], n_threads)
