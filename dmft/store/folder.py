"""The folder of a sweep on disk: its manifest, shards, log and failures."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._util.checks import flag, instance, integers, number, shown, table, whole, word
from .._util.checks import path as checked_path
from .._util.reporting import unheard
from .._util.values import Whole
from . import leftovers, manifest
from .errors import StoreError, UnsoundError
from .lock import Lock, holder
from .manifest import problems
from .netcdf4 import LOGGER, Variables, described, dims, first_dim, netcdf, values
from .plain import unpacked
from .provenance import provenance
from .shard import marks, open_shard
from .whole import append_plain, open_plain, read_plain, refuse_unless_folder, seal_of, write_whole

if TYPE_CHECKING:
    import h5py

_TRACE = 2**20  # bytes of a traceback that is read
_TOLD = 5  # damaged shards that are named


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


class Store(Whole):
    """A folder of results; returned by :meth:`create`, :meth:`resume` or :meth:`open`.

    Attributes
    ----------
    folder : Path
    manifest : dict
        "schema", "spec" (all that determines the numbers), "n_points", "block" (points of a shard at most), "n_blocks"
        (shards of the finished store; None if that turns out on the way), "hash" (of these four), "provenance".
    made_by : dict or None
        The provenance of the process that opened it, kept in each shard it writes; None if it was opened to read.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: dict[str, Any], lock: Lock | None = None) -> None:
        self.folder = Path(checked_path("folder", folder))
        self.manifest = table("manifest", manifest)
        if problem := next(problems(self.manifest), None):
            raise ValueError(f"manifest must be that of a store: {problem}")
        if lock is not None:
            instance("lock", lock, Lock, "a lock")
        self.made_by: dict[str, str] | None = provenance() if lock else None
        self._lock = lock
        self._sound: set[Any] = set()  # shards that were looked at

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}  # the lock stays with the process that took it

    @classmethod
    def create(
        cls, folder: str | os.PathLike[str], spec: Mapping[str, Any], n_points: int, block: int, n_blocks: int | None
    ) -> Store:
        """Create a new store, to write in; refuse a folder that holds anything but what killed runs left."""
        folder = Path(checked_path("folder", folder))
        _check_sizes(spec, n_points, block, n_blocks)
        leftovers.refuse_unless_blank(folder)
        try:
            (folder / "shards").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make a store in {folder}: {error.strerror}") from error
        lock = Lock(folder)
        lock.take()
        try:
            leftovers.refuse_unless_blank(folder)  # another run may have been faster
            leftovers.clear(folder)
            made = manifest.write(folder, spec, n_points, block, n_blocks)
            return cls(folder, made, lock)._begun()
        except BaseException as error:
            lock.release()
            if isinstance(error, OSError):
                raise StoreError(f"cannot make a store in {folder}: {error.strerror}") from error
            raise

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Store:
        """Open a store that exists, to read."""
        found = manifest.read(folder)
        manifest.trust(folder, found)
        refuse_unless_folder(Path(folder) / "shards")
        return cls(folder, found)

    @classmethod
    def resume(
        cls, folder: str | os.PathLike[str], spec: Mapping[str, Any], n_points: int, block: int, n_blocks: int | None
    ) -> Store:
        """Open a store to continue it; refuse one of another specification, listing differences.

        Shards that are damaged, and what a killed run left half-written, are removed; the log says so. Shards of
        another sweep or block get another name.
        """
        _check_sizes(spec, n_points, block, n_blocks)
        found = manifest.read(folder)
        if others := manifest.other_sweep(found, spec, n_points, n_blocks):
            raise StoreError(f"{folder} holds another sweep, it is left untouched:\n  " + "\n  ".join(others))
        manifest.trust(folder, found)
        lock = Lock(folder)
        lock.take()
        try:
            store = cls(folder, found, lock)._begun()
            leftovers.clear(store.folder)
            store._clean()
        except BaseException as error:
            lock.release()
            if isinstance(error, OSError):
                raise StoreError(f"cannot go on in {folder}: {error.strerror}") from error
            raise
        return store

    @staticmethod
    def is_blank(folder: str | os.PathLike[str]) -> bool:
        """Say whether a folder is there but holds nothing, or only what a run left that was killed as it began."""
        folder = Path(checked_path("folder", folder))
        return folder.is_dir() and not leftovers.others(folder)

    @staticmethod
    def block_of(folder: str | os.PathLike[str]) -> int:
        """Return how many points a shard has at most."""
        return int(manifest.read(folder)["block"])

    def _begun(self) -> Store:
        """Look at all that is written in place, and at what writes it, before work begins."""
        with unheard(LOGGER):
            import h5py  # noqa: F401

        for name in ("shards", "failures"):
            refuse_unless_folder(self.folder / name)
        (self.folder / "shards").mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.close(open_plain(self.folder / "run.log", os.O_WRONLY | os.O_APPEND))
        if self._lock and not self._lock.held:
            self.log("this file system has no file locks: see yourself that no other run writes in the folder")
        return self

    def _clean(self) -> None:
        """Take away the shards that cannot be used."""
        for block in self.done():
            try:
                with self.opened(block):
                    pass
            except UnsoundError as error:
                self.set_aside(block, error.reason, error.worthless)

    def set_aside(self, block: int, reason: str, worthless: bool = False) -> None:
        """Take away the shard of a block, to compute it again; it is kept under another name if it may be of use."""
        path, reason, worthless = self.path(block), word("reason", reason), flag("worthless", worthless)
        kept = ""
        if worthless or path.is_symlink() or not path.is_file():
            path.unlink()
        else:
            aside = path.with_suffix(".h5.aside")
            os.replace(path, aside)
            kept = f", the old one is kept as {aside.name}"
        self.log(f"block {block}: {path.name} {reason}: computed again{kept}")

    def clear_merged(self) -> None:
        """Remove what killed merges left in the folder."""
        leftovers.clear_merged(self.folder)

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
        return manifest.changes(self.manifest, self.made_by or provenance())

    # -- the log ------------------------------------------------------------------------------

    def log(self, line: str) -> None:
        """Add a line to ``run.log``; a full disk must not hide what went wrong first."""
        line = word("line", line)
        stamp = datetime.now().astimezone().isoformat("T", "seconds")
        with contextlib.suppress(OSError, StoreError):
            append_plain(self.folder / "run.log", f"{stamp} {line}\n")

    def fail(self, block: int, reason: str | None) -> None:
        """Write why a block failed; None removes the reason of an earlier failure."""
        reason = None if reason is None else word("reason", reason)
        path = self.folder / "failures" / f"{whole('block', block):06d}.txt"
        with contextlib.suppress(OSError, StoreError):
            refuse_unless_folder(path.parent)
            if reason is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(exist_ok=True)
                write_whole(path, reason.encode(errors="backslashreplace")[-_TRACE:])

    def failures(self) -> dict[int, str]:
        """Return why blocks failed, a dict of int to str."""
        done = set(self.done())
        found: dict[int, str] = {}
        for block, name in self._numbered("failures", ".txt"):
            if block not in done:
                with contextlib.suppress(OSError, StoreError):
                    found[block] = read_plain(self.folder / "failures" / name, _TRACE).decode(errors="replace")
        return found

    # -- shards -------------------------------------------------------------------------------

    @property
    def n_blocks(self) -> int | None:
        """Number of shards of the finished store; None if that turns out on the way."""
        return self.manifest["n_blocks"]

    def path(self, block: int) -> Path:
        """Return the file of a block."""
        return self.folder / "shards" / f"{whole('block', block):06d}.h5"

    def done(self) -> list[int]:
        """Return the blocks that are there, a sorted list of int."""
        end = 2 * self.manifest["n_points"] if self.n_blocks is None else self.n_blocks
        return [block for block, _ in self._numbered("shards", ".h5") if block < end]

    def _numbered(self, folder: str, ending: str) -> list[tuple[int, str]]:
        """Return the numbers and names of the files of blocks that are there, sorted; other files are passed over."""
        pattern = re.compile(r"(\d{6}|[1-9]\d{6,17})" + re.escape(ending), re.ASCII)
        try:
            refuse_unless_folder(self.folder / folder)
            names = os.listdir(self.folder / folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.folder / folder}: {error.strerror}") from error
        return sorted((int(found[1]), name) for name in names if (found := pattern.fullmatch(name)))

    def save(self, task: BlockTask, arrays: Mapping[str, np.ndarray], job: StoredJob, seconds: float = 0.0) -> None:
        """Write the arrays of a block to its file, which is complete or absent."""
        own, extras = (described(f"job.{name}", _part("job", job, name)) for name in ("variables", "extras"))
        variables = {name: (("point", *after), unit, meaning) for name, (after, unit, meaning) in own.items()}
        index = integers("task.index", _part("task", task, "index"), 0, self.manifest["n_points"] - 1)
        coordinates = {"point": index, **table("job.labels", _part("job", job, "labels"))}
        block, seconds = whole("task.number", _part("task", task, "number")), round(number("seconds", seconds, 0), 3)
        made_by = {**(self.made_by or {}), "host": platform.node(), "seconds": seconds}
        path = self.path(block)
        about = {"dmft_provenance": json.dumps(made_by), **marks(self.manifest["hash"], block)}
        data = netcdf(arrays, coordinates, about, variables | extras)
        try:
            write_whole(path, data, seal_of(data))  # a copy of both would be as large as the block again
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}; finished blocks are kept") from error

    def opened(self, block: int) -> AbstractContextManager[h5py.File]:
        """Return the file of a block, as a context; UnsoundError if it is damaged or of another sweep or block."""
        old = manifest.is_old(self.manifest)
        return open_shard(self.path(block), self.manifest, block, old, self._sound)

    def read(self, block: int) -> dict[str, np.ndarray]:
        """Return all arrays of a block by name, those of its points and those of its own."""
        with self.opened(block) as file:
            return {name: values(data) for name, data in file.items() if not data.is_scale}

    def index(self, block: int) -> np.ndarray:
        """Return the numbers of the points of a block."""
        with self.opened(block) as file:
            return file["point"][...]

    def row(self, block: int, point: int) -> dict[str, np.ndarray]:
        """Return all arrays at one point of a block, a dict."""
        point = whole("point", point)
        with self.opened(block) as file:
            place = np.flatnonzero(file["point"][...] == point)
            if not place.size:
                raise ValueError(f"point must be one of block {block}, got {point}")
            return {name: values(file[name], int(place[0])) for name in self._of_points(file)}

    def check(self, block: int | None = None) -> None:
        """Raise StoreError if the file of a block, or any, is damaged, or of another sweep or block.

        A file is read once, and again only if it was changed.
        """
        wrong: list[UnsoundError] = []
        seen: list[np.ndarray] = []
        for one in self.done() if block is None else [block]:
            try:
                with self.opened(one) as file:
                    if manifest.is_old(self.manifest):
                        seen.append(file["point"][...])
            except UnsoundError as error:
                wrong.append(error)
        if len(wrong) == 1:
            raise wrong[0]
        if wrong:
            told = "; ".join(f"{error.path} {error.reason}" for error in wrong[:_TOLD])
            more = f"; and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
            raise StoreError(f"{len(wrong)} shards cannot be used, resume the run to compute them again: {told}{more}")
        points = np.concatenate(seen) if seen else np.arange(0)
        if np.unique(points).size < points.size:
            raise StoreError(f"{self.folder} has shards of the same points; resume the run to compute them again")

    def parts(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield, of every block that is there, the numbers of its points and one array of them."""
        name = word("name", name)
        for block in self.done():
            with self.opened(block) as file:
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
        return [name for name, data in (file or {}).items() if not data.is_scale and first_dim(data) == "point"]

    def _first(self) -> AbstractContextManager[Any]:
        """Return the file of the first block that is there, else None, as a context."""
        done = self.done()
        return self.opened(done[0]) if done else contextlib.nullcontext()


def _check_sizes(spec: Any, n_points: int, block: int, n_blocks: int | None) -> None:
    """Raise ValueError if these cannot be those of a store."""
    table("spec", spec)
    whole("n_points", n_points, 1)
    whole("block", block, 1)
    if n_blocks is not None:
        whole("n_blocks", n_blocks, 1)


def _part(name: str, value: Any, part: str) -> Any:
    """Return what a task or a job must say."""
    try:
        return getattr(value, part)
    except Exception:  # whatever an object of the caller's raises
        raise ValueError(f"{name} must have {part}, got {shown(value)}") from None
