"""Lyapunov exponents of finite networks: the growth of the distance between two that share their noise."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import whole
from ..._util.progress import each, shows_progress
from ..._util.values import Frozen
from ..model import SelfAttention, undriven
from ..reference import attend
from ..start import Start
from .batch import NetworkBatch, replicas
from .covariance import attention_derivatives
from .sites import ROLES_IN_ORDER

_ENTRIES = 2e6  # doubles of the Jacobians held at a time


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NoisySpectrum(Frozen):
    """Lyapunov exponents under noise.

    Attributes
    ----------
    exponents : ndarray, shape (n_exponents,)
        Descending, nats per token step; the mean over replicas.
    stderr : ndarray, shape (n_exponents,)
        Standard error, from the scatter of the replicas.
    replicas : ndarray, shape (n_replicas, n_exponents)
    """

    exponents: np.ndarray
    stderr: np.ndarray
    replicas: np.ndarray


@shows_progress
@own_arithmetic
def noisy_lyapunov(
    model: SelfAttention,
    n_steps: int,
    *,
    n_sites: int,
    n_transient: int = 1_000,
    n_tangent_transient: int = 100,
    n_exponents: int = 1,
    n_replicas: int = 8,
    seed: int,
    start: Start | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> NoisySpectrum:
    r"""Measure the Lyapunov exponents of a finite network under its noise.

    Two copies of a network driven by common random numbers are compared in the limit of a small distance.
    A sum of spins drawn at a fixed quantile of its law, :math:`S = n T + \sqrt{n (1 - T^2)} \, z` with
    :math:`T = \tanh(\beta s \cdot A)`, changes with the field as

    .. math:: \frac{dS}{d(\beta s \cdot A)} = n (1 - T^2) - (S - n T)\, T,

    the derivative of the mean and that of the spread. Products of the Jacobians with this slope along a
    noisy orbit have the exponents. They tend to those of `lyapunov` as N grows wherever the
    attractor is stable against noise, and differ where noise mixes attractors or excites chaotic transients.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    n_steps, n_transient : int
        Token steps to average over, and before them.
    n_sites, seed, start, n_threads
        As for `network`.
    n_tangent_transient : int, default=100
        The last steps of the transient, in which the tangents converge to their directions.
    n_exponents : int, default=1
        How many, from the largest down; at most ``n_context * n_features``.
    n_replicas : int, default=8
        Independent networks, >= 2.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    NoisySpectrum

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Notes
    -----
    Spins that share their uniform numbers one by one, as in `distance`, have no such limit: their
    distance is a whole number of sites.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, lyapunov
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> noisy = noisy_lyapunov(model, 400, n_sites=10**14, seed=1)
    >>> bool(abs(noisy.exponents[0] - lyapunov(model, 400, n_exponents=1).exponents[0]) < 2e-3)
    True
    """
    undriven(model)
    whole("n_steps", n_steps, 1), whole("n_replicas", n_replicas, 2)
    L, M = model.n_context, model.n_features
    n_tangent_transient = whole("n_tangent_transient", n_tangent_transient, 0)
    if whole("n_transient", n_transient, 0) < n_tangent_transient + 2 * L:
        raise ValueError(f"n_transient must be >= {n_tangent_transient + 2 * L}, got {n_transient}")
    if whole("n_exponents", n_exponents, 1) > L * M:
        raise ValueError(f"n_exponents must be <= n_context * n_features = {L * M}, got {n_exponents}")
    batch = replicas(model, n_sites, n_replicas, seed, start, n_threads=n_threads)
    batch.advance(n_transient - n_tangent_transient - L)
    rows = _Rows(model, batch)
    frame = np.zeros((n_replicas, L * M, n_exponents))
    frame[:, np.arange(n_exponents), np.arange(n_exponents)] = 1.0
    growth = np.zeros((n_replicas, n_exponents))
    piece = max(1, int(_ENTRIES / n_replicas / M / (L * M + batch.sizes.shape[1])))
    for n, counted in ((n_tangent_transient, False), (n_steps, True)):
        for first in each(range(0, n, piece), size=piece):
            for jacobian in rows.jacobians(min(piece, n - first)):
                frame = np.concatenate([jacobian @ frame, frame[:, : L * M - M]], axis=1)
                frame, stretch = np.linalg.qr(frame)
                if counted:
                    with np.errstate(divide="ignore"):  # an annihilated direction
                        growth += np.log(np.abs(np.diagonal(stretch, axis1=1, axis2=2)))
    found = growth / n_steps
    with np.errstate(invalid="ignore"):
        stderr = found.std(axis=0, ddof=1) / np.sqrt(n_replicas)
    return NoisySpectrum(found.mean(axis=0), stderr, found)


class _Rows:
    """The last tokens of a batch of networks, and the Jacobians of the next steps."""

    def __init__(self, model: SelfAttention, batch: NetworkBatch) -> None:
        self.model, self.batch = model, batch
        first = batch.new_record(("attention",), 1)
        batch.advance(1, record=first)
        self.before = first.arrays()["attention"]  # the attention before the first token held
        self.held = self._record(model.n_context - 1)

    def _record(self, n_steps: int) -> dict[str, np.ndarray]:
        """Run on; return attention, overlaps and sums of every step."""
        rows = self.batch.new_record(("attention", "query", "key", "value", "sums"), n_steps)
        self.batch.advance(n_steps, record=rows)
        return rows.arrays()

    def jacobians(self, n_steps: int) -> np.ndarray:
        """Run on; return the derivatives of the attention by the window, (n_steps, n_runs, M, L M)."""
        model, batch, L = self.model, self.batch, self.model.n_context
        new = self._record(n_steps)
        rows = {name: np.concatenate([self.held[name], new[name]], axis=1) for name in new}
        before = np.concatenate([self.before, rows["attention"][:, :-1]], axis=1)
        mean = np.tanh(model.beta * before @ batch.groups.signs.T)
        shares = batch.sizes / batch.n_sites[:, None]
        slope = model.beta * (
            (1 - mean**2) * shares[:, None] - (rows["sums"] / batch.n_sites[0] - shares[:, None] * mean) * mean
        )
        response = {
            role: (1.0 - model.epsilon)
            * np.einsum("ja,rtj,jb->rtab", columns, slope, batch.groups.signs, optimize=True)
            for role, columns in zip(ROLES_IN_ORDER[:3], batch.groups.columns, strict=False)
        }
        at = np.arange(L - 1, L - 1 + n_steps)
        window = at[:, None] - np.arange(L)
        query, keys, values = rows["query"][:, at], rows["key"][:, window], rows["value"][:, window]
        weights, attention = attend(model, query, keys, values)
        by_query, by_key, by_value = attention_derivatives(model, weights, attention, query, keys, values)
        out = by_key @ response["key"][:, window] + by_value @ response["value"][:, window]
        out[:, :, 0] += by_query @ response["query"][:, at]
        self.before = before[:, n_steps : n_steps + 1]
        self.held = {name: array[:, n_steps:] for name, array in rows.items()}
        # (run, step, lag, a, b) -> step first, columns (lag, b)
        return out.transpose(1, 0, 3, 2, 4).reshape(n_steps, batch.n_points, model.n_features, -1)
