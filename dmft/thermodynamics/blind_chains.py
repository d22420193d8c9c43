"""What a chain would be without what some of its parts see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import integers, words
from .chain import Chain
from .partition import Partition

TOLERANCE = 1e-12  # of probabilities that are products


def blind_chain(
    chain: Chain,
    partition: Partition,
    hidden: Sequence[str],
    parts: Any,
    classes: ArrayLike | None,
    tol: float,
    most: int,
) -> tuple[Chain, np.ndarray]:
    """Return the chain some parts of which no longer see others, and its stationary state; see `scramble`."""
    blind = _numbers(partition, parts)
    if set(blind) & {partition.index(name) for name in hidden}:
        raise ValueError(f"mechanisms must not move what is hidden, got {partition.names[blind[0]]!r}")
    steps = [_steps(chain.P, label) for label in partition.labels]
    together = np.ones((chain.n_states, chain.n_states))
    for step, label in zip(steps, partition.labels, strict=True):
        together *= step[label]
    if abs(together - chain.P).max() > TOLERANCE:
        raise ValueError("process must have parts that move independently given the last state, got a chain of others")
    kept = np.ones_like(together)
    for k, (step, label) in enumerate(zip(steps, partition.labels, strict=True)):
        if k not in blind:
            kept *= step[label]
    group = partition.group(*(partition.index(name) for name in hidden))
    n_hidden = int(group.max()) + 1
    seen = np.zeros(n_hidden, dtype=np.int64) if classes is None else integers("classes", classes, 0, n_hidden - 1)
    if len(seen) != n_hidden:
        raise ValueError(f"classes must have {n_hidden} entries, one for each hidden state, got {len(seen)}")
    own = partition.group(*(k for k, name in enumerate(partition.names) if name not in hidden))
    cell = np.unique(own * (int(seen.max()) + 1) + seen[group], return_inverse=True)[1].reshape(-1)
    size = np.bincount(cell)

    def averaged(p: np.ndarray) -> Chain:
        weight = np.bincount(cell, p)[cell]
        share = np.where(weight > 0, p / np.where(weight > 0, weight, 1), 1 / size[cell])
        P = kept.copy()
        for k in blind:
            mean = np.stack([np.bincount(cell, row * share) for row in steps[k]])
            P *= mean[:, cell][partition.labels[k]]
        if (abs(P.sum(axis=0) - 1) > 1e-9).any():
            raise ValueError("partition must have a state wherever a blinded part leads, got jumps to none")
        return Chain(P / P.sum(axis=0))

    p, change = chain.stationary(), np.inf
    for _ in range(most):
        found = averaged(p)
        before, p = p, found.stationary()
        change = abs(p - before).max()
        if change < tol:
            return found, p
    raise FloatingPointError(f"the scrambled state was not reached in {most} sweeps: the last changed {change:.3g}")


def _steps(P: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the law of a part's next state given the last state of all, shape (n_part, n_states)."""
    return np.eye(int(label.max()) + 1)[label].T @ P


def _numbers(partition: Partition, parts: Any) -> list[int]:
    """Return the numbers of parts that are given by name or number."""
    if isinstance(parts, str) or (isinstance(parts, list | tuple) and any(isinstance(one, str) for one in parts)):
        return [partition.number_of("mechanisms", name) for name in words("mechanisms", parts)]
    given: Any = [parts] if isinstance(parts, int | np.integer) else parts
    return [int(k) for k in integers("mechanisms", given, 0, len(partition.names) - 1)]
