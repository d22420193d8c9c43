r"""The cycles of q turns on a torus, one for each phase: a closed curve, whatever the width of their tongue.

With one parameter free, cycles of q turns lie at every phase :math:`\varphi` round the torus: the parameter
:math:`\lambda(\varphi)` at which there is one has the period of a q-th of the torus, its least and largest value are
the folds at the sides of the tongue, and the width is the difference of both. The bordered systems for a cycle at a
given phase are as well conditioned for a width of 0 (a rigid rotation) as for a wide tongue, so that the parameter has
all the digits of doubles; folds as such, which are nearly degenerate there, have none.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress

import numpy as np

from ..._util.roots import root_between
from . import turns
from .continuation import Between, led_on
from .curve import CycleCurve, Met

N_PHASES = 16  # places at least within a q-th of the torus
MOST_PHASES = 2_000
SHORTEST = 1e-3  # of the first step along the ring
N_HARMONICS = 4  # of the parameter along the ring, beside which the rest is rounding
TOLD = 10.0  # times the rounding: a width that is told from it
MOST_FOLDS = 8  # on a ring; rounding alone makes one at every other place
COLLAPSED = 1e-6  # of the size of a cycle: turns nearer to one another are the same


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """Cycles of q turns at all phases, as points of their curve in one parameter: orbit and value, laid out flat.

    Attributes
    ----------
    points, tangents : ndarray, shape (n_phases, n + 1)
    low, high : ndarray, shape (n + 1,)
        Where the parameter is least and largest.
    rounding : float
        What the parameter owes to it, root mean square.
    shift : int
        So many turns of the first cycle are a q-th of the way round the torus.
    """

    points: np.ndarray
    tangents: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rounding: float
    shift: int

    @property
    def width(self) -> float:
        """Of the tongue; NaN where rounding hides it."""
        width = float(self.high[-1] - self.low[-1])
        folds = np.count_nonzero(np.diff(np.sign(self.tangents[:, -1])))
        return width if width > TOLD * self.rounding and folds <= MOST_FOLDS else np.nan


def way_round(curve: CycleCurve, point: np.ndarray) -> np.ndarray:
    """Return the direction, of length 1, in which a cycle moves round the torus: where it is most neutral."""
    _, rows, _ = curve.linearize(point)
    way = np.append(turns.null_vectors(rows[0])[1], 0.0)
    return way / curve.length(way)


def onto(curve: CycleCurve, guess: np.ndarray, way: np.ndarray) -> np.ndarray | None:
    """Return the cycle of the phase of a guess and the parameter it has, or None."""
    point, _ = curve.correct(guess, way)
    return point


def apart(curve: CycleCurve, point: np.ndarray, n_turns: int) -> float:
    """Return how far the turns of a cycle are from one another at least, where it has several."""
    orbit = curve.orbit(point)
    turn = len(orbit) // n_turns
    moved = (np.roll(orbit, -k * turn, axis=0) - orbit for k in range(1, n_turns))
    return min((curve.length(np.append(each.ravel(), 0.0)) for each in moved), default=np.inf)


def ring(curve: CycleCurve, point: np.ndarray, way: np.ndarray, n_turns: int) -> Ring | None:
    """Return the cycles at all phases from one of them on, or None if they do not lead back to it.

    Parameters
    ----------
    curve : CycleCurve
        In the parameter that is free.
    point : ndarray, shape (n + 1,)
    way : ndarray, shape (n + 1,)
        The direction round the torus.
    n_turns : int
    """
    orbit = curve.orbit(point)
    turn = len(orbit) // n_turns
    # A q-th of the way round the torus a cycle is the first one again, begun some turns later.
    targets = [np.append(np.roll(orbit, -k * turn, axis=0).ravel(), point[-1]) for k in range(n_turns)]
    targets = targets[1:] or targets
    nearest = min(curve.length(target - point) for target in targets) if n_turns > 1 else 2.0 * np.pi
    if nearest < COLLAPSED:
        return None
    round_it, arc = [Met(point, *curve.tangent(point, way))], [0.0]
    longest = step = nearest / N_PHASES
    while len(round_it) < MOST_PHASES:
        here, before = round_it[-1], round_it[-2] if len(round_it) > 1 else None
        there, n = curve.meet(led_on(curve, before, here, step), here.tangent)
        if there is None or not curve.product(there.tangent, here.tangent) > 0.9:
            step /= 2.0
            if step < SHORTEST * longest:
                return None
            continue
        arc.append(arc[-1] + curve.length(there.point - here.point))
        round_it.append(there)
        if arc[-1] > 0.5 * nearest:
            k = int(np.argmin([curve.length(target - there.point) for target in targets]))
            ahead = targets[k] - there.point
            if curve.length(ahead) < 2.0 * step and curve.product(ahead, there.tangent) <= 0.0:
                return _measured(curve, round_it, np.array(arc), (k + 1) % n_turns)
        step = min(longest, step * (1.4 if n <= 4 else 1.0))
    return None


def _measured(curve: CycleCurve, round_it: list[Met], arc: np.ndarray, shift: int) -> Ring:
    """Return a ring with the ends of the parameter, and what of it is rounding."""
    points = np.array([each.point for each in round_it])
    tangents = np.array([each.tangent for each in round_it])
    folds = tangents[:, -1]
    ends = [points[int(np.argmin(points[:, -1]))], points[int(np.argmax(points[:, -1]))]]
    where = np.flatnonzero(folds[:-1] * folds[1:] < 0.0)
    if len(where) <= MOST_FOLDS:
        ends += [_fold(Between(curve, *round_it[i : i + 2]), *folds[i : i + 2]) for i in where]
    values = [end[-1] for end in ends]
    angle = 2.0 * np.pi * arc / arc[-1]
    waves = np.column_stack(
        [np.ones_like(arc)] + [f(k * angle) for k in range(1, N_HARMONICS + 1) for f in (np.cos, np.sin)]
    )
    fitted = waves @ np.linalg.lstsq(waves, points[:, -1] - points[0, -1], rcond=None)[0]
    rest = points[:, -1] - points[0, -1] - fitted
    rounding = float(np.sqrt(np.sum(rest**2) / max(1, len(arc) - waves.shape[1])))
    rounding = max(rounding, float(np.spacing(np.abs(points[:, -1]).max())))
    return Ring(points, tangents, ends[int(np.argmin(values))], ends[int(np.argmax(values))], rounding, shift)


def _fold(between: Between, first: float, last: float) -> np.ndarray:
    """Return where the parameter turns on a stretch of the ring, at whose ends it rises and falls so fast."""
    ends, found = {0.0: first, between.reach: last}, [between.known[0][1]]

    def slope(length: float) -> float:
        if length in ends:
            return ends[length]
        met = between.at(length)
        found.append(met.point)
        return float(met.tangent[-1])

    with suppress(ArithmeticError, ValueError):  # of rounding: what was found so far is as good
        root_between(slope, 0.0, between.reach, xtol=1e-9 * between.reach, rtol=1e-12)
    return found[-1]
