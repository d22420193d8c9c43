"""Checks at the door: arrays of finite doubles, with the name, the rule and the value in the message."""

import numpy as np


def first_bad(ok, values):
    """Say the first value that is not ok and where it stands."""
    where = tuple(int(i) for i in np.argwhere(~ok)[0])
    return f"{values[where]!r}" + (f" at {list(where)}" if where else "")


def finite(name, value, shape=None):
    """Return `value` as a C-contiguous array of finite doubles, of `shape` where that is not None."""
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError
        array = np.ascontiguousarray(array, dtype=float).reshape(array.shape)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be real numbers, got {value!r}") from None
    if shape is not None and (
        array.ndim != len(shape)
        or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True))
    ):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ValueError(f"{name} must have shape {wanted}, got shape {array.shape}")
    ok = np.isfinite(array)
    if not ok.all():
        raise ValueError(f"{name} must be finite, got {first_bad(ok, array)}")
    return array


def within(name, array, low, high):
    """Return `array` if all its values are in [low, high]."""
    ok = (array >= low) & (array <= high)
    if not ok.all():
        rule = f">= {low:g}" if high == np.inf else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be {rule}, got {first_bad(ok, array)}")
    return array


def number(name, value, low=-np.inf, high=np.inf):
    """Return `value` as a finite float in [low, high]."""
    return float(within(name, finite(name, value, ()), low, high))


def whole(name, value, low=0):
    """Return `value` as an int of at least `low`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(f"{name} must be a whole number >= {low}, got {value!r}")
    return int(value)


def one_of(name, value, choices):
    """Return `value` if it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value
