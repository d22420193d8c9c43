"""An agent of kinetic Ising spins in an environment of others."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import ArrayLike

from ..._util.arithmetic import own_arithmetic
from ..._util.values import Value
from ..budget import Budget
from ..partition import Partition
from ..process import MarkovJump
from ..spins import MAX_SPINS, SpinProcess
from .moves import checked, positive
from .networks import SpinAgent, sites_by_part


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class IsingAgent(Value):
    """Sensors, internal spins and motors in an environment, a ring of spins that may be driven.

    Parameters
    ----------
    n_env, n_sensor, n_internal, n_motor : int
        Numbers of spins, at least 1 each (the environment at least 3).
    j_env, drive : float
        Coupling along the ring, and its part that goes round one way only.
    c_in, c_out, w, j_int, field : float
        Couplings from the environment to sensors, from motors to the environment, through the agent, among its internal
        spins; field on these.
    reciprocity : float
        The share of every link of the agent that acts back.
    T_env, T_agent : float
        Temperatures, > 0.
    rate_env, rate_agent : float
        Rates, > 0.

    Raises
    ------
    ValueError
        If a number is outside its domain or there are more than 20 spins.

    References
    ----------
    The dynamics: R. J. Glauber, J. Math. Phys. 4, 294 (1963). The agent is of this package.

    Examples
    --------
    >>> agent = IsingAgent(drive=0.0)
    >>> now = agent.process.budget(partition=agent.partition)
    >>> round(now.ep, 12), round(agent.stored(), 12)  # equilibrium
    (0.0, 0.0)
    """

    n_env: int = 3
    n_sensor: int = 1
    n_internal: int = 2
    n_motor: int = 1
    j_env: float = 0.3
    drive: float = 0.8
    c_in: float = 1.0
    c_out: float = 0.5
    w: float = 0.8
    j_int: float = 0.6
    reciprocity: float = 1.0
    field: float = 0.1
    T_env: float = 1.0
    T_agent: float = 1.0
    rate_env: float = 1.0
    rate_agent: float = 1.0

    def __post_init__(self) -> None:
        checked(self, n_env=(int, 3), n_sensor=(int, 1), n_internal=(int, 1), n_motor=(int, 1))
        names = ("j_env", "drive", "c_in", "c_out", "w", "j_int", "reciprocity", "field")
        checked(self, **dict.fromkeys((*names, "T_env", "T_agent", "rate_env", "rate_agent"), -inf))
        positive(self, "T_env", "T_agent", "rate_env", "rate_agent")
        n = self.n_env + self.n_sensor + self.n_internal + self.n_motor
        if n > MAX_SPINS:
            raise ValueError(f"the spins must be at most {MAX_SPINS} for enumeration, got {n}")

    @property
    def parts(self) -> np.ndarray:
        """Which part each spin belongs to: 0 environment, 1 sensors, 2 internal, 3 motors."""
        return np.repeat(np.arange(4), [self.n_env, self.n_sensor, self.n_internal, self.n_motor])

    @cached_property
    @own_arithmetic
    def couplings(self) -> np.ndarray:
        """``J[i, j]`` acts from j on i, shape (n_sites, n_sites)."""
        environment, sensors, internal, motors = (np.flatnonzero(self.parts == k).tolist() for k in range(4))
        J = np.zeros((len(self.parts),) * 2)
        for i in range(self.n_env):
            J[i, i - 1 if i else self.n_env - 1] += self.j_env + self.drive
            J[i - 1 if i else self.n_env - 1, i] += self.j_env - self.drive

        def link(to: int, of: int, g: float) -> None:
            J[to, of] += g
            J[of, to] += self.reciprocity * g

        for k, sensor in enumerate(sensors):
            link(sensor, environment[k % self.n_env], self.c_in)
            for each in internal:
                link(each, sensor, self.w / np.sqrt(self.n_sensor))
        for k, motor in enumerate(motors):
            for each in internal:
                link(motor, each, self.w / np.sqrt(self.n_internal))
            link(environment[(self.n_env - 1 - k) % self.n_env], motor, self.c_out)
        for one, other in itertools.pairwise(internal):
            J[one, other] += self.j_int
            J[other, one] += self.j_int
        return J

    @property
    def fields(self) -> np.ndarray:
        """Fields, shape (n_sites,)."""
        return np.where(self.parts == 2, self.field, 0.0)

    @property
    def temperatures(self) -> np.ndarray:
        """Temperature of each spin, shape (n_sites,)."""
        return np.where(self.parts == 0, self.T_env, self.T_agent)

    @cached_property
    def network(self) -> SpinAgent:
        """The spins as a network of any couplings that is cut into parts."""
        return SpinAgent(
            J=self.couplings,
            H=self.fields,
            parts=self.parts,
            T_env=self.T_env,
            T_agent=self.T_agent,
            rate_env=self.rate_env,
            rate_agent=self.rate_agent,
        )

    @property
    def spins(self) -> SpinProcess:
        """The spins, over all their states at once; what large agents are solved by."""
        return self.network.spins

    @property
    def process(self) -> MarkovJump:
        """The jump process with all its edges, one mechanism a spin; of at most 14 spins."""
        return self.spins.process

    @property
    def partition(self) -> Partition:
        """Environment, sensors, internal spins, motors."""
        return self.network.partition

    @property
    def sensing(self) -> tuple[str, tuple[int, ...]]:
        """What the agent senses, and the mechanisms that do: the sensors see the environment."""
        return self.network.sensing

    def budget(self, p: ArrayLike | None = None) -> Budget:
        """Return the budget by spin, and by part: environment, sensors, internal spins and motors; see `Budget`."""
        return self.spins.budget(p, sites_by_part(self.parts))

    def stored(self, p: ArrayLike | None = None) -> float:
        """Return the agent's stored free energy, against its marginal in joint equilibrium at its temperature."""
        return self.network.stored(p)

    def harvest(self, p: ArrayLike | None = None) -> float:
        """Return the heat that the agent gives off, less the work of its inner nonreciprocal links, per unit time."""
        return self.network.harvest(p)
