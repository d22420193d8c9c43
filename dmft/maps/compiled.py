"""Maps of compiled functions: called for batches of points, and run in a loop without Python."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._util.checks import shown
from .._util.compiled import Pointer, is_pointer
from .._util.compiled import pointer_of as c_pointer
from .._util.threads import n_threads as threads
from . import _maps
from .functions import Functions, Values
from .njit import PHASE, SIGNATURE, JitPointer, is_njit
from .njit import pointer_of as jit_pointer

_LANES = 8, 16  # points that functions of Numba take side by side: where a thread has many, two vectors in turns
_LARGE = 4096  # numbers of a derivative of which sixteen have no place in the cache
_FEW = 4  # points that are worth it; fewer are checked when a map is made
_SHARE = 256  # points that are worth a thread where a function is called once for each
_GUARD = 64  # numbers beyond those that a function shall write, to see whether it does
_WRITTEN = 1.25e-300, 2.5e-300  # what no function leaves twice


def is_compiled(given: Any) -> bool:
    """Return whether a function of a map is compiled."""
    return is_pointer(given) or is_njit(given)


def title(step: Any) -> str:
    """Return what a function is called, with its module."""
    given = step.function.py_func if isinstance(step, JitPointer) else step.given if isinstance(step, Pointer) else step
    return f"{getattr(given, '__module__', '')}:{getattr(given, '__qualname__', type(given).__name__)}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CompiledFunctions(Functions):
    """The functions of a map as pointers; `step` and `jacobian` are `Pointer`.

    Attributes
    ----------
    complex_step : Pointer or None
        The map of complex numbers, of which derivatives come.
    """

    complex_step: Pointer | None

    @property
    def slope_kind(self) -> str:
        """Where the kernel takes derivatives from."""
        if self.jacobian is not None:
            return "given"
        return "complex step" if self.complex_step is not None else "differences"

    def loop(self, n: int, n_threads: int = 1) -> dict[str, Any]:
        """Return what the kernel calls for n orbits: step and derivative, and how many points they take at once."""
        given: Any = self.complex_step if self.jacobian is None else self.jacobian
        step, lanes = self._wide(self.step, n, n_threads)
        slope, slope_lanes = (given, 1) if given is None else self._wide(given, n, n_threads)
        if slope_lanes not in (1, lanes):
            slope, slope_lanes = given, 1
        return {
            "step": step.address,
            "lanes": lanes,
            "reads": isinstance(step, JitPointer) and step.reads,
            "slope": 0 if slope is None else slope.address,
            "slope_lanes": slope_lanes,
            "kind": self.slope_kind,
            "scale": self.scale,
        }

    def _wide(self, pointer: Any, n: int, n_threads: int) -> tuple[Any, int]:
        """Return a function for n points, and how many of them it takes at once."""
        lanes = _LANES[n > _LANES[0] * n_threads and self.size**2 * self.lags <= _LARGE]
        if n >= _FEW and isinstance(pointer, JitPointer) and (wide := pointer.side_by_side(lanes)):
            return wide, lanes
        return pointer, 1

    def parameters(self, values: Values, n: int, dtype: type = float) -> np.ndarray:
        """Return the parameters of n points as the functions take them, (n, n_parameters)."""
        out: np.ndarray = np.empty((n, len(self.names)), dtype=dtype)
        for i, name in enumerate(self.names):
            out[:, i] = values[name]
        return out

    def _called(
        self,
        name: str,
        function: Callable[..., Any],
        shape: tuple[int, ...],
        windows: np.ndarray,
        phase: np.ndarray,
        values: Values,
    ) -> np.ndarray:
        n, is_complex = len(windows), np.iscomplexobj(windows) or any(np.iscomplexobj(v) for v in values.values())
        pointer: Any = self.complex_step if is_complex else function
        if pointer is None:
            raise TypeError(f"{name} must be of complex numbers for a complex step, got a function of doubles")
        dtype = complex if is_complex else float
        out = np.empty((n, math.prod(shape)), dtype=dtype)
        n_threads = max(1, min(threads(), n // _SHARE))
        pointer, lanes = self._wide(pointer, n, n_threads)
        _maps.evaluate(
            function=pointer.address,
            lanes=lanes,
            window=_doubles(np.ascontiguousarray(windows, dtype=dtype).reshape(n, -1)),
            parameters=_doubles(self.parameters(values, n, dtype)),
            phase=np.ascontiguousarray(phase, dtype=np.int64),
            out=_doubles(out),
            n_threads=n_threads,
        )
        return out.reshape(n, *shape)


def _doubles(array: np.ndarray) -> np.ndarray:
    """Return the memory of an array of two axes as doubles."""
    return array.view(float) if array.shape[1] else np.empty((len(array), 0))


def compiled_functions(
    step: Any,
    jacobian: Any,
    window: np.ndarray,
    values: Mapping[str, float],
    *,
    size: int,
    lags: int,
    period: int,
    names: tuple[str, ...],
    scale: np.ndarray,
    analytic: bool,
) -> CompiledFunctions:
    """Return the functions of a map, compiled for it and checked where orbits begin; a complex step if `analytic`.

    Raises
    ------
    ValueError
        If one is of another signature, or a complex step is asked for of a function of doubles.
    """
    if jacobian is not None and not is_compiled(jacobian):
        raise ValueError(f"jacobian must be compiled as step is, got {shown(jacobian)}")
    if not is_compiled(step):
        raise ValueError(f"step must be compiled as jacobian is, got {shown(step)}")
    n_in, asked = lags * size, (*names, *([PHASE] if period > 1 else []))

    def pointer(name: str, given: Any, n_out: int, of: type = float) -> Pointer:
        given = given.function if isinstance(given, JitPointer) else given
        if is_njit(given):
            return jit_pointer(name, given, lags, size, asked, n_out, of)
        if of is complex:
            raise ValueError("derivative must be 'given' or 'differences' of a function of doubles, got 'complex step'")
        found = c_pointer(name, given, SIGNATURE)
        _check_written(name, found, n_out, window, values)
        return found

    return CompiledFunctions(
        step=pointer("step", step, size),  # type: ignore[arg-type]  # they are called by `_called`
        jacobian=None if jacobian is None else pointer("jacobian", jacobian, size * n_in),  # type: ignore[arg-type]
        size=size,
        lags=lags,
        period=period,
        names=names,
        scale=scale,
        analytic=analytic,
        complex_step=pointer("step", step, size, complex) if analytic else None,
    )


def _check_written(name: str, pointer: Pointer, n_out: int, window: np.ndarray, values: Mapping[str, float]) -> None:
    """Raise ValueError unless a function of C writes all that it must, and nothing beyond."""
    untouched = np.ones(n_out + _GUARD, dtype=bool)
    for mark in _WRITTEN:
        out = np.full((1, n_out + _GUARD), mark)
        _maps.evaluate(
            function=pointer.address,
            window=np.array(window, dtype=float).reshape(1, -1),
            parameters=np.array([list(values.values())], dtype=float),
            phase=np.zeros(1, dtype=np.int64),
            out=out,
            n_threads=1,
        )
        untouched &= out[0] == mark
    if untouched[:n_out].any() or not untouched[n_out:].all():
        raise ValueError(f"{name} must write {n_out} numbers to out, got {int((~untouched).sum())} that it wrote")
