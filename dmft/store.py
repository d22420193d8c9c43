"""Results on disk: whole or absent, with what is needed to make them again.

A store is a folder with ``manifest.json`` and one file ``shards/NNNNNN.h5`` per block of points.
Every shard is a netCDF4 file that h5py and xarray read by themselves.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from . import _kernels
from ._version import VERSION

SCHEMA = 2


class StoreError(Exception):
    """A store that cannot be made, opened or continued; the message says what to do."""


def write_whole(path, data):
    """Write bytes to a file so that it is there whole or not at all."""
    path = Path(path)
    part = path.with_name(path.name + f".part{os.getpid()}")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
    if os.name == "posix":  # the new name must survive a power cut too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def provenance():
    """Return what the numbers may depend on besides the specification, as a dict of strings."""
    return {
        "version": VERSION,
        "commit": _commit(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "compiler": _kernels.COMPILER,
        "flags": _kernels.FLAGS,
        "simd": _kernels.simd_path(),
        "openmp": str(_kernels.OPENMP),
        "host": platform.node(),
        "machine": platform.machine(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit():
    """Commit of the source tree the package runs from, with a mark if it was changed; else ''."""
    folder = Path(__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return ""
    run = {"cwd": folder, "capture_output": True, "text": True, "check": True, "timeout": 10}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], **run).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit + ("+changes" if changed else "")


def netcdf(arrays, coordinates, attributes, variables):
    """Return the bytes of a netCDF4 file.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Numbers or strings.
    coordinates : dict of str to ndarray
        Values along axes, for those that have any.
    attributes : dict of str to str
        Of the file.
    variables : dict of str to tuple
        Of each array, and of axes where known: names of its axes, unit, meaning.

    Returns
    -------
    bytes
    """
    import h5py  # late: a user who stores nothing should not wait for it

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110")) as file:
        for name, text in attributes.items():
            file.attrs[name] = text
        sizes = {}
        for name, array in arrays.items():
            sizes.update(zip(variables[name][0], array.shape, strict=True))
        for name, size in sizes.items():
            scale = _dataset(file, name, coordinates.get(name, np.arange(size)), variables)
            scale.make_scale(name)
        for name, array in arrays.items():
            if name not in sizes:
                data = _dataset(file, name, array, variables)
                for axis, dim in enumerate(variables[name][0]):
                    data.dims[axis].attach_scale(file[dim])
    return buffer.getvalue()


def npz(**arrays):
    """Return the bytes of a .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _dataset(file, name, data, variables):
    data = np.asarray(data)
    # The strings of netCDF have each their own length, those of NumPy one.
    dataset = file.create_dataset(name, data=data.astype(object) if data.dtype.kind == "U" else data)
    if name in variables:
        _, dataset.attrs["units"], dataset.attrs["long_name"] = variables[name]
    return dataset


def _values(dataset):
    return dataset.asstr()[...].astype(str) if dataset.dtype.kind == "O" else dataset[...]


class Store:
    """A folder of results; made by :meth:`create` or :meth:`open`.

    Attributes
    ----------
    folder : Path
    manifest : dict
        "schema", "spec" (all that determines the numbers), "n_points", "block" (points of a
        shard at most), "n_blocks" (shards of the finished store), and "provenance".
    """

    def __init__(self, folder, manifest):
        self.folder = Path(folder)
        self.manifest = manifest

    @classmethod
    def create(cls, folder, spec, n_points, block, n_blocks):
        """Make a new store; refuse a folder that holds anything."""
        folder = Path(folder)
        if (folder / "manifest.json").exists():
            raise StoreError(f"{folder} already holds a sweep; give another folder, or resume it")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StoreError(f"{folder} exists and is not an empty folder; give another one")
        manifest = {
            "schema": SCHEMA,
            "spec": spec,
            "n_points": n_points,
            "block": block,
            "n_blocks": n_blocks,
            "provenance": provenance(),
        }
        try:
            (folder / "shards").mkdir(parents=True)
            write_whole(folder / "manifest.json", json.dumps(manifest, indent=1).encode())
        except OSError as error:
            raise StoreError(f"cannot make a store in {folder}: {error}") from error
        return cls(folder, json.loads(json.dumps(manifest)))

    @classmethod
    def open(cls, folder):
        """Open a store that exists."""
        path = Path(folder) / "manifest.json"
        try:
            manifest = json.loads(path.read_text())
        except OSError as error:
            raise StoreError(f"{folder} holds no sweep: {error.strerror} ({path.name})") from error
        except ValueError as error:
            raise StoreError(f"{path} is damaged: {error}") from error
        if manifest.get("schema") != SCHEMA:
            raise StoreError(f"{folder} has schema {manifest.get('schema')!r}, this version reads {SCHEMA}")
        return cls(folder, manifest)

    @classmethod
    def resume(cls, folder, spec, n_points, block, n_blocks):
        """Open a store to continue it; refuse one of another specification, listing differences."""
        store = cls.open(folder)
        ours = {"spec": spec, "n_points": n_points, "block": block, "n_blocks": n_blocks}
        ours = json.loads(json.dumps(ours))
        theirs = {name: store.manifest[name] for name in ours}
        ours["version"] = VERSION
        theirs["version"] = store.manifest["provenance"]["version"]
        found = list(_differences(theirs, ours))
        if found:
            raise StoreError(f"{folder} holds another sweep, it is left untouched:\n  " + "\n  ".join(found))
        return store

    @property
    def n_blocks(self):
        """Number of shards of the finished store."""
        return self.manifest["n_blocks"]

    def path(self, block):
        """Return the file of a block."""
        return self.folder / "shards" / f"{block:06d}.h5"

    def done(self):
        """Return the blocks that are there, a sorted list of int."""
        return [block for block in range(self.n_blocks) if self.path(block).exists()]

    def save(self, task, arrays, job):
        """Write the arrays of a block: whole, or not at all."""
        extras = getattr(job, "extras", {})
        variables = {name: (("point", *dims), *about) for name, (dims, *about) in job.variables.items()} | extras
        coordinates = {"point": task.index, **job.labels}
        attributes = {"dmft_version": self.manifest["provenance"]["version"]}
        path = self.path(task.number)
        try:
            write_whole(path, netcdf(arrays, coordinates, attributes, variables))
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error}; finished blocks are kept") from error

    def read(self, number):
        """Return all arrays of a block by name, those of its points and those of its own."""
        import h5py

        with h5py.File(self.path(number)) as file:
            return {name: _values(data) for name, data in file.items() if not data.is_scale}

    def load(self, name):
        """Return one variable of the points of all finished blocks, in the order of their numbers."""
        import h5py

        index, parts = [], []
        for block in self.done():
            with h5py.File(self.path(block)) as file:
                if name not in file:
                    raise KeyError(name)
                index.append(file["point"][...])
                parts.append(_values(file[name]))
        if not parts:
            raise StoreError(f"{self.folder} has no finished block yet")
        return in_order(index, parts)

    def variables(self):
        """Return what the files say of their variables: dimensions after the point, unit, meaning.

        Returns
        -------
        dict of str to tuple
        """
        with self._first() as file:
            return {
                name: (
                    tuple(axis[0].name.strip("/") for axis in list(data.dims)[1:]),
                    data.attrs.get("units", "1"),
                    data.attrs.get("long_name", name),
                )
                for name, data in (file or {}).items()
                if not data.is_scale and data.dims[0][0].name == "/point"
            }

    def specification(self):
        """Return all that determines the numbers."""
        return self.manifest["spec"]

    def labels(self):
        """Return the names along dimensions that have any, a dict of arrays of str."""
        with self._first() as file:
            return {n: _values(data) for n, data in (file or {}).items() if data.is_scale and data.dtype.kind == "O"}

    def _first(self):
        import h5py

        done = self.done()
        return h5py.File(self.path(done[0])) if done else contextlib.nullcontext()


def in_order(index, parts):
    """Return the points of several blocks as one array, in the order of their numbers."""
    return np.concatenate(parts)[np.argsort(np.concatenate(index))]


def _differences(theirs, ours, path=""):
    """Yield a line for every entry in which two nested dicts differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            yield from _differences(theirs.get(key), ours.get(key), f"{path}.{key}" if path else key)
    elif theirs != ours:
        yield f"{path}: there {_short(theirs)}, here {_short(ours)}"


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
