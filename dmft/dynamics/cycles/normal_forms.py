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
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import array_of
from ..._util.values import Frozen
from . import turns
from .window_map import WindowMap, windows_of

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
    factor = {"flip": -1.0, "neimark-sacker": multiplier / abs(multiplier)}.get(kind, 1.0)
    centre = _Centre(system, orbit, factor)
    if kind == "fold":
        _, square = centre.terms(centre.q, 2)
        return NormalForm(kind, centre.part(square), centre.part(centre.rise), 0.0, 0, np.nan, centre.vector)
    if kind == "flip":
        _, square, cube = centre.terms(centre.q, 3)
        bent = centre.along(centre.periodic(2.0 * square))
        coefficient = -centre.part(cube + centre.second(centre.q, bent) / 2.0)
        return NormalForm(kind, coefficient, centre.rate(centre.periodic), np.pi, 0, np.nan, centre.vector)
    return _torus(centre, factor) if kind == "neimark-sacker" else _crossing(centre, kind)


class _Centre:
    """The critical direction of a cycle at its bifurcation, and terms of the map along it."""

    def __init__(self, system: WindowMap, orbit: np.ndarray, factor: complex) -> None:
        self.system, self.shape = system, orbit.shape
        self.windows = windows_of(orbit[None], system.n_context)
        rows = system.linearize(self.windows)[1]
        self.rows, self.rise = rows[0], system.slope_along(self.windows, rows)[0]
        self.left, self.right = turns.null_vectors(self.rows, factor)
        vector = self.right.reshape(orbit.shape)
        self.vector = vector / np.linalg.norm(turns.twisted_windows(vector, system.n_context, factor)[0])
        self.q = self.along(self.vector, factor)
        # How a drive that turns with the vector moves the multiplier: its part along the left vector.
        moment = np.einsum("d,tdab,tdb->ta", 1.0 + np.arange(system.n_context), self.rows, self.q[0])
        self.weight = len(orbit) * self.left.conj() / np.vdot(self.left, moment)

    def along(self, sequence: np.ndarray, factor: complex = 1.0) -> np.ndarray:
        """Return the windows of a sequence that a turn multiplies by a factor."""
        return turns.twisted_windows(sequence, self.system.n_context, factor)[None]

    def part(self, drive: np.ndarray) -> Any:
        """Return how a drive that turns with the critical direction moves along it in a turn."""
        return self.weight @ drive.ravel()

    def terms(self, direction: np.ndarray, order: int, rise: float = 0.0) -> list[np.ndarray]:
        """Return the Taylor terms of order 1, 2, ... of all steps along a direction of the windows."""
        return [each[0] for each in self.system.taylor(self.windows, direction, rise=rise, order=order)[1:]]

    def second(self, u: np.ndarray, v: np.ndarray, rise: float = 0.0) -> np.ndarray:
        """Return B(u, v), the second derivative, `rise` the parameter's part of v, by polarisation."""
        return (self.terms(u + v, 2, rise)[1] - self.terms(u - v, 2, -rise)[1]) / 2.0

    def periodic(self, drive: np.ndarray, factor: complex = 1.0) -> np.ndarray:
        """Return the perturbation that a turn multiplies by a factor, as it does the drive."""
        return turns.solve_twisted(self.rows, drive.ravel(), factor).reshape(self.shape)

    def across(self, drive: np.ndarray) -> np.ndarray:
        """Return the periodic perturbation across the critical direction, which is periodic too, of what it can be."""
        border, normal = self.left[None], np.append(self.right, 0.0)[None]
        return turns.solve_twisted(self.rows, np.append(drive, 0.0), 1.0, border, normal)[:-1].reshape(self.shape)

    def rate(self, solve: Callable[[np.ndarray], np.ndarray]) -> Any:
        """Return how the logarithm of the multiplier changes with the parameter, the cycle with it."""
        return self.part(self.second(self.q, self.along(solve(self.rise)), rise=1.0))


def _crossing(centre: _Centre, kind: str) -> NormalForm:
    """Return the form of a branch point: where the square vanishes by symmetry, of a pitchfork."""
    _, square, cube = centre.terms(centre.q, 3)
    bent = centre.along(centre.across(2.0 * square))
    quadratic = centre.part(square)
    cubic = centre.part(cube + centre.second(centre.q, bent) / 2.0)
    size = np.abs(centre.weight) @ np.abs(square).ravel()
    even = kind == "pitchfork" or abs(quadratic) <= EVEN * max(size, abs(cubic))
    found, coefficient = ("pitchfork", cubic) if even else ("transcritical", quadratic)
    return NormalForm(found, coefficient, centre.rate(centre.across), 0.0, 0, np.nan, centre.vector)


def _torus(centre: _Centre, factor: complex) -> NormalForm:
    """Return the form of a Neimark-Sacker point; B and C of the direction and its conjugate are those of real ones."""
    q = centre.q
    _, square, cube = centre.terms(q, 3)
    _, real_square, real_cube = centre.terms(q.real, 3)
    _, imag_square, imag_cube = centre.terms(q.imag, 3)
    mean = centre.along(centre.periodic(2.0 * (real_square + imag_square)))
    double = centre.along(centre.periodic(2.0 * square, factor**2), factor**2)
    third = 8.0 * (real_cube + 1j * imag_cube) - 2.0 * cube.conj()
    bent = 2.0 * centre.second(q, mean) + centre.second(q.conj(), double)
    coefficient = complex(centre.part(third + bent) / 2.0)
    gaps = np.abs(factor ** np.arange(1, 5) - 1.0)
    near, rate = int(np.argmin(gaps)), complex(centre.rate(centre.periodic))
    angle = float(np.angle(factor))
    return NormalForm("neimark-sacker", coefficient, rate, angle, near + 1, float(gaps[near]), centre.vector)
