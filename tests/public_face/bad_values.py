"""Bad values, and which of them an argument may take all the same."""

import dataclasses
import datetime
import decimal
import fractions
import os
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import dmft


class Unshowable:
    """Raises whatever is asked of it."""

    def __repr__(self):
        raise RuntimeError("no text")


class Frame:
    """Looks like a table of objects: its text has lines."""

    columns = ("a", "b")
    values = np.array([["x", None]], dtype=object)

    def __len__(self):
        return 1

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __repr__(self):
        return "   a     b\n0  x  None"


def broken(*names):
    """Return an object some of whose methods raise."""

    def broken(self, *_args, **_kwargs):
        raise RuntimeError("no such thing")

    return type("Broken", (), dict.fromkeys(names, broken))()


HOOKS = ("array", "len", "getitem", "iter", "float", "index", "eq", "bool", "repr", "str", "hash", "fspath")


def _generator():
    yield 1.0


def _in_itself():
    one = [1.0]
    one.append(one)
    return one


# By name a function that makes the value anew.
BAD: dict[str, Callable[[], Any]] = {
    "masked": lambda: np.ma.array([1.0, 2.0], mask=[False, True]),
    "masked 0-d": lambda: np.ma.array(1, mask=True),
    "masked constant": lambda: np.ma.masked,
    "list of masked": lambda: [np.ma.masked, 1.0],
    "complex": lambda: 1j,
    "complex array": lambda: np.array([1.0 + 0j, 2.0]),
    "text": lambda: "certainly no choice",
    "number as text": lambda: "1",
    "text array": lambda: np.array(["1", "2"]),
    "bytes": lambda: b"1",
    "date": lambda: datetime.date(2020, 1, 1),
    "duration": lambda: datetime.timedelta(1),
    "datetime64": lambda: np.datetime64("2020-01-01"),
    "timedelta64": lambda: np.timedelta64(1, "s"),
    "datetime64 array": lambda: np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"),
    "timedelta64 array": lambda: np.array([1, 2], dtype="timedelta64[s]"),
    "structured": lambda: np.zeros(2, dtype=[("a", float), ("b", int)]),
    "structured 0-d": lambda: np.zeros((), dtype=[("a", float)]),
    "objects": lambda: np.array([1, None], dtype=object),
    "numbers as objects": lambda: np.array([1, 2], dtype=object),
    "true": lambda: True,
    "numpy true": lambda: np.True_,
    "bools": lambda: np.array([True, False]),
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "nans": lambda: np.array([1.0, np.nan]),
    "-1": lambda: -1,
    "2**63": lambda: 2**63,
    "10**22": lambda: 10**22,
    "10**400": lambda: 10**400,
    "-2**63 - 1": lambda: -(2**63) - 1,
    "1.7": lambda: 1.7,
    "whole float": lambda: 2.0,
    "decimal": lambda: decimal.Decimal("1"),
    "None": lambda: None,
    "object": object,
    "unshowable": Unshowable,
    "fraction": lambda: fractions.Fraction(1, 2),
    "nested sets": lambda: [{1.0}, {2.0}],
    "frozen set": lambda: frozenset({1.5}),
    "object 0-d": lambda: np.array(1, dtype=object),
    "None 0-d": lambda: np.array(None),
    "no array": lambda: broken("__array__"),
    "no length": lambda: broken("__len__", "__getitem__"),
    "no number": lambda: broken("__float__", "__index__", "__int__"),
    "no items": lambda: broken("__iter__"),
    "no truth": lambda: broken("__bool__", "__eq__", "__hash__"),
    "no path": lambda: broken("__fspath__"),
    "no keys": lambda: broken("keys", "__getitem__", "__iter__", "__len__"),
    "nothing works": lambda: broken(*(f"__{name}__" for name in HOOKS)),
    "byte array": lambda: bytearray(b"12"),
    "bytes in memory": lambda: memoryview(b"12"),
    "list of bytes": lambda: [b"1"],
    "list of true": lambda: [True, 1.0],
    "list in itself": _in_itself,
    "file": lambda: sys.stderr,
    "error": lambda: ValueError("no"),
    "ellipsis": lambda: ...,
    "slice": lambda: slice(0, 1),
    "class": lambda: dmft.SelfAttention,
    "module": lambda: os,
    "function": lambda: _generator,
    "generator": _generator,
    "set": lambda: {1.0, 2.0},
    "dict": lambda: {"no such key": 1},
    "dict of numbers": lambda: {1: 2},
    "empty dict": lambda: {},
    "empty list": list,
    "empty array": lambda: np.zeros(0),
    "empty 2-d": lambda: np.zeros((0, 3)),
    "5-d": lambda: np.ones((1, 2, 1, 2, 1)),
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "list of None": lambda: [None, None],
    "list of text": lambda: ["no such name"],
    "list of objects": lambda: [object(), 1],
    "nested": lambda: [[["no such name"]]],
    "frame": Frame,
    "namespace": lambda: types.SimpleNamespace(shape=(2, 3), n_context=4, phase=0),
    "big array": lambda: np.ones((200, 300)),
    "empty text": lambda: "",
    "text with lines": lambda: "a\nb\x1b[31m\0",
}  # fmt: skip

MASKED = {"masked", "masked 0-d", "masked constant", "list of masked"}
INFINITE = {"nan", "inf", "-inf", "nans"}
NUMBERS = {"-1", "1.7", "whole float", "2**63", "10**22", "-2**63 - 1"}
TEXTS = {"text", "number as text", "empty text", "text with lines"}
WORDS = {"list of text", "text array", "empty list"}
HUGE = {"2**63", "10**22"}
ARRAYS = {"5-d", "big array", "empty array", "empty 2-d"}
ANY_ARRAY = NUMBERS | ARRAYS | {"empty list"}


@dataclasses.dataclass(frozen=True)
class Kind:
    """What an argument is: which bad values are good, or may be."""

    may: frozenset[str]


def kind_of(value: Any) -> set[str]:
    """Return which bad values an argument may take, from a valid one."""
    if isinstance(value, bool | np.bool_):
        return {"true", "numpy true"}
    if isinstance(value, int):
        return set()
    if isinstance(value, float):
        return NUMBERS
    if isinstance(value, np.ndarray):
        return ANY_ARRAY | ({"bools"} if value.dtype == bool else set())
    if isinstance(value, Mapping):
        return {"empty dict"}
    if callable(value) and not isinstance(value, type):
        return {"function"}
    return set()


def variants(value: Any) -> dict[str, Any]:
    """Return bad values that are like a valid array: of its shape, with what is no number in it."""
    if not isinstance(value, np.ndarray):
        return {}
    bad = {
        "its mask": np.ma.array(value, mask=np.arange(value.size).reshape(value.shape) == 0),
        "its mask in a list": list(np.ma.array(value, mask=np.ones(value.shape, bool))),
        "its complex": value.astype(complex),
        "its text": value.astype(str),
        "its objects": value.astype(object),
        "its dates": value.astype(int).astype("datetime64[D]"),
        "its durations": value.astype(int).astype("timedelta64[s]"),
        "its structure": np.zeros(value.shape, dtype=[("a", float)]),
    }
    if value.dtype != bool:
        bad["its bools"] = value.astype(bool)
    return bad


class Own(np.ndarray):
    """An array of the caller's own class."""


def forms(value: Any) -> dict[str, Any]:
    """Return the numbers of a valid array in other forms."""
    if not isinstance(value, np.ndarray) or not value.size:
        return {}
    loose = np.repeat(value, 2, axis=-1)[..., ::2]
    shut = value.copy()
    shut.flags.writeable = False
    same = {
        "not contiguous": loose,
        "backwards": np.ascontiguousarray(value[::-1])[::-1],
        "columns first": np.asfortranarray(value),
        "read-only": shut,
        "own class": value.copy().view(Own),
    }
    if value.dtype != bool:
        same["other bytes"] = value.astype(value.dtype.newbyteorder())
    if value.dtype.kind == "f":
        same["long double"] = value.astype(np.longdouble)
    return same


def shapes(value: Any) -> dict[str, Any]:
    """Return values like a valid array that may be good: of other shapes, or with other numbers."""
    if not isinstance(value, np.ndarray) or not value.size:
        return {}
    broken = value.astype(float)
    broken[(0,) * value.ndim] = np.nan
    endless = value.astype(float)
    endless[(0,) * value.ndim] = np.inf
    return forms(value) | {
        "half precision": value.astype(np.float16),
        "matrix": np.ndarray.view(value.copy(), np.matrix) if value.ndim == 2 else value,
        "in memory": memoryview(np.ascontiguousarray(value)),
        "one axis more": value[None],
        "one axis less": value[0],
        "one row less": value[1:],
        "one row more": np.concatenate([value, value[:1]]),
        "no row": value[:0],
        "no column": value[..., :0],
        "a column less": value[..., 1:],
        "turned": value.T,
        "with nan": broken,
        "with inf": endless,
        "huge": np.full(value.shape, 1e300),
        "huge ints": np.full(value.shape, 2**62),
        "negative": -np.abs(value.astype(float)) - 5.0,
        "halves": value.astype(float) + 0.5,
    }
