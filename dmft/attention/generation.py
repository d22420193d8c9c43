"""What generated tokens are like, measured at the points of sweeps: how they repeat, and what one flipped site does."""

from __future__ import annotations

import numpy as np

from ..dynamics.lags import N_BATCHES, VARIABLES, Lags
from .batch import Batch
from .model import SelfAttention

MAX_LAG = 64
N_WARM = 512  # steps that tell the size of an orbit
N_STEPS = 4_096  # steps whose tokens count
SECONDS = 0.02  # of a point, about


def lag_arrays(batch: Batch, measure: str) -> dict[str, np.ndarray]:
    """Return the arrays of "autocorrelation" or "repetition", and move the batch along."""

    def rows(n_steps: int) -> np.ndarray:
        record = batch.new_record(("attention",), n_steps)
        batch.advance(n_steps, record=record)
        return record.arrays()["attention"]

    first = rows(N_WARM)
    with np.errstate(invalid="ignore", over="ignore"):  # of orbits that left the real numbers
        lags = Lags(first, MAX_LAG)
        for _ in range(N_BATCHES):
            lags.add(rows(N_STEPS // N_BATCHES))
        found = lags.arrays()
    return {name: found[name] for name in VARIABLES[measure]}


def lag_doubles(n_points: int, model: SelfAttention) -> float:
    """Return about how many numbers that has in memory at a time."""
    return n_points * (N_BATCHES * (model.n_features + 3.0) * (MAX_LAG + 1) * 3 + 6.0 * N_WARM * model.n_features)
