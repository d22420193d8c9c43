"""Stationary states and trajectories in plain Python, a state or a jump at a time: the oracle of what is faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

if TYPE_CHECKING:
    from .process import MarkovJump


def eliminate(rates: np.ndarray) -> np.ndarray:
    """Return the stationary state of an irreducible process by Grassmann-Taksar-Heyman elimination.

    States leave one after the other, the process among the others being kept; no numbers are subtracted, so every
    probability is right to rounding, whatever its size.

    Parameters
    ----------
    rates : ndarray, shape (n_states, n_states)
        `rates[x, y]` from x to y; the diagonal is not used.

    Returns
    -------
    ndarray, shape (n_states,)

    References
    ----------
    W. K. Grassmann, M. I. Taksar, D. P. Heyman, Oper. Res. 33, 1107 (1985).

    Examples
    --------
    >>> eliminate(np.array([[0.0, 1.0], [3.0, 0.0]]))
    array([0.75, 0.25])
    """
    Q = np.array(rates, dtype=float)
    for k in range(len(Q) - 1, 0, -1):
        Q[:k, k] /= Q[k, :k].sum()
        Q[:k, :k] += np.outer(Q[:k, k], Q[k, :k])
    p = np.zeros(len(Q))
    p[0] = 1.0
    for k in range(1, len(Q)):
        p[k] = p[:k] @ Q[:k, k]
        if p[k] > 1e150:
            p[: k + 1] /= p[k]
    return p / p.sum()


def eliminate_logs(log_rates: np.ndarray) -> np.ndarray:
    """Return the logarithms of the same, from logarithms of rates, of any size; -inf where there is no jump.

    Examples
    --------
    >>> np.exp(eliminate_logs(np.array([[-np.inf, 2000.0], [2000.0 + np.log(3.0), -np.inf]]))).round(12)
    array([0.75, 0.25])
    """
    Q = np.array(log_rates, dtype=float)
    for k in range(len(Q) - 1, 0, -1):
        Q[:k, k] -= logsumexp(Q[k, :k])
        Q[:k, :k] = np.logaddexp(Q[:k, :k], Q[:k, k, None] + Q[k, None, :k])
    log_p = np.zeros(len(Q))
    for k in range(1, len(Q)):
        log_p[k] = logsumexp(log_p[:k] + Q[:k, k])
    return np.asarray(log_p - logsumexp(log_p))


def net_flow(rates: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return L p for the rates of the flips of every spin at every state, shape (n, 2^n); site 0 is the slowest bit.

    Examples
    --------
    >>> net_flow(np.array([[1.0, 3.0]]), np.array([0.5, 0.5]))
    array([ 1., -1.])
    """
    out = np.zeros_like(p)
    for i, rate in enumerate(rates):
        moved = (rate * p).reshape(2**i, 2, -1)
        out += (moved[:, ::-1] - moved).reshape(-1)
    return out


def philox32(counter: Sequence[int], key: int) -> list[int]:
    """Return the four words of 32 bits of Philox4x32-10 at a counter of four such words.

    References
    ----------
    J. K. Salmon et al., SC11 (2011): the counter 0 at the key 0 is the first of its known answers.

    Examples
    --------
    >>> [f"{word:08x}" for word in philox32([0, 0, 0, 0], 0)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    low, (a, b, c, d), k, m = 2**32 - 1, counter, key & (2**32 - 1), key >> 32
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k, q & low, (p >> 32) ^ d ^ m, p & low
        k, m = (k + 0x9E3779B9) & low, (m + 0xBB67AE85) & low
    return [a, b, c, d]


def columns(rates: np.ndarray) -> tuple[list[int], list[int]]:
    """Return a table of aliases: of each of n columns, the share of 2^64 that is its own, and whose the rest is.

    References
    ----------
    A. J. Walker, ACM Trans. Math. Softw. 3, 253 (1977); M. D. Vose, IEEE Trans. Softw. Eng. 17, 972 (1991).

    Examples
    --------
    >>> columns(np.array([1.0, 3.0]))  # the second has all of its own, whatever its share
    ([9223372036854775808, 0], [1, 1])
    """
    share = [float(rate) for rate in rates / np.cumsum(rates)[-1] * len(rates)]
    own, alias = [0] * len(share), list(range(len(share)))
    small = [i for i, value in enumerate(share) if value < 1]
    large = [i for i, value in enumerate(share) if value >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        own[low], alias[low] = int(share[low] * 2.0**64), high
        share[high] -= 1 - share[low]
        if share[high] < 1:
            small.append(large.pop())
    return own, alias


def path(process: MarkovJump, t: float, key: int, item: int, start: int) -> tuple[list[int], list[float]]:
    """Return the edges that a trajectory takes, and when, by the direct method, a jump at a time.

    Parameters
    ----------
    process : MarkovJump
    t : float
    key : int
        Of the random words, below 2^64.
    item : int
        Number of the trajectory: upper half of the counter; the lower half is that of the jump.
    start : int
        State.

    References
    ----------
    D. T. Gillespie, J. Phys. Chem. 81, 2340 (1977).
    """
    taken: list[int] = []
    times: list[float] = []
    x, now, low = start, 0.0, 2**32 - 1
    while True:
        edges = np.flatnonzero(process.source == x)
        if not len(edges):
            return taken, times
        rates = np.exp(process.log_rate[edges])
        jump = len(taken)
        a, b, c, d = philox32([jump & low, jump >> 32, item & low, item >> 32], key)
        u = ((((a << 32) | b) >> 12) + 0.5) * 2.0**-52
        now -= float(np.log(u) / np.cumsum(rates)[-1])
        if now >= t:
            return taken, times
        own, alias = columns(rates)
        column, rest = divmod(((c << 32) | d) * len(rates), 2**64)
        edge = int(edges[column if rest < own[column] else alias[column]])
        x = int(process.target[edge])
        taken.append(edge)
        times.append(now)
