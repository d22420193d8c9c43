"""Thermodynamics of kinetic Ising systems: exactly over all states, and spin by spin from moments at any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, within
from .._util.signs import sign_vectors
from ..thermodynamics.agents import SpinAgent
from ..thermodynamics.budget import Budget
from ..thermodynamics.chain import Chain, ChainBudget
from ..thermodynamics.partition import Partition
from ..thermodynamics.spins import SpinProcess
from .entropy import without_self_couplings
from .exact import Exact
from .model import KineticIsing, system_of
from .moments import Moments

MAX_CHAIN = 11


@own_arithmetic
def spin_process(model: KineticIsing, temperature: ArrayLike = 1.0) -> SpinProcess:
    """Return the jump process of an asynchronous system: each spin is updated at rate 1.

    Parameters
    ----------
    model : KineticIsing
        With ``update="async"`` and at most 20 sites; one step is 1 / n_sites of the unit of time.
    temperature : float or array_like, shape (n_sites,), default=1.0
        Of the bath of each spin, > 0, in units of that of the model: fields are divided by it.

    Returns
    -------
    SpinProcess

    Raises
    ------
    ValueError
        If updates are of another kind, there are too many sites, or a temperature is not above 0.

    Examples
    --------
    >>> pair = KineticIsing([[0.0, 1.0], [-1.0, 0.0]], update="async")
    >>> bool(abs(spin_process(pair).budget().ep - 2 * pair.exact().entropy_production()) < 1e-12)
    True
    """
    if system_of(model).update != "async":
        raise ValueError(f"update must be 'async' for a jump process, got {model.update!r}; see spin_chain")
    return SpinProcess(model.J, model.H, _temperatures(temperature, model.n_sites))


def spin_agent(
    model: KineticIsing, parts: Mapping[str, ArrayLike] | ArrayLike, T_env: float = 1.0, T_agent: float = 1.0
) -> SpinAgent:
    """Return a system that is cut into environment, sensors, internal spins and motors, as an agent.

    Parameters
    ----------
    model : KineticIsing
        With at most 20 sites if its updates are asynchronous, one step being 1 / n_sites of the unit of time; else with
        at most 11.
    parts : mapping of str to array_like of int, or array_like of int, shape (n_sites,)
        The sites of "environment", "sensors", "internal" and "motors", or of each site its part, 0 to 3 in this order.
    T_env, T_agent : float, default=1.0
        Temperatures, > 0, in units of that of the model: fields are divided by them.

    Returns
    -------
    dmft.thermodynamics.agents.SpinAgent
        For `dmft.thermodynamics.AgencyDiagram`, `scramble`, `regulate` and `sensitivity`, too.

    Raises
    ------
    ValueError
        If there are too many sites, or the parts do not share out all sites.

    Examples
    --------
    >>> J = np.random.default_rng(1).normal(size=(4, 4)) * (1 - np.eye(4))
    >>> parts = {"environment": [0, 1], "sensors": [2], "internal": [3]}
    >>> agent = spin_agent(KineticIsing(J, update="async"), parts, T_env=2.0)
    >>> agent.stored() > 0, sorted(agent.budget().parts)
    (True, ['environment', 'internal', 'sensors'])
    >>> bool(abs(spin_agent(KineticIsing(J), parts).budget().ep - KineticIsing(J).exact().entropy_production()) < 1e-12)
    True
    """
    update: Literal["async", "parallel"] = "async" if system_of(model).update == "async" else "parallel"
    cut: Any = parts
    rates = {"rate_env": model.rate, "rate_agent": model.rate}
    return SpinAgent(J=model.J, H=model.H, parts=cut, T_env=T_env, T_agent=T_agent, update=update, **rates)


@own_arithmetic
def spin_chain(model: KineticIsing, temperature: ArrayLike = 1.0) -> Chain:
    """Return the Markov chain of a system over all its states, for any update.

    Parameters
    ----------
    model : KineticIsing
        With at most 11 sites; site 0 is the slowest bit of a state, +1 first.
    temperature : float or array_like, shape (n_sites,), default=1.0
        Of the bath of each spin, > 0, in units of that of the model.

    Returns
    -------
    Chain

    Raises
    ------
    ValueError
        If there are too many sites, before anything is allocated, or a temperature is not above 0.

    Examples
    --------
    >>> pair = KineticIsing([[0.0, 1.0], [-1.0, 0.0]])
    >>> bool(abs(spin_chain(pair).budget().ep - pair.exact().entropy_production()) < 1e-12)
    True
    """
    n = system_of(model).n_sites
    if n > MAX_CHAIN:
        raise ValueError(
            f"n_sites must be <= {MAX_CHAIN} for a chain over all states, got {n}: 2^{n} states; use update='async' "
            "and thermodynamics to 20 sites, or entropy_flows of moments"
        )
    T = _temperatures(temperature, n)[:, None]
    warmer = KineticIsing(model.J / T, model.H / T[:, 0], 1.0, model.update, model.rate)
    P = Exact(warmer)._rows(slice(None)).T
    return Chain(P / P.sum(axis=0))


def _temperatures(temperature: ArrayLike, n: int) -> np.ndarray:
    T = finite("temperature", temperature)
    T = np.full(n, T) if T.ndim == 0 else finite("temperature", T, (n,))
    return within("temperature", T, 1e-300, np.inf)


@own_arithmetic
def thermodynamics(
    model: KineticIsing, parts: Mapping[str, ArrayLike] | None = None, temperature: ArrayLike = 1.0
) -> Budget | ChainBudget:
    """Return entropy production, flows, heat and information flows of a system in its stationary state.

    Parameters
    ----------
    model : KineticIsing
        Asynchronous, to 20 sites, per unit time in which each spin is updated once; parallel or lazy, to 11, per step.
    parts : mapping of str to array_like of int, optional
        The sites of every part, at least two; each site in one.
    temperature : float or array_like, shape (n_sites,), default=1.0
        Of the bath of each spin, > 0, in units of that of the model.

    Returns
    -------
    Budget or ChainBudget
        The first for asynchronous updates, with the spins as mechanisms; parts of the second may move together.

    Raises
    ------
    ValueError
        If there are too many sites, before anything is allocated; a site is in no part or in two; or a temperature is
        not above 0.
    FloatingPointError
        If it is so cold that states are trapped.

    References
    ----------
    Asynchronous: R. J. Glauber, J. Math. Phys. 4, 294 (1963), with the budgets of U. Seifert, Rep. Prog. Phys. 75,
    126001 (2012), and of parts of J. M. Horowitz, M. Esposito, Phys. Rev. X 4, 031015 (2014); of parts that move
    together, of this package.

    Examples
    --------
    >>> ring = KineticIsing([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], update="async")
    >>> now = thermodynamics(ring, {"one": [0], "others": [1, 2]})
    >>> round(now.ep, 6), abs(now.parts["one"].information + now.parts["others"].information) < 1e-12
    (0.439844, True)
    """
    if system_of(model).update == "async":
        return spin_process(model, temperature).budget(parts=parts)
    chain = spin_chain(model, temperature)
    if parts is None:
        return chain.budget()
    sites = SpinProcess(model.J).sites_of(parts)
    bits = (sign_vectors(model.n_sites) < 0).astype(np.int64)
    labels = {name: bits[:, mine] @ (1 << np.arange(len(mine))) for name, mine in sites.items()}
    return chain.budget(partition=Partition(**labels))


@own_arithmetic
def entropy_flows(model: KineticIsing, moments: Moments) -> np.ndarray:
    r"""Return what entropy each pair of spins gives off, from moments: exact ones, of a sample, or of a mean field.

    Parallel: :math:`(J_{il} - J_{li}) D_{il}` per step. Asynchronous, per attempted update:
    :math:`J_{il} (D_{il} - C_{il})`, without self-couplings. Summed over l it is the flow of spin i to its bath,
    over all the entropy production; see `entropy_production`.

    Parameters
    ----------
    model : KineticIsing
        Not lazy.
    moments : Moments
        Of one time or of several, of any number of sites.

    Returns
    -------
    ndarray, shape (..., n_sites, n_sites)

    Raises
    ------
    ValueError
        If updates are lazy, or asynchronous with self-couplings: what these give off is no function of pairs. If the
        numbers of sites differ.

    References
    ----------
    Summed over all pairs: M. Aguilera, M. Igarashi, H. Shimazaki, Nat. Commun. 14, 3685 (2023); pair by pair, of this
    package.

    Examples
    --------
    >>> model = KineticIsing([[0.0, 1.0], [-1.0, 0.0]])
    >>> exact = model.exact()
    >>> bool(abs(entropy_flows(model, exact.stationary()).sum() - exact.entropy_production()) < 1e-12)
    True
    """
    instance("moments", moments, Moments, "a dmft.ising.Moments")
    if system_of(model).update == "lazy":
        raise ValueError("update must be 'parallel' or 'async' for entropy flows from moments, got 'lazy'")
    if moments.n_sites != model.n_sites:
        raise ValueError(f"moments must be of {model.n_sites} sites, got {moments.n_sites}")
    if model.update == "parallel":
        return np.asarray((model.J - model.J.T) * moments.D)
    without_self_couplings(model)
    return np.asarray(model.J * (moments.D - moments.C))
