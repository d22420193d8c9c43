r"""Resonance (Arnold) tongues: where a torus is locked to a cycle, between two curves of folds.

On a curve of torus points with the angle :math:`2 \pi p / q`, cycles of q turns are born in pairs. In the normal form
:math:`z' = \mu z (1 + d |z|^2 + \ldots) + c\,\bar z^{\,q-1}` their folds lie at two phases of z, half a cycle apart;
the tongue between them widens as :math:`|z|^{q-2}` [1]_. A fold is sought at a given amplitude: the parameters follow.

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
from . import linear
from .bordered import Bordered, Plane
from .curves import Curve, follow_curve
from .newton import windows_of

LEAST, MOST = 5, 1_000  # turns of the cycles: those of strong resonances are not born so
AMPLITUDES = (0.1, 0.2, 0.3, 0.4)  # of the size of a cycle; beyond, phases are no more those of the normal form
N_PHASES = 16  # places within a q-th of a turn where folds are sought


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tongue(Frozen):
    """Where a torus is locked to cycles of one rotation number.

    Attributes
    ----------
    rotation : (int, int)
        p and q: the cycles go p times round the torus in q turns.
    parameters : (str, str)
        Their names.
    tip : (float, float)
        On the curve of torus points, where the tongue begins.
    place : float
        Of the tip between the points of that curve.
    sides : (Curve, Curve)
        Of folds of the cycles of q turns, from near the tip on. In a picture of the parameters, the first one to the
        right of the other.
    """

    rotation: tuple[int, int]
    parameters: tuple[str, str]
    tip: tuple[float, float]
    place: float
    sides: tuple[Curve, Curve]

    def lines(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Return both sides as `figures.bifurcation_curve` draws them: from the tip on.

        Returns
        -------
        tuple of (ndarray, ndarray)
            Of each side the parameters (n_points + 1, 2), and whether no other multiplier is outside the unit circle.
        """
        return tuple(
            (np.vstack([self.tip, side.values]), np.append(side.stable[:1], side.stable)) for side in self.sides
        )


def rotation_of(rotation: Any) -> tuple[int, int]:
    """Return the argument `rotation`, two whole numbers with p < q / 2 and no common factor.

    Examples
    --------
    >>> rotation_of((3, 5)), rotation_of([1, 7])
    ((2, 5), (1, 7))
    """
    if not isinstance(rotation, list | tuple) or len(rotation) != 2:
        raise ValueError(f"rotation must be a pair of whole numbers (p, q), got {shown(rotation)}")
    q = whole("rotation[1]", rotation[1], LEAST, MOST)
    p = whole("rotation[0]", rotation[0], 1, q - 1)
    if gcd(p, q) != 1:
        raise ValueError(f"rotation must have no common factor, got {shown(rotation)}")
    return min(p, q - p), q


@threadpool_limits.wrap(limits=1, user_api="blas")  # more change the last bits
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
    p, q = rotation
    kappa = np.cos(2.0 * np.pi * p / q)
    apart = np.cos(curve.theta) - kappa
    found = []
    for i in np.flatnonzero(apart[:-1] * apart[1:] <= 0.0):
        if apart[i + 1] == 0.0 and i + 2 < len(apart):
            continue  # it is the next one's first
        share = apart[i] / (apart[i] - apart[i + 1]) if apart[i] != apart[i + 1] else 0.0
        spans = box[0][1] - box[0][0], box[1][1] - box[1][0]
        orbit, values = _tip(curve, plane, int(i), float(share), kappa, spans)
        if not all(low < value < high for value, (low, high) in zip(values, box, strict=True)):
            continue
        sides = [
            follow_curve(plane, "fold", side, at, 1.0, box, max_step=max_step, n_points=n_points, outward=way)
            for side, at, way in _sides(plane, orbit, values, np.exp(2j * np.pi * p / q), q, spans)
        ]
        begun = [(side.values[0] - values) / spans for side in sides]
        if begun[0][0] * begun[1][1] < begun[0][1] * begun[1][0]:
            sides.reverse()
        found.append(Tongue((p, q), curve.parameters, values, float(i + share), (sides[0], sides[1])))
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


def _sides(
    plane: Plane, orbit: np.ndarray, values: tuple[float, float], mu: complex, q: int, spans: tuple[float, float]
) -> list[tuple[np.ndarray, tuple[float, float], np.ndarray]]:
    """Return a fold of cycles of q turns on each side: the cycle, the parameters, and the way in which it grows."""
    maps = plane.maps(*values)
    rows = maps[0].linearize(windows_of(orbit[None], maps[0].n_context))[1][0]
    vector = linear.null_vectors(linear.twisted(rows, mu))[1].reshape(orbit.shape)
    base, turns = np.concatenate([orbit] * q), mu ** np.arange(q)
    whole_way = np.concatenate([turn * vector for turn in turns])
    bordered = Bordered(plane, "fold", base, spans)
    for amplitude in AMPLITUDES:
        sides: list[tuple[complex, tuple[np.ndarray, tuple[float, float], np.ndarray]]] = []
        for k in _spread(N_PHASES):
            way = (np.exp(2j * np.pi * k / (N_PHASES * q)) * whole_way).real
            way /= np.sqrt(np.mean(way**2))
            start = base + amplitude * bordered.scale * way
            guess = np.append(start.ravel(), values)
            try:
                bordered.border(guess)
                point, _ = bordered.correct(guess, np.append(way.ravel(), [0.0, 0.0]))
            except np.linalg.LinAlgError:  # far from any cycle
                continue
            if point is None:
                continue
            moved = bordered.orbit(point) - base
            if not 0.5 < np.sqrt(np.mean(moved**2)) / (amplitude * bordered.scale) < 2.0:
                continue
            # The phase of the cycle on the torus, q times over: the same for all steps of one cycle.
            phase = np.vdot(whole_way, moved) ** q
            phase /= abs(phase)
            if sides and (phase * np.conj(sides[0][0])).real > -0.5:
                continue
            there = bordered.parameters(point)
            sides.append((phase, (bordered.orbit(point).copy(), (float(there[0]), float(there[1])), moved)))
            if len(sides) == 2:
                return [side for _, side in sides]
    raise RuntimeError(f"no folds of both sides of the tongue found near {values[0]:.10g}, {values[1]:.10g}")


def _spread(n: int) -> list[int]:
    """Return 0 .. n - 1, neighbours far apart.

    Examples
    --------
    >>> _spread(8)
    [0, 4, 1, 5, 2, 6, 3, 7]
    """
    return [k // 2 + (k % 2) * (n // 2) for k in range(n)]
