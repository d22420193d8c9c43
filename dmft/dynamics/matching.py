"""The same attractor, found from different starts and at neighbouring parameters."""

from __future__ import annotations

import itertools

import numpy as np


def group(make, mean, error, sigma=5.0):
    """Give each attractor among many orbits a number: the same number for the same one.

    Parameters
    ----------
    make : ndarray of int, shape (n_orbits, n)
        What each is, in numbers.
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
    >>> make = np.array([[1, 4], [1, 4], [1, 8], [1, 4]])
    >>> group(make, np.array([[0.1], [0.1], [0.1], [-0.1]]), np.full((4, 1), 1e-9)).tolist()
    [0, 0, 1, 2]
    """
    index, first = np.empty(len(make), dtype=int), []
    for i in range(len(make)):
        apart = np.abs(mean[first] - mean[i])
        near = (apart <= sigma * np.hypot(error[first], error[i])).all(axis=1)
        found = np.flatnonzero(near & (make[first] == make[i]).all(axis=1))
        index[i] = found[0] if found.size else len(first)
        if not found.size:
            first.append(i)
    return index


def follow_along(make, mean, error, *, reach=10.0, memory=10):
    """Give each attractor along a parameter a number: the same number while one changes little by little.

    Attractors of one parameter value are told apart as by `group`. One is the continuation of an
    earlier one if each is the nearest to the other, those of the same make counting as twice as
    near, and if it has not moved much farther than such pairs do on the whole.

    Parameters
    ----------
    make : ndarray of int, shape (n_points, n_starts, n)
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
    >>> make, error = np.ones((3, 2, 1), dtype=int), np.full((3, 2, 1), 1e-9)
    >>> mean = np.array([[0.10, 0.50], [0.51, 0.11], [0.12, 0.12]])[..., None]
    >>> follow_along(make, mean, error).tolist()
    [[0, 1], [1, 0], [0, 0]]
    """
    n_points, n_starts = mean.shape[:2]
    index = np.full((n_points, n_starts), -1)
    local, seen = [], []
    for i in range(n_points):
        some = np.flatnonzero(np.isfinite(mean[i]).all(axis=1))
        local.append((some, group(make[i, some], mean[i, some], error[i, some])))
        first = [some[np.flatnonzero(local[i][1] == k)[0]] for k in range(local[i][1].max(initial=-1) + 1)]
        seen.append((make[i, first], mean[i, first], error[i, first]))
    steps = [_pairs(before, after)[1] for before, after in itertools.pairwise(seen)]
    steps = np.concatenate(steps) if steps else np.empty(0)
    longest = reach * np.median(steps) if steps.size else 0.0
    alive, n_found = [], 0  # (number, point last met, its make, mean, error)
    for i in range(n_points):
        numbers = np.full(len(seen[i][0]), -1)
        known = [entry for entry in alive if i - entry[1] <= memory]
        if known:
            before = tuple(np.array([entry[k] for entry in known]) for k in (2, 3, 4))
            pairs, apart = _pairs(before, seen[i])
            for (old, new), step in zip(pairs, apart, strict=True):
                doubt = 5.0 * np.hypot(before[2][old], seen[i][2][new]).max()
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


def _pairs(before, after):
    """Return the pairs that are each other's nearest, and how far apart they are."""
    if not len(before[0]) or not len(after[0]):
        return np.empty((0, 2), dtype=int), np.empty(0)
    apart = np.abs(before[1][:, None] - after[1]).max(axis=2)
    cost = np.where((before[0][:, None] == after[0]).all(axis=2), 0.5, 1.0) * apart
    nearest, back = cost.argmin(axis=1), cost.argmin(axis=0)
    pairs = np.array([(old, new) for old, new in enumerate(nearest) if back[new] == old], dtype=int).reshape(-1, 2)
    return pairs, apart[pairs[:, 0], pairs[:, 1]]
