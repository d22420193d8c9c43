"""Cycles of a `Map` and their branches; `dmft.cycle` and `dmft.branch` come here."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._util.checks import finite, number, whole
from .._util.values import Frozen
from ..dynamics.cycles import branches, newton
from ..dynamics.cycles.branches import SpecialPoint, trace
from ..dynamics.cycles.newton import TOLERANCE, polish
from .model import Map, map_of
from .state import State, state_of
from .system import system_of
from .window_map import FunctionMap

N_GUESSES = 12  # turns of an orbit to start from


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycle(newton.Cycle, Frozen):
    r"""A periodic orbit of a map, and how it attracts or repels.

    Attributes
    ----------
    orbit : ndarray, shape (period, size)
        Row t is the state made in step t; step 0 has phase 0.
    residual : float
        Largest miss of any step.
    multipliers : ndarray of complex, shape (lags * size,)
        Of one turn round the cycle, descending in modulus. Below 1e-308 they are shown as 0.
    exponents : ndarray, shape (lags * size,)
        :math:`\log|\mu|` per step, in nats; see `Spectrum` for NaN and -inf.
    model : Map
    """

    model: Map

    @property
    def window(self) -> State:
        """Start that lands on it: step 0 of the run is step 0 of the cycle."""
        return State(self.orbit[(-1 - np.arange(self.model.lags)) % self.period])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Branch(branches.Branch):
    """Cycles of a map along a parameter: what `dmft.Branch` has, of a `Map`.

    Attributes
    ----------
    model : Map
        The parameters that stay.
    """

    model: Map


def cycle(
    model: Map,
    period: int,
    *,
    start: Any = None,
    guess: Any = None,
    n_transient: int = 1_000,
    n_search: int = 10_000,
    tolerance: float = TOLERANCE,
) -> Cycle:
    """Find a cycle of a map, stable or unstable; see `dmft.cycle`."""
    map_of(model)
    tolerance, period = number("tolerance", tolerance, 0.0), whole("period", period, 1)
    if period % model.period:
        raise ValueError(f"period must be a multiple of {model.period}, the period of the forcing, got {period}")
    if guess is None:
        guesses = _returns(model, period, start, n_transient, n_search)
    else:
        guesses = [finite("guess", guess, (period, model.size))]
    return refined(model, *guesses, tolerance=tolerance)


def refined(model: Map, *guesses: np.ndarray, tolerance: float = TOLERANCE) -> Cycle:
    """Return the best cycle of a map near some guesses of one period, or say how near none came."""
    result = polish(FunctionMap(model, None, len(guesses)), guesses, tolerance=tolerance)
    best = newton.best(result, tolerance, len(guesses[0]))
    return Cycle(
        orbit=result.orbits[best],
        residual=float(result.residual[best]),
        multipliers=result.multipliers[best],
        exponents=result.exponents[best],
        model=model,
    )


def _returns(model: Map, period: int, start: Any, n_transient: int, n_search: int) -> list[np.ndarray]:
    """Return the turns of an orbit whose windows come nearest to themselves, each from a step of phase 0."""
    n_transient, n_search = whole("n_transient", n_transient, 0), whole("n_search", n_search, 1)
    system = system_of(model, [state_of(model, start)])
    system.advance(n_transient + (-system.phase - n_transient) % model.period)
    orbit = system.orbit(n_search + period + model.lags)[0]
    system.check_finite()
    return newton.returns(orbit, period, model.lags, model.period, N_GUESSES)


def branch(
    cycle: Cycle, *, max_step: float = 0.02, n_points: int = 1_000, **parameter_range: tuple[float, float]
) -> Branch:
    """Follow a cycle of a map in one parameter; see `dmft.branch`."""
    names = tuple(cycle.model.parameters)
    if len(parameter_range) != 1 or not set(parameter_range) <= set(names):
        one = ", ".join(names) or "no parameter (the map has none)"
        raise ValueError(f"one of {one} must be given as (low, high), got {sorted(parameter_range)}")
    ((name, bounds),) = parameter_range.items()
    low, high = finite(name, bounds, (2,)).tolist()
    value = cycle.model.parameters[name]
    if not low <= value <= high or low == high:
        raise ValueError(
            f"{name} must be (low, high) with low <= {value:g} <= high, the cycle's, got ({low:g}, {high:g})"
        )
    traced = trace(FunctionMap(cycle.model, name), cycle.orbit, low, high, max_step=max_step, n_points=n_points)
    fields: dict[str, Any] = {field.name: getattr(traced, field.name) for field in dataclasses.fields(traced)}
    fields["special"] = tuple(_of_map(point, cycle.model) for point in traced.special)
    return Branch(**fields, model=cycle.model)


def _of_map(point: SpecialPoint, model: Map) -> SpecialPoint:
    """Return a special point whose cycle has its map."""
    fields = {field.name: getattr(point.cycle, field.name) for field in dataclasses.fields(point.cycle)}
    return dataclasses.replace(point, cycle=Cycle(**fields, model=model.replace(**{point.parameter: point.value})))


def switch(point: SpecialPoint) -> Cycle:
    """Return a cycle of the branch that splits off at a flip or crosses at a branch point; see `dmft.orbits.switch`."""
    assert isinstance(point.cycle, Cycle)  # of a branch of a map
    model = point.cycle.model
    onto = branches.doubled if point.kind == "flip" else branches.crossing
    orbit, value = onto(FunctionMap(model, point.parameter), point)
    return refined(model.replace(**{point.parameter: value}), orbit)
