"""Convert values to what JSON can hold, and back."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._util.checks import shown, table

LONG = 1_000  # entries above which an array is packed
LIMIT = 2**30  # bytes of all arrays of a value: a short text may claim to be a long array


def packed(value: Any) -> Any:
    """Return a value with tuples and arrays as lists, and long arrays as compressed text.

    Raises
    ------
    ValueError
        If JSON cannot hold it.
    """
    try:
        return _packed(value)
    except RecursionError:
        raise ValueError("value must be what JSON can hold, got lists or dicts in themselves, or too deep") from None


def _packed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _packed(item) for key, item in table("value", value).items()}
    if isinstance(value, (tuple, list)):
        return [_packed(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float | np.bool_):
        return value.item() if isinstance(value, np.generic) else value
    if hasattr(value, "mask") or not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "biufU":
        rule = "be what JSON can hold: numbers, text, arrays, and lists and dicts of these"
        raise ValueError(f"value must {rule}, got {shown(value)}")
    if value.size > LONG:
        value = np.ascontiguousarray(value)
        data = base64.b85encode(zlib.compress(value.tobytes(), 9)).decode()
        return {"packed": value.dtype.str, "shape": list(value.shape), "data": data}
    return value.tolist()


def unpacked(value: Any) -> Any:
    """Return a value whose long arrays were packed.

    Raises
    ------
    ValueError
        If text does not hold the array that it claims, or all hold more than 1 GiB, or it is nested too deeply.
    """
    try:
        return _unpacked(value, [LIMIT])
    except RecursionError:
        raise ValueError("value must be what JSON can hold, got lists or dicts in themselves, or too deep") from None


def _unpacked(value: Any, left: list[int]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"packed", "shape", "data"}:
            return _array(value["packed"], value["shape"], value["data"], left)
        return {key: _unpacked(item, left) for key, item in value.items()}
    return [_unpacked(item, left) for item in value] if isinstance(value, list) else value


def _array(kind: Any, shape: Any, text: Any, left: list[int]) -> np.ndarray:
    """Return the array of a text; `left` is how many bytes it may have."""
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"the shape of a packed array must be a list of whole numbers >= 0, got {str(shape)[:60]}")
    if not isinstance(kind, str) or not isinstance(text, str) or (dtype := np.dtype(kind)).kind not in "biufcSU":
        raise ValueError(f"a packed array must hold numbers or text, got {str(kind)[:60]}")
    n_bytes = math.prod(shape) * dtype.itemsize
    left[0] -= n_bytes
    if left[0] < 0:
        raise ValueError(f"packed arrays must take at most {LIMIT} bytes, got more")
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(base64.b85decode(text), n_bytes + 1)
    except zlib.error as error:
        raise ValueError(f"a packed array cannot be read: {error}") from error
    if len(data) != n_bytes:
        raise ValueError(
            f"a packed array must have {n_bytes} bytes, got {'more' if len(data) > n_bytes else len(data)}"
        )
    return np.frombuffer(data, dtype).reshape(shape)


def digest(value: Any) -> str:
    """Return the hash of a value: of what JSON can hold as its text, of an array as its bytes."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_content).encode()).hexdigest()


def _content(array: Any) -> dict[str, Any]:
    """Return what stands for an array in a hash."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{type(array).__name__} is not JSON serializable")
    sha = hashlib.sha256(array.tobytes()).hexdigest()
    return {"array": array.dtype.str, "shape": list(array.shape), "sha256": sha}
