"""Points of a curve of bifurcations with what tells bifurcations of codimension 2 on it."""

from __future__ import annotations

import dataclasses

import numpy as np

from . import linear, turns
from .bordered import Bordered, Kind
from .curve import REAL, parity
from .normal_forms import normal_form

RESONANCES = {"1:1 resonance": 1.0, "1:2 resonance": -1.0, "1:3 resonance": -0.5, "1:4 resonance": 0.0}
"""Kappa of the strong resonances."""
TURNS = {"fold": "1:1 resonance", "pitchfork": "1:1 resonance", "flip": "1:2 resonance"}
"""What comes where a second multiplier joins the critical one, by the kind of the curve."""
DEGENERATE = {
    "fold": "cusp", "flip": "generalised flip", "neimark-sacker": "chenciner", "pitchfork": "generalised pitchfork",
}  # fmt: skip
"""What comes where the coefficient of the normal form vanishes."""
JOINED = {
    "fold": {"flip": "fold-flip", "pair": "fold-neimark-sacker"},
    "flip": {"fold": "fold-flip", "pair": "flip-neimark-sacker"},
    "neimark-sacker": {"fold": "fold-neimark-sacker", "flip": "flip-neimark-sacker", "pair": "double neimark-sacker"},
    "pitchfork": {"flip": "pitchfork-flip", "pair": "pitchfork-neimark-sacker"},
}
"""What comes where other multipliers cross the unit circle too."""


@dataclasses.dataclass(slots=True, eq=False)
class Station:
    """A point of the curve with its tangent, multipliers, coefficient of the normal form and test functions.

    `growth` and `angle` are of all multipliers, descending; `n_unstable` counts those but the critical ones.
    """

    point: np.ndarray
    tangent: np.ndarray
    growth: np.ndarray
    angle: np.ndarray
    frame: np.ndarray
    coefficient: complex
    tests: dict[str, float]
    n_unstable: int
    residual: float


def station(
    curve: Bordered, point: np.ndarray, tangent: np.ndarray, frame: np.ndarray | None, bare: bool = False
) -> Station:
    """Return a point of the curve, whose tangent is known, with what tells bifurcations on it.

    A `bare` one has no coefficient: that takes the most time.
    """
    kind: Kind = curve.kind
    look = curve.look(point)
    growth, angle, frame = (
        each[0] if i < 2 else each for i, each in enumerate(linear.multipliers(look.rows[None], frame))
    )
    rest_growth, rest_angle = _others(growth, angle, look.multiplier, curve.n_tests)
    joined = {"fold": _determinant(look.rows, 1.0), "flip": _determinant(look.rows, -1.0)}
    joined["pair"] = parity(rest_growth[(rest_angle > REAL) & (rest_angle < np.pi - REAL)])
    tests = {name: joined[other] for other, name in JOINED[kind].items()}
    coefficient, vector = (complex(np.nan), look.vector) if bare else _coefficient(curve, point, look.multiplier)
    # The coefficient has poles where a determinant vanishes by which it divides: there its sign means nothing.
    pole = joined["fold"] if kind in ("flip", "neimark-sacker") else 1.0
    if kind == "neimark-sacker":
        for other, sign in (("fold", 1.0), ("flip", -1.0)):  # the part of the pair divided out
            tests[JOINED[kind][other]] *= np.sign(1.0 - sign * point[-1])
        tests |= {name: float(point[-1]) - kappa for name, kappa in RESONANCES.items()}
    else:
        tests[TURNS[kind]] = _moment(curve, look.rows, look.vector, look.adjoint, look.multiplier)
        pole *= tests[TURNS[kind]]
        if kind == "fold":  # even in nothing: its sign is that of the vector
            pole *= np.sign(np.vdot(vector, look.vector).real)
    tests[DEGENERATE[kind]] = float(coefficient.real * pole)
    return Station(
        point=point,
        tangent=tangent,
        growth=growth,
        angle=angle,
        frame=frame,
        coefficient=coefficient,
        tests=tests,
        n_unstable=int(np.count_nonzero(rest_growth > 0)),
        residual=curve.residual(point),
    )


def poles(kind: Kind) -> tuple[str, ...]:
    """Return where the coefficient of the normal form may have poles."""
    return tuple(JOINED[kind][other] for other in ("fold",) if other in JOINED[kind])


def gains(kind: Kind, event: str) -> int:
    """Return how many of the other multipliers cross the unit circle at a bifurcation of codimension 2."""
    if event in TURNS.values() and kind != "neimark-sacker":
        return 1
    return {"pair": 2, "fold": 1, "flip": 1}.get({v: k for k, v in JOINED[kind].items()}.get(event, ""), 0)


def _others(growth: np.ndarray, angle: np.ndarray, critical: complex, n_tests: int) -> tuple[np.ndarray, np.ndarray]:
    """Return growth and angle of the multipliers but for the critical one, or pair."""
    rest = np.ones(len(growth), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.exp(growth + 1j * angle)
    for target in (critical, np.conj(critical) if abs(critical.imag) else 1.0 / critical)[:n_tests]:
        apart = np.where(rest & np.isfinite(values), np.abs(values - target), np.inf)
        rest[np.argmin(apart)] = False
    rest &= ~np.isnan(growth)
    return growth[rest], angle[rest]


def _determinant(rows: np.ndarray, factor: float) -> float:
    """Return a number with the sign of the determinant that vanishes where the factor is a multiplier."""
    sign, size = turns.determinant(rows, factor)
    return float(sign * np.exp(min(size, 600.0)))


def _moment(curve: Bordered, rows: np.ndarray, vector: np.ndarray, adjoint: np.ndarray, factor: complex) -> float:
    """Return what vanishes where a second multiplier joins the critical one: the product of both vectors."""
    n_context = rows.shape[1]
    turning = turns.twisted_windows(vector.reshape(curve.shape), n_context, factor)
    moment = np.einsum("d,tdab,tdb->ta", 1.0 + np.arange(n_context), rows, turning).ravel()
    return float(np.vdot(adjoint, moment).real / (np.linalg.norm(adjoint) * np.linalg.norm(moment)))


def _coefficient(curve: Bordered, point: np.ndarray, multiplier: complex) -> tuple[complex, np.ndarray]:
    """Return the coefficient of the normal form, NaN where it has none, and the critical vector."""
    system = curve.plane.maps(*curve.parameters(point))[0]
    try:
        with np.errstate(all="ignore"):  # at its poles
            form = normal_form(system, curve.orbit(point), curve.kind, multiplier)
    except np.linalg.LinAlgError:
        return complex(np.nan), np.zeros(int(np.prod(curve.shape)))
    return complex(form.coefficient), form.vector.ravel()
