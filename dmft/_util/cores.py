"""How many cores this process may use: by its affinity, and by the quotas of its control groups."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

from .control_groups import group_folders


def n_cores() -> int:
    """Return how many cores this process may use, at least 1.

    Examples
    --------
    >>> n_cores() >= 1
    True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, quota())))


@functools.cache
def quota(proc: str = "/proc/self") -> float:
    """Return how many cores the control groups of this process allow at a time, inf without limit.

    The least quota of the group and of those that hold it, in version 1 (``cpu.cfs_quota_us``) and 2 (``cpu.max``).
    Containers and batch systems limit cores so, and the affinity does not show it.

    Parameters
    ----------
    proc : str, default="/proc/self"
        Folder of the process.

    Examples
    --------
    >>> quota() > 0
    True
    """
    try:
        return min((_limit(folder) for folder in group_folders("cpu", proc)), default=math.inf)
    except (OSError, ValueError, IndexError):  # not Linux, or not to be read
        return math.inf


def _limit(folder: Path) -> float:
    """Return how many cores a control group allows by itself."""
    try:
        if (folder / "cpu.max").exists():
            allowed, period = (folder / "cpu.max").read_text().split()
        else:
            allowed, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        cores = math.inf if allowed == "max" else int(allowed) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # the outmost group has none
        return math.inf
    return cores if cores > 0 else math.inf  # -1: no limit
