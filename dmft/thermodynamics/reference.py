"""Stationary states in plain NumPy, one elimination at a time: the oracle of what is faster."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp


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
    """Return the same from logarithms of rates, of any size; -inf where there is no jump.

    Examples
    --------
    >>> eliminate_logs(np.array([[-np.inf, 2000.0], [2000.0 + np.log(3.0), -np.inf]])).round(12)
    array([0.75, 0.25])
    """
    Q = np.array(log_rates, dtype=float)
    for k in range(len(Q) - 1, 0, -1):
        Q[:k, k] -= logsumexp(Q[k, :k])
        Q[:k, :k] = np.logaddexp(Q[:k, :k], Q[:k, k, None] + Q[k, None, :k])
    log_p = np.zeros(len(Q))
    for k in range(1, len(Q)):
        log_p[k] = logsumexp(log_p[:k] + Q[:k, k])
    p = np.exp(log_p - log_p.max())
    return p / p.sum()
