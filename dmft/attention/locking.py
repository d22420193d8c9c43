"""Resonance tongues of a network, in two parameters; of any map too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, one_of, whole
from .._util.progress import shows_progress
from ..dynamics.cycles.curves import Curve
from ..dynamics.cycles.tongues import Tongue, rotation_of, tongues_near, tongues_of, turn_of
from ..maps import curves as of_maps
from ..maps import tongues as tongues_of_maps
from ..maps.model import Map
from ..maps.orbits import Cycle as MapCycle
from ..maps.state import State as MapState
from .axes import values_at
from .batch import single
from .curves import HIGH, of_network, plane_of
from .model import SelfAttention, parameter
from .orbits import Cycle
from .start import Start


@shows_progress
@own_arithmetic
def tongues(
    origin: Curve | Cycle | MapCycle | SelfAttention | Map,
    rotation: tuple[int, int],
    *,
    max_step: float = 0.02,
    n_points: int = 1_000,
    start: Start | MapState | ArrayLike | None = None,
    n_transient: int = 2_000,
    n_search: int = 8_000,
    progress: bool = True,
    **ranges: tuple[float, float],
) -> tuple[Tongue, ...]:
    r"""Follow the two sides of resonance (Arnold) tongues, from their tips on.

    Between the sides, curves of folds of cycles of q turns, the torus is locked: what attracts is such a cycle. The
    tongue is the thinner the larger q is: as :math:`r^{q-2}` at the amplitude r of a torus that is born [1]_, as
    :math:`K^q` where K disturbs a rigid rotation. First its middle is followed, a cycle of one phase, which has all
    digits of doubles whatever the width; there the cycles at all other phases, between whose least and largest
    parameter the tongue lies: its width is told down to about 1e-15 of the parameter. The sides are followed from
    where it is 1e-10 of the range.

    Parameters
    ----------
    origin : Curve, Cycle, SelfAttention or Map
        A curve of Neimark-Sacker points, at which the tongues begin; see `curve`. Or a cycle of q turns in the tongue.
        Or a network or map on a torus: the parameter across is searched for where its rotation number is p / q.
    rotation : (int, int)
        p and q without a common factor: turns round the torus, and how many of the map (of the cycles on a curve) they
        take. p / q and 1 - p / q are the same. q >= 5 on a curve, else q >= 1.
    max_step : float, default=0.02
        Longest step, as a part of the ranges.
    n_points : int, default=1000
        At most so many points to each side.
    start : Start, optional
        Of a network or map: where its orbit begins. Default: as of `cycle`.
    n_transient, n_search : int, default=2000 and 8000
        Steps of a network or map that are run before its rotation number is measured, and for it.
    **ranges : (float, float)
        By name: where to follow. On a curve of either of its parameters, by default where the curve lies, and half as
        far again to both sides, in the domain of the parameter. Else of both parameters, the one across the tongue
        first; the other one starts at the value that it has.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    tuple of Tongue
        One for each place on the curve with that angle, in its order; one of a cycle; of a network or map one for each
        place where the rotation number passes p / q, by the parameter across.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or p / q is not met within the ranges.
    FloatingPointError
        If the orbit leaves the real numbers.
    RuntimeError
        If no cycles are found near the tip, or round a torus from the cycle.

    References
    ----------
    .. [1] Kuznetsov, Elements of Applied Bifurcation Theory (2004), sec. 7.3.
    .. [2] Das, Saiki, Sander & Yorke, Nonlinearity 30 (2017) 4111: rotation numbers.

    Examples
    --------
    The tongue of fixed points of the circle map is a wedge from K = 0 on, its width :math:`K / \pi`; that of 1/2 has a
    width of :math:`K^2 / 4 \pi` there.

    >>> import numpy as np
    >>> from dmft import Map, branch, curve, cycle
    >>> from dmft.maps import textbook
    >>> (wedge,) = tongues(textbook.circle(0.0, 0.5), (0, 1), omega=(-0.2, 0.2), coupling=(0.0, 0.9), max_step=0.3)
    >>> bool(np.abs(wedge.tip).max() < 1e-12), bool(np.allclose(wedge.width, wedge.middle[:, 1] / np.pi))
    (True, True)
    >>> locked = cycle(textbook.circle(0.5, 0.5), 2)
    >>> (half,) = tongues(locked, (1, 2), omega=(0.4, 0.6), coupling=(0.0, 0.9), max_step=0.3)
    >>> half.tip, round(float(4 * np.pi * half.width[1] / half.middle[1, 1] ** 2), 6)
    ((0.5, 0.0), 1.0)

    A torus of known tongues: of the normal form of a resonance 1 : 5, with the angle t as a parameter.

    >>> def step(state, r, t):
    ...     x, y = state
    ...     size, u, v = 1 + r - x * x - y * y, x**4 - 6 * x**2 * y**2 + y**4, 4 * x * y * (y**2 - x**2)
    ...     u, v = size * x + 0.3 * u, size * y + 0.3 * v
    ...     return np.cos(t) * u - np.sin(t) * v, np.sin(t) * u + np.cos(t) * v
    >>> model = Map(step, state=[0.1, 0.0], parameters={"r": -0.1, "t": 1.2})
    >>> (point,) = branch(cycle(model, 1, guess=[[0.0, 0.0]]), r=(-0.2, 0.2)).special
    >>> torus = curve(point, "t", r=(-0.1, 0.1), t=(1.1, 1.4))
    >>> (tongue,) = tongues(torus, (1, 5), r=(-0.1, 0.1), t=(1.1, 1.4))
    >>> bool(np.allclose(tongue.tip, [0.0, 2 * np.pi / 5])), [side.period for side in tongue.sides]
    (True, [5, 5])
    """
    if isinstance(origin, Curve):
        return _on_curve(origin, rotation_of(rotation), ranges, max_step=max_step, n_points=n_points)
    rotation = rotation_of(rotation, least=1)
    n_transient, n_search = whole("n_transient", n_transient, 0), whole("n_search", n_search, 1)
    how: dict[str, Any] = {"max_step": max_step, "n_points": n_points}
    if isinstance(origin, Map | MapCycle):
        return tongues_of_maps.tongues_from(
            origin, rotation, ranges, start=start, n_transient=n_transient, n_search=n_search, **how
        )
    instance("origin", origin, SelfAttention | Cycle, "a curve, a cycle, a network or a map")
    model = origin.model if isinstance(origin, Cycle) else origin
    own = values_at(model)
    of_maps.two_of(ranges, tuple(own))
    (first, one), (second, other) = ((name, _range(name, bounds)) for name, bounds in ranges.items())
    if isinstance(origin, Cycle):
        orbit, turn, period = origin.orbit, turn_of(origin.period, rotation[1], model.period), origin.period
        window = None
    else:
        turn, period, orbit = model.period, model.period * rotation[1], None
        window = _window(model, start, n_transient)
    found = tongues_near(
        plane_of(model, period, first, second),
        (own[first], own[second]),
        rotation,
        (one, other),
        orbit=orbit,
        window=window,
        turn=turn,
        n_transient=n_transient,
        n_search=n_search,
        **how,
    )
    return tuple(of_maps.with_model(each, model, of_network) for each in found)


def _on_curve(
    curve: Curve, rotation: tuple[int, int], ranges: dict[str, tuple[float, float]], *, max_step: float, n_points: int
) -> tuple[Tongue, ...]:
    """Return the tongues that begin on a curve of torus points."""
    if curve.kind != "neimark-sacker" or curve.model is None:
        raise ValueError(f"origin must be a curve of neimark-sacker points, or no curve, got one of {curve.kind}")
    for name in ranges:
        one_of("ranges", name, curve.parameters)
    if isinstance(curve.model, Map):
        return tongues_of_maps.tongues_on(curve, rotation, max_step=max_step, n_points=n_points, **ranges)
    box = []
    for name in curve.parameters:
        low, high = of_maps.range_of(curve, name, ranges)
        if name in ranges:
            parameter(name, low), parameter(name, high)
        box.append((max(low, 0.0), min(high, HIGH[name])))
    there = plane_of(curve.model, curve.period, *curve.parameters)
    found = tongues_of(curve, there, rotation, (box[0], box[1]), max_step=max_step, n_points=n_points)
    return tuple(of_maps.with_model(each, curve.model, of_network) for each in found)


def _range(name: str, bounds: Any) -> tuple[float, float]:
    """Return the range of a parameter of the network."""
    low, high = (parameter(name, float(bound)) for bound in finite(name, bounds, (2,)))
    return low, high


def _window(model: SelfAttention, start: Any, n_transient: int) -> np.ndarray:
    """Return the attention of the last steps of a run, newest first, before a step of phase 0."""
    batch, n_context = single(model, start), model.n_context
    batch.advance(n_transient + (-batch.phase - n_transient - n_context) % model.period)
    record = batch.new_record(("attention",), n_context)
    batch.advance(n_context, record=record)
    batch.check_finite()
    return record.arrays()["attention"][0][::-1].copy()
