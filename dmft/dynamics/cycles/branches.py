"""Follow cycles in one parameter, through folds, and locate their bifurcations."""

from __future__ import annotations

import dataclasses

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.checks import finite, instance, number, shown, whole
from ..._util.underflow import underflow_is_zero
from ..._util.values import Frozen
from . import linear
from .curve import Curve, Node, events, node, with_multipliers
from .newton import Cycle
from .normal_forms import NormalForm, normal_form
from .window_map import WindowMap

TURN = 0.9  # cosine between the tangents of neighbours on a branch: less is a step too long
MIN_STEP = 1e-6  # of the longest
BETWEEN = 0.05  # of how far a step bends: how far the middle may be off the cubic through both ends
STRAIGHT = 1e-4  # of a step: it counts as bending so far at least, by a twentieth
NEAR = 1e-3  # of the longest step: how near the last point comes to a cycle of half the period
DOUBLE = 1e-5  # of its size: how far a cycle is at most from one of half its period where the curve turns back at it
NEARLY_DOUBLE = 1e-3  # the same where the last steps lead to it
CLOSED = "the branch closes"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpecialPoint(Frozen):
    """A bifurcation on a branch of cycles.

    Attributes
    ----------
    kind : {"fold", "flip", "neimark-sacker", "branch point"}
    parameter : str
        Its name.
    value : float
    place : float
        Where it lies between the points of the branch: 3.25 is a quarter of the way from point 3 to 4. Negative
        between the last and the first point of a branch that closes.
    cycle : Cycle
    form : NormalForm or None
        None for a branch point (a multiplier of 1 without a fold, as where symmetry breaks).
    """

    kind: str
    parameter: str
    value: float
    place: float
    cycle: Cycle
    form: NormalForm | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Branch(Frozen):
    """Cycles along a parameter.

    Attributes
    ----------
    parameter : str
        Its name.
    values : ndarray, shape (n_points,)
        Of the parameter; not monotonic where the branch folds.
    orbits : ndarray, shape (n_points, period, n_features)
        Step 0 has phase 0.
    growth, angle : ndarray, shape (n_points, n_context * n_features)
        Logarithm of the modulus of each multiplier, descending, and its angle.
    special : tuple of SpecialPoint
        In the order of the branch.
    ends : tuple of str
        Why the branch ends, before its first point and after its last. A branch that closes begins next to
        its last point.
    """

    parameter: str
    values: np.ndarray
    orbits: np.ndarray
    growth: np.ndarray
    angle: np.ndarray
    special: tuple[SpecialPoint, ...]
    ends: tuple[str, str]

    @property
    def period(self) -> int:
        """Steps of a turn."""
        return self.orbits.shape[1]

    @property
    def exponents(self) -> np.ndarray:
        """Nats per step, (n_points, n_context * n_features), descending."""
        return self.growth / self.period

    @property
    def multipliers(self) -> np.ndarray:
        """Complex multipliers, (n_points, n_context * n_features)."""
        return np.exp(self.growth) * np.exp(1j * self.angle)

    @property
    def n_unstable(self) -> np.ndarray:
        """Multipliers outside the unit circle, (n_points,)."""
        return np.count_nonzero(self.growth > 0, axis=1)

    @property
    def stable(self) -> np.ndarray:
        """Whether each cycle attracts, (n_points,) of bool."""
        return self.growth[:, 0] < 0

    @underflow_is_zero
    def curve(
        self, feature: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Return what `figures.cycle_branch` draws, with the special points among the others.

        Parameters
        ----------
        feature : int, default=0
            Which component of the orbit.

        Returns
        -------
        parameter : ndarray, shape (n_points + n_special,)
        values : ndarray, shape (n_points + n_special, period)
        stable : ndarray of bool, shape (n_points + n_special,)
            A special point counts as stable, so that the line to a stable neighbour is.
        special : dict of str to (ndarray, ndarray)
            Parameters (n,) and values (n, period) of each kind.
        """
        feature = whole("feature", feature, 0, self.orbits.shape[2] - 1)
        place = np.concatenate([np.arange(len(self.values)), [point.place for point in self.special]])
        order = np.argsort(place, kind="stable")
        marks = [point.cycle.orbit[:, feature] for point in self.special]
        parameter = np.append(self.values, [point.value for point in self.special])[order]
        values = np.concatenate([self.orbits[:, :, feature], *(mark[None] for mark in marks)])[order]
        stable = np.append(self.stable, np.ones(len(self.special), dtype=bool))[order]
        special = {}
        for kind in {point.kind: None for point in self.special}:
            which = [i for i, point in enumerate(self.special) if point.kind == kind]
            special[kind] = (np.array([self.special[i].value for i in which]), np.array([marks[i] for i in which]))
        return parameter, values, stable, special


class Continuation:
    """The points of a curve of cycles from one of them on, in one direction.

    Parameters
    ----------
    curve : Curve
    start : Node
        Where to begin; its tangent gives the direction.
    low, high : float
        Bounds of the parameter.
    max_step : float
    n_points : int
    """

    def __init__(self, curve: Curve, start: Node, low: float, high: float, max_step: float, n_points: int) -> None:
        self.curve, self.bounds, self.max_step = curve, (low, high), max_step
        curve.measure(curve.orbit(start.point))
        start = self.measured(start)
        self.nodes: list[Node] = [start]
        self.special: list[tuple[float, str, Node]] = []
        step = max_step / 4.0
        self.end = f"{n_points} points"
        leads_out = low if start.tangent[-1] < 0 else high
        if start.point[-1] == leads_out:
            self.end = f"{leads_out:g} reached"
            return
        while len(self.nodes) < n_points:
            here = self.nodes[-1]
            following, n = self.step(here, step)
            kinds = None if following is None else events(here, following)
            if kinds is None and step > MIN_STEP * max_step:
                step /= 2.0
                continue
            if following is None:
                self.end = "no neighbour found: the cycle may cease to be smooth"
                if self.is_double(here, NEARLY_DOUBLE):  # there the curve has two directions, and rounding decides
                    self.end = f"a cycle of period {curve.shape[0] // 2} is met"
                break
            located = self.locate(here, following, kinds or [])
            # The curve turns back where it passes through a cycle of half the period: no fold.
            if self.halves(here, following) or any(
                kind == "fold" and self.is_double(at, DOUBLE) for _, kind, at in located
            ):
                if step > NEAR * max_step:
                    step /= 2.0
                    continue
                self.end = f"a cycle of period {curve.shape[0] // 2} is met"
                break
            self.special += located
            self.nodes.append(following)
            if following.point[-1] in self.bounds:
                self.end = f"{following.point[-1]:g} reached"
                break
            if curve.outgrown(following.point):
                curve.measure(curve.orbit(following.point))
                self.nodes[-1], start = self.measured(following), self.measured(start)
            if len(self.nodes) > 3 and self.closes(start, step):
                self.special += self.locate(following, start, events(following, start) or [])
                self.end = CLOSED
                break
            step = min(step * (1.5 if n <= 4 else 1.0), max_step)

    def measured(self, at: Node) -> Node:
        """Return a node whose tangent has unit length as lengths are measured now."""
        return dataclasses.replace(at, tangent=at.tangent / self.curve.length(at.tangent))

    def closes(self, start: Node, step: float) -> bool:
        """Return whether the last point has come round to the first, in the same direction."""
        last = self.nodes[-1]
        near = self.curve.length(last.point - start.point) < step
        return near and self.curve.product(last.tangent, start.tangent) >= TURN

    def step(self, here: Node, step: float) -> tuple[Node | None, int]:
        """Return the next point, at a bound if one is passed, or None if the step is too long."""
        point, n = self.curve.correct(here.point + step * here.tangent, here.tangent)
        if point is None or self.curve.length(point - here.point) > 1.5 * step:
            return None, n
        for bound, outside in zip(self.bounds, (-1.0, 1.0), strict=True):
            if (point[-1] - bound) * outside > 0:
                share = (bound - here.point[-1]) / (point[-1] - here.point[-1])
                guess = here.point + share * (point - here.point)
                guess[-1] = bound
                only_value = np.append(np.zeros(len(point) - 1), 1.0)
                point, n = self.curve.correct(guess, only_value)
                if point is None:
                    return None, n
                point[-1] = bound
        tangent, rows = self.curve.tangent(point, here.tangent)
        if not self.curve.product(here.tangent, tangent) >= TURN:  # NaN where it has none
            return None, n
        if not self.joined(here, point, tangent):
            return None, n
        return with_multipliers(point, tangent, rows, here.frame), n  # last, as they take the most time

    def joined(self, here: Node, there: np.ndarray, tangent: np.ndarray) -> bool:
        """Return whether two points lie on one sheet: the cubic through both, with their tangents, meets it halfway.

        Between two sheets it does not: there the curve is off by half of what parts them, while on one
        sheet the cubic is off by the fourth power of the step.
        """
        ahead = there - here.point
        reach = self.curve.product(ahead, here.tangent)
        bend = self.curve.length(ahead - reach * here.tangent)
        middle = here.point + ahead / 2.0 + reach / 8.0 * (here.tangent - tangent)
        point, _ = self.curve.correct(middle, here.tangent)
        if point is None:
            return False
        return self.curve.length(point - middle) <= BETWEEN * max(bend, STRAIGHT * abs(reach)) + 1e-11

    def is_double(self, at: Node, tolerance: float) -> bool:
        """Return whether a cycle is one of half its period twice over, but for so much of its size."""
        half = self.curve.shape[0] // 2
        if self.curve.shape[0] % 2 or half % self.curve.system.n_phases:
            return False
        orbit = self.curve.orbit(at.point)
        return bool(np.sqrt(np.mean((orbit[:half] - orbit[half:]) ** 2)) < tolerance * self.curve.scale)

    def halves(self, here: Node, following: Node) -> bool:
        """Return whether both halves of the cycle become one another between two points."""
        half = self.curve.shape[0] // 2
        if self.curve.shape[0] % 2 or half % self.curve.system.n_phases:
            return False
        one, other = (self.curve.orbit(each.point) for each in (here, following))
        apart = one[:half] - one[half:]
        # Past that cycle they change places, or the continuation has gone over to it.
        return bool(np.sum(apart * (other[:half] - other[half:])) < 0.01 * np.sum(apart**2))

    def locate(self, here: Node, following: Node, kinds: list[str]) -> list[tuple[float, str, Node]]:
        """Return the place, kind and node of the bifurcations between two points."""
        from scipy.optimize import brentq  # late: it would slow down every start of the package

        reach = np.sum(self.curve.weights * here.tangent * (following.point - here.point))

        def point_at(length: float) -> np.ndarray:
            point, _ = self.curve.correct(here.point + length * here.tangent, here.tangent)
            if point is None:
                raise ArithmeticError
            return point

        def test(length: float, kind: str) -> float:
            # Neither asks for all multipliers: those take the most time.
            if kind == "fold":
                return float(self.curve.tangent(point_at(length), here.tangent)[0][-1])
            if kind == "flip":  # det(1 + M) changes its sign with the number of real multipliers below -1
                sign, size = np.linalg.slogdet(linear.twisted(self.curve.linearize(point_at(length))[1][0], -1.0))
                unit.append(size)
                return float(sign * np.exp(min(size - unit[0], 600.0)))
            latest[0] = node(self.curve, point_at(length), here.tangent, latest[0].frame)
            return latest[0].tests()[kind]

        located, latest = [], [here]  # the frame of the last point looked at is the nearest to the next one
        for kind in kinds:
            unit: list[float] = []
            try:
                length = brentq(test, 0.0, reach, args=(kind,), xtol=1e-18, rtol=1e-15)
                found = node(self.curve, point_at(length), here.tangent, here.frame)
            except (ArithmeticError, ValueError):
                continue  # not isolated, even at the smallest step
            located.append((len(self.nodes) - 1 + length / reach, kind, found))
        return located


@threadpool_limits.wrap(limits=1, user_api="blas")  # more only slow it down, and change the last bits
@underflow_is_zero
def trace(
    system: WindowMap, orbit: np.ndarray, low: float, high: float, *, max_step: float = 0.02, n_points: int = 1_000
) -> Branch:
    """Follow a cycle of a map in its parameter, both ways.

    Parameters
    ----------
    system : WindowMap
        With one point.
    orbit : ndarray, shape (period, n_features)
        The cycle there, up to Newton's method.
    low, high : float
        Bounds of the parameter.
    max_step : float, default=0.02
        Longest step, as a part of the range.
    n_points : int, default=1000
        At most so many points to each side.

    Returns
    -------
    Branch

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    RuntimeError
        If Newton's method does not converge from the orbit.

    Examples
    --------
    The fixed point of x -> r - x^2 flips at r = 3/4:

    >>> square = WindowMap(lambda window, phase, r: r[..., None] - window[..., 0, :] * window[..., 0, :], 1, 1, [0.5])
    >>> (flip,) = trace(square, np.array([[0.36]]), 0.2, 1.0).special
    >>> flip.kind, round(flip.value, 12)
    ('flip', 0.75)
    """
    instance("system", system, WindowMap, "a dmft.orbits.WindowMap")
    if system.n_points != 1:
        raise ValueError(f"system must have one point, got {system.n_points}")
    orbit = finite("orbit", orbit, (None, system.n_features))
    if not len(orbit) or len(orbit) % int(system.phases[0]):
        raise ValueError(f"orbit must have a multiple of {system.phases[0]} steps, got {len(orbit)}")
    low, high, value = number("low", low), number("high", high), float(system.value[0])
    if not low <= value <= high or low == high:
        raise ValueError(f"low and high must be bounds of {value:g}, that of the orbit, got {low:g} and {high:g}")
    max_step, n_points = number("max_step", max_step, 1e-6, 1.0), whole("n_points", n_points, 2)
    curve = Curve(system, orbit, high - low)
    only_value = np.append(np.zeros(orbit.size), 1.0)
    first, _ = curve.correct(np.append(orbit, system.value), only_value)
    if first is None:
        raise RuntimeError("Newton's method must converge from the given orbit; start from a cycle of find_cycles")
    start = node(curve, first, only_value)
    back = dataclasses.replace(start, tangent=-start.tangent)
    down = Continuation(curve, back, low, high, max_step, n_points)
    # Round a closed branch the other way come the same points once more.
    up = down if down.end == CLOSED else Continuation(curve, start, low, high, max_step, n_points)
    nodes = down.nodes[:0:-1] + (up.nodes if up is not down else [start])
    before = len(down.nodes) - 1
    special = [(before - place, kind, found) for place, kind, found in reversed(down.special)]
    if up is not down:
        special += [(before + place, kind, found) for place, kind, found in up.special]
    points = np.stack([each.point for each in nodes])
    return Branch(
        parameter=system.parameter,
        values=points[:, -1],
        orbits=points[:, :-1].reshape(-1, *orbit.shape),
        growth=np.stack([each.growth for each in nodes]),
        angle=np.stack([each.angle for each in nodes]),
        special=tuple(_special(curve, *each) for each in special),
        ends=(down.end, up.end),
    )


def _special(curve: Curve, place: float, kind: str, found: Node) -> SpecialPoint:
    """Return a located point with its cycle and normal form."""
    orbit, value = curve.orbit(found.point), float(found.point[-1])
    system = curve.system.at([value])
    form = None
    if kind != "branch point":
        growth, angle = found.pairs() if kind == "neimark-sacker" else (np.zeros(1), np.zeros(1))
        form = normal_form(system, orbit, kind, np.exp(1j * angle[np.argmin(np.abs(growth))]))
    cycle = Cycle(
        orbit=orbit,
        residual=float(np.abs(curve.linearize(found.point)[0]).max()),
        multipliers=np.exp(found.growth) * np.exp(1j * found.angle),
        exponents=found.growth / len(orbit),
    )
    return SpecialPoint(kind, system.parameter, value, float(place), cycle, form)


@threadpool_limits.wrap(limits=1, user_api="blas")
def doubled(system: WindowMap, point: SpecialPoint) -> tuple[np.ndarray, float]:
    """Return an orbit of twice the period near a flip, and its parameter value.

    The distance from the flip follows from the amplitude, not the other way round: so it does not
    matter to which side the branch goes.
    """
    orbit, form = point.cycle.orbit, point.form
    if form is None or point.kind != "flip":
        raise ValueError(f"point must be a flip, got {shown(point.kind)}")
    base, direction = np.concatenate([orbit, orbit]), np.concatenate([form.vector, -form.vector])
    curve = Curve(system, base, max(abs(point.value), 1.0))
    for size in (1e-2, 1e-3, 1e-4):
        amplitude = size * np.abs(orbit).max() / np.abs(direction).max()
        value = point.value + form.coefficient * amplitude**2 / form.rate
        guess = np.append(base + amplitude * direction, value)
        found, _ = curve.correct(guess, np.append(direction, 0.0))
        if found is not None and np.abs(curve.orbit(found) - guess[:-1].reshape(base.shape)).max() < amplitude:
            return curve.orbit(found), float(found[-1])
    raise RuntimeError(f"no cycle of period {len(base)} found near the flip at {point.value:.12g}")
