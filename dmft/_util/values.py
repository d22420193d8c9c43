"""Frozen values: they keep their read-only arrays in copies and pickles, and are compared without surprises."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .sparse import is_sparse, locked, parts_of_rows

_FEW = 8  # elements of a part that are shown
_LONG = 200  # letters of one


def _in_short(value: Any) -> str:
    shown = [field.name for field in dataclasses.fields(value) if field.repr]
    return f"{type(value).__qualname__}({', '.join(f'{name}={_short(getattr(value, name))}' for name in shown)})"


def _short(part: Any) -> str:
    """Return a part of a value as text of one line, or what and how many it holds."""
    if isinstance(part, np.ndarray) and part.size > _FEW:
        return f"<{' x '.join(map(str, part.shape))} {part.dtype}>"
    if isinstance(part, Mapping) and type(part) in (dict, MappingProxyType):
        text = "{" + ", ".join(f"{key!r}: {_short(item)}" for key, item in part.items()) + "}"
        return text if len(text) <= _LONG else f"<{len(part)} by name: {', '.join(map(str, list(part)[:_FEW]))}>"
    if type(part) in (list, tuple):
        text = ", ".join(map(_short, part)) if len(part) <= _FEW else "." * (_LONG + 1)
        brackets = "[]" if type(part) is list else "()" if len(part) != 1 else ("(", ",)")
        return f"{brackets[0]}{text}{brackets[1]}" if len(text) <= _LONG else f"<{len(part)} {type(part[0]).__name__}>"
    text = " ".join(repr(part).split())
    return text if len(text) <= _LONG else f"<{type(part).__name__}>"


class Whole:
    """An object that arrays compare with as a whole, not element by element: ``x in [array]`` is False, no error."""

    __slots__ = ()
    __array_ufunc__: ClassVar[None] = None


class Frozen(Whole):
    """A frozen dataclass that is equal to itself alone; its arrays stay read-only in copies and pickles.

    It is shown in a few lines however much it holds, in a notebook as a table of its parts.

    Examples
    --------
    >>> import copy
    >>> @dataclasses.dataclass(frozen=True, eq=False)
    ... class Result(Frozen):
    ...     series: np.ndarray
    >>> result = Result(read_only := np.zeros(2))
    >>> read_only.flags.writeable = False
    >>> copy.deepcopy(result).series.flags.writeable, result == result, result == read_only
    (False, True, False)
    >>> Result(np.zeros((1_000, 3))), Result(np.ones(2))
    (Result(series=<1000 x 3 float64>), Result(series=array([1., 1.])))
    >>> Result(np.zeros((1_000, 3)))._repr_html_().count("&lt;1000 x 3 float64&gt;")
    1
    """

    __slots__ = ()

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "__repr__" not in cls.__dict__:  # or a dataclass would make one that shows all
            cls.__repr__ = _in_short  # type: ignore[method-assign]  # it is that of all of them

    def _repr_html_(self) -> str | None:
        """Return a table of the parts for notebooks, or None where the class has its own short text."""
        if type(self).__repr__ is not _in_short:
            return None
        whole: Any = self  # a dataclass, as all that are derived
        shown = {field.name: _short(getattr(self, field.name)) for field in dataclasses.fields(whole) if field.repr}
        left = '<td style="text-align: left">'
        rows = "".join(f"<tr><th>{name}</th>{left}{html.escape(part)}</td></tr>" for name, part in shown.items())
        return f"<table><caption>{html.escape(type(self).__qualname__)}</caption>{rows}</table>"

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (type(self), {name: _packed(value) for name, value in parts_of(self).items()})


class Value(Frozen):
    """A frozen dataclass that equals others of its class with equal parts, whose hashes are equal then too.

    Arrays are equal if all their numbers are, NaN counts as equal to NaN, and 0.0 to -0.0.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, eq=False)
    ... class Point(Value):
    ...     x: np.ndarray
    >>> Point(np.array([0.0, np.nan])) == Point(np.array([-0.0, np.nan])), Point(np.ones(2)) == Point(np.ones(3))
    (True, False)
    >>> len({Point(np.array([0.0, np.nan])), Point(np.array([-0.0, np.nan]))})
    1
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in _fields(self))

    def __hash__(self) -> int:
        return hash((type(self), *(_hash(getattr(self, name)) for name in _fields(self))))


def parts_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, and what a subclass keeps besides, by name."""
    return {**{name: getattr(value, name) for name in _fields(value)}, **getattr(value, "__dict__", {})}


def restored(kind: type, parts: Mapping[str, Any]) -> Any:
    """Return a value of a class with parts that were packed, unchecked: they were when it was made."""
    value: Any = object.__new__(kind)
    for name, part in parts.items():
        object.__setattr__(value, name, _unpacked(part))
    return value


def _fields(value: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(value))


class _ReadOnly(NamedTuple):
    array: np.ndarray


class _Rows(NamedTuple):
    matrix: Any


class _Proxy(NamedTuple):
    items: dict[Any, Any]


def _packed(part: Any) -> Any:
    """Return a part of a value in a form that can be pickled and tells what is read-only."""
    if isinstance(part, np.ndarray):
        return part if part.flags.writeable else _ReadOnly(part)
    if isinstance(part, MappingProxyType):
        return _Proxy(_each(_packed, dict(part)))
    if is_sparse(part):
        return _Rows(part)
    return _each(_packed, part)


def _unpacked(part: Any) -> Any:
    """Return a part of a value as it was before it was packed."""
    if isinstance(part, _ReadOnly):
        part.array.flags.writeable = False
        return part.array
    if isinstance(part, _Proxy):
        return MappingProxyType(_each(_unpacked, part.items))
    if isinstance(part, _Rows):
        return locked(part.matrix)
    return _each(_unpacked, part)


def _each(change: Callable[[Any], Any], part: Any) -> Any:
    """Return a dict, list or tuple with its elements changed; others as they are."""
    if type(part) is dict:
        return {key: change(item) for key, item in part.items()}
    return type(part)(change(item) for item in part) if type(part) in (list, tuple) else part


def _equal(a: Any, b: Any) -> bool:
    """Return whether two parts of values are equal."""
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and _same_array(a, b)
    if is_sparse(a) or is_sparse(b):
        return is_sparse(a) and is_sparse(b) and a.shape == b.shape and _equal(parts_of_rows(a), parts_of_rows(b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(item, b[key]) for key, item in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        same = isinstance(a, list) == isinstance(b, list) and len(a) == len(b)
        return same and all(map(_equal, a, b))
    return bool(a == b) or (_is_nan(a) and _is_nan(b))


def _same_array(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or (a.dtype.kind in "biufc") != (b.dtype.kind in "biufc"):
        return False
    if a.dtype.kind == "O" or b.dtype.kind == "O":
        return _equal(a.tolist(), b.tolist())
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc")


def _hash(part: Any) -> int:
    """Return a hash of a part of a value: of equal ones the same. Of an array, some elements stand for all."""
    if isinstance(part, np.ndarray):
        some = part.flat[:: max(1, part.size // 64)]
        return hash((part.shape, *map(_hash, some.tolist())))
    if is_sparse(part):
        return hash((part.shape, _hash(parts_of_rows(part))))
    if isinstance(part, Mapping):
        return hash(frozenset((key, _hash(item)) for key, item in part.items()))
    if isinstance(part, list | tuple):
        return hash(tuple(map(_hash, part)))
    if _is_nan(part):
        return hash("nan")
    try:
        return hash(part)
    except TypeError:  # a set: the other parts tell values apart
        return 0


def _is_nan(part: Any) -> bool:
    return isinstance(part, float | complex) and part != part
