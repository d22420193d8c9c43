"""The closure of Thouless, Anderson and Palmer: Plefka's expansion to second order about independent sites."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._util.sparse import is_sparse
from .anderson import Solution, anderson, filling
from .closures import Theory
from .model import VectorSpins
from .response import slopes

INNER_TOL = 1e-14  # of a step's fields, relative
INNER_EVALUATIONS = 400


class Tap(Theory):
    r"""The means solve :math:`m = \phi(\theta + c(m))` with the covariances of the means before.

    With :math:`S_i = \sum_j J_{ij}^2 \mathrm{Cov}_j` and h the field in which a site has its mean,
    :math:`c_i = \frac{1}{2\beta} \mathrm{Cov}_i^{-1} (\phi''(h_i) : S_i)`. The unknown of the solution is h.

    Parameters
    ----------
    model : VectorSpins
        A single network.
    n_threads : int
    keep_moves : bool, default=False
        Add :math:`v v^T`, v = theta - h, to S: of higher order, as the published program has it.
    """

    def __init__(self, model: VectorSpins, n_threads: int, keep_moves: bool = False) -> None:
        super().__init__(model, "tap", 1.0, n_threads)
        self.keep_moves = keep_moves

    def __reduce__(self) -> tuple[Any, ...]:
        return Tap, (self.model, self.n_threads, self.keep_moves)

    def _spreads(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return of fields before: sums of J^2 times the isotropic parts, the other parts, sums of the traces."""
        g, g1 = slopes(self.site, np.einsum("ia,ia->i", h, h), 1, self.n_threads)
        square = g**2 * np.einsum("ia,ia->i", h, h)
        return self.J2 @ (g / self.beta), g1 / self.beta, self.J2 @ (self.R**2 - square)

    def _reaction(
        self, h: np.ndarray, before: np.ndarray, parts: tuple[np.ndarray, np.ndarray, np.ndarray], theta: np.ndarray
    ) -> np.ndarray:
        """Return c at fields h, with the covariances at fields `before`."""
        isotropic, other, trace = parts
        overlaps = h @ before.T
        overlaps *= other
        weights = self.J2.multiply(overlaps).tocsr() if is_sparse(self.J2) else self.J2 * overlaps
        Sh = isotropic[:, None] * h + weights @ before
        h2 = np.einsum("ia,ia->i", h, h)
        if self.keep_moves:
            v = theta - h
            Sh += np.einsum("ia,ia->i", v, h)[:, None] * v
            trace = trace + np.einsum("ia,ia->i", v, v)
        g, g1, g2 = slopes(self.site, h2, 2, self.n_threads)
        along = np.einsum("ia,ia->i", h, Sh)
        bend = g1[:, None] * (2.0 * Sh + trace[:, None] * h) + (g2 * along)[:, None] * h
        inner = np.einsum("ia,ia->i", h, bend)
        return (bend - (g1 * inner / (g + g1 * h2))[:, None] * h) / (2.0 * g)[:, None]

    def fields_of(self, m: np.ndarray) -> np.ndarray:
        """Return the fields in which sites have these means."""
        return self.site.fields_of(m, self.n_threads)

    def joint_step(self, h: np.ndarray, out: np.ndarray) -> float:
        """Fill `out` with theta + c, all means those in fields h; return the largest change of a component of those.

        Its fixed points are those of the closure.
        """
        m = self.site._to_means(h.copy(), self.n_threads)
        theta = self.x + self.J @ m
        np.add(theta, self._reaction(h, h, self._spreads(h), theta), out=out)
        if not np.isfinite(out).all():
            return np.inf
        return float(abs(self.site._to_means(out.copy(), self.n_threads) - m).max())

    def rest(self, start: np.ndarray | None, tol: float, max_evaluations: int, depth: int = 3) -> Solution:
        """Seek stationary means, as any closure does: in the fields of the sites, by steps that are not solved for."""
        fields = self.x if start is None else self.fields_of(start)
        found = anderson(self.joint_step, fields, tol, max_evaluations, depth)
        return dataclasses.replace(found, vector=self.site._to_means(found.vector, 1))

    def step(self, m: np.ndarray) -> np.ndarray:
        """Return the next means."""
        before = self.fields_of(m)
        parts = self._spreads(before)
        theta = self.x + self.J @ m
        tol = INNER_TOL * (1.0 + float(abs(theta).max()))
        step = filling(lambda h: theta + self._reaction(h, before, parts, theta))
        found = anderson(step, theta, tol, INNER_EVALUATIONS, depth=3)
        if found.residual > 1e4 * tol:
            raise FloatingPointError(
                f"the equations of a TAP step have no solution that is found: the residual is {found.residual:.3g}; "
                "lower beta or take closure='gauss'"
            )
        return self.site._to_means(found.vector, self.n_threads)
