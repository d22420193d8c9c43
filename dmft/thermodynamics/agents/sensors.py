"""A sensor that follows a bit of its environment."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from math import inf

import numpy as np
from scipy.special import expit

from ..._util.arithmetic import own_arithmetic
from ..._util.values import Value
from ..partition import Partition
from ..process import MarkovJump
from ..reservoir import Reservoir
from .moves import Moves, checked, ln


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sensor(Value):
    """A bit s that follows a bit e which flips by itself.

    Parameters
    ----------
    g01, g10 : float
        Rates at which e goes from 0 to 1 and back, > 0.
    nu_passive, nu_active : float
        Rates of the two mechanisms of s, >= 0: by its energy ``-+K / 2`` alone, and with fuel of affinity `a`.
    K, a : float
        Energy won by a match, and what fuel adds.

    Raises
    ------
    ValueError
        If a number is outside its domain.

    Notes
    -----
    State ``2 e + s``; mechanisms 0 environment, 1 passive, 2 active.

    References
    ----------
    A. C. Barato, D. Hartich, U. Seifert, New J. Phys. 16, 103024 (2014).

    Examples
    --------
    >>> sensor = Sensor(nu_passive=0.0, a=4.0)
    >>> now = sensor.process.budget(partition=sensor.partition)
    >>> round(now.parts["s"].information, 6) == round(sensor.learning_rate(), 6)
    True
    """

    g01: float = 1.0
    g10: float = 1.0
    nu_passive: float = 1.0
    nu_active: float = 1.0
    K: float = 1.0
    a: float = 1.0

    def __post_init__(self) -> None:
        checked(self, g01=0, g10=0, nu_passive=0, nu_active=0, K=-inf, a=-inf)

    @cached_property
    @own_arithmetic
    def process(self) -> MarkovJump:
        """The jump process."""
        moves, two = Moves(), np.arange(2)
        moves.add(two, 2 + two, ln(self.g01), 0)
        moves.add(2 + two, two, ln(self.g10), 0)
        match, miss = np.array([0, 3]), np.array([1, 2])
        for mechanism, nu, force in ((1, self.nu_passive, self.K), (2, self.nu_active, self.K + self.a)):
            moves.add(miss, match, ln(nu) + force / 2, mechanism)
            moves.add(match, miss, ln(nu) - force / 2, mechanism)
        return moves.process(4, [Reservoir()] * 3)

    @property
    def partition(self) -> Partition:
        """The environment and the sensor."""
        return Partition(e=[0, 0, 1, 1], s=[0, 1, 0, 1])

    def _log_odds(self) -> float:
        """Return ln of the ratio of matches and misses: of the sums of rates that lead to them."""
        if self.g01 != self.g10:
            raise ValueError(f"g10 must equal g01 for the closed form, got {self.g10!r} and {self.g01!r}")
        if not self.g01 + self.nu_passive + self.nu_active > 0:
            raise ValueError("g01, nu_passive and nu_active must not all be 0 for the closed form, got rates of 0")
        own, passive, active = ln(self.g01), ln(self.nu_passive), ln(self.nu_active)
        up, down = (
            np.logaddexp(own, np.logaddexp(passive + side * self.K / 2, active + side * (self.K + self.a) / 2))
            for side in (1, -1)
        )
        return float(up - down)

    @own_arithmetic
    def match_probability(self) -> float:
        """Return the stationary probability of s = e, in closed form for an unbiased environment."""
        return float(expit(self._log_odds()))

    @own_arithmetic
    def learning_rate(self) -> float:
        """Return the information flow of s, in closed form for an unbiased environment, in nats per unit time."""
        odds = self._log_odds()
        return float(self.g01 * np.tanh(odds / 2) * odds)
