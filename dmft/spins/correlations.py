"""Delayed correlations and the entropy production in the stationary state of a closure, of one network."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._util.sparse import dense
from .closures import Theory


def covariance_traces(one: tuple[Any, Any, Any], other: tuple[Any, Any, Any]) -> np.ndarray:
    """Return the traces of products of covariances a 1 + b u u^T of all pairs of sites, (n_sites, n_sites)."""
    a, b, u = one
    c, d, v = other
    out = (u @ v.T) ** 2
    out *= b[:, None] * d
    u2, v2 = np.einsum("ia,ia->i", u, u), np.einsum("ia,ia->i", v, v)
    return out + u.shape[1] * np.outer(a, c) + np.outer(a, d * v2) + np.outer(b * u2, c)


def delayed_traces(theory: Theory, m: np.ndarray) -> np.ndarray:
    """Return tr <s_i(t+1) s_j(t)^T> less the means' part: beta J_ij tr(Cov_i Cov_j)."""
    inside, whole = theory.moments(m)
    J = dense(theory.J)
    return theory.beta * J * covariance_traces(inside, whole)


def production(theory: Theory, m: np.ndarray) -> float:
    """Return beta sum_ij (J_ij - J_ji) D_ij."""
    J = dense(theory.J)
    return float(theory.beta * np.sum((J - J.T) * delayed_traces(theory, m)))
