"""The map of any closure as branches are followed of it, in beta."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.underflow import underflow_is_zero
from ..dynamics.cycles.jets import Jet
from ..dynamics.cycles.window_map import WindowMap
from .closures import SHARPEST, Closure, Theory
from .meanfield import theory_of
from .model import VectorSpins, numeric
from .series import next_means
from .stability import derivative
from .tap import Tap


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
            theory = self._theory(float(np.real(betas[0][at])))
            rows = [term[at].reshape(self._shape) for term in m]
            if len(out) == 1:
                out[0][at] = theory.step(rows[0]).ravel()
                continue
            value = Jet(*(term[at] for term in betas)) if isinstance(beta, Jet) else theory.beta
            series = Jet(*rows, *[0.0] * (len(out) - len(rows)))
            for k, term in enumerate(next_means(theory, series, value).terms):
                out[k][at] = term.ravel()
        return Jet(*out) if len(out) > 1 else out[0]

    @underflow_is_zero
    def linearize(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return one step of each window and its derivative; see `WindowMap.linearize`."""
        windows = self._trail(windows)
        following = np.empty((*windows.shape[:2], self.n_features))
        rows = np.empty((*windows.shape[:2], 1, self.n_features, self.n_features))
        for point, step in np.ndindex(windows.shape[:2]):
            theory, m = self._theory(float(self.value[point])), windows[point, step, 0].reshape(self._shape)
            following[point, step] = theory.step(m).ravel()
            if isinstance(theory, Tap):  # whose derivative is of differences elsewhere
                turns = Jet(m, np.eye(m.size).reshape(m.size, *m.shape))
                rows[point, step, 0] = next_means(theory, turns, theory.beta).terms[1].reshape(m.size, -1).T
            else:
                rows[point, step, 0] = derivative(theory, m)
        return following, rows


def _each(terms: Any, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return the terms of a series, or the array that is one, in a shape."""
    return [np.broadcast_to(term, shape) for term in (terms.terms if isinstance(terms, Jet) else [terms])]
