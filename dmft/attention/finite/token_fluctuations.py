"""Successive tokens of large networks: their covariance about a cycle, and samples of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import instance, whole
from ..._util.memory import PIECE, need_memory
from ..._util.pool import checkpoint
from ..._util.readonly import read_only
from ...information import delayed, gaussian_cmi
from ..model import SelfAttention
from ..orbit import Orbit
from ..orbits import Cycle
from ..start import Start
from .covariance import Linearised, linearised
from .orbit import network
from .successive_tokens import SuccessiveTokens

MOST_COLUMNS = 4096


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TokenCovariance(SuccessiveTokens):
    """The covariance of successive tokens of a large network, stationary on a cycle.

    What a token tells, and is told, are the sums of its spins over groups of equal sites. They are measured in the
    standard deviations that they have given the window, so numbers are of order 1 however many sites there are.

    Attributes
    ----------
    covariance : ndarray, shape (n_tokens * n_groups, n_tokens * n_groups)
        First all groups of the newest token, then of the one before, ...
    n_groups, n_tokens : int
    phase : int
        Position of the newest token in the period of the positions.
    """

    covariance: np.ndarray
    n_groups: int
    n_tokens: int
    phase: int = 0

    @property
    def width(self) -> int:
        """Columns of a token."""
        return self.n_groups

    def _cmi(self, one: list[int], other: list[int], known: list[int]) -> float:
        return gaussian_cmi(self.covariance, one, other, known)


@own_arithmetic
def token_covariance(
    model: SelfAttention,
    orbit: Orbit | Cycle,
    n_tokens: int | None = None,
    *,
    period: int | None = None,
    row: int = -1,
) -> TokenCovariance:
    r"""Return the covariance of successive tokens of a large finite network on a stable cycle.

    The linear equations of `fluctuations`, with the token itself kept: the sum over group j, in units of its scatter
    :math:`\sqrt{(1 - \tanh^2 h_j) / f_j N}` given the attention, :math:`h_j = \beta s_j \cdot A`, is

    .. math:: c_j = \beta \sqrt{f_j}\,\mathrm{sech}(h_j)\, s_j \cdot \sqrt{N} \delta A + \eta_j, \quad
        \langle\eta_i \eta_j\rangle = \delta_{ij}.

    The law of tokens depends on these sums alone, so informations of them are those of the tokens. They stay finite as
    the number of sites grows: the attention scatters as little as the tokens do.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    orbit : Orbit or orbits.Cycle
        As for `fluctuations`, with the end on a stable cycle; period 1 is a fixed point.
    n_tokens : int, optional
        Two tokens more than the context, unless given.
    period : int, optional
        Of the cycle; needed for an `Orbit`.
    row : int, default=-1
        The row of the cycle whose query is the newest token.

    Returns
    -------
    TokenCovariance

    Raises
    ------
    ValueError
        If the orbit does not end on a stable cycle of this period, or there are too many tokens or groups.

    Examples
    --------
    The window screens the past; a part of it does not.

    >>> from dmft import Features, SelfAttention, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=0.9, gamma=220.0, epsilon=0.02)
    >>> tokens = token_covariance(model, trajectory(model, 8, n_transient=2_000), period=4)
    >>> tokens.cmi(0, 5, range(1, 5)) < 1e-12, tokens.cmi(0, 4, range(1, 4)) > 1e-4
    (True, True)
    """
    linear, length = linearised(model, orbit, period)
    if length is None:
        raise ValueError("period must be that of the cycle at the end of the orbit, got None")
    n_tokens = model.n_context + 2 if n_tokens is None else whole("n_tokens", n_tokens, 1)
    linear.check_cycle(length)
    row = whole("row", row, -length, length - 1) % length
    n_groups = len(linear.shares)
    width = n_tokens * n_groups
    if width > MOST_COLUMNS:
        raise ValueError(f"n_tokens times groups of sites must be <= {MOST_COLUMNS}, got {n_tokens} * {n_groups}")
    need_memory(f"covariances of {n_tokens} tokens", 24.0 * (width + linear.size) ** 2, "take fewer tokens")
    steps = np.arange(linear.n_rows - length, linear.n_rows)
    begun = linear.stationary(steps)
    oldest = row - n_tokens + 1
    for t in steps[: oldest % length].tolist():
        jacobian, source = linear.step(t)
        begun = jacobian @ begun @ jacobian.T + source
    # The state and the tokens, by the state at the beginning and the noise of each token.
    state = np.eye(linear.size, linear.size + width)
    tokens = np.zeros((n_tokens, n_groups, linear.size + width))
    for k in range(n_tokens):
        t = int(steps[(oldest + k) % length])
        scatter, noise = np.sqrt(linear.shares) * _sech(linear, t), np.zeros((n_groups, linear.size + width))
        noise[:, linear.size + k * n_groups :][:, :n_groups] = np.eye(n_groups)
        response = model.beta * scatter[:, None] * linear.signs
        tokens[-1 - k] = response @ state[: model.n_features] + noise
        jacobian, to_state = linear.maps(t)
        of_overlaps = (1.0 - model.epsilon) * (linear.columns * scatter[:, None]).transpose(0, 2, 1).reshape(
            -1, n_groups
        )
        state = jacobian @ state + to_state @ of_overlaps @ noise
    flat = tokens.reshape(width, -1)
    known, drawn = flat[:, : linear.size], flat[:, linear.size :]
    covariance = known @ begun @ known.T + drawn @ drawn.T
    phase = int(linear.phases[steps[row]])
    return TokenCovariance(read_only((covariance + covariance.T) / 2), n_groups, n_tokens, phase)


def _sech(linear: Linearised, t: int) -> np.ndarray:
    """Return sech of the fields of the token at row t, where 1 - tanh^2 would lose its digits."""
    size = np.exp(-abs(linear.model.beta * linear.signs @ linear.attention[t - 1]))
    return np.asarray(2 * size / (1 + size**2))


@own_arithmetic
def token_samples(
    model: SelfAttention,
    n_tokens: int,
    n_samples: int,
    *,
    n_sites: int,
    seed: int,
    phase: int = 0,
    every: int | None = None,
    n_transient: int = 1_000,
    n_replicas: int = 1,
    start: Start | None = None,
    n_threads: int | None = None,
) -> np.ndarray:
    """Sample successive tokens of a finite network: what `dmft.information` estimates informations from.

    Parameters
    ----------
    model : SelfAttention
    n_tokens : int
        Tokens of a sample.
    n_samples : int
        Of each replica.
    n_sites, seed, n_replicas, start, n_threads
        As for `network`.
    phase : int, default=0
        Position of the newest token of a sample, where positions matter.
    every : int, optional
        Steps from one sample to the next; the context where positions matter, of which it has to be a multiple; else 1.
    n_transient : int, default=1_000
        Steps before the first sample.

    Returns
    -------
    ndarray of int64, shape (n_replicas, n_samples, n_tokens * n_groups)
        Sums of spins over groups of equal sites, tokens and groups in the order of `TokenCovariance`. Where every site
        is a group of its own, its spins, up to a sign.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or as `network`.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> from dmft.information import discrete_cmi_estimate
    >>> features = Features.random(n_features=2, n_sites=3, n_positions=0, seed=1)
    >>> tiny = SelfAttention(features, n_context=2, beta=2.0, gamma=2.0)
    >>> samples = token_samples(tiny, 3, 5_000, n_sites=3, seed=1)
    >>> samples.shape
    (1, 5000, 9)
    >>> next_by_last = discrete_cmi_estimate(samples, [0, 1, 2], [3, 4, 5], block=50, n_boot=20)
    >>> next_by_last.value > 5 * next_by_last.error
    True
    """
    instance("model", model, SelfAttention, "a dmft.SelfAttention")
    n_tokens, n_samples = whole("n_tokens", n_tokens, 1), whole("n_samples", n_samples, 1)
    L = model.n_context
    phase, n_transient = whole("phase", phase, 0, L - 1), whole("n_transient", n_transient)
    cycle = L if model.epsilon else 1
    every = cycle if every is None else whole("every", every, 1)
    if every % cycle:
        raise ValueError(f"every must be a multiple of n_context = {L} where positions matter, got {every}")
    n_steps = (n_samples - 1) * every + n_tokens + (cycle - 1)
    runs = network(
        model,
        n_steps,
        n_sites=n_sites,
        n_transient=n_transient,
        n_replicas=n_replicas,
        seed=seed,
        start=start,
        record=("sums",),
        n_threads=n_threads,
    )
    sums = np.asarray(runs.sums)
    sums = sums.reshape(-1, *sums.shape[-2:])
    phases = (runs.window.arguments["phase"] - n_steps + np.arange(n_steps)) % L
    first = int(np.argmax(phases[n_tokens - 1 :] == phase)) if cycle > 1 else 0
    need_memory(f"{n_samples} samples of {n_tokens} tokens", 8.0 * len(sums) * n_samples * n_tokens * sums.shape[2])
    out = np.empty((len(sums), n_samples, n_tokens * sums.shape[2]), dtype=np.int64)
    piece = max(1, PIECE // (len(sums) * out.shape[2] * every))  # of a moment: Python sees to Ctrl-C between two
    for begin in range(0, n_samples, piece):
        checkpoint()
        n = min(piece, n_samples - begin)
        at = first + begin * every
        rows = delayed(sums[:, at : at + (n - 1) * every + n_tokens], np.arange(n_tokens))
        out[:, begin : begin + n] = np.rint(rows[:, ::every])
    return out
