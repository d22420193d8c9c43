"""Checks of arguments: each returns its argument in the final form, or raises with the name, the rule and the value."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from .memory import need_memory

Role = Literal["output", "value", "query", "key"]
ROLES: tuple[Role, ...] = ("output", "value", "query", "key")
WHOLE_MOST = 2**63 - 1  # what stores, manifests and kernels can hold
T = TypeVar("T")


# -- values for messages ----------------------------------------------------------------------


def shown(value: Any, most: int = 200) -> str:
    """Return a value as one line of text for a message, cut where it is long."""
    if isinstance(value, list | tuple) and len(value) > 50:
        value, more = value[:50], True  # the text of all may fill the memory
    else:
        more = isinstance(value, str | bytes | bytearray) and len(value) > 2 * most
        value = value[: 2 * most] if more else value
    if isinstance(value, np.ndarray) and (value.size > 20 or value.dtype.names):
        return f"an array of shape {value.shape} of {value.dtype}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of a class of the caller's
        text = f"a {type(value).__name__}"
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return f"{text[:most]} ..." if more or len(text) > most else text


def first_bad(ok: np.ndarray, values: np.ndarray) -> str:
    """Return the first value that is not ok, and where it stands, for a message."""
    where = tuple(int(i) for i in np.argwhere(~ok)[0])
    return f"{values[where].item()!r}" + (f" at {list(where)}" if where else "")


# -- objects, choices and words ---------------------------------------------------------------


@overload
def instance(name: str, value: Any, kind: Callable[..., T], what: str) -> T: ...
@overload
def instance(name: str, value: Any, kind: types.UnionType, what: str) -> Any: ...
def instance(name: str, value: Any, kind: Any, what: str) -> Any:
    """Return `value` if it is of a class; `what` says which in the message, as "a dmft.Features"."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {what}, got {shown(value)}")
    return value


def instances(name: str, values: Any, kind: type[T], what: str) -> list[T]:
    """Return a list of values that are all of a class; `what` says which in the message, as "dmft.Orbit"."""
    if not isinstance(values, list | tuple) or not values or not all(isinstance(value, kind) for value in values):
        raise ValueError(f"{name} must be a list of {what}, got {shown(values)}")
    return list(values)


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False, as a bool."""
    if not isinstance(value, _BOOL):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def word(name: str, value: Any) -> str:
    """Return `value` if it is text, as a str."""
    return str(instance(name, value, str, "a str"))


def words(name: str, value: Any) -> tuple[str, ...]:
    """Return a word, or a sequence of words, as a tuple."""
    if isinstance(value, str):
        return (value,)
    given = value.tolist() if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.ndim == 1 else value
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise ValueError(f"{name} must be a name or a list of names, got {shown(value)}")
    return tuple(given)


def table(name: str, value: Any) -> dict[str, Any]:
    """Return a dict whose keys are text."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} must be a dict with names as keys, got {shown(value)}")
    return dict(value)


def path(name: str, value: Any) -> str:
    """Return a path as text."""
    try:
        text = os.fspath(value)
    except Exception:  # no path, or whatever an object of the caller's raises
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"{name} must be a path, got {shown(value)}")
    return text


def function(name: str, value: Any) -> Callable[..., Any]:
    """Return `value` if it can be called and is no class."""
    if not callable(value) or isinstance(value, type):
        raise ValueError(f"{name} must be a function, got {shown(value)}")
    return value


def one_of(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return `value` if it is one of the choices."""
    if not (isinstance(value, str) or value is None) or value not in choices:  # an array is equal to all and to none
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {shown(value)}")
    return value


def roles(name: str, mapping: Any, partial: bool = False) -> dict[Role, Any]:
    """Return a dict with the four roles as keys, or with some of them."""
    if not isinstance(mapping, Mapping) or not (set(mapping) <= set(ROLES) if partial else set(mapping) == set(ROLES)):
        keys = list(mapping) if isinstance(mapping, Mapping) else mapping
        some = "some of " if partial else ""
        raise ValueError(f"{name} must be a dict with {some}the keys {ROLES}, got {shown(keys)}")
    return dict(mapping)


# -- numbers and arrays ------------------------------------------------------------------------


_FEW = 2**16  # numbers whose copy asks for no memory to speak of


def numbers(name: str, value: Any, *, rule: str = "be real numbers", bools: bool = False) -> np.ndarray:
    """Return a copy of `value` as an array of integers or floats of any shape, NaN and infinities included.

    Floats have 64 bits, whatever they had, and all numbers the byte order of this machine.

    Every array argument passes here, directly or through the checks below. Refused are masked arrays, whose hidden
    values would count; text, dates, complex numbers and objects; bools, unless asked for; each of these inside lists
    too. `rule` is what the message demands.
    """
    if type(value) is np.ndarray and value.dtype == np.float64 and value.size <= _FEW:  # asked for in every step
        return value.copy(order="K")
    if isinstance(value, list | tuple) and _in_itself(value):
        raise ValueError(f"{name} must {rule}, got a list that holds itself")
    text = value.obj if isinstance(value, memoryview) else value
    if isinstance(text, bytes) or _holds(text, bytearray):  # NumPy reads it as small integers
        raise ValueError(f"{name} must {rule}, got {shown(value)}")
    masks = sys.modules.get("numpy.ma")  # not loaded before somebody makes a masked array, and slow to load
    if masks is not None and _holds(value, masks.MaskedArray):
        raise ValueError(f"{name} must have no mask, got a masked array: leave out or fill in what is masked")
    if isinstance(value, np.ndarray):
        need_memory(f"{name} of shape {value.shape}", value.nbytes, "give fewer numbers")
    try:
        array = np.array(value)
    except MemoryError:
        raise
    except Exception:  # lists of unequal lengths; whatever an object of the caller's raises that is no array
        raise ValueError(f"{name} must {rule}, got {shown(value)}") from None
    if array.dtype.kind == "O" and _python_numbers(value):  # beyond 64 bits
        try:
            array = array.astype(float)
        except OverflowError:
            raise ValueError(f"{name} must {rule}, got {shown(value)}") from None
    if array.dtype.kind not in ("biuf" if bools else "iuf") or (not bools and _holds(value, _BOOL)):
        raise ValueError(f"{name} must {rule}, got {shown(value)}")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return array.astype(float, copy=False)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


_BOOL = bool | np.bool_


def _in_itself(value: Any, above: tuple[int, ...] = ()) -> bool:
    """Return whether a list or tuple holds itself at any depth."""
    if id(value) in above:
        return True
    if {type(element) for element in value} <= {int, float}:
        return False
    inner = [element for element in value if isinstance(element, list | tuple)]
    return any(_in_itself(element, (*above, id(value))) for element in inner)


def _python_numbers(value: Any) -> bool:
    """Return whether a value is an int or a float of Python, or a list or tuple of nothing else, at any depth."""
    if isinstance(value, list | tuple):
        return all(_python_numbers(element) for element in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holds(value: Any, kind: Any) -> bool:
    """Return whether a value is of a kind, or a list or tuple that holds one, at any depth."""
    if isinstance(value, kind):
        return True
    if isinstance(value, np.ndarray):
        return kind is _BOOL and value.dtype.kind == "b" and value.size > 0
    if not isinstance(value, list | tuple) or {type(element) for element in value} <= {int, float}:
        return False
    return any(_holds(element, kind) for element in value)


def array_of(
    name: str, value: ArrayLike, shape: Sequence[int | None] | None = None, *, bools: bool = False
) -> np.ndarray:
    """Return `value` as a C-contiguous array of doubles of its own, of `shape` where that is not None; NaN may be."""
    array = numbers(name, value, bools=bools)
    sizes: tuple[int, ...] = array.shape
    if shape is not None and not (
        len(sizes) == len(shape) and all(asked in (None, n) for asked, n in zip(shape, sizes, strict=True))
    ):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + (",)" if len(shape) == 1 else ")")
        rule = f"have shape {wanted}" if len(shape) else "be one number"
        raise ValueError(f"{name} must {rule}, got shape {array.shape}")
    return np.ascontiguousarray(array, dtype=float).reshape(array.shape)


def sign_array(name: str, array: ArrayLike) -> np.ndarray:
    """Return a two-dimensional array of +-1, as int8."""
    signs = numbers(name, array, rule="hold only +1 and -1")
    if signs.ndim != 2 or 0 in signs.shape:
        raise ValueError(f"{name} must be a two-dimensional array with entries, got shape {signs.shape}")
    for rows in np.array_split(signs, min(len(signs), -(-signs.size // 2**25))):  # Ctrl-C gets a word in
        if not (np.abs(rows) == 1).all():
            raise ValueError(f"{name} must hold only +1 and -1, got {first_bad(np.abs(signs) == 1, signs)}")
    return signs.astype(np.int8)


def sign_vector(name: str, array: ArrayLike) -> np.ndarray:
    """Return a one-dimensional array of +-1, as int8."""
    rule = "be a one-dimensional array of +1 and -1"
    vector = numbers(name, array, rule=rule)
    if vector.ndim != 1 or not np.all(np.abs(vector) == 1):
        raise ValueError(f"{name} must {rule}, got {shown(array)}")
    return vector.astype(np.int8)


def integers(name: str, array: ArrayLike, low: int, high: int) -> np.ndarray:
    """Return a one-dimensional array of integers in [low, high]."""
    rule = f"be a one-dimensional array of whole numbers in [{low}, {high}]"
    values = numbers(name, array, rule=rule)
    if values.ndim != 1 or values.dtype.kind not in "iu" or not np.all((values >= low) & (values <= high)):
        raise ValueError(f"{name} must {rule}, got {shown(array)}")
    return values.astype(np.int64)


def places(name: str, array: ArrayLike, length: int) -> np.ndarray:
    """Return places in something of so many points, from 0, as a one-dimensional array."""
    if isinstance(array, np.ndarray) and array.dtype == bool and array.shape == (length,):
        return np.flatnonzero(array)
    if isinstance(array, slice | range):
        array = np.arange(length)[array] if isinstance(array, slice) else np.array(array, dtype=int)
    values = np.zeros(0, int) if isinstance(array, list | tuple) and not array else array
    return integers(name, values, 0, length - 1)


def permutation(name: str, order: ArrayLike, length: int) -> np.ndarray:
    """Return a permutation of 0 .. length - 1."""
    rule = f"be a permutation of 0 .. {length - 1}"
    values = numbers(name, order, rule=rule)
    if values.dtype.kind not in "iu" or values.ndim != 1 or sorted(values.tolist()) != list(range(length)):
        raise ValueError(f"{name} must {rule}, got {shown(values.tolist())}")
    return values


def shape_of(n_features: int, n_sites: int, n_positions: int) -> tuple[int, int]:
    """Return the shape of weights, (n_features, n_sites + n_positions)."""
    n_columns = whole("n_sites", n_sites, 1) + whole("n_positions", n_positions, 0)
    n_bytes = 24.0 * whole("n_features", n_features, 1) * n_columns  # while they are drawn
    need_memory(f"{n_features} vectors of {n_columns} signs for each role", n_bytes, "draw fewer (n_sites)")
    return n_features, n_columns


def seed_of(seed: int, most: int | None = None) -> int:
    """Return a seed, a whole number >= 0 and at most `most`; without one, what 64 bits hold."""
    is_number = isinstance(seed, int | np.integer) and not isinstance(seed, np.timedelta64)
    is_large = most is not None and is_number and seed > WHOLE_MOST
    seed = int(seed) if is_large else whole("seed", seed, 0)
    if most is not None and seed > most:
        raise ValueError(f"seed must be <= {most}, got {shown(seed)}")
    return seed


def finite(
    name: str, value: ArrayLike, shape: Sequence[int | None] | None = None, *, bools: bool = False
) -> np.ndarray:
    """Return `value` as a C-contiguous array of finite doubles of its own, of `shape` where that is not None."""
    array = array_of(name, value, shape, bools=bools)
    ok = np.isfinite(array)
    if not ok.all():
        raise ValueError(f"{name} must be finite, got {first_bad(ok, array)}")
    return array


def within(name: str, array: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return `array` if all its values are in [low, high]."""
    ok = (array >= low) & (array <= high)
    if not ok.all():
        rule = f">= {low:g}" if high == np.inf else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be {rule}, got {first_bad(ok, array)}")
    return array


def signs(name: str, value: ArrayLike, shape: Sequence[int | None] | None = None) -> np.ndarray:
    """Return `value` as an array of doubles that are -1 or 1."""
    array = finite(name, value, shape)
    ok = abs(array) == 1
    if not ok.all():
        raise ValueError(f"{name} must be -1 or 1 each, got {first_bad(ok, array)}")
    return array


def number(name: str, value: ArrayLike, low: float = -np.inf, high: float = np.inf) -> float:
    """Return `value` as a finite float in [low, high]."""
    return float(within(name, finite(name, value, ()), low, high))


def positive(name: str, value: ArrayLike) -> float:
    """Return `value` as a finite float above 0."""
    found = number(name, value)
    if not found > 0:
        raise ValueError(f"{name} must be > 0, got {found!r}")
    return found


def whole(name: str, value: Any, low: int = 0, high: int | None = None) -> int:
    """Return `value` as an int of at least `low`, and at most `high`; without one, what 64 bits hold."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_ | np.timedelta64)
    if not is_whole or not low <= value <= (WHOLE_MOST if high is None else high):
        most = " and < 2**63" if is_whole and value > WHOLE_MOST else ""
        rule = f">= {low}{most}" if high is None else f"in {low}..{high}"
        raise ValueError(f"{name} must be a whole number {rule}, got {shown(value)}")
    return int(value)
