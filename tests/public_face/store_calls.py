"""Valid calls of results on disk."""

import functools
import os
import tempfile
import types

import numpy as np

from dmft import store

from .attention_calls import FOLDER
from .bad_values import BAD, INFINITE, NUMBERS, TEXTS
from .calls import Call, call

SPEC = {"job": "any", "axes": {"x": [1.0, 2.0]}, "dims": ["x"]}
CUT = {"n_points": 2, "block": 1, "n_blocks": 2}
VARIABLES = {"status": ((), "1", "0: finished"), "y": ((), "m", "what is measured")}
JOB = types.SimpleNamespace(variables=VARIABLES, labels={}, extras={})
STORED = {"status": np.zeros(1), "y": np.ones(1)}
# What files hold, and what JSON does besides.
ANY = INFINITE | NUMBERS | TEXTS | {"true", "numpy true", "bools", "text array", "5-d", "big array", "list of true"}
HELD = ANY | {"empty array", "empty 2-d", "empty list", "list of text", "complex", "complex array"}
JSON = {"10**400", "None", "dict", "empty list", "ragged", "nested", "list of None"}
KINDS = {"its bools", "its complex", "its text"}


def new():
    return tempfile.mkdtemp(dir=FOLDER.name)


def task(number):
    return types.SimpleNamespace(number=number, index=np.array([number]))


def begun():
    made = store.Store.create(new(), SPEC, **CUT)
    made.save(task(0), STORED, JOB)
    made.save(task(1), STORED, JOB)
    return made


@functools.cache
def writing():
    return begun()


@functools.cache
def full():
    made = begun()
    made.close()
    return store.Store.open(made.folder)


def there():
    """Return the folder of a store that nobody writes in."""
    return os.fspath(full().folder)


def released(make):
    def call(**arguments):
        make(**arguments).close()

    return call


def set_aside(**arguments):
    """Take away a shard, and put it back."""
    path, made = writing().path(1), path_bytes()
    try:
        writing().set_aside(**arguments)
    finally:
        path.write_bytes(made)


@functools.cache
def path_bytes():
    return writing().path(1).read_bytes()


ABSENT = "is damaged|cannot be read|holds no sweep|is not there"
OTHER = "holds another sweep|holds no sweep|already holds"
call("store.Store")(lambda: Call(store.Store, {"folder": there(), "manifest": full().manifest, "lock": None}))
call("store.Store.create")(
    lambda: Call(released(store.Store.create), {"folder": new(), "spec": SPEC, **CUT}, {"n_blocks": {"None"}})
)
call("store.Store.resume")(
    lambda: Call(released(store.Store.resume), {"folder": there(), "spec": SPEC, **CUT}, says=OTHER)
)
call("store.Store.open")(lambda: Call(store.Store.open, {"folder": there()}, says=OTHER))
call("store.Store.is_blank")(lambda: Call(store.Store.is_blank, {"folder": new()}))
call("store.Store.block_of")(lambda: Call(store.Store.block_of, {"folder": there()}, says=OTHER))
call("store.Store.check")(lambda: Call(full().check, {"block": 1}, says=ABSENT))
call("store.Store.fail")(lambda: Call(writing().fail, {"block": 1, "reason": "no end"}, {"reason": {"None"} | TEXTS}))
call("store.Store.index")(lambda: Call(full().index, {"block": 1}, says=ABSENT))
call("store.Store.log")(lambda: Call(writing().log, {"line": "a line"}, {"line": TEXTS}))
call("store.Store.opened")(lambda: Call(lambda block: full().opened(block).__enter__(), {"block": 1}, says=ABSENT))
call("store.Store.parts")(lambda: Call(lambda name: list(full().parts(name)), {"name": "y"}, says="^['\"]"))
call("store.Store.path")(lambda: Call(full().path, {"block": 1}))
call("store.Store.read")(lambda: Call(full().read, {"block": 1}, says=ABSENT))
call("store.Store.row")(lambda: Call(full().row, {"block": 1, "point": 1}, says=ABSENT))
call("store.Store.save")(lambda: Call(writing().save, {"task": task(0), "arrays": STORED, "job": JOB, "seconds": 1.0}))
call("store.Store.set_aside")(
    lambda: Call(set_aside, {"block": 1, "reason": "of no use", "worthless": False}, {"reason": TEXTS}, ABSENT)
)
WHOLE = {"axes": {"x": np.array([1.0, 2.0])}, "dims": ("x",), "attributes": {"about": "text"}}
NAMED = {"status": (("x",), "1", "0: finished"), "y": (("x",), "m", "what is measured")}
call("store.merge")(
    lambda: Call(
        store.merge,
        {"store": full(), "path": os.path.join(FOLDER.name, "merged.nc"), **WHOLE, "variables": NAMED, "labels": {}},
        {"attributes": {"dict"}, "labels": {"dict"}},
        says="plain file or new",
    )
)
call("store.netcdf")(
    lambda: Call(
        store.netcdf,
        {"arrays": {"y": np.ones(2)}, "coordinates": WHOLE["axes"], "attributes": WHOLE["attributes"],
         "variables": {"y": (("x",), "m", "what is measured")}},
        {"coordinates": {"dict"}, "attributes": {"dict"}},
    )
)  # fmt: skip
call("store.npz")(lambda: Call(store.npz, {"arrays": np.ones(2)}, {"arrays": HELD | KINDS}))
call("store.packed")(lambda: Call(store.packed, {"value": {"a": [1.0, "b"]}}, {"value": HELD | JSON}))
call("store.unpacked")(lambda: Call(store.unpacked, {"value": {"a": [1.0, "b"]}}, {"value": set(BAD)}))
call("store.put")(
    lambda: Call(
        store.put,
        {"array": np.zeros(3), "n_points": 3, "index": np.array([0, 2]), "part": np.array([1.0, 2.0]), "first": 0},
        {"array": {"None", *KINDS}, "part": {"bools", "nans", *KINDS}},
    )
)
call("store.write_whole")(
    lambda: Call(
        store.write_whole,
        {"path": os.path.join(FOLDER.name, "whole"), "data": b"12", "end": b"3"},
        {"data": {"bytes"}, "end": {"bytes"}},
        "plain file or new",
    )
)
