"""One orbit of a `Map`, and what orbits settle on; `dmft.trajectory` and the others of these names come here."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._util.checks import instance, whole
from .._util.memory import need_memory
from .._util.values import Frozen
from ..dynamics.classify import Rules, classify
from ..dynamics.labels import Attractor, Attractors, distinct, filled
from .model import Map, map_of
from .state import State, state_of, states_of
from .system import MapSystem, system_of


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Orbit(Frozen):
    """A trajectory of a map.

    Attributes
    ----------
    states : ndarray, shape (n_rows, size)
    steps : ndarray of int, shape (n_rows,)
        The step of each row, counted from the first one after the transient.
    window : State
        Where the run ended; starting from it continues the run exactly.
    """

    states: np.ndarray
    steps: np.ndarray
    window: State


def trajectory(model: Map, n_steps: int, *, n_transient: int = 0, start: Any = None, every: int = 1) -> Orbit:
    """Run a map; see `dmft.trajectory`."""
    n_steps, every = whole("n_steps", n_steps, 1), whole("every", every, 1)
    n_transient = whole("n_transient", n_transient, 0)
    system = system_of(map_of(model), [state_of(model, start)])
    n_rows = -(-n_steps // every)
    need_memory(f"{n_rows} states", 8.0 * n_rows * model.size, "keep fewer (every)")
    system.advance(n_transient)
    states = system.orbit(n_steps, every)[0]
    system.check_finite()
    return Orbit(states=states, steps=np.arange(0, n_steps, every), window=system.continuation())


def attractor(
    model: Map,
    *,
    start: Any = None,
    n_transient: int = 10_000,
    n_exponents: int | None = None,
    rules: Rules | None = None,
) -> Attractor:
    """Say what an orbit of a map settles on; see `dmft.attractor`."""
    return settled(map_of(model), [state_of(model, start)], n_transient, n_exponents, rules)[0]


def attractors(
    model: Map,
    *,
    starts: Any,
    n_transient: int = 10_000,
    n_exponents: int | None = None,
    rules: Rules | None = None,
) -> Attractors:
    """Find the attractors that many starts of a map lead to; see `dmft.attractors`."""
    return distinct(settled(map_of(model), states_of(model, starts), n_transient, n_exponents, rules))


def settled(
    model: Map, states: list[State], n_transient: int, n_exponents: int | None = None, rules: Rules | None = None
) -> list[Attractor]:
    """Return what each start leads to."""
    n_transient = whole("n_transient", n_transient, 0)
    if n_exponents is not None:
        whole("n_exponents", n_exponents, 1, model.n_dim)
    if rules is not None:
        instance("rules", rules, Rules, "a Rules")
    each: dict[int, Attractor] = {}
    for phase in dict.fromkeys(state.phase for state in states):  # a batch shares it
        some = [i for i, state in enumerate(states) if state.phase == phase]
        system = system_of(model, [states[i] for i in some])
        system.advance(n_transient)
        each.update(zip(some, settle(system, n_exponents, rules), strict=True))
    return [each[i] for i in range(len(states))]


def settle(system: MapSystem, n_exponents: int | None = None, rules: Rules | None = None) -> list[Attractor]:
    """Return the attractor of every orbit of a batch whose transient is over; moves it to phase 0."""
    system.advance(-system.phase % system.period)
    verdicts = classify(system, n_exponents=n_exponents, rules=rules)
    shape = system.windows.shape[1:]
    each = [Attractor.of(verdict, shape, system.period, State) for verdict in verdicts]
    return filled(system, each, system.n_dim)
