"""What generated tokens are like, in theory and in networks: how they repeat, and what flipped sites do."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import number, whole
from ..._util.memory import need_memory
from ..._util.progress import each, shows_progress
from ..._util.values import Frozen
from ...dynamics.lags import N_BATCHES, N_WINDOWS, VARIABLES, Lags
from ..batch import Batch, single
from ..model import SelfAttention, network_of
from ..reference import attend
from ..responses import ROLES, Steps, flip_responses, site_flips
from ..start import Start
from .batch import NetworkBatch, replicas
from .sites import site_groups


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Generation(Frozen):
    """How the tokens that a network generates repeat themselves.

    Attributes
    ----------
    autocorrelation, autocorrelation_error : ndarray, shape (max_lag + 1,)
        Of the attention, all features together; 1 at lag 0.
    decay, decay_error : float
        Rate of an exponential decay of it, in nats per token step.
    decay_power, decay_power_error : float
        Exponent of a decay by a power of the lag.
    return_times : ndarray, shape (max_lag + 1,)
        Share of the tokens whose attention was last seen so many steps ago; at 0 of those not seen.
    repetition, repetition_error : float
        Share of the tokens seen before, up to the largest lag ago.
    return_time, return_time_error : float
        Mean return time of those; NaN without any.
    """

    autocorrelation: np.ndarray
    autocorrelation_error: np.ndarray
    decay: float
    decay_error: float
    decay_power: float
    decay_power_error: float
    return_times: np.ndarray
    repetition: float
    repetition_error: float
    return_time: float
    return_time_error: float


@shows_progress
@own_arithmetic
def generation(
    model: SelfAttention,
    n_steps: int,
    *,
    n_transient: int = 1_000,
    max_lag: int = 64,
    tolerance: float = 0.1,
    n_sites: int | None = None,
    n_replicas: int = 8,
    seed: int = 0,
    start: Start | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> Generation:
    r"""Measure how the tokens that a network generates repeat themselves.

    The autocorrelation is :math:`C_\tau = \sum_t \delta A_t \cdot \delta A_{t-\tau} \big/ \sqrt{\sum_t |\delta A_t|^2
    \sum_t |\delta A_{t-\tau}|^2}`. A token is seen again where no component of its attention is further away than
    `tolerance` standard deviations of the orbit.

    Parameters
    ----------
    model : SelfAttention
        With a drive, or without.
    n_steps : int
        Token steps that are measured, >= 16; n_transient, and then as many as `max_lag` needs, come before.
    n_transient : int, default=1000
    max_lag : int, default=64
        At least 8.
    tolerance : float, default=0.1
        In standard deviations of the orbit.
    n_sites : int, optional
        N; with features that fix the columns of their sites, as for `network`. Default: the theory.
    n_replicas : int, default=8
        Of networks, >= 2: errors come from their scatter, in theory from successive parts of the run.
    seed : int, default=0
        As for `network`.
    start : Start, optional
        Default: ``Start.random(0)``.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Generation

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    FloatingPointError
        If the orbit leaves the real numbers.

    See Also
    --------
    sweep : measures the same, of orbits, at many points ("autocorrelation", "repetition").

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> found = generation(model, 400)
    >>> found.return_time, found.autocorrelation[[0, 4, 8]].round(9)
    (4.0, array([1., 1., 1.]))
    """
    network_of(model)
    n_steps, max_lag = whole("n_steps", n_steps, N_BATCHES), whole("max_lag", max_lag, N_WINDOWS)
    n_transient, tolerance = whole("n_transient", n_transient), number("tolerance", tolerance, 0.0)
    n_runs = 1 if n_sites is None else whole("n_replicas", n_replicas, 2)
    rows = n_runs * (n_steps / N_BATCHES + 8.0 * max_lag) * model.n_features + 40.0 * n_runs * max_lag * N_BATCHES
    need_memory(f"{n_steps} steps of {n_runs} orbits", 24.0 * rows, "take fewer (n_steps, max_lag, n_replicas)")
    batch: Batch | NetworkBatch = single(model, start, n_threads)
    if n_sites is not None:
        batch = replicas(model, n_sites, n_runs, seed, start, n_threads=n_threads)
    batch.advance(n_transient)
    lags = Lags(_attention(batch, 8 * max_lag), max_lag, tolerance)
    for part in each(np.array_split(np.arange(n_steps), N_BATCHES), size=n_steps / N_BATCHES):
        lags.add(_attention(batch, part.size))
    if batch.failed().any():
        raise FloatingPointError(f"{batch.failed().sum()} of {n_runs} orbits left the real numbers")
    arrays = lags.arrays()
    found: dict[str, Any] = {name: arrays[name].mean(axis=0) for rows_of in VARIABLES.values() for name in rows_of}
    if n_sites is not None:
        for name in found:
            if name.endswith("_error"):
                of_runs = arrays[name.removesuffix("_error")]
                found[name] = of_runs.std(axis=0, ddof=1) / np.sqrt(n_runs)
    del found["decay_law"]
    numbers: dict[str, Any] = {name: one if one.ndim else float(one) for name, one in found.items()}
    return Generation(**numbers)


def _attention(batch: Batch | NetworkBatch, n_steps: int) -> np.ndarray:
    record = batch.new_record(("attention",), n_steps)
    batch.advance(n_steps, record=record)
    return record.arrays()["attention"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FlipResponse(Frozen):
    """What a network makes of one flipped site of a token.

    Attributes
    ----------
    mean, error : ndarray, shape (n_groups, n_steps + 1, n_features)
        N times the mean change of the attention, for a site of each group of equal columns that goes up: from the step
        of the token itself on. The error is that of the pairs of networks; 0 in theory.
    weights : ndarray, shape (n_groups,)
        Share of the sites in each group.
    """

    mean: np.ndarray
    error: np.ndarray
    weights: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Root of the mean square over sites and features, (n_steps + 1,): less what chance adds, and at least 0."""
        square = (self.mean**2 - self.error**2).mean(axis=-1)
        return np.sqrt(np.maximum(self.weights @ square, 0.0))


@shows_progress
@own_arithmetic
def flip_response(
    model: SelfAttention,
    n_steps: int,
    *,
    n_transient: int = 1_000,
    n_sites: int | None = None,
    n_pairs: int = 1_000,
    n_flipped: int = 1,
    seed: int = 0,
    start: Start | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> FlipResponse:
    r"""Measure how a network responds to one flipped site of a token.

    In theory, N times the mean change has a limit, the derivative along the orbit: of attention, keys and values by the
    overlaps of the token, :math:`2 (1-\epsilon) W^\alpha_i / N`, and of all that follows by the map's tangents. In
    networks, twins with common random numbers are compared of which one has the flipped site.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    n_steps : int
        Steps after that of the flipped token, >= 0.
    n_transient : int, default=1000
        Steps before it.
    n_sites : int, optional
        N. Default: the theory.
    n_pairs : int, default=1000
        Pairs of networks for each group of sites, >= 2.
    n_flipped : int, default=1
        Sites that are flipped together, of which the mean change is that of one: chance, relative to it, falls like
        ``n_flipped ** -0.5``, as long as they are few of N.
    seed : int, default=0
        As for `network`.
    start : Start, optional
        Default: ``Start.random(0)``.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    FlipResponse

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    See Also
    --------
    sweep : has the size of the response, over many tokens, as the measure "response".

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> theory = flip_response(model, 40)
    >>> theory.mean.shape, bool(theory.size[40] < theory.size[0])
    ((3, 41, 3), True)
    """
    network_of(model)
    n_steps, n_transient = whole("n_steps", n_steps), whole("n_transient", n_transient)
    n_pairs, n_flipped = whole("n_pairs", n_pairs, 2), whole("n_flipped", n_flipped, 1)
    groups = site_groups(model.features)
    flips = site_flips(groups, np.array([model.epsilon]))
    n_runs = 1 if n_sites is None else 2 * n_pairs
    need_memory(f"{n_runs} orbits", 8.0 * n_runs * (n_steps + 60) * len(groups) * 4.0 * model.n_features, "take fewer")
    if n_sites is None:
        batch = single(model, start, n_threads)
        batch.advance(n_transient)
        found = flip_responses(Steps(batch, model, n_steps + 1, n_threads), flips, [0], n_steps)
        batch.check_finite()
        mean = found[:, 0, 0].swapaxes(0, 1)
        return FlipResponse(mean, np.zeros_like(mean), groups.weights)
    means, errors = np.empty((2, len(groups), n_steps + 1, model.n_features))
    for j in each(range(len(groups)), "groups of sites"):
        twins = replicas(model, n_sites, n_pairs, seed, start, pairs="common", n_threads=n_threads, point=j)
        twins.advance(n_transient + model.n_context)
        apart = _twins_apart(model, twins, flips[0, :, j] * (n_flipped / n_sites), n_steps) * (n_sites / n_flipped)
        means[j], errors[j] = apart.mean(axis=0), apart.std(axis=0, ddof=1) / np.sqrt(n_pairs)
    return FlipResponse(means, errors, groups.weights)


def _twins_apart(model: SelfAttention, twins: NetworkBatch, move: np.ndarray, n_steps: int) -> np.ndarray:
    """Return how far the second of each pair is from the first after a token whose overlaps it has moved."""
    older = twins.memory[:, :, 1:].copy()  # what the step sees beside its own token
    n_older = twins.n_filled - 1
    record = twins.new_record(ROLES, 1)
    twins.advance(1, record=record)
    token = {role: array[:, 0] for role, array in record.arrays().items()}
    first, second = np.arange(0, twins.n_points, 2), np.arange(1, twins.n_points, 2)
    for role, one in zip(ROLES, move, strict=True):
        token[role][second] += one
    keys, values = (
        np.concatenate([token[role][:, None], older[:, kind, :n_older]], axis=1)
        for kind, role in enumerate(("key", "value"))
    )
    twins.attention[second] = attend(model, token["query"], keys, values)[1][second]
    begun = twins.attention.copy()
    begun[first] = attend(model, token["query"], keys, values)[1][first]  # rounded alike
    if model.n_context > 1:
        twins.memory[second, 0, 1], twins.memory[second, 1, 1] = token["key"][second], token["value"][second]
    if not n_steps:
        return (begun[second] - begun[first])[:, None]
    rows = np.concatenate([begun[:, None], _attention(twins, n_steps)], axis=1)
    return rows[second] - rows[first]
