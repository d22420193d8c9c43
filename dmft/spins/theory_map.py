"""The map of any closure as branches are followed of it, in beta."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from ..dynamics.cycles.jets import Jet
from ..dynamics.cycles.window_map import WindowMap
from .closures import SHARPEST, Closure, Theory
from .meanfield import theory_of
from .model import VectorSpins, numeric
from .response import MOST
from .series import next_means
from .stability import derivative


class TheoryMap(WindowMap):
    """A closure of one network: steps and their derivative are the theory's, further derivatives those of its series.

    Parameters
    ----------
    model : VectorSpins
        A single network.
    closure : {"gauss", "naive", "tap", "onsager"}
    tol : float
        Of quadratures.
    beta : array_like, shape (n_points,)
    """

    parameter = "beta"

    def __init__(self, model: VectorSpins, closure: Closure, tol: float, beta: ArrayLike) -> None:
        self._model, self._closure, self._tol = model, closure, tol
        self._shape = model.n_sites, model.n_components
        self._theories: dict[float, Theory] = {}
        super().__init__(self._following, 1, model.fields.size, beta)

    def _theory(self, beta: float) -> Theory:
        """Return the theory at a value of beta; those of the last values are kept."""
        if beta not in self._theories:
            if len(self._theories) >= max(16, self.n_points):
                self._theories.clear()
            model = self._model if beta == self._model.beta else self._model.replace(beta=beta)
            self._theories[beta] = theory_of(numeric(model, SHARPEST[self._closure]), self._closure, self._tol, 1)
        return self._theories[beta]

    def _following(self, window: Any, phase: np.ndarray, beta: Any) -> Any:
        """Return the next vectors, of arrays or series, one window after another."""
        lead = np.broadcast_shapes(window.shape[:-2], beta.shape)
        m = _each(window, (*lead, 1, self.n_features))
        betas = _each(beta, lead)
        out = [
            np.empty((*lead, self.n_features), dtype=np.result_type(float, *m, *betas))
            for _ in range(max(len(m), len(betas)))
        ]
        for at in np.ndindex(lead):
            rows = [term[at].reshape(self._shape) for term in m]
            value = Jet(*(term[at] for term in betas)) if isinstance(beta, Jet) else float(betas[0][at])
            series = Jet(*rows, *[0.0] * (len(out) - len(rows)))
            for term, found in zip(out, self._terms(series, value, float(np.real(betas[0][at]))), strict=True):
                term[at] = found.ravel()
        return Jet(*out) if len(out) > 1 else out[0]

    def _terms(self, m: Jet, value: Any, beta: float) -> list[np.ndarray]:
        """Return the terms of the next means: NaN where there are none, so that who seeks cycles turns back."""
        nothing = [np.full(m.shape, np.nan)] * len(m.terms)
        bounded = self._closure == "tap" or (self._closure != "naive" and len(m.terms) > 1)
        if not 0.0 <= beta <= MOST or (bounded and not self._within(np.real(m.terms[0]))):
            return nothing
        theory = self._theory(beta)
        try:
            return [theory.step(m.terms[0])] if len(m.terms) == 1 else next_means(theory, m, value).terms
        except (FloatingPointError, np.linalg.LinAlgError):  # the equations of a TAP step have no solution
            return nothing

    def _within(self, m: np.ndarray) -> bool:
        """Return whether means are shorter than spins."""
        return bool((np.einsum("...a,...a->...", m, m) < self._model.radius**2).all())

    @own_arithmetic
    def linearize(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return one step of each window and its derivative; see `WindowMap.linearize`."""
        windows = self._trail(windows)
        following = np.empty((*windows.shape[:2], self.n_features))
        rows = np.empty((*windows.shape[:2], 1, self.n_features, self.n_features))
        for point, step in np.ndindex(windows.shape[:2]):
            beta, m = float(self.value[point]), windows[point, step, 0].reshape(self._shape)
            following[point, step] = self._terms(Jet(m), beta, beta)[0].ravel()
            if np.isnan(following[point, step]).any():
                rows[point, step] = np.nan
            elif self._closure == "tap":  # whose derivative is of differences elsewhere
                slopes = self._terms(Jet(m, np.eye(m.size).reshape(m.size, *m.shape)), beta, beta)[1]
                rows[point, step, 0] = slopes.reshape(m.size, -1).T
            else:
                rows[point, step, 0] = derivative(self._theory(beta), m)
        return following, rows


def _each(terms: Any, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return the terms of a series, or the array that is one, in a shape."""
    return [np.broadcast_to(term, shape) for term in (terms.terms if isinstance(terms, Jet) else [terms])]
