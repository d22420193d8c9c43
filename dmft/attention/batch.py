"""Trajectories of the infinite network: the map run over batches of parameter points."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping

import numpy as np

from .. import _kernels
from .._util.checks import whole
from .._util.threads import n_threads as effective_threads
from .model import gain
from .start import Start, State

# In the order of the kernel's records.
RECORDS = ("attention", "output", "semantic", "value", "query", "key")
LAWS = ("classes", "gaussian", "independent")
_KERNEL_ROLES = ("query", "key", "value", "output")
_PIECE = 2e7  # point steps in one call of the kernel: a fraction of a second


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Orbit:
    r"""A trajectory of the map.

    Attributes
    ----------
    attention : ndarray, shape (n_rows, n_features), or None
        :math:`A_t` of the recorded steps; None if not recorded.
    overlaps : dict of str to ndarray, shape (n_rows, n_features)
        :math:`m^o, m^v, m^q, m^k` under "output", "value", "query", "key", and the semantic part
        of :math:`m^o`, factor :math:`1-\epsilon` included, under "semantic"; those recorded.
    steps : ndarray of int, shape (n_rows,)
        The step of each row, counted from the first one after the transient.
    window : Start
        Where the run ended; starting from it continues the run exactly.
    """

    attention: np.ndarray | None
    overlaps: Mapping[str, np.ndarray]
    steps: np.ndarray
    window: Start


class Record:
    """Rows of the orbits of a batch, filled as it advances.

    Parameters
    ----------
    batch : Batch
    names : sequence of str
        Some of RECORDS.
    n_rows : int
        Room for so many rows of each point; further ones are dropped.
    every : int, default=1
        Fill a row in the first of every so many steps.
    section : int, optional
        Fill a row where this attention component changes its sign instead.
    """

    def __init__(self, batch, names, n_rows, every=1, section=None):
        shape = (batch.n_points, n_rows, batch.shape[1])
        self.slots = [np.full(shape, np.nan) if name in names else None for name in RECORDS]
        self.rows = np.zeros(batch.n_points, dtype=np.int64)
        self.every = every if section is None else 0
        self.component = section or 0
        self.clock = 0

    def arrays(self):
        """Return the records by name, each (n_points, n_rows, n_features)."""
        return {name: array for name, array in zip(RECORDS, self.slots, strict=True) if array is not None}


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


class Batch:
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
        record = record or Record(self, (), 1)
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
        record = record or Record(self, (), 1)
        self._run(n_samples * interval, record, tangents, interval, interval, windows, growth)
        if tick:
            tick(n_samples * interval)
        return windows.reshape(self.n_points, n_samples, self.size) if states else None, growth

    def _run(self, n_steps, record, tangents, until, interval=0, windows=None, growth=None):
        _kernels.advance(
            self._signs, self._couplings, self._position, self._n_heads, self._law,
            self.beta, self._gain, self.epsilon,
            self.window, self._preset, self.n_filled, self.phase,
            n_steps, record.every, record.clock, record.component, record.slots, record.rows,
            self.frame if tangents else None, self.exponent, self.n_lost, self._mark,
            interval, until, windows, growth, self.qr_interval, self.n_dual if tangents else 0, self.n_threads,
        )  # fmt: skip
        record.clock += n_steps
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


def check_finite(batch, model):
    """Raise if the one point of a batch has left the real numbers."""
    if batch.failed()[0]:
        raise FloatingPointError(
            f"the orbit left the real numbers at beta = {model.beta}, gamma = {model.gamma}, "
            f"epsilon = {model.epsilon}; start from a window of moderate size"
        )


def check_record(record):
    """Return the names of the arrays to record, in order, or say which one is unknown."""
    record = (record,) if isinstance(record, str) else tuple(record)
    for name in record:
        if name not in RECORDS:
            raise ValueError(f"record must name some of {RECORDS}, got {name!r}")
    return tuple(name for name in RECORDS if name in record)


def trajectory(model, n_steps, *, n_transient=0, start=None, record=RECORDS, every=1, n_threads=None):
    r"""Run the infinite network.

    One step is, with the phase t mod L [1]_,

    .. math::

        m^\alpha_t = (1-\epsilon) \sum_j G^\alpha_j \tanh(\beta s_j \cdot A_{t-1}) + b^\alpha(t),
        \qquad
        A_t = \sum_d \mathrm{softmax}_d\Big(\tfrac{\gamma}{\sqrt{M}} m^q_t \cdot m^k_{t-d}\Big) m^v_{t-d}.

    Parameters
    ----------
    model : SelfAttention
        The network.
    n_steps : int
        Token steps to run after the transient, >= 1.
    n_transient : int, default=0
        Token steps to run first, unrecorded.
    start : Start, optional
        Default: ``Start.random(0)``.
    record : sequence of str, default all
        What to keep, of "attention", "output", "semantic", "value", "query", "key".
    every : int, default=1
        Keep the first of every so many steps.
    n_threads : int or None
        Has no effect on the numbers; one orbit runs on one thread.

    Returns
    -------
    Orbit
        With ``ceil(n_steps / every)`` rows.

    Raises
    ------
    ValueError
        If an argument is outside its domain or the start does not fit the model.
    FloatingPointError
        If the orbit leaves the real numbers.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (2), (3), (6).

    Examples
    --------
    >>> from dmft import Features, SelfAttention, Start
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> first = trajectory(model, 6, start=Start.feature("output", 0))
    >>> first.attention.shape
    (6, 3)
    >>> both = trajectory(model, 8, start=Start.feature("output", 0)).attention
    >>> bool((trajectory(model, 2, start=first.window).attention == both[6:]).all())
    True
    """
    n_steps, every = whole("n_steps", n_steps, 1), whole("every", every, 1)
    n_transient = whole("n_transient", n_transient, 0)
    record = check_record(record)
    batch = single(model, start, n_threads)
    batch.advance(n_transient)
    rows = Record(batch, record, -(-n_steps // every), every)
    batch.advance(n_steps, record=rows)
    check_finite(batch, model)
    arrays = {name: array[0] for name, array in rows.arrays().items()}
    return Orbit(
        attention=arrays.pop("attention", None),
        overlaps=arrays,
        steps=np.arange(0, n_steps, every),
        window=Start.continuing(batch.state()),
    )
