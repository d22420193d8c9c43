"""Anderson's acceleration of a fixed-point iteration, of one vector."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Set

import numpy as np

from .._util.pool import checkpoint
from .._util.progress import each
from . import _spins

RIDGE = 1e-14  # of the normal equations, relative
WORSE = 4.0  # a residual so many times the best one makes the history forgotten
PATIENCE = 6  # restarts after which steps are shortened
APART = 80  # elements between rows that are read side by side: else they would share places in the caches
LAME = 0.64  # of the square of the residual: what the best combination leaves where it is not worth its cost
SLOW, FAST = 0.2, 0.5  # of the residual is what a step leaves then: plain ones are as good, and good enough

Step = Callable[[np.ndarray, np.ndarray], float]


@dataclasses.dataclass(frozen=True, slots=True)
class Solution:
    """The last vector, its residual, and how many evaluations it took."""

    vector: np.ndarray
    residual: float
    n_evaluations: int


def filling(function: Callable[[np.ndarray], np.ndarray]) -> Step:
    """Return a step, for `anderson`, of a function that returns a new array."""

    def step(u: np.ndarray, out: np.ndarray) -> float:
        out[...] = function(u)
        return float(abs(out - u).max())

    return step


def anderson(step: Step, start: np.ndarray, tol: float, max_evaluations: int, depth: int) -> Solution:
    r"""Seek u with f(u) = u.

    With residuals :math:`r = f(u) - u` of the last steps, the next vector is :math:`f(u) - \sum_k c_k \Delta f_k`,
    with c of least :math:`|r - \sum_k c_k \Delta r_k|`. Where that makes the residual much worse the iteration goes
    back to the best vector and forgets; after some of these it takes shorter steps. Fixed points that repel a plain
    iteration are found too. Where combinations gain little, as with random couplings, whose residuals are at right
    angles, and a plain step halves the residual, plain steps are taken for as long as they do.

    Parameters
    ----------
    step : callable
        ``step(u, out)`` fills `out` with f(u) and returns the residual as it shall be measured, such as max|f(u) - u|.
    start : ndarray
    tol : float
        Residual at which to end.
    max_evaluations : int
    depth : int
        Steps remembered; 0: a plain iteration.

    Returns
    -------
    Solution

    References
    ----------
    .. [1] Walker & Ni, SIAM J. Num. Anal. 49, 1715 (2011).

    Examples
    --------
    >>> bool(abs(anderson(filling(np.cos), np.ones(1), 1e-14, 100, 2).vector[0] - 0.7390851332151607) < 1e-13)
    True
    """
    shape, size = start.shape, start.size
    width = size + (APART if size > APART else 0)
    pool = np.empty((depth + 6, width))  # vectors and images, in rows that are free in turn
    pool[:, size:] = 0.0
    vectors = [row[:size].reshape(shape) for row in pool]
    changes, gram, residual = np.empty((depth, width)), np.zeros((depth, depth)), np.empty(width)
    vectors[0][...], u = start, 0
    best: tuple[float, int, int] = (np.inf, 0, 0)  # a residual, the rows of its vector and image
    chain: list[int] = []  # rows of the last images, one after the other
    n_stored, restarts, mixing, n_lame = 0, 0, 1.0, 0
    plain, lowest, before = depth == 0, np.inf, np.inf
    for n in each(range(1, max_evaluations + 1), "evaluations at most"):
        checkpoint()
        image = _free(pool, {u, *best[1:], *chain})
        now = step(vectors[u], vectors[image])
        now = now if math.isfinite(now) else math.inf
        if now <= tol:
            return Solution(vectors[u].copy(), now, n)
        if now < best[0]:
            best, lowest = (now, u, image), min(lowest, now)
        elif now == np.inf and best[0] == np.inf:
            break
        elif now > WORSE * best[0] and (len(chain) > 1 or now == np.inf):
            # Back to the best, and on from there by a plain step, shorter if that has happened often.
            restarts += 1
            mixing = 1.0 if restarts <= PATIENCE else max(0.5 * mixing, 0.05)
            u, chain, n_stored, plain, n_lame = _free(pool, {*best[1:]}), [], 0, depth == 0, 0
            pool[u] = pool[best[1]] + mixing * (pool[best[2]] - pool[best[1]])
            best = (WORSE * best[0], *best[1:])  # it may have to get worse first
            continue
        if depth == 0 or (plain and now <= FAST * before):
            u, before = image, now
            continue
        plain, as_good, before = False, SLOW * before < now <= FAST * before, now
        place, n_kept = (n_stored % depth, min(n_stored + 1, depth)) if chain else (-1, 0)
        products = np.empty(2 * n_kept + 1)
        _spins.residuals(
            pool=pool, image=image, vector=u, residual=residual, changes=changes, place=place, products=products
        )
        chain = [*chain[-depth:], image]
        if place < 0:
            if mixing == 1.0:
                u = image
            else:
                u = _free(pool, {u, *best[1:], *chain})
                pool[u] = pool[image] - (1.0 - mixing) * residual
            continue
        n_stored += 1
        gram[place, :n_kept] = gram[:n_kept, place] = products[:n_kept]
        matrix = gram[:n_kept, :n_kept].copy()
        matrix.flat[:: n_kept + 1] += RIDGE * matrix.trace()
        try:
            c = np.linalg.solve(matrix, products[n_kept:-1])
        except np.linalg.LinAlgError:
            c = np.zeros(n_kept)
        n_lame = n_lame + 1 if products[-1] - c @ products[n_kept:-1] > LAME * products[-1] else 0
        if n_lame > 1 and as_good and mixing == 1.0:
            u, chain, n_stored, plain, n_lame = image, [], 0, True, 0
            continue
        # The changes in their order: that of the images k and k + 1 of the chain.
        first = (n_stored - n_kept) % depth
        in_order = [*c[first:].tolist(), *c[:first].tolist()]
        weights = np.array([now - last for now, last in zip([*in_order, 1.0], [0.0, *in_order], strict=True)])
        u = _free(pool, {*best[1:], *chain})
        _spins.combine(pool=pool, slots=np.array(chain, dtype=np.intc), weights=weights, out=u)
        if mixing < 1.0:
            pool[u] -= (1.0 - mixing) * (residual - c @ changes[:n_kept])
    return Solution(vectors[best[1]].copy(), lowest, n)


def _free(pool: np.ndarray, taken: Set[int]) -> int:
    """Return a row of the pool that is not taken."""
    return next(i for i in range(len(pool)) if i not in taken)
