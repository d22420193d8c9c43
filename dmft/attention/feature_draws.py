"""Feature vectors drawn at random.

Each function here returns the parts of features; `Features` has a method of the same name that makes the features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .._util.checks import ROLES, Role, permutation, roles, seed_of, shape_of, whole
from .authors.draws import draw_weights
from .feature_parts import Parts, parts_of_vectors


def random(*, n_features: int, n_sites: int, n_positions: int, seed: int) -> Parts:
    """Return independent +-1 vectors for every role.

    Parameters
    ----------
    n_features, n_sites, n_positions : int
        M, N and P.
    seed : int
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> Features.random(n_features=4, n_sites=50, n_positions=2, seed=0).weights["key"].shape
    (4, 52)
    """
    shape = shape_of(n_features, n_sites, n_positions)
    rng = np.random.default_rng(seed_of(seed))
    return parts_of_vectors({role: _draw(rng, shape) for role in ROLES}, n_positions)


def segments(
    *, n_features: int, n_segments: int, n_sites: int, n_positions: int, seed: int, tied_positions: bool = False
) -> Parts:
    """Return vectors that are constant on segments of the sites.

    Parameters
    ----------
    n_features, n_sites, n_positions : int
        M, N and P.
    n_segments : int
        Number of segments, as equal as `n_sites` allows; at most `n_sites`.
    seed : int
        Seed of ``numpy.random.default_rng``.
    tied_positions : bool, default=False
        Let the positional bits repeat the feature's last semantic columns instead of
        drawing them.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> len(Features.segments(n_features=3, n_segments=3, n_sites=99, n_positions=2, seed=1).classes) <= 3
    True
    """
    shape = shape_of(n_features, n_sites, n_positions)
    n_segments = whole("n_segments", n_segments, 1)
    if n_segments > n_sites:
        raise ValueError(f"n_segments must be <= n_sites = {n_sites}, got {n_segments}")
    if tied_positions and n_positions > n_sites:
        raise ValueError(f"tied_positions must have n_positions <= n_sites = {n_sites}, got {n_positions}")
    rng = np.random.default_rng(seed_of(seed))
    segment = np.arange(n_sites) * n_segments // n_sites
    weights: dict[Role, np.ndarray] = {}
    for role in ROLES:
        w = _draw(rng, shape)
        w[:, :n_sites] = _draw(rng, (n_features, n_segments))[:, segment]
        if tied_positions and n_positions:
            w[:, n_sites:] = w[:, n_sites - n_positions : n_sites]
        weights[role] = w
    return parts_of_vectors(weights, n_positions)


def paper(
    seed: int = 1, *, n_features: int = 3, n_sites: int = 99, n_positions: int = 2, n_segments: int | None = 3
) -> Parts:
    """Return the published weights of a seed, bit for bit.

    They come from NumPy's legacy generator in a fixed order of draws: one array that is
    thrown away, the four roles (whose last columns become the positional bits), then one
    sign for each role, feature and segment.

    Parameters
    ----------
    seed : int, default=1
        Seed of ``numpy.random.RandomState``.
    n_features, n_sites, n_positions : int
        The paper's sizes.
    n_segments : int or None, default=3
        A divisor of `n_sites`; None leaves every site its own draw, and draws the positional
        bits after them.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> Features.paper(seed=1).classes.signs.shape
    (3, 3)
    """
    shape_of(n_features, n_sites, n_positions)
    if n_segments is not None and n_sites % whole("n_segments", n_segments, 1):
        raise ValueError(f"n_sites must be a multiple of n_segments = {n_segments}, got {n_sites}")
    seed = seed_of(seed, most=2**32 - 1)
    if n_segments is None:
        weights, _ = draw_weights(seed, n_features, n_sites, n_positions, mode=1)
    else:
        weights, _ = draw_weights(seed, n_features, n_sites, n_positions, n_segments=n_segments)
    return parts_of_vectors(weights, n_positions)


def reordered(
    *,
    n_features: int,
    n_sites: int,
    n_positions: int,
    seed: int,
    orders: Mapping[Role, Sequence[int]] | None = None,
) -> Parts:
    """Return one set of random vectors that the four roles read in different orders.

    Parameters
    ----------
    n_features, n_sites, n_positions : int
        M, N and P.
    seed : int
        Seed of ``numpy.random.default_rng``.
    orders : dict of str to sequence of int, optional
        For each role the permutation of the vectors; drawn where not given.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> f = Features.reordered(n_features=3, n_sites=9, n_positions=1, seed=0, orders={"key": [2, 0, 1]})
    >>> sorted(map(tuple, f.weights["key"])) == sorted(map(tuple, f.weights["value"]))
    True
    """
    rng = np.random.default_rng(seed_of(seed))
    vectors = _draw(rng, shape_of(n_features, n_sites, n_positions))
    given = roles("orders", orders or {}, partial=True)
    weights: dict[Role, np.ndarray] = {}
    for role in ROLES:
        drawn = rng.permutation(n_features)
        weights[role] = vectors[permutation(f"orders[{role!r}]", given.get(role, drawn), n_features)]
    return parts_of_vectors(weights, n_positions)


def _draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.choice(np.array([-1, 1], dtype=np.int8), size=shape)
