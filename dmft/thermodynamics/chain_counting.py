"""Statistics of what the steps of a chain count, in the stationary state, without sampling."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import finite
from .._util.readonly import seal
from .._util.values import Frozen
from .growth import growth

EDGES_AT_ONCE = 1 << 20
LARGEST = 300.0  # logarithm of a tilted step


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChainCounting(Frozen):
    """A count of the steps of a chain: its mean and variance per step in the long run.

    Attributes
    ----------
    mean, variance : float
    ep : float
        Entropy production per step.

    References
    ----------
    K. Proesmans, C. Van den Broeck, EPL 119, 20001 (2017), for the uncertainty of currents of chains.
    """

    mean: float
    variance: float
    ep: float
    _P: np.ndarray = dataclasses.field(repr=False)
    _increments: np.ndarray = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        seal(self)

    @property
    def tur(self) -> float:
        """The variance over the mean squared, times ``exp(ep) - 1``: >= 2 of what changes its sign with the step."""
        with np.errstate(over="ignore"):
            return np.inf if self.mean == 0 else float(self.variance / self.mean**2 * np.expm1(self.ep))

    @own_arithmetic
    def scgf(self, k: ArrayLike) -> np.ndarray:
        """Return the scaled cumulant generating function per step: how ln of the mean of exp(k count) grows.

        Parameters
        ----------
        k : array_like

        Returns
        -------
        ndarray
            Of the shape of `k`; 0 at 0, with `mean` and `variance` as its first derivatives there.

        Raises
        ------
        ValueError
            If exp(k increment) is no number.
        FloatingPointError
            If the growth is not found.
        """
        points = finite("k", k)
        found = scgf_of_steps(self._P, self._increments, points)
        found.ravel()[points.ravel() == 0] = 0.0
        return found


def scgf_of_steps(P: np.ndarray, increments: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the scaled cumulant generating function of increments, each finite where a step occurs."""
    steps = P > 0
    largest = float(abs(k).max(initial=0.0)) * float(abs(increments[steps]).max(initial=0.0))
    if not largest < LARGEST:
        raise ValueError(f"k must have steps' ratios to its power that are finite, got exp({largest:.3g})")
    target, source = np.nonzero(steps & ~np.eye(len(P), dtype=bool))
    found, step = np.empty(k.size), max(1, EDGES_AT_ONCE // max(1, len(source)))
    stay = np.diagonal(P)
    own = np.diagonal(increments)
    if not own[stay > 0].any():
        for first in range(0, k.size, step):
            tilt = k.ravel()[first : first + step, None] * increments[target, source]
            found[first : first + step] = growth(source, target, np.log(P[target, source]) + tilt, stay)
    else:  # what a stay counts tilts the diagonal
        for i, point in enumerate(k.ravel()):
            logs = np.log(P[target, source]) + point * increments[target, source]
            diagonal = stay * np.exp(point * np.where(stay > 0, own, 0.0))
            found[i] = growth(source, target, logs[None], diagonal)[0]
    return np.log(found).reshape(k.shape)


def moments_of_steps(P: np.ndarray, p: np.ndarray, increments: np.ndarray) -> tuple[float, float]:
    """Return mean and variance per step of increments in the long run from the stationary state."""
    given = np.where(P > 0, increments, 0)
    first, second = P * given, P * given**2
    mean = float((first @ p).sum())
    # Sum of what a step changes of the means of all later ones; the added row of ones makes its sum 0.
    A = np.eye(len(P)) - P + np.outer(p, np.ones(len(P)))
    with one_blas_thread():
        z = np.linalg.solve(A, first @ p - mean * p)
    return mean, float((second @ p).sum() - mean**2 + 2 * (first @ z).sum())
