"""Feature vectors drawn at random.

Each function here returns the parts of features; `Features` has a method of the same name that makes the features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .._util.checks import ROLES, Role, flag, permutation, roles, seed_of, shape_of, whole
from .authors.draws import draw_weights
from .feature_parts import Parts, parts_of_vectors

_PIECE = 2**22  # numbers that are drawn at a time
MOST_PAPER_SEED = 2**32 - 1  # what NumPy's old generator takes, which the paper's code used


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
    tied_positions = flag("tied_positions", tied_positions)
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
    seed: int = 1,
    *,
    n_features: int = 3,
    n_sites: int = 99,
    n_positions: int = 2,
    n_segments: int | None = 3,
    gaps: bool = False,
    tied_positions: bool = False,
    reorder: bool = False,
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
        None leaves every site its own draw, and draws the positional bits after them.
    gaps : bool, default=False
        Where `n_sites` is no multiple of `n_segments`, let the published code's segments, of
        ``int(n_sites / n_segments)`` sites or one more, leave sites between them and after them, which keep their own
        draws. False: `n_segments` must divide `n_sites`.
    tied_positions : bool, default=False
        Their ``pe_mode = 1``: the positional bits repeat the sign of the last segment, or the last columns without
        segments.
    reorder : bool, default=False
        Their ``reorder_weights``: the four roles have one set of vectors, each in its own drawn order, and the
        positional bits repeat the last columns. Segments are drawn for each role all the same.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> Features.paper(seed=1).classes.signs.shape
    (3, 3)
    """
    gaps, reorder = flag("gaps", gaps), flag("reorder", reorder)
    tied_positions = flag("tied_positions", tied_positions)
    shape_of(n_features, n_sites, n_positions)
    if n_positions > n_sites:
        raise ValueError(f"n_positions must be <= n_sites = {n_sites}, got {n_positions}")
    if n_segments is not None:
        n_segments = whole("n_segments", n_segments, 1)
        if not gaps and n_sites % n_segments:
            raise ValueError(f"n_sites must be a multiple of n_segments = {n_segments}, got {n_sites}")
        if n_segments > n_sites:
            raise ValueError(f"n_segments must be <= n_sites = {n_sites}, got {n_segments}")
        if tied_positions and n_positions >= n_sites / n_segments:
            most = n_sites / n_segments
            raise ValueError(f"tied_positions must have n_positions < sites of a segment = {most:g}, got {n_positions}")
    weights, _ = draw_weights(
        seed_of(seed, most=MOST_PAPER_SEED),
        n_features,
        n_sites,
        n_positions,
        mode=1 if n_segments is None else 3,
        n_segments=n_segments or 1,
        pe_mode=int(tied_positions),
        reorder=reorder,
    )
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
    given = roles("orders", {} if orders is None else orders, partial=True)
    weights: dict[Role, np.ndarray] = {}
    for role in ROLES:
        drawn = rng.permutation(n_features)
        weights[role] = vectors[permutation(f"orders[{role!r}]", given.get(role, drawn), n_features)]
    return parts_of_vectors(weights, n_positions)


def _draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    signs, out = np.array([-1, 1], dtype=np.int8), np.empty(shape, dtype=np.int8)
    for row in out:
        for first in range(0, len(row), _PIECE):  # the same numbers as of one draw; Ctrl-C gets a word in
            row[first : first + _PIECE] = rng.choice(signs, size=len(row[first : first + _PIECE]))
    return out
