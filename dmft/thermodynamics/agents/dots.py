"""Two quantum dots that make a demon, and a battery that it feeds."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from ..._util.arithmetic import own_arithmetic
from ..._util.values import Value
from ..partition import Partition
from ..process import MarkovJump
from ..reservoir import Reservoir
from .moves import Moves, checked, divergence, gibbs, ln, net_current, over, positive, room


def _check_dots(self: TwoDots | Battery) -> None:
    checked(self, **dict.fromkeys(("eps_s", "eps_d", "U", "T", "T_d", "mu_L", "mu_R", "mu_d"), -inf))
    checked(self, G_L=("pair", 0), G_R=("pair", 0), G_d=("pair", 0))
    positive(self, "T", "T_d")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TwoDots(Value):
    """A dot s between leads L and R, watched by a dot d at a lead of its own: a demon if that lead is cold.

    Parameters
    ----------
    eps_s, eps_d, U : float
        Energies of an electron on a dot, and of two at once.
    T, T_d : float
        Temperatures of the leads of s and of d, > 0.
    mu_L, mu_R, mu_d : float
        Chemical potentials of the leads.
    G_L, G_R : pair of float
        Rates of the leads of s while d is empty, and filled; >= 0.
    G_d : pair of float
        Rates of the lead of d while s is empty, and filled.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    Notes
    -----
    State ``2 s + d``; mechanisms 0 L, 1 R, 2 D.

    References
    ----------
    P. Strasberg, G. Schaller, T. Brandes, M. Esposito, Phys. Rev. Lett. 110, 040601 (2013).

    Examples
    --------
    >>> demon = TwoDots()
    >>> now = demon.process.budget(partition=demon.partition)
    >>> round(demon.power(), 4), round(now.parts["s"].information, 4)  # against the bias, paid by information
    (0.0815, -1.1002)
    """

    eps_s: float = -0.5
    eps_d: float = 0.0
    U: float = 1.0
    T: float = 1.0
    T_d: float = 0.1
    mu_L: float = 0.0
    mu_R: float = 0.6
    mu_d: float = 0.5
    G_L: tuple[float, float] = (0.02, 1.0)
    G_R: tuple[float, float] = (1.0, 0.02)
    G_d: tuple[float, float] = (20.0, 20.0)

    def __post_init__(self) -> None:
        _check_dots(self)

    @cached_property
    @own_arithmetic
    def process(self) -> MarkovJump:
        """The jump process."""
        moves, d = Moves(), np.arange(2)
        for mechanism, mu, G in ((0, self.mu_L, self.G_L), (1, self.mu_R, self.G_R)):
            gap = over(self.eps_s + self.U * d - mu, self.T)
            moves.exchange(d, 2 + d, ln(G), gap, mechanism)
        gap = over(self.eps_d + self.U * d - self.mu_d, self.T_d, "T_d")
        moves.exchange(2 * d, 2 * d + 1, ln(self.G_d), gap, 2)
        baths = [Reservoir(self.T, self.mu_L), Reservoir(self.T, self.mu_R), Reservoir(self.T_d, self.mu_d)]
        energy = [0.0, self.eps_d, self.eps_s, self.eps_s + self.eps_d + self.U]
        return moves.process(4, baths, energy=energy, number=[0.0, 1.0, 1.0, 2.0])

    @property
    def partition(self) -> Partition:
        """The two dots."""
        return Partition(s=[0, 0, 1, 1], d=[0, 1, 0, 1])

    @own_arithmetic
    def current(self, p: ArrayLike | None = None) -> float:
        """Return the electrons per unit time from lead L into the dot; stationary unless a law is given."""
        return net_current(self.process, self.process.law(p), 0)

    def power(self, p: ArrayLike | None = None) -> float:
        """Return the power won against the bias, ``(mu_R - mu_L)`` times the current."""
        return (self.mu_R - self.mu_L) * self.current(p)

    @own_arithmetic
    def stored(self, p: ArrayLike | None = None) -> float:
        """Return the stored free energy of dot s, T times the divergence of its law from equilibrium with lead L.

        The equilibrium is the joint one, d being at temperature T too; stationary unless a law is given.
        """
        d = np.arange(2)
        fill = -over(self.eps_s - self.mu_L, self.T)
        weight = np.stack(
            [-over(self.eps_d - self.mu_d, self.T) * d, fill - over(self.eps_d + self.U - self.mu_d, self.T) * d]
        )
        law, equal = (joint.reshape(2, 2).sum(axis=1) for joint in (self.process.law(p), gibbs(weight)))
        return self.T * divergence(law, equal, lambda: np.asarray(logsumexp(weight, axis=1)))

    @own_arithmetic
    def cycle_current(self) -> float:
        """Return the rate of the cycle (0,0) > (1,0) > (1,1) > (0,1), in closed form: 16 trees of a ring."""
        ring, process = [0, 2, 3, 1], self.process
        W = np.zeros((4, 4))
        np.add.at(W, (process.source, process.target), np.exp(process.log_rate))
        up = np.array([W[ring[i], ring[(i + 1) % 4]] for i in range(4)])
        down = np.array([W[ring[(i + 1) % 4], ring[i]] for i in range(4)])
        trees = 0.0
        for cut in range(4):  # the edge that a tree leaves out, then the root: edges lead to it
            path = [(cut + 1 + j) % 4 for j in range(4)]
            for root in range(4):
                trees += np.prod([up[path[j]] for j in range(root)]) * np.prod([down[path[j]] for j in range(root, 3)])
        return float((up.prod() - down.prod()) / trees)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Battery(Value):
    """A demon of two dots whose lead R is a store of at most `n_max` electrons, which leaks: it feeds itself.

    Parameters
    ----------
    n_max : int
        At least 1.
    charging : float
        How much the potential of the store grows with each electron.
    leak : float
        Rate, >= 0, at which the store leaks to lead L.
    eps_s, eps_d, U, T, T_d, mu_L, mu_R, mu_d, G_L, G_R, G_d
        As for `TwoDots`; `mu_R` is the potential of the empty store.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    Notes
    -----
    State ``(2 s + d)(n_max + 1) + n``; mechanisms 0 L, 1 store, 2 D, 3 leak.

    References
    ----------
    The dots: P. Strasberg et al., Phys. Rev. Lett. 110, 040601 (2013). The store is of this package.

    Examples
    --------
    >>> round(Battery(T_d=0.1).stored(), 2), round(Battery(T_d=1.0).stored(), 12)  # in units of T
    (4.47, 0.0)
    """

    n_max: int = 6
    charging: float = 0.3
    leak: float = 0.02
    eps_s: float = -0.5
    eps_d: float = 0.0
    U: float = 1.0
    T: float = 1.0
    T_d: float = 0.1
    mu_L: float = 0.0
    mu_R: float = 0.0
    mu_d: float = 0.5
    G_L: tuple[float, float] = (0.02, 1.0)
    G_R: tuple[float, float] = (1.0, 0.02)
    G_d: tuple[float, float] = (20.0, 20.0)

    def __post_init__(self) -> None:
        checked(self, n_max=(int, 1), charging=-inf, leak=0)
        _check_dots(self)

    @cached_property
    @own_arithmetic
    def process(self) -> MarkovJump:
        """The jump process."""
        size = self.n_max + 1
        room(4, size)
        state = np.arange(4 * size).reshape(2, 2, size)
        moves, d, n = Moves(), np.arange(2)[:, None], np.arange(size)
        gap = over(self.eps_s + self.U * d - self.mu_L, self.T)
        moves.exchange(state[0], state[1], ln(self.G_L)[:, None], gap, 0)
        store = self.mu_R + self.charging * (n[:-1] + 0.5)
        gap = over(self.eps_s + self.U * d - store, self.T)
        # What the store fills is its own level: the electron comes from dot s, so the gap is turned round.
        moves.exchange(state[1, :, :-1], state[0, :, 1:], ln(self.G_R)[:, None], -gap, 1)
        gap = over(self.eps_d + self.U * d - self.mu_d, self.T_d, "T_d")  # here the axis is s
        moves.exchange(state[:, 0], state[:, 1], ln(self.G_d)[:, None], gap, 2)
        fall = over(store - self.mu_L, self.T)
        moves.add(state[..., 1:], state[..., :-1], ln(self.leak) + fall / 2, 3)
        moves.add(state[..., :-1], state[..., 1:], ln(self.leak) - fall / 2, 3)
        cold, warm = Reservoir(self.T_d, self.mu_d), Reservoir(self.T, self.mu_L)
        return moves.process(4 * size, [warm, Reservoir(self.T), cold, warm])

    @property
    def partition(self) -> Partition:
        """Dot d, and all that it does not control by itself: dot s with the store."""
        s, d, n = np.indices((2, 2, self.n_max + 1)).reshape(3, -1)
        return Partition(s_and_store=s * (self.n_max + 1) + n, d=d)

    @property
    def sensing(self) -> tuple[str, tuple[int, ...]]:
        """What the agent senses, and the mechanisms that do: dot d sees dot s."""
        return "s_and_store", (2,)

    @own_arithmetic
    def store(self, p: ArrayLike | None = None) -> np.ndarray:
        """Return the law of the number of stored electrons, shape (n_max + 1,); stationary unless a law is given."""
        return self.process.law(p).reshape(4, -1).sum(axis=0)

    @own_arithmetic
    def store_in_equilibrium(self) -> np.ndarray:
        """Return the law of the store in equilibrium with lead L."""
        return gibbs(self._log_weight())

    def _log_weight(self) -> np.ndarray:
        n = np.arange(self.n_max + 1)
        return -np.asarray(over((self.mu_R - self.mu_L) * n + self.charging * n**2 / 2, self.T))

    @own_arithmetic
    def stored(self, p: ArrayLike | None = None) -> float:
        """Return the stored free energy, T times the divergence of the store's law from equilibrium."""
        return self.T * divergence(self.store(p), self.store_in_equilibrium(), self._log_weight)
