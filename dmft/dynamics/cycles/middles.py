"""The middle of a tongue: the cycles of one phase, in two parameters, from the tip to where the torus breaks."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..._util.progress import working
from .bordered import Plane
from .curve import CycleCurve
from .rings import COLLAPSED, Ring, apart, onto, ring, way_round
from .window_map import windows_of

SHORTEST = 1e-5  # of the longest step
AMPLITUDE = 0.03  # of the size of a cycle: where cycles on its torus are sought first
AWAY, NEAREST, FARTHEST = 3e-3, 1e-4, 2e-2  # of the ranges: how far from the tip they should be
MOST_SIZES = 8
MAX_CORRECTIONS = 12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A cycle of the middle: its curve in the parameter across, itself, the way round the torus, and all phases."""

    held: float
    curve: CycleCurve
    point: np.ndarray
    way: np.ndarray
    ring: Ring

    @property
    def width(self) -> float:
        """Of the tongue there; NaN where rounding hides it."""
        return self.ring.width


class Across:
    """A plane of two parameters, one of them across the tongue and the other held."""

    def __init__(self, plane: Plane, across: int, box: tuple[tuple[float, float], tuple[float, float]]) -> None:
        self.plane, self.across, self.box = plane, across, box
        self.bounds = box[1 - across]
        self.spans = box[across][1] - box[across][0], self.bounds[1] - self.bounds[0]

    def values(self, across: float, held: float) -> tuple[float, float]:
        """Return both parameters in their order."""
        return (across, held) if self.across == 0 else (held, across)

    def curve(self, orbit: np.ndarray, across: float, held: float) -> CycleCurve:
        """Return the curve of cycles in the parameter across."""
        return CycleCurve(self.plane.maps(*self.values(across, held))[self.across], orbit, self.spans[0])

    def rise(self, curve: CycleCurve, point: np.ndarray, way: np.ndarray, held: float) -> np.ndarray:
        """Return how the cycle of one phase and the parameter across change with the one that is held."""
        _, rows, rise = curve.linearize(point)
        other = self.plane.maps(*self.values(float(point[-1]), held))[1 - self.across]
        windows = windows_of(curve.orbit(point)[None], other.n_context)
        return curve.driven(rows, rise, way, other.slope_along(windows, rows)[0])[0]

    def place(self, guess: np.ndarray, shape: tuple[int, ...], held: float, n_turns: int) -> Place | None:
        """Return the cycle of the phase of a guess, with all phases, or None."""
        curve = self.curve(guess[:-1].reshape(shape), float(guess[-1]), held)
        way = way_round(curve, guess)
        point = onto(curve, guess, way) if np.isfinite(way).all() else None
        low, high = self.box[self.across]
        if point is None or not low <= point[-1] <= high or apart(curve, point, n_turns) < COLLAPSED:
            return None
        found = ring(curve, point, way, n_turns)
        return None if found is None else Place(held, curve, point, way, found)

    def walk(
        self, start: Place, end: float, n_turns: int, first_step: float, max_step: float, n_points: int
    ) -> list[Place]:
        """Return the places from one on to an end of the parameter that is held, or as far as they go."""
        places, longest = [start], max_step * self.spans[1]
        step, way = min(first_step, longest), np.sign(end - start.held)
        shape = start.curve.shape
        with working(n_points, "points at most") as tick:
            while len(places) < n_points and places[-1].held != end and way:
                here = places[-1]
                held = here.held + way * step
                held = end if (held - end) * way >= 0.0 else held
                rise = self.rise(here.curve, here.point, here.way, here.held)
                guess = here.point + (held - here.held) * rise
                following = self.place(guess, shape, held, n_turns) if np.isfinite(guess).all() else None
                size = apart(here.curve, here.point, n_turns)
                if following is None or not apart(here.curve, following.point, n_turns) > 0.5 * min(size, 1e9):
                    step /= 2.0
                    if step < SHORTEST * longest:
                        break
                    continue
                places.append(following)
                tick(1)
                step = min(1.4 * step, longest)
        return places

    def born(
        self, base: np.ndarray, vector: np.ndarray, tip: tuple[float, float], n_turns: int
    ) -> tuple[np.ndarray, float] | None:
        """Return a cycle on the torus that is born at a tip, with the parameter across; and the one that is held.

        Its phase and its amplitude are given: both parameters follow.
        """
        size = AMPLITUDE * (float(np.sqrt(np.mean(base**2))) or self.plane.size)
        radial = np.append((vector.real / np.sqrt(np.mean(vector.real**2))).ravel(), 0.0)
        way = np.append(vector.imag.ravel(), 0.0)
        latest = None
        for _ in range(MOST_SIZES):
            found = self._of_size(base, size * radial, way, tip)
            if found is None:
                size /= 3.0
                if latest is not None:
                    break
                continue
            latest = found
            away = np.hypot(
                (found[0][-1] - tip[self.across]) / self.spans[0], (found[1] - tip[1 - self.across]) / self.spans[1]
            )
            if NEAREST <= away <= FARTHEST:
                break
            size *= np.sqrt(AWAY / away) if away else 10.0
        return latest

    def _of_size(
        self, base: np.ndarray, radial: np.ndarray, way: np.ndarray, tip: tuple[float, float]
    ) -> tuple[np.ndarray, float] | None:
        """Return the cycle off a base, as far as said along one direction and not along another, or None."""
        guess = np.append(base.ravel(), tip[self.across]) + radial
        point, held = guess.copy(), tip[1 - self.across]
        for _ in range(MAX_CORRECTIONS):
            curve = self.curve(guess[:-1].reshape(base.shape), float(point[-1]), held)
            miss, rows, rise = curve.linearize(point)
            mend = curve.driven(rows, rise, way, miss)[0]
            along = self.rise(curve, point, way, held)
            by = curve.product(radial, along)
            if not (np.isfinite(mend).all() and np.isfinite(along).all() and by):
                return None
            more = -curve.product(radial, point + mend - guess) / by
            move = mend + more * along
            point, held = point + move, held + more
            if curve.length(move) + abs(more) / self.spans[1] < 1e-10:
                good = np.abs(curve.linearize(point)[0]).max() <= curve.tolerance
                return (point, held) if good else None
        return None
