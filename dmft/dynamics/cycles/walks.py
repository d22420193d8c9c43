"""Steps along a curve of bifurcations from one of its points, one way, with those of codimension 2 on the way."""

from __future__ import annotations

import dataclasses
from operator import itemgetter

import numpy as np

from ..._util.progress import working
from ..._util.roots import root_between
from .bordered import Bordered
from .continuation import CLOSED, MIN_STEP, NEAR, NEARLY_DOUBLE, cubic, led_on
from .halves import is_twice, swap
from .stations import DEGENERATE, JOINED, Station, gains, poles, station

TURN = 0.95  # cosine between the tangents of neighbours: less is a step too long
_first = itemgetter(0)
ENDS = ("1:1 resonance", "1:2 resonance")  # of curves of torus points
ROUGHLY_DOUBLE = 1e-2  # of its size: how far a cycle is from one of half its period where rounding is felt
ON = 1e-11  # a test function so small may be 0
ALONG = 1e-9  # of the way: so little leads out of no box
BEFORE = 0.99  # of the way to such an end: what is nearer is of its poles


class Walk:
    """The points of a curve from one of them on, in one direction."""

    def __init__(
        self,
        curve: Bordered,
        start: Station,
        box: tuple[tuple[float, float], tuple[float, float]],
        max_step: float,
        n_points: int,
    ) -> None:
        self.curve, self.box, self.max_step = curve, box, max_step
        self.stations: list[Station] = [start]
        self.special: list[tuple[float, str, Station]] = []
        self.unlocated: list[tuple[float, float]] = []
        self.end = f"{n_points} points"
        for which, name in enumerate(curve.plane.names):
            value, way = curve.parameters(start.point)[which], curve.parameters(start.tangent)[which]
            if value == box[which][1 if way > 0 else 0] and abs(way) > ALONG * curve.spans[which]:
                self.end = f"{name} = {value:g} reached"
                return
        curve.border(start.point)
        curve.measure(curve.orbit(start.point))
        self.start = self.stations[0] = self.measured(start)
        step, n_seen = max_step / 4.0, 0
        with working(n_points, "points at most") as tick:
            while step and len(self.stations) < n_points:
                tick(len(self.stations) - n_seen)
                n_seen = len(self.stations)
                step = self._further(step)

    def _further(self, step: float) -> float:
        """Take the next point, or none if the step is too long; return the next step, 0 where the curve ends."""
        curve, here, shortest = self.curve, self.stations[-1], step <= MIN_STEP * self.max_step
        following, n = self.step(here, step)
        events = [] if following is None else self.events(here, following)
        if not shortest and (following is None or len(events) > 1 or self.unexplained(here, following, events)):
            return step / 2.0
        if following is None:
            self.end = self.why()
            return 0.0
        if self.ambiguous(here, following) and not shortest and not self.leaves(following):
            return 0.7 * step
        # Nearer to a cycle of half the period rounding decides where the curve goes.
        if self.halves(here, following) or self.doubles(following, NEARLY_DOUBLE):
            if step > NEAR * self.max_step:
                return step / 2.0
            self.end = f"a cycle of period {curve.shape[0] // 2} is met"
            return 0.0
        last = self.last(here, following, events)
        if last:  # past it the two multipliers are real: no torus
            self._end_at(here, following, *last)
            return 0.0
        self._take(here, following, events)
        left = self.leaves(following)
        if left or (len(self.stations) > 3 and self.closes(self.start, step)):
            self.end = left or CLOSED
            return 0.0
        if curve.outgrown(following.point):
            curve.measure(curve.orbit(following.point))
            self.stations[-1], self.start = self.measured(following), self.measured(self.start)
        curve.reborder(curve.look(following.point), following.point)
        return min(step * (1.4 if n <= 4 else 1.0), self.max_step)

    def measured(self, at: Station) -> Station:
        """Return a point whose tangent has unit length as lengths are measured now."""
        return dataclasses.replace(at, tangent=at.tangent / self.curve.length(at.tangent))

    def _take(self, here: Station, following: Station, events: list[str]) -> None:
        """Take the next point, with what lies between."""
        place, found = len(self.stations) - 1.0, self.located(here, following, events)
        if len(found) < len(events) or self.unexplained(here, following, events):
            self.unlocated.append((place, place + 1.0))
        self.special += [(place + share, kind, at) for share, kind, at in found]
        self.stations.append(following)

    def _end_at(self, here: Station, following: Station, share: float, kind: str, resonance: Station) -> None:
        """Take the resonance, so far on from one point to the next, that ends a curve of torus points."""
        place, near = len(self.stations) - 1.0, self.between(here, following, BEFORE * share)
        if near is not None:
            found = self.located(here, near, self.events(here, near))
            self.special += [(place + BEFORE * each[0], *each[1:]) for each in found]
        self.stations.append(dataclasses.replace(resonance, coefficient=complex(np.nan)))
        self.special.append((place + 1.0, kind, resonance))
        self.end = kind

    def why(self) -> str:
        """Return why no neighbour was found."""
        curve, here = self.curve, self.stations[-1]
        if self.doubles(here, ROUGHLY_DOUBLE):
            return f"a cycle of period {curve.shape[0] // 2} is met"
        if curve.kind == "pitchfork":
            return "no neighbour found: the symmetry may be lost"
        return "no neighbour found: the step became too small"

    def step(self, here: Station, step: float) -> tuple[Station | None, int]:
        """Return the next point, at the edge of the box if that is passed, or None if the step is too long."""
        curve = self.curve
        before = self.stations[-2] if len(self.stations) > 1 else None
        point, n = curve.correct(led_on(curve, before, here, step), here.tangent)
        if point is None or curve.length(point - here.point) > 1.5 * step:
            return None, n
        shares = [1.0]
        edge = None
        for which in (0, 1):
            value, before = curve.parameters(point)[which], curve.parameters(here.point)[which]
            for bound, outside in zip(self.box[which], (-1.0, 1.0), strict=True):
                if (value - bound) * outside > 0:
                    share = (bound - before) / (value - before)
                    if share < min(shares):
                        edge = which, bound
                    shares.append(share)
        if edge is not None:
            which, bound = edge
            guess = here.point + min(shares) * (point - here.point)
            curve.parameters(guess)[which] = bound
            point, n = curve.correct(guess, curve.along(which))
            if point is None:
                return None, n
            curve.parameters(point)[which] = bound
        tangent = curve.tangent(point, here.tangent)
        if not curve.product(here.tangent, tangent) >= TURN:
            return None, n
        return station(curve, point, tangent, here.frame), n

    def leaves(self, at: Station) -> str:
        """Return which edge of the box a point lies on, or nothing."""
        for which, name in enumerate(self.curve.plane.names):
            value = self.curve.parameters(at.point)[which]
            if value in self.box[which]:
                return f"{name} = {value:g} reached"
        return ""

    def closes(self, start: Station, step: float) -> bool:
        """Return whether the last point has come round to the first, in the same direction."""
        last = self.stations[-1]
        near = self.curve.length(last.point - start.point) < step
        return near and self.curve.product(last.tangent, start.tangent) >= TURN

    def events(self, here: Station, following: Station) -> list[str]:
        """Return the kinds of bifurcations of codimension 2 between two neighbours."""
        kind = self.curve.kind
        found = [each for each, value in here.tests.items() if value * following.tests[each] < 0]
        # Outside the circle a pair becomes two real ones, or these a pair, and none crosses it.
        pair = JOINED[kind]["pair"]
        if pair in found:
            others = sum(gains(kind, each) for each in found if each != pair)
            if abs(following.n_unstable - here.n_unstable) == others:
                found.remove(pair)
        if kind == "neimark-sacker" and set(ENDS) & set(found):
            return [each for each in found if each in ENDS]  # past it no torus has other multipliers or a form
        # Where its pole has no strength, the coefficient seems to change its sign there. Towards a cycle of half the
        # period it vanishes like the cube of the distance, and rounding says its sign.
        if set(poles(kind)) & set(found) or self.doubles(following, ROUGHLY_DOUBLE):
            return [each for each in found if each != DEGENERATE[kind]]
        return found

    def ambiguous(self, here: Station, following: Station) -> bool:
        """Return whether a point lies on a bifurcation of codimension 2, so that rounding says on which side."""
        return any(abs(value) < ON and abs(here.tests[kind]) > 10.0 * ON for kind, value in following.tests.items())

    def located(self, here: Station, following: Station, events: list[str]) -> list[tuple[float, str, Station]]:
        """Return place, kind and point of the events between two neighbours that can be located, in order."""
        found = [each for each in (self.locate(here, following, event) for event in events) if each is not None]
        return sorted(found, key=_first)

    def last(self, here: Station, following: Station, events: list[str]) -> tuple[float, str, Station] | None:
        """Return place, kind and point of the resonance between two neighbours that ends a curve of torus points."""
        if self.curve.kind != "neimark-sacker":
            return None
        return next(iter(self.located(here, following, [event for event in events if event in ENDS])), None)

    def unexplained(self, here: Station, following: Station, events: list[str]) -> bool:
        """Return whether more multipliers cross the unit circle between two neighbours than the events say."""
        gained = abs(following.n_unstable - here.n_unstable)
        expected = [gains(self.curve.kind, event) for event in events]
        return gained != sum(expected) and not (len(expected) > 1 and gained <= sum(expected))

    def _n_phases(self, at: Station) -> int:
        """Return the period of the phase, which may be less where a parameter is 0."""
        return max(each.n_phases for each in self.curve.plane.maps(*self.curve.parameters(at.point)))

    def doubles(self, at: Station, tolerance: float) -> bool:
        """Return whether a cycle is one of half its period twice over, but for so much of its size."""
        if self.curve.shape[0] % 2:
            return False
        return is_twice(self.curve.orbit(at.point), self._n_phases(at), tolerance * self.curve.scale)

    def halves(self, here: Station, following: Station) -> bool:
        """Return whether both halves of the cycle become one another between two points."""
        if self.curve.shape[0] % 2:
            return False
        return swap(self.curve.orbit(here.point), self.curve.orbit(following.point), self._n_phases(here))

    def between(self, here: Station, following: Station, share: float, bare: bool = False) -> Station | None:
        """Return the point so far from one to another, or None if none is found."""
        curve = self.curve
        reach = curve.product(here.tangent, following.point - here.point)
        end = following.tangent / curve.product(here.tangent, following.tangent)
        guess = cubic(0.0, here.point, here.tangent, reach, following.point, end, share * reach)
        point, _ = curve.correct(guess, here.tangent)
        return None if point is None else station(curve, point, curve.tangent(point, here.tangent), here.frame, bare)

    def locate(self, here: Station, following: Station, kind: str) -> tuple[float, str, Station] | None:
        """Return the place between two points, kind and point of a bifurcation of codimension 2, or None."""

        def at(share: float, bare: bool = kind != DEGENERATE[self.curve.kind]) -> Station:
            if share in (0.0, 1.0):
                return following if share else here
            found = self.between(here, following, share, bare)
            if found is None:
                raise ArithmeticError
            return found

        try:
            share = root_between(lambda share: at(share).tests[kind], 0.0, 1.0, xtol=1e-13, rtol=1e-14)
            return share, kind, at(share, False)
        except (ArithmeticError, ValueError):
            return None
