"""Files that somebody else wrote: read to the end of a bound, and only if they are files."""

from __future__ import annotations

import errno
import math
import os
import stat
import zipfile
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

TEXT = 2**22  # bytes of a file of text that a person may have written


def opened(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file to read; raise OSError for any other: a pipe would wait for a writer, a device never ends."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def text_of(path: str | os.PathLike[str], most: int = TEXT) -> str:
    r"""Return the text of a UTF-8 file of at most so many bytes, without the mark that some editors begin it with.

    Raises
    ------
    OSError
        If it cannot be read, is longer, or is not a regular file.
    UnicodeDecodeError
        If it is not UTF-8.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"\xef\xbb\xbfbeta = 1")
    ...     file.flush()
    ...     text_of(file.name)
    'beta = 1'
    """
    with opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most} bytes", os.fspath(path))
    return data.decode("utf-8-sig")


def npz_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the arrays of a .npz file; raise ValueError or OSError if it is none."""
    with opened(path) as file:
        try:
            return [name.removesuffix(".npy") for name in zipfile.ZipFile(file).namelist()]
        except Exception as error:  # of a damaged file zipfile raises a dozen kinds
            raise ValueError(f"it is not a .npz file: {error}") from error


def npz_arrays(path: str | os.PathLike[str], names: Iterable[str], most: int) -> dict[str, np.ndarray]:
    """Return arrays of a .npz file, which may take so many bytes of memory together.

    Nothing is unpickled. What a member says of its size is compared with its bytes before memory is asked for.

    Parameters
    ----------
    path : path-like
    names : iterable of str
    most : int
        Bytes.

    Raises
    ------
    KeyError
        If an array is not there; the name alone.
    OSError
        If the file cannot be read, or is not a regular one.
    ValueError
        If it is not a .npz file, damaged, too large, or holds anything else than numbers.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/a.npz", fields=[0.5, 1.0])
    ...     npz_arrays(f"{folder}/a.npz", ["fields"], most=1_000)
    {'fields': array([0.5, 1. ])}
    """
    arrays: dict[str, np.ndarray] = {}
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                inside = {info.filename: info for info in archive.infolist()}
                for name in names:
                    member = inside.get(f"{name}.npy")
                    if member is None:
                        raise KeyError(name)
                    size = member.file_size
                    if size > most:
                        raise ValueError(f"{name} takes {size} bytes, more than the {most} there may be")
                    most -= size
                    with archive.open(member) as data:
                        _check_header(name, data, size)
                    with archive.open(member) as data:
                        arrays[name] = np.lib.format.read_array(data, allow_pickle=False)
        except (KeyError, OSError):
            raise
        except Exception as error:  # of a damaged file zipfile, zlib and numpy raise a dozen kinds
            raise ValueError(str(error) or type(error).__name__) from error
    return arrays


def _check_header(name: str, data: IO[bytes], size: int) -> None:
    """Raise ValueError unless a member of a .npz file is an array of numbers, as long as its header says."""
    read: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(data)
    if version not in read:
        raise ValueError(f"{name} is not a plain array of numbers")
    shape, _, dtype = read[version](data)
    if dtype.kind not in "biufc":
        raise ValueError(f"{name} must hold numbers, got {dtype}")
    if math.prod(shape) * dtype.itemsize != size - data.tell():
        raise ValueError(f"{name} is cut short: it says it has shape {shape}")
