"""The folder of a sweep on disk: its manifest, shards, log and failures."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .._version import VERSION
from .files import StoreError, Variables, damage, dims, netcdf, open_file, seal, values, write_whole
from .lock import Lock, holder
from .plain import digest, packed, unpacked
from .provenance import DECISIVE, provenance

SCHEMA = 2


class BlockTask(Protocol):
    """What the store needs to know of a task: the number of its block, and the numbers of its points."""

    @property
    def number(self) -> int:
        """Number of the block."""

    @property
    def index(self) -> np.ndarray:
        """Numbers of the points."""


class StoredJob(Protocol):
    """What the store needs to know of a job: its arrays, see `dmft.sweeps.job.Job`."""

    @property
    def variables(self) -> Variables:
        """Of each array the dimensions after the point, the unit, the meaning."""

    @property
    def labels(self) -> Mapping[str, Any]:
        """The names along dimensions that have any."""

    @property
    def extras(self) -> Variables:
        """Of arrays of a block as a whole the dimensions, the unit, the meaning."""


class Store:
    """A folder of results; returned by :meth:`create`, :meth:`resume` or :meth:`open`.

    Attributes
    ----------
    folder : Path
    manifest : dict
        "schema", "spec" (all that determines the numbers), "hash" (of it), "n_points", "block"
        (points of a shard at most), "n_blocks" (shards of the finished store; None if that turns out on the way),
        "provenance".
    made_by : dict or None
        The provenance of the process that opened it, kept in each shard it writes; None if it was opened to read.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: dict[str, Any], lock: Lock | None = None) -> None:
        self.folder = Path(folder)
        self.manifest = manifest
        self.made_by: dict[str, str] | None = provenance() if lock else None
        self._lock = lock

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}  # the lock stays with the process that took it

    @classmethod
    def create(
        cls, folder: str | os.PathLike[str], spec: Mapping[str, Any], n_points: int, block: int, n_blocks: int | None
    ) -> Store:
        """Create a new store, to write in; refuse a folder that holds anything."""
        folder = Path(folder)
        _refuse_unless_empty(folder)
        try:
            (folder / "shards").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make a store in {folder}: {error.strerror}") from error
        lock = Lock(folder)
        lock.take()
        try:
            _refuse_unless_empty(folder)  # another run may have been faster
            spec = packed(spec)
            manifest = {
                "schema": SCHEMA,
                "hash": digest(spec),
                "spec": spec,
                "n_points": n_points,
                "block": block,
                "n_blocks": n_blocks,
                "provenance": provenance(),
            }
            write_whole(folder / "manifest.json", json.dumps(manifest, indent=1).encode())
        except BaseException as error:
            lock.release()
            if isinstance(error, OSError):
                raise StoreError(f"cannot make a store in {folder}: {error.strerror}") from error
            raise
        return cls(folder, json.loads(json.dumps(manifest)), lock)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Store:
        """Open a store that exists, to read."""
        path = Path(folder) / "manifest.json"
        try:
            manifest = json.loads(path.read_text())
            schema = manifest["schema"]
        except OSError as error:
            raise StoreError(f"{folder} holds no sweep: {error.strerror} ({path.name})") from error
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path} is damaged: {error}") from error
        if schema != SCHEMA:
            made_by = manifest.get("provenance", {}).get("version", "another version")
            raise StoreError(
                f"{folder} was made by dmft {made_by} and has schema {schema!r}; this is dmft {VERSION}, which reads "
                f"schema {SCHEMA}: use that version, or make the sweep again in another folder"
            )
        return cls(folder, manifest)

    @classmethod
    def resume(
        cls, folder: str | os.PathLike[str], spec: Mapping[str, Any], n_points: int, block: int, n_blocks: int | None
    ) -> Store:
        """Open a store to continue it; refuse one of another specification, listing differences.

        Shards that are damaged, and what a killed run left half-written, are removed; the log says so.
        """
        manifest = cls.open(folder).manifest
        ours = {"spec": packed(spec), "n_points": n_points, "block": block, "n_blocks": n_blocks, "version": VERSION}
        ours = json.loads(json.dumps(ours))
        theirs = {**manifest, "version": manifest["provenance"]["version"]}
        found = list(differences({name: theirs[name] for name in ours}, ours))
        if found:
            raise StoreError(f"{folder} holds another sweep, it is left untouched:\n  " + "\n  ".join(found))
        lock = Lock(folder)
        lock.take()
        store = cls(folder, manifest, lock)
        try:
            store._clean()
        except BaseException:
            lock.release()
            raise
        return store

    def _clean(self) -> None:
        """Remove damaged shards and what a killed run left half-written."""
        for part in (self.folder / "shards").glob("*.part*"):
            part.unlink()
        for block in self.done():
            problem = damage(self.path(block))
            if problem:
                self.log(f"block {block}: {self.path(block).name} is damaged, {problem}: computed again")
                self.path(block).unlink()

    def close(self) -> None:
        """Release the lock, so that other runs can write in the folder."""
        if self._lock:
            self._lock.release()
            self._lock = None

    @property
    def running(self) -> dict[str, Any] | None:
        """Which process writes in the folder, a dict with host, pid and since; None if none does."""
        return holder(self.folder / "lock")

    @property
    def changes(self) -> list[str]:
        """What differs from where the store was begun and may change the bits of results; a list of str."""
        here = self.made_by or provenance()
        then, now = ({name: made_by.get(name) for name in DECISIVE} for made_by in (self.manifest["provenance"], here))
        return list(differences(then, now))

    # -- the log ------------------------------------------------------------------------------

    def log(self, line: str) -> None:
        """Add a line to ``run.log``; a full disk must not hide what went wrong first."""
        stamp = datetime.now().astimezone().isoformat("T", "seconds")
        with contextlib.suppress(OSError), open(self.folder / "run.log", "a", encoding="utf-8") as file:
            file.write(f"{stamp} {line}\n")

    def fail(self, block: int, reason: str | None) -> None:
        """Write why a block failed; None removes the reason of an earlier failure."""
        path = self.folder / "failures" / f"{block:06d}.txt"
        with contextlib.suppress(OSError):
            if reason is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(reason)

    def failures(self) -> dict[int, str]:
        """Return why blocks failed, a dict of int to str."""
        files = sorted((self.folder / "failures").glob("*.txt"))
        return {int(path.stem): path.read_text() for path in files if not self.path(int(path.stem)).exists()}

    # -- shards -------------------------------------------------------------------------------

    @property
    def n_blocks(self) -> int | None:
        """Number of shards of the finished store; None if that turns out on the way."""
        return self.manifest["n_blocks"]

    def path(self, block: int) -> Path:
        """Return the file of a block."""
        return self.folder / "shards" / f"{block:06d}.h5"

    def done(self) -> list[int]:
        """Return the blocks that are there, a sorted list of int."""
        if self.n_blocks is None:
            return sorted(int(path.stem) for path in (self.folder / "shards").glob("*.h5"))
        return [block for block in range(self.n_blocks) if self.path(block).exists()]

    def save(self, task: BlockTask, arrays: Mapping[str, np.ndarray], job: StoredJob, seconds: float = 0.0) -> None:
        """Write the arrays of a block to its file, which is complete or absent."""
        variables = {name: (("point", *own), unit, meaning) for name, (own, unit, meaning) in job.variables.items()}
        variables |= job.extras
        coordinates = {"point": task.index, **job.labels}
        made_by = {**(self.made_by or {}), "host": platform.node(), "seconds": round(seconds, 3)}
        path = self.path(task.number)
        data = netcdf(arrays, coordinates, {"dmft_provenance": json.dumps(made_by)}, variables)
        try:
            write_whole(path, seal(data))
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}; finished blocks are kept") from error

    def read(self, block: int) -> dict[str, np.ndarray]:
        """Return all arrays of a block by name, those of its points and those of its own."""
        with open_file(self.path(block)) as file:
            return {name: values(data) for name, data in file.items() if not data.is_scale}

    def index(self, block: int) -> np.ndarray:
        """Return the numbers of the points of a block."""
        with open_file(self.path(block)) as file:
            return file["point"][...]

    def row(self, block: int, point: int) -> dict[str, np.ndarray]:
        """Return all arrays at one point of a block, a dict."""
        with open_file(self.path(block)) as file:
            place = int(np.flatnonzero(file["point"][...] == point)[0])
            return {name: values(file[name], place) for name in self._of_points(file)}

    def check(self, block: int) -> None:
        """Raise StoreError if the file of a block is damaged."""
        problem = damage(self.path(block))
        if problem:
            raise StoreError(f"{self.path(block)} is damaged, {problem}; resume the run to compute it again")

    def parts(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield, of every block that is there, the numbers of its points and one array of them."""
        for block in self.done():
            with open_file(self.path(block)) as file:
                if name not in file:
                    raise KeyError(name)
                yield file["point"][...], values(file[name])

    def variables(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """Return what the files say of their variables: dimensions after the point, unit, meaning.

        Returns
        -------
        dict of str to tuple
        """
        with self._first() as file:
            return {
                name: (dims(data)[1:], data.attrs.get("units", "1"), data.attrs.get("long_name", name))
                for name, data in ((name, file[name]) for name in self._of_points(file))
            }

    def specification(self) -> dict[str, Any]:
        """Return all that determines the numbers."""
        return unpacked(self.manifest["spec"])

    def labels(self) -> dict[str, np.ndarray]:
        """Return the names along dimensions that have any, a dict of arrays of str."""
        with self._first() as file:
            return {n: values(data) for n, data in (file or {}).items() if data.is_scale and data.dtype.kind == "O"}

    @staticmethod
    def _of_points(file: Mapping[str, Any] | None) -> list[str]:
        """Return the names of the arrays of the points."""
        return [name for name, data in (file or {}).items() if not data.is_scale and dims(data)[0] == "point"]

    def _first(self) -> AbstractContextManager[Any]:
        """Return the file of the first block that is there, else None, as a context."""
        done = self.done()
        return open_file(self.path(done[0])) if done else contextlib.nullcontext()


def _refuse_unless_empty(folder: Path) -> None:
    """Raise if a folder holds anything."""
    if (folder / "manifest.json").exists():
        raise StoreError(f"{folder} already holds a sweep; give another folder, or resume it")
    if not folder.exists():
        return
    # A run that was killed at its very beginning leaves these two.
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - {"lock", "shards"}:
        raise StoreError(f"{folder} exists and is not an empty folder; give another one")


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[str]:
    """Yield a line for every entry in which two nested dicts differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            yield from differences(theirs.get(key), ours.get(key), f"{path}.{key}" if path else key)
    elif theirs != ours:
        yield f"{path}: there {_short(theirs)}, here {_short(ours)}"


def _short(value: Any) -> str:
    """Return a value as JSON, cut after 60 characters."""
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
