"""The rules for the number of threads: how many are wanted, and how many can be had."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Any

from .checks import whole
from .cores import n_cores

MOST = 1024  # threads that may be asked for

_used_in: int | None = None  # the process whose OpenMP threads were started
# .size: threads that this one, itself included, was found to get from OpenMP; .most: what was got when it got no more.
_pool = threading.local()


def n_threads(asked: int | None = None) -> int:
    """Return how many threads a kernel call may use.

    An explicit number wins, then ``OMP_NUM_THREADS``, then the cores this process may use: by its affinity, and by
    the quota of its control group. Results never depend on it. More than the cores are used only if asked for by
    one of the first two; fewer than asked for where the system gives no more, see `team`.

    Parameters
    ----------
    asked : int or None, default=None
        From 1 to 1024.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `asked` or ``OMP_NUM_THREADS`` is not a whole number from 1 to 1024.

    Examples
    --------
    >>> n_threads(3)
    3
    """
    if asked is not None:
        return team(_checked("n_threads", asked))
    # OMP_NUM_THREADS may be a list, one number for each level of nesting: ours is the first.
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if not given:
        return team(min(n_cores(), MOST))
    return team(
        _checked("OMP_NUM_THREADS", int(given) if re.fullmatch(r"0*[1-9][0-9]{0,20}", given, re.ASCII) else given)
    )


def _checked(name: str, value: Any) -> int:
    if whole(name, value, 1) > MOST:
        raise ValueError(f"{name} must be <= {MOST}, got {value!r}")
    return int(value)


def team(wanted: int) -> int:
    """Return how many threads, at most `wanted`, a loop of OpenMP may have now; at least 1.

    OpenMP ends the process if it cannot start a thread, so those not tried before are tried first. A process
    that was forked off one that used OpenMP would wait for ever for threads that it has not: it gets one.

    Examples
    --------
    >>> team(1)
    1
    """
    global _used_in
    # Refused once, not asked for again: OpenMP may not have started those that it was found to get.
    size, wanted = getattr(_pool, "size", 1), min(wanted, getattr(_pool, "most", MOST))
    if wanted <= 1 or (_used_in is not None and _used_in != os.getpid()):
        return 1
    if wanted > size:
        missing = wanted - size
        found = startable(missing, _stack_size())
        wanted = size + (found if found == missing else found // 2)  # the rest is left for others
        if found < missing:
            _pool.most = wanted
    if wanted > 1:
        _used_in, _pool.size = os.getpid(), max(size, wanted)
    return wanted


def startable(n: int, stack_size: int = 0) -> int:
    """Start so many threads that do nothing, and end them; return how many the system gave.

    They are made without Python, whose threads take memory of their own for good.

    Parameters
    ----------
    n : int
    stack_size : int, default=0
        Of each, in bytes; 0: as the system has it.

    Examples
    --------
    >>> startable(1)
    1
    """
    import ctypes  # late: few need it

    try:
        posix = ctypes.CDLL(None)
        create, join = posix.pthread_create, posix.pthread_join
    except (TypeError, AttributeError, OSError):  # not a POSIX machine: what is given cannot be told
        return n
    lock, attributes = (ctypes.create_string_buffer(512) for _ in range(2))  # more than any system's
    posix.pthread_attr_init(attributes)
    if stack_size:
        posix.pthread_attr_setstacksize(attributes, ctypes.c_size_t(stack_size))
    posix.pthread_rwlock_init(lock, None)
    posix.pthread_rwlock_wrlock(lock)
    before, started = _n_tasks(), []
    try:
        for _ in range(n):
            thread = ctypes.c_void_p()
            # Each waits for the lock as a reader, and ends when it has it.
            if create(ctypes.byref(thread), attributes, posix.pthread_rwlock_rdlock, lock):
                break
            started.append(thread)
    finally:
        posix.pthread_rwlock_unlock(lock)
        for thread in started:
            join(thread, None)
    deadline = time.monotonic() + 0.05
    while _n_tasks() > before and time.monotonic() < deadline:  # the system counts one a moment longer than it lives
        time.sleep(1e-4)
    return len(started)


def _n_tasks() -> int:
    """Return how many threads the system counts in this process, 0 if it does not say."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def _stack_size() -> int:
    """Return the stack that OpenMP gives to each of its threads, 0 for the system's choice."""
    text = os.environ.get("OMP_STACKSIZE", "").strip().lower()
    unit = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30}.get(text[-1:])
    digits = text[:-1].strip() if unit else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        return 0
    size = int(digits) * (unit or 2**10)
    return size if size >= 2**15 else 0
