"""A batch of orbits of a `Map` as a System."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import flag, function, places, whole
from .._util.memory import need_memory
from .._util.threads import n_threads as threads
from ..dynamics import system
from ..dynamics.stretches import DIFFERENCES, ENTRIES, Losses, frobenius
from . import _maps
from .compiled import CompiledFunctions
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
        self.losses = Losses.none(len(self.state), 0)
        self._slope_rounding = DIFFERENCES if model.derivative == "differences" else ENTRIES

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

    def _pushed(self) -> system.Pushed:
        size, phase = self.model.size, np.full(self.n_points, self.phase, dtype=np.int64)
        rows = self.model.functions.rows(self.windows, phase, self.values)
        top = rows.swapaxes(1, 2).reshape(self.n_points, size, -1)

        def spread(points: np.ndarray, before: np.ndarray) -> np.ndarray:
            return np.concatenate([np.abs(top[points]) @ before, before[:, :-size]], axis=1)

        norm = np.hypot(frobenius(top), np.sqrt(self.n_dim - size))
        return np.concatenate([top @ self.frame, self.frame[:, :-size]], axis=1), norm, spread

    def _follow(self) -> None:
        phase = np.full(self.n_points, self.phase, dtype=np.int64)
        following = self.model.functions.following(self.windows, phase, self.values)
        self.state = np.concatenate([following, self.state[:, : -self.model.size]], axis=1)
        self.phase = (self.phase + 1) % self.period

    def select(self, points: np.ndarray | Sequence[int]) -> MapSystem:
        """Return some of the orbits, from where they are."""
        points = places("points", points, self.n_points)
        some = copy.copy(self)
        some.state, some.frame, some.losses = self.state[points], self.frame[points], self.losses.select(points)
        some.values = {name: array[points] for name, array in self.values.items()}
        return some


class CompiledSystem(MapSystem):
    """Orbits of a map of compiled functions, run in a loop of the kernel; `MapSystem` is its twin, step by step."""

    n_threads: int | None = None

    def _run(
        self, n_steps: int, tangents: bool, n_samples: int = 0, width: int = 0, lead: int = 1, every: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take all orbits further; return samples of their windows and of the growth since the last one."""
        if tangents and not self.frame.shape[2]:
            raise ValueError("tangents must be begun before a run with tangents, got none")
        functions, n = self.model.functions, self.n_points
        assert isinstance(functions, CompiledFunctions)
        states, frame = self.state.copy(), self.frame.copy() if tangents else np.empty((n, self.n_dim, 0))
        sampled = np.empty((n, n_samples, width))
        growth = np.zeros((n, max(1, n_samples), frame.shape[2]))
        n_threads = max(1, min(threads(self.n_threads), n))
        losses = self.losses.select(slice(None)) if tangents else Losses.none(n, 0)
        _maps.run(
            **functions.loop(n, n_threads),
            window=states,
            parameters=functions.parameters(self.values, n),
            size=self.model.size,
            phase=self.phase,
            period=self.period,
            n_steps=n_steps,
            lead=lead,
            every=every,
            states=sampled,
            frame=frame,
            growth=growth,
            n_lost=losses.n_lost,
            error=losses.error,
            tilt=losses.tilt,
            rounding=self._slope_rounding,
            qr_interval=self.qr_interval,
            n_threads=n_threads,
        )
        self.state, self.phase = states, (self.phase + n_steps) % self.period
        if tangents:
            self.frame, self.losses = frame, losses
        return sampled, growth

    def orbit(self, n_steps: int, every: int = 1) -> np.ndarray:
        """Take all orbits further; return the first of every so many states, (n_points, n, size)."""
        return self._run(n_steps, False, -(-n_steps // every), self.model.size, 1, every)[0]

    def _advance(self, n_steps: int, tangents: bool) -> np.ndarray | None:
        growth = self._run(n_steps, tangents)[1]
        return growth[:, 0] if tangents else None

    @own_arithmetic
    def strobe(
        self,
        n_samples: int,
        *,
        interval: int | None = None,
        tangents: bool = False,
        states: bool = True,
        tick: system.Tick | None = None,
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Take all orbits further with a sample after every `interval` steps; see `System.strobe`."""
        n_samples = whole("n_samples", n_samples, 1)
        interval = self.period if interval is None else whole("interval", interval, 1)
        flag("states", states)
        flag("tangents", tangents)
        if tick is not None:
            function("tick", tick)
        width = states * self.size
        n_bytes = 8.0 * self.n_points * n_samples * (width + tangents * self.frame.shape[2])
        need_memory(f"{n_samples} samples of {self.n_points} orbits", n_bytes, "take fewer")
        sampled, growth = self._run(n_samples * interval, tangents, n_samples, width, interval, interval)
        if tick is not None:
            tick(n_samples * interval)
        return sampled if states else None, growth if tangents else None


def orbits_at(
    model: Map, windows: np.ndarray, phase: int, values: Mapping[str, np.ndarray], n_threads: int | None = None
) -> MapSystem:
    """Return the orbits of a map from windows (n_points, lags, size), at parameters (n_points,)."""
    if not isinstance(model.functions, CompiledFunctions):
        return MapSystem(model, windows, phase, values)
    made = CompiledSystem(model, windows, phase, values)
    made.n_threads = n_threads
    return made


def system_of(model: Map, states: Sequence[State]) -> MapSystem:
    """Return the orbits of a map from states of one phase."""
    values = {name: np.full(len(states), value) for name, value in model.parameters.items()}
    return orbits_at(model, np.stack([state.window for state in states]), states[0].phase, values)
