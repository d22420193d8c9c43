"""The published agent that moves to where it believes food to be."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property

import numpy as np
from scipy.special import entr

from ..._util.arithmetic import own_arithmetic
from ..._util.values import Value
from ..chain import MAX_STATES, Chain
from ..laws import checked_law
from ..partition import Partition
from .moves import checked

DEATH = 100 * np.log(2)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FoodAgent(Value):
    """An agent on a line with a level of food and a target, which it eats at or steps towards.

    Parameters
    ----------
    n_loc, n_lev : int
        Locations and levels, at least 2 each.
    direction : int
        1 towards the target, -1 away from it.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    Notes
    -----
    State (location, target or none, level, food or none), the last the fastest. Every move of probability p has its
    reverse with ``p exp(F' - F)``, F being ``10 level``, less 100 ln 2 when dead, plus ``20 n_lev`` with food.

    References
    ----------
    A. Kolchinsky, D. H. Wolpert, Interface Focus 8, 20180041 (2018), and their code.

    Examples
    --------
    >>> agent = FoodAgent()
    >>> end = agent.process.evolve(agent.start, 5)[-1]
    >>> round(agent.viability(end) / float(np.log(2)), 3)  # in bits
    -65.525
    """

    n_loc: int = 5
    n_lev: int = 5
    direction: int = 1

    def __post_init__(self) -> None:
        checked(self, n_loc=(int, 2), n_lev=(int, 2), direction=(int, -1, 1))
        if (n := math.prod(self.shape)) > MAX_STATES:
            raise ValueError(f"n_loc and n_lev must make at most {MAX_STATES} states, got {n}")
        if not self.direction:
            raise ValueError("direction must be 1 or -1, got 0")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of locations, targets, levels and places of food; the last target and place are none."""
        return self.n_loc, self.n_loc + 1, self.n_lev, self.n_loc + 1

    def _moves(self, loc: int, target: int, level: int, food: int) -> list[tuple[tuple[int, int, int, int], float]]:
        none = self.n_loc
        if level and food != none and abs(loc - food) <= 1:
            return [((loc, none, self.n_lev - 1, none), 1.0)]
        if level:
            step = 0 if target == none else self.direction * ((target > loc) - (target < loc))
            loc, level = min(max(loc + step, 0), self.n_loc - 1), level - 1
        if food == none:
            return [((loc, target, level, none), 1.0)]
        return [((loc, target, level, food), 0.9), ((loc, target, level, none), 0.1)]

    @cached_property
    @own_arithmetic
    def process(self) -> Chain:
        """The chain."""
        _, _, level, food = np.indices(self.shape)
        F = 10.0 * level - DEATH * (level == 0) + 20 * self.n_lev * (food != self.n_loc)
        index = np.arange(F.size).reshape(self.shape)
        P = np.zeros((F.size, F.size))
        for here in np.ndindex(*self.shape):
            for there, p in self._moves(*here):
                x, y = index[here], index[there]
                if x != y:
                    P[y, x], P[x, y] = p, p * np.exp(F[there] - F[here])
        P /= P.sum(axis=0).max()
        np.fill_diagonal(P, np.maximum(1 - P.sum(axis=0), 0))
        return Chain(P / P.sum(axis=0))

    @property
    def partition(self) -> Partition:
        """The agent, and its food."""
        loc, target, level, food = np.indices(self.shape).reshape(4, -1)
        return Partition(agent=(loc * (self.n_loc + 1) + target) * self.n_lev + level, food=food)

    @property
    def start(self) -> np.ndarray:
        """The law at the start: in the middle, full, and knowing where food is, which may be anywhere."""
        p, places = np.zeros(self.shape), np.arange(self.n_loc)
        p[self.n_loc // 2, places, self.n_lev - 1, places] = 1 / self.n_loc
        return p.ravel()

    @own_arithmetic
    def viability(self, p: np.ndarray) -> float:
        """Return minus the agent's entropy, that inside a dead agent included, in nats."""
        law = checked_law("p", p, math.prod(self.shape))
        agent = law.reshape(self.shape).sum(axis=3)
        return -float(entr(agent).sum() + DEATH * agent[:, :, 0].sum())
