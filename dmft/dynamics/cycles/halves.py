"""Cycles that go round one of half their period twice: there the curve of a doubled cycle turns back on itself."""

from __future__ import annotations

import numpy as np

SWAPPED = 0.01  # cosine between the differences of both halves: less, and they have become one another


def apart(orbit: np.ndarray, n_phases: int) -> np.ndarray | None:
    """Return how far the halves of a cycle (period, n_features) are apart, None if half its period is none."""
    half = len(orbit) // 2
    if len(orbit) % 2 or half % n_phases:
        return None
    return orbit[:half] - orbit[half:]


def is_twice(orbit: np.ndarray, n_phases: int, most: float) -> bool:
    """Return whether a cycle is one of half its period twice over, but for so much, root mean square."""
    between = apart(orbit, n_phases)
    return between is not None and bool(np.sqrt(np.mean(between**2)) < most)


def swap(before: np.ndarray, after: np.ndarray, n_phases: int) -> bool:
    """Return whether both halves of a cycle become one another from one point of a curve to the next.

    Past a cycle of half the period they change places, or the continuation has gone over to it.
    """
    one, other = apart(before, n_phases), apart(after, n_phases)
    if one is None or other is None:
        return False
    return bool(np.sum(one * other) < SWAPPED * np.sum(one**2))
