"""Follow cycles in one parameter, through folds, and locate their bifurcations."""

from __future__ import annotations

import dataclasses

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import finite, instance, number, shown, whole
from ..._util.values import Frozen
from .continuation import CLOSED, Continuation, Located
from .curve import CycleCurve, node
from .newton import Cycle
from .normal_forms import NormalForm, normal_form
from .window_map import WindowMap

FORMS = ("fold", "flip", "neimark-sacker", "branch point")
SMALL = 0.1  # of where the highest term of a normal form is as large as the first: how far others are sought at most
AT_ZERO = 1e-6  # of that: a cycle that is smaller lies at 0
MIRROR = 1e-6  # relative: how well a cycle is its mirror image


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpecialPoint(Frozen):
    """A bifurcation on a branch of cycles.

    Attributes
    ----------
    kind : {"fold", "flip", "neimark-sacker", "branch point"}
        A branch point is a multiplier of 1 without a fold, as where symmetry breaks. Several that cross together are
        joined by "and".
    parameter : str
        Its name.
    value : float
    place : float
        Where it lies between the points of the branch: 3.25 is a quarter of the way from point 3 to 4. Negative
        between the last and the first point of a branch that closes.
    cycle : Cycle
    form : NormalForm or None
        Of one multiplier, or of a pair: of a branch point that of a "pitchfork" or a "transcritical" point. None where
        more cross together.
    gained : int
        How many more multipliers are outside the unit circle after the point, in the order of the branch: 2 where a
        cycle loses its stability at a torus point, or where two real ones cross together. 0 of a branch point that is
        met from the side: the branch turns back there, where it crosses another.
    symmetry : str or None
        "sign" where the map and the cycle have the symmetry x -> -x, perhaps with half a turn, and what is born at the
        branch point breaks it. None where no symmetry is known.
    """

    kind: str
    parameter: str
    value: float
    place: float
    cycle: Cycle
    form: NormalForm | None
    gained: int = 0
    symmetry: str | None = None


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
    unlocated : tuple of (float, float, int)
        Changes of stability without a special point: the parameter at the points of the branch before and after, and
        how many more multipliers are outside the unit circle after. Empty where all were located.
    """

    parameter: str
    values: np.ndarray
    orbits: np.ndarray
    growth: np.ndarray
    angle: np.ndarray
    special: tuple[SpecialPoint, ...]
    ends: tuple[str, str]
    unlocated: tuple[tuple[float, float, int], ...] = dataclasses.field(default=(), kw_only=True)

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

    @own_arithmetic
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


@threadpool_limits.wrap(limits=1, user_api="blas")  # more only slow it down, and change the last bits
@own_arithmetic
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
    curve = CycleCurve(system, orbit, high - low)
    only_value = np.append(np.zeros(orbit.size), 1.0)
    met, _ = curve.meet(np.append(orbit, system.value), only_value)
    if met is None:
        raise RuntimeError("Newton's method must converge from the given orbit; start from a cycle of find_cycles")
    start = node(met)
    back = dataclasses.replace(start, tangent=-start.tangent)
    down = Continuation(curve, back, low, high, max_step, n_points)
    # Round a closed branch the other way come the same points once more.
    up = down if down.end == CLOSED else Continuation(curve, start, low, high, max_step, n_points)
    nodes = down.nodes[:0:-1] + (up.nodes if up is not down else [start])
    before = len(down.nodes) - 1
    special = [
        dataclasses.replace(each, place=before - each.place, gained=-each.gained) for each in reversed(down.special)
    ]
    unlocated = [(high, low, -gained) for low, high, gained in reversed(down.unlocated)]
    if up is not down:
        special += [dataclasses.replace(each, place=before + each.place) for each in up.special]
        unlocated += up.unlocated
    points = np.stack([each.point for each in nodes])
    return Branch(
        parameter=system.parameter,
        values=points[:, -1],
        orbits=points[:, :-1].reshape(-1, *orbit.shape),
        growth=np.stack([each.growth for each in nodes]),
        angle=np.stack([each.angle for each in nodes]),
        special=tuple(_special(curve, each) for each in special),
        ends=(down.end, up.end),
        unlocated=tuple(unlocated),
    )


def _special(curve: CycleCurve, located: Located) -> SpecialPoint:
    """Return a located point with its cycle and normal form."""
    kind, found = located.kind, located.node
    orbit, value = curve.orbit(found.point), float(found.point[-1])
    system, form = curve.system.at([value]), None
    if kind in FORMS and abs(located.gained) <= (2 if kind == "neimark-sacker" else 1):
        growth, angle = found.pairs() if kind == "neimark-sacker" else (np.zeros(1), np.zeros(1))
        form = normal_form(system, orbit, kind, np.exp(1j * angle[np.argmin(np.abs(growth))]))
        form = form if np.isfinite(form.coefficient) else None  # several directions are critical
    cycle = Cycle(
        orbit=orbit,
        residual=float(np.abs(curve.linearize(found.point)[0]).max()),
        multipliers=np.exp(found.growth) * np.exp(1j * found.angle),
        exponents=found.growth / len(orbit),
    )
    symmetry = None
    if form is not None and kind == "branch point":
        symmetry = broken_symmetry(system, orbit, form.vector, curve.scale)
    return SpecialPoint(kind, system.parameter, value, float(located.place), cycle, form, located.gained, symmetry)


def broken_symmetry(system: WindowMap, orbit: np.ndarray, vector: np.ndarray, size: float) -> str | None:
    """Return "sign" if map and cycle are their own mirror images, perhaps half a turn later, and a direction is not.

    `size` is that of the cycles of the branch.
    """
    half = len(orbit) // 2
    for shift in (0, half) if len(orbit) % 2 == 0 else (0,):
        image, moved = -np.roll(orbit, shift, axis=0), -np.roll(vector, shift, axis=0)
        same = np.abs(image - orbit).max() <= MIRROR * size
        turned = np.abs(moved + vector).max() <= MIRROR * np.abs(vector).max()
        if same and turned and _is_odd(system, size, shift):
            return "sign"
    return None


def _is_odd(system: WindowMap, size: float, shift: int) -> bool:
    """Return whether the map of minus a window, so many steps later, is minus that of the window."""
    windows = size * np.random.default_rng(0).uniform(-1.0, 1.0, (1, system.n_context, system.n_features))
    for phase in range(system.n_phases):
        one, other = system.run(windows, 1, phase), system.run(-windows, 1, (phase + shift) % system.n_phases)
        if np.abs(one + other).max() > MIRROR * np.abs(one).max():
            return False
    return True


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
    curve = CycleCurve(system, base, max(abs(point.value), 1.0))
    for amplitude in _amplitudes(form, orbit, (1e-2, 1e-3, 1e-4)):
        start, value = base + amplitude * direction, point.value + form.coefficient * amplitude**2 / form.rate
        curve.measure(start)
        found, _ = curve.correct(np.append(start, value), np.append(direction, 0.0))
        if found is not None and np.abs(curve.orbit(found) - start).max() < amplitude:
            return curve.orbit(found), float(found[-1])
    raise RuntimeError(f"no cycle of period {len(base)} found near the flip at {point.value:.12g}")


@threadpool_limits.wrap(limits=1, user_api="blas")
def crossing(system: WindowMap, point: SpecialPoint) -> tuple[np.ndarray, float]:
    """Return an orbit of the branch that crosses at a branch point, near it, and its parameter value."""
    orbit, form = point.cycle.orbit, point.form
    if form is None or point.kind != "branch point":
        raise ValueError(f"point must be a branch point of one multiplier, got {shown(point.kind)}")
    span, sizes = max(abs(point.value), 1.0), (1e-1, 1e-2, 1e-3, 1e-4)
    curve, only_value = CycleCurve(system, orbit, span), np.append(np.zeros(orbit.size), 1.0)
    for size in sizes if point.gained == 0 else ():  # met from the branch that turns back: the other goes on both ways
        for rise in (size * span, -size * span):
            guess = np.append(orbit, point.value + rise)
            found, _ = curve.correct(guess, only_value)
            born = np.nan_to_num(form.amplitude(rise)) * np.abs(form.vector).max()
            if found is not None and np.abs(found - guess).max() < max(0.5 * born, size**2 * curve.scale):
                return curve.orbit(found), float(found[-1])
    for amplitude in _amplitudes(form, orbit, sizes) if point.gained else ():
        bend = amplitude if form.kind == "transcritical" else amplitude**2
        start, value = orbit + amplitude * form.vector, point.value - form.coefficient.real * bend / form.rate.real
        curve.measure(start)
        found, _ = curve.correct(np.append(start, value), np.append(form.vector, 0.0))
        if found is not None and np.abs(curve.orbit(found) - start).max() < amplitude:
            return curve.orbit(found), float(found[-1])
    raise RuntimeError(f"no other cycle of period {len(orbit)} found near the branch point at {point.value:.12g}")


def _amplitudes(form: NormalForm, orbit: np.ndarray, sizes: tuple[float, ...]) -> list[float]:
    """Return how far along the critical vector others are sought: in parts of the cycle, then by its normal form."""
    with np.errstate(divide="ignore"):
        high = np.float64(abs(form.coefficient))
        small = SMALL / (high if form.kind == "transcritical" else np.sqrt(high))
    whole = np.abs(orbit).max() / np.abs(form.vector).max()
    wholes = [whole] if whole > AT_ZERO * small or not np.isfinite(small) else []
    return [size * each for each in [*wholes, small] if 0.0 < each < np.inf for size in sizes]
