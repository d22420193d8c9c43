r"""Resonance (Arnold) tongues: where a torus is locked to a cycle, between two curves of folds.

On a curve of torus points with the angle :math:`2 \pi p / q`, cycles of q turns are born, at all phases of the torus.
In the normal form :math:`z' = \mu z (1 + d |z|^2 + \ldots) + c\,\bar z^{\,q-1}` the tongue between their folds
widens as :math:`|z|^{q-2}` [1]_; from a rigid rotation it widens as the q-th power of what disturbs it. So the middle
is followed from the tip on, where both folds are one to rounding, and the folds from where they are two.

.. [1] Kuznetsov, Elements of Applied Bifurcation Theory (2004), sec. 7.3.
"""

from __future__ import annotations

import dataclasses
from math import gcd
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.checks import number, shown, whole
from ..._util.values import Frozen
from . import turns
from .bordered import Bordered, Plane
from .curves import Curve, follow_curve
from .middles import Across, Place
from .rotations import passages
from .tips import shrunk, tip_of
from .window_map import windows_of

LEAST, MOST = 5, 1_000  # turns of the cycles: those of strong resonances are not born so
FOLDED = 1e-10  # of the range across: where the folds of a tongue so thin can still be followed as such
EASY = 1e-7  # the same where they can be with ease
NEARER = 0.25  # to a tip, from place to place
MOST_NEARER = 12
WIDENED = 3.0  # times the least width: past a tip


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tongue(Frozen):
    """Where a torus is locked to cycles of one rotation number.

    Attributes
    ----------
    rotation : (int, int)
        p and q: the cycles go p times round the torus in q turns.
    parameters : (str, str)
        Their names.
    tip : (float, float)
        Where the tongue begins, as on a curve of torus points; NaN if it has no tip in the ranges.
    place : float
        Of the tip between the points of the curve it was sought on; NaN of a tongue that was found otherwise.
    sides : (Curve, Curve) or ()
        Of folds of the cycles of q turns, from near the tip on. In a picture of the parameters, the first one to the
        right of the other. Empty where the tongue is thinner than doubles tell throughout.
    across : str
        The parameter in which the width is measured.
    middle : ndarray, shape (n_places, 2)
        Parameters of a cycle of q turns in the tongue, from the tip on if there is one.
    orbits : ndarray, shape (n_places, period, n_features)
        That cycle; step 0 has phase 0. At a tip NaN where the torus is no torus yet.
    width : ndarray, shape (n_places,)
        Of the tongue at the places of the middle. NaN where rounding hides it: below about 1e-15 of the parameter.
    """

    rotation: tuple[int, int]
    parameters: tuple[str, str]
    tip: tuple[float, float]
    place: float
    sides: tuple[Curve, ...]
    across: str
    middle: np.ndarray
    orbits: np.ndarray
    width: np.ndarray

    def lines(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Return both sides as `figures.bifurcation_curve` draws them: from the tip on.

        Where they are one to rounding they are drawn along the middle.

        Returns
        -------
        tuple of (ndarray, ndarray)
            Of each side the parameters (n, 2), and whether no other multiplier is outside the unit circle.
        """
        drawn = []
        for side in self.sides:
            held = 1 - self.parameters.index(self.across)
            before = (self.middle[:, held] - side.values[0, held]) * (self.middle[-1, held] - self.middle[0, held]) < 0
            values = np.vstack([self.middle[before], side.values])
            drawn.append((values, np.append(np.repeat(side.stable[:1], np.count_nonzero(before)), side.stable)))
        return tuple(drawn)

    def __repr__(self) -> str:
        p, q = self.rotation
        first, second = self.parameters
        told = self.width[self.width > 0.0]
        width = f"up to {told.max():.3g} wide in {self.across}" if told.size else "too thin for doubles"
        one, other = (value + 0.0 for value in self.tip)  # no -0
        tip = "no tip in the ranges" if np.isnan(self.tip).any() else f"tip at ({one:.8g}, {other:.8g})"
        return f"Tongue({p} / {q} in {first} and {second}: {tip}; {width}; {len(self.sides)} sides)"


def rotation_of(rotation: Any, least: int = LEAST) -> tuple[int, int]:
    """Return the argument `rotation`, two whole numbers with p <= q / 2 and no common factor.

    Examples
    --------
    >>> rotation_of((3, 5)), rotation_of([1, 7])
    ((2, 5), (1, 7))
    """
    if not isinstance(rotation, list | tuple) or len(rotation) != 2:
        raise ValueError(f"rotation must be a pair of whole numbers (p, q), got {shown(rotation)}")
    q = whole("rotation[1]", rotation[1], least, MOST)
    p = whole("rotation[0]", rotation[0], min(1, q - 1), q - 1 or 1) % q
    if gcd(p, q) != 1:
        raise ValueError(f"rotation must have no common factor, got {shown(rotation)}")
    return min(p, q - p), q


@threadpool_limits.wrap(limits=1, user_api="blas")  # more change the last bits
@np.errstate(over="ignore", invalid="ignore")  # Newton's method may lead nowhere
def tongues_of(
    curve: Curve,
    plane: Plane,
    rotation: tuple[int, int],
    box: tuple[tuple[float, float], tuple[float, float]],
    *,
    max_step: float,
    n_points: int,
) -> tuple[Tongue, ...]:
    """Return the tongue of a rotation number at every place of a curve of torus points that has it."""
    max_step, n_points = number("max_step", max_step, 1e-6, 1.0), whole("n_points", n_points, 2)
    (p, q), spans = rotation, (box[0][1] - box[0][0], box[1][1] - box[1][0])
    kappa = np.cos(2.0 * np.pi * p / q)
    apart = np.cos(curve.theta) - kappa
    found = []
    for i in np.flatnonzero(apart[:-1] * apart[1:] <= 0.0):
        if apart[i + 1] == 0.0 and i + 2 < len(apart):
            continue  # it is the next one's first
        share = apart[i] / (apart[i] - apart[i + 1]) if apart[i] != apart[i + 1] else 0.0
        orbit, values = _tip(curve, plane, int(i), float(share), kappa, spans)
        if not all(low < value < high for value, (low, high) in zip(values, box, strict=True)):
            continue
        tongue = _from_tip(plane, orbit, values, rotation, box, max_step=max_step, n_points=n_points)
        found.append(dataclasses.replace(tongue, place=float(i + share)))
    if not found:
        low, high = np.sort(curve.theta[[0, -1]]) / (2.0 * np.pi)
        raise ValueError(f"rotation must be met on the curve, from {low:.4g} to {high:.4g} at its ends, got {p} / {q}")
    return tuple(found)


def _tip(
    curve: Curve, plane: Plane, i: int, share: float, kappa: float, spans: tuple[float, float]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the cycle and the parameters where a pair of a curve has an angle, between two of its points."""
    orbits, values = curve.orbits[i : i + 2], curve.values[i : i + 2]
    orbit = orbits[0] + share * (orbits[1] - orbits[0])
    guess = np.concatenate([orbit.ravel(), values[0] + share * (values[1] - values[0]), [kappa]])
    bordered = Bordered(plane, "neimark-sacker", orbit, spans)
    bordered.border(guess)
    angle = np.zeros(len(guess))
    angle[-1] = 1.0
    point, _ = bordered.correct(guess, angle)
    if point is None:
        raise RuntimeError(f"no torus point with the cosine {kappa:.6g} found between points {i} and {i + 1}")
    first, second = bordered.parameters(point).tolist()
    return bordered.orbit(point).copy(), (first, second)


def _from_tip(
    plane: Plane,
    orbit: np.ndarray,
    tip: tuple[float, float],
    rotation: tuple[int, int],
    box: tuple[tuple[float, float], tuple[float, float]],
    *,
    max_step: float,
    n_points: int,
) -> Tongue:
    """Return the tongue that begins at a torus point."""
    p, q = rotation
    mu, maps = np.exp(2j * np.pi * p / q), plane.maps(*tip)
    rows = maps[0].linearize(windows_of(orbit[None], maps[0].n_context))[1][0]
    vector = turns.null_vectors(rows, mu)[1].reshape(orbit.shape)
    base, whole_way = np.concatenate([orbit] * q), np.concatenate([mu**k * vector for k in range(q)])
    for which in (0, 1):
        across = Across(plane, which, box)
        born = across.born(base, whole_way, tip, q)
        if born is None:
            continue
        point, held = born
        moved = np.abs(point[-1] - tip[which]) / across.spans[0], np.abs(held - tip[1 - which]) / across.spans[1]
        if moved[0] > moved[1]:  # the tongue goes that way: the other one is across
            across = Across(plane, 1 - which, box)
            point, held = np.append(point[:-1], held), float(point[-1])
        start = across.place(point, base.shape, held, q)
        if start is None:
            continue
        away = held - tip[1 - across.across]
        end = across.bounds[1 if away > 0 else 0]
        places = across.walk(start, end, q, 0.5 * abs(away), max_step, n_points)
        return assembled(across, places, rotation, tip, max_step=max_step, n_points=n_points)
    raise RuntimeError(f"no cycles of the tongue {p} / {q} found near {tip[0]:.10g}, {tip[1]:.10g}")


def turn_of(period: int, n_turns: int, least: int) -> int:
    """Return the steps of a turn of the map, of which a cycle has so many.

    Examples
    --------
    >>> turn_of(20, 5, 2)
    4
    """
    if period % (n_turns * least):
        raise ValueError(f"rotation[1] must be the turns, of a multiple of {least} steps, of {period}, got {n_turns}")
    return period // n_turns


@threadpool_limits.wrap(limits=1, user_api="blas")  # more change the last bits
@np.errstate(over="ignore", invalid="ignore")  # Newton's method, and orbits, may lead nowhere
def tongues_near(
    plane: Plane,
    values: tuple[float, float],
    rotation: tuple[int, int],
    box: tuple[tuple[float, float], tuple[float, float]],
    *,
    orbit: np.ndarray | None,
    window: np.ndarray | None,
    turn: int,
    n_transient: int,
    n_search: int,
    max_step: float,
    n_points: int,
) -> tuple[Tongue, ...]:
    """Return the tongue with a cycle in it; without one, all tongues of a rotation number along the first parameter.

    Parameters
    ----------
    plane : Plane
    values : (float, float)
        Of the parameters: of the cycle, or where the window comes from.
    rotation : (int, int)
        p and q.
    box : ((float, float), (float, float))
        Bounds of the parameters.
    orbit : ndarray, shape (q * turn, n_features), or None
    window : ndarray, shape (n_context, n_features), or None
        Of an orbit on a torus, before a step of phase 0.
    turn : int
        Steps of a turn of the map.
    n_transient, n_search : int
        Steps of orbits that are run before, and looked at.
    max_step, n_points
        Of the curves.
    """
    max_step, n_points = number("max_step", max_step, 1e-6, 1.0), whole("n_points", n_points, 2)
    for name, value, (low, high), which in zip(plane.names, values, box, (0, 1), strict=True):
        inside = low < high and (low <= value <= high or (orbit is None and which == 0))
        if not inside:
            raise ValueError(f"{name} must be (low, high) with low <= {value:g} <= high, got ({low:g}, {high:g})")
    across, (p, q) = Across(plane, 0, box), rotation
    how: dict[str, Any] = {"max_step": max_step, "n_points": n_points}
    if orbit is not None:
        tongue = tongue_through(across, orbit, values, q, **how)
        if tongue.rotation != rotation:
            there = "{} / {}".format(*tongue.rotation)
            raise ValueError(f"rotation must be that of the cycle, {there}, got {p} / {q}")
        return (tongue,)
    assert window is not None
    cycles = passages(across, window, values, rotation, turn, n_transient=n_transient, n_search=n_search)
    if not cycles:
        low, high = box[0]
        raise ValueError(f"rotation must be met along {plane.names[0]} from {low:g} to {high:g}, got {p} / {q}")
    return tuple(tongue_through(across, orbit, there, q, **how) for orbit, there in cycles)


def tongue_through(
    across: Across, orbit: np.ndarray, values: tuple[float, float], n_turns: int, *, max_step: float, n_points: int
) -> Tongue:
    """Return the tongue with a cycle of so many turns in it, or near it."""
    held, guess = values[1 - across.across], np.append(orbit.ravel(), values[across.across])
    start = across.place(guess, orbit.shape, held, n_turns)
    if start is None:
        raise RuntimeError(f"no cycles of {n_turns} turns round a torus found near {values[0]:.10g}, {values[1]:.10g}")
    p = pow(start.ring.shift, -1, n_turns) if n_turns > 1 else 0
    p = min(p, n_turns - p) if p else 0
    step = 0.25 * max_step * across.spans[1]
    ways = [_narrowing(across.walk(start, end, n_turns, step, max_step, n_points)) for end in across.bounds]
    # The tip is where the torus shrinks to a cycle, or where the tongue is the thinner.
    born = [shrunk(across, way, n_turns) for way in ways]
    thin = born.index(True) if True in born else int(np.argmin([np.nan_to_num(way[-1].width) for way in ways]))
    places = ways[thin][:0:-1] + ways[1 - thin]
    places, tip = tip_of(across, places, n_turns)
    return assembled(across, places, (p, n_turns), tip, max_step=max_step, n_points=n_points)


def _narrowing(places: list[Place]) -> list[Place]:
    """Return places up to where the tongue is narrowest, if it widens again past that: one more begins at its tip."""
    width = np.nan_to_num([each.width for each in places])
    least = int(np.argmin(width))
    return places[:least] if least > 1 and width[-1] > WIDENED * width[least] else places


def assembled(
    across: Across,
    places: list[Place],
    rotation: tuple[int, int],
    tip: tuple[float, float] | None,
    *,
    max_step: float,
    n_points: int,
) -> Tongue:
    """Return a tongue of the places of its middle, from the tip on."""
    if tip is not None:
        places = _nearer(across, places, tip[1 - across.across], rotation[1])
    values = np.array([across.values(float(each.point[-1]), each.held) for each in places])
    width = np.array([each.width for each in places])
    orbits = np.stack([each.curve.orbit(each.point) for each in places])
    if tip is not None:
        begun = int(places[0].held == tip[1 - across.across])
        values, width = np.vstack([tip, values[begun:]]), np.append(0.0, width[begun:])
        orbits = orbits if begun else np.concatenate([np.full_like(orbits[:1], np.nan), orbits])
    outward = np.sign(places[-1].held - places[0].held) or 1.0
    names = across.plane.names
    return Tongue(
        rotation=rotation,
        parameters=names,
        tip=(np.nan, np.nan) if tip is None else tip,
        place=np.nan,
        sides=_sides(across, places, outward, max_step, n_points),
        across=names[across.across],
        middle=values,
        orbits=orbits,
        width=width,
    )


def _nearer(across: Across, places: list[Place], tip: float, n_turns: int) -> list[Place]:
    """Return places with some put before the first one whose width is known, as near to the tip as folds are told."""
    first = next((i for i, each in enumerate(places) if each.width >= FOLDED * across.spans[0]), None)
    if first is None:
        return places
    here, more = places[first], list[Place]()
    while here.width > EASY * across.spans[0] and len(more) < MOST_NEARER:
        held = tip + NEARER * (here.held - tip)
        guess = here.point + (held - here.held) * across.rise(here.curve, here.point, here.way, here.held)
        following = across.place(guess, here.curve.shape, held, n_turns) if np.isfinite(guess).all() else None
        if following is None or not following.width >= FOLDED * across.spans[0]:
            break
        more.append(following)
        here = following
    before = [each for each in places[:first] if not more or abs(each.held - tip) < abs(more[-1].held - tip)]
    return before + more[::-1] + places[first:]


def _sides(across: Across, places: list[Place], outward: float, max_step: float, n_points: int) -> tuple[Curve, ...]:
    """Return the curves of folds of a tongue from the first place on where they are told from one another."""
    for place in places:
        if not place.width >= FOLDED * across.spans[0]:
            continue
        way = np.append(np.zeros(len(place.point) - 1), across.values(0.0, outward))
        try:
            low, high = (
                follow_curve(
                    across.plane,
                    "fold",
                    place.curve.orbit(end),
                    across.values(float(end[-1]), place.held),
                    1.0,
                    across.box,
                    max_step=max_step,
                    n_points=n_points,
                    outward=way,
                )
                for end in (place.ring.low, place.ring.high)
            )
        except RuntimeError:  # not told yet
            continue
        # Seen along the way out, more of the first parameter is to the right, and more of the second to the left.
        return (high, low) if (outward > 0) == (across.across == 0) else (low, high)
    return ()
