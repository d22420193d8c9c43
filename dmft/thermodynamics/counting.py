"""Statistics of currents in the stationary state, without sampling."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import splu

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, number
from .._util.readonly import seal
from .._util.values import Frozen
from .growth import growth

if TYPE_CHECKING:
    from .process import MarkovJump

EDGES_AT_ONCE = 1 << 20
LARGEST = 300.0  # logarithm of a tilted rate


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Counting(Frozen):
    r"""A current: mean and variance of its count per unit time in the long run.

    Attributes
    ----------
    mean, variance : float
    ep, activity : float
        Of the stationary state.

    References
    ----------
    A. C. Barato, U. Seifert, Phys. Rev. Lett. 114, 158101 (2015);
    I. Di Terlizzi, M. Baiesi, J. Phys. A 52, 02LT03 (2019).
    """

    mean: float
    variance: float
    ep: float
    activity: float
    _process: MarkovJump = dataclasses.field(repr=False)
    _increments: np.ndarray = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        seal(self)

    @property
    def tur(self) -> float:
        """The variance over the mean squared, times the entropy production: >= 2."""
        return self._relative(self.ep)

    @property
    def kur(self) -> float:
        """The variance over the mean squared, times the activity: >= 1."""
        return self._relative(self.activity)

    def _relative(self, cost: float) -> float:
        # Where nothing is produced the mean is 0 but for rounding.
        return np.inf if self.mean == 0 or self.ep == 0 else self.variance / self.mean**2 * cost

    @own_arithmetic
    def scgf(self, k: ArrayLike) -> np.ndarray:
        """Return the scaled cumulant generating function, the rate at which the mean of exp(k count) grows.

        Parameters
        ----------
        k : array_like
            Any shape.

        Returns
        -------
        ndarray
            Of the shape of `k`; 0 at 0, with `mean` and `variance` as its first derivatives there.

        Raises
        ------
        ValueError
            If rates times exp(k increment) are no numbers.
        FloatingPointError
            If the growth is not found.
        """
        points = finite("k", k)
        process = self._process
        bounds = [process.log_rate + k * self._increments for k in (points.min(initial=0.0), points.max(initial=0.0))]
        largest = float(np.max(bounds, initial=0.0))
        if not largest < LARGEST:
            raise ValueError(f"k must have rates times exp(k increment) that are finite, got exp({largest:.3g})")
        out = np.bincount(process.source, process.rates(), process.n_states)
        found, step = np.empty(points.size), max(1, EDGES_AT_ONCE // max(1, len(process.source)))
        for first in range(0, points.size, step):
            logs = process.log_rate + points.ravel()[first : first + step, None] * self._increments
            found[first : first + step] = growth(process.source, process.target, logs, -out)
        found[points.ravel() == 0] = 0.0
        return found.reshape(points.shape)


def solve_balance(process: MarkovJump, right: np.ndarray, adjoint: bool = False) -> np.ndarray:
    """Return z of sum 0 with L z = `right`, which has the sum 0; or with L' z = `right`, of stationary mean 0."""
    n = process.n_states
    ones = np.ones((n, 1))
    bordered = sparse.block_array([[process.generator(), ones], [ones.T, None]]).tocsc()
    return splu(bordered).solve(np.append(right, 0.0), trans="T" if adjoint else "N")[:n]


@own_arithmetic
def of_process(process: MarkovJump, increments: ArrayLike) -> Counting:
    """Return the statistics of a current."""
    d = finite("increments", increments, (len(process.source),))
    paired = process.reverse >= 0
    back = d[process.reverse]
    wrong = paired & (abs(d + back) > 1e-9 * (1 + abs(d)))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(f"increments must change sign on reversed edges, got {d[k]} and {back[k]} for edge {k}")
    p = process.stationary()
    budget = process.budget()
    forth = process.rates() * p[process.source]
    mean = number("mean", forth @ d)
    drift = np.bincount(process.target, forth * d, process.n_states) - mean * p
    z = solve_balance(process, -drift)
    variance = forth @ d**2 + 2 * (process.rates() * d) @ z[process.source]
    return Counting(mean, float(variance), budget.ep, budget.activity, process, d)
