"""Eigenvalues of the product of a cycle's steps from the diagonal blocks of its triangular factors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from . import _linear

APART = 2e-6  # of the mean: eigenvalues that rounding may have parted further are not known to be equal
ROUNDED = 30.0 * np.finfo(float).eps  # of its size: how well a product of steps is known
SELDOM = 0.1  # of what that may do to an eigenvalue at the worst: hardly any is further off
LOST = 1e-6  # relative: an eigenvalue that is further off is unknown
APPARENT = 0.3  # of the size: eigenvalues nearer than this may be badly conditioned


def eigenvalues(
    blocks: Sequence[tuple[int, int]], turn: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return log moduli, descending, and angles, from the leading diagonal blocks of turn * upper[-1] ... upper[0]."""
    size = len(turn)
    values, power = np.full(size, np.nan, dtype=complex), np.zeros(size)
    if blocks:
        ends = np.array([b for _, b in blocks])
        product, powers = np.empty((ends[-1], ends[-1])), np.empty(len(blocks))
        _linear.products(upper=upper, ends=ends, out=product, power=powers)
        with np.errstate(invalid="ignore"):
            values[: ends[-1]] = np.diagonal(turn)[: ends[-1]] * np.diagonal(product)
        for (a, b), its_power in zip(blocks, powers.tolist(), strict=True):
            power[a:b] = its_power
            if b - a > 1:
                values[a:b] = together(turn[a:b, a:b] @ product[a:b, a:b])
        lost = np.flatnonzero(np.isnan(values[: ends[-1]]))
        if lost.size:  # what is below its block is of no known rank
            values[ends[ends > lost[0]][0] :] = np.nan
    with np.errstate(divide="ignore"):
        growth = np.log(np.abs(values)) + power * np.log(2.0)
    angle = np.where(np.isfinite(growth), np.angle(values), 0.0)
    order = np.lexsort((-angle, -np.where(np.isnan(growth), -1e300, growth)))
    return growth[order], angle[order]


def together(matrix: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a matrix; in the place of those of a Jordan block their mean.

    Rounding parts those of a block of k rows by its k-th root, but hardly moves their mean. They belong together if
    they are as near as that, so badly conditioned that rounding explains it, and if it explains all coefficients of the
    polynomial whose roots they are. NaN if they then are so small that they need not be equal, or if one by itself is
    badly conditioned, and for all below.
    """
    n = len(matrix)
    if n == 2 and (pair := _pair(matrix)) is not None:
        return np.array(pair)  # as most blocks are
    if not np.isfinite(matrix).all():
        return np.full(n, np.nan)  # of stretches that no double holds
    values = np.linalg.eigvals(matrix)
    size = math.sqrt(np.vdot(matrix, matrix))
    if size == 0.0:
        return values
    scaled = values / (APPARENT * size)
    nearness = np.abs(scaled[:, None] - scaled)
    nearness.flat[:: n + 1] = 1.0
    known = np.minimum(nearness, 1.0).prod(axis=1) * np.abs(scaled) >= ROUNDED / (APPARENT * LOST)
    if known.all() and nearness.min() > ROUNDED**0.5 / APPARENT:
        return values
    values, right = np.linalg.eig(matrix)
    try:
        blurred = ROUNDED * size * np.linalg.norm(np.linalg.inv(right), axis=1)  # vectors from the left over products
    except np.linalg.LinAlgError:
        blurred = np.full(n, np.inf)
    reach = 0.5 * size * ROUNDED ** (1.0 / np.arange(2, n + 1))  # the width of what is left of 2, 3, ... equal ones
    distance, single = np.abs(values[:, None] - values), np.ones(n, dtype=bool)
    least = 0.0  # what is no larger is unknown
    for k in range(n, 1, -1):
        for i in range(n):
            near = np.argsort(np.where(single, distance[i], np.inf), kind="stable")[:k]
            width = distance[np.ix_(near, near)].max()
            if single[i] and single[near].all() and width <= min(reach[k - 2], k * blurred[near].min()):
                mean, most = values[near].mean(), np.abs(values[near]).max()
                if k > 2 and not _rounded(values[near] - mean, size):
                    continue
                values[near], single[near] = mean, False
                if min(width, reach[0]) > APART * abs(mean):
                    least = max(least, most)
    unsure = single & (SELDOM * blurred > LOST * np.abs(values))
    values[np.abs(values) <= np.abs(values[unsure]).max(initial=least)] = np.nan
    return values


def _rounded(roots: np.ndarray, size: float) -> bool:
    """Return whether rounding of a matrix of this size explains how the polynomial of roots differs from a power."""
    coefficients = np.abs(np.poly(roots)[2:])
    return bool((coefficients <= ROUNDED * size ** np.arange(2, len(roots) + 1)).all())


def _pair(matrix: np.ndarray) -> tuple[complex, complex] | None:
    """Return both eigenvalues of a matrix of two rows, or None where rounding may have parted or moved them."""
    a, b, c, d = matrix.ravel().tolist()
    half = 0.5 * (a - d)
    square, size = half * half + b * c, max(abs(a), abs(b), abs(c), abs(d))
    root = math.sqrt(abs(square))
    if not root > ROUNDED**0.5 * size:
        return None
    shift = half + math.copysign(root, half)
    mean = 0.5 * (a + d)
    pair = (complex(mean, root), complex(mean, -root)) if square < 0.0 else (d + shift, d - b * c / shift)
    return pair if SELDOM * ROUNDED * size * size < LOST * 2.0 * root * min(abs(pair[0]), abs(pair[1])) else None
