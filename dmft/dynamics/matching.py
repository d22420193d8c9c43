"""Match attractors that were found from different starts or at neighbouring parameters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .series import SIGNIFICANT


def group(signature: np.ndarray, mean: np.ndarray, error: np.ndarray, sigma: float = SIGNIFICANT) -> np.ndarray:
    """Give each attractor among many orbits a number: the same number for the same one.

    Parameters
    ----------
    signature : ndarray of int, shape (n_orbits, n)
        What each is, in numbers, as its kind and period.
    mean, error : ndarray, shape (n_orbits, n_moments)
        Where each lies.
    sigma : float, default=5.0
        Errors by which the places of one attractor may differ.

    Returns
    -------
    ndarray of int, shape (n_orbits,)
        From 0, in the order in which they occur.

    Examples
    --------
    >>> signature = np.array([[1, 4], [1, 4], [1, 8], [1, 4]])
    >>> group(signature, np.array([[0.1], [0.1], [0.1], [-0.1]]), np.full((4, 1), 1e-9)).tolist()
    [0, 0, 1, 2]
    """
    index = np.empty(len(signature), dtype=int)
    first: list[int] = []
    for i in range(len(signature)):
        apart = np.abs(mean[first] - mean[i])
        near = (apart <= sigma * np.hypot(error[first], error[i])).all(axis=1)
        found = np.flatnonzero(near & (signature[first] == signature[i]).all(axis=1))
        index[i] = found[0] if found.size else len(first)
        if not found.size:
            first.append(i)
    return index


def follow_along(
    signature: np.ndarray, mean: np.ndarray, error: np.ndarray, *, reach: float = 10.0, memory: int = 10
) -> np.ndarray:
    """Give each attractor along a parameter a number: the same number while one changes little by little.

    Attractors of one parameter value are told apart as by `group`. One is the continuation of an
    earlier one if each is the nearest to the other, those of the same signature counting as twice as
    near, and if it has not moved much farther than such pairs do on the whole.

    Parameters
    ----------
    signature : ndarray of int, shape (n_points, n_starts, n)
        What each is, in numbers; points in the order of the parameter.
    mean, error : ndarray, shape (n_points, n_starts, n_moments)
        Where each lies. NaN: nothing was found there.
    reach : float, default=10.0
        How many times farther than the median an attractor may move from point to point.
    memory : int, default=10
        For how many points one that is not met is remembered.

    Returns
    -------
    ndarray of int, shape (n_points, n_starts)
        From 0, in the order in which they occur; -1 where nothing was found.

    Examples
    --------
    >>> signature, error = np.ones((3, 2, 1), dtype=int), np.full((3, 2, 1), 1e-9)
    >>> mean = np.array([[0.10, 0.50], [0.51, 0.11], [0.12, 0.12]])[..., None]
    >>> follow_along(signature, mean, error).tolist()
    [[0, 1], [1, 0], [0, 0]]
    """
    n_points, n_starts = mean.shape[:2]
    index = np.full((n_points, n_starts), -1)
    local: list[tuple[np.ndarray, np.ndarray]] = []
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for i in range(n_points):
        some = np.flatnonzero(np.isfinite(mean[i]).all(axis=1))
        local.append((some, group(signature[i, some], mean[i, some], error[i, some])))
        first = [some[np.flatnonzero(local[i][1] == k)[0]] for k in range(local[i][1].max(initial=-1) + 1)]
        seen.append((signature[i, first], mean[i, first], error[i, first]))
    steps = np.concatenate([np.empty(0), *(_pairs(*neighbours)[1] for neighbours in itertools.pairwise(seen))])
    longest = reach * np.median(steps) if steps.size else 0.0
    alive: list[tuple] = []  # (number, point last met, its signature, mean, error)
    n_found = 0
    for i in range(n_points):
        numbers = np.full(len(seen[i][0]), -1)
        known = [entry for entry in alive if i - entry[1] <= memory]
        if known:
            before = _stacked([entry[2:] for entry in known])
            pairs, apart = _pairs(before, seen[i])
            for (old, new), step in zip(pairs, apart, strict=True):
                doubt = SIGNIFICANT * np.hypot(before[2][old], seen[i][2][new]).max()
                if step <= max(longest * (i - known[old][1]), doubt):
                    numbers[new] = known[old][0]
        for new in np.flatnonzero(numbers < 0):
            numbers[new] = n_found
            n_found += 1
        alive = [entry for entry in known if entry[0] not in numbers]
        alive += [(number, i, *(part[new] for part in seen[i])) for new, number in enumerate(numbers)]
        some, groups = local[i]
        index[i, some] = numbers[groups]
    return index


def _stacked(entries: Sequence[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the signatures, means and errors of some attractors as arrays."""
    signature, mean, error = (np.array(each) for each in zip(*entries, strict=True))
    return signature, mean, error


def _pairs(
    before: tuple[np.ndarray, np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs that are each other's nearest, and how far apart they are."""
    if not len(before[0]) or not len(after[0]):
        return np.empty((0, 2), dtype=int), np.empty(0)
    apart = np.abs(before[1][:, None] - after[1]).max(axis=2)
    cost = np.where((before[0][:, None] == after[0]).all(axis=2), 0.5, 1.0) * apart
    nearest, back = cost.argmin(axis=1), cost.argmin(axis=0)
    pairs = np.array([(old, new) for old, new in enumerate(nearest) if back[new] == old], dtype=int).reshape(-1, 2)
    return pairs, apart[pairs[:, 0], pairs[:, 1]]
