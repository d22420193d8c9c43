"""Nodes for the exact response averaged over Gaussian fields, as many as an error asks for."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from ._spins import Nodes, averages

NUMBERS = (6, 8, 12, 16, 24, 32, 48, 56, 72, 96, 128, 192, 256, 384)  # along and across the mean field
MOST_GAUSS = 48  # beyond, equal steps converge faster: the response's poles are near


def _gauss(diagonal: np.ndarray, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights, of sum 1, from the Jacobi matrix of the orthogonal polynomials (Golub and Welsch)."""
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return nodes, vectors[0] ** 2


@functools.lru_cache(maxsize=64)
def rule(n_components: int, n: int) -> Nodes:
    """Return n normal nodes along the field and n nodes of the chi-squared law of D - 1 >= 1 numbers across it.

    They are Gauss's; many are at equal steps, of the number along, and of the logarithm of the length across.

    Examples
    --------
    >>> z, w, c, v = (np.asarray(each) for each in rule(3, 8).arrays)
    >>> float((w @ z**2).round(12)), float((v @ c).round(12))
    (1.0, 2.0)
    """
    if n > MOST_GAUSS:
        along = np.linspace(-8.3, 8.3, n)
        weight = np.exp(-0.5 * along**2)
        if n_components == 2:  # one normal number across: half of such a line
            half = 8.3 * (np.arange(n) + 0.5) / n
            across, log_weight = half**2, -0.5 * half**2
        else:
            y = _logarithms(n_components - 1, n)
            across, log_weight = np.exp(2.0 * y), (n_components - 1) * y - 0.5 * np.exp(2.0 * y)
        across_weight = np.exp(log_weight - log_weight.max())
        return Nodes(along, weight / weight.sum(), across, across_weight / across_weight.sum())
    k = np.arange(1, n)
    along, along_weight = _gauss(np.zeros(n), np.sqrt(k))
    order = 0.5 * (n_components - 3)  # Laguerre polynomials in half the square
    across, across_weight = _gauss(2.0 * np.arange(n) + order + 1.0, np.sqrt(k * (k + order)))
    return Nodes(along, along_weight, 2.0 * np.maximum(across, 0.0), across_weight)


def _logarithms(n_normal: int, n: int) -> np.ndarray:
    """Return n logarithms of the length of so many normal numbers at equal steps, which leave out 1e-16 of them."""
    below = max(36.0 / n_normal, 8.5 / np.sqrt(2.0 * n_normal))
    return np.linspace(0.5 * np.log(n_normal) - below, np.log(np.sqrt(n_normal) + 8.5), n)


@functools.lru_cache(maxsize=256)
def rule_for(n_components: int, deviation: float, tol: float) -> Nodes:
    """Return the smallest rule whose means, over the length of a spin, are right to `tol` for any mean field.

    Parameters
    ----------
    n_components : int
        At least 2.
    deviation : float
        The largest that a component of the field has, times beta and the length of a spin.
    tol : float

    Raises
    ------
    ValueError
        If so sharp a response takes more nodes than there are.

    Examples
    --------
    >>> len(rule_for(64, 1.0, 1e-10).arrays[0]) <= 12
    True
    """
    t = deviation * np.geomspace(0.02, 20.0, 24) + 1e-3
    s = np.full_like(t, deviation)

    def means(n: int) -> np.ndarray:
        out = [np.empty_like(t) for _ in range(3)]
        names = dict(zip(("over", "slope", "bend"), out, strict=True))
        averages(n_components=float(n_components), nodes=rule(n_components, n), t=t, s=s, n_threads=1, **names)
        return out[0] * t

    before, error = means(NUMBERS[0]), np.inf
    for smaller, n in itertools.pairwise(NUMBERS):
        now = means(n)
        error = float(abs(now - before).max())
        if error <= tol:
            return rule(n_components, smaller)
        before = now
    raise ValueError(
        f"tol must be >= {error:.2g} where fields deviate by {deviation:.3g} times the temperature a component, "
        f"got {tol:g}; lower beta, or take the large response"
    )
