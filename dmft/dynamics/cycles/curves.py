"""Curves of bifurcations in two parameters, and the bifurcations of codimension 2 on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import number, one_of, shown, whole
from ..._util.values import Frozen
from .births import BORN, twice
from .bordered import Bordered, Kind, Plane
from .branches import SpecialPoint
from .continuation import CLOSED
from .newton import Cycle
from .stations import Station, station
from .walks import Walk

KINDS = get_args(Kind)
BEGUN = "near the tip of a tongue"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CurvePoint(Frozen):
    """A bifurcation of codimension 2 on a curve.

    Attributes
    ----------
    kind : str
        "cusp", "generalised flip", "chenciner", "generalised pitchfork": the coefficient of the normal form vanishes;
        "1:1 resonance" to "1:4 resonance": where critical multipliers are roots of one; "fold-flip",
        "fold-neimark-sacker", "flip-neimark-sacker", "double neimark-sacker", "pitchfork-flip",
        "pitchfork-neimark-sacker": others cross the unit circle too.
    parameters : (str, str)
        Their names.
    values : (float, float)
    place : float
        Where it lies between the points of the curve: 3.25 is a quarter of the way from point 3 to 4.
    cycle : Cycle
    residual : float
        Largest miss of any equation.
    """

    kind: str
    parameters: tuple[str, str]
    values: tuple[float, float]
    place: float
    cycle: Cycle
    residual: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Curve(Frozen):
    r"""Cycles at a bifurcation, along a curve in two parameters.

    Attributes
    ----------
    kind : {"fold", "flip", "neimark-sacker", "pitchfork"}
    parameters : (str, str)
        Their names.
    values : ndarray, shape (n_points, 2)
        Of the parameters.
    orbits : ndarray, shape (n_points, period, n_features)
        Step 0 has phase 0.
    residual : ndarray, shape (n_points,)
        Largest miss of any equation: of the steps of the cycle, and of the number that vanishes at the bifurcation.
    coefficient : ndarray, shape (n_points,)
        Of the normal form: b of a fold, c of a flip or pitchfork, complex d of a torus; see `NormalForm`. It has poles
        at resonances 1:1 and 1:2, and changes its sign at cusps, generalised flips and Chenciner points. NaN where
        there is none.
    theta : ndarray, shape (n_points,)
        Angle of the critical multiplier: 0 of a fold or pitchfork, pi of a flip.
    growth, angle : ndarray, shape (n_points, n_context * n_features)
        Logarithm of the modulus of each multiplier, descending, and its angle.
    n_unstable : ndarray of int, shape (n_points,)
        Multipliers outside the unit circle besides the critical ones: where it is 0, what attracts changes.
    special : tuple of CurvePoint
        In the order of the curve.
    ends : tuple of str
        Why the curve ends, before its first point and after its last.
    unlocated : tuple of (float, float)
        Places between which `n_unstable` changes without a special point. Empty where all were located.
    model : SelfAttention, Map or None
        The parameters that stay.
    """

    kind: Kind
    parameters: tuple[str, str]
    values: np.ndarray
    orbits: np.ndarray
    residual: np.ndarray
    coefficient: np.ndarray
    theta: np.ndarray
    growth: np.ndarray
    angle: np.ndarray
    n_unstable: np.ndarray
    special: tuple[CurvePoint, ...]
    ends: tuple[str, str]
    unlocated: tuple[tuple[float, float], ...] = ()
    model: Any = None

    @property
    def period(self) -> int:
        """Steps of a turn."""
        return self.orbits.shape[1]

    @property
    def stable(self) -> np.ndarray:
        """Whether no other multiplier is outside the unit circle, (n_points,): what is born or lost may attract."""
        return self.n_unstable == 0

    def to_dataframe(self) -> Any:
        """Return a ``pandas.DataFrame`` with a line for each point; needs the extra ``[xarray]``, which brings pandas.

        Returns
        -------
        pandas.DataFrame
            Both parameters, residual, coefficient, theta, n_unstable, and the kind of the point where it is special.

        Raises
        ------
        ImportError
            Without pandas.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_dataframe needs pandas; pip install "dmft[xarray]"') from error
        columns = {name: self.values[:, i] for i, name in enumerate(self.parameters)}
        names = ("residual", "coefficient", "theta", "n_unstable")
        frame = pandas.DataFrame({**columns, **{name: getattr(self, name) for name in names}, "special": ""})
        marks = [
            {**dict(zip(self.parameters, point.values, strict=True)), "residual": point.residual, "special": point.kind}
            for point in self.special
        ]
        frame.index = frame.index.astype(float)
        frame = pandas.concat([frame, pandas.DataFrame(marks, [point.place for point in self.special])])
        return frame.sort_index(kind="stable").rename_axis("place")

    def line(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Return what `figures.bifurcation_curve` draws: the curve with its special points among the others.

        Returns
        -------
        values : ndarray, shape (n_points + n_special, 2)
        stable : ndarray of bool, shape (n_points + n_special,)
            A special point counts as stable, so that the line to a stable neighbour is.
        special : dict of str to ndarray, shape (n, 2)
            Parameters of the special points of each kind.
        """
        place = np.concatenate([np.arange(len(self.values)), [point.place for point in self.special]])
        order = np.argsort(place, kind="stable")
        marks = np.array([point.values for point in self.special]).reshape(-1, 2)
        stable = np.append(self.stable, np.ones(len(marks), dtype=bool))
        kinds = {point.kind: None for point in self.special}
        special = {kind: np.array([each.values for each in self.special if each.kind == kind]) for kind in kinds}
        return np.concatenate([self.values, marks])[order], stable[order], special

    def __repr__(self) -> str:
        low, high = self.values.min(axis=0), self.values.max(axis=0)
        where = ", ".join(f"{name} {a:.6g} to {b:.6g}" for name, a, b in zip(self.parameters, low, high, strict=True))
        marks = ", ".join(f"{point.kind} at ({point.values[0]:.8g}, {point.values[1]:.8g})" for point in self.special)
        return (
            f"Curve({self.kind} of period {self.period}: {len(self.values)} points, {where}; "
            f"special: {marks or 'none'}; ends: {self.ends[0]}, {self.ends[1]})"
        )


def begin(
    point: SpecialPoint | CurvePoint,
    other: str | None,
    values: Mapping[str, float],
    plane: Callable[[str, str], Plane],
    bounds: Callable[[str, float], tuple[float, float]],
    ranges: Mapping[str, Any],
    *,
    max_step: float,
    n_points: int,
) -> Curve:
    """Follow a special point of a branch or of a curve in two parameters, the arguments checked.

    Parameters
    ----------
    point : SpecialPoint or CurvePoint
    other : str or None
        The second parameter; None where the point has two.
    values : dict of str to float
        All parameters of the map at the point.
    plane : callable
        Of two names: the map in these parameters.
    bounds : callable
        Of a name and its value: the range to follow it in.
    ranges : dict
        What the caller has said of them.
    max_step : float
    n_points : int
    """
    max_step, n_points = number("max_step", max_step, 1e-6, 1.0), whole("n_points", n_points, 2)
    multiplier: complex = 1.0
    if isinstance(point, CurvePoint):
        if point.kind not in BORN:
            raise ValueError(
                f"point must be where a curve of twice the period begins, {' or '.join(BORN)}, got {point.kind}"
            )
        one_of("other", other, (None,))
        kind, names = BORN[point.kind], point.parameters
    else:
        form = point.form
        kind = cast(Kind, form.kind if form is not None and point.kind == "branch point" else point.kind)
        if form is None or kind not in KINDS:
            raise ValueError(
                f"point must be a fold, flip, neimark-sacker or pitchfork point of one multiplier, got {shown(kind)}"
            )
        others = [each for each in values if each != point.parameter]
        if not others:
            raise ValueError(f"point must be of a map with a second parameter, got {point.parameter} alone")
        one_of("other", other, others)
        names, multiplier = (point.parameter, str(other)), complex(np.exp(1j * form.angle))
    for each in ranges:
        one_of("ranges", each, names)
    at, box = (float(values[names[0]]), float(values[names[1]])), []
    for each, value in zip(names, at, strict=True):
        low, high = bounds(each, value)
        if not low <= value <= high or low == high:
            raise ValueError(
                f"{each} must be (low, high) with low <= {value:g} <= high, the point's, got ({low:g}, {high:g})"
            )
        box.append((low, high))
    orbit, there = point.cycle.orbit, plane(*names)
    if isinstance(point, CurvePoint):
        orbit, at, multiplier = twice(there, point.kind, orbit, at, (box[0][1] - box[0][0], box[1][1] - box[1][0]))
    return follow_curve(there, kind, orbit, at, multiplier, (box[0], box[1]), max_step=max_step, n_points=n_points)


@threadpool_limits.wrap(limits=1, user_api="blas")  # more only slow it down, and change the last bits
@own_arithmetic
def follow_curve(
    plane: Plane,
    kind: Kind,
    orbit: np.ndarray,
    values: tuple[float, float],
    multiplier: complex,
    box: tuple[tuple[float, float], tuple[float, float]],
    *,
    max_step: float = 0.02,
    n_points: int = 1_000,
    outward: np.ndarray | None = None,
) -> Curve:
    """Follow a bifurcation of a cycle in two parameters, both ways.

    Parameters
    ----------
    plane : Plane
    kind : {"fold", "flip", "neimark-sacker", "pitchfork"}
    orbit : ndarray, shape (period, n_features)
        The cycle at the bifurcation, up to Newton's method.
    values : (float, float)
        The parameters there.
    multiplier : complex
        The critical one, of a torus point.
    box : ((float, float), (float, float))
        Bounds of the parameters.
    max_step : float, default=0.02
        Longest step, as a part of the box.
    n_points : int, default=1000
        At most so many points to each side.
    outward : ndarray, shape (period * n_features + 2,), optional
        How the cycle and the parameters move to the side that is followed; the other one is not.

    Returns
    -------
    Curve

    Raises
    ------
    RuntimeError
        If Newton's method does not converge from the orbit.
    """
    spans = box[0][1] - box[0][0], box[1][1] - box[1][0]
    bordered = Bordered(plane, kind, orbit, spans)
    extra = [multiplier.real / abs(multiplier)] if kind == "neimark-sacker" else [0.0] if kind == "pitchfork" else []
    point = np.concatenate([orbit.ravel(), values, extra])
    bordered.border(point)
    tangent = bordered.tangent(point)
    found = bordered.correct(point, tangent)[0] if np.isfinite(tangent).all() else None
    if found is None:
        raise RuntimeError(
            f"Newton's method must converge from the {kind} given; it is degenerate, or no {kind} of this map"
        )
    bordered.border(found)
    tangent = bordered.tangent(found)
    if bordered.parameters(tangent)[1] < 0 if outward is None else np.vdot(tangent[: orbit.size + 2], outward) < 0:
        tangent = -tangent
    start = station(bordered, found, tangent, None)
    back = dataclasses.replace(start, tangent=-tangent)
    down = Walk(bordered, back, box, max_step, n_points if outward is None else 1)
    up = down if down.end == CLOSED else Walk(bordered, start, box, max_step, n_points)
    stations = down.stations[:0:-1] + (up.stations if up is not down else [start])
    before = len(down.stations) - 1
    special = [(before - place, kind_, at) for place, kind_, at in reversed(down.special)]
    unlocated = [(before - b, before - a) for a, b in reversed(down.unlocated)]
    if up is not down:
        special += [(before + place, kind_, at) for place, kind_, at in up.special]
        unlocated += [(before + a, before + b) for a, b in up.unlocated]
    points = np.stack([each.point for each in stations])
    coefficient = np.array([each.coefficient for each in stations])
    n = orbit.size
    theta = {"flip": np.pi}.get(kind, 0.0) * np.ones(len(points))
    if kind == "neimark-sacker":
        theta = np.arccos(np.clip(points[:, -1], -1.0, 1.0))
    return Curve(
        kind=kind,
        parameters=plane.names,
        values=points[:, n : n + 2].copy(),
        orbits=points[:, :n].reshape(-1, *orbit.shape).copy(),
        residual=np.array([each.residual for each in stations]),
        coefficient=coefficient if kind == "neimark-sacker" else coefficient.real.copy(),
        theta=theta,
        growth=np.stack([each.growth for each in stations]),
        angle=np.stack([each.angle for each in stations]),
        n_unstable=np.array([each.n_unstable for each in stations]),
        special=tuple(_special(bordered, *each) for each in special),
        ends=(down.end if outward is None else BEGUN, up.end),
        unlocated=tuple(unlocated),
    )


def _special(bordered: Bordered, place: float, kind: str, at: Station) -> CurvePoint:
    """Return a bifurcation of codimension 2 with its cycle."""
    orbit, values = bordered.orbit(at.point).copy(), bordered.parameters(at.point)
    with np.errstate(over="ignore"):
        multipliers = np.exp(at.growth) * np.exp(1j * at.angle)
    cycle = Cycle(
        orbit=orbit,
        residual=at.residual,
        multipliers=multipliers,
        exponents=at.growth / len(orbit),
    )
    return CurvePoint(
        kind=kind,
        parameters=bordered.plane.names,
        values=(float(values[0]), float(values[1])),
        place=float(place),
        cycle=cycle,
        residual=at.residual,
    )
