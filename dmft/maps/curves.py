"""Curves of bifurcations of a `Map` in two of its parameters; `dmft.curve` comes here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from .._util.checks import finite, one_of
from ..dynamics.cycles.bordered import Plane
from ..dynamics.cycles.branches import SpecialPoint
from ..dynamics.cycles.curves import Curve, CurvePoint, begin
from ..dynamics.cycles.tongues import Tongue
from .model import Map
from .orbits import Cycle
from .window_map import FunctionMap


def curve(
    point: SpecialPoint | CurvePoint,
    other: str | None,
    *,
    max_step: float = 0.02,
    n_points: int = 1_000,
    **ranges: tuple[float, float],
) -> Curve:
    """Follow a bifurcation of a map in two parameters; see `dmft.curve`."""
    assert isinstance(point.cycle, Cycle)  # of a branch of a map
    model = point.cycle.model

    def bounds(name: str, value: float) -> tuple[float, float]:
        if name in ranges:
            low, high = finite(name, ranges[name], (2,)).tolist()
            return low, high
        reach = abs(value) or 1.0
        return value - reach, value + reach

    followed = begin(
        point,
        other,
        model.parameters,
        lambda first, second: plane(model, first, second),
        bounds,
        ranges,
        max_step=max_step,
        n_points=n_points,
    )
    special = tuple(of_map(each, model) for each in followed.special)
    return dataclasses.replace(followed, special=special, model=model)


def range_of(curve: Curve, name: str, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Return where a parameter of a curve is followed. Default: where the curve lies, and half as far again."""
    values = curve.values[:, curve.parameters.index(name)]
    if name in ranges:
        low, high = finite(name, ranges[name], (2,)).tolist()
        if not low < high:
            raise ValueError(f"{name} must be (low, high) with low < high, got ({low:g}, {high:g})")
        return low, high
    low, high = float(values.min()), float(values.max())
    reach = 0.5 * (high - low) or 0.5 * abs(high) or 0.5
    return low - reach, high + reach


def two_of(ranges: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse ranges that are not of two parameters."""
    for each in ranges:
        one_of("ranges", each, tuple(names))
    if len(ranges) != 2:
        raise ValueError(
            f"ranges must be two, of the parameter across and of the other one, each as (low, high), got {len(ranges)}"
        )


def with_model(tongue: Tongue, model: Any, of_model: Callable[[CurvePoint, Any], CurvePoint]) -> Tongue:
    """Return a tongue whose sides and special points have their map."""
    sides = tuple(
        dataclasses.replace(side, special=tuple(of_model(each, model) for each in side.special), model=model)
        for side in tongue.sides
    )
    return dataclasses.replace(tongue, sides=sides)


def plane(model: Map, first: str, second: str) -> Plane:
    """Return a map in two of its parameters."""

    def maps(one: ArrayLike, other: ArrayLike) -> tuple[FunctionMap, FunctionMap]:
        values = {first: one, second: other}
        return FunctionMap(model, first, 1, **values), FunctionMap(model, second, 1, **values)

    return Plane((first, second), maps, float(abs(model.window).max()) or 1.0)


def of_map(point: CurvePoint, model: Map) -> CurvePoint:
    """Return a point whose cycle has its map."""
    fields = {field.name: getattr(point.cycle, field.name) for field in dataclasses.fields(point.cycle)}
    there = model.replace(**dict(zip(point.parameters, point.values, strict=True)))
    return dataclasses.replace(point, cycle=Cycle(**fields, model=there))
