"""Anderson's acceleration of a fixed-point iteration, of one vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

RIDGE = 1e-14  # of the normal equations, relative
WORSE = 4.0  # a residual so many times the best one makes the history forgotten
PATIENCE = 6  # restarts after which steps are shortened


@dataclasses.dataclass(frozen=True, slots=True)
class Solution:
    """The last vector, its residual max|f(u) - u|, and how many evaluations it took."""

    vector: np.ndarray
    residual: float
    n_evaluations: int


def anderson(
    function: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    tol: float,
    max_evaluations: int,
    depth: int,
    measure: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Solution:
    r"""Seek u with f(u) = u.

    With residuals :math:`r = f(u) - u` of the last steps, the next vector is :math:`f(u) - \sum_k c_k \Delta f_k`,
    with c of least :math:`|r - \sum_k c_k \Delta r_k|`. Where that makes the residual much worse the iteration goes
    back to the best vector and forgets; after some of these it takes shorter steps. Fixed points that repel a plain
    iteration are found too.

    Parameters
    ----------
    function : callable
        Takes and returns an array of the shape of `start`, a new one every time.
    start : ndarray
    tol : float
        Residual at which to end.
    max_evaluations : int
    depth : int
        Steps remembered; 0: a plain iteration.
    measure : callable, optional
        What of a vector the residual is of, max|measure(f(u)) - measure(u)|; the vector itself, if not told otherwise.

    Returns
    -------
    Solution

    References
    ----------
    .. [1] Walker & Ni, SIAM J. Num. Anal. 49, 1715 (2011).

    Examples
    --------
    >>> bool(abs(anderson(np.cos, np.ones(1), 1e-14, 100, 2).vector[0] - 0.7390851332151607) < 1e-13)
    True
    """
    shape, size = start.shape, start.size
    images, changes = np.empty((depth, size)), np.empty((depth, size))
    gram = np.zeros((depth, depth))
    u = np.array(start, dtype=float).ravel()
    best: tuple[float, np.ndarray, np.ndarray] = (np.inf, u, u)
    last: tuple[np.ndarray, np.ndarray] | None = None
    n_stored, restarts, mixing = 0, 0, 1.0
    lowest = np.inf
    for n in range(1, max_evaluations + 1):
        image = function(u.reshape(shape)).ravel()
        r = image - u
        residual = float(abs(r).max())
        if measure is not np.asarray and np.isfinite(residual):
            residual = float(abs(measure(image.reshape(shape)) - measure(u.reshape(shape))).max())
        if not np.isfinite(residual):
            residual = np.inf
        if residual <= tol:
            return Solution(u.reshape(shape), residual, n)
        if residual < best[0]:
            best, lowest = (residual, u, image), min(lowest, residual)
        elif residual > WORSE * best[0] and n_stored:
            # Back to the best, and on from there by a plain step, shorter if that has happened often.
            restarts += 1
            mixing = 1.0 if restarts <= PATIENCE else max(0.5 * mixing, 0.05)
            n_stored, last = 0, None
            u = best[1] + mixing * (best[2] - best[1])
            best = (WORSE * best[0], best[1], best[2])  # it may have to get worse first
            continue
        if depth and last is not None:
            place = n_stored % depth
            images[place] = image - last[0]
            changes[place] = r - last[1]
            n_stored += 1
            n_kept = min(n_stored, depth)
            some = changes[:n_kept]
            gram[place, :n_kept] = gram[:n_kept, place] = some @ changes[place]
            matrix = gram[:n_kept, :n_kept] + RIDGE * np.trace(gram[:n_kept, :n_kept]) * np.eye(n_kept)
            try:
                weights = np.linalg.solve(matrix, some @ r)
            except np.linalg.LinAlgError:
                weights = np.zeros(n_kept)
            following = image - weights @ images[:n_kept]
            if mixing < 1.0:
                following -= (1.0 - mixing) * (r - weights @ some)
        else:
            following = u + mixing * r
        last = (image, r)
        u = following
    return Solution(best[1].reshape(shape), lowest, max_evaluations)
