"""One door for what is handed to the methods of jobs, by the engine or by a user."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .._util.checks import function, instance, instances, numbers, one_of, shown, table, whole, word
from .._util.threads import n_threads as threads
from .grid import Block, Grid, Task


def _points(job: Any, value: Any) -> None:
    given = table("points", value)
    for name in job.point:
        if name not in given:
            raise ValueError(f"points must have all of {', '.join(job.point)}, got {shown(list(given))}")
        numbers(f"points[{name!r}]", given[name])


def _result(_: Any, value: Any) -> None:
    from .results import SweepResult

    instance("result", value, SweepResult, "a dmft.SweepResult")


def _blocks(_: Any, value: Any) -> None:
    if not isinstance(value, list | tuple) or value:
        instances("blocks", value, Block, "blocks of a grid")


def _done(_: Any, value: Any) -> None:
    try:
        parts = value.parts
    except Exception:  # whatever an object of the caller's raises
        parts = None
    if not callable(parts):
        raise ValueError(f"done must be a store, or what a result holds in memory, got {shown(value)}")


def _findings(_: Any, value: Any) -> None:
    if value is not None and not isinstance(value, list | tuple):
        raise ValueError(f"findings must be a list, or None, got {shown(value)}")


# By the name of an argument, whichever method has it.
_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "axes": lambda job, value: table("axes", value),
    "blocks": _blocks,
    "done": _done,
    "feature": lambda job, value: whole("feature", value, 1),
    "findings": _findings,
    "grid": lambda job, value: instance("grid", value, Grid, "the grid of a job"),
    "index": lambda job, value: whole("index", value),
    "n_threads": lambda job, value: threads(value),
    "n_points": lambda job, value: whole("n_points", value),
    "name": lambda job, value: one_of("name", value, job.names),
    "points": _points,
    "result": _result,
    "size": lambda job, value: whole("size", value, 1),
    "spec": lambda job, value: table("spec", value),
    "task": lambda job, value: instance("task", value, Task, "the task of a block"),
    "tick": lambda job, value: function("tick", value),
    "variable": lambda job, value: None if value is None else word("variable", value),
}
_METHODS = (
    "block_bytes", "check", "cost", "cut", "draw", "estimate", "failures", "findings", "from_specification", "grid",
    "more", "no_picture", "picture", "run", "seed_of",
)  # fmt: skip


def guard(job: type) -> None:
    """Let the methods of a class check what they are given."""
    for name in _METHODS:
        method = vars(job).get(name)
        kind = type(method) if isinstance(method, classmethod | staticmethod) else None
        inner = method.__func__ if isinstance(method, classmethod | staticmethod) else method
        if inspect.isfunction(inner) and kind is not staticmethod:
            checked = _reading(inner) if name == "from_specification" else _checked(inner)
            setattr(job, name, classmethod(checked) if kind else checked)


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def checked(self: Any, *arguments: Any, **named: Any) -> Any:
        given = dict(zip(names, arguments, strict=False)) | named
        for name, value in given.items():
            if name == "value":  # of the parameter that `name` says: an error is about that one
                numbers(str(given.get("name", name)), value)
            elif name in _RULES:
                _RULES[name](self, value)
        return method(self, *arguments, **named)

    return checked


def _reading(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return `from_specification` with a clear error where an entry is missing, or of another kind."""
    checked = _checked(method)

    @functools.wraps(method)
    def reading(cls: Any, spec: Any) -> Any:
        try:
            return checked(cls, spec)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(f"spec must be that of a {spec.get('job')!r}, it cannot be read: {error!r}") from error

    return reading
