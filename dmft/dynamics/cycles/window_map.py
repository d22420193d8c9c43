"""The map that cycles are sought of: from the last few vectors to the next one.

A window (n_context, n_features) holds vectors newest first; the map may depend on the step through
a phase of period `n_phases`. It is written once, in the operations that `jets` knows; its
derivatives, by the window and by a parameter, follow. A subclass may compute them in compiled code.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import array_of, finite, function, number, numbers, places, shown, whole
from ..._util.memory import need_memory
from ..._util.values import Whole
from .jets import Jet

MAX_ORDER = 100  # of Taylor coefficients


class WindowMap(Whole):
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
    _near: float = 0.0  # the `near` of `linear.multipliers`

    def __init__(self, step: Callable, n_context: int, n_features: int, value: ArrayLike, n_phases: int = 1) -> None:
        self._step = function("step", step)
        self.n_context, self.n_features = whole("n_context", n_context, 1), whole("n_features", n_features, 1)
        self.n_phases = whole("n_phases", n_phases, 1)
        self._value = values_of("value", value)

    @property
    def value(self) -> np.ndarray:
        """The parameter of each point, (n_points,)."""
        return self._value

    @property
    def n_points(self) -> int:
        """Number of points."""
        return self.value.size

    def at(self, value: ArrayLike) -> WindowMap:
        """Return the same map at other values of its parameter."""
        other = copy.copy(self)
        other._value = values_of("value", value)
        return other

    def take(self, points: np.ndarray | Sequence[int]) -> WindowMap:
        """Return the map of some of the points."""
        return self.at(self.value[places("points", points, self.n_points)])

    @property
    def phases(self) -> np.ndarray:
        """Period of the phase at each point, (n_points,)."""
        return np.full(self.n_points, self.n_phases)

    @property
    def kinds(self) -> np.ndarray:
        """Equal numbers for points that are known to have the same map, (n_points,). Default: no two of them."""
        return np.arange(self.n_points)

    @property
    def n_directions(self) -> np.ndarray:
        """How many multipliers of a cycle do not vanish by the structure of the map, (n_points,)."""
        return np.full(self.n_points, self.n_context * self.n_features)

    def _reduced(self, rows: np.ndarray) -> np.ndarray:
        """Return the derivatives of `linearize` in the directions that steps read, which move by themselves.

        The further multipliers are zero. Default: in all.
        """
        return rows

    def _errors(self, windows: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        """Return how far entries of what `_reduced` returns may be off. Default: None, by rounding of each."""
        return None

    def step(self, window: np.ndarray | Jet, phase: ArrayLike, value: np.ndarray | Jet) -> Any:
        """Return the next vector, of arrays or series; see `WindowMap`."""
        window, phase, value = self._one_step(window, phase, value)
        following = self._step(window, phase, value)
        is_series = isinstance(window, Jet) or isinstance(value, Jet)
        shape = (*np.broadcast_shapes(window.shape[:-2], phase.shape, value.shape), self.n_features)
        without_phase = (*np.broadcast_shapes(window.shape[:-2], value.shape), self.n_features)
        fits = isinstance(following, Jet if is_series else np.ndarray) and following.shape in (shape, without_phase)
        if not fits or not (is_series or following.dtype.kind in "iuf"):
            kind = "a series, made by the operations of series," if is_series else "an array of real numbers"
            raise ValueError(f"step must return {kind} of shape {shape}, got {shown(following)}")
        return following

    def _one_step(
        self, window: np.ndarray | Jet, phase: ArrayLike, value: np.ndarray | Jet
    ) -> tuple[np.ndarray | Jet, np.ndarray, np.ndarray | Jet]:
        """Return the arguments of `step`, checked."""
        window = window if isinstance(window, Jet) else numbers("window", window).astype(float)
        if window.shape[-2:] != (self.n_context, self.n_features):
            shape = f"(..., {self.n_context}, {self.n_features})"
            raise ValueError(f"window must have shape {shape}, got shape {window.shape}")
        phase = numbers("phase", phase, rule="be whole numbers >= 0")
        if phase.dtype.kind not in "iu" or not ((phase >= 0) & (phase < 2**31)).all():
            raise ValueError(f"phase must be whole numbers >= 0, got {shown(phase)}")
        phase = phase.astype(np.int64)
        value = value if isinstance(value, Jet) else numbers("value", value).astype(float)
        try:
            np.broadcast_shapes(window.shape[:-2], phase.shape, value.shape)
        except ValueError:
            raise ValueError(
                f"phase and value must go with window of shape {window.shape}, got shapes {phase.shape}, {value.shape}"
            ) from None
        return window, phase, value

    def _trail(self, windows: ArrayLike) -> np.ndarray:
        """Return the argument `windows` of several steps, (n_points, n_steps, n_context, n_features)."""
        trail = array_of("windows", windows, (self.n_points, None, self.n_context, self.n_features))
        if not trail.shape[1]:
            raise ValueError("windows must hold those of one step or more, got none")
        return trail

    def beginning(self, windows: ArrayLike, n_steps: int, phase: int) -> tuple[np.ndarray, int, int]:
        """Return the windows, steps and phase with which a run begins, checked."""
        windows = array_of("windows", windows, (self.n_points, self.n_context, self.n_features))
        n_bytes = 8.0 * self.n_points * whole("n_steps", n_steps, 1) * self.n_features
        need_memory(f"{n_steps} steps of {self.n_points} orbits", n_bytes, "take fewer (n_steps)")
        # Without position a map has one phase, and yet a System counts its steps.
        return windows, n_steps, whole("phase", phase, 0, max(self.n_phases, self.n_context) - 1)

    @own_arithmetic
    def run(self, windows: ArrayLike, n_steps: int, phase: int = 0) -> np.ndarray:
        """Return the vectors of so many steps, (n_points, n_steps, n_features).

        Raises
        ------
        ValueError
            If the windows have another shape than (n_points, n_context, n_features), there are no steps, or the phase
            is none that the map has.
        """
        windows, n_steps, phase = self.beginning(windows, n_steps, phase)
        out = []
        for t in range(phase, phase + n_steps):
            out.append(np.array(self.step(windows.copy(), t % self.n_phases, self.value)))
            windows = np.concatenate([out[-1][:, None], windows[:, :-1]], axis=1)
        return np.stack(out, axis=1)

    @own_arithmetic
    def linearize(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
        windows = self._trail(windows)
        size = self.n_context * self.n_features
        n_bytes = 8.0 * size * (size + windows.size)
        need_memory(f"the derivative of a map of {size} dimensions", n_bytes, "take a smaller window")
        directions = np.eye(size).reshape(size, 1, 1, self.n_context, self.n_features)
        following, slopes = self.taylor(windows, directions, order=1)
        rows = slopes.reshape(self.n_context, self.n_features, *slopes.shape[1:])
        return following[0], rows.transpose(2, 3, 0, 4, 1)

    @property
    def exact_cost(self) -> float:
        """How many multiplications `exact_rows` takes for a step; 0 if the map does not have them."""
        return 0.0

    @property
    def exact(self) -> bool:
        """Whether the map has `exact_rows`."""
        return self.exact_cost > 0.0

    def exact_rows(self, orbit: np.ndarray) -> np.ndarray:
        """Return the derivatives along a cycle in as many digits as the decimal context has, if the map is `exact`.

        Parameters
        ----------
        orbit : ndarray, shape (n_steps, n_features)
            Of a map of one point; row t is made in step t, and step 0 has phase 0.

        Returns
        -------
        ndarray of Decimal, shape (n_steps, n_context, n_features, n_features)
            As of `linearize`.
        """
        raise NotImplementedError("the map must be exact for more digits than doubles have, got one that is not")

    @own_arithmetic
    def taylor(
        self, windows: np.ndarray, directions: np.ndarray, rise: float = 0.0, order: int = 3
    ) -> list[np.ndarray]:
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
        windows, order, rise = self._trail(windows), whole("order", order, 1, MAX_ORDER), number("rise", rise)
        directions = self._directions(directions, windows.shape)
        window = Jet(windows, directions, *[0.0] * (order - 1))
        value: np.ndarray | Jet = self.value[:, None]
        if rise:
            value = Jet(self.value[:, None], rise, *[0.0] * (order - 1))
        return self.step(window, np.arange(windows.shape[1]) % self.n_phases, value).terms

    @own_arithmetic
    def slope(self, windows: np.ndarray) -> np.ndarray:
        """Return the derivative by the parameter, (n_points, n_steps, n_features)."""
        windows = self._trail(windows)
        return self.taylor(windows, np.zeros_like(windows), rise=1.0, order=1)[1]

    def slope_along(self, windows: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the same as `slope`, where the rows of `linearize` are known: a map may have it of them."""
        return self.slope(windows)

    def _along(self, orbit: np.ndarray, value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what every step of a cycle misses at a value of the parameter, and how cycle and parameter drive it.

        Parameters
        ----------
        orbit : ndarray, shape (n_steps, n_features)
            Of a map of one point; row t is made in step t, and step 0 has phase 0.
        value : float

        Returns
        -------
        miss : ndarray, shape (n_steps, n_features)
            The step of the window before less the row.
        rows : ndarray, shape (1, n_steps, n_context, n_features, n_features)
            As of `linearize`.
        rise : ndarray, shape (n_steps, n_features)
            As of `slope`.
        """
        system, windows = self.at(value), windows_of(orbit[None], self.n_context)
        following, rows = system.linearize(windows)
        return following[0] - orbit, rows, system.slope_along(windows, rows)[0]

    def _directions(self, directions: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return the argument `directions`, real or complex, which goes with windows of that shape."""
        is_complex = isinstance(directions, np.ndarray) and directions.dtype.kind == "c"
        masked = hasattr(directions, "mask")  # np.ma is slow to load
        array = np.array(directions) if is_complex and not masked else numbers("directions", directions)
        if not _goes_into(array.shape[-len(shape) :], shape):
            raise ValueError(f"directions must have shape (..., {str(shape)[1:-1]}), got shape {array.shape}")
        return array


def windows_of(orbit: np.ndarray, n_context: int) -> np.ndarray:
    """Return the window before each step of cycles (..., period, n_features).

    Examples
    --------
    >>> windows_of(np.array([[1.0], [2.0], [3.0]]), 2)[..., 0]
    array([[3., 2.],
           [1., 3.],
           [2., 1.]])
    """
    return orbit[..., _before(orbit.shape[-2], n_context), :]


@functools.lru_cache(maxsize=32)  # curves of cycles ask for the same in every step
def _before(period: int, n_context: int) -> np.ndarray:
    """Return which steps made the window before each step."""
    rows = (np.arange(period)[:, None] - 1 - np.arange(n_context)) % period
    rows.flags.writeable = False
    return rows


def _goes_into(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Return whether an array of a shape broadcasts to another."""
    try:
        return np.broadcast_shapes(given, shape) == shape
    except ValueError:
        return False


def values_of(name: str, value: ArrayLike) -> np.ndarray:
    """Return the parameter of every point, (n_points,), as doubles."""
    if isinstance(value, float) and math.isfinite(value):  # as curves give it in every step
        return np.array([value])
    values = np.atleast_1d(finite(name, value))
    if values.ndim != 1:
        raise ValueError(f"{name} must have shape (n_points,), got shape {values.shape}")
    return values


class StateMap(WindowMap):
    """A map of plain functions: its window is one state. It has cycles and multipliers, no branches or normal forms.

    Parameters
    ----------
    step, jacobian : callable
        Of states (n_points, size) and parameters; see `dmft.systems.Map`.
    n_points, size : int
    parameters : sequence of ndarray, shape (n_points, ...)
    """

    def __init__(
        self,
        step: Callable[..., np.ndarray],
        jacobian: Callable[..., np.ndarray],
        n_points: int,
        size: int,
        parameters: Sequence[np.ndarray],
    ) -> None:
        super().__init__(step, 1, size, np.zeros(n_points))
        self._jacobian, self._parameters = jacobian, tuple(parameters)

    def at(self, value: ArrayLike) -> WindowMap:
        """Raise: there is no parameter whose derivative is known."""
        raise ValueError("the map must be a WindowMap to be followed in a parameter, got one of plain functions")

    def take(self, points: np.ndarray | Sequence[int]) -> StateMap:
        """Return the map of some of the points."""
        points = places("points", points, self.n_points)
        some = tuple(values[points] for values in self._parameters)
        return StateMap(self._step, self._jacobian, len(self.value[points]), self.n_features, some)

    @own_arithmetic
    def run(self, windows: ArrayLike, n_steps: int, phase: int = 0) -> np.ndarray:
        """Return the states of so many steps, (n_points, n_steps, size)."""
        windows, n_steps, _ = self.beginning(windows, n_steps, phase)
        state, out = windows[:, 0], []
        for _ in range(n_steps):
            state = self._step(state, *self._parameters)
            out.append(state)
        return np.stack(out, axis=1)

    @own_arithmetic
    def linearize(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return one step of each window and its derivative; see `WindowMap.linearize`."""
        windows, following, rows = self._trail(windows), [], []
        for state in windows[:, :, 0].swapaxes(0, 1):  # the functions take one state of every point
            following.append(self._step(state, *self._parameters))
            rows.append(self._jacobian(state, *self._parameters)[:, None])
        return np.stack(following, axis=1), np.stack(rows, axis=1)

    @own_arithmetic
    def taylor(
        self, windows: np.ndarray, directions: np.ndarray, rise: float = 0.0, order: int = 3
    ) -> list[np.ndarray]:
        """Raise: higher derivatives are not known."""
        raise ValueError("the map must be a WindowMap to have Taylor coefficients, got one of plain functions")
