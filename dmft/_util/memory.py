"""How much memory there is, asked before it is taken: a system that has too little ends processes, not functions."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path


def free_memory() -> float:
    """Return how many bytes this process can still have: of the machine, its control group and its own limit.

    Examples
    --------
    >>> free_memory() > 0
    True
    """
    most = [math.inf]
    with contextlib.suppress(OSError, ValueError, LookupError):
        rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        most.append(1024.0 * sum(int(rows[name].split()[0]) for name in ("MemAvailable", "SwapFree")))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most.append(float(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            most.append(float(limit - taken))
    return max(min(most), 0.0)


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
        if n_bytes >= 2**power:
            return f"{n_bytes / 2**power:.3g} {unit}"
    return f"{n_bytes / 2**20:.3g} MiB"
