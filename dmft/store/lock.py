"""One run at a time writes in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from .files import StoreError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


class Lock:
    """The right to write in a folder; taken by :meth:`take`, given back by :meth:`release`.

    The system holds it for the process, so that it ends with the process however that ends. The
    file ``lock`` in the folder says who has it. A file that a process on another machine left
    behind is respected: whether that process still runs cannot be seen from here.

    Parameters
    ----------
    folder : path-like
    """

    def __init__(self, folder):
        self.path = Path(folder) / "lock"
        self._file = None

    def take(self):
        """Take the lock; StoreError if another process has it, or the folder cannot be written to."""
        while True:
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise StoreError(f"cannot write in {self.path.parent}: {error.strerror}") from error
            try:
                ours = _flock(file)
                owner = holder(self.path)
                if ours is False or (ours is None and owner and _alive(owner)):
                    raise StoreError(f"{self.path.parent} is in use{_who(owner)}; wait until that run is over")
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
            except BaseException:
                os.close(file)
                raise
            self._file = file
            return

    def release(self):
        """Give the lock back."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = None


def holder(path):
    """Return who wrote a lock file: its host, pid and time; None if nobody, or it cannot be read."""
    try:
        owner = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) and {"host", "pid", "since"} <= set(owner) else None


def _flock(file):
    """Lock an open file: True if that went well, False if another has it, None if there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None
    return True


def _alive(owner):
    if owner["host"] != platform.node():
        return False
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _is_at(file, path):
    try:
        there = os.stat(path)
    except OSError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _who(owner):
    return f" by process {owner['pid']} on {owner['host']} since {owner['since']}" if owner else ""
