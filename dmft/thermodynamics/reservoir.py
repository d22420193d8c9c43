"""Baths of heat and particles."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .._util import checks
from .._util.values import Value


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Reservoir(Value):
    """A bath of heat and particles.

    Parameters
    ----------
    T : float, default=1
        Temperature, > 0, in units of energy.
    mu : float, default=0
        Chemical potential.

    Raises
    ------
    ValueError
        If `T` is not above 0 or a number is not finite.

    Examples
    --------
    >>> Reservoir(T=2.0)
    Reservoir(T=2.0, mu=0.0)
    """

    T: float = 1.0
    mu: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "T", checks.positive("T", self.T))
        object.__setattr__(self, "mu", checks.number("mu", self.mu))


def as_baths(value: Sequence[Reservoir]) -> list[Reservoir]:
    """Return a list of reservoirs, or raise."""
    return checks.instances("reservoirs", value, Reservoir, "dmft.thermodynamics.Reservoir")
