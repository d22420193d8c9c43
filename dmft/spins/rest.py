"""Stationary means of a closure: by Anderson's acceleration, or else by half steps and Newton's method."""

from __future__ import annotations

import dataclasses

import numpy as np

from .._util.blas import one_blas_thread
from .._util.pool import checkpoint
from .anderson import Solution
from .closures import Theory
from .stability import derivative, tangent
from .tap import Tap

DENSE = 400  # up to so many means their equations are solved with the whole derivative
FAIR = 100  # evaluations after which the acceleration has had its chance
MOST_STEPS = 40
SHORTEST = 1e-4  # of a step that is worth its cost


def stationary(theory: Theory, start: np.ndarray | None, tol: float, max_evaluations: int, depth: int = 3) -> Solution:
    """Seek stationary means from some, or from the response to the fields alone.

    A continuous step into a ball has a fixed point. Where it repels in many directions, or nearly nothing tells which
    way is up, combinations of few steps do not find it: then half steps lead to where symmetric and positive couplings
    rest, and Newton's method goes on from there, or from where the combinations came nearest.

    Parameters
    ----------
    theory : Theory
    start : ndarray, shape (n_sites, n_components), or None
    tol : float
        Largest change of a component in a step.
    max_evaluations : int
        Of the acceleration; if it had 100 or more, half steps take up to as many again, Newton's method up to twice as
        many from either place.
    depth : int, default=3

    Returns
    -------
    Solution
    """
    found = theory.rest(start, tol, max_evaluations, depth)
    if found.residual <= tol or max_evaluations < FAIR or isinstance(theory, Tap) or not np.isfinite(found.residual):
        return found
    n, m, gap = found.n_evaluations, theory.start() if start is None else start, np.inf
    for _ in range(max_evaluations):
        checkpoint()
        change, n = theory.step(m) - m, n + 1
        gap = float(abs(change).max())
        if gap <= tol:
            return Solution(m, gap, n)
        m = m + 0.5 * change
    for near in (m, found.vector):
        better, n = _newton(theory, near, tol, n, n + 2 * max_evaluations)
        if better.residual < found.residual:
            found = better
        if found.residual <= tol:
            break
    return dataclasses.replace(found, n_evaluations=n)


def _newton(theory: Theory, m: np.ndarray, tol: float, n: int, most: int) -> tuple[Solution, int]:
    """Take Newton's steps, shortened where they do not come nearer, up to `most` evaluations and products in all."""
    gap, n = theory.step(m) - m, n + 1
    for _ in range(MOST_STEPS):
        checkpoint()
        if abs(gap).max() <= tol or n >= most:
            break
        move, products = _solve(theory, m, gap, most - n)
        n, part, size = n + products, 1.0, np.linalg.norm(gap)
        while part > SHORTEST:
            there, n = m + part * move, n + 1
            if np.einsum("ia,ia->i", there, there).max() < theory.R**2:
                left = theory.step(there) - there
                if np.linalg.norm(left) < (1.0 - 1e-4 * part) * size:
                    break
            part *= 0.5
        else:
            break
        m, gap = there, left
    return Solution(m, float(abs(gap).max()), n), n


def _solve(theory: Theory, m: np.ndarray, gap: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Return the move d with d - F'(m) d = gap, and how many products with the derivative it took."""
    if m.size <= DENSE:
        matrix = np.eye(m.size) - derivative(theory, m)
        try:
            return np.linalg.solve(matrix, gap.ravel()).reshape(m.shape), 1
        except np.linalg.LinAlgError:
            return gap, 1
    from scipy.sparse.linalg import LinearOperator, gmres

    push, n = tangent(theory, m), 0

    def product(v: np.ndarray) -> np.ndarray:
        nonlocal n
        checkpoint()
        n += 1
        return v - push(v.reshape(m.shape)).ravel()

    operator = LinearOperator((m.size, m.size), matvec=product, dtype=float)
    kept = min(80, max(most, 2))
    with one_blas_thread():  # of what was loaded late, too
        move, _ = gmres(operator, gap.ravel(), rtol=1e-3, restart=kept, maxiter=2)
    return move.reshape(m.shape), n
