"""How a closure's step moves with the means: its derivative as an operator, its largest multiplier, its orbits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._util.blas import one_blas_thread
from .._util.pool import apart, checkpoint
from .._util.sparse import dense
from .closures import Theory
from .tap import Tap

SMALL = 80  # up to so many means the derivative is made in full
MOST_DENSE = 1000  # up to so many it is, if the iteration fails
STEP = 1e-6  # of differences, where the derivative is not written down


def tangent(theory: Theory, m: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the derivative of the step at `m` as a function of changes of the means."""
    if isinstance(theory, Tap):  # an implicit map: differences of it
        room = theory.R - float(np.sqrt(np.einsum("ia,ia->i", m, m)).max())

        def push(dm: np.ndarray) -> np.ndarray:
            size = min(STEP, 0.1 * room) / max(float(abs(dm).max()), 1e-300)
            return (theory.step(m + size * dm) - theory.step(m - size * dm)) / (2.0 * size)

        return push
    local = theory.local(m)
    return lambda dm: theory.push(local, dm)


def derivative(theory: Theory, m: np.ndarray) -> np.ndarray:
    """Return the derivative of the step at `m` as a matrix, (m.size, m.size)."""
    if isinstance(theory, Tap):
        push = tangent(theory, m)
        return np.stack([push(direction.reshape(m.shape)).ravel() for direction in np.eye(m.size)], axis=1)
    local, J = theory.local(m), dense(theory.J)
    n, D = m.shape
    site = local.bend[:, None, None] * local.theta[:, :, None] * local.theta[:, None]
    site += local.scale[:, None, None] * np.eye(D)
    out = np.einsum("iab,ij->iajb", site, J)
    if local.fall.any():
        weight = -2.0 / theory.R**2 * local.fall[:, None] * dense(theory.J2)
        out += local.theta[:, :, None, None] * weight[:, None, :, None] * m[None, None]
    return out.reshape(n * D, n * D)


def spectral_radius(theory: Theory, m: np.ndarray) -> float:
    """Return the largest modulus of the multipliers of the step at `m`; to 1e-4 for large networks."""
    longest = float(np.sqrt(np.einsum("ia,ia->i", m, m).max()))
    if not longest < (theory.R if isinstance(theory, Tap) else np.inf):  # saturated means have no field
        return float("nan")
    if m.size <= SMALL:
        return float(abs(apart(np.linalg.eigvals, derivative(theory, m))).max())
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

    push = tangent(theory, m)
    operator = LinearOperator((m.size, m.size), matvec=lambda v: push(v.reshape(m.shape)).ravel(), dtype=float)
    first = np.random.default_rng(0).normal(size=m.size)
    if not push(first.reshape(m.shape)).any():
        return 0.0
    n_kept = min(m.size - 1, 60)
    try:
        with one_blas_thread():  # of what was loaded late, too
            values = eigs(operator, 1, v0=first, ncv=n_kept, tol=1e-5, maxiter=1000, return_eigenvectors=False)
    except ArpackNoConvergence as error:
        values = error.eigenvalues
    if len(values):
        return float(abs(values).max())
    # So many multipliers of one size that the iteration cannot tell which is first.
    return float(abs(apart(np.linalg.eigvals, derivative(theory, m))).max()) if m.size <= MOST_DENSE else float("nan")


def orbit_of(theory: Theory, n_steps: int) -> dict[str, float]:
    """Return the largest exponent of the orbit from the response to the fields, and how far it moves at its end."""
    m = theory.start()
    frame = np.random.default_rng(0).normal(size=m.shape)
    frame /= np.linalg.norm(frame)
    total, motion = 0.0, 0.0
    for t in range(2 * n_steps):
        checkpoint()
        frame = tangent(theory, m)(frame)
        size = float(np.linalg.norm(frame))
        if size == 0.0:
            return {"exponent": -np.inf, "motion": 0.0}
        frame /= size
        if t >= n_steps:
            total += np.log(size)
        after = theory.step(m)
        motion = float(np.sqrt(((after - m) ** 2).sum(axis=1).mean())) / theory.R
        m = after
    return {"exponent": total / n_steps, "motion": motion}
