"""Checks of the arrays that figures draw, and the names of their features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown
from .._util.memory import need_memory


def checked(name: str, value: ArrayLike, shape: Sequence[int | str], *, may_hold: Sequence[str] = ()) -> np.ndarray:
    """Return a real array of `shape` (a word fits any length), finite but for what it `may_hold`: nan, inf, -inf."""
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(float), np.nan)
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    fits = len(shape) == array.ndim and all(
        n > 0 and asked in (n, str(asked)) for asked, n in zip(shape, array.shape, strict=True)
    )
    if not fits:
        rule = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise ValueError(f"{name} must have shape {rule} and not be empty, got shape {array.shape}")
    need_memory(f"a figure of {name} of shape {array.shape}", 8.0 * array.size, "draw fewer numbers")
    # Reductions, no masks: the rows of a long sweep fill most of the memory already.
    for found in (np.min(array), np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)):
        if not np.isfinite(found) and str(found) not in may_hold:
            raise ValueError(f"{name} must be {' or '.join(('finite', *may_hold))}, got {found}")
    return array


def parameters(name: str, value: ArrayLike) -> np.ndarray:
    """Return the values of a parameter as doubles, shape (n_points,)."""
    return checked(name, value, ("n_points",)).astype(float)


def series(values: ArrayLike, *, at_least: int = 1, may_hold: Sequence[str] = ()) -> np.ndarray:
    """Return `values` as (n_steps, n_features); one series may come without its second axis."""
    if np.ndim(values) == 1:
        values = checked("values", values, ("n_steps",), may_hold=may_hold)[:, None]
    values = checked("values", values, ("n_steps", "n_features"), may_hold=may_hold)
    if len(values) < at_least:
        raise ValueError(f"values must have at least {at_least} steps, got {len(values)}")
    return values


def indices(name: str, values: ArrayLike, shape: Sequence[int | str], names: Sequence[str]) -> np.ndarray:
    """Return indices into `names`, or -1, of `shape`."""
    array = checked(name, values, shape)
    if array.dtype.kind not in "iu" or array.min() < -1 or array.max() >= len(names):
        raise ValueError(f"{name} must hold indices into names, below {len(names)}, or -1, got {array.max()}")
    return array


def feature_names(labels: str | Sequence[str], n_features: int) -> tuple[list[str], str]:
    """Return the label of each feature and that of their common axis."""
    if isinstance(labels, str):
        names = [rf"${labels}_{{{i + 1}}}$" for i in range(n_features)]
        return names, names[0] if n_features == 1 else f"${labels}$"
    if np.ndim(labels) != 1 or len(labels) != n_features:
        raise ValueError(f"labels must be a symbol or {n_features} strings, got {shown(labels)}")
    return list(labels), labels[0] if n_features == 1 else ""
