"""Convert values to what JSON can hold, and back."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

LONG = 1_000  # entries above which an array is packed


def packed(value: Any) -> Any:
    """Return a value with tuples and arrays as lists, and long arrays as compressed text."""
    if isinstance(value, Mapping):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [packed(item) for item in value]
    if isinstance(value, np.ndarray) and value.size > LONG:
        value = np.ascontiguousarray(value)
        data = base64.b85encode(zlib.compress(value.tobytes(), 9)).decode()
        return {"packed": value.dtype.str, "shape": list(value.shape), "data": data}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def unpacked(value: Any) -> Any:
    """Return a value whose long arrays were packed."""
    if isinstance(value, dict):
        if value.keys() == {"packed", "shape", "data"}:
            data = zlib.decompress(base64.b85decode(value["data"]))
            return np.frombuffer(data, value["packed"]).reshape(value["shape"])
        return {key: unpacked(item) for key, item in value.items()}
    return [unpacked(item) for item in value] if isinstance(value, list) else value


def digest(value: Any) -> str:
    """Return a short hash of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
