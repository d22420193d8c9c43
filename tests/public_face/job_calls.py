"""Valid calls of what the engine asks of jobs: users may ask it too."""

import functools
from typing import Any

import numpy as np

import dmft
from dmft.sweeps.grid import Task

from . import ising_calls, spins_calls, thermodynamics_calls  # noqa: F401  # their jobs
from .bad_values import INFINITE, NUMBERS, TEXTS
from .calls import CALLS, Call, call, parameters, public

AXES: dict[str, dict[str, Any]] = {
    "ising.BlanketSweep": {"beta": np.array([0.5, 1.0])},
    "ising.ForwardScan": {"beta": np.array([0.5, 1.0])},
    "ising.PhaseDiagram": {"J0": np.array([0.5, 1.0])},
    "spins.SpinScan": {"beta": np.array([0.5, 1.0])},
    "thermodynamics.AgencyDiagram": {"mu_food": np.array([3.5, 4.0])},
}


@functools.cache
def job(name):
    made = CALLS[name]()
    return made.function(**made.arguments)


@functools.cache
def result(name):
    return dmft.scan(job(name), **AXES[name], progress=False, n_threads=1)


@functools.cache
def protocol(name):
    """Return a valid value of every argument that the methods of a job may have."""
    one, axes = job(name), AXES[name]
    grid = one.grid(axes)
    blocks = one.cut(grid, 2)
    axis = next(iter(axes))
    return {
        "axes": axes, "blocks": blocks, "done": result(name)._source, "feature": 1, "findings": (), "grid": grid,
        "index": 1, "n_threads": 1, "name": axis, "points": grid.points([0, 1]), "result": result(name), "size": 1,
        "spec": {**one.specification(), "axes": axes, "dims": [axis], "together": []},
        "task": Task.of(blocks[0], grid, (), 2), "tick": lambda n: None, "together": False,
        "value": float(axes[axis][0]), "variable": None,
    }  # fmt: skip


LISTS = {"empty list", "ragged", "nested", "nested sets", "list of masked", "list in itself"}
LISTS |= {f"list of {what}" for what in ("bytes", "true", "None", "text", "objects")}
WORDS = {"n_threads": {"None"}, "findings": {"None", *LISTS}, "blocks": {"empty list"}, "axes": set()}
WORDS |= {"value": NUMBERS | INFINITE, "variable": TEXTS | {"None"}, "together": {"empty list"}}
SAYS = "_generator|^--variable must|nothing to draw|^(beta|J0|mu_food) must|a sweep needs values|cannot sweep"


def enter(name, method, names):
    def make():
        given = protocol(name)
        return Call(getattr(job(name), method), {one: given[one] for one in names}, WORDS, SAYS)

    call(f"{name}.{method}")(make)


for _where, _function in public().items():
    _name, _, _method = _where.rpartition(".")
    if _name in AXES and _where not in CALLS:
        enter(_name, _method, [one.name for one in parameters(_function, True)])
