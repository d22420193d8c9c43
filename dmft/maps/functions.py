"""The functions of a map, called for a batch: the next state and its derivatives, in arrays points first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from .._util.checks import shown
from .._util.values import Value
from . import derivatives

Derivative: TypeAlias = Literal["given", "complex step", "differences"]
Values: TypeAlias = Mapping[str, np.ndarray]

AGREE = 1e-6  # relative: how near a complex step must come to differences to be trusted


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Functions(Value):
    """The functions of a map, and how they are called.

    Attributes
    ----------
    step, jacobian : callable
    size, lags, period : int
    names : tuple of str
        Of the parameters.
    scale : ndarray, shape (lags * size,)
        How large coordinates are at least, for differences.
    analytic : bool
        Whether `step` takes complex numbers, so that a complex step gives derivatives.
    """

    step: Callable[..., Any]
    jacobian: Callable[..., Any] | None
    size: int
    lags: int
    period: int
    names: tuple[str, ...]
    scale: np.ndarray
    analytic: bool

    def following(self, windows: np.ndarray, phase: np.ndarray, values: Values) -> np.ndarray:
        """Return the next states (n, size) of windows (n, lags, size), real or complex."""
        return self._called("step", self.step, (self.size,), windows, phase, values)

    def rows(self, windows: np.ndarray, phase: np.ndarray, values: Values) -> np.ndarray:
        """Return the derivative by all states of the window, (n, lags, size, size)."""
        return self.rows_and_error(windows, phase, values)[0]

    def rows_and_error(self, windows: np.ndarray, phase: np.ndarray, values: Values) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivative, and how far it may be off; 0 but of differences."""
        n, n_in = len(windows), self.lags * self.size
        if self.jacobian is not None:
            flat = self._called("jacobian", self.jacobian, (self.size, n_in), windows, phase, values)
            error = np.zeros_like(flat)
        else:
            flat, error = self._differentiated(
                lambda points: self.following(points.reshape(-1, self.lags, self.size), phase, values),
                windows.reshape(n, n_in),
                self.scale,
            )
        shape = (n, self.size, self.lags, self.size)
        return flat.reshape(shape).swapaxes(1, 2), error.reshape(shape).swapaxes(1, 2)

    def slope(self, windows: np.ndarray, phase: np.ndarray, values: Values, name: str) -> np.ndarray:
        """Return the derivative by a parameter, (n, size)."""
        scale = np.maximum(np.abs(values[name]).max(initial=0.0, keepdims=True), 1e-3)
        return self._differentiated(
            lambda points: self.following(windows, phase, {**values, name: points[:, 0]}), values[name][:, None], scale
        )[0][:, :, 0]

    def taylor(
        self, windows: np.ndarray, phase: np.ndarray, values: Values, name: str, ways: np.ndarray
    ) -> list[np.ndarray]:
        """Return value and three coefficients (n, size) along ways (n, lags * size + 1) of a window and a parameter."""
        n, n_in = len(windows), self.lags * self.size
        points = np.column_stack([windows.reshape(n, n_in), values[name]])

        def function(points: np.ndarray) -> np.ndarray:
            windows = np.ascontiguousarray(points[:, :-1]).reshape(-1, self.lags, self.size)
            return self.following(windows, phase, {**values, name: points[:, -1].copy()})

        along = derivatives.taylor_complex if np.iscomplexobj(ways) else derivatives.taylor
        scale = np.append(self.scale, max(1e-3, float(np.abs(values[name]).max(initial=0.0))))
        return along(function, points, ways, scale)

    def _differentiated(
        self, function: derivatives.Function, points: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if not self.analytic:
            return derivatives.by_differences(function, points, scale)
        slope = derivatives.by_complex_step(function, points)
        return slope, np.zeros_like(slope)

    def _called(
        self,
        name: str,
        function: Callable[..., Any],
        shape: tuple[int, ...],
        windows: np.ndarray,
        phase: np.ndarray,
        values: Values,
    ) -> np.ndarray:
        """Return what a function of the user's returns, points first; it gets copies, and may work in place."""
        n, is_complex = len(windows), np.iscomplexobj(windows) or any(np.iscomplexobj(v) for v in values.values())
        # In a new array, of the same strides for any number of points: so the bits are the same too.
        state = np.array(windows.transpose(1, 2, 0), order="C")
        named: dict[str, Any] = {key: values[key].copy() for key in self.names}
        if self.period > 1:
            named["phase"] = phase.copy()
        # An orbit that leaves the real numbers is data, whatever the caller's program has asked of NumPy.
        with np.errstate(all="ignore"):
            returned = function(state if self.lags > 1 else state[0], **named)
        out = np.empty((*shape, n), dtype=complex if is_complex else float)
        if math.prod(shape) == 1 and isinstance(returned, np.ndarray) and returned.size in (1, n):
            returned = returned.reshape(-1)  # one number, whatever its brackets
            for _ in shape:
                returned = (returned,)
        _fill(f"what {name} returns", out, returned)
        return np.array(out.transpose(out.ndim - 1, *range(out.ndim - 1)), order="C")


def _fill(name: str, out: np.ndarray, returned: Any) -> None:
    """Put components, each a number or one for every point, into an array with the points last."""
    if out.ndim > 1:
        try:
            entries = list(returned)
        except TypeError:
            entries = []
        if len(entries) != len(out):
            raise ValueError(f"{name} must be {len(out)} entries, got {shown(returned)}")
        for row, entry in zip(out, entries, strict=True):
            _fill(name, row, entry)
        return
    try:
        array = np.asarray(returned)
    except ValueError:  # ragged
        array = np.empty(0, dtype=object)
    kinds = "iufc" if out.dtype.kind == "c" else "iuf"
    if array.dtype.kind not in kinds or array.shape not in ((), (1,), out.shape):
        raise ValueError(f"{name} must have real numbers, one for each of {len(out)} points, got {shown(returned)}")
    out[:] = array
