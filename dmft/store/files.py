"""Write files so that they are complete or absent, with a checksum; write netCDF4 through h5py."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.symbols import SYMBOLS, label

if TYPE_CHECKING:
    import h5py

Variables = Mapping[str, tuple[tuple[str, ...], str, str]]  # names of the dimensions, unit, meaning


class StoreError(Exception):
    """A store cannot be made, opened or continued; the message says what to do."""


# -- whole files ----------------------------------------------------------------------------


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to, and rename its file to `path` when the block ends without an error."""
    path = Path(path)
    part = path.with_name(path.name + f".part{os.getpid()}")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
    if os.name == "posix":  # the new name must survive a power cut too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes to a file, which is then complete or, after an error, absent."""
    with whole_file(path) as part:
        part.write_bytes(data)


# -- checksums ------------------------------------------------------------------------------

# The checksum stands behind the end of the HDF5 data, where every reader of the format stops.
_SEAL = b"\ndmft-sha256 "
_SEAL_SIZE = len(_SEAL) + 64


def seal(data: bytes) -> bytes:
    """Return bytes with their checksum at the end."""
    return data + _SEAL + hashlib.sha256(data).hexdigest().encode()


def damage(path: str | os.PathLike[str]) -> str | None:
    """Return what is wrong with a sealed file, None if nothing is."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size - _SEAL_SIZE
            sha = hashlib.sha256()
            left = max(size, 0)
            while left and (data := file.read(min(left, 2**20))):
                sha.update(data)
                left -= len(data)
            end = file.read()
    except OSError as error:
        return error.strerror or str(error)
    if size < 0 or not end.startswith(_SEAL):
        return "it is cut short"
    return None if end[len(_SEAL) :] == sha.hexdigest().encode() else "its checksum does not fit"


# -- netCDF4 --------------------------------------------------------------------------------


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Open an HDF5 file to read; raise StoreError if that fails."""
    import h5py  # late: a user who stores nothing should not wait for it

    try:
        return h5py.File(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read, resume the run to compute it again: {error}") from error


def netcdf(
    arrays: Mapping[str, np.ndarray],
    coordinates: Mapping[str, Any],
    attributes: Mapping[str, str],
    variables: Variables,
) -> bytes:
    """Return the bytes of a netCDF4 file.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Numbers or strings.
    coordinates : dict of str to ndarray
        Values along axes, for those that have any.
    attributes : dict of str to str
        Of the file.
    variables : dict of str to tuple
        Of each array, and of axes where known: names of its axes, unit, meaning.

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    with create(buffer, attributes) as file:
        sizes: dict[str, int] = {}
        for name, array in arrays.items():
            sizes.update(zip(variables[name][0], np.shape(array), strict=True))
        for name, size in sizes.items():
            dimension(file, name, coordinates.get(name, np.arange(size)), variables)
        for name, array in arrays.items():
            if name not in sizes:
                array = np.asarray(array)
                if array.size > 1 and not any(array.strides):  # one value, repeated: it is stored once
                    variable(file, name, array.shape, array.dtype, variables, fill=array.flat[0].item())
                else:
                    variable(file, name, array.shape, array.dtype, variables)[...] = _storable(array)
    return buffer.getvalue()


def npz(**arrays: ArrayLike) -> bytes:
    """Return the bytes of a .npz file."""
    buffer = io.BytesIO()
    by_name: dict[str, Any] = dict(arrays)
    np.savez(buffer, **by_name)
    return buffer.getvalue()


def create(target: str | os.PathLike[str] | IO[bytes], attributes: Mapping[str, str]) -> h5py.File:
    """Open a new netCDF4 file, at a path or in a buffer."""
    import h5py

    file = h5py.File(target, "w", libver=("earliest", "v110"))
    file.attrs.update(attributes)
    return file


def dimension(file: h5py.File, name: str, values: Any, variables: Variables) -> None:
    """Add a dimension of a netCDF4 file, with its coordinate."""
    scale = file.create_dataset(name, data=_storable(np.asarray(values)))
    _describe(scale, name, variables)
    scale.make_scale(name)


def variable(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: Any, variables: Variables, fill: Any = None
) -> h5py.Dataset:
    """Add a variable to a netCDF4 file whose dimensions are there; `fill` is its value where none is written."""
    import h5py

    # The strings of netCDF have each their own length, those of NumPy one.
    dtype = h5py.string_dtype() if np.dtype(dtype).kind in "UO" else dtype
    fill = fill or None if isinstance(fill, str) else fill  # unwritten strings are empty anyway
    data = file.create_dataset(name, shape, dtype, fillvalue=fill, chunks=True if fill is not None else None)
    _describe(data, name, variables)
    for axis, dim in enumerate(variables[name][0]):
        data.dims[axis].attach_scale(file[dim])
    return data


def _describe(dataset: h5py.Dataset, name: str, variables: Variables) -> None:
    """Write unit, meaning and symbol of a variable to its attributes."""
    if name in variables:
        _, dataset.attrs["units"], dataset.attrs["long_name"] = variables[name]
    if name in SYMBOLS:
        dataset.attrs["symbol"] = label(name)


def _storable(array: np.ndarray) -> np.ndarray:
    """Return text as Python strings, which HDF5 stores, other arrays as they are."""
    return array.astype(object) if array.dtype.kind == "U" else array


def values(dataset: h5py.Dataset, where: Any = ...) -> np.ndarray:
    """Return the array of a dataset, strings as those of NumPy."""
    return np.asarray(dataset.asstr()[where]).astype(str) if dataset.dtype.kind == "O" else dataset[where]


def dims(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of the dimensions of a variable."""
    return tuple(axis[0].name.strip("/") for axis in dataset.dims)
