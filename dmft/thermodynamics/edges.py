"""The edges of jump processes: checked, and paired with those that lead back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import integers, whole

MAX_MECHANISMS = 1_000_000


def checked_edges(
    source: ArrayLike,
    target: ArrayLike,
    mechanism: ArrayLike | None,
    n_edges: int,
    n_states: int | None,
    n_mechanisms: int | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return sources, targets and mechanisms, each (n_edges,) of int, and the number of states.

    Raises
    ------
    ValueError
        If an edge leads from a state to itself or to none, or appears twice, or lengths differ.
    """
    last = np.iinfo(np.int32).max if n_states is None else whole("n_states", n_states, 1) - 1
    x, y = integers("source", source, 0, last), integers("target", target, 0, last)
    most = (MAX_MECHANISMS if n_mechanisms is None else n_mechanisms) - 1
    v = np.zeros(n_edges, dtype=np.int64) if mechanism is None else integers("mechanism", mechanism, 0, most)
    for name, array in (("source", x), ("target", y), ("mechanism", v)):
        if len(array) != n_edges:
            raise ValueError(f"{name} must have one entry for each of {n_edges} log_rate, got {len(array)}")
    if (x == y).any():
        k = int(np.argmax(x == y))
        raise ValueError(f"target must differ from source, got state {x[k]} twice for edge {k}")
    order = np.lexsort((v, y, x))
    same = (np.diff(x[order]) == 0) & (np.diff(y[order]) == 0) & (np.diff(v[order]) == 0)
    if same.any():
        k = order[int(np.argmax(same))]
        raise ValueError(f"edges must be distinct, got two from {x[k]} to {y[k]} by mechanism {v[k]}")
    return x, y, v, int(max(x.max(), y.max())) + 1 if n_states is None and len(x) else (n_states or 1)


def reverse_edges(x: np.ndarray, y: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return of each edge that which leads back by the same mechanism, -1 where there is none."""
    if not len(x):
        return np.full(0, -1)
    n, scale = int(max(x.max(), y.max())) + 1, int(v.max()) + 1
    if n**2 * scale > np.iinfo(np.int64).max:  # few states of large numbers: their ranks make the keys
        ranks = np.unique(np.concatenate([x, y]), return_inverse=True)[1]
        x, y, n = ranks[: len(x)], ranks[len(x) :], int(ranks.max()) + 1
    forth, behind = (x * n + y) * scale + v, (y * n + x) * scale + v
    order = np.argsort(forth)
    found = order[np.minimum(np.searchsorted(forth[order], behind), len(x) - 1)]
    return np.where(forth[found] == behind, found, -1)
