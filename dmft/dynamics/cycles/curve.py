"""The curve of cycles of a map in its parameter: points, tangents, test functions of bifurcations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import linear, turns
from .newton import TOLERANCE
from .window_map import WindowMap

MAX_CORRECTIONS = 8
SINGULAR = 1e-9  # of the largest singular value: a direction in which nothing moves
EXACT = 1e-2  # of the tolerance: a point is met exactly
GOOD = 1e-8  # length of the last correction of a point that is taken
SAME = 1e-13  # the same where derivatives before and after it count as the same
REAL = 1e-5  # the angle of multipliers so near to each other that rounding may make them a pair
GROWN = 2.0  # times its size before, and a cycle is measured anew
BIFURCATIONS = ("fold", "flip", "neimark-sacker", "branch point")


class CycleCurve:
    """The curve of cycles of one map, its points (orbit, value) laid out flat.

    Lengths along it weigh the mean square over the tokens, relative to the size of a cycle (see
    `measure`), and the parameter relative to its range.
    """

    def __init__(self, system: WindowMap, orbit: np.ndarray, span: float) -> None:
        self.system, self.shape = system, orbit.shape
        self.span = span
        self._latest: tuple[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None
        self.measure(orbit)

    def measure(self, orbit: np.ndarray) -> None:
        """Measure lengths relative to the size of an orbit from now on."""
        self.scale = float(np.sqrt(np.mean(orbit**2))) or 1.0
        self.weights = np.append(np.full(orbit.size, 1.0 / (orbit.size * self.scale**2)), 1.0 / self.span**2)
        self.tolerance = TOLERANCE * max(1.0, np.abs(orbit).max())

    def outgrown(self, point: np.ndarray) -> bool:
        """Return whether a cycle is too large to be measured as before."""
        # The largest counts, not the last: one that shrinks to a point would need ever smaller steps.
        return bool(np.sqrt(np.mean(point[:-1] ** 2)) > GROWN * self.scale)

    def product(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the weighted scalar product of two vectors."""
        return float(np.add.reduce(self.weights * one * other))

    def orbit(self, point: np.ndarray) -> np.ndarray:
        """Return the orbit of a point."""
        return point[:-1].reshape(self.shape)

    def linearize(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the misses of all steps (n_steps, n_features), the rows, and how the parameter drives the steps."""
        which = point.tobytes()
        if self._latest is None or self._latest[0] != which:
            self._latest = which, self.system._along(self.orbit(point), float(point[-1]))
        return self._latest[1]

    def length(self, vector: np.ndarray) -> float:
        """Return the weighted length of a vector."""
        return math.sqrt(np.add.reduce(self.weights * vector**2))

    def driven(self, rows: np.ndarray, rise: np.ndarray, normal: np.ndarray, drive: ArrayLike) -> np.ndarray:
        """Return the perturbation along a drive, in the plane of a normal, and one along the curve of cycles."""
        right = np.zeros((2, self.weights.size))
        right[0, :-1], right[1, -1] = np.ravel(drive), 1.0
        return linear.solve_bordered(rows, rise, self.weights * normal, right)

    def tangent(self, point: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the unit tangent that leads on in the direction of `before`, and the rows there."""
        _, rows, rise = self.linearize(point)
        return self._unit(self.driven(rows, rise, before, 0.0)[1], rows, rise, before), rows

    def _unit(self, ahead: np.ndarray, rows: np.ndarray, rise: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return a direction along the curve in unit length, another where equations were singular."""
        if not np.isfinite(ahead).all() and np.isfinite(rows).all() and np.isfinite(rise).all():
            ahead = self._nearest_way(rows, rise, before)
        return ahead / (self.length(ahead) or np.nan)

    def _nearest_way(self, rows: np.ndarray, rise: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return the direction nearest to `before` where curves cross, so that there are several."""
        matrix = np.column_stack([turns.twisted(rows[0]), -rise.ravel()])
        _, size, ways = np.linalg.svd(matrix)
        still = ways[np.append(size, 0.0) <= SINGULAR * max(1.0, size[0])]
        return (still @ before) @ still

    def correct(self, guess: np.ndarray, normal: np.ndarray, rough: float = 0.0) -> tuple[np.ndarray | None, int]:
        """Return the point of the curve in the plane through a guess, or None, and how many steps that took.

        With `rough`, a length, it is right to about that, if the steps tell.
        """
        end = self._corrected(guess, normal, rough)
        return end.point, end.n_steps

    def meet(self, guess: np.ndarray, normal: np.ndarray) -> tuple[Met | None, int]:
        """Return the same as `correct` with the tangent and the rows there."""
        end = self._corrected(guess, normal)
        if end.point is None:
            return None, end.n_steps
        if end.last > SAME:
            return Met(end.point, *self.tangent(end.point, normal)), end.n_steps
        return Met(end.point, self._unit(end.ahead, end.rows, end.rise, normal), end.rows), end.n_steps

    def _corrected(self, guess: np.ndarray, normal: np.ndarray, rough: float = 0.0) -> _End:
        """Return where the steps of `correct` end."""
        point = guess.copy()
        for n in range(1, MAX_CORRECTIONS + 1):
            miss, rows, rise = self.linearize(point)
            move, ahead = self.driven(rows, rise, normal, miss)
            length, most = self.length(move), float(np.abs(miss).max())
            exact = most <= EXACT * self.tolerance
            if not math.isfinite(length) and not exact:
                return _End(None, n, length, ahead, rows, rise)
            if exact and not length < GOOD:
                move, length = np.zeros_like(point), 0.0  # where curves cross: rounding alone would move it
            point = point + move
            if length < rough:
                return _End(point, n, length, ahead, rows, rise)
            if length < 1e-13 * max(1.0, self.length(point)):
                break
        else:
            most = float(np.abs(self.linearize(point)[0]).max())
        good = most <= self.tolerance and length < GOOD
        return _End(point if good else None, n, length, ahead, rows, rise)


class _End(NamedTuple):
    """Where Newton's method ends: the point, or None where there is none, and the length of the last step.

    Of where that step began: a direction along the curve, the rows, and how the parameter drives the steps.
    """

    point: np.ndarray | None
    n_steps: int
    last: float
    ahead: np.ndarray
    rows: np.ndarray
    rise: np.ndarray


@dataclasses.dataclass(slots=True, eq=False)
class Met:
    """A point of the curve in the plane of a normal, the unit tangent in the direction of that, and the rows."""

    point: np.ndarray
    tangent: np.ndarray
    rows: np.ndarray


@dataclasses.dataclass(slots=True, eq=False)
class Node:
    """A point of the curve with its tangent and multipliers."""

    point: np.ndarray
    tangent: np.ndarray
    growth: np.ndarray
    angle: np.ndarray
    frame: np.ndarray

    def real(self, sign: int) -> np.ndarray:
        """Return the growth of the real multipliers of one sign."""
        near = np.abs(self.angle) < 1e-12 if sign > 0 else np.abs(np.abs(self.angle) - np.pi) < 1e-12
        return self.growth[near & ~np.isnan(self.growth)]

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the growth of the complex pairs, once each, and their angles."""
        upper = (self.angle >= 1e-12) & (self.angle < np.pi - 1e-12)
        return self.growth[upper], self.angle[upper]

    def tests(self) -> dict[str, float]:
        """Return for each of BIFURCATIONS a function that changes its sign there."""
        return {
            "fold": float(self.tangent[-1]),
            "flip": parity(self.real(-1)),
            "neimark-sacker": parity(self.pairs()[0]),
            "branch point": parity(self.real(1)),
        }


def parity(growth: np.ndarray) -> float:
    """Return how far the nearest of some multipliers is from the unit circle, with the parity of those outside."""
    if not growth.size:
        return 1.0
    return float(np.min(np.abs(growth)) * (-1.0) ** np.count_nonzero(growth > 0))


def node(met: Met, frame: np.ndarray | None = None) -> Node:
    """Return a point of the curve with its tangent and multipliers; the `frame` of a neighbour saves time."""
    return nodes([met], frame)[0]


def nodes(mets: Sequence[Met], frame: np.ndarray | None = None) -> list[Node]:
    """Return points of the curve with their tangents and multipliers."""
    rows = np.concatenate([met.rows for met in mets])
    frames = None if frame is None else np.broadcast_to(frame, (len(mets), *frame.shape[1:]))
    growth, angle, frames = linear.multipliers(rows, frames)
    each = zip(mets, growth, angle, frames[:, None], strict=True)
    return [Node(met.point, met.tangent, *its) for met, *its in each]


def events(first: Node, second: Node) -> list[str] | None:
    """Return the kinds of bifurcations between two neighbours, or None if they should be nearer."""
    one, other = first.tests(), second.tests()
    found = [kind for kind in BIFURCATIONS if one[kind] * other[kind] < 0]
    gained = np.count_nonzero(second.growth > 0) - np.count_nonzero(first.growth > 0)
    if found == ["neimark-sacker"] and gained == 0:
        return []  # outside the circle, a pair became real or two real ones a pair
    if "fold" in found and "branch point" in found:
        found.remove("branch point")  # the same multiplier
    expected = {"": (0,), "neimark-sacker": (2,), "fold": (0, 1)}.get("".join(found), (1,))
    return found if len(found) <= 1 and abs(gained) in expected else None


def n_outside(at: Node) -> int:
    """Return how many multipliers are outside the unit circle."""
    return int(np.count_nonzero(at.growth > 0))


def crossing_kind(at: Node, gained: int) -> str:
    """Return what so many multipliers make that cross the unit circle together; several kinds are joined by "and"."""
    critical = np.argsort(np.abs(at.growth), kind="stable")[: abs(gained)]
    kinds = set()
    for angle in np.abs(at.angle[critical]).tolist():
        kinds.add("branch point" if angle < REAL else "flip" if angle > np.pi - REAL else "neimark-sacker")
    return " and ".join(sorted(kinds))
