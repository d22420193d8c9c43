"""Laws over states: their check as arguments, and their logarithms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite, within


def checked_law(name: str, p: ArrayLike, n_states: int) -> np.ndarray:
    """Return a law over the states as it was given, or raise if it is none.

    Examples
    --------
    >>> checked_law("p0", [0.25, 0.75], 2)
    array([0.25, 0.75])
    """
    law = within(name, finite(name, p, (n_states,)), 0, np.inf)
    if abs(law.sum() - 1) > 1e-9:
        raise ValueError(f"{name} must sum to 1, got {float(law.sum())!r}")
    return law


def log_law(p: np.ndarray) -> np.ndarray:
    """Return ln p; of a state without probability a finite number, which no flux multiplies: -inf times 0 is no number.

    Examples
    --------
    >>> log_law(np.array([1.0, 0.0])).round(1)
    array([   0. , -690.8])
    """
    return np.log(np.maximum(p, 1e-300))
