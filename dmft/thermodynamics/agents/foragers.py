"""A forager that must find food to fill its store, and one that regulates how much it eats."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import instance, one_of, whole
from ..._util.values import Value
from ..partition import Partition
from ..process import MarkovJump
from ..reservoir import Reservoir
from .moves import Moves, checked, divergence, gibbs, ln, net_current, room

EATING = 3  # its mechanism


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Forager(Value):
    """An agent at one of `k` places with a store of at most `n_max` units; food is at one place, and jumps.

    Parameters
    ----------
    k, n_max : int
        At least 2 and 1.
    gamma, nu0, nu : float
        Rates, >= 0: of the food's jumps, of drift, of sensed moves.
    a : float
        Affinity of sensing: moves to the food are likelier by ``exp(a)`` than moves away. Only for ``paid="outside"``.
    eta, leak : float
        Rate of eating at the food, >= 0, and its share elsewhere, in [0, 1].
    mu_food, eps, met : float
        Chemical potential of food, energy of a stored unit, rate of metabolism.
    dead : float
        Inner entropy lost by n = 0, >= 0: it slows every way out of there by ``exp(-dead)``.
    paid : {"outside", "store"}
        Whether sensing has its own fuel, or burns a unit of the store for each move onto the food.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    Notes
    -----
    State ``(e k + m)(n_max + 1) + n``; mechanisms 0 environment, 1 drift, 2 sensing, 3 eating, 4 metabolism. k_B T = 1.
    An agent of this package.

    Examples
    --------
    >>> fed, starving = Forager(), Forager(mu_food=0.0)
    >>> fed.stored() > 0.1, round(starving.stored(), 12)
    (True, 0.0)
    """

    k: int = 3
    n_max: int = 8
    gamma: float = 0.1
    nu0: float = 0.02
    nu: float = 1.0
    a: float = 2.0
    eta: float = 0.6
    leak: float = 0.02
    mu_food: float = 3.0
    eps: float = 0.5
    met: float = 0.3
    dead: float = 0.0
    paid: Literal["outside", "store"] = "outside"

    def __post_init__(self) -> None:
        checked(self, k=(int, 2), n_max=(int, 1), gamma=0, nu0=0, nu=0, a=-inf, eta=0, leak=(0, 1))
        checked(self, mu_food=-inf, eps=-inf, met=0, dead=0)
        one_of("paid", self.paid, ("outside", "store"))

    @cached_property
    @own_arithmetic
    def process(self) -> MarkovJump:
        """The jump process."""
        moves = self._moves(np.ones(1))
        return moves.process(self.k**2 * (self.n_max + 1), [Reservoir()] * 5)

    def _moves(self, effort: np.ndarray) -> Moves:
        """Return all moves; the rate of eating is multiplied by `effort`, one for each state of a regulator."""
        k, size, R = self.k, self.n_max + 1, len(effort)
        room(k, k, size, R)
        state = np.arange(k * k * size * R).reshape(k, k, size, R)
        e, m, n, _ = np.indices(state.shape)
        moves, slow = Moves(), np.where(n == 0, -self.dead, 0.0)
        share = ln(1 / (k - 1))
        for shift in range(1, k):
            moves.add(state, np.roll(state, -shift, axis=0), ln(self.gamma) + share, 0)
            to = np.roll(state, -shift, axis=1)  # m + shift
            new_m = (m + shift) % k
            moves.add(state, to, ln(self.nu0) + share, 1)
            if self.paid == "outside":
                towards = (new_m == e).astype(float) - (m == e)
                moves.add(state, to, ln(self.nu) + share + self.a / 2 * towards, 2)
            else:
                onto = (new_m == e) & (n > 0)
                moves.add(state[onto], to[onto] - R, ln(self.nu) + share + self.eps / 2, 2)
                off = (m == e) & (n < self.n_max)
                moves.add(state[off], to[off] + R, (ln(self.nu) + share - self.eps / 2 + slow)[off], 2)
        eat = ln(self.eta) + np.where(m == e, 0.0, ln(self.leak)) + ln(effort)
        moves.add(state[:, :, :-1], state[:, :, 1:], (eat + slow)[:, :, :-1], 3)
        moves.add(state[:, :, 1:], state[:, :, :-1], (eat - (self.mu_food - self.eps))[:, :, 1:], 3)
        moves.add(state[:, :, 1:], state[:, :, :-1], ln(self.met), 4)
        moves.add(state[:, :, :-1], state[:, :, 1:], (ln(self.met) - self.eps + slow)[:, :, :-1], 4)
        return moves

    @property
    def partition(self) -> Partition:
        """Food, and the agent: its place with its store, for sensing paid by the store moves both."""
        room(self.k, self.k, self.n_max + 1)
        e, m, n = np.indices((self.k, self.k, self.n_max + 1)).reshape(3, -1)
        return Partition(food=e, agent=m * (self.n_max + 1) + n)

    @property
    def sensing(self) -> tuple[str, tuple[int, ...]]:
        """What the agent senses, and the mechanisms that do."""
        return "food", (2,)

    @own_arithmetic
    def income(self, p: ArrayLike | None = None) -> float:
        """Return the energy eaten per unit time; stationary unless a law is given."""
        return self.eps * net_current(self.process, self.process.law(p), EATING)

    @own_arithmetic
    def store(self, p: ArrayLike | None = None) -> np.ndarray:
        """Return the law of the store, shape (n_max + 1,); stationary unless a law is given."""
        return self.process.law(p).reshape(self.k**2, -1).sum(axis=0)

    @own_arithmetic
    def store_in_equilibrium(self) -> np.ndarray:
        """Return the law of the store without food's drive."""
        return gibbs(self._log_weight())

    def _log_weight(self) -> np.ndarray:
        n = np.arange(self.n_max + 1)
        return -self.eps * n + np.where(n == 0, self.dead, 0.0)

    @own_arithmetic
    def stored(self, p: ArrayLike | None = None) -> float:
        """Return the stored free energy, the divergence of the store's law from equilibrium, in units of k_B T."""
        return divergence(self.store(p), self.store_in_equilibrium(), self._log_weight)

    @own_arithmetic
    def match_probability(self) -> float:
        """Return the stationary probability to be at the food, in closed form for sensing paid outside."""
        if self.paid != "outside":
            raise ValueError(f"paid must be 'outside' for the closed form, got {self.paid!r}")
        with np.errstate(over="ignore", invalid="ignore"):
            up = (self.gamma + self.nu0 + self.nu * np.exp(self.a / 2)) / (self.k - 1)
            down = self.gamma + self.nu0 + self.nu * np.exp(-self.a / 2)
            found = float(up / (up + down)) if up + down > 0 else np.nan
        if np.isfinite(found) and np.isfinite(up + down):
            return found
        free, sensed = ln(self.gamma + self.nu0), ln(self.nu)
        logs = np.logaddexp(free, sensed + self.a / 2 * np.array([1, -1]))
        if np.isinf(logs).all():
            raise ValueError("gamma, nu0 and nu must not all be 0 for the closed form, got rates of 0")
        return float(expit(logs[0] - logs[1] - np.log(self.k - 1)))

    @own_arithmetic
    def lifetime(self, start: int | None = None) -> float:
        """Return the mean time until the store is empty, from a filling of it, at places as they go with that filling.

        Parameters
        ----------
        start : int, optional
            Units in the store at first; full unless given.

        Returns
        -------
        float

        Raises
        ------
        FloatingPointError
            As for `MarkovJump.first_passage`.
        """
        size = self.n_max + 1
        tau = self.process.first_passage(range(0, self.k**2 * size, size)).reshape(-1, size)
        units = self.n_max if start is None else whole("start", start, 0, self.n_max)
        # Where n = 0 is hardly ever left, how hardly does not change what comes with another filling.
        alive = self if self.dead <= 600 else dataclasses.replace(self, dead=600.0)
        logs = alive.process._log_stationary
        if logs is None:
            places = alive.process.stationary().reshape(-1, size)[:, units]
        else:  # such fillings are rarer than numbers say
            places = gibbs(logs.reshape(-1, size)[:, units])
        if not places.sum() > 0:
            raise FloatingPointError(f"the places with {units} units could not be told: so full a store is too rare")
        if places.sum() < 1e-100:
            places = places / places.sum()  # or products with short times are 0
        return float(places @ tau[:, units] / places.sum())


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Regulated(Value):
    """A forager with a regulator r = 0 .. `R` that scales its eating by r / R, and rises while the store is low.

    Parameters
    ----------
    forager : Forager
    R, target : int
        States of the regulator; it rises below `target` units and falls from there on.
    kappa, g : float
        Rate of the regulator, >= 0, and the affinity of its fuel: steps in the right direction have
        ``kappa exp(g / 2)``, others ``kappa exp(-g / 2)``.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    Notes
    -----
    State of the forager times (R + 1), and r; the regulator is mechanism 5. An agent of this package.

    Examples
    --------
    >>> agent = Regulated(forager=Forager(k=2, n_max=4), target=2)
    >>> 0 < agent.stored() < 10
    True
    """

    forager: Forager = dataclasses.field(default_factory=Forager)
    R: int = 6
    target: int = 4
    kappa: float = 0.02
    g: float = 4.0

    def __post_init__(self) -> None:
        instance("forager", self.forager, Forager, "a Forager")
        checked(self, R=(int, 1), target=(int, 0), kappa=0, g=-inf)

    @cached_property
    @own_arithmetic
    def process(self) -> MarkovJump:
        """The jump process."""
        one = self.forager
        room(one.k, one.k, one.n_max + 1, self.R + 1)
        effort = np.arange(self.R + 1) / self.R
        moves = one._moves(effort)
        state = np.arange(one.k**2 * (one.n_max + 1) * (self.R + 1)).reshape(-1, one.n_max + 1, self.R + 1)
        low = np.where(np.arange(one.n_max + 1) < self.target, 1.0, -1.0)[:, None]
        moves.add(state[..., :-1], state[..., 1:], ln(self.kappa) + self.g / 2 * low, 5)
        moves.add(state[..., 1:], state[..., :-1], ln(self.kappa) - self.g / 2 * low, 5)
        return moves.process(state.size, [Reservoir()] * 6)

    @property
    def partition(self) -> Partition:
        """Food, the agent's place with its store, and the regulator."""
        one = self.forager
        e, m, n, r = np.indices((one.k, one.k, one.n_max + 1, self.R + 1)).reshape(4, -1)
        return Partition(food=e, agent=m * (one.n_max + 1) + n, regulator=r)

    @property
    def sensing(self) -> tuple[str, tuple[int, ...]]:
        """What the agent senses, and the mechanisms that do."""
        return "food", (2,)

    @own_arithmetic
    def income(self, p: ArrayLike | None = None) -> float:
        """Return the energy eaten per unit time; stationary unless a law is given."""
        return self.forager.eps * net_current(self.process, self.process.law(p), EATING)

    @own_arithmetic
    def store(self, p: ArrayLike | None = None) -> np.ndarray:
        """Return the law of the store, shape (n_max + 1,); stationary unless a law is given."""
        return self.process.law(p).reshape(-1, self.forager.n_max + 1, self.R + 1).sum(axis=(0, 2))

    @own_arithmetic
    def stored(self, p: ArrayLike | None = None) -> float:
        """Return the stored free energy, in units of k_B T."""
        return divergence(self.store(p), self.forager.store_in_equilibrium(), self.forager._log_weight)
