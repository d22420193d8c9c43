"""What the paper's own code draws from a seed, number for number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._util.checks import ROLES, Role


def draw_weights(
    seed: int,
    n_features: int,
    n_sites: int,
    n_positions: int,
    *,
    mode: int = 3,
    n_segments: int = 3,
    pe_mode: int = 0,
    reorder: bool = False,
) -> tuple[dict[Role, np.ndarray], np.random.RandomState]:
    """Return the vectors that the paper's code draws from a seed, and the generator after them.

    Parameters
    ----------
    seed : int
        Of NumPy's legacy generator.
    n_features, n_sites, n_positions : int
        M, N and P.
    mode : int
        Their ``correlations_from_weights``: 3 makes segments.
    n_segments : int
        Of mode 3; sites that fall between two segments keep their own draws.
    pe_mode : {0, 1}
        1 lets the positional bits repeat the last segment.
    reorder : bool
        One set of vectors, shuffled for each role.

    Returns
    -------
    dict of str to ndarray, shape (n_features, n_sites + n_positions)
    numpy.random.RandomState

    Examples
    --------
    >>> weights, _ = draw_weights(1, n_features=2, n_sites=6, n_positions=2)
    >>> weights["output"].tolist()
    [[-1, -1, 1, 1, 1, 1, -1, 1], [-1, -1, 1, 1, 1, 1, -1, -1]]
    """
    draws = np.random.RandomState(seed)
    first = _signs(draws, n_features, n_sites)
    last = slice(n_sites - n_positions, None)
    weights: dict[Role, np.ndarray] = {}
    for role in ROLES:
        semantic = first.copy() if reorder else _signs(draws, n_features, n_sites)
        if reorder:
            draws.shuffle(semantic)
        weights[role] = np.concatenate([semantic, semantic[:, last]], axis=1)
    if not reorder and pe_mode == 0 and mode != 3:
        for role in ROLES:
            weights[role][:, n_sites:] = _signs(draws, n_features, n_positions)
    if mode == 3:
        size = n_sites / n_segments
        for role in ROLES:
            for row in weights[role]:
                for segment in range(n_segments):
                    begin = int(segment * size)
                    row[begin : int(begin + size)] = 2 * draws.randint(2) - 1
                if pe_mode == 1:
                    row[n_sites:] = row[int((n_segments - 1) * size)]
    return weights, draws


def _signs(draws: np.random.RandomState, n_rows: int, n_columns: int) -> np.ndarray:
    """Return random signs, (n_rows, n_columns), row by row as one draw of all gives them."""
    return np.array([2 * draws.randint(2, size=n_columns) - 1 for _ in range(n_rows)])


def draw_correlations(mode: int, scale: float, n_features: int, draws: np.random.RandomState) -> dict[str, Any]:
    """Return the correlations that modes 0 and 2 draw instead of taking them from the vectors.

    Parameters
    ----------
    mode : {0, 2}
        Their ``correlations_from_weights``: normal numbers, clipped to [-1, 1]; or products of random means.
    scale : float
        Standard deviation of mode 0.
    n_features : int
    draws : numpy.random.RandomState
        As `draw_weights` leaves it.

    Returns
    -------
    dict
        A list (n_features, n_features) for each role; with three features "four_point" too.

    Examples
    --------
    >>> weights, draws = draw_weights(1, 2, 9, 2, mode=2)
    >>> sorted(draw_correlations(2, 0.5, 2, draws))
    ['key', 'output', 'query', 'value']
    """
    shape = (n_features, n_features)
    pairs, four = {}, {}
    if mode == 0:
        for role in ("output", "value", "key", "query"):  # in the order of their draws
            pairs[role] = draws.normal(0, scale, shape)
        np.fill_diagonal(pairs["output"], 1)
        pairs = {role: np.clip(pair, -1, 1) for role, pair in pairs.items()}
        four = {role: np.prod(pair, axis=0) for role, pair in pairs.items()}
    else:
        means = {role: draws.rand(n_features) for role in ROLES}
        own = means["output"]
        pairs = {role: np.outer(own, means[role]) for role in ROLES}
        np.fill_diagonal(pairs["output"], 1)
        four = {role: np.prod(own) * means[role] for role in ROLES}
        if n_features == 3:
            four["output"] = np.roll(own, -1) * np.roll(own, -2)
    laws: dict[str, Any] = {role: pairs[role].tolist() for role in ROLES}
    if n_features == 3:
        laws["four_point"] = {role: four[role].tolist() for role in ROLES}
    return laws
