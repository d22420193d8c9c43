"""The exact moments of one step of a kinetic Ising system, given the states before it and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .moments import Moments

if TYPE_CHECKING:
    from .model import KineticIsing


class Step:
    """One step of a system: conditional means of its spins, and weighted sums for its moments.

    Given the state before, the spins of a parallel or lazy step are independent: their products
    average to products of their conditional means, which are smoother estimates of the
    moments than the spins themselves (Rao and Blackwell). In an asynchronous step only one
    spin moves, so that pairs change by the sum of what each would change.

    Parameters
    ----------
    model : KineticIsing
    """

    def __init__(self, model: KineticIsing) -> None:
        self.model, self.J, self.H = model, model.J, model.H

    def response(self, spins: np.ndarray) -> np.ndarray:
        """Return tanh(h_i) of states, shape (n_states, n_sites): the mean of a spin that is updated."""
        h = spins @ self.J.T
        h += self.H
        return np.tanh(h, out=h)

    def conditional_mean(self, spins: np.ndarray, t: np.ndarray | None = None) -> np.ndarray:
        """Return E[s_i(t) | s(t-1)] of states, shape (n_states, n_sites), `t` being their response."""
        t = self.response(spins) if t is None else t
        if self.model.update == "lazy":
            return spins + self.model.rate * (t - spins)
        return spins + (t - spins) / self.model.n_sites if self.model.update == "async" else t

    def sums(
        self, spins: np.ndarray, weights: np.ndarray | None = None, t: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Return the weighted sums (s_l, mu_i, second moments, mu_i s_l) of states before the step."""
        mu = self.conditional_mean(spins, t)

        def left(x: np.ndarray) -> np.ndarray:
            return x.T if weights is None else x.T * weights

        delayed = left(mu) @ spins
        if self.model.update == "async":
            u = left(mu - spins) @ spins
            pairs = left(spins) @ spins + u + u.T
        else:
            pairs = left(mu) @ mu
        return [left(spins).sum(1), left(mu).sum(1), pairs, delayed]


def moments_of_sums(sums: Sequence[np.ndarray], total: float, n_samples: int = 0) -> Moments:
    """Return the moments of a step from its sums over `total` weight, unbiased for pairs of `n_samples`."""
    before, m, pairs, delayed = (x / total for x in sums)
    unbiased = n_samples / (n_samples - 1) if n_samples > 1 else 1.0
    C = unbiased * (pairs - np.outer(m, m))
    np.fill_diagonal(C, 1 - m**2)
    D = unbiased * (delayed - np.outer(m, before))
    return Moments.unchecked(m=m, C=C, D=D, n_samples=n_samples)
