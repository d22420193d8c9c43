"""Steps along the curve of cycles from one of its points, one way, with the bifurcations on the way."""

from __future__ import annotations

import bisect
import dataclasses
from functools import partial
from operator import itemgetter
from typing import NamedTuple, Protocol

import numpy as np

from ..._util.progress import working
from ..._util.roots import root_between
from . import linear, turns
from .curve import CycleCurve, Met, Node, crossing_kind, events, n_outside, node, nodes
from .halves import is_twice, swap

TURN = 0.9  # cosine between the tangents of neighbours on a branch: less is a step too long
MIN_STEP = 1e-6  # of the longest
BETWEEN = 0.05  # of how far a step bends: how far the middle may be off the cubic through both ends
ROUGH = 0.1  # of that: how well the middle is sought
FURTHEST = 4.0  # times the last step, and a cubic through its ends leads nowhere
STRAIGHT = 1e-4  # of a step: it counts as bending so far at least, by a twentieth
NEAR = 1e-3  # of the longest step: how near the last point comes to a cycle of half the period
DOUBLE = 1e-5  # of its size: how far a cycle is at most from one of half its period where the curve turns back at it
NEARLY_DOUBLE = 1e-3  # the same where the last steps lead to it
PLACED = 1e-11  # of a step: how well a bifurcation is located
CRITICAL = 1e-4  # log of the modulus of multipliers that cross: what rounding leaves of 0 where several come together
FINEST = 1e-9  # of what parts two neighbours: where halving ends
AHEAD, ROOM = 8, 2**24  # points at most that are looked at together, and numbers in the triangles of their steps
CLOSED = "the branch closes"
_first = itemgetter(0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A bifurcation: its place among the points, its kind, and how many more multipliers are unstable after it."""

    place: float
    kind: str
    node: Node
    gained: int


class Taken(NamedTuple):
    """A step from one point to the next, its length, and how many corrections it took."""

    here: Node
    there: Node
    length: float
    n: int


class Continuation:
    """The points of a curve of cycles from one of them on, in one direction.

    Parameters
    ----------
    curve : CycleCurve
    start : Node
        Where to begin; its tangent gives the direction.
    low, high : float
        Bounds of the parameter.
    max_step : float
    n_points : int
    """

    def __init__(self, curve: CycleCurve, start: Node, low: float, high: float, max_step: float, n_points: int) -> None:
        self.curve, self.bounds, self.max_step = curve, (low, high), max_step
        curve.measure(curve.orbit(start.point))
        self.start = self.measured(start)
        self.nodes: list[Node] = [self.start]
        self.special: list[Located] = []
        self.unlocated: list[tuple[float, float, int]] = []
        self.n_points, self.n_ahead = n_points, 1
        self.ahead: list[Taken] = []
        size = curve.system.n_context * curve.system.n_features
        most = min(AHEAD, ROOM // (curve.shape[0] * size**2)) if size <= linear.SIDE_BY_SIDE else 1
        self.most_ahead = max(1, most)
        self.end = f"{n_points} points"
        leads_out = low if start.tangent[-1] < 0 else high
        if start.point[-1] == leads_out:
            self.end = f"{leads_out:g} reached"
            return
        step, n_seen = max_step / 4.0, 0
        with working(n_points, "points at most") as tick:
            while step and len(self.nodes) < n_points:
                tick(len(self.nodes) - n_seen)
                n_seen = len(self.nodes)
                step = self._further(step)

    def _further(self, step: float) -> float:
        """Take the next point, or none if the step is too long; return the next step, 0 where the curve ends."""
        here, half_met = self.nodes[-1], f"a cycle of period {self.curve.shape[0] // 2} is met"
        taken = self.step(here, step)
        kinds = None if taken is None else events(here, taken.there)
        if kinds is None and step > MIN_STEP * self.max_step:
            return step / 2.0
        if taken is None:
            self.end = "no neighbour found: the cycle may cease to be smooth"
            if self.is_double(here, NEARLY_DOUBLE):  # there the curve has two directions, and rounding decides
                self.end = half_met
            return 0.0
        following = taken.there
        located = self.located(here, following, kinds)
        # The curve turns back where it passes through a cycle of half the period: no fold.
        if self.halves(here, following) or any(
            (each.kind == "fold" and self.is_double(each.node, DOUBLE))
            or (not each.gained and self.is_double(each.node, NEARLY_DOUBLE))
            for each in located
        ):
            if step > NEAR * self.max_step:
                return step / 2.0
            self.end = half_met
            return 0.0
        self.special += located
        missing = n_outside(following) - n_outside(here) - sum(each.gained for each in located)
        if missing:
            self.unlocated.append((float(here.point[-1]), float(following.point[-1]), missing))
        self.nodes.append(following)
        if following.point[-1] in self.bounds:
            self.end = f"{following.point[-1]:g} reached"
            return 0.0
        if self.curve.outgrown(following.point):
            self.curve.measure(self.curve.orbit(following.point))
            self.nodes[-1], self.start = self.measured(following), self.measured(self.start)
        if len(self.nodes) > 3 and self.closes(self.start, step):
            self.special += self.located(following, self.start, events(following, self.start))
            self.end = CLOSED
            return 0.0
        return self.longer(step, taken.n)

    def longer(self, step: float, n: int) -> float:
        """Return the step after one that took so many corrections."""
        return min(step * (1.5 if n <= 4 else 1.0), self.max_step)

    def measured(self, at: Node) -> Node:
        """Return a node whose tangent has unit length as lengths are measured now."""
        return dataclasses.replace(at, tangent=at.tangent / self.curve.length(at.tangent))

    def closes(self, start: Node, step: float) -> bool:
        """Return whether the last point has come round to the first, in the same direction."""
        last = self.nodes[-1]
        near = self.curve.length(last.point - start.point) < step
        return near and self.curve.product(last.tangent, start.tangent) >= TURN

    def step(self, here: Node, step: float) -> Taken | None:
        """Return the step to the next point, at a bound if one is passed, or None if it is too long.

        Multipliers take the most time, and those of several points of small windows hardly more than those of one: the
        curve is walked ahead as if no point on the way asked for shorter steps. Points behind one that does are lost.
        """
        if not (self.ahead and self.ahead[0].here is here and self.ahead[0].length == step):
            self.n_ahead = 1 if self.ahead else min(2 * self.n_ahead, self.most_ahead)
            self.ahead = self.walked(here, step)
        return self.ahead.pop(0) if self.ahead else None

    def walked(self, here: Node, step: float) -> list[Taken]:
        """Return the next steps from a point, none if the first is too long."""
        before: Place | None = self.nodes[-2] if len(self.nodes) > 1 else None
        at: Place = here
        mets: list[Met] = []
        lengths: list[float] = []
        corrections: list[int] = []
        for _ in range(min(self.n_ahead, self.n_points - len(self.nodes))):
            there, n = self.meet(before, at, step)
            if there is None:
                break
            mets.append(there)
            lengths.append(step)
            corrections.append(n)
            if there.point[-1] in self.bounds or self.curve.outgrown(there.point):
                break
            before, at, step = at, there, self.longer(step, n)
        if not mets:
            return []
        found = nodes(mets, here.frame)
        return [Taken(*each) for each in zip([here, *found[:-1]], found, lengths, corrections, strict=True)]

    def meet(self, before: Place | None, here: Place, step: float) -> tuple[Met | None, int]:
        """Return the next point, without its multipliers, or None if the step is too long; and how many corrections."""
        there, n = self.curve.meet(led_on(self.curve, before, here, step), here.tangent)
        if there is None or self.curve.length(there.point - here.point) > 1.5 * step:
            return None, n
        for bound, outside in zip(self.bounds, (-1.0, 1.0), strict=True):
            if (there.point[-1] - bound) * outside > 0:
                share = (bound - here.point[-1]) / (there.point[-1] - here.point[-1])
                guess = here.point + share * (there.point - here.point)
                guess[-1] = bound
                only_value = np.append(np.zeros(len(guess) - 1), 1.0)
                point, n = self.curve.correct(guess, only_value)
                if point is None:
                    return None, n
                point[-1] = bound
                there = Met(point, *self.curve.tangent(point, here.tangent))
        if not self.curve.product(here.tangent, there.tangent) >= TURN:  # NaN where it has none
            return None, n
        if not self.joined(here, there):
            return None, n
        return there, n

    def joined(self, here: Place, there: Place) -> bool:
        """Return whether two points lie on one sheet: the cubic through both, with their tangents, meets it halfway.

        Between two sheets it does not: there the curve is off by half of what parts them, while on one
        sheet the cubic is off by the fourth power of the step.
        """
        ahead = there.point - here.point
        reach = self.curve.product(ahead, here.tangent)
        bend = self.curve.length(ahead - reach * here.tangent)
        middle = here.point + ahead / 2.0 + reach / 8.0 * (here.tangent - there.tangent)
        off = BETWEEN * max(bend, STRAIGHT * abs(reach)) + 1e-11
        point, _ = self.curve.correct(middle, here.tangent, rough=ROUGH * off)
        return point is not None and self.curve.length(point - middle) <= off

    def is_double(self, at: Node, tolerance: float) -> bool:
        """Return whether a cycle is one of half its period twice over, but for so much of its size."""
        return is_twice(self.curve.orbit(at.point), self.curve.system.n_phases, tolerance * self.curve.scale)

    def halves(self, here: Node, following: Node) -> bool:
        """Return whether both halves of the cycle become one another between two points."""
        return swap(self.curve.orbit(here.point), self.curve.orbit(following.point), self.curve.system.n_phases)

    def located(self, here: Node, following: Node, kinds: list[str] | None) -> list[Located]:
        """Return the bifurcations between two points: of known kinds, or where the number of unstable ones changes."""
        gained = n_outside(following) - n_outside(here)
        found = self.locate(here, following, kinds or [])
        if len(found) == 1:
            ((place, kind, at),) = found
            if kind == "fold" and gained == 0:
                return [Located(place, "branch point", at, 0)]  # met from the branch that turns back there
            # Rounding makes two equal real ones a pair here and there: a test function then jumps, and is 0 nowhere.
            if abs(gained) == (2 if kind == "neimark-sacker" else 1) and _off(at, gained) < CRITICAL:
                return [Located(place, kind, at, gained)]
        return self.crossings(here, following) if gained else []

    def crossings(self, here: Node, following: Node) -> list[Located]:
        """Return all places between two points at which the number of unstable multipliers changes, by halving."""
        reach = self.curve.product(here.tangent, following.point - here.point)
        end = following.tangent / self.curve.product(here.tangent, following.tangent)
        found: list[tuple[float, Node, int]] = []

        def look(a: float, first: Node, b: float, second: Node) -> None:
            gained, middle = n_outside(second) - n_outside(first), (a + b) / 2.0
            if not gained:
                return
            nearest = min(first, second, key=lambda at: _off(at, gained))
            apart = a < middle < b and b - a > FINEST * reach
            guess = cubic(0.0, here.point, here.tangent, reach, following.point, end, middle)
            met = self.curve.meet(guess, here.tangent)[0] if apart else None
            if met is not None:
                between = node(met, first.frame)
                look(a, first, middle, between)
                look(middle, between, b, second)
            elif not apart or _off(nearest, gained) < CRITICAL:  # rounding leaves none so near to where curves cross
                found.append((b, nearest, gained))

        look(0.0, here, reach, following)
        turns = here.tangent[-1] * following.tangent[-1] < 0
        together: list[list[tuple[float, Node, int]]] = []
        for each in found:  # what is nearer than the shortest step cannot be told apart, and rounding may shuffle it
            if together and each[0] - together[-1][0][0] <= MIN_STEP * self.max_step:
                together[-1].append(each)
            else:
                together.append([each])
        located = []
        for group in together:
            gained = sum(each[2] for each in group)
            if gained:
                length, near, _ = min(group, key=lambda each: _off(each[1], gained))
                kind = crossing_kind(near, gained)
                kind = "fold" if turns and kind == "branch point" and abs(gained) == 1 else kind
                located.append(Located(len(self.nodes) - 1 + length / reach, kind, near, gained))
        return located

    def locate(self, here: Node, following: Node, kinds: list[str]) -> list[tuple[float, str, Node]]:
        """Return the place, kind and node of the bifurcations between two points."""
        between = Between(self.curve, here, following)
        reach = between.reach

        def test(length: float, kind: str) -> float:
            # Neither asks for all multipliers: those take the most time.
            end = ends.get(length)
            if kind == "fold":
                return float((between.at(length) if end is None else end).tangent[-1])
            if kind == "flip":  # det(1 + M) changes its sign with the number of real multipliers below -1
                rows = between.at(length).rows if end is None else self.curve.linearize(end.point)[1]
                sign, size = turns.determinant(rows[0], -1.0)
                unit.append(size)
                return float(sign * np.exp(min(size - unit[0], 600.0)))
            if end is None:
                latest[0] = end = node(between.at(length), latest[0].frame)
            return end.tests()[kind]

        ends = {0.0: here, reach: following}
        located, latest = [], [here]  # the frame of the last point looked at is the nearest to the next one
        for kind in kinds:
            unit: list[float] = []
            try:
                length = root_between(partial(test, kind=kind), 0.0, reach, xtol=PLACED * reach, rtol=1e-15)
                found = node(between.at(length), here.frame)
            except (ArithmeticError, ValueError):
                continue  # not isolated, even at the smallest step
            located.append((len(self.nodes) - 1 + length / reach, kind, found))
        return located


def _off(at: Node, gained: int) -> float:
    """Return how far off the unit circle the last of the multipliers is that cross it."""
    return float(np.sort(np.abs(at.growth))[abs(gained) - 1])


class Between:
    """Points of a curve of cycles between two neighbours, by their length along the tangent of the first."""

    def __init__(self, curve: CycleCurve, here: Place, following: Place) -> None:
        self.curve, self.along = curve, here.tangent
        self.reach = curve.product(here.tangent, following.point - here.point)
        # By their length: point, and direction per length.
        self.known = [(0.0, here.point, here.tangent), (self.reach, following.point, self._slope(following))]
        self.met: dict[float, Met] = {}

    def _slope(self, at: Place) -> np.ndarray:
        return at.tangent / self.curve.product(self.along, at.tangent)

    def at(self, length: float) -> Met:
        """Return the point so far on, sought from the cubic through those on both sides; ArithmeticError if none is."""
        if length not in self.met:
            place = min(max(bisect.bisect([each[0] for each in self.known], length), 1), len(self.known) - 1)
            there, _ = self.curve.meet(cubic(*self.known[place - 1], *self.known[place], length), self.along)
            if there is None:
                raise ArithmeticError
            bisect.insort(self.known, (length, there.point, self._slope(there)), key=_first)
            self.met[length] = there
        return self.met[length]


class Measure(Protocol):
    """What measures lengths along a curve."""

    def length(self, vector: np.ndarray) -> float:
        """Return the length of a vector."""

    def product(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the scalar product of two vectors."""


class Place(Protocol):
    """A point of a curve with its tangent."""

    @property
    def point(self) -> np.ndarray:
        """The point."""

    @property
    def tangent(self) -> np.ndarray:
        """Its tangent."""


def led_on(measure: Measure, before: Place | None, here: Place, step: float) -> np.ndarray:
    """Return where the cubic through the last two points leads: nearer to the curve than the tangent, as far on."""
    guess = here.point + step * here.tangent
    if before is None:
        return guess
    reach = measure.product(here.tangent, here.point - before.point)
    turned = measure.product(here.tangent, before.tangent)
    if not (step < FURTHEST * reach and turned > 0.0):
        return guess
    bent = cubic(-reach, before.point, before.tangent / turned, 0.0, here.point, here.tangent, step)
    return bent if measure.length(bent - guess) < step / 2.0 else guess


def cubic(
    one: float, first: np.ndarray, slope: np.ndarray, other: float, last: np.ndarray, end: np.ndarray, place: float
) -> np.ndarray:
    """Return the cubic through two points with their derivatives."""
    width = other - one
    u = (place - one) / width
    return (
        first
        + u * u * (3.0 - 2.0 * u) * (last - first)
        + width * (u * (1.0 - u) ** 2 * slope - u * u * (1.0 - u) * end)
    )
