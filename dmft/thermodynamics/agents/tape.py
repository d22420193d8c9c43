"""A demon that reads a tape of bits and writes on it."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import entr

from ..._util.arithmetic import own_arithmetic
from ..._util.values import Value
from ..evolution import transitions
from ..process import MarkovJump
from .moves import checked, positive


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Tape(Value):
    """A demon of three states A, B, C, each bit of a tape being before it for a time `tau`.

    Parameters
    ----------
    eps : float
        How much the load pulls back, in (-1, 1): C0 turns to A1 at the rate 1 - eps and back at 1 + eps.
    delta : float
        Excess of zeros on the tape, in [-1, 1].
    tau : float
        > 0.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    References
    ----------
    D. Mandal, C. Jarzynski, Proc. Natl. Acad. Sci. 109, 11641 (2012).

    Examples
    --------
    >>> tape = Tape(eps=0.2, delta=0.8, tau=1.0)
    >>> tape.work() <= tape.entropy_gain(), tape.kind()
    (True, 'engine')
    """

    eps: float
    delta: float
    tau: float

    def __post_init__(self) -> None:
        checked(self, eps=(-1, 1), delta=(-1, 1), tau=0)
        positive(self, "tau")
        if abs(self.eps) == 1:
            raise ValueError(f"eps must be inside (-1, 1), got {self.eps!r}")

    @property
    @own_arithmetic
    def process(self) -> MarkovJump:
        """The jump process while one bit is before the demon: mechanisms 0 of the demon alone, 1 of the load.

        State ``3 bit + demon``. C0 turns to A1: bit and demon move at once, so that they are no partition.
        """
        x, y = np.array([0, 1, 3, 4]), np.array([1, 2, 4, 5])
        pull = np.log([1 - self.eps, 1 + self.eps])
        log_rate, mechanism = np.concatenate([np.zeros(8), pull]), np.repeat([0, 1], [8, 2])
        return MarkovJump(np.r_[x, y, 2, 3], np.r_[y, x, 3, 2], log_rate, mechanism, n_states=6)

    @property
    def generator(self) -> np.ndarray:
        """L of ``dp/dt = L p`` for state ``3 bit + demon``, shape (6, 6)."""
        L = np.zeros((6, 6))
        for x, y in ((0, 1), (1, 2), (3, 4), (4, 5)):
            L[x, y] = L[y, x] = 1.0
        L[3, 2], L[2, 3] = 1 - self.eps, 1 + self.eps
        return L - np.diag(L.sum(axis=0))

    @own_arithmetic
    def _period(self) -> tuple[np.ndarray, np.ndarray]:
        bits = np.array([(1 + self.delta) / 2, (1 - self.delta) / 2])
        step = transitions(self.generator, self.tau).reshape(2, 3, 2, 3)
        M = np.einsum("aibj,b->ij", step, bits)
        A = np.vstack([M - np.eye(3), np.ones(3)])
        demon = np.linalg.lstsq(A, np.array([0.0, 0, 0, 1]), rcond=None)[0]
        return demon, np.einsum("aibj,b,j->a", step, bits, demon)

    def demon(self) -> np.ndarray:
        """Return the law of the demon before each bit, shape (3,)."""
        return self._period()[0]

    def turned(self) -> float:
        """Return how many bits turn from 0 to 1, net, for each bit."""
        return float(self._period()[1][1] - (1 - self.delta) / 2)

    @own_arithmetic
    def work(self) -> float:
        """Return the work done on the load for each bit, in units of k_B T."""
        return self.turned() * float(np.log((1 + self.eps) / (1 - self.eps)))

    @own_arithmetic
    def entropy_gain(self) -> float:
        """Return by how much the entropy of each bit grows, in nats: at least the work."""
        before = np.array([(1 + self.delta) / 2, (1 - self.delta) / 2])
        return float(entr(np.clip(self._period()[1], 0, 1)).sum() - entr(before).sum())

    def kind(self) -> str:
        """Return "engine" (work is done), "eraser" (the tape's entropy falls) or "dud"."""
        return "engine" if self.work() > 0 else "eraser" if self.entropy_gain() < 0 else "dud"
