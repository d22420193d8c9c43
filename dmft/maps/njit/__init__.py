"""Functions of `numba.njit` as the compiled functions that maps call: for one state, with its parameters by name.

The only user of numba, which is no dependency: nothing here is called unless a function of its is handed in.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._util.checks import shown
from ..._util.compiled import DOUBLES, INT64, Pointer

SIGNATURE = (DOUBLES, DOUBLES, INT64, DOUBLES)
PHASE = "phase"


def is_njit(given: Any) -> bool:
    """Return whether that is a function of numba that compiles itself when it is called."""
    numba = sys.modules.get("numba")  # one that is not there has made no functions
    return numba is not None and isinstance(given, numba.core.dispatcher.Dispatcher)


def order_of(name: str, function: Any, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return which of the parameters each argument after the state is, by their names."""
    arguments = list(inspect.signature(function.py_func).parameters.values())[1:]
    asked = [each.name for each in arguments if each.name in names or each.default is inspect.Parameter.empty]
    if sorted(asked) != sorted(names) or asked != [each.name for each in arguments[: len(asked)]]:
        raise ValueError(
            f"{name} must have the arguments {', '.join(['state', *names])}, got {shown(function.py_func)}"
        )
    return tuple(names.index(each) for each in asked)


@functools.lru_cache(maxsize=256)
def pointer_of(
    name: str, function: Any, lags: int, size: int, names: tuple[str, ...], n_out: int, of: type
) -> JitPointer:
    """Return a function of one state as one that the kernel calls, of real or of complex numbers.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    function : numba dispatcher
        ``function(state, *parameters)``; the state has shape (size,), or (lags, size).
    lags, size : int
    names : tuple of str
        Of the parameters, in the map's order; "phase" is a whole number.
    n_out : int
        How many numbers it returns: one, an array, or tuples of them.
    of : type
        float or complex.

    Raises
    ------
    ValueError
        If it has other arguments, or returns another number of numbers.
    """
    import numba

    recipe = name, function, lags, size, names, n_out, of
    if of is complex and (made := _side_by_side(*recipe, 1)):  # the bits of several; checked as one of doubles
        return made
    shape = (size,) if lags == 1 else (lags, size)
    call, n = _caller(numba, function, order_of(name, function, names), names), max(1, len(names))
    kind = numba.float64 if of is float else numba.complex128
    dtype = np.float64 if of is float else np.complex128

    @numba.njit
    def counted(state: Any, parameters: Any, phase: int, out: Any) -> Any:
        return call(state, parameters, phase, out)

    given = np.ones(shape, dtype), np.ones(n, dtype), 0, np.empty(n_out, dtype)
    try:
        count = counted(*given)
    except numba.core.errors.NumbaError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        first = next((line for line in lines if line and not line.startswith("Failed in")), "an error of numba")
        raise ValueError(f"{name} must compile for {dtype.__name__} states of shape {shape}, got {first}") from error
    except Exception:  # of its own: a state of ones is not where it is meant to be
        count = n_out
    if count != n_out:
        raise ValueError(f"what {name} returns must be {n_out} numbers, got {count}")

    if of is float and (made := _side_by_side(*recipe, 1)):  # the bits of several
        return made
    pointer = numba.types.CPointer(kind)

    @numba.cfunc(numba.void(pointer, pointer, numba.int64, pointer))
    def called(window: Any, parameters: Any, phase: int, out: Any) -> None:
        filled = numba.carray(out, (n_out,))
        try:
            if call(numba.carray(window, shape), numba.carray(parameters, (n,)), phase, filled) != n_out:
                filled[:] = np.nan
        except Exception:  # as of a division by zero, which in arrays gives what is no number
            filled[:] = np.nan

    return JitPointer(called, called.address, recipe)


@functools.lru_cache(maxsize=256)
def _side_by_side(
    name: str, function: Any, lags: int, size: int, names: tuple[str, ...], n_out: int, of: type, width: int
) -> JitPointer | None:
    """Return the function of so many points side by side; None if it branches on numbers, or does what lanes cannot.

    Every number of its arguments is one of each point, point by point.
    """
    import numba

    from .duals import duals
    from .elementary import rewritten
    from .lanes import lanes

    def compiled(reads: bool) -> JitPointer:
        kind = lanes().Lanes(width) if of is float else duals().Duals(width)
        view, seen = lanes().view_of(False), lanes().view_of(reads)
        shape, n = (size,) if lags == 1 else (lags, size), max(1, len(names))
        call = _caller(numba, rewritten(function, kind, {}), order_of(name, function, names), names)
        pointer = numba.types.CPointer(kind)

        @numba.cfunc(numba.void(pointer, pointer, numba.int64, pointer))
        def called(window: Any, parameters: Any, phase: int, out: Any) -> None:
            filled = view(out, (n_out,))
            try:
                if call(seen(window, shape), view(parameters, (n,)), phase, filled) != n_out:
                    filled[:] = np.nan
            except Exception:
                filled[:] = np.nan

        return JitPointer(called, called.address, (name, function, lags, size, names, n_out, of), reads)

    for reads in (True, False):
        try:
            return compiled(reads)
        except Exception as error:  # whatever Numba raises of what it cannot compile
            if "readonly" not in str(error):
                break
    return None


class JitPointer(Pointer):
    """A compiled function that another process can compile for itself.

    Attributes
    ----------
    recipe : tuple
        What it is made of.
    reads : bool
        Whether it is known to leave its window alone.
    """

    __slots__ = ("reads", "recipe")
    reads: bool
    recipe: tuple[Any, ...]

    def __init__(self, given: Any, address: int, recipe: tuple[Any, ...], reads: bool = False) -> None:
        super().__init__(given, address)
        object.__setattr__(self, "recipe", recipe)
        object.__setattr__(self, "reads", reads)

    def __reduce__(self) -> Any:
        return pointer_of, self.recipe

    def side_by_side(self, width: int) -> JitPointer | None:
        """Return the same function of so many points side by side, if there is one."""
        return _side_by_side(*self.recipe, width)

    @property
    def function(self) -> Any:
        """What was handed in."""
        return self.recipe[1]


def _caller(numba: Any, function: Any, order: tuple[int, ...], names: tuple[str, ...]) -> Callable[..., Any]:
    """Return what calls a function with its arguments in order, puts what it returns in an array, and counts it."""
    put, at = _put(numba), names.index(PHASE) if PHASE in names else -1
    take = [_taker(numba, place, at) for place in order]
    if not take:

        @numba.njit
        def arguments(parameters: Any, phase: int) -> Any:
            return ()

    else:
        arguments = _together(numba, take)

    @numba.njit(forceinline=True)
    def call(state: Any, parameters: Any, phase: int, out: Any) -> Any:
        return put(out, 0, function(state, *arguments(parameters, phase)))

    return call


def _taker(numba: Any, place: int, at: int) -> Any:
    """Return what takes one argument of a function from the parameters, or the phase."""
    if place == at:

        @numba.njit
        def take(parameters: Any, phase: int) -> Any:
            return phase

    else:
        index = place if at < 0 or place < at else place - 1

        @numba.njit
        def take(parameters: Any, phase: int) -> Any:
            return parameters[index]

    return take


def _together(numba: Any, take: list[Any]) -> Any:
    """Return what takes several arguments as a tuple."""
    first, rest = take[0], _together(numba, take[1:]) if take[1:] else None

    if rest is None:

        @numba.njit
        def arguments(parameters: Any, phase: Any) -> Any:
            return (first(parameters, phase),)

    else:

        @numba.njit
        def arguments(parameters: Any, phase: Any) -> Any:
            return (first(parameters, phase), *rest(parameters, phase))

    return arguments


@functools.cache
def _put(numba: Any) -> Any:
    """Return what puts numbers, arrays, or tuples of them into an array from a place on; it returns the next place."""
    from numba.core import types
    from numba.extending import overload, register_jitable

    from .lanes import lanes

    def put(out: Any, place: Any, given: Any) -> Any:
        raise NotImplementedError

    @overload(put)
    def put_(out: Any, place: Any, given: Any) -> Any:
        if isinstance(given, types.Number | types.Boolean | lanes().Numbers):

            def number(out: Any, place: Any, given: Any) -> Any:
                if place < len(out):
                    out[place] = given
                return place + 1

            return number
        if isinstance(given, types.Array):

            def array(out: Any, place: Any, given: Any) -> Any:
                for each in given.flat:
                    if place < len(out):
                        out[place] = each
                    place += 1
                return place

            return array
        if isinstance(given, types.UniTuple | types.List):

            def several(out: Any, place: Any, given: Any) -> Any:
                for each in given:
                    place = put(out, place, each)
                return place

            return several
        if isinstance(given, types.Tuple):

            def different(out: Any, place: Any, given: Any) -> Any:
                return put(out, put(out, place, given[0]), given[1:])

            return different if len(given) else lambda out, place, given: place
        return None

    @register_jitable
    def entry(out: Any, place: Any, given: Any) -> Any:
        return put(out, place, given)

    return numba.njit(entry, forceinline=True)
