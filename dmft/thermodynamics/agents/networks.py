"""Networks of spins, of any couplings, cut into an environment and an agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logsumexp

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import finite, integers, one_of, places, shown, table
from ..._util.readonly import read_only
from ..._util.signs import sign_vectors
from ..._util.values import Value
from ..budget import Budget
from ..chain import Chain, ChainBudget
from ..partition import Partition
from ..process import MarkovJump
from ..spins import MAX_SPINS, SpinProcess, linear, spin
from .moves import checked, divergence, over, positive

PARTS = ("environment", "sensors", "internal", "motors")
MAX_PARALLEL = 11
NUMBERS = ("c_in", "c_out", "inner", "outer", "T_env", "T_agent", "rate_env", "rate_agent")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SpinAgent(Value):
    r"""A network of kinetic Ising spins that is cut into environment, sensors, internal spins and motors.

    In its field :math:`h_i = H_i + \sum_j J_{ij} s_j` spin i flips alone, at the rate
    :math:`r_i (1 - s_i \tanh(h_i / T_i)) / 2`; or, in parallel, all are updated at once, each with the probability
    :math:`r_i`. Temperature and rate are those of the environment or of the agent, which is all else.

    Parameters
    ----------
    J : array_like, shape (n_sites, n_sites)
        ``J[i, j]`` acts from j on i; at most 20 sites, 11 in parallel.
    H : array_like, shape (n_sites,), optional
        Fields; 0 unless given.
    parts : mapping of str to array_like of int, or array_like of int, shape (n_sites,)
        The sites of "environment" and "sensors", and of "internal" and "motors" where there are any; or of each site
        its part: 0 environment, 1 sensors, 2 internal, 3 motors. Kept as the latter.
    c_in, c_out, inner, outer : float
        Factors of the couplings between environment and sensors, between environment and all other spins of the agent,
        inside the agent, and inside the environment.
    T_env, T_agent : float
        Temperatures, > 0.
    rate_env, rate_agent : float
        Rates, > 0; in parallel at most 1.
    update : {"async", "parallel"}
        Whether spins flip one at a time, in continuous time, or all at once, in steps.

    Raises
    ------
    ValueError
        If a site is in no part or in two, there is no environment or no sensor, there are more than 20 sites, or a
        number is outside its domain.

    References
    ----------
    The dynamics: R. J. Glauber, J. Math. Phys. 4, 294 (1963). The cut into four parts is of this package.

    Examples
    --------
    >>> J = np.random.default_rng(1).normal(size=(5, 5)) * (1 - np.eye(5))
    >>> agent = SpinAgent(J=J, parts={"environment": [0, 3], "sensors": [1], "internal": [2, 4]})
    >>> now = agent.budget()
    >>> round(sum(part.information for part in now.parts.values()), 12) == 0, agent.stored() > 0
    (True, True)
    >>> from dmft.thermodynamics import scramble  # what would be stored by blind sensors
    >>> blind = scramble(agent.process, agent.partition, *agent.sensing)[1]
    >>> agent.stored(blind) != agent.stored()
    True
    """

    J: np.ndarray
    H: np.ndarray = None  # type: ignore[assignment] # None until __post_init__ fills it
    parts: np.ndarray
    c_in: float = 1.0
    c_out: float = 1.0
    inner: float = 1.0
    outer: float = 1.0
    T_env: float = 1.0
    T_agent: float = 1.0
    rate_env: float = 1.0
    rate_agent: float = 1.0
    update: Literal["async", "parallel"] = "async"

    def __post_init__(self) -> None:
        one_of("update", self.update, ("async", "parallel"))
        parallel = self.update == "parallel"
        checked(self, **dict.fromkeys(NUMBERS, -inf))
        positive(self, "T_env", "T_agent", "rate_env", "rate_agent")
        if parallel:
            checked(self, rate_env=(0, 1), rate_agent=(0, 1))
        J = finite("J", self.J, (None, None))
        n = len(J)
        if J.shape != (n, n) or not n:
            raise ValueError(f"J must have shape (n_sites, n_sites), got shape {J.shape}")
        if n > (most := MAX_PARALLEL if parallel else MAX_SPINS):
            raise ValueError(f"n_sites must be <= {most} for enumeration, got {n}: 2^{n} states")
        H = np.zeros(n) if self.H is None else finite("H", self.H, (n,))
        for name, array in (("J", J), ("H", H), ("parts", part_of_sites(self.parts, n))):
            object.__setattr__(self, name, read_only(array))

    @property
    def couplings(self) -> np.ndarray:
        """``J`` times the factors, shape (n_sites, n_sites)."""
        to, of = self.parts[:, None], self.parts[None, :]
        sensing, outside = (to == 1) | (of == 1), (to == 0) & (of == 0)
        across = (to == 0) != (of == 0)
        factor = np.where(across, np.where(sensing, self.c_in, self.c_out), np.where(outside, self.outer, self.inner))
        return self.J * factor

    @property
    def temperatures(self) -> np.ndarray:
        """Temperature of each spin, shape (n_sites,)."""
        return np.where(self.parts == 0, self.T_env, self.T_agent)

    @property
    def rates(self) -> np.ndarray:
        """Rate of each spin, or probability of its update, shape (n_sites,)."""
        return np.where(self.parts == 0, self.rate_env, self.rate_agent)

    @cached_property
    def spins(self) -> SpinProcess:
        """The spins, over all their states at once; what large agents are solved by. Not of parallel updates."""
        if self.update != "async":
            raise ValueError(f"update must be 'async' for spins that flip one at a time, got {self.update!r}")
        return SpinProcess(self.couplings, self.H, self.temperatures, self.rates)

    @cached_property
    @own_arithmetic
    def process(self) -> MarkovJump | Chain:
        """The jump process with all its edges, one mechanism a spin, of at most 14 spins; or the chain."""
        if self.update == "async":
            return self.spins.process
        return parallel_chain(self.couplings, self.H, self.temperatures, self.rates)

    @property
    def partition(self) -> Partition:
        """Environment, sensors, internal spins, motors: those that have spins."""
        return spin_partition(self.parts)

    @property
    def sensing(self) -> tuple[str, tuple[Any, ...]]:
        """What the agent senses, and the mechanisms that do, or parts of a chain: the sensors see the environment."""
        if self.update == "parallel":
            return "environment", ("sensors",)
        return "environment", tuple(np.flatnonzero(self.parts == 1).tolist())

    def _law(self, p: ArrayLike | None = None) -> np.ndarray:
        """Return a checked law over the states; the stationary one for None."""
        return (self.spins if self.update == "async" else self.process).law(p)

    def budget(self, p: ArrayLike | None = None) -> Budget | ChainBudget:
        """Return the budget by part: environment, sensors, internal spins, motors; by spin, too, if they flip alone."""
        if self.update == "async":
            return self.spins.budget(p, sites_by_part(self.parts))
        process = self.process
        assert isinstance(process, Chain)
        return process.budget(p, self.partition)

    @own_arithmetic
    def stored(self, p: ArrayLike | None = None) -> float:
        """Return the agent's stored free energy, against its marginal in joint equilibrium at its temperature.

        The equilibrium is that of the symmetric part of the couplings, in parallel the stationary law of such updates;
        stationary unless a law is given.
        """
        law = self._agent(self._law(p)).sum(axis=0)
        if self.update == "async":
            energy = self.spins.energy()
            weight = -over(energy - energy.min(), self.T_agent, "T_agent")
            equal = np.exp(weight)
            equal /= equal.sum()

            def logs() -> np.ndarray:
                return np.asarray(logsumexp(self._agent(weight), axis=0))

        else:
            J = self.couplings
            still = parallel_chain((J + J.T) / 2, self.H, np.full(len(J), self.T_agent), self.rates)
            equal = still.stationary()

            def logs() -> np.ndarray:
                return np.asarray(logsumexp(self._agent(still._log_stationary()), axis=0))

        return self.T_agent * divergence(law, self._agent(equal).sum(axis=0), logs)

    def _agent(self, array: np.ndarray) -> np.ndarray:
        """Return an array over the states with the agent's states as its columns."""
        outside, agent = np.flatnonzero(self.parts == 0), np.flatnonzero(self.parts > 0)
        n = len(self.parts)
        return array.reshape((2,) * n).transpose(*outside, *agent).reshape(2 ** len(outside), -1)

    @own_arithmetic
    def harvest(self, p: ArrayLike | None = None) -> float:
        """Return the heat that the agent gives off, less the work of its inner nonreciprocal links, per time or step.

        Raises
        ------
        ValueError
            If updates are parallel and the agent's rate is not 1: what stays gives off no heat that is known.
        """
        agent = np.flatnonzero(self.parts > 0).tolist()
        if self.update == "async":
            heat = self.spins.budget(p).heat
            assert heat is not None
            return float(-heat[agent].sum() - self.spins.nonreciprocal_power(p, agent).sum())
        if self.rate_agent != 1:
            raise ValueError(f"rate_agent must be 1 for the harvest of parallel updates, got {self.rate_agent!r}")
        process, law, n, J = self.process, self._law(p), len(self.parts), self.couplings
        assert isinstance(process, Chain)
        joint = process.P * law
        before, after = joint.sum(axis=0), joint.sum(axis=1)
        spins = np.array([spin(i, n) for i in range(n)])
        D = (spins @ joint) @ spins.T  # of a spin after a step and one before it
        given_off = 0.0
        for i in agent:
            field = linear(J[i], self.H[i])
            # T ln P(s'|s) / P(s|s') of a spin, in energies alone; their norms cancel in the stationary state.
            norm = abs(field) + self.T_agent * np.log1p(np.exp(-2 * abs(field) / self.T_agent))
            given_off += self.H[i] * (spins[i] @ (after - before)) + J[i] @ D[i] - J[i] @ D[:, i]
            given_off += norm @ (after - before)
        inner = (J - J.T)[np.ix_(agent, agent)]
        return float(given_off - (inner * D[np.ix_(agent, agent)]).sum())


def parallel_chain(J: np.ndarray, H: np.ndarray, T: np.ndarray, rates: np.ndarray) -> Chain:
    """Return the chain of spins that are updated all at once, each with a probability of its own."""
    n = len(J)
    P = np.ones((1, 2**n))
    for i in range(n):
        field, up = over(linear(J[i], H[i]), float(T[i]), "T_env and T_agent"), spin(i, n) > 0
        to = np.stack([rates[i] * expit(2 * sign * field) + (1 - rates[i]) * (up == (sign > 0)) for sign in (1, -1)])
        P = (P[:, None, :] * to).reshape(-1, 2**n)
    return Chain(P / P.sum(axis=0))


def part_of_sites(given: Any, n_sites: int) -> np.ndarray:
    """Return of each site its part, from that or from the sites of each part."""
    if isinstance(given, Mapping):
        out = np.full(n_sites, -1)
        for name, sites in table("parts", given).items():
            if name not in PARTS:
                raise ValueError(f"parts must be among {', '.join(PARTS)}, got {shown(name)}")
            mine = places("parts", sites, n_sites)
            if (out[mine] >= 0).any() or len(np.unique(mine)) < len(mine):
                raise ValueError(f"parts must have every site once, got one of {name} again: {shown(sites)}")
            out[mine] = PARTS.index(name)
        if (out < 0).any():
            raise ValueError(f"parts must have every site once, got site {int(np.argmin(out))} in none")
    else:
        out = integers("parts", given, 0, len(PARTS) - 1)
        if len(out) != n_sites:
            raise ValueError(f"parts must have an entry for each of {n_sites} sites, got {len(out)}")
    for k in range(2):
        if not (out == k).any():
            raise ValueError(f"parts must have a site of {PARTS[k]}, got none")
    return out


def sites_by_part(parts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the sites of every part that has any."""
    return {name: np.flatnonzero(parts == k) for k, name in enumerate(PARTS) if (parts == k).any()}


def spin_partition(parts: np.ndarray) -> Partition:
    """Return the partition of states of spins into the parts that their spins belong to."""
    bits = (sign_vectors(len(parts)) < 0).astype(np.int64)
    labels = {}
    for name, mine in sites_by_part(parts).items():
        labels[name] = bits[:, mine] @ (1 << np.arange(len(mine)))
    return Partition(**labels)
