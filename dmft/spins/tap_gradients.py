"""Gradients through TAP, whose steps are solved for: by the adjoint equations, in the fields of the sites."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from .._util.sparse import dense
from .anderson import anderson, filling
from .response import slopes
from .tap import Tap

ADJOINT_TOL = 1e-13  # of the adjoint fixed point, relative to the cotangent
ADJOINT_DEPTH = 6


def dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the products of rows."""
    return np.einsum("ia,ia->i", a, b)


def solve_adjoint(pull: Callable[[np.ndarray], np.ndarray], cotangent: np.ndarray) -> np.ndarray:
    """Return the w with w = cotangent + pull(w)."""
    size = float(abs(cotangent).max())
    if size == 0.0:
        return np.zeros_like(cotangent)
    found = anderson(filling(lambda w: cotangent + pull(w)), cotangent, ADJOINT_TOL * size, 2000, ADJOINT_DEPTH)
    if found.residual > 1e4 * ADJOINT_TOL * size:
        raise FloatingPointError(
            f"the adjoint fixed point did not converge: the residual is {found.residual / size:.3g}; the fixed point "
            "is near a bifurcation: change beta, or give n_steps"
        )
    return found.vector


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pulled:
    """What a weight of the reactions is as one of the fields of the sites, of those before, and of J squared."""

    of_h: np.ndarray
    of_before: np.ndarray
    of_J2: np.ndarray


class Reaction:
    r"""The reaction of TAP at fields h with the covariances at fields b before, and its transposed derivative.

    With g, g1, g2 of the response at h and :math:`q = g + g_1 h^2` it is

    .. math:: c = a\, S h + (p\, \mathrm{tr} S + s\, h \cdot S h)\, h, \quad a = g_1 / g, \quad p = g_1 / 2q, \quad
        s = (g g_2 - 2 g_1^2) / 2gq.

    Parameters
    ----------
    tap : Tap
    h, before : ndarray, shape (n_sites, n_components)
    """

    def __init__(self, tap: Tap, h: np.ndarray, before: np.ndarray) -> None:
        self.h, self.before, self.beta, self.J2 = h, before, tap.beta, dense(tap.J2)
        self.h2, self.b2 = dots(h, h), dots(before, before)
        self.g = slopes(tap.site, self.h2, 3)
        self.e = slopes(tap.site, self.b2, 2)
        self.free = tap.R**2 - self.e[0] ** 2 * self.b2  # the trace of a covariance
        self.overlaps = h @ before.T
        self.weights = self.J2 * (self.e[1] / self.beta)
        self.isotropic, self.trace = self.J2 @ (self.e[0] / self.beta), self.J2 @ self.free
        self.Sh = self.isotropic[:, None] * h + (self.weights * self.overlaps) @ before
        self.along = dots(h, self.Sh)
        g, g1, g2, _ = self.g
        self.q = g + g1 * self.h2
        self.a, self.p, self.s = g1 / g, g1 / (2.0 * self.q), (g * g2 - 2.0 * g1**2) / (2.0 * g * self.q)

    @property
    def c(self) -> np.ndarray:
        """The reaction."""
        return self.a[:, None] * self.Sh + (self.p * self.trace + self.s * self.along)[:, None] * self.h

    def _rises(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the derivatives of a, p and s by the squared length of h."""
        g, g1, g2, g3 = self.g
        dg, dg1, dg2 = 0.5 * g1, 0.5 * g2, 0.5 * g3
        dq = dg + g1 + self.h2 * dg1
        bottom = 2.0 * g * self.q
        rise = dg * g2 + g * dg2 - 4.0 * g1 * dg1 - self.s * 2.0 * (dg * self.q + g * dq)
        return dg1 / g - g1 * dg / g**2, (dg1 - g1 * dq / self.q) / (2.0 * self.q), rise / bottom

    def pull(self, weight: np.ndarray) -> Pulled:
        """Return what a weight of the reactions is as one of what they are made of."""
        h, b, J2, (e, e1, e2) = self.h, self.before, self.J2, self.e
        with_h, with_Sh = dots(weight, h), dots(weight, self.Sh)
        of_Sh = self.a[:, None] * weight + (self.s * with_h)[:, None] * h
        da, dp, ds = self._rises()
        by_h2 = da * with_Sh + (dp * self.trace + ds * self.along) * with_h
        of_trace, of_isotropic = self.p * with_h, dots(of_Sh, h)
        back = of_Sh @ b.T
        crossed = self.weights * back
        of_h = (self.p * self.trace + self.s * self.along)[:, None] * weight + (self.s * with_h)[:, None] * self.Sh
        of_h += 2.0 * by_h2[:, None] * h + self.isotropic[:, None] * of_Sh + crossed @ b
        both = self.overlaps * back
        of_free = J2.T @ of_trace
        by_b2 = (J2.T @ of_isotropic) * e1 / (2.0 * self.beta) + (J2 * both).sum(axis=0) * e2 / (2.0 * self.beta)
        by_b2 -= of_free * (e * e1 * self.b2 + e**2)
        of_before = (self.weights * self.overlaps).T @ of_Sh + crossed.T @ h + 2.0 * by_b2[:, None] * b
        of_J2 = both * e1 / self.beta + np.outer(of_isotropic, e / self.beta) + np.outer(of_trace, self.free)
        return Pulled(of_h, of_before, of_J2)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pull:
    """What a weight of the means after a step of a network is as one of the means before, of x, J and beta."""

    of_m: np.ndarray
    of_x: np.ndarray
    of_J: np.ndarray
    of_beta: float


def pull_step(tap: Tap, before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> Pull:
    """Return the gradients of a step from means to means."""
    reaction = Reaction(tap, tap.fields_of(after), tap.fields_of(before))
    adjoint = solve_adjoint(lambda w: reaction.pull(w).of_h, _response(reaction.g, reaction.h, weight))
    pulled, J = reaction.pull(adjoint), dense(tap.J)
    e, e1, _ = reaction.e
    inner = e1 * dots(reaction.before, pulled.of_before) / (e + e1 * reaction.b2)
    of_m = J.T @ adjoint + (pulled.of_before - inner[:, None] * reaction.before) / e[:, None]
    return Pull(of_m, *_parameters(tap, reaction, adjoint, pulled, before))


def pull_rest(tap: Tap, m: np.ndarray, weight: np.ndarray) -> Pull:
    """Return the gradients of stationary means, which depend on no means before."""
    h, J = tap.fields_of(m), dense(tap.J)
    reaction = Reaction(tap, h, h)

    def pull(w: np.ndarray) -> np.ndarray:
        pulled = reaction.pull(w)
        return pulled.of_h + pulled.of_before + _response(reaction.g, h, J.T @ w)

    adjoint = solve_adjoint(pull, _response(reaction.g, h, weight))
    return Pull(np.zeros_like(m), *_parameters(tap, reaction, adjoint, reaction.pull(adjoint), m))


def _response(g: tuple[np.ndarray, ...], h: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return a weight of the means in fields h as one of the fields."""
    return g[0][:, None] * weight + (g[1] * dots(h, weight))[:, None] * h


def _parameters(
    tap: Tap, reaction: Reaction, adjoint: np.ndarray, pulled: Pulled, before: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the gradients by x, J and beta: means depend on beta times fields, and c / beta on those alone."""
    of_J = adjoint @ before.T + 2.0 * dense(tap.J) * pulled.of_J2
    return adjoint, of_J, float((adjoint * (reaction.c + reaction.h)).sum() / tap.beta)
