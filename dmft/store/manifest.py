"""The manifest of a folder: what determines its numbers, how they were cut, what made them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._util.checks import path as checked_path
from .._version import VERSION
from .errors import StoreError
from .plain import digest, packed, unpacked
from .provenance import DECISIVE, provenance
from .whole import read_plain, write_whole

SCHEMA = 2
NAME = "manifest.json"
LIMIT = 2**28  # bytes of its file
_DECIDED = ("spec", "n_points", "block", "n_blocks")  # what the hash is of
_OLD_HASH = 16  # letters of the hash of earlier versions: of the specification's text alone


def write(folder: Path, spec: Mapping[str, Any], n_points: int, block: int, n_blocks: int | None) -> dict[str, Any]:
    """Write the manifest of a new folder, and return it as it is read."""
    manifest = {
        "schema": SCHEMA,
        "spec": packed(spec),
        "n_points": n_points,
        "block": block,
        "n_blocks": n_blocks,
        "provenance": provenance(),
    }
    manifest = json.loads(json.dumps(manifest))
    try:
        manifest["hash"] = fingerprint(manifest)
        text = json.dumps(manifest, indent=1).encode()
        if len(text) > LIMIT:
            raise ValueError(f"it must take at most {LIMIT} bytes, got {len(text)}")
    except ValueError as error:
        raise StoreError(f"what determines the numbers is too long to be kept: {error}") from error
    trust(folder, manifest)
    write_whole(folder / NAME, text)
    return manifest


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the manifest of a folder, its entries of the right kinds; StoreError if there is none."""
    path = Path(checked_path("folder", folder)) / NAME
    try:
        manifest = json.loads(read_plain(path, LIMIT))
        schema = manifest["schema"]
    except OSError as error:
        raise StoreError(f"{folder} holds no sweep: {error.strerror} ({path.name})") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {_line(error)}") from error
    if schema != SCHEMA:
        made_by = manifest.get("provenance")
        made_by = made_by.get("version", "another version") if isinstance(made_by, dict) else "another version"
        raise StoreError(
            f"{folder} was made by dmft {made_by} and has schema {_short(schema)}; this is dmft {VERSION}, which reads "
            f"schema {SCHEMA}: use that version, or make the sweep again in another folder"
        )
    for problem in problems(manifest):
        raise StoreError(f"{path} is damaged: {problem}")
    return manifest


def trust(folder: str | os.PathLike[str], manifest: Mapping[str, Any]) -> None:
    """Raise StoreError unless a manifest is as it was written: its hash fits, and its numbers fit each other."""
    path = Path(folder) / NAME
    try:
        old = is_old(manifest)
        fits = manifest["hash"] in ((digest(manifest["spec"])[:_OLD_HASH],) if old else (fingerprint(manifest),))
        problem = None if fits else "its hash does not fit, it was changed since it was written"
        problem = problem or _contradiction(unpacked(manifest["spec"]), manifest)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        problem = _line(error)
    if problem:
        raise StoreError(f"{path} is damaged: {problem}; restore it, or make the sweep again in another folder")


def fingerprint(manifest: Mapping[str, Any]) -> str:
    """Return the hash of all that decides what the shards hold: of values, however they are compressed."""
    return digest({name: unpacked(manifest[name]) for name in _DECIDED})


def is_old(manifest: Mapping[str, Any]) -> bool:
    """Say whether an earlier version made it, whose shards do not say which sweep they are of."""
    return len(manifest["hash"]) == _OLD_HASH


def other_sweep(manifest: Mapping[str, Any], spec: Mapping[str, Any], n_points: int, n_blocks: int | None) -> list[str]:
    """Return in what a manifest differs from what a run would write, a line for each entry."""
    ours = {"spec": packed(spec), "n_points": n_points, "n_blocks": n_blocks, "version": VERSION}
    theirs = {**manifest, "version": manifest["provenance"].get("version")}
    try:
        return list(
            differences({name: unpacked(theirs[name]) for name in ours}, unpacked(json.loads(json.dumps(ours))))
        )
    except (ValueError, TypeError, RecursionError) as error:
        return [f"spec: it cannot be read, {_line(error)}"]


def changes(manifest: Mapping[str, Any], made_by: Mapping[str, str]) -> list[str]:
    """Return what differs from where a folder was begun and may change the bits of results."""
    then, now = ({name: one.get(name) for name in DECISIVE} for one in (manifest["provenance"], made_by))
    return list(differences(then, now))


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[str]:
    """Yield a line for every entry in which two nested dicts differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            yield from differences(theirs.get(key), ours.get(key), f"{path}.{key}" if path else key)
    elif not _equal(theirs, ours):
        yield f"{path}: there {_short(theirs)}, here {_short(ours)}"


def _equal(one: Any, other: Any) -> bool:
    """Say whether two values are the same, NaN the same as NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        return same or np.array_equal(one, other)  # the same numbers in other bytes
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other) or (one != one and other != other)  # both NaN


def problems(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield what is not of the kind that it should be."""

    def wrong(name: str, rule: str) -> str:
        return f"{name} must be {rule}, got {_short(manifest.get(name))}"

    if not isinstance(manifest.get("hash"), str):
        yield wrong("hash", "text")
    for name in ("spec", "provenance"):
        if not isinstance(manifest.get(name), dict):
            yield wrong(name, "a table")
    for name in ("n_points", "block", "n_blocks"):
        value = manifest.get(name)
        if name == "n_blocks" and value is None:  # that turns out on the way
            continue
        if type(value) is not int or not 1 <= value < 2**63:
            yield wrong(name, "a whole number >= 1")
    made_by = manifest.get("provenance")
    if isinstance(made_by, dict) and not all(isinstance(text, str) for text in made_by.values()):
        yield wrong("provenance", "a table of texts")


def _contradiction(spec: dict[str, Any], manifest: Mapping[str, Any]) -> str | None:
    """Return what in a manifest cannot be together, None if nothing."""
    if not isinstance(spec.get("job"), str):
        return f"spec.job must be text, got {_short(spec.get('job'))}"
    axes, dims = spec.get("axes"), spec.get("dims")
    if not isinstance(axes, dict) or not axes:
        return f"spec.axes must be a table of lists of numbers, got {_short(axes)}"
    for name, values in axes.items():
        if (
            not isinstance(values, (list, np.ndarray))
            or np.ndim(values) != 1
            or np.asarray(values).dtype.kind not in "iuf"
        ):
            return f"spec.axes.{name} must be a list of numbers, got {_short(values)}"
    if not isinstance(dims, list) or not all(isinstance(name, str) and name in axes for name in dims):
        return f"spec.dims must be names of axes, got {_short(dims)}"
    n_points = math.prod(len(axes[name]) for name in dims)
    if manifest["n_points"] != n_points:
        return f"n_points must be {n_points}, the product of the axes, got {manifest['n_points']}"
    if (manifest["n_blocks"] or 0) > 2 * n_points:
        return f"n_blocks must be at most twice the number of points, {n_points}, got {manifest['n_blocks']}"
    return None


def _line(error: BaseException) -> str:
    """Return an error in one line."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(f"{error!r}".split())


def _short(value: Any) -> str:
    """Return a value as JSON, cut after 60 characters."""
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(value.tobytes()).hexdigest()[:8]
        return f"{' x '.join(map(str, value.shape))} numbers ({content})"
    text = "nothing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
