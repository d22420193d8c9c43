"""The attention map as the map of windows that cycles, branches and normal forms are computed of."""

from __future__ import annotations

import copy
import decimal
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _kernels
from .._util.arithmetic import own_arithmetic
from .._util.checks import Role, finite, one_of, places
from .._util.signs import sign_vectors
from .._util.threads import n_threads as threads
from ..dynamics.cycles import many_digits
from ..dynamics.cycles.jets import Jet, power, tanh
from ..dynamics.cycles.linear import MOVED
from ..dynamics.cycles.window_map import WindowMap, values_of, windows_of
from .axes import PARAMETERS, continuous, values_at, with_values
from .batch import Batch
from .directions import n_directions, read_directions
from .drive import ROLE_ORDER, given_overlaps, is_given
from .features import Features
from .kernel import linearize, linearize_cycle
from .model import SelfAttention, network_of
from .reference import softmax
from .rounding import row_errors
from .start import Start, State, start_of

FEW = 2_000  # steps for which one thread will do
MAX_EXACT = 128  # classes of which steps are taken in many digits
EXPONENTIAL = 60.0  # multiplications that one takes there
MAX_INDEPENDENT = 12  # features whose 2**(M-1) sign vectors are enumerated


class AttentionMap(WindowMap):
    """The attention map of the infinite network.

    Parameters
    ----------
    model : SelfAttention
        Gives what the points share.
    parameter : {"beta", "gamma", "epsilon", "strength"}, default="beta"
        The one that `at` changes; strength is that of the drive of a model.
    n_threads : int or None
    **values : array_like, shape (n_points,)
        beta, gamma, epsilon, strength where they differ from the model's.
    """

    def __init__(
        self, model: SelfAttention, parameter: str = "beta", n_threads: int | None = None, **values: ArrayLike
    ) -> None:
        self.model = network_of(model)
        names = continuous(model)
        self.parameter = one_of("parameter", parameter, names)
        if n_threads is not None:
            threads(n_threads)
        self._n_threads = n_threads
        self.n_context, self.n_features = model.n_context, model.n_features
        for name in values:
            one_of("parameter", name, names)
        given = [values_of(name, values.get(name, value)) for name, value in values_at(model).items()]
        try:
            (n_points,) = np.broadcast_shapes(*(one.shape for one in given))
        except ValueError:
            sizes = ", ".join(str(one.size) for one in given)
            raise ValueError(f"{', '.join(names)} must have one value a point, got {sizes} values") from None
        each = (one if one.size == n_points else np.repeat(one, n_points) for one in given)
        self.values = dict(zip(names, each, strict=True))
        moving = self.values["epsilon"].any() or parameter == "epsilon"
        self.n_phases = math.lcm(position_period(model) if moving else 1, drive_period(model))

    @property
    def value(self) -> np.ndarray:
        """The parameter of each point, (n_points,)."""
        return self.values[self.parameter]

    @property
    def phases(self) -> np.ndarray:
        """As for `WindowMap`: without position the map is the same in every step."""
        drive = drive_period(self.model)
        return np.where(self.values["epsilon"] == 0.0, drive, math.lcm(drive, position_period(self.model)))

    @property
    def kinds(self) -> np.ndarray:
        """As for `WindowMap`: points of equal parameters."""
        found: dict[tuple[float, ...], int] = {}
        points = zip(*(value.tolist() for value in self.values.values()), strict=True)
        return np.array([found.setdefault(point, len(found)) for point in points], dtype=int)

    @property
    def n_directions(self) -> np.ndarray:
        """As for `WindowMap`: 0 where nothing moves, fewer than L*M where few classes span few dimensions."""
        still = (self.values["beta"] == 0.0) | (self.values["epsilon"] == 1.0)
        moving, kept = self.model.replace(beta=1.0, epsilon=min(self.model.epsilon, 0.5)), np.zeros(self.n_points, int)
        for strength, points in self._strengths():
            if not still[points].all():
                kept[points] = n_directions(moving if strength is None else with_values(moving, strength=strength))
        return np.where(still, 0, kept)

    def _strengths(self) -> Iterator[tuple[float | None, np.ndarray]]:
        """Yield the points that a kernel takes side by side, and the strength of the drive there."""
        if "strength" not in self.values:
            yield None, np.arange(self.n_points)
            return
        for strength in np.unique(self.values["strength"]).tolist():
            yield strength, np.flatnonzero(self.values["strength"] == strength)

    @own_arithmetic
    def run(self, windows: ArrayLike, n_steps: int, phase: int = 0) -> np.ndarray:
        """As for `WindowMap`, compiled."""
        windows, n_steps, phase = self.beginning(windows, n_steps, phase)
        out = np.empty((self.n_points, n_steps, self.n_features))
        for strength, points in self._strengths():
            model = self.model if strength is None else with_values(self.model, strength=strength)
            values = {name: self.values[name][points] for name in PARAMETERS}
            states = [State(windows[i], phase) for i in points]
            batch = Batch(model, **values, states=states, n_threads=self._n_threads)
            record = batch.new_record(("attention",), n_steps)
            batch.advance(n_steps, record=record)
            out[points] = record.arrays()["attention"]
        return out

    def at(self, value: ArrayLike) -> AttentionMap:
        """Return the same map at other values of its parameter."""
        value = values_of("value", value)
        if value.size != self.n_points and 1 not in (value.size, self.n_points):
            raise ValueError(f"value must have shape ({self.n_points},), got shape {value.shape}")
        some = copy.copy(self)
        n_points = max(value.size, self.n_points)
        values = {**self.values, self.parameter: value}
        some.values = {name: one if one.size == n_points else np.repeat(one, n_points) for name, one in values.items()}
        return some

    def take(self, points: np.ndarray | Sequence[int]) -> AttentionMap:
        """Return the map of some of the points."""
        points = places("points", points, self.n_points)
        some = copy.copy(self)
        some.values = {name: array[points] for name, array in self.values.items()}
        if not some.values["epsilon"].any() and self.parameter != "epsilon":
            some.n_phases = drive_period(self.model)
        return some

    @own_arithmetic
    def linearize(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As for `WindowMap`, compiled."""
        windows = self._trail(windows)
        n_points, n_steps = windows.shape[:2]
        if n_points == 1 and n_steps <= FEW:  # as branches ask for it in every step
            one, its = linearize_cycle(self.model, self.values, windows[0], self.n_phases)
            return one[None], its[None]
        following = np.empty((n_points, n_steps, self.n_features))
        rows = np.empty((*windows.shape, self.n_features))
        for strength, points in self._strengths():
            there: dict[str, Any] = {}
            for phase in range(min(self.n_phases, n_steps)):
                some = windows[points, phase :: self.n_phases]
                if phase in (0, n_steps % self.n_phases):  # from there on a phase has a step less
                    there = {name: np.repeat(self.values[name][points], some.shape[1]) for name in PARAMETERS}
                there |= {"windows": some.reshape(-1, *some.shape[2:]), "phase": phase, "strength": strength}
                flat = linearize(self.model, **there, n_threads=self._n_threads)
                following[points, phase :: self.n_phases] = flat[0].reshape(points.size, -1, self.n_features)
                rows[points, phase :: self.n_phases] = flat[1].reshape(*some.shape, self.n_features)
        return following, rows

    def _along(self, orbit: np.ndarray, value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As for `WindowMap`, without another map in every step of a branch."""
        if self.parameter != "beta" or not value > 0.0 or self.n_points != 1 or len(orbit) > FEW:
            return super()._along(orbit, value)
        windows = windows_of(orbit, self.n_context)
        values = {**self.values, "beta": np.array([value])}
        following, rows = linearize_cycle(self.model, values, windows, self.n_phases)
        return following - orbit, rows[None], np.einsum("tdab,tdb->ta", rows, windows) / value

    def _reduced(self, rows: np.ndarray) -> np.ndarray:
        """As for `WindowMap`: fields of site classes read what their signs span."""
        basis = read_directions(self.model, self.values["epsilon"])
        return rows if basis is None else basis.T @ rows @ basis

    def _errors(self, windows: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        """As for `WindowMap`: by the sizes of what cancels, and of what the features do not read."""
        basis, error = read_directions(self.model, self.values["epsilon"]), None
        if self.model.features.law == "classes":
            error = row_errors(self.model, site_classes(self.model), self.values, windows[:, :, 0], rows)
        if basis is None:
            return error
        assert error is not None  # of classes
        return np.abs(basis.T) @ (error + MOVED * np.abs(rows)) @ np.abs(basis)

    @own_arithmetic
    def slope(self, windows: np.ndarray) -> np.ndarray:
        """As for `WindowMap`: what the parameter does not reach is no series."""
        windows = self._trail(windows)
        phases = np.arange(windows.shape[1]) % self.n_phases
        return self.step(windows, phases, Jet(self.value[:, None], 1.0)).terms[1]

    @own_arithmetic
    def slope_along(self, windows: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As for `WindowMap`: beta stands before every attention, and nowhere else."""
        if self.parameter != "beta" or not (self.value > 0.0).all():
            return self.slope(windows)
        return np.einsum("ptdab,ptdb->pta", rows, windows) / self.value[:, None, None]

    @property
    def exact_cost(self) -> float:
        """As for `WindowMap`: of site classes, if they are not too many."""
        features, L, M = self.model.features, self.n_context, self.n_features
        n_classes = 2 ** (M - 1) if features.classes is None else len(features.classes.signs)
        if features.law == "gaussian" or n_classes > MAX_EXACT:
            return 0.0
        n_exponentials = n_classes + self.model.n_heads * L
        return float(EXPONENTIAL * n_exponentials + 3 * n_classes * M * M + L * M * (L + 3 * M))

    def exact_rows(self, orbit: np.ndarray) -> np.ndarray:
        """As for `WindowMap`."""
        from .many_digits import Step, Token, saturation  # it needs the classes from here

        orbit = finite("orbit", orbit, (None, self.n_features))
        if not len(orbit) or not self.exact:
            raise ValueError(f"orbit must have steps, and the map few classes of sites, got {len(orbit)} steps")
        values = {name: float(value[0]) for name, value in self.values.items()}
        model, n_context, n_steps = with_values(self.model, **values), self.n_context, len(orbit)
        with decimal.localcontext() as more:
            more.prec += saturation(model, orbit)
            tokens = [Token(model, row, t % model.period) for t, row in enumerate(np.roll(orbit, 1, axis=0))]
            steps = [Step(model, [tokens[(t - d) % n_steps] for d in range(n_context)]) for t in range(n_steps)]
            rows = np.stack([step.rows() for step in steps])
        return many_digits.rounded(rows)

    @own_arithmetic
    def step(self, window: np.ndarray | Jet, phase: ArrayLike, value: np.ndarray | Jet) -> Any:
        """Return the next attention, Eqs. (2), (3), (6), (7), of arrays or series."""
        window, phase, value = self._one_step(window, phase, value)
        model, n_context, n_heads = self.model, self.n_context, self.model.n_heads
        values = {**{name: array[:, None] for name, array in self.values.items()}, self.parameter: value}
        beta, gamma, epsilon = (values[name][..., None, None] for name in PARAMETERS)
        strength = values["strength"][..., None, None] if "strength" in values else None
        signs, couplings = site_classes(model)
        if model.features.law == "gaussian":
            variance = beta * beta * ((window @ signs) * window).sum(axis=-1)[..., None]
            slope = sum(weight * power(start + variance, -0.5) for start, weight in _kernels.MIXTURE)
            activity = beta * (window * slope)
        else:
            activity = tanh(beta * (window @ signs.T))
        # Below n_context where nothing drives the network.
        made = (phase[..., None] - np.arange(n_context)) % model.period
        position = made % n_context
        query, keys, values = (
            (1.0 - epsilon) * driven(model, role, activity @ couplings[role], made, strength)
            + epsilon * model.features.position_field(role, n_context)[position]
            for role in ("query", "key", "value")
        )
        shape = (*keys.shape[:-1], n_heads, self.n_features // n_heads)
        query, keys, values = (x.reshape(*shape) for x in (query, keys, values))
        scores = (gamma * (n_heads / self.n_features) ** 0.5) * (keys * query[..., :1, :, :]).sum(axis=-1)
        weights = softmax(scores)
        return (weights[..., None] * values).sum(axis=-3).reshape(*shape[:-3], self.n_features)


class AttentionSystem(Batch):
    """A batch whose cycles can be sought: its windows are those of an `AttentionMap`."""

    def window_map(self) -> AttentionMap:
        """Return the same map at the same points."""
        return AttentionMap(
            self._model, n_threads=self.n_threads, beta=self.beta, gamma=self.gamma, epsilon=self.epsilon
        )


def single_system(model: SelfAttention, start: Start | None = None, n_threads: int | None = None) -> AttentionSystem:
    """Return the system of the one orbit of a network from its start."""
    state = start_of(start).state(model)
    point = {name: [getattr(model, name)] for name in PARAMETERS}
    return AttentionSystem(model, **point, states=[state], n_threads=n_threads)


def site_classes(model: SelfAttention) -> tuple[np.ndarray, Mapping[Role, np.ndarray]]:
    """Return signs and couplings by role as the law of the features reads them."""
    features = model.features
    if features.classes is not None:
        return features.classes.signs, features.classes.couplings
    covariances = features.covariances
    assert covariances is not None  # of every law but that of classes
    if features.law == "gaussian":
        return covariances["output"], {role: c.T for role, c in covariances.items()}
    n_features = features.n_features
    if n_features > MAX_INDEPENDENT:
        raise ValueError(
            f"n_features must be <= {MAX_INDEPENDENT} for normal forms and branches of independent features, "
            f"got {n_features}"
        )
    signs = sign_vectors(n_features, half=True, first_fastest=True)
    return signs, {role: signs @ c.T / len(signs) for role, c in covariances.items()}


def driven(model: SelfAttention, role: Role, overlaps: Any, made: np.ndarray, strength: Any) -> Any:
    """Return the overlaps of the sites, with what a drive gives of them, of tokens made in steps of some phases."""
    if model.drive is None:
        return overlaps
    stage = made % model.drive.n_tokens
    given = given_overlaps(model.features, model.drive)[stage, ROLE_ORDER.index(role)]
    return (1.0 - strength * is_given(model.drive)[stage][..., None]) * overlaps + strength * given


def drive_period(model: SelfAttention) -> int:
    """Return the number of tokens of a drive, 1 without one."""
    return 1 if model.drive is None else model.drive.n_tokens


def position_period(model: SelfAttention) -> int:
    """Return the period of what the position adds to the overlaps: a divisor of n_context.

    Examples
    --------
    >>> from dmft import Features
    >>> position_period(SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02))
    4
    """
    return _position_period(model.features, model.n_context)


@functools.lru_cache(maxsize=32)  # branches ask for the same one in every step
def _position_period(features: Features, n_context: int) -> int:
    table = np.stack([features.position_field(role, n_context) for role in ("query", "key", "value")])
    divisors = [n for n in range(1, n_context + 1) if n_context % n == 0]
    return next(n for n in divisors if np.array_equal(np.roll(table, n, axis=1), table))
