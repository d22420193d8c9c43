"""What killed runs leave in a folder: files half-written under another name, a lock, a log."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .errors import StoreError

# Files are written under these names and then renamed; .nfs* are open files that were removed.
_PART = {
    ".": re.compile(r"(manifest|refine)\.json\.part.*|sweep\.nc\.part\d+"),
    "shards": re.compile(r"\d{6,}\.h5\.part.*"),
    "failures": re.compile(r"\d{6,}\.txt\.part.*"),
}
_PASSED_OVER = re.compile(r"lock|run\.log|\.nfs[0-9a-f]+")


def refuse_unless_blank(folder: Path) -> None:
    """Raise StoreError if a folder holds anything but what a run left that was killed as it began."""
    if os.path.lexists(folder / "manifest.json"):
        raise StoreError(f"{folder} already holds a sweep; give another folder, or resume it")
    if os.path.lexists(folder) and (not folder.is_dir() or others(folder)):
        raise StoreError(f"{folder} exists and is not an empty folder; give another one")


def others(folder: Path) -> list[str]:
    """Return what is in a folder besides leftovers."""
    found = []
    for place, name in _content(folder):
        if place == "." and name in ("shards", "failures") and _is_folder(folder / name):
            continue
        if not _PART[place].fullmatch(name) and not _PASSED_OVER.fullmatch(name):
            found.append(name)
    return found


def clear(folder: Path) -> None:
    """Remove what was half-written, by runs that are over: the lock of the folder is ours."""
    for place, name in _content(folder):
        if _PART[place].fullmatch(name) and not (name.startswith("sweep.nc") and _is_alive(name)):
            (folder / place / name).unlink()


def clear_merged(folder: Path) -> None:
    """Remove what killed merges left."""
    for place, name in _content(folder):
        if name.startswith("sweep.nc") and _PART[place].fullmatch(name) and not _is_alive(name):
            with contextlib.suppress(OSError):
                (folder / place / name).unlink()


def _content(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the names in a folder and its subfolders, not through links."""
    for place in _PART:
        if place == "." or _is_folder(folder / place):
            try:
                names = os.listdir(folder / place)
            except OSError as error:
                raise StoreError(f"cannot read {folder / place}: {error.strerror}") from error
            yield from ((place, name) for name in names)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_alive(name: str) -> bool:
    """Say whether the process that writes a file still runs here; its number is at the end of the name."""
    try:
        os.kill(int(name.rpartition(".part")[2]), 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except OSError:
        return True
    return True
