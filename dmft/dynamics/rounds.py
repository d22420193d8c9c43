"""One round of many orbits: what it tells of each, in bounded memory however long it is."""

from __future__ import annotations

import dataclasses

import numpy as np

from .streaming import BatchMeans, WeightedAverages

N_BATCHES = 20
CHUNK = 256  # samples at a time
KEPT = 2_048  # states of an orbit that are kept to look at


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Statistics of one round of one orbit; exponents per step, descending."""

    n_samples: int
    period: int
    states: np.ndarray
    mean: np.ndarray
    stderr: np.ndarray
    birkhoff: np.ndarray
    error: np.ndarray
    moments: np.ndarray
    moment_stderr: np.ndarray
    moment_birkhoff: np.ndarray
    moment_error: np.ndarray


def run_round(orbits, n_samples):
    """Run all orbits further; return a `Round` for each."""
    n_exponents, n_points = orbits.n_lost.shape[1], orbits.n_points
    n_features = orbits.size // orbits.period
    n_channels = n_exponents + n_features * (n_features + 3) // 2
    weighted = WeightedAverages(n_points, n_channels, n_samples)
    batched = BatchMeans(n_points, n_channels, N_BATCHES)
    kept = []
    for first in range(0, n_samples, CHUNK):
        states, growth = orbits.strobe(min(CHUNK, n_samples - first), tangents=True)
        moments = moments_of(states.reshape(*states.shape[:2], orbits.period, n_features))
        channels = np.concatenate([growth / orbits.period, moments], axis=2)
        weighted.add(channels)
        batched.add(channels)
        kept = [*kept, states][-(KEPT // CHUNK) :]
    states = np.concatenate(kept, axis=1)
    mean, stderr = batched.mean, batched.stderr()
    birkhoff = weighted.mean.copy()
    with np.errstate(invalid="ignore"):  # -inf - -inf
        error = np.abs(weighted.first - weighted.second)
    gone = np.isneginf(mean)  # an annihilated direction is no doubtful one
    birkhoff[gone], stderr[gone], error[gone] = -np.inf, 0.0, 0.0
    rounds = []
    for i in range(n_points):
        order = np.argsort(-birkhoff[i, :n_exponents], kind="stable")
        each = [x[i, some] for some in (order, slice(n_exponents, None)) for x in (mean, stderr, birkhoff, error)]
        rounds.append(Round(n_samples, orbits.period, states[i], *each))
    return rounds


def moments_of(windows):
    """First and second moments of the rows of windows (..., n_context, n_features), averaged over rows."""
    i, j = np.triu_indices(windows.shape[-1])
    second = (windows[..., i] * windows[..., j]).mean(axis=-2)
    return np.concatenate([windows.mean(axis=-2), second], axis=-1)
