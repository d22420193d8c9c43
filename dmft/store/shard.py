"""The file of a block, opened to read: undamaged, of this sweep and block, with its own arrays alone."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.reporting import unheard
from .errors import StoreError, UnsoundError
from .netcdf4 import LOGGER, first_dim
from .whole import damage, open_plain

if TYPE_CHECKING:
    import h5py

# One value that stands for all of an array takes no place in a file; so much may a point of it have, in bytes.
_REPEATED = 2**24


def marks(sweep: str, block: int) -> dict[str, str | int]:
    """Return the attributes of a shard that say what it is: the hash of its manifest, the number of its block."""
    return {"dmft_sweep": sweep, "dmft_block": block}


@contextlib.contextmanager
def open_shard(path: Path, manifest: Mapping[str, Any], block: int, old: bool, sound: set[Any]) -> Iterator[h5py.File]:
    """Open the file of a block; raise UnsoundError if it is damaged, or of another sweep or block.

    Parameters
    ----------
    path : Path
    manifest : dict
        Of its folder.
    block : int
        Its number.
    old : bool
        Whether it may say nothing of its sweep and block, as those of earlier versions.
    sound : set
        Files that were found sound, which are not looked at again; this one is added.
    """
    with unheard(LOGGER):
        import h5py  # late: a user who stores nothing should not wait for it

    try:
        file = os.fdopen(open_plain(path), "rb")
    except OSError as error:
        raise UnsoundError(path, f"cannot be read, {error.strerror}") from error
    except StoreError as error:
        raise UnsoundError(path, str(error).removeprefix(f"{path} ").removesuffix("; remove it")) from error
    with file:
        info = os.fstat(file.fileno())
        mark = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, path.name)
        try:
            problem = None if mark in sound else damage(file)
        except OSError as error:
            raise UnsoundError(path, f"cannot be read, {error.strerror}") from error
        if problem:
            raise UnsoundError(path, f"is damaged, {problem}", worthless=True)
        file.seek(0)
        try:
            # Through Python's file HDF5 opens no other, and takes no lock, which hosts may lack and notebooks hold.
            with unheard(LOGGER), h5py.File(file, "r") as data:
                if mark not in sound:
                    _check(path, data, manifest, block, old)
                    sound.add(mark)
                yield data
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            raise UnsoundError(path, f"is damaged, it cannot be read: {' '.join(str(error).split())}") from error


def _check(path: Path, file: h5py.File, manifest: Mapping[str, Any], block: int, old: bool) -> None:
    """Raise UnsoundError unless a file is of its sweep and block, and holds its arrays."""
    ours = marks(manifest["hash"], block)
    theirs = {name: file.attrs.get(name) for name in ours}
    if not (old and all(value is None for value in theirs.values())):
        if _text(theirs["dmft_sweep"]) != ours["dmft_sweep"]:
            raise UnsoundError(path, "is of another sweep")
        if not _is(theirs["dmft_block"], block):
            raise UnsoundError(path, f"is of another block, {str(theirs['dmft_block'])[:20]}")
    try:
        problem = _problem(file, manifest["n_points"])
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        problem = " ".join(repr(error).split())
    if problem:
        raise UnsoundError(path, f"is not a shard, {problem}")


def _problem(file: h5py.File, n_points: int) -> str | None:
    """Return what is in a file that does not belong there, None if nothing."""
    import h5py

    arrays: dict[str, h5py.Dataset] = {}  # looked up once: that takes the most time
    for name in file:
        # Links into other files are not opened, not even to look at them.
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            return f"{name} is a link"
        data = file[name]
        if not isinstance(data, h5py.Dataset):
            return f"{name} is no array"
        how = data.id.get_create_plist()
        if data.external is not None or data.is_virtual or how.get_nfilters():
            return f"{name} is kept outside of it, or compressed"
        if data.dtype.kind not in "biufc" and h5py.check_string_dtype(data.dtype) is None:
            return f"{name} holds neither numbers nor text"
        arrays[name] = data
    index = arrays["point"]
    if index.ndim != 1 or index.dtype.kind != "i" or _too_long(index, 0):
        return "point must be a list of whole numbers"
    points = index[...]
    if np.unique(points).size != points.size or (points.size and not 0 <= points.min() <= points.max() < n_points):
        return f"point must be different numbers from 0 to {n_points - 1}"
    if "status" not in arrays:
        return "it has no status"
    for name, data in arrays.items():
        if too_long := _too_long(data, points.size):
            return name + too_long
        if not data.is_scale:
            if first_dim(data) == "point" and len(data) != points.size:
                return f"{name} must have {points.size} points, got {len(data)}"
            if not all(isinstance(data.attrs.get(about, ""), str) for about in ("units", "long_name")):
                return f"{name} must have its unit and meaning as text"
    return None


def _too_long(data: h5py.Dataset, n_points: int) -> str:
    """Say how an array claims to be longer than what the file holds of it; "" if it does not."""
    n_bytes = math.prod(data.shape) * data.id.get_type().get_size()
    stored = data.id.get_storage_size()
    if stored >= n_bytes or (stored == 0 and n_bytes <= n_points * _REPEATED):
        return ""
    return f" must have {n_bytes} bytes, the file has {stored}"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _is(value: Any, number: int) -> bool:
    """Say whether an attribute is a number."""
    return np.ndim(value) == 0 and isinstance(value, (int, np.integer)) and int(value) == number
