"""Branches of cycles in one parameter, through folds, with their bifurcations located."""

from __future__ import annotations

import dataclasses

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.checks import finite, number, one_of, whole
from ...attention.model import SelfAttention, parameter
from .line import Line, events, node
from .newton import Cycle, refined
from .normal_forms import NormalForm, normal_form
from .window_map import PARAMETERS, AttentionMap

TURN = 0.9  # cosine between the tangents of neighbours on a branch: less is a step too long
MIN_STEP = 1e-6  # of the longest
NEAR = 1e-3  # of the longest step: how near the last point comes to a cycle of half the period


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpecialPoint:
    """A bifurcation on a branch of cycles.

    Attributes
    ----------
    kind : {"fold", "flip", "neimark-sacker", "branch point"}
    parameter : {"beta", "gamma", "epsilon"}
    value : float
    place : float
        Where it lies between the points of the branch: 3.25 is a quarter of the way from point 3 to 4.
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
class Branch:
    """Cycles along a parameter.

    Attributes
    ----------
    parameter : {"beta", "gamma", "epsilon"}
    values : ndarray, shape (n_points,)
        Of the parameter; not monotonic where the branch folds.
    attention : ndarray, shape (n_points, period, n_features)
        Step 0 has phase 0.
    growth, angle : ndarray, shape (n_points, n_context * n_features)
        Logarithm of the modulus of each multiplier, descending, and its angle.
    special : tuple of SpecialPoint
        In the order of the branch.
    ends : tuple of str
        Why the branch ends, before its first point and after its last.
    model : SelfAttention
        The parameters that stay.
    """

    parameter: str
    values: np.ndarray
    attention: np.ndarray
    growth: np.ndarray
    angle: np.ndarray
    special: tuple
    ends: tuple
    model: SelfAttention

    @property
    def period(self):
        """Token steps of a turn."""
        return self.attention.shape[1]

    @property
    def exponents(self):
        """Nats per token step, (n_points, n_context * n_features), descending."""
        return self.growth / self.period

    @property
    def multipliers(self):
        """Complex multipliers, (n_points, n_context * n_features)."""
        return np.exp(self.growth) * np.exp(1j * self.angle)

    @property
    def n_unstable(self):
        """Multipliers outside the unit circle, (n_points,)."""
        return np.count_nonzero(self.growth > 0, axis=1)

    @property
    def stable(self):
        """Whether each cycle attracts, (n_points,) of bool."""
        return self.growth[:, 0] < 0

    def curve(self, feature=0):
        """Return what `figures.cycle_branch` draws, with the special points among the others.

        Parameters
        ----------
        feature : int, default=0
            Which component of the attention.

        Returns
        -------
        parameter : ndarray, shape (n_points + n_special,)
        values : ndarray, shape (n_points + n_special, period)
        stable : ndarray of bool, shape (n_points + n_special,)
            A special point counts as stable, so that the line to a stable neighbour is.
        special : dict of str to (ndarray, ndarray)
            Parameters (n,) and values (n, period) of each kind.
        """
        place = np.concatenate([np.arange(len(self.values)), [point.place for point in self.special]])
        order = np.argsort(place, kind="stable")
        marks = [point.cycle.attention[:, feature] for point in self.special]
        parameter = np.append(self.values, [point.value for point in self.special])[order]
        values = np.concatenate([self.attention[:, :, feature], *(mark[None] for mark in marks)])[order]
        stable = np.append(self.stable, np.ones(len(self.special), dtype=bool))[order]
        special = {}
        for kind in {point.kind: None for point in self.special}:
            which = [i for i, point in enumerate(self.special) if point.kind == kind]
            special[kind] = (np.array([self.special[i].value for i in which]), np.array([marks[i] for i in which]))
        return parameter, values, stable, special


class Walk:
    """A walk along a line from a cycle, in one direction.

    Parameters
    ----------
    line : Line
    start : Node
        Its tangent leads on.
    low, high : float
        Bounds of the parameter.
    max_step : float
    n_points : int
    """

    def __init__(self, line, start, low, high, max_step, n_points):
        self.line, self.bounds, self.max_step = line, (low, high), max_step
        self.nodes, self.special = [start], []
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
                break
            if self.halves(here, following):
                if step > NEAR * max_step:
                    step /= 2.0
                    continue
                self.end = f"a cycle of period {line.shape[0] // 2} is met"
                break
            self.special += self.locate(here, following, kinds or [])
            self.nodes.append(following)
            if following.point[-1] in self.bounds:
                self.end = f"{following.point[-1]:g} reached"
                break
            if len(self.nodes) > 3 and line.length(following.point - start.point) < step:
                self.end = "the branch closes"
                break
            step = min(step * (1.5 if n <= 4 else 1.0), max_step)

    def step(self, here, step):
        """Return the next point, at a bound if one is passed, or None if the step is too long."""
        point, n = self.line.correct(here.point + step * here.tangent, here.tangent)
        if point is None or self.line.length(point - here.point) > 1.5 * step:
            return None, n
        for bound, outside in zip(self.bounds, (-1.0, 1.0), strict=True):
            if (point[-1] - bound) * outside > 0:
                share = (bound - here.point[-1]) / (point[-1] - here.point[-1])
                guess = here.point + share * (point - here.point)
                guess[-1] = bound
                only_value = np.append(np.zeros(len(point) - 1), 1.0)
                point, n = self.line.correct(guess, only_value)
                if point is None:
                    return None, n
                point[-1] = bound
        following = node(self.line, point, here.tangent, here.frame)
        if not np.sum(self.line.weights * here.tangent * following.tangent) >= TURN:  # NaN where it has none
            return None, n
        return following, n

    def halves(self, here, following):
        """Return whether both halves of the cycle become one another between two points."""
        half = self.line.shape[0] // 2
        if self.line.shape[0] % 2 or half % self.line.system.n_phases:
            return False
        one, other = (self.line.orbit(each.point) for each in (here, following))
        apart = one[:half] - one[half:]
        # Past that cycle they change places, or the walk has gone over to it.
        return np.sum(apart * (other[:half] - other[half:])) < 0.01 * np.sum(apart**2)

    def locate(self, here, following, kinds):
        """Return the place, kind and node of the bifurcations between two points."""
        from scipy.optimize import brentq  # late: it would slow down every start of the package

        reach = np.sum(self.line.weights * here.tangent * (following.point - here.point))

        def at(length):
            point, _ = self.line.correct(here.point + length * here.tangent, here.tangent)
            if point is None:
                raise ArithmeticError
            return node(self.line, point, here.tangent, here.frame)

        located = []
        for kind in kinds:
            try:
                length = brentq(lambda length: at(length).tests()[kind], 0.0, reach, xtol=1e-18, rtol=1e-15)  # noqa: B023
                found = at(length)
            except (ArithmeticError, ValueError):
                continue  # not isolated, even at the smallest step
            located.append((len(self.nodes) - 1 + length / reach, kind, found))
        return located


@threadpool_limits.wrap(limits=1, user_api="blas")  # more only slow it down, and change the last bits
def trace(system, orbit, low, high, *, max_step=0.02, n_points=1_000, model=None):
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
    model : SelfAttention, optional

    Returns
    -------
    Branch
    """
    line = Line(system, orbit, high - low)
    only_value = np.append(np.zeros(orbit.size), 1.0)
    first, _ = line.correct(np.append(orbit, system.value), only_value)
    if first is None:
        raise RuntimeError("Newton's method must converge at the start; find the cycle with dmft.cycle first")
    start = node(line, first, only_value)
    back = dataclasses.replace(start, tangent=-start.tangent)
    walks = [Walk(line, side, low, high, max_step, n_points) for side in (back, start)]
    nodes = walks[0].nodes[:0:-1] + walks[1].nodes
    before = len(walks[0].nodes) - 1
    special = [(before - place, kind, found) for place, kind, found in reversed(walks[0].special)]
    special += [(before + place, kind, found) for place, kind, found in walks[1].special]
    points = np.stack([each.point for each in nodes])
    return Branch(
        parameter=system.parameter,
        values=points[:, -1],
        attention=points[:, :-1].reshape(-1, *orbit.shape),
        growth=np.stack([each.growth for each in nodes]),
        angle=np.stack([each.angle for each in nodes]),
        special=tuple(_special(line, model, *each) for each in special),
        ends=(walks[0].end, walks[1].end),
        model=model,
    )


def _special(line, model, place, kind, found):
    """Return a located point with its cycle and normal form."""
    orbit, value = line.orbit(found.point), float(found.point[-1])
    system = line.system.at([value])
    form = None
    if kind != "branch point":
        growth, angle = found.pairs() if kind == "neimark-sacker" else (np.zeros(1), np.zeros(1))
        form = normal_form(system, orbit, kind, np.exp(1j * angle[np.argmin(np.abs(growth))]))
    cycle = Cycle(
        model=model.replace(**{system.parameter: value}) if model else None,
        attention=orbit,
        residual=float(np.abs(line.linear(found.point)[0]).max()),
        multipliers=np.exp(found.growth) * np.exp(1j * found.angle),
        exponents=found.growth / len(orbit),
    )
    return SpecialPoint(kind, system.parameter, value, float(place), cycle, form)


def branch(cycle, *, max_step=0.02, n_points=1_000, **parameter_range):
    r"""Follow a cycle in one parameter, both ways, stable or not, past folds.

    Pseudo-arclength continuation [1]_ with the derivative by the parameter in closed form. Folds,
    flips and Neimark-Sacker points are located to rounding, by Brent's method along the branch on
    a function that changes its sign there, and come with their normal forms.

    Parameters
    ----------
    cycle : Cycle
    beta, gamma or epsilon : (float, float)
        The parameter to follow it in, and its range; the cycle's own value lies inside.
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

    References
    ----------
    .. [1] Keller, in Applications of Bifurcation Theory, ed. Rabinowitz (1977) 359.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, cycle
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    >>> (point,) = branch(cycle(model, 4), beta=(1.23, 1.25), max_step=0.2).special
    >>> point.kind, round(point.value, 12), point.form.supercritical
    ('neimark-sacker', 1.243444547815, True)
    """
    if not isinstance(cycle, Cycle):
        raise ValueError(f"cycle must be a dmft.Cycle, got {cycle!r}")
    if len(parameter_range) != 1:
        raise ValueError(f"one of {', '.join(PARAMETERS)} must be given as (low, high), got {sorted(parameter_range)}")
    ((name, bounds),) = parameter_range.items()
    one_of("parameter", name, PARAMETERS)
    low, high = (parameter(name, float(bound)) for bound in finite(name, bounds, (2,)))
    value = getattr(cycle.model, name)
    if not low <= value <= high or low == high:
        raise ValueError(
            f"{name} must be (low, high) with low <= {value:g} <= high, the cycle's, got ({low:g}, {high:g})"
        )
    if name == "epsilon" and cycle.period % AttentionMap(cycle.model, name).n_phases:
        raise ValueError("epsilon must stay 0 for a cycle whose period is no multiple of that of the position code")
    max_step, n_points = number("max_step", max_step, 1e-6, 1.0), whole("n_points", n_points, 2)
    system = AttentionMap(cycle.model, name)
    return trace(system, cycle.attention, low, high, max_step=max_step, n_points=n_points, model=cycle.model)


def switch(point):
    """Return a cycle of twice the period, of the branch that splits off at a flip.

    Parameters
    ----------
    point : SpecialPoint
        A flip.

    Returns
    -------
    Cycle
        Near the flip; `branch` follows it on.

    Raises
    ------
    ValueError
        If the point is no flip.
    RuntimeError
        If no such cycle is found near it.

    Examples
    --------
    See ``examples/cycle_branch.py``.
    """
    if not isinstance(point, SpecialPoint) or point.kind != "flip":
        raise ValueError(f"point must be a flip of a branch, got {getattr(point, 'kind', point)!r}")
    model, name = point.cycle.model, point.parameter
    orbit, value = doubled(AttentionMap(model, name), point)
    return refined(model.replace(**{name: value}), orbit)


@threadpool_limits.wrap(limits=1, user_api="blas")
def doubled(system, point):
    """Return an orbit of twice the period near a flip, and its parameter value.

    The distance from the flip follows from the amplitude, not the other way round: so it does not
    matter to which side the branch goes.
    """
    orbit, form = point.cycle.attention, point.form
    base, direction = np.concatenate([orbit, orbit]), np.concatenate([form.vector, -form.vector])
    line = Line(system, base, max(abs(point.value), 1.0))
    for size in (1e-2, 1e-3, 1e-4):
        amplitude = size * np.abs(orbit).max() / np.abs(direction).max()
        value = point.value + form.coefficient * amplitude**2 / form.rate
        guess = np.append(base + amplitude * direction, value)
        found, _ = line.correct(guess, np.append(direction, 0.0))
        if found is not None and np.abs(line.orbit(found) - guess[:-1].reshape(base.shape)).max() < amplitude:
            return line.orbit(found), float(found[-1])
    raise RuntimeError(f"no cycle of period {len(base)} found near the flip at {point.value:.12g}")
