"""Curves of bifurcations of a network in two parameters; of any map too."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, shown
from .._util.progress import shows_progress
from ..dynamics.cycles.bordered import Plane
from ..dynamics.cycles.branches import SpecialPoint
from ..dynamics.cycles.curves import Curve, CurvePoint, begin
from ..maps import curves as of_maps
from ..maps.orbits import Cycle as MapCycle
from .axes import values_at, with_values
from .model import SelfAttention, parameter
from .orbits import Cycle
from .window_map import AttentionMap

HIGH = {"beta": np.inf, "gamma": np.inf, "epsilon": 1.0, "strength": 1.0}
SIZE = 0.1  # of cycles near one at 0


@shows_progress
@own_arithmetic
def curve(
    point: SpecialPoint | CurvePoint,
    other: str | None = None,
    *,
    max_step: float = 0.02,
    n_points: int = 1_000,
    progress: bool = True,
    **ranges: tuple[float, float],
) -> Curve:
    r"""Follow a bifurcation in two parameters: the curve of folds, flips, torus points or pitchforks.

    Pseudo-arclength continuation of the cycle together with the number of a bordered system that vanishes at the
    bifurcation [1]_. Points of codimension 2 on the curve are located, by Brent's method along it, and named: cusp,
    generalised flip, Chenciner, resonances 1:1 to 1:4, and those where other multipliers cross the unit circle too.
    A curve of torus points ends at resonances 1:1 and 1:2, past which the multipliers are real.

    Parameters
    ----------
    point : SpecialPoint or CurvePoint
        Of a `branch`: a fold, a flip, a torus point, or a pitchfork, of one multiplier or pair. Or of a curve: a
        generalised flip, where a curve of folds of twice the period begins, or a 1:2 resonance, where one of torus
        points of twice the period may.
    other : str
        The second parameter, beside that of the branch: one of beta, gamma, epsilon, and strength where the model has a
        `Drive`; of a map any of its parameters.
        None for a point of a curve, which has two.
    max_step : float, default=0.02
        Longest step, as a part of the ranges.
    n_points : int, default=1000
        At most so many points to each side.
    **ranges : (float, float)
        By name, of either of the two parameters: where to follow; the point lies inside. Default: as far to both
        sides as 0 is (1 if the value is 0), in the domain of the parameter.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Curve
        Every point with its residual; `ends` says why it ends.

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    RuntimeError
        If Newton's method does not converge from the point, or no curve of twice the period is found near it.

    References
    ----------
    .. [1] Govaerts, Kuznetsov, Khoshsiar Ghaziani & Meijer, SIAM J. Sci. Comput. 29 (2007) 2644.

    Examples
    --------
    The flip of the Henon map is at a = 3 (1 - b)^2 / 4; where b = -1, areas stay, it is a resonance 1:2.

    >>> from dmft import branch, cycle
    >>> from dmft.maps import textbook
    >>> (flip,) = branch(cycle(textbook.henon(0.2), 1), a=(0.1, 0.5), max_step=0.2).special
    >>> flips = curve(flip, "b", a=(0.0, 3.5), b=(-1.5, 0.5), max_step=0.1)
    >>> a, b = flips.values.T
    >>> bool(np.allclose(a, 3 * (1 - b) ** 2 / 4, rtol=0, atol=1e-11)), flips.ends
    (True, ('a = 3.5 reached', 'b = 0.5 reached'))
    >>> [(each.kind, [round(value, 9) for value in each.values]) for each in flips.special]
    [('1:2 resonance', [3.0, -1.0])]
    """
    if not isinstance(point, SpecialPoint | CurvePoint):
        raise ValueError(f"point must be a special point of a branch or a curve, got {shown(point)}")
    if isinstance(point.cycle, MapCycle):
        return of_maps.curve(point, other, max_step=max_step, n_points=n_points, **ranges)
    if not isinstance(point.cycle, Cycle):
        raise ValueError(f"point must be of a branch of cycles of a network or a map, got {shown(point.kind)}")
    model = point.cycle.model
    values = values_at(model)

    def bounds(name: str, value: float) -> tuple[float, float]:
        if name in ranges:
            low, high = (parameter(name, float(bound)) for bound in finite(name, ranges[name], (2,)))
            return low, high
        return 0.0, min(2.0 * value or 1.0, HIGH[name])

    def plane(first: str, second: str) -> Plane:
        return plane_of(model, point.cycle.period, first, second)

    followed = begin(point, other, values, plane, bounds, ranges, max_step=max_step, n_points=n_points)
    special = tuple(of_network(each, model) for each in followed.special)
    return dataclasses.replace(followed, special=special, model=model)


def plane_of(model: SelfAttention, period: int, first: str, second: str) -> Plane:
    """Return a network in two of its parameters."""
    if "epsilon" in (first, second) and period % AttentionMap(model, "epsilon").n_phases:
        raise ValueError("epsilon must stay 0 for a cycle whose period is no multiple of that of the position code")

    def maps(one: ArrayLike, two: ArrayLike) -> tuple[AttentionMap, AttentionMap]:
        there: dict[str, Any] = {first: one, second: two}
        return AttentionMap(model, first, **there), AttentionMap(model, second, **there)

    return Plane((first, second), maps, SIZE)


def of_network(point: CurvePoint, model: SelfAttention) -> CurvePoint:
    """Return a point whose cycle has its network."""
    fields = {field.name: getattr(point.cycle, field.name) for field in dataclasses.fields(point.cycle)}
    there = with_values(model, **dict(zip(point.parameters, point.values, strict=True)))
    return dataclasses.replace(point, cycle=Cycle(**fields, model=there))
