"""Checks of arguments: each returns its argument in the final form, or raises with the name, the rule and the value."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Role = Literal["output", "value", "query", "key"]
ROLES: tuple[Role, ...] = ("output", "value", "query", "key")


def roles(name: str, mapping: Any, partial: bool = False) -> dict[Role, Any]:
    """Return a dict with the four roles as keys, or with some of them."""
    if not isinstance(mapping, Mapping) or not (set(mapping) <= set(ROLES) if partial else set(mapping) == set(ROLES)):
        keys = sorted(mapping) if isinstance(mapping, Mapping) else mapping
        raise ValueError(f"{name} must be a dict with {'some of ' if partial else ''}the keys {ROLES}, got {keys!r}")
    return dict(mapping)


def numbers(name: str, value: Any, *, rule: str = "be real numbers", bools: bool = False) -> np.ndarray:
    """Return a copy of `value` as an array of integers or floats of any shape, NaN and infinities included.

    Every array argument passes here, directly or through the checks below. Refused are masked arrays, whose hidden
    values would count; text, dates, complex numbers and objects; bools, unless asked for; each of these inside lists
    too. `rule` is what the message demands.
    """
    masks = sys.modules.get("numpy.ma")  # not loaded before somebody makes a masked array, and slow to load
    if masks is not None and _holds(value, masks.MaskedArray):
        raise ValueError(f"{name} must have no mask, got a masked array: leave out or fill in what is masked")
    try:
        array = np.array(value)
    except (TypeError, ValueError):  # lists of unequal lengths
        raise ValueError(f"{name} must {rule}, got {_shown(value)}") from None
    if array.dtype.kind not in ("biuf" if bools else "iuf") or (not bools and _holds(value, _BOOL)):
        raise ValueError(f"{name} must {rule}, got {_shown(value)}")
    return array


_BOOL = bool | np.bool_


def _holds(value: Any, kind: Any) -> bool:
    """Return whether a value is of a kind, or a list or tuple that holds one, at any depth."""
    if isinstance(value, kind):
        return True
    if isinstance(value, np.ndarray):
        return kind is _BOOL and value.dtype.kind == "b" and value.size > 0
    if not isinstance(value, list | tuple) or {type(element) for element in value} <= {int, float}:
        return False
    return any(_holds(element, kind) for element in value)


def _shown(value: Any, most: int = 200) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]} ..."


def sign_array(name: str, array: ArrayLike) -> np.ndarray:
    """Return a two-dimensional array of +-1, as int8."""
    signs = numbers(name, array, rule="hold only +1 and -1")
    if signs.ndim != 2 or 0 in signs.shape:
        raise ValueError(f"{name} must be a two-dimensional array with entries, got shape {signs.shape}")
    ok = np.abs(signs) == 1
    if not ok.all():
        raise ValueError(f"{name} must hold only +1 and -1, got {first_bad(ok, signs)}")
    return signs.astype(np.int8)


def sign_vector(name: str, array: ArrayLike) -> np.ndarray:
    """Return a one-dimensional array of +-1, as int8."""
    rule = "be a one-dimensional array of +1 and -1"
    vector = numbers(name, array, rule=rule)
    if vector.ndim != 1 or not np.all(np.abs(vector) == 1):
        raise ValueError(f"{name} must {rule}, got {_shown(array)}")
    return vector.astype(np.int8)


def integers(name: str, array: ArrayLike, low: int, high: int) -> np.ndarray:
    """Return a one-dimensional array of integers in [low, high]."""
    rule = f"be a one-dimensional array of whole numbers in [{low}, {high}]"
    values = numbers(name, array, rule=rule)
    if values.ndim != 1 or values.dtype.kind not in "iu" or not np.all((values >= low) & (values <= high)):
        raise ValueError(f"{name} must {rule}, got {_shown(array)}")
    return values.astype(np.int64)


def permutation(name: str, order: ArrayLike, length: int) -> np.ndarray:
    """Return a permutation of 0 .. length - 1."""
    rule = f"be a permutation of 0 .. {length - 1}"
    values = numbers(name, order, rule=rule)
    if values.dtype.kind not in "iu" or values.ndim != 1 or sorted(values.tolist()) != list(range(length)):
        raise ValueError(f"{name} must {rule}, got {_shown(values.tolist())}")
    return values


def shape_of(n_features: int, n_sites: int, n_positions: int) -> tuple[int, int]:
    """Return the shape of weights, (n_features, n_sites + n_positions)."""
    whole("n_features", n_features, 1)
    return n_features, whole("n_sites", n_sites, 1) + whole("n_positions", n_positions, 0)


def seed_of(seed: int, most: int | None = None) -> int:
    """Return a seed, a whole number >= 0 and at most `most`."""
    seed = whole("seed", seed, 0)
    if most is not None and seed > most:
        raise ValueError(f"seed must be <= {most}, got {seed}")
    return seed


def first_bad(ok: np.ndarray, values: np.ndarray) -> str:
    """Return the first value that is not ok, and where it stands, for a message."""
    where = tuple(int(i) for i in np.argwhere(~ok)[0])
    return f"{values[where].item()!r}" + (f" at {list(where)}" if where else "")


def finite(
    name: str, value: ArrayLike, shape: Sequence[int | None] | None = None, *, bools: bool = False
) -> np.ndarray:
    """Return `value` as a C-contiguous array of finite doubles of its own, of `shape` where that is not None."""
    array = numbers(name, value, bools=bools)
    array = np.ascontiguousarray(array, dtype=float).reshape(array.shape)
    sizes: tuple[int, ...] = array.shape
    if shape is not None and not (
        len(sizes) == len(shape) and all(asked in (None, n) for asked, n in zip(shape, sizes, strict=True))
    ):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ValueError(f"{name} must have shape {wanted}, got shape {array.shape}")
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


def whole(name: str, value: Any, low: int = 0, high: int | None = None) -> int:
    """Return `value` as an int of at least `low`, and at most `high`."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)
    if not is_whole or value < low or (high is not None and value > high):
        rule = f">= {low}" if high is None else f"in {low}..{high}"
        raise ValueError(f"{name} must be a whole number {rule}, got {value!r}")
    return int(value)


def one_of(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return `value` if it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value
