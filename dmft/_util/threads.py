"""The one rule for the number of threads."""

from __future__ import annotations

import os
from typing import Any


def n_threads(asked: int | None = None) -> int:
    """Return how many threads a kernel call may use.

    An explicit number wins, then ``OMP_NUM_THREADS``, then the cores this process may
    run on. Results never depend on it.

    Parameters
    ----------
    asked : int or None, default=None
        At least 1.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `asked` or ``OMP_NUM_THREADS`` is not a whole number of at least 1.

    Examples
    --------
    >>> n_threads(3)
    3
    """
    name = "n_threads"
    given: Any = asked
    if asked is None:
        # OMP_NUM_THREADS may be a list, one number for each level of nesting: ours is the first.
        given, name = os.environ.get("OMP_NUM_THREADS", "").split(",")[0], "OMP_NUM_THREADS"
        if not given:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        threads = int(given)
    except (TypeError, ValueError):
        threads = 0
    if threads < 1 or threads != (float(given) if not isinstance(given, str) else threads):
        raise ValueError(f"{name} must be a whole number >= 1, got {given!r}")
    return threads
