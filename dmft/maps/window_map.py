"""A map of functions as the map of windows that cycles, branches and normal forms are computed of."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import number, places, shown, whole
from ..dynamics.cycles.jets import Jet
from ..dynamics.cycles.linear import LOST
from ..dynamics.cycles.window_map import WindowMap, values_of
from ..dynamics.stretches import DIFFERENCES
from .model import Map

NEAR = float(np.log(LOST / DIFFERENCES))  # multipliers by differences


class FunctionMap(WindowMap):
    """The map of a `Map`.

    Parameters
    ----------
    model : Map
    parameter : str, optional
        The one that `at` changes; None: the map has none.
    **values : array_like, shape (n_points,)
        Parameters where they differ from the model's.
    """

    def __init__(self, model: Map, parameter: str | None = None, n_points: int = 1, **values: ArrayLike) -> None:
        self.model, self.functions = model, model.functions
        self.n_context, self.n_features, self.n_phases = model.lags, model.size, model.period
        self.parameter = next(iter(model.parameters), "value") if parameter is None else parameter
        given = {name: values_of(name, values.get(name, value)) for name, value in model.parameters.items()}
        n = max([n_points, *(one.size for one in given.values())])
        if any(one.size not in (1, n) for one in given.values()):
            sizes = ", ".join(str(one.size) for one in given.values())
            raise ValueError(f"{', '.join(given)} must have one value a point, got {sizes} values of {n} points")
        self.values = {name: one if one.size == n else np.repeat(one, n) for name, one in given.items()}
        self._n_points = n
        self._by_differences = model.derivative == "differences"
        self._near = NEAR if self._by_differences else 0.0

    def _errors(self, windows: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        return DIFFERENCES * np.abs(rows) if self._by_differences else None

    @property
    def value(self) -> np.ndarray:
        """The parameter of each point, (n_points,); zeros of a map without one."""
        return self.values.get(self.parameter, np.zeros(self._n_points))

    @property
    def kinds(self) -> np.ndarray:
        """As for `WindowMap`: points of equal parameters."""
        each = np.stack([np.zeros(self.n_points), *self.values.values()])
        return np.unique(each, axis=1, return_inverse=True)[1].reshape(-1)

    def at(self, value: ArrayLike) -> FunctionMap:
        """Return the same map at other values of its parameter."""
        value = values_of("value", value)
        if value.size != self.n_points and 1 not in (value.size, self.n_points):
            raise ValueError(f"value must have shape ({self.n_points},), got shape {value.shape}")
        some, n = copy.copy(self), max(value.size, self.n_points)
        values = {**self.values, **({self.parameter: value} if self.parameter in self.values else {})}
        some.values = {name: one if one.size == n else np.repeat(one, n) for name, one in values.items()}
        some._n_points = n
        return some

    def take(self, points: np.ndarray | Sequence[int]) -> FunctionMap:
        """Return the map of some of the points."""
        points = places("points", points, self.n_points)
        n = len(np.arange(self.n_points)[points])
        some = FunctionMap(self.model, self.parameter, 1)
        some.values, some._n_points = {name: array[points] for name, array in self.values.items()}, n
        return some

    @own_arithmetic
    def run(self, windows: ArrayLike, n_steps: int, phase: int = 0) -> np.ndarray:
        """Return the states of so many steps, (n_points, n_steps, size)."""
        from .system import orbits_at  # a system is asked for its map, and the map runs one

        windows, n_steps, phase = self.beginning(windows, n_steps, phase)
        return orbits_at(self.model, windows, phase % self.n_phases, self.values).orbit(n_steps)

    def _steps(self, shape: tuple[int, ...]) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        """Return phases and parameters of all steps of trails, one after another."""
        n_points, n_steps = shape[:2]
        phase = np.tile(np.arange(n_steps) % self.n_phases, n_points)
        return phase, {name: np.repeat(array, n_steps) for name, array in self.values.items()}

    @own_arithmetic
    def linearize(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return one step of each window and its derivative; see `WindowMap.linearize`."""
        windows = self._trail(windows)
        phase, values = self._steps(windows.shape)
        flat = windows.reshape(-1, self.n_context, self.n_features)
        following = self.functions.following(flat, phase, values)
        rows = self.functions.rows(flat, phase, values)
        return following.reshape(*windows.shape[:2], -1), rows.reshape(*windows.shape, self.n_features)

    @own_arithmetic
    def slope(self, windows: np.ndarray) -> np.ndarray:
        """Return the derivative by the parameter, (n_points, n_steps, size)."""
        windows = self._trail(windows)
        phase, values = self._steps(windows.shape)
        flat = windows.reshape(-1, self.n_context, self.n_features)
        return self.functions.slope(flat, phase, values, self._named()).reshape(*windows.shape[:2], -1)

    @own_arithmetic
    def taylor(
        self, windows: np.ndarray, directions: np.ndarray, rise: float = 0.0, order: int = 3
    ) -> list[np.ndarray]:
        """Return the Taylor coefficients of one step along a direction, by differences; see `WindowMap.taylor`."""
        windows, order, rise = self._trail(windows), whole("order", order, 1, 3), number("rise", rise)
        ways = np.broadcast_to(self._directions(directions, windows.shape), windows.shape)
        phase, values = self._steps(windows.shape)
        flat = windows.reshape(-1, self.n_context, self.n_features)
        ways = np.column_stack([ways.reshape(len(flat), -1), np.full(len(flat), rise)])
        if not self.values:
            ways, values = ways[:, :-1], values
        terms = self.functions.taylor(flat, phase, values, self._named(), ways)
        return [term.reshape(*windows.shape[:2], -1) for term in terms[: order + 1]]

    def _named(self) -> str:
        if self.parameter not in self.values:
            raise ValueError("the map must have a parameter to be followed in, got none")
        return self.parameter

    def step(self, window: np.ndarray | Jet, phase: ArrayLike, value: np.ndarray | Jet) -> Any:
        """Return the next vector of arrays; of series, which a user's functions do not know, an error."""
        if isinstance(window, Jet) or isinstance(value, Jet):
            raise ValueError(f"window must be an array for a map of plain functions, got {shown(window)}")
        arrays = self._one_step(window, phase, value)
        window, phase, value = (np.asarray(array) for array in arrays)
        shape = np.broadcast_shapes(window.shape[:-2], phase.shape, value.shape)
        flat = np.broadcast_to(window, (*shape, *window.shape[-2:])).reshape(-1, *window.shape[-2:])

        def each(array: np.ndarray) -> np.ndarray:
            return np.broadcast_to(array, shape).reshape(-1)

        values = {name: each(array[:, None] if shape[1:] else array) for name, array in self.values.items()}
        if self.values:
            values[self.parameter] = each(value)
        return self.functions.following(flat, each(np.asarray(phase)) % self.n_phases, values).reshape(*shape, -1)
