"""The one way to files: plain ones alone are read, and what is written is complete or absent, with a checksum."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .._util.checks import instance
from .._util.checks import path as checked_path
from .errors import StoreError

# -- plain files ------------------------------------------------------------------------------

# A link that appears after the look at it is not followed either, and a FIFO does not wait for its other end.
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_plain(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Open a file of a folder, never what a link leads to, and return its descriptor.

    Parameters
    ----------
    path : path-like
    flags : int, default=os.O_RDONLY
        What is opened to write in place must have no other name, which would be changed too.

    Raises
    ------
    StoreError
        If it is a link, a FIFO, a device or a folder.
    OSError
        If it cannot be opened.
    """
    with contextlib.suppress(FileNotFoundError):
        _refuse_unless_plain(path, os.lstat(path), flags)
    file = os.open(path, flags | _FLAGS, 0o666)
    try:
        _refuse_unless_plain(path, os.fstat(file), flags)
    except BaseException:
        os.close(file)
        raise
    return file


def _refuse_unless_plain(path: str | os.PathLike[str], found: os.stat_result, flags: int) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        raise StoreError(f"{path} must be a plain file, got {_KINDS.get(kind, 'something else')}; remove it")
    if flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink > 1:
        raise StoreError(f"{path} must be a file of one name, got one of {found.st_nlink} (hard links); remove it")


def refuse_unless_folder(path: str | os.PathLike[str]) -> None:
    """Raise StoreError if there is something else than a folder, as a link to one."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:  # it is said where it is used
        return
    if kind != stat.S_IFDIR:
        raise StoreError(f"{path} must be a folder, got {_KINDS.get(kind, 'a file')}; remove it")


def read_plain(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return what a file of a folder holds; StoreError if that is more than `limit` bytes."""
    with os.fdopen(open_plain(path), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise StoreError(f"{path} must be at most {limit} bytes long, got a longer one")
    return data


def append_plain(path: str | os.PathLike[str], text: str) -> None:
    """Add text to a file of a folder, which is made if it is not there."""
    file = open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)


# -- whole files ------------------------------------------------------------------------------

# What file systems that know no fsync, for folders or at all, say to it.
_NO_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to, and rename its file to `path` when the block ends without an error."""
    path = Path(path)
    with contextlib.suppress(OSError):
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFLNK):  # a link itself is replaced, not what it leads to
            raise StoreError(f"{path} must be a plain file or new, got {_KINDS.get(kind, 'something else')}")
    part = path.with_name(path.name + f".part{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()  # of a killed process with the same number; a link would be followed
    try:
        yield part
        with open(part, "rb+") as file:
            _sync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    if os.name == "posix":  # the new name must survive a power cut too
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:  # one may write in it, but not list it
        return
    try:
        _sync(folder)
    finally:
        os.close(folder)


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def write_whole(path: str | os.PathLike[str], data: bytes, end: bytes = b"") -> None:
    """Write bytes, and those of `end` behind them, to a file, which is then complete or, after an error, absent."""
    checked_path("path", path)
    instance("data", data, bytes, "bytes")
    instance("end", end, bytes, "bytes")
    with whole_file(path) as part, part.open("wb") as file:
        file.write(data)
        file.write(end)


# -- checksums --------------------------------------------------------------------------------

# The checksum stands behind the end of the HDF5 data, where every reader of the format stops.
_SEAL = b"\ndmft-sha256 "
_SEAL_SIZE = len(_SEAL) + 64


def seal(data: bytes) -> bytes:
    """Return bytes with their checksum at the end."""
    return data + seal_of(data)


def seal_of(data: bytes) -> bytes:
    """Return the checksum of bytes, as it stands behind them."""
    return _SEAL + hashlib.sha256(data).hexdigest().encode()


def damage(file: IO[bytes]) -> str | None:
    """Return what is wrong with a sealed file that was just opened, None if nothing is."""
    size = os.fstat(file.fileno()).st_size - _SEAL_SIZE
    sha = hashlib.sha256()
    left = max(size, 0)
    while left and (data := file.read(min(left, 2**20))):
        sha.update(data)
        left -= len(data)
    if size < 0 or not (end := file.read(_SEAL_SIZE + 1)).startswith(_SEAL):
        return "it is cut short"
    return None if end[len(_SEAL) :] == sha.hexdigest().encode() else "its checksum does not fit"
