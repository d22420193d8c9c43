"""Checks of the arrays that figures draw, and the names of their features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import numbers, shown
from .._util.memory import need_memory


def real(name: str, value: ArrayLike) -> np.ndarray:
    """Return a real array of any shape, the caller's own where it is one; what is masked is NaN."""
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "fiu":
        return np.asarray(np.ma.filled(value.astype(float), np.nan))
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return np.asarray(value)  # no copy: the rows of a long sweep fill most of the memory already
    return numbers(name, value, rule="be an array of real numbers")


def columns(name: str, value: ArrayLike) -> np.ndarray:
    """Return a real array, one of one axis as a single column."""
    array = real(name, value)
    return array[:, None] if array.ndim == 1 else array


def truths(name: str, value: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of bools of `shape`; stores hold them as 0 and 1."""
    rule = f"be bool of shape {shape}"
    array = numbers(name, value, rule=rule, bools=True)
    if array.shape != shape or not (array.dtype == bool or (array.dtype == np.int8 and np.all(array | 1 == 1))):
        raise ValueError(f"{name} must {rule}, got {array.dtype} of {array.shape}")
    return array.astype(bool)


def checked(name: str, value: ArrayLike, shape: Sequence[int | str], *, may_hold: Sequence[str] = ()) -> np.ndarray:
    """Return a real array of `shape` (a word fits any length), finite but for what it `may_hold`: nan, inf, -inf."""
    array = real(name, value)
    fits = len(shape) == array.ndim and all(
        n > 0 and asked in (n, str(asked)) for asked, n in zip(shape, array.shape, strict=True)
    )
    if not fits:
        rule = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise ValueError(f"{name} must have shape {rule} and not be empty, got shape {array.shape}")
    need_memory(f"a figure of {name} of shape {array.shape}", 8.0 * array.size, "draw fewer numbers")
    # Reductions, no masks: they take no memory.
    for found in (np.min(array), np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)):
        if not np.isfinite(found) and str(found) not in may_hold:
            raise ValueError(f"{name} must be {' or '.join(('finite', *may_hold))}, got {found}")
    return array


def parameters(name: str, value: ArrayLike) -> np.ndarray:
    """Return the values of a parameter as doubles, shape (n_points,)."""
    return checked(name, value, ("n_points",)).astype(float)


def not_negative(name: str, array: np.ndarray) -> None:
    """Refuse an array with a number below zero."""
    if np.fmin.reduce(array, axis=None) < 0:
        raise ValueError(f"{name} must be >= 0, got {np.fmin.reduce(array, axis=None)}")


def distinct(name: str, value: ArrayLike) -> np.ndarray:
    """Return the values of a parameter, all of them different, as doubles."""
    line = checked(name, value, ("n_points" if name == "parameter" else f"n_{name}",)).astype(float)
    ordered = np.sort(line)
    if np.any(twice := ordered[1:] == ordered[:-1]):
        raise ValueError(f"{name} must be distinct, got {ordered[1:][twice][0]} twice")
    return line


def series(values: ArrayLike, *, at_least: int = 1, may_hold: Sequence[str] = ()) -> np.ndarray:
    """Return `values` as (n_steps, n_features); one series may come without its second axis."""
    values = checked("values", columns("values", values), ("n_steps", "n_features"), may_hold=may_hold)
    if len(values) < at_least:
        raise ValueError(f"values must have at least {at_least} steps, got {len(values)}")
    return values


def indices(name: str, values: ArrayLike, shape: Sequence[int | str], names: Sequence[str]) -> np.ndarray:
    """Return indices into `names`, or -1, of `shape`."""
    array = checked(name, values, shape)
    if array.dtype.kind not in "iu" or array.min() < -1 or array.max() >= len(names):
        raise ValueError(f"{name} must hold indices into names, below {len(names)}, or -1, got {shown(array)}")
    return array


def feature_names(labels: str | Sequence[str], n_features: int) -> tuple[list[str], str]:
    """Return the label of each feature and that of their common axis."""
    if isinstance(labels, str):
        names = [rf"${labels}_{{{i + 1}}}$" for i in range(n_features)]
        return names, names[0] if n_features == 1 else f"${labels}$"
    if len(labels) != n_features:
        raise ValueError(f"labels must be a symbol or {n_features} strings, got {shown(labels)}")
    return list(labels), labels[0] if n_features == 1 else ""
