"""The control groups of a process: what containers and batch systems limit it by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def group_folders(controller: str, proc: str = "/proc/self") -> Iterator[Path]:
    """Yield the folders of the control groups that may limit a process, from the inmost out, in version 1 and 2.

    Parameters
    ----------
    controller : str
        What is limited, as the kernel names it: "cpu", "memory".
    proc : str, default="/proc/self"
        Folder of the process.

    Raises
    ------
    OSError, ValueError, IndexError
        If this is not Linux, or not to be read.
    """
    groups: dict[str, str] = {}  # path of the group in the hierarchy of a controller; "": in version 2
    for line in Path(proc, "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    for line in Path(proc, "mountinfo").read_text().splitlines():
        here, _, there = line.partition(" - ")
        kind, _, options = [*there.split(" "), "", ""][:3]
        name = {"cgroup2": "", "cgroup": controller}.get(kind)
        if name is None or name not in groups or (name and name not in options.split(",")):
            continue
        root, mount = (_unescaped(word) for word in here.split(" ")[3:5])
        path = groups[name]
        # In a container the mount may show less than the whole hierarchy, and the path may lead out of it.
        inside = path.removeprefix(root) if root != "/" and f"{path}/".startswith(f"{root}/") else path
        folder = Path(mount, inside.strip("/"))
        while not folder.is_dir() and folder != Path(mount):
            folder = folder.parent
        yield folder
        while folder != Path(mount):
            folder = folder.parent
            yield folder


def _unescaped(word: str) -> str:
    """Return a path as it was before the kernel wrote it in one word."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, character)
    return word
