"""Arrays in netCDF4 files, through h5py, and in .npz files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import WHOLE_MOST, numbers, shown, table, whole, words
from .._util.reporting import unheard
from .._util.symbols import SYMBOLS, label

if TYPE_CHECKING:
    import h5py

LOGGER = "h5py._conv"  # tells of every conversion, from the import on
Variables = Mapping[str, tuple[tuple[str, ...], str, str]]  # names of the dimensions, unit, meaning


def netcdf(
    arrays: Mapping[str, np.ndarray],
    coordinates: Mapping[str, Any],
    attributes: Mapping[str, str | int],
    variables: Variables,
) -> bytes:
    """Return the bytes of a netCDF4 file.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Numbers or strings.
    coordinates : dict of str to ndarray
        Values along axes, for those that have any.
    attributes : dict of str to str or int
        Of the file.
    variables : dict of str to tuple
        Of each array, and of axes where known: names of its axes, unit, meaning.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If something is no array of numbers or text, or not described.
    """
    arrays, coordinates = arrays_by_name("arrays", arrays), arrays_by_name("coordinates", coordinates)
    attributes, variables = texts("attributes", attributes), described("variables", variables)
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        if name not in variables:
            raise ValueError(f"arrays must be some that variables describe, {', '.join(variables)}, got {shown(name)}")
        dims = variables[name][0]
        if len(dims) != array.ndim or any(sizes.get(dim, n) != n for dim, n in zip(dims, array.shape, strict=True)):
            known = ", ".join(f"{dim} ({sizes.get(dim, 'any')})" for dim in dims) or "none"
            raise ValueError(f"arrays must have the dimensions of variables: {name} {known}, got shape {array.shape}")
        sizes.update(zip(dims, array.shape, strict=True))
    for name, values in coordinates.items():
        if name in sizes and values.shape != (sizes[name],):
            raise ValueError(f"coordinates must be lists: {name} of {sizes[name]}, got shape {values.shape}")
    buffer = io.BytesIO()
    with create(buffer, attributes) as file:
        for name, size in sizes.items():
            dimension(file, name, coordinates.get(name, np.arange(size)), variables)
        for name, array in arrays.items():
            if name not in sizes:
                if array.size > 1 and not any(array.strides):  # one value, repeated: it is stored once
                    variable(file, name, array.shape, array.dtype, variables, fill=array.flat[0].item())
                else:
                    variable(file, name, array.shape, array.dtype, variables)[...] = _storable(array)
    return buffer.getvalue()


def npz(**arrays: ArrayLike) -> bytes:
    """Return the bytes of a .npz file; ValueError if something is no array of numbers or text."""
    buffer = io.BytesIO()
    by_name: dict[str, Any] = {name: stored(name, array) for name, array in arrays.items()}
    np.savez(buffer, **by_name)
    return buffer.getvalue()


def stored(name: str, value: Any) -> np.ndarray:
    """Return an array of what files hold: numbers, bools or text, without a mask."""
    if isinstance(value, np.ndarray):
        array = value
    else:
        text = isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))
        array = np.asarray(value) if text else numbers(name, value, rule="be an array of numbers or text", bools=True)
    is_text = array.dtype.kind == "O" and all(isinstance(one, str) for one in array.flat)
    if hasattr(array, "mask") or not (is_text or array.dtype.kind in "biufcU"):
        raise ValueError(f"{name} must be an array of numbers or text, without a mask, got {shown(value)}")
    return array


def arrays_by_name(name: str, value: Any) -> dict[str, np.ndarray]:
    """Return a dict of arrays of what files hold."""
    return {key: stored(f"{name}[{key!r}]", array) for key, array in table(name, value).items()}


def texts(name: str, value: Any) -> dict[str, Any]:
    """Return a dict of texts and whole numbers."""
    for key, text in table(name, value).items():
        if not isinstance(text, str):
            whole(f"{name}[{key!r}]", text, -WHOLE_MOST)
    return dict(value)


def described(name: str, value: Any) -> dict[str, Any]:
    """Return a dict of what arrays are: dimensions, unit, meaning."""
    for key, about in table(name, value).items():
        if not isinstance(about, tuple | list) or len(about) != 3 or not all(isinstance(one, str) for one in about[1:]):
            raise ValueError(f"{name}[{key!r}] must be (dimensions, unit, meaning), got {shown(about)}")
        words(f"{name}[{key!r}]", about[0])
    return dict(value)


@contextlib.contextmanager
def create(target: IO[bytes], attributes: Mapping[str, str | int]) -> Iterator[h5py.File]:
    """Write a new netCDF4 file in an open one: HDF5 opens none, and takes no lock, which hosts may lack."""
    with unheard(LOGGER):
        import h5py  # late: a user who stores nothing should not wait for it

    with unheard(LOGGER), h5py.File(target, "w", libver=("earliest", "v110")) as file:
        file.attrs.update(attributes)
        yield file


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


def first_dim(dataset: h5py.Dataset) -> str:
    """Return the name of the first dimension of a variable: all of them take much longer."""
    return str(dataset.dims[0][0].name.strip("/"))
