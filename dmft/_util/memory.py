"""How much memory there is, asked before it is taken: a system that has too little ends processes, not functions."""

from __future__ import annotations

import contextlib
import gc
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .control_groups import group_folders

PIECE = 1 << 22  # numbers that are written at once
_NEW_OBJECTS = 100_000  # after which garbage is sought


def free_memory(proc: str = "/proc/self") -> float:
    """Return how many bytes this process can still have: of the machine, its control groups and its own limit.

    Parameters
    ----------
    proc : str, default="/proc/self"
        Folder of the process.

    Examples
    --------
    >>> free_memory() > 0
    True
    """
    most = [math.inf]
    with contextlib.suppress(OSError, ValueError, LookupError):
        rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        most.append(1024.0 * sum(int(rows[name].split()[0]) for name in ("MemAvailable", "SwapFree")))
    with contextlib.suppress(OSError, ValueError, IndexError):
        most.extend(_left(folder) for folder in group_folders("memory", proc))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            taken = int(Path(proc, "statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            most.append(float(limit - taken))
    return max(min(most), 0.0)


def resident_memory(proc: str = "/proc/self") -> float:
    """Return how many bytes of memory this process has now, a guess where the system does not say.

    Parameters
    ----------
    proc : str, default="/proc/self"
        Folder of the process.

    Examples
    --------
    >>> resident_memory() > 2**20
    True
    """
    try:
        return float(int(Path(proc, "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return 50.0 * 2**20


def _left(folder: Path) -> float:
    """Return how many bytes a control group can still have: what it keeps of files can be given back."""
    of_old = not (folder / "memory.max").exists()
    limit, used = ("memory.limit_in_bytes", "memory.usage_in_bytes") if of_old else ("memory.max", "memory.current")
    try:
        text = (folder / limit).read_text().strip()
        if text == "max":
            return math.inf
        rows = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines() if line)
        kept = sum(int(rows.get(("total_" if of_old else "") + name, 0)) for name in ("inactive_file", "active_file"))
        return float(int(text) - int((folder / used).read_text()) + kept)
    except (OSError, ValueError):  # the outmost group has none
        return math.inf


def need_memory(what: str, n_bytes: float, remedy: str = "") -> None:
    """Raise MemoryError if something would take more bytes than there are.

    Parameters
    ----------
    what : str
        Whom the message blames, with the argument that makes it large.
    n_bytes : float
        At least; infinity where it is beyond all numbers.
    remedy : str, optional
        What to do about it.

    Raises
    ------
    MemoryError

    Examples
    --------
    >>> need_memory("10 numbers", 80)
    >>> need_memory("2**80 numbers", 8 * 2**80)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    MemoryError: 2**80 numbers would take ... of memory, there are ...
    """
    if n_bytes > 2**24 and n_bytes > (free := free_memory()):
        raise MemoryError(
            f"{what} would take {_size(n_bytes)} of memory, there are {_size(free)}" + (remedy and f": {remedy}")
        )


def _size(n_bytes: float) -> str:
    """Return a number of bytes in words."""
    for unit, power in (("TiB", 40), ("GiB", 30)):
        if n_bytes >= 1000 * 2 ** (power - 10):
            return f"{n_bytes / 2**power:.3g} {unit}"
    return f"{n_bytes / 2**20:.3g} MiB"


def unfilled(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of NaN, made in pieces of a moment: the system gives pages when they are written.

    Between them Python sees to Ctrl-C.

    Examples
    --------
    >>> unfilled((1, 2))
    array([[nan, nan]])
    """
    out = np.empty(shape)
    flat = out.reshape(-1)
    for first in range(0, flat.size, PIECE):
        flat[first : first + PIECE] = np.nan
    return out


@contextlib.contextmanager
def garbage_seldom_sought() -> Iterator[None]:
    """Let Python look for objects that hold each other less often, for the command line.

    A command loads hundreds of thousands of objects that stay, and every search goes through them.
    """
    before = gc.get_threshold()
    if before[0]:  # 0: never
        gc.set_threshold(max(before[0], _NEW_OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
