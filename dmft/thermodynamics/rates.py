"""What a jump process is made of: edges between states, their rates, and the reservoirs that drive them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, within
from .._util.readonly import read_only
from .._util.values import Value
from .edges import checked_edges, reverse_edges
from .reservoir import Reservoir, as_baths

LARGEST_LOG_RATE = 700.0  # sums of rates are numbers too


@dataclasses.dataclass(frozen=True, eq=False)
class Rates(Value):
    """The edges of a `MarkovJump` with their rates; its parameters are described there."""

    source: np.ndarray
    target: np.ndarray
    log_rate: np.ndarray
    mechanism: np.ndarray
    n_states: int
    reservoirs: tuple[Reservoir, ...] | None
    energy: np.ndarray | None
    number: np.ndarray | None
    reverse: np.ndarray

    def __init__(
        self,
        source: ArrayLike,
        target: ArrayLike,
        log_rate: ArrayLike,
        mechanism: ArrayLike | None = None,
        *,
        n_states: int | None = None,
        reservoirs: Sequence[Reservoir] | None = None,
        energy: ArrayLike | None = None,
        number: ArrayLike | None = None,
    ) -> None:
        logs = finite("log_rate", log_rate, (None,))
        baths = None if reservoirs is None else as_baths(reservoirs)
        n_mechanisms = None if baths is None else len(baths)
        x, y, v, n = checked_edges(source, target, mechanism, len(logs), n_states, n_mechanisms)
        fixed = (x, y, logs, v)
        for field, array in zip(("source", "target", "log_rate", "mechanism"), fixed, strict=True):
            object.__setattr__(self, field, read_only(array))
        object.__setattr__(self, "n_states", n)
        object.__setattr__(self, "reservoirs", None if baths is None else tuple(baths))
        for field, given in (("energy", energy), ("number", number)):
            object.__setattr__(self, field, None if given is None else read_only(finite(field, given, (n,))))
        object.__setattr__(self, "reverse", read_only(reverse_edges(x, y, v)))

    @classmethod
    def from_rates(
        cls,
        rates: ArrayLike,
        *,
        reservoirs: Sequence[Reservoir] | None = None,
        energy: ArrayLike | None = None,
        number: ArrayLike | None = None,
    ) -> Self:
        """Return the process of a table of rates.

        Parameters
        ----------
        rates : array_like, shape (n_states, n_states) or (n_mechanisms, n_states, n_states)
            ``rates[v, x', x]`` >= 0 from x to x'; the diagonals are not used.
        reservoirs, energy, number
            As for the class.

        Returns
        -------
        MarkovJump

        Raises
        ------
        ValueError
            If a rate is negative or not finite, or the table is not square.

        Examples
        --------
        >>> from dmft.thermodynamics import MarkovJump
        >>> MarkovJump.from_rates([[0.0, 3.0], [1.0, 0.0]]).stationary()
        array([0.75, 0.25])
        """
        W = within("rates", finite("rates", rates), 0, np.inf)
        W = W[None] if W.ndim == 2 else W
        if W.ndim != 3 or W.shape[1] != W.shape[2]:
            raise ValueError(f"rates must have shape (n_mechanisms, n_states, n_states), got shape {W.shape}")
        off = W * ~np.eye(W.shape[1], dtype=bool)
        v, y, x = np.nonzero(off)
        log_rate = np.log(off[v, y, x])
        return cls(x, y, log_rate, v, n_states=W.shape[1], reservoirs=reservoirs, energy=energy, number=number)

    @classmethod
    @own_arithmetic
    def from_energies(
        cls,
        energy: ArrayLike,
        prefactors: ArrayLike,
        reservoirs: Sequence[Reservoir] = (Reservoir(),),
        number: ArrayLike | None = None,
    ) -> Self:
        r"""Return a process in local detailed balance: rates :math:`G_v e^{-(\Delta E - \mu_v \Delta N) / 2 T_v}`.

        Parameters
        ----------
        energy : array_like, shape (n_states,)
        prefactors : array_like, shape (n_mechanisms, n_states, n_states) or (n_states, n_states)
            ``prefactors[v]`` symmetric, >= 0.
        reservoirs : sequence of Reservoir
            One a mechanism.
        number : array_like, shape (n_states,), optional
            0 unless given.

        Returns
        -------
        MarkovJump

        Raises
        ------
        ValueError
            If prefactors are negative or not symmetric, or shapes do not match.

        Examples
        --------
        >>> from dmft.thermodynamics import MarkovJump
        >>> two = MarkovJump.from_energies([0.0, np.log(3.0)], [[0.0, 1.0], [1.0, 0.0]])
        >>> two.stationary().round(12)  # the law of Gibbs
        array([0.75, 0.25])
        """
        E, baths = finite("energy", energy, (None,)), as_baths(reservoirs)
        n = len(E)
        N = np.zeros(n) if number is None else finite("number", number, (n,))
        G = within("prefactors", finite("prefactors", prefactors), 0, np.inf)
        G = G[None] if G.ndim == 2 else G
        if G.shape != (len(baths), n, n):
            raise ValueError(f"prefactors must have shape {(len(baths), n, n)}, got shape {G.shape}")
        if not np.array_equal(G, G.transpose(0, 2, 1)):
            raise ValueError("prefactors must be symmetric, got others")
        off = G * ~np.eye(n, dtype=bool)
        v, y, x = np.nonzero(off)
        T = np.array([r.T for r in baths])[v]
        mu = np.array([r.mu for r in baths])[v]
        log_rate = np.log(off[v, y, x]) - (E[y] - E[x] - mu * (N[y] - N[x])) / (2 * T)
        return cls(x, y, log_rate, v, n_states=n, reservoirs=baths, energy=E, number=N)

    @property
    def n_mechanisms(self) -> int:
        """Number of mechanisms."""
        if self.reservoirs is not None:
            return len(self.reservoirs)
        return int(self.mechanism.max()) + 1 if len(self.mechanism) else 1

    @property
    def log_ratio(self) -> np.ndarray:
        """Entropy that an edge gives to its reservoir: ln of its rate over its reverse's; inf for one-way edges."""
        back = self.log_rate[self.reverse]
        return np.where(self.reverse >= 0, self.log_rate - back, np.inf)

    @own_arithmetic
    def rates(self) -> np.ndarray:
        """Return the rates of the edges as numbers, shape (n_edges,).

        Raises
        ------
        ValueError
            If one is larger than any number.

        Examples
        --------
        >>> from dmft.thermodynamics import MarkovJump
        >>> MarkovJump([0, 1], [1, 0], np.log([2.0, 3.0])).rates().round(12)
        array([2., 3.])
        """
        largest = float(self.log_rate.max(initial=-np.inf))
        if largest > LARGEST_LOG_RATE:
            raise ValueError(f"log_rate must be <= {LARGEST_LOG_RATE} where rates are to be numbers, got {largest!r}")
        return np.exp(self.log_rate)

    @own_arithmetic
    def generator(self) -> sparse.csc_array:
        """Return L of ``dp/dt = L p``, shape (n_states, n_states), sparse; columns add up to 0."""
        shape = (self.n_states, self.n_states)
        rates = self.rates()
        exits = np.bincount(self.source, rates, self.n_states)
        left = np.flatnonzero(exits)
        to, start = np.concatenate([self.target, left]), np.concatenate([self.source, left])
        return sparse.csc_array((np.concatenate([rates, -exits[left]]), (to, start)), shape=shape)
