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

SCHEMA = 1

# Dimensions after the point, unit and meaning of every variable a store can hold.
VARIABLES = {
    "beta": ((), "1", "inverse temperature of the output"),
    "gamma": ((), "1", "inverse temperature of the attention"),
    "epsilon": ((), "1", "weight of the position"),
    "status": ((), "1", "0: finished, 1: the orbit left the real numbers"),
    "n_recorded": ((), "1", "rows of the orbit that are filled"),
    "attention": (("row", "feature"), "1", "attention A"),
    "output": (("row", "feature"), "1", "overlap m^o"),
    "semantic": (("row", "feature"), "1", "semantic part of the overlap m^o"),
    "value": (("row", "feature"), "1", "overlap m^v"),
    "query": (("row", "feature"), "1", "overlap m^q"),
    "key": (("row", "feature"), "1", "overlap m^k"),
    "window": (("context", "feature"), "1", "attention at the end, newest first"),
    "exponents": (("exponent",), "nat / token step", "Lyapunov exponents, descending"),
    "n_lost": (("exponent",), "token step", "steps in which a stretch was below rounding"),
    "history": (("record", "exponent"), "nat / token step", "running Lyapunov exponents"),
}


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


def netcdf(arrays, dims, coordinates, attributes):
    """Return the bytes of a netCDF4 file with some of the VARIABLES.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Leading axes `dims`, then those of VARIABLES.
    dims : tuple of str
        Names of the leading axes.
    coordinates : dict of str to ndarray
        Values along axes, for those that have any.
    attributes : dict of str to str
        Of the file.

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
            sizes.update(zip(dims + VARIABLES[name][0], array.shape, strict=True))
        for name, size in sizes.items():
            data = coordinates.get(name, np.arange(size))
            scale = file.create_dataset(name, data=data)
            scale.make_scale(name)
            _describe(scale, name)
        for name, array in arrays.items():
            if name in sizes:
                continue
            data = file.create_dataset(name, data=array)
            for axis, dim in enumerate(dims + VARIABLES[name][0]):
                data.dims[axis].attach_scale(file[dim])
            _describe(data, name)
    return buffer.getvalue()


def _describe(dataset, name):
    if name in VARIABLES:
        _, dataset.attrs["units"], dataset.attrs["long_name"] = VARIABLES[name]


class Store:
    """A folder of results; made by :meth:`create` or :meth:`open`.

    Attributes
    ----------
    folder : Path
    manifest : dict
        "schema", "spec" (all that determines the numbers), "n_points", "block" (points of a
        shard), and "provenance".
    """

    def __init__(self, folder, manifest):
        self.folder = Path(folder)
        self.manifest = manifest

    @classmethod
    def create(cls, folder, spec, n_points, block):
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
    def resume(cls, folder, spec, n_points, block):
        """Open a store to continue it; refuse one of another specification, listing differences."""
        store = cls.open(folder)
        ours = json.loads(json.dumps({"spec": spec, "n_points": n_points, "block": block}))
        ours["version"] = VERSION
        theirs = {name: store.manifest[name] for name in ("spec", "n_points", "block")}
        theirs["version"] = store.manifest["provenance"]["version"]
        found = list(_differences(theirs, ours))
        if found:
            raise StoreError(f"{folder} holds another sweep, it is left untouched:\n  " + "\n  ".join(found))
        return store

    @property
    def n_blocks(self):
        """Number of shards of the finished store."""
        return -(-self.manifest["n_points"] // self.manifest["block"])

    def path(self, block):
        """Return the file of a block."""
        return self.folder / "shards" / f"{block:06d}.h5"

    def done(self):
        """Return the blocks that are there, a sorted list of int."""
        return [block for block in range(self.n_blocks) if self.path(block).exists()]

    def save(self, block, arrays):
        """Write one block: whole, or not at all."""
        first = block * self.manifest["block"]
        n_points = len(next(iter(arrays.values())))
        coordinates = {"point": np.arange(first, first + n_points)}
        attributes = {"dmft_version": self.manifest["provenance"]["version"]}
        try:
            write_whole(self.path(block), netcdf(arrays, ("point",), coordinates, attributes))
        except OSError as error:
            raise StoreError(f"cannot write {self.path(block)}: {error}; finished blocks are kept") from error

    def load(self, name):
        """Return one variable of all finished blocks, points first."""
        import h5py

        parts = []
        for block in self.done():
            with h5py.File(self.path(block)) as file:
                if name not in file:
                    raise KeyError(name)
                parts.append(file[name][...])
        if not parts:
            raise StoreError(f"{self.folder} has no finished block yet")
        return np.concatenate(parts)

    def variables(self):
        """Return the names of the variables in the store."""
        import h5py

        done = self.done()
        if not done:
            return []
        with h5py.File(self.path(done[0])) as file:
            return [name for name in VARIABLES if name in file]


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
