"""Resonance tongues of a `Map` in two of its parameters; `dmft.tongues` comes here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._util.checks import finite
from ..dynamics.cycles.curves import Curve
from ..dynamics.cycles.tongues import Tongue, tongues_near, tongues_of, turn_of
from .curves import of_map, plane, range_of, two_of, with_model
from .model import Map
from .orbits import Cycle
from .state import state_of
from .system import system_of


def tongues_on(
    curve: Curve,
    rotation: tuple[int, int],
    *,
    max_step: float = 0.02,
    n_points: int = 1_000,
    **ranges: tuple[float, float],
) -> tuple[Tongue, ...]:
    """Follow the sides of tongues of a map from a curve of torus points; see `dmft.tongues`."""
    box = tuple(range_of(curve, name, ranges) for name in curve.parameters)
    model, there = curve.model, plane(curve.model, *curve.parameters)
    found = tongues_of(curve, there, rotation, (box[0], box[1]), max_step=max_step, n_points=n_points)
    return tuple(with_model(each, model, of_map) for each in found)


def tongues_from(
    origin: Map | Cycle,
    rotation: tuple[int, int],
    ranges: Mapping[str, Any],
    *,
    start: Any,
    n_transient: int,
    n_search: int,
    max_step: float,
    n_points: int,
) -> tuple[Tongue, ...]:
    """Follow the sides of tongues of a map from a cycle in one, or from its rotation number; see `dmft.tongues`."""
    model = origin.model if isinstance(origin, Cycle) else origin
    two_of(ranges, tuple(model.parameters))
    first, second = ranges
    (low, high), (least, most) = (finite(name, bounds, (2,)).tolist() for name, bounds in ranges.items())
    orbit = window = None
    if isinstance(origin, Cycle):
        orbit, turn = origin.orbit, turn_of(origin.period, rotation[1], model.period)
    else:
        turn, system = model.period, system_of(model, [state_of(model, start)])
        system.advance(n_transient + (-system.phase - n_transient - model.lags) % turn)
        window = system.orbit(model.lags)[0][::-1].copy()
        system.check_finite()
    found = tongues_near(
        plane(model, first, second),
        (float(model.parameters[first]), float(model.parameters[second])),
        rotation,
        ((low, high), (least, most)),
        orbit=orbit,
        window=window,
        turn=turn,
        n_transient=n_transient,
        n_search=n_search,
        max_step=max_step,
        n_points=n_points,
    )
    return tuple(with_model(each, model, of_map) for each in found)
