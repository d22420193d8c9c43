r"""How a network responds to one flipped site of a token: a derivative along its orbit.

A flip of site i in token t moves the token's overlaps by :math:`2 (1-\epsilon) W^\alpha_i x_i / N`. Through the query
it moves the attention of step t, through key and value those of steps t to t + L - 1, and through these all that
follow: N times the mean change of :math:`A_{t+\tau}` has the limit that the derivative of the map gives, exactly.
Sites with equal columns respond alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._util.checks import Role
from .batch import Batch
from .finite.sites import ROLES_IN_ORDER, SiteGroups, site_groups
from .kernel import linearize
from .model import SelfAttention, gain
from .records import FEATURE_RECORDS

ROLES: tuple[Role, ...] = ("query", "key", "value")


class Steps:
    """Successive steps of many orbits: what every step saw, and its derivative.

    Parameters
    ----------
    batch : Batch
        It is moved along.
    n_steps : int
        Steps to have, after the first n_context ones.
    """

    def __init__(self, batch: Batch, model: SelfAttention, n_steps: int, n_threads: int | None = None) -> None:
        L, self.model = model.n_context, model
        phase = batch.phase
        record = batch.new_record([name for name in FEATURE_RECORDS if name in ("attention", *ROLES)], L + n_steps)
        batch.advance(L + n_steps, record=record)
        found = record.arrays()
        age = L + np.arange(n_steps)[:, None]  # of the steps that count; all that they see has been recorded
        self.phase, self.n_steps = phase + L, n_steps
        self.after = found["attention"][:, L:]
        windows = found["attention"][:, age - 1 - np.arange(L)]  # (n_points, n_steps, L, M)
        self.query = found["query"][:, L:] * gain(batch.gamma, model.n_features, model.n_heads)[:, None, None]
        self.gain = gain(batch.gamma, model.n_features, model.n_heads)
        self.key, self.value = (found[role][:, age - np.arange(L)] for role in ("key", "value"))
        self.weight = self._weights()
        self.epsilon = batch.epsilon
        self.rows = np.empty((*windows.shape, model.n_features))
        period = model.period
        for first in range(min(period, n_steps)):
            some = windows[:, first::period]
            n = some.shape[1]
            beta, gamma, epsilon = (np.repeat(array, n) for array in (batch.beta, batch.gamma, batch.epsilon))
            flat_windows, at = some.reshape(-1, *some.shape[2:]), (self.phase + first) % period
            flat = linearize(model, beta, gamma, epsilon, flat_windows, at, n_threads)
            self.rows[:, first::period] = flat[1].reshape(*some.shape, model.n_features)

    def _weights(self) -> np.ndarray:
        """Return the softmax weights of every key, for every feature, (n_points, n_steps, L, M)."""
        n_heads = self.model.n_heads
        scores = self.query[:, :, None] * self.key
        scores = scores.reshape(*scores.shape[:-1], n_heads, -1).sum(axis=-1)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        return np.repeat(weights / weights.sum(axis=2, keepdims=True), self.model.n_features // n_heads, axis=-1)

    def of_heads(self, products: np.ndarray) -> np.ndarray:
        """Return sums over the features of each head, for every feature of it, along the last axis."""
        n_heads, width = self.model.n_heads, self.model.n_features // self.model.n_heads
        return np.repeat(products.reshape(*products.shape[:-1], n_heads, width).sum(axis=-1), width, axis=-1)


def flip_responses(steps: Steps, flips: np.ndarray, origins: Sequence[int] | np.ndarray, max_lag: int) -> np.ndarray:
    """Return the derivative of the attention by the overlaps of a token along some directions.

    Parameters
    ----------
    steps : Steps
    flips : ndarray, shape (n_points, 3, n_flips, n_features)
        Directions of the overlaps of query, key and value.
    origins : sequence of int, length n_origins
        The steps whose tokens are changed.
    max_lag : int
        Steps that are followed, at most up to the last one of `steps`.

    Returns
    -------
    ndarray, shape (max_lag + 1, n_points, n_origins, n_flips, n_features)
        Of the attention made so many steps later; at lag 0 by the step of the token itself.
    """
    L, M = steps.model.n_context, steps.model.n_features
    origins = np.asarray(origins)
    query, key, value = (flips[:, i, None] for i in range(3))  # (n_points, 1, n_flips, M)
    n_points, n_flips = flips.shape[0], flips.shape[2]
    window = np.zeros((n_points, origins.size, n_flips, L, M))
    out = np.empty((max_lag + 1, n_points, origins.size, n_flips, M))
    for lag in range(max_lag + 1):
        at = origins + lag
        moved = np.einsum("polab,pojlb->poja", steps.rows[:, at], window)
        if lag < L:  # the token itself is in the context still
            weight, lean = steps.weight[:, at], steps.value[:, at] - steps.after[:, at, None]
            score = steps.of_heads(steps.query[:, at, None] * key)  # of the token's key
            moved += weight[:, :, None, lag] * (value + lean[:, :, None, lag] * score)
        if lag == 0:
            scores = steps.of_heads(
                steps.key[:, at, None] * query[:, :, :, None]
            )  # (n_points, n_origins, n_flips, L, M)
            scores *= steps.gain[:, None, None, None, None]
            moved += ((weight * lean)[:, :, None] * scores).sum(axis=3)
        out[lag] = moved
        window = np.concatenate([moved[:, :, :, None], window[:, :, :, : L - 1]], axis=3)
    return out


def site_flips(groups: SiteGroups, epsilon: np.ndarray) -> np.ndarray:
    """Return N times what a site of each group adds to the overlaps when it goes up, (n_points, 3, n_groups, M)."""
    columns = np.stack([groups.columns[ROLES_IN_ORDER.index(role)] for role in ROLES])
    return 2.0 * (1.0 - epsilon)[:, None, None, None] * columns


# -- as a measure of sweeps -------------------------------------------------------------------

MAX_LAG = 64
N_ORIGINS, APART = 16, 13  # tokens that are changed, and steps from one to the next
SECONDS = 0.02  # of a point, about
VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "response": (("lag",), "1", "N times the change of the attention that one flipped site of a token makes"),
    "response_error": (("lag",), "1", "standard error of the response, from the scatter of its logarithm"),
    "response_rate": ((), "nat / token step", "growth of the response over the second half of the lags"),
    "response_rate_error": ((), "nat / token step", "standard error of that rate"),
}


def response_arrays(batch: Batch, model: SelfAttention, n_threads: int | None = None) -> dict[str, np.ndarray]:
    """Return how points respond to flipped sites as arrays by name, and move the batch along.

    The response is the root of the mean square over all sites and components, then the geometric mean over tokens.
    """
    groups = site_groups(model.features)
    with np.errstate(invalid="ignore", over="ignore"):  # of orbits that left the real numbers
        steps = Steps(batch, model, (N_ORIGINS - 1) * APART + MAX_LAG + 1, n_threads)
        origins = APART * np.arange(N_ORIGINS)
        found = flip_responses(steps, site_flips(groups, batch.epsilon), origins, MAX_LAG)
        square = ((found**2).mean(axis=-1) * groups.weights).sum(axis=-1)  # (lags, n_points, n_origins)
    with np.errstate(divide="ignore", invalid="ignore"):  # what is forgotten has the logarithm -inf
        logs = 0.5 * np.log(square).transpose(1, 2, 0)
        mean, error = logs.mean(axis=1), logs.std(axis=1, ddof=1) / np.sqrt(N_ORIGINS)
        rate = (logs[..., -1] - logs[..., MAX_LAG // 2]) / (MAX_LAG - MAX_LAG // 2)
        forgotten = np.isneginf(logs).any(axis=1)
        response = np.exp(mean)
        return {
            "response": response,
            "response_error": np.where(forgotten, 0.0, response * error),
            "response_rate": np.where(forgotten[:, -1], -np.inf, rate.mean(axis=1)),
            "response_rate_error": np.where(forgotten[:, -1], 0.0, rate.std(axis=1, ddof=1) / np.sqrt(N_ORIGINS)),
        }


def response_doubles(n_points: int, model: SelfAttention) -> float:
    """Return about how many numbers that has in memory at a time."""
    L, M, n_groups = model.n_context, model.n_features, len(site_groups(model.features))
    n_steps = (N_ORIGINS - 1) * APART + MAX_LAG + 1
    return float(n_points * M * (2 * n_steps * L * (M + 4) + 2 * N_ORIGINS * n_groups * (MAX_LAG + L)))


def check_sites(model: SelfAttention) -> None:
    """Raise unless the features fix the columns of their sites."""
    site_groups(model.features)
