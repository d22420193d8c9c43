"""A lock on a folder, so that one run at a time writes in it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from .._util.reporting import Reporter, SafeStream
from .errors import StoreError
from .whole import open_plain, read_plain

_LIMIT = 2**12  # bytes of the file
_PATIENCE = 5.0  # seconds: a process that was killed holds its locks until the last of its threads is gone
_SILENT = 1.0  # of them, before a line says what is waited for
_EXITING = 0x4 | 0x400  # flags of Linux: a process that ends, or that a signal ends
_KILL = 1 << 8  # the bit of SIGKILL
_ours: set[Path] = set()  # what this process has locked

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


class Lock:
    """The lock of a folder; :meth:`take` it before writing, :meth:`release` it afterwards.

    The operating system holds the lock for the process and releases it when the process ends, however that
    happens. The file ``lock`` in the folder says which process has it. A file left behind by a process on
    another machine counts as a lock: whether that process still runs cannot be known here.

    Parameters
    ----------
    folder : path-like

    Attributes
    ----------
    held : bool
        Whether the operating system holds it. False where file systems have no locks: then the file alone tells
        other processes on this machine, if they look after it was written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / "lock"
        self._file: int | None = None
        self.held = False

    def take(self) -> None:
        """Take the lock; StoreError if a process has it that lives, or the folder cannot be written to."""
        until = time.monotonic() + _PATIENCE
        told = False
        while True:
            try:
                file = open_plain(self.path, os.O_RDWR | os.O_CREAT)
            except OSError as error:
                raise StoreError(f"cannot write in {self.path.parent}: {error.strerror}") from error
            try:
                ours = _flock(file)
                owner = holder(self.path)
                if ours is False and _is_ending(owner, self.path) and time.monotonic() < until:
                    if not told and until - time.monotonic() < _PATIENCE - _SILENT:
                        _say(f"waiting for {self.path.parent}, in use{_who(owner)}, which was killed")
                        told = True
                    time.sleep(0.02)
                    os.close(file)
                    continue
                if ours is False or (ours is None and owner and _alive(owner, self.path)):
                    how = "wait until that run is over"
                    if ours is None:
                        how += f"; there are no file locks here: if no run is in it, delete {self.path}"
                    raise StoreError(f"{self.path.parent} is in use{_who(owner)}; {how}")
                if owner and owner["host"] != platform.node():
                    raise StoreError(
                        f"{self.path.parent} is in use{_who(owner)}, or that run was killed, which cannot be seen "
                        f"from here; if it is over, delete {self.path}"
                    )
                if not _is_at(file, self.path):  # removed by the run that had it, a moment ago
                    os.close(file)
                    continue
                os.ftruncate(file, 0)
                mine = {
                    "host": platform.node(),
                    "pid": os.getpid(),
                    "since": datetime.now(UTC).isoformat("T", "seconds"),
                }
                os.write(file, json.dumps(mine).encode())
            except OSError as error:
                os.close(file)
                raise StoreError(f"cannot write in {self.path.parent}: {error.strerror}") from error
            except BaseException:
                os.close(file)
                raise
            self._file, self.held = file, ours is True
            _ours.add(self.path.absolute())
            return

    def release(self) -> None:
        """Release the lock, if it was taken."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None
            _ours.discard(self.path.absolute())


def holder(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return who wrote a lock file: its host, pid and time; None if nobody, or it cannot be read."""
    try:
        owner = json.loads(read_plain(path, _LIMIT))
        host, pid, since = owner["host"], owner["pid"], owner["since"]
        known = isinstance(host, str) and type(pid) is int and 0 < pid < 2**31
        return owner if known and datetime.fromisoformat(since).tzinfo is not None else None
    except (OSError, StoreError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _flock(file: int) -> bool | None:
    """Lock an open file; return True if that succeeded, False if another process has it, None without file locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None
    return True


def _alive(owner: dict[str, Any], path: Path) -> bool:
    """Say whether the process that wrote a lock file runs on this machine."""
    if owner["host"] != platform.node():
        return False
    if owner["pid"] == os.getpid():  # or it had the number that this one has now, as in a container
        return path.absolute() in _ours
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _is_ending(owner: dict[str, Any] | None, path: Path) -> bool:
    """Say whether the process that wrote a lock file was killed, though the system still holds its locks."""
    if owner is None:  # killed as it wrote who it is, or writing it now
        return True
    if owner["host"] != platform.node() or owner["pid"] == os.getpid():
        return False
    if not _alive(owner, path):
        return True
    try:
        flags = int(Path(f"/proc/{owner['pid']}/stat").read_text().rpartition(") ")[2].split()[6])
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{owner['pid']}/status").read_text().splitlines())
        pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    except (OSError, ValueError, LookupError):  # not Linux
        return False
    return bool(flags & _EXITING or pending & _KILL)


def _say(line: str) -> None:
    SafeStream(sys.stderr, Reporter()).write(line + "\n")


def _is_at(file: int, path: Path) -> bool:
    """Say whether an open file is the one at a path."""
    try:
        there = os.lstat(path)
    except OSError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _who(owner: dict[str, Any] | None) -> str:
    """Return the owner of a lock in words."""
    return f" by process {owner['pid']} on {owner['host']} since {owner['since']}" if owner else ""
