r"""The equations of a cycle at a bifurcation, in two parameters.

A bifurcation of codimension 1 adds to the equations of the cycle one number that vanishes, and its curve in two
parameters is where all vanish. The number is that of a bordered system [1]_: with :math:`A(\mu)` the matrix that is
singular where :math:`\mu` is a multiplier (`turns.twisted`),

.. math::

    \begin{pmatrix} A(\mu) & b \\ c^T & 0 \end{pmatrix} \begin{pmatrix} v \\ s \end{pmatrix} =
    \begin{pmatrix} 0 \\ 1 \end{pmatrix}

has :math:`s = 0` exactly there, and its derivative along any direction follows from how that of the map changes.
A fold, a flip and a pitchfork have :math:`\mu = \pm 1`. A pair :math:`\mu, 1/\mu` with
:math:`\mu + 1/\mu = 2 \kappa` is given by :math:`s(\mu) = s(1/\mu) = 0`, that is by the two numbers of
:math:`g_0 + g_1 \mu = s(\mu)`, which go smoothly through the strong resonances :math:`\kappa = \pm 1`.

.. [1] Govaerts, Numerical Methods for Bifurcations of Dynamical Equilibria (SIAM, 2000).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..._util.memory import need_memory
from . import linear, turns
from .curve import GROWN
from .newton import TOLERANCE
from .window_map import WindowMap, windows_of

Kind: TypeAlias = Literal["fold", "flip", "neimark-sacker", "pitchfork"]

MAX_CORRECTIONS = 10
CLOSED = 1e-10  # of kappa: how near to a strong resonance both multipliers count as apart
SETTLED = 1e-9  # length of the last correction, relative to that of the point: the next one would be its square
REACH = 1e-5  # of the size of a cycle and of the parameters: half the step of differences
GOOD = 1e-8  # the same of a point that is taken
AT_ZERO = 1e-6  # of the size of cycles: one that is smaller lies at 0
BROKEN = 1e-9  # of the size of a cycle: what must be added to its steps where a symmetry is kept by force
TIMES = 20.0  # as much memory as the derivatives of all steps take
STEEP = 10.0  # length of what should have length 1: their equations are nearly dependent, and others are taken


class Plane:
    """A map in two of its parameters.

    Parameters
    ----------
    names : (str, str)
    maps : callable
        Of two values: the map of one point there, once for each of the parameters, which it has as its `parameter`; of
        arrays (n_points,) of them, the map of as many.
    size : float
        Of cycles, where one at 0 does not tell.
    """

    def __init__(
        self, names: tuple[str, str], maps: Callable[[ArrayLike, ArrayLike], tuple[WindowMap, WindowMap]], size: float
    ) -> None:
        self.names, self.maps, self.size = names, maps, size


@dataclasses.dataclass(slots=True, eq=False)
class Look:
    """What the equations are at a point.

    `value` are the test numbers, `vector` and `adjoint` the right and left vectors of the bordered system in the upper
    half plane; `ways` span the two directions in which the cycle and the parameters may move, after the move that
    mends what is missed; `steer` are the derivatives of the test numbers along all three and by kappa.
    """

    miss: np.ndarray
    rows: np.ndarray
    multiplier: complex
    value: np.ndarray
    vector: np.ndarray
    adjoint: np.ndarray
    ways: np.ndarray
    steer: np.ndarray


class Bordered:
    """Cycles at bifurcations of one kind, as points laid out flat: orbit, two parameters, and what the kind adds.

    That is kappa, the cosine of the angle of a Neimark-Sacker point, and for a pitchfork the part of the steps that
    keeps the cycle symmetric: 0 but for rounding where it is.
    """

    def __init__(self, plane: Plane, kind: Kind, orbit: np.ndarray, spans: tuple[float, float]) -> None:
        self.plane, self.kind, self.shape, self.spans = plane, kind, orbit.shape, spans
        self.n_tests = 2 if kind == "neimark-sacker" else 1
        self.measure(orbit)
        self.left = self.right = self.centre = np.empty(0)
        # Two directions nearest to which the ways are sought that the equations of the cycle leave free.
        draw = np.random.default_rng(0).normal(size=(2, len(self.units) - (kind == "neimark-sacker")))
        self.across = draw / (np.linalg.norm(draw, axis=1, keepdims=True) * self.units[: draw.shape[1]])
        self._latest: tuple[bytes, Look] | None = None

    def measure(self, orbit: np.ndarray) -> None:
        """Measure lengths relative to the size of an orbit from now on."""
        size = float(np.sqrt(np.mean(orbit**2)))
        self.scale = size if size > AT_ZERO * self.plane.size else self.plane.size
        self.tolerance = TOLERANCE * max(1.0, np.abs(orbit).max())
        extra = [1.0] if self.kind == "neimark-sacker" else [1.0 / self.scale] if self.kind == "pitchfork" else []
        units = [1.0 / (np.sqrt(orbit.size) * self.scale)] * orbit.size
        self.units = np.array([*units, 1.0 / self.spans[0], 1.0 / self.spans[1], *extra])

    def outgrown(self, point: np.ndarray) -> bool:
        """Return whether a cycle is too large to be measured as before."""
        return bool(np.sqrt(np.mean(self.orbit(point) ** 2)) > GROWN * self.scale)

    def product(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return the weighted scalar product of two vectors."""
        return float(np.sum(self.units**2 * one * other))

    def length(self, vector: np.ndarray) -> float:
        """Return the weighted length of a vector."""
        return float(np.linalg.norm(self.units * vector))

    def orbit(self, point: np.ndarray) -> np.ndarray:
        """Return the orbit of a point."""
        return point[: np.prod(self.shape)].reshape(self.shape)

    def parameters(self, point: np.ndarray) -> np.ndarray:
        """Return the two parameters of a point."""
        n = int(np.prod(self.shape))
        return point[n : n + 2]

    def along(self, which: int) -> np.ndarray:
        """Return the direction in which one of the parameters grows and nothing else."""
        way = np.zeros(len(self.units))
        way[int(np.prod(self.shape)) + which] = 1.0
        return way

    def multiplier(self, point: np.ndarray) -> complex:
        """Return the critical multiplier; of a pair that in the upper half plane, or outside the circle."""
        if self.kind != "neimark-sacker":
            return -1.0 if self.kind == "flip" else 1.0
        return _upper(point[-1])

    def border(self, point: np.ndarray) -> None:
        """Take the borders from what is nearly singular at a point."""
        maps = self.plane.maps(*self.parameters(point))
        rows = maps[0].linearize(windows_of(self.orbit(point)[None], maps[0].n_context))[1][0]
        need_memory(f"curves of cycles of {len(rows)} steps", TIMES * rows.nbytes, "take a shorter cycle")
        left, right = turns.null_vectors(rows, self.multiplier(point))
        self.left, self.right = _real(left), _real(right)
        self.centre, self._latest = point[: right.size].copy(), None

    def reborder(self, look: Look, point: np.ndarray) -> None:
        """Take the borders from the vectors that solve the bordered system at a point, which has been met."""
        self.left, self.right = _real(look.adjoint), _real(look.vector)
        self.across = look.ways[1:, : self.across.shape[1]]
        self.centre, self._latest = point[: self.right.size].copy(), None

    def look(self, point: np.ndarray) -> Look:
        """Return what the equations are at a point."""
        which = point.tobytes()
        if self._latest is None or self._latest[0] != which:
            self._latest = which, self._look(point)
        return self._latest[1]

    def _look(self, point: np.ndarray) -> Look:
        orbit, n = self.orbit(point), int(np.prod(self.shape))
        maps = self.plane.maps(*self.parameters(point))
        windows = windows_of(orbit[None], maps[0].n_context)
        following, rows = maps[0].linearize(windows)
        rises = [each.slope_along(windows, rows)[0].ravel() for each in maps]
        miss, rows = following[0] - orbit, rows[0]
        ways = self._ways(point, miss.ravel(), rows, rises)
        mu = self.multiplier(point)
        pair = [mu] if self.n_tests == 1 or abs(point[-1]) < 1.0 else [mu, 1.0 / mu]
        solved = [self._solved(rows, each) for each in pair]
        moves = []
        bends = self._bends(point, ways[:, : n + 2])
        for (vector, adjoint, _, by), each in zip(solved, pair, strict=True):
            turning = turns.twisted_windows(vector.reshape(self.shape), maps[0].n_context, each)
            drives = [np.einsum("tdab,tdb->ta", bend, turning).ravel() for bend in bends]
            moves.append(np.array([*(adjoint.conj() @ drive for drive in drives), by]))
        values = [each[2] for each in solved]
        if self.n_tests == 2 and len(pair) == 1:
            pair, values, moves = ([*each, np.conj(each[0])] for each in (pair, values, moves))
        if self.n_tests == 1:
            value, steer = np.array([values[0].real]), moves[0][None, :3].real
        else:
            value, steer = _pair(pair, values, moves)
        full = np.zeros((3, len(point)))
        full[:, : ways.shape[1]] = ways
        return Look(miss, rows, mu, value, solved[0][0], solved[0][1], full, steer)

    def _solved(self, rows: np.ndarray, mu: complex) -> tuple[np.ndarray, np.ndarray, Any, Any]:
        """Return the vectors of the bordered system, its number, and the derivative of that by the multiplier."""
        vector, adjoint, number = turns.nearly_null(rows, mu, self.left, self.right)
        return vector, adjoint, number, -adjoint.conj() @ _by_factor(rows, mu, vector)

    def _ways(self, point: np.ndarray, miss: np.ndarray, rows: np.ndarray, rises: list[np.ndarray]) -> np.ndarray:
        """Return the move that mends what is missed, and two at right angles to it and each other that miss nothing."""
        n, (first, second) = miss.size, rises
        columns, equations = np.stack([-first, -second]), np.zeros((0, self.across.shape[1]))
        error, right = miss, np.empty(0)
        if self.kind == "pitchfork":
            error = miss + point[-1] * self.left
            columns = np.vstack([columns, -self.left])
            equations = np.append(self.right, [0.0, 0.0, 0.0])[None]
            right = -equations[:, :n] @ (point[:n] - self.centre)
        sides = np.zeros((3, n + len(columns)))
        sides[0, :n], sides[0, n + 2 :], sides[1, n], sides[2, n + 1] = error, right, 1.0, 1.0
        units, across = self.units[: self.across.shape[1]], self.across
        for _ in range(2):
            moves = units * turns.solve_twisted(rows, sides, 1.0, columns, np.vstack([units**2 * across, equations]))
            if not np.isfinite(moves).all():
                return np.full_like(moves, np.nan)
            ways = np.linalg.qr(moves[1:].T)[0].T
            across = ways / units
            if np.linalg.norm(moves[1:], axis=1).max() < STEEP:
                break
        return np.vstack([moves[0] - (moves[0] @ ways.T) @ ways, ways]) / units

    def _bends(self, point: np.ndarray, ways: np.ndarray) -> np.ndarray:
        """Return how the derivatives of all steps change along ways, each of the shape of the rows.

        By differences: right to nine digits, which Newton's method does not notice.
        """
        n = int(np.prod(self.shape))
        reach = np.array([REACH / (np.linalg.norm(self.units[: n + 2] * way) or 1.0) for way in ways])
        moved = point[: n + 2] + np.stack([reach, -reach])[..., None] * ways
        moved = moved.reshape(-1, n + 2)
        system = self.plane.maps(*moved[:, n:].T)[0]
        rows = system.linearize(windows_of(moved[:, :n].reshape(-1, *self.shape), system.n_context))[1]
        ahead, behind = np.split(rows, 2)
        return (ahead - behind) / (2.0 * reach[:, None, None, None, None])

    def tangent(self, point: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """Return the unit tangent of the curve, in the direction of `before` if there is one; NaN if it has none."""
        look = self.look(point)
        if not np.isfinite(look.steer).all():
            return np.full_like(point, np.nan)
        along = self._free(look)
        way = np.linalg.svd(along)[2][-1]
        tangent = way[0] * look.ways[1] + way[1] * look.ways[2]
        if self.n_tests == 2:
            tangent[-1] = way[2]
        tangent = tangent / self.length(tangent)
        return -tangent if before is not None and self.product(tangent, before) < 0 else tangent

    def _free(self, look: Look) -> np.ndarray:
        """Return the derivatives of the test numbers along what is free: two ways, and kappa."""
        return look.steer[:, 1:] if self.n_tests == 2 else look.steer[:, 1:3]

    def correct(self, guess: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray | None, int]:
        """Return the point of the curve in the plane through a guess, or None, and how many steps that took."""
        point, best = guess.copy(), np.inf
        for n in range(1, MAX_CORRECTIONS + 1):
            look = self.look(point)
            if not (np.isfinite(look.steer).all() and np.isfinite(look.value).all()):
                return None, n
            across = self.units**2 * normal
            rows = np.vstack([self._free(look), [*(look.ways[1:] @ across), across[-1]][: 1 + self.n_tests]])
            mended = np.append(-look.value - look.steer[:, 0], -(look.ways[0] + point - guess) @ across)
            share = linear.solve_each(rows, mended)
            if not np.isfinite(share).all():
                return None, n
            move = look.ways[0] + share[0] * look.ways[1] + share[1] * look.ways[2]
            if self.n_tests == 2:
                move[-1] = share[2]
            point, length = point + move, self.length(move)
            if length < SETTLED * max(1.0, self.length(point)) or (n > 3 and length >= best and best < GOOD):
                break
            best = min(best, length)
        return (point, n) if length < GOOD and self.residual(point) <= 100.0 * self.tolerance else (None, n)

    def residual(self, point: np.ndarray) -> float:
        """Return how far a point is off: the largest miss of a step, or of a test number; inf where it is not kept."""
        look = self.look(point)
        miss = float(np.abs(look.miss).max())
        if self.kind == "pitchfork" and abs(point[-1]) > BROKEN * self.scale:
            return np.inf
        # Those of a pair are differences of what vanishes, divided by how far apart both are: so is its rounding.
        apart = min(1.0, abs(look.multiplier - 1.0 / look.multiplier)) if self.n_tests == 2 else 1.0
        return float(np.max([miss, *(apart * np.abs(look.value))]))


def _upper(kappa: float) -> complex:
    """Return the multiplier of a pair, the cosine of whose angle is kappa."""
    if abs(kappa) < 1.0:
        root = np.sqrt(max((1.0 - kappa) * (1.0 + kappa), CLOSED))
        return complex(kappa, root) / abs(complex(kappa, root))
    return complex(kappa + np.sign(kappa) * np.sqrt(max((kappa - 1.0) * (kappa + 1.0), CLOSED)), 0.0)


def _pair(
    pair: Sequence[complex], values: Sequence[complex], moves: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the two numbers of a pair, and their derivatives along three ways and by kappa."""
    first, second = pair
    apart = first - second
    g1 = (values[0] - values[1]) / apart
    g0 = values[0] - g1 * first
    # Of mu = kappa + sqrt(kappa^2 - 1): d mu / d kappa = 2 mu / (mu - 1/mu), and of 1/mu minus that of the other sign.
    by_kappa = 2.0 * first / apart, -2.0 * second / apart
    along = [np.append(move[:3], move[3] * by) for move, by in zip(moves, by_kappa, strict=True)]
    turn = np.array([0.0, 0.0, 0.0, 1.0])
    g1_along = (along[0] - along[1] - g1 * (by_kappa[0] - by_kappa[1]) * turn) / apart
    g0_along = along[0] - g1_along * first - g1 * by_kappa[0] * turn
    return np.array([g0.real, g1.real]), np.stack([g0_along.real, g1_along.real])


def _by_factor(rows: np.ndarray, factor: complex, vector: np.ndarray) -> np.ndarray:
    """Return the derivative by the factor of `turns.twisted` times a vector."""
    n_steps, n_context, n_features, _ = rows.shape
    turn, at = np.divmod(np.arange(n_steps)[:, None] - 1 - np.arange(n_context), n_steps)
    turning = vector.reshape(n_steps, n_features)[at] * (turn * np.power(factor, turn - 1.0))[..., None]
    return -np.einsum("tdab,tdb->ta", rows, turning).ravel()


def _real(vector: np.ndarray) -> np.ndarray:
    """Return the larger of the two real vectors at right angles whose plane a complex one turns in, of unit length."""
    if np.iscomplexobj(vector):
        square = vector @ vector
        vector = (vector * np.exp(-0.5j * np.angle(square))).real if square else vector.real
    return vector / np.linalg.norm(vector)
