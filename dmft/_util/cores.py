"""How many cores this process may use: by its affinity, and by the quotas of its control groups."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path


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
        return min((_limit(folder) for folder in _folders(Path(proc))), default=math.inf)
    except (OSError, ValueError, IndexError):  # not Linux, or not to be read
        return math.inf


def _folders(proc: Path) -> Iterator[Path]:
    """Yield the folders of the control groups of a process that may limit its cores, from the inmost out."""
    groups: dict[str, str] = {}  # path of the group in the hierarchy of a controller; "": in version 2
    for line in (proc / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    for line in (proc / "mountinfo").read_text().splitlines():
        here, _, there = line.partition(" - ")
        kind, _, options = [*there.split(" "), "", ""][:3]
        controller = {"cgroup2": "", "cgroup": "cpu"}.get(kind)
        if controller is None or controller not in groups or (controller and "cpu" not in options.split(",")):
            continue
        root, mount = (_unescaped(word) for word in here.split(" ")[3:5])
        path = groups[controller]
        # In a container the mount may show less than the whole hierarchy, and the path may lead out of it.
        inside = path.removeprefix(root) if root != "/" and f"{path}/".startswith(f"{root}/") else path
        folder = Path(mount, inside.strip("/"))
        while not folder.is_dir() and folder != Path(mount):
            folder = folder.parent
        yield folder
        while folder != Path(mount):
            folder = folder.parent
            yield folder


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


def _unescaped(word: str) -> str:
    """Return a path as it was before the kernel wrote it in one word."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, character)
    return word
