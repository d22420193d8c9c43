r"""Normal forms of fold, flip and Neimark-Sacker points of cycles.

Near such a point the map of one turn acts on a centre manifold with coordinate w as

.. math::

    \text{fold: } w \mapsto w + a\,\delta + b\,w^2, \qquad
    \text{flip: } w \mapsto -(1 + r\,\delta)\,w + c\,w^3, \qquad
    \text{Neimark-Sacker: } w \mapsto e^{i\theta} (1 + r\,\delta + d\,|w|^2)\,w, \\
    \text{transcritical: } w \mapsto (1 + r\,\delta)\,w + b\,w^2, \qquad
    \text{pitchfork: } w \mapsto (1 + r\,\delta)\,w + c\,w^3,

:math:`\delta` the parameter's distance from the point. The manifold is a family of sequences
:math:`x_t(w)` that obey the map at every step and return after a turn as :math:`x_{t+p}(w) = x_t(N(w))`,
N the map above; its Taylor terms solve linear equations round the cycle, so that no derivative of a
composed map is ever formed. The critical vector has unit length in the window before step 0.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import array_of
from ..._util.values import Frozen
from . import turns
from .newton import windows_of
from .window_map import WindowMap

EVEN = 1e-6  # relative: a quadratic term that small is none, by symmetry
STRONG = 1e-3  # nearer to a strong resonance than this, the cubic form of a torus does not hold


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NormalForm(Frozen):
    r"""Coefficients of one bifurcation of a cycle.

    Attributes
    ----------
    kind : {"fold", "flip", "neimark-sacker", "pitchfork", "transcritical"}
    coefficient : float or complex
        b, c or d of the map of one turn; see the module.
    rate : float or complex
        r, the change of :math:`\log \mu` with the parameter; of a fold a.
    angle : float
        :math:`\theta` of the multiplier :math:`e^{i\theta}`: 0 of a fold, pi of a flip.
    resonance : int
        The k of 1..4 for which :math:`|e^{ik\theta} - 1|` is smallest; 0 but for a torus.
    detuning : float
        That smallest value. At 0 the cubic form does not hold.
    vector : ndarray, shape (period, n_features)
        The critical direction, along the cycle.

    References
    ----------
    .. [1] Kuznetsov, Elements of Applied Bifurcation Theory, chs. 4, 5 and 10.
    """

    kind: str
    coefficient: float | complex
    rate: float | complex
    angle: float
    resonance: int
    detuning: float
    vector: np.ndarray

    @property
    def supercritical(self) -> bool | None:
        """Whether the new cycle or torus lies where the old cycle is unstable, and attracts as that did before.

        None for a fold, and for a transcritical point, which has one on either side.
        """
        if self.kind in ("fold", "transcritical"):
            return None
        return bool(self.coefficient.real > 0) if self.kind == "flip" else bool(self.coefficient.real < 0)

    @property
    def strongly_resonant(self) -> bool:
        """Whether a torus point is too near to a strong resonance for its form to hold."""
        return self.kind == "neimark-sacker" and self.detuning < STRONG

    @own_arithmetic
    def amplitude(self, distance: ArrayLike) -> np.ndarray:
        r"""Return the predicted \|w\| of what is born, at a distance of the parameter from the point.

        Parameters
        ----------
        distance : float or array_like
            Parameter less its value at the point.

        Returns
        -------
        float or ndarray
            NaN on the side where there is nothing.

        Examples
        --------
        >>> form = NormalForm("neimark-sacker", -2.0 + 1.0j, 0.5 + 0.0j, 1.0, 4, 1.0, np.ones((1, 1)))
        >>> float(form.amplitude(0.04)), float(form.amplitude(-0.04))
        (0.1, nan)
        """
        if self.kind == "transcritical":
            return np.abs(self.rate / self.coefficient * array_of("distance", distance))
        ratio = {
            "fold": lambda: -self.rate / self.coefficient,
            "pitchfork": lambda: -self.rate / self.coefficient,
            "flip": lambda: self.rate / self.coefficient,
            "neimark-sacker": lambda: -self.rate.real / self.coefficient.real,
        }[self.kind]()
        with np.errstate(invalid="ignore"):
            return np.sqrt(ratio * array_of("distance", distance))


def normal_form(system: WindowMap, orbit: np.ndarray, kind: str, multiplier: complex = 1.0) -> NormalForm:
    """Return the normal form of a cycle at its bifurcation.

    Parameters
    ----------
    system : WindowMap
        With one point, at the bifurcation.
    orbit : ndarray, shape (period, n_features)
    kind : {"fold", "flip", "neimark-sacker", "branch point", "pitchfork"}
        The form of a branch point is that of a pitchfork or of a transcritical point; of a pitchfork it is known to be
        the former.
    multiplier : complex
        The critical one of a torus point, in the upper half plane.

    Returns
    -------
    NormalForm
    """
    period = len(orbit)
    windows = windows_of(orbit[None], system.n_context)
    rows = system.linearize(windows)[1][0]
    factor = {"flip": -1.0, "neimark-sacker": multiplier / abs(multiplier)}.get(kind, 1.0)
    crosses = kind in ("branch point", "pitchfork")
    left, right = turns.null_vectors(rows, factor)
    vector = right.reshape(orbit.shape)
    vector = vector / np.linalg.norm(turns.twisted_windows(vector, system.n_context, factor)[0])

    def along(sequence: np.ndarray, factor: complex) -> np.ndarray:
        return turns.twisted_windows(sequence, system.n_context, factor)[None]

    def term(order: int, direction: np.ndarray, rise: float = 0.0) -> np.ndarray:
        return system.taylor(windows, direction, rise=rise, order=order)[order][0]

    def second(u: np.ndarray, v: np.ndarray, rise: float = 0.0) -> np.ndarray:
        """B(u, v), `rise` the parameter's part of v, by polarisation."""
        return (term(2, u + v, rise) - term(2, u - v, -rise)) / 2.0

    def third(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """C(u, u, v)."""
        return term(3, u + v) - term(3, u - v) - 2.0 * term(3, v)

    def periodic(drive: np.ndarray, factor: complex = 1.0) -> np.ndarray:
        if crosses:  # singular: the part of the solution across the vector, of what can be solved for
            border, across = left[None], np.append(right, 0.0)[None]
            solution = turns.solve_twisted(rows, np.append(drive, 0.0), factor, border, across)
            return solution[:-1].reshape(orbit.shape)
        return turns.solve_twisted(rows, drive.ravel(), factor).reshape(orbit.shape)

    q = along(vector, factor)
    # How a drive that turns with the vector moves the multiplier: its part along the left vector.
    moment = np.einsum("d,tdab,tdb->ta", 1.0 + np.arange(system.n_context), rows, q[0])
    weight = period * left.conj() / np.vdot(left, moment)

    def part(drive: np.ndarray) -> Any:
        return weight @ drive.ravel()

    if kind == "fold":
        return NormalForm(kind, part(second(q, q)) / 2.0, part(system.slope(windows)[0]), 0.0, 0, np.nan, vector)
    shift = along(periodic(system.slope(windows)[0]), 1.0)
    rate = part(second(q, shift, rise=1.0))
    if crosses:
        square = second(q, q)
        bent = along(periodic(square), 1.0)
        quadratic = part(square) / 2.0
        cubic = part(6.0 * term(3, q) + 3.0 * second(q, bent)) / 6.0
        size = np.abs(weight) @ np.abs(square).ravel() / 2.0
        if kind == "pitchfork" or abs(quadratic) <= EVEN * max(size, abs(cubic)):
            return NormalForm("pitchfork", cubic, rate, 0.0, 0, np.nan, vector)
        return NormalForm("transcritical", quadratic, rate, 0.0, 0, np.nan, vector)
    if kind == "flip":
        bent = along(periodic(second(q, q)), 1.0)
        coefficient = -part(6.0 * term(3, q) + 3.0 * second(q, bent)) / 6.0
        return NormalForm(kind, coefficient, rate, np.pi, 0, np.nan, vector)
    mean = along(periodic(second(q, q.conj()).real), 1.0)
    double = along(periodic(second(q, q), factor**2), factor**2)
    coefficient = part(third(q, q.conj()) + 2.0 * second(q, mean) + second(q.conj(), double)) / 2.0
    gaps = np.abs(factor ** np.arange(1, 5) - 1.0)
    near = int(np.argmin(gaps))
    angle = float(np.angle(factor))
    return NormalForm(kind, complex(coefficient), complex(rate), angle, near + 1, float(gaps[near]), vector)
