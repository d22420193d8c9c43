"""A batch of orbits of a `Map` as a System."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from .._util.checks import places
from ..dynamics import system
from .model import Map
from .state import State
from .window_map import FunctionMap


class MapSystem(system.Map):
    """Orbits of a map, advanced and linearised by its functions.

    Parameters
    ----------
    model : Map
    windows : ndarray, shape (n_points, lags, size)
    phase : int
        Of the next step.
    values : dict of str to ndarray, shape (n_points,)
        The parameters.
    """

    def __init__(self, model: Map, windows: np.ndarray, phase: int, values: Mapping[str, np.ndarray]) -> None:
        self.model, self.phase, self.values = model, phase, dict(values)
        self.state = np.array(windows, dtype=float).reshape(len(windows), -1)
        self.observe, self.qr_interval = None, 1
        self.has_derivative = True
        self.frame = np.empty((*self.state.shape, 0))

    @property
    def period(self) -> int:
        """Steps after which the map is the same again."""
        return self.model.period

    @property
    def n_rows(self) -> int:
        """States of a window, lags."""
        return self.model.lags

    @property
    def windows(self) -> np.ndarray:
        """Where the orbits are, (n_points, lags, size), newest first."""
        return self.state.reshape(-1, self.model.lags, self.model.size)

    def window_map(self) -> FunctionMap:
        """Return the same map at the same points."""
        return FunctionMap(self.model, None, self.n_points, **self.values)

    def continuation(self, point: int = 0) -> State:
        """Return the state from which a run would go on exactly."""
        super().continuation(point)
        return State(self.windows[point], self.phase)

    def move_to(self, windows: np.ndarray) -> None:
        """Put all orbits elsewhere, (n_points, lags, size), before a step of phase 0."""
        self.state, self.phase = np.array(windows, dtype=float).reshape(self.n_points, -1), 0

    def describe(self, point: int = 0) -> str:
        """Return in words which orbit that is, for messages."""
        super().describe(point)
        return ", ".join(f"{name} = {array[point]:g}" for name, array in self.values.items()) or f"point {point}"

    def orbit(self, n_steps: int, every: int = 1) -> np.ndarray:
        """Take all orbits further; return the first of every so many states, (n_points, n, size)."""
        out = np.empty((self.n_points, -(-n_steps // every), self.model.size))
        for t in range(n_steps):
            self._advance(1, False)
            if t % every == 0:
                out[:, t // every] = self.windows[:, 0]
        return out

    def _advance(self, n_steps: int, tangents: bool) -> np.ndarray | None:
        if tangents and not self.frame.shape[2]:
            raise ValueError("tangents must be begun before a run with tangents, got none")
        functions, size = self.model.functions, self.model.size
        growth = np.zeros((self.n_points, self.frame.shape[2])) if tangents else None
        for t in range(1, n_steps + 1):
            phase = np.full(self.n_points, self.phase, dtype=np.int64)
            windows = self.windows
            if growth is not None:
                top = functions.rows(windows, phase, self.values).swapaxes(1, 2).reshape(self.n_points, size, -1)
                self.frame = np.concatenate([top @ self.frame, self.frame[:, :-size]], axis=1)
                if t % self.qr_interval == 0 or t == n_steps:
                    growth += self._orthogonal()
            following = functions.following(windows, phase, self.values)
            self.state = np.concatenate([following, self.state[:, :-size]], axis=1)
            self.phase = (self.phase + 1) % self.period
        return growth

    def _orthogonal(self) -> np.ndarray:
        """Make the tangents orthogonal again; return the logs of what they had grown by."""
        bad = np.logical_not(np.isfinite(self.frame).all(axis=(1, 2), keepdims=True))[:, 0, 0]
        self.frame[bad] = np.eye(self.n_dim, self.frame.shape[2])  # of an orbit that has left the real numbers
        self.frame, r = np.linalg.qr(self.frame)
        with np.errstate(divide="ignore"):  # a singular derivative: -inf is the answer
            grown = np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
        return np.where(bad[:, None], np.nan, grown)

    def select(self, points: np.ndarray | Sequence[int]) -> MapSystem:
        """Return some of the orbits, from where they are."""
        points = places("points", points, self.n_points)
        some = copy.copy(self)
        some.state, some.frame = self.state[points], self.frame[points]
        some.values = {name: array[points] for name, array in self.values.items()}
        return some


def system_of(model: Map, states: Sequence[State]) -> MapSystem:
    """Return the orbits of a map from states of one phase."""
    values = {name: np.full(len(states), value) for name, value in model.parameters.items()}
    return MapSystem(model, np.stack([state.window for state in states]), states[0].phase, values)
