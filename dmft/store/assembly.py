"""Put the arrays of all blocks in the order of the points: in memory, or in one file."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.checks import WHOLE_MOST, instance, integers, shown, whole, words
from .._util.checks import path as checked_path
from .._util.memory import need_memory
from .errors import StoreError
from .netcdf4 import Variables, arrays_by_name, create, described, dimension, stored, texts, values, variable
from .whole import whole_file

if TYPE_CHECKING:
    from .folder import Store

PIECE = 2**28  # bytes of an array that are put in order at a time


def put(array: np.ndarray | None, n_points: int, index: np.ndarray, part: np.ndarray, first: int = 0) -> np.ndarray:
    """Return an array with the values of some points in their places; it is changed unless it has to grow.

    Parameters
    ----------
    array : ndarray, shape (n_points, ...), or None
        None: a new one, of missing values: NaN, 0 or empty text.
    n_points : int
        Length of a new one.
    index : ndarray of int, shape (n,)
        Numbers of the points; others than ``first .. first + n_points - 1`` are left out.
    part : ndarray, shape (n, ...)
        May be wider or narrower than the array, which then grows, or keeps missing values.
    first : int, default=0
        Number of the first point of the array.

    Returns
    -------
    ndarray
    """
    n_points, first, index = (
        whole("n_points", n_points, 1),
        whole("first", first),
        integers("index", index, 0, WHOLE_MOST),
    )
    _check_rows(array, n_points, len(index), part)
    missing = np.nan if part.dtype.kind == "f" else "" if part.dtype.kind in "UO" else 0
    part = part.astype(object) if part.dtype.kind == "U" else part
    shape = part.shape[1:] if array is None else tuple(map(max, array.shape[1:], part.shape[1:]))
    if array is None or shape != array.shape[1:]:
        n_bytes = 1.0 * n_points * math.prod(shape) * part.dtype.itemsize
        need_memory(f"an array of {n_points} points of shape {shape}", n_bytes, "load parts, or merge to a file")
        wider = np.full((n_points, *shape), missing, dtype=part.dtype)
        if array is not None:
            wider[(slice(None), *map(slice, array.shape[1:]))] = array
        array = wider
    inside = (index >= first) & (index < first + n_points)
    place: tuple[Any, ...] = (index[inside] - first, *map(slice, part.shape[1:]))
    array[place] = part if inside.all() else part[inside]  # a copy of a large block is worth a look
    return array


def _check_rows(array: np.ndarray | None, n_points: int, n_rows: int, part: np.ndarray) -> None:
    """Raise ValueError unless there is a row for each number, and an array that rows of its kind can be put in."""
    for name, given in [("part", part)] if array is None else [("part", part), ("array", array)]:
        if not isinstance(given, np.ndarray):
            raise ValueError(f"{name} must be an array, got {shown(given)}")
        stored(name, given)
    if part.shape[:1] != (n_rows,):
        raise ValueError(f"part must have {n_rows} rows, got shape {part.shape}")
    if array is not None:
        if not array.flags.writeable:
            raise ValueError("array must be one that may be written to, got a read-only one")
        if array.ndim != part.ndim or len(array) < n_points:
            raise ValueError(
                f"array must have at least {n_points} rows, and {part.ndim} axes as part, got shape {array.shape}"
            )
        if not np.can_cast(part.dtype, array.dtype, "same_kind"):
            raise ValueError(f"array must hold numbers as those of part, {part.dtype}, got {array.dtype}")


@contextlib.contextmanager
def _writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say of which file it is that it cannot be written."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # which HDF5 makes of a full disk
        raise StoreError(f"cannot write {path}: {' '.join(str(error).split())}") from error


def merge(
    store: Store,
    path: str | os.PathLike[str],
    axes: Mapping[str, np.ndarray],
    dims: Sequence[str],
    attributes: Mapping[str, str],
    variables: Variables,
    labels: Mapping[str, np.ndarray],
) -> None:
    """Write all shards of a store to one netCDF4 file, a piece of one array at a time.

    Parameters
    ----------
    store : Store
        Finished.
    path : path-like
        Replaced if it exists; whole or absent.
    axes : dict of str to ndarray
        Values along each axis.
    dims : tuple of str
        The leading dimensions.
    attributes : dict of str to str
        Of the file.
    variables : dict of str to tuple
        Of each array all dimensions, the unit, the meaning.
    labels : dict of str to ndarray of str
        Names along dimensions.

    Raises
    ------
    StoreError
        If a shard is damaged, or the file cannot be written.
    """
    from .folder import Store

    instance("store", store, Store, "a dmft.store.Store")
    checked_path("path", path)
    axes, labels = (arrays_by_name(name, value) for name, value in [("axes", axes), ("labels", labels)])
    attributes, variables = texts("attributes", attributes), described("variables", variables)
    dims = words("dims", dims)
    if not dims or not set(dims) <= set(axes):
        raise ValueError(f"dims must be names of axes, {', '.join(axes)}, got {shown(dims)}")
    store.clear_merged()
    shape = tuple(len(axes[name]) for name in dims)
    with _writing(path), whole_file(path) as part, open(part, "x+b") as raw, create(raw, attributes) as file:
        sizes = dict(zip(dims, shape, strict=True))
        shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        ranges = []
        for block in store.done():
            with store.opened(block) as shard:
                index = shard["point"][...]
                ranges.append((block, index.min(), index.max()))
                for name in variables:
                    old = shapes.get(name, (shard[name].shape[1:], None))[0]
                    shapes[name] = tuple(map(max, old, shard[name].shape[1:])), shard[name].dtype
        for name, (own, _) in shapes.items():
            sizes.update(zip(variables[name][0][len(dims) :], own, strict=True))
        for name, size in sizes.items():
            dimension(file, name, {**axes, **labels}.get(name, np.arange(size)), variables)
        row = int(np.prod(shape[1:]))
        for name, (own, dtype) in shapes.items():
            if name in sizes:
                continue
            data = variable(file, name, shape + own, dtype, variables)
            rows = max(1, PIECE // (row * int(np.prod(own)) * dtype.itemsize))
            for top in range(0, shape[0], rows):
                n_rows = min(rows, shape[0] - top)
                first, n_points = top * row, n_rows * row
                array = None
                for block, lowest, highest in ranges:
                    if highest >= first and lowest < first + n_points:
                        with store.opened(block) as shard:
                            array = put(array, n_points, shard["point"][...], values(shard[name]), first)
                array = put(array, n_points, np.arange(0), np.empty((0, *own), dtype))
                data[top : top + n_rows] = array.reshape(n_rows, *shape[1:], *own)
