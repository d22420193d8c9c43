"""What cycles are sought of: a map from the last few vectors to the next one.

A window (n_context, n_features) holds vectors newest first; the map may depend on the step through
a phase of period `n_phases`. It is written once, in the operations that `jets` knows; its
derivatives, by the window and by a parameter, follow. The attention map adds compiled ones.
"""

import numpy as np

from ... import _kernels
from ...attention.batch import Batch, Record, linearize
from ...attention.rank import generic_rank
from ...attention.start import State
from .jets import Jet, exp, power, tanh

PARAMETERS = ("beta", "gamma", "epsilon")
MAX_INDEPENDENT = 12  # features whose 2**(M-1) sign vectors are enumerated


class WindowMap:
    """A map with one parameter, for a batch of points that each have their own value.

    Parameters
    ----------
    step : callable
        ``step(window, phase, value)``: the next vector (..., n_features), of a window
        (..., n_context, n_features) that is an array or a `Jet`; `phase` and `value` have the
        shape (...), `value` may be a `Jet`.
    n_context, n_features : int
    value : array_like, shape (n_points,)
    n_phases : int, default=1
    """

    parameter = "value"

    def __init__(self, step, n_context, n_features, value, n_phases=1):
        self.step = step
        self.n_context, self.n_features, self.n_phases = n_context, n_features, n_phases
        self.value = np.atleast_1d(np.asarray(value, dtype=float))

    @property
    def n_points(self):
        """Number of points."""
        return self.value.size

    def at(self, value):
        """Return the same map at other values of its parameter."""
        return WindowMap(self.step, self.n_context, self.n_features, value, self.n_phases)

    def take(self, points):
        """Return the map of some of the points."""
        return self.at(self.value[points])

    @property
    def phases(self):
        """Period of the phase at each point, (n_points,)."""
        return np.full(self.n_points, self.n_phases)

    @property
    def rank(self):
        """How many multipliers of a cycle do not vanish by the structure of the map, (n_points,)."""
        return np.full(self.n_points, self.n_context * self.n_features)

    def run(self, windows, n_steps, phase=0):
        """Return the vectors of so many steps, (n_points, n_steps, n_features)."""
        windows, out = np.array(windows, dtype=float), []
        for t in range(phase, phase + n_steps):
            out.append(self.step(windows, t % self.n_phases, self.value))
            windows = np.concatenate([out[-1][:, None], windows[:, :-1]], axis=1)
        return np.stack(out, axis=1)

    def linearize(self, windows):
        """Return one step of each window and its derivative.

        Parameters
        ----------
        windows : ndarray, shape (n_points, n_steps, n_context, n_features)
            Along the second axis the phase counts up from 0.

        Returns
        -------
        following : ndarray, shape (n_points, n_steps, n_features)
        rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
            Entry [..., d, a, b] is the derivative of component a by component b of row d.
        """
        size = self.n_context * self.n_features
        directions = np.eye(size).reshape(size, 1, 1, self.n_context, self.n_features)
        following, slopes = self.taylor(windows, directions, order=1)
        rows = slopes.reshape(self.n_context, self.n_features, *slopes.shape[1:])
        return following[0], rows.transpose(2, 3, 0, 4, 1)

    def taylor(self, windows, directions, rise=0.0, order=3):
        """Return the Taylor coefficients of one step along a direction.

        Parameters
        ----------
        windows : ndarray, shape (n_points, n_steps, n_context, n_features)
        directions : ndarray, shape (..., n_points, n_steps, n_context, n_features)
        rise : float, default=0.0
            How far the parameter moves along the direction.
        order : int, default=3

        Returns
        -------
        list of ndarray, shape (..., n_points, n_steps, n_features)
            The value and `order` coefficients.
        """
        window = Jet(windows, directions, *[0.0] * (order - 1))
        value = self.value[:, None]
        if rise:
            value = Jet(value, rise, *[0.0] * (order - 1))
        return self.step(window, np.arange(windows.shape[1]) % self.n_phases, value).terms

    def slope(self, windows):
        """Return the derivative by the parameter, (n_points, n_steps, n_features)."""
        return self.taylor(windows, np.zeros_like(windows), rise=1.0, order=1)[1]


class AttentionMap(WindowMap):
    """The attention map of the infinite network.

    Parameters
    ----------
    model : SelfAttention
        Gives what the points share.
    parameter : {"beta", "gamma", "epsilon"}, default="beta"
        The one that `at` changes.
    n_threads : int or None
    **values : array_like, shape (n_points,)
        beta, gamma, epsilon where they differ from the model's.
    """

    def __init__(self, model, parameter="beta", n_threads=None, **values):
        self.model, self.parameter, self._n_threads = model, parameter, n_threads
        self.n_context, self.n_features = model.n_context, model.n_features
        given = [np.atleast_1d(values.get(name, getattr(model, name))).astype(float) for name in PARAMETERS]
        self.values = dict(zip(PARAMETERS, np.broadcast_arrays(*given), strict=True))
        self.n_phases = position_period(model) if self.values["epsilon"].any() or parameter == "epsilon" else 1

    @property
    def value(self):
        """The parameter of each point, (n_points,)."""
        return self.values[self.parameter]

    @property
    def phases(self):
        """As for `WindowMap`: without position the map is the same in every step."""
        return np.where(self.values["epsilon"] == 0.0, 1, position_period(self.model))

    @property
    def rank(self):
        """As for `WindowMap`: 0 where nothing moves, fewer than L*M where few classes span few dimensions."""
        still = (self.values["beta"] == 0.0) | (self.values["epsilon"] == 1.0)
        moving = self.model.replace(beta=1.0, epsilon=min(self.model.epsilon, 0.5))
        return np.where(still, 0, generic_rank(moving) if not still.all() else 0)

    def run(self, windows, n_steps, phase=0):
        """As for `WindowMap`, compiled."""
        states = [State(window, phase) for window in windows]
        batch = Batch(self.model, *self.values.values(), states, self._n_threads)
        record = Record(batch, ("attention",), n_steps)
        batch.advance(n_steps, record=record)
        return record.arrays()["attention"]

    def at(self, value):
        """Return the same map at other values of its parameter."""
        return AttentionMap(self.model, self.parameter, self._n_threads, **{**self.values, self.parameter: value})

    def take(self, points):
        """Return the map of some of the points."""
        values = {name: array[points] for name, array in self.values.items()}
        return AttentionMap(self.model, self.parameter, self._n_threads, **values)

    def linearize(self, windows):
        """As for `WindowMap`, compiled."""
        n_points, n_steps = windows.shape[:2]
        following = np.empty((n_points, n_steps, self.n_features))
        rows = np.empty((*windows.shape, self.n_features))
        for phase in range(min(self.n_phases, n_steps)):
            some = windows[:, phase :: self.n_phases]
            values = [np.repeat(self.values[name], some.shape[1]) for name in PARAMETERS]
            flat = linearize(self.model, *values, some.reshape(-1, *some.shape[2:]), phase, self._n_threads)
            following[:, phase :: self.n_phases] = flat[0].reshape(n_points, -1, self.n_features)
            rows[:, phase :: self.n_phases] = flat[1].reshape(*some.shape, self.n_features)
        return following, rows

    def step(self, window, phase, value):
        """Return the next attention, Eqs. (2), (3), (6), (7), of arrays or series."""
        model, n_context, n_heads = self.model, self.n_context, self.model.n_heads
        values = {**{name: array[:, None] for name, array in self.values.items()}, self.parameter: value}
        beta, gamma, epsilon = (values[name][..., None, None] for name in PARAMETERS)
        signs, couplings = site_classes(model)
        if model.features.law == "gaussian":
            variance = beta * beta * ((window @ signs) * window).sum(axis=-1)[..., None]
            slope = sum(weight * power(start + variance, -0.5) for start, weight in _kernels.MIXTURE)
            activity = beta * (window * slope)
        else:
            activity = tanh(beta * (window @ signs.T))
        position = (np.asarray(phase)[..., None] - np.arange(n_context)) % n_context
        query, keys, values = (
            (1.0 - epsilon) * (activity @ couplings[role])
            + epsilon * model.features.position_field(role, n_context)[position]
            for role in ("query", "key", "value")
        )
        shape = (*keys.shape[:-1], n_heads, self.n_features // n_heads)
        query, keys, values = (x.reshape(*shape) for x in (query, keys, values))
        scores = (gamma * (n_heads / self.n_features) ** 0.5) * (keys * query[..., :1, :, :]).sum(axis=-1)
        top = scores.terms[0] if isinstance(scores, Jet) else scores
        weights = exp(scores - top.max(axis=-2, keepdims=True))
        weights = weights / weights.sum(axis=-2)[..., None, :]
        return (weights[..., None] * values).sum(axis=-3).reshape(*shape[:-3], self.n_features)


def site_classes(model):
    """Return signs and couplings by role as the law of the features reads them."""
    features = model.features
    if features.classes is not None:
        return features.classes.signs, features.classes.couplings
    if features.law == "gaussian":
        return features.covariances["output"], {role: c.T for role, c in features.covariances.items()}
    n_features = features.n_features
    if n_features > MAX_INDEPENDENT:
        raise ValueError(
            f"n_features must be <= {MAX_INDEPENDENT} for normal forms and branches of independent features, "
            f"got {n_features}"
        )
    signs = 1.0 - 2.0 * (np.arange(2 ** (n_features - 1))[:, None] >> np.arange(n_features) & 1)
    return signs, {role: signs @ c.T / len(signs) for role, c in features.covariances.items()}


def position_period(model):
    """Return the period of what the position adds to the overlaps: a divisor of n_context."""
    n_context = model.n_context
    table = np.stack([model.features.position_field(role, n_context) for role in ("query", "key", "value")])
    divisors = [n for n in range(1, n_context + 1) if n_context % n == 0]
    return next(n for n in divisors if np.array_equal(np.roll(table, n, axis=1), table))
