"""Describes a store in words: what it is, how far it got, what went wrong, what made it."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .._util.progress import duration
from ..store import Store

_REASONS = 5  # that are told


def report(folder: str | os.PathLike[str]) -> list[str]:
    """Return the lines that ``dmft show`` prints."""
    store = Store.open(folder)
    store.check()
    spec = store.specification()
    done = store.done()
    sizes = {number: len(store.index(number)) for number in done}
    n_points, n_done = store.manifest["n_points"], sum(sizes.values())
    n_blocks = f" of {store.n_blocks}" if store.n_blocks is not None else ""
    lines = [f"{folder}: {len(done)}{n_blocks} blocks, {n_done} of {n_points} points"]
    lines += [f"  {line}" for line in (_state(store, sizes), *_axes(spec), *_job(spec))]
    if done:
        lines.append(f"  arrays: {', '.join(store.variables())}")
        lines += [f"  {line}" for line in (*_computed_points(store), *_failed_points(store))]
    for number, trace in store.failures().items():
        lines.append(f"  block {number} failed: {trace.strip().splitlines()[-1]}")
    lines.append(f"  specification: {store.manifest['hash']}")
    lines += [f"  {name}: {value}" for name, value in store.manifest["provenance"].items() if value]
    return lines


def _state(store: Store, sizes: Mapping[int, int]) -> str:
    """Say whether it is finished, running or left, and how long it will take."""
    n_left = store.manifest["n_points"] - sum(sizes.values())
    owner = store.running
    if not n_left:
        return "finished"
    if owner is None:
        return f"not running, {n_left} points are left: continue with --resume"
    since = datetime.fromisoformat(owner["since"])
    new = sum(size for number, size in sizes.items() if store.path(number).stat().st_mtime > since.timestamp())
    spent = (datetime.now(UTC) - since).total_seconds()
    who = f"in use by process {owner['pid']} on {owner['host']} for {duration(spent)}"
    if not new:
        return f"{who}, no block finished yet"
    return f"{who}, {new / spent:.3g} points/s, about {duration(n_left * spent / new)} left"


def _axes(spec: Mapping[str, Any]) -> Iterator[str]:
    for name, values in spec["axes"].items():
        values = np.asarray(values)
        beside = f", together with {spec['dims'][0]}" if name not in spec["dims"] else ""
        yield f"{name}: {values.size} values, {values.min():g} to {values.max():g}{beside}"


def _job(spec: Mapping[str, Any]) -> Iterator[str]:
    """Describe a job by what its specification holds."""
    yield f"{spec['job']}: {_listed(spec.get('model', {}), without=spec['axes'])}"
    for name, value in spec.items():
        if name not in ("job", "model", "axes", "dims", "together"):
            yield f"{name}: {_listed(value) if isinstance(value, dict) else _short(value)}"


def _listed(values: Mapping[str, Any], without: Any = ()) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in values.items() if name not in without)


def _computed_points(store: Store) -> Iterator[str]:
    """Say how many points were computed, if some were filled in."""
    if "computed" in store.variables():
        computed = np.concatenate([part for _, part in store.parts("computed")])
        yield f"{np.count_nonzero(computed)} of {store.manifest['n_points']} points computed, the others filled in"


def _failed_points(store: Store) -> Iterator[str]:
    """Count the points that came to no end, by their reasons."""
    failed, total = 0, 0
    reasons: collections.Counter[str] = collections.Counter()
    names = store.variables()
    for index, status in store.parts("status"):
        failed += int(np.count_nonzero(status.reshape(len(index), -1).any(axis=1)))
        total += len(index)
    if failed and "reason" in names:
        for _, reason in store.parts("reason"):
            reasons.update(text for text in reason.ravel().tolist() if text)
    yield f"failed points: {failed} of {total}" + (f" (status is {names['status'][2]})" if failed else "")
    for text, count in reasons.most_common(_REASONS):
        yield f"  {count} x {text}"
    if len(reasons) > _REASONS:
        yield f"  and {len(reasons) - _REASONS} other reasons"


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, np.ndarray) or (isinstance(value, list) and len(str(value)) > 60):
        return f"({' x '.join(map(str, np.shape(value)))} entries)" if not _ragged(value) else "(...)"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _ragged(value: Any) -> bool:
    try:
        np.shape(value)
    except ValueError:
        return True
    return False
