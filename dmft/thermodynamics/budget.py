"""Where entropy is produced and goes: by mechanism, by part, by cycle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import csgraph

from .._util.arithmetic import own_arithmetic
from .._util.readonly import seal
from .._util.values import Frozen, Value
from .laws import log_law
from .partition import Partition, fits

if TYPE_CHECKING:
    from .process import MarkovJump


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Budget(Frozen):
    r"""Rates of entropy and energy in a state, in nats and energy per unit time.

    Attributes
    ----------
    ep : float
        Entropy production, the sum of `ep_by_mechanism`; inf if a jump with flux has no way back.
    ep_by_mechanism, flow_by_mechanism : ndarray, shape (n_mechanisms,)
        Entropy produced, and given to the reservoir; they differ for one mechanism even in the stationary state.
    flow, entropy_change : float
        Sum of the flows; change of the Shannon entropy of the state. ``ep = entropy_change + flow``.
    adiabatic, nonadiabatic : ndarray, shape (n_mechanisms,)
        What keeps the stationary state, and what relaxes to it: the two parts of `ep_by_mechanism`.
    heat, chemical_work, other_work : ndarray, shape (n_mechanisms,), or None
        Energy into the system as heat of the reservoirs, with particles, and by nonconservative forces; None without
        reservoirs (and, for the last, without energies).
    activity : float
        Jumps per unit time.
    ep2, far : float
        :math:`\sum 2 J^2 / (F + F^T)` over pairs of edges, at most `ep`; ``1 - ep2 / ep`` in [0, 1], near 0 close to
        equilibrium: our distance from it.
    one_way : ndarray
        Edges with flux whose reverse has none.
    parts : dict of str to PartBudget
        By part, if a partition was given.

    References
    ----------
    U. Seifert, Rep. Prog. Phys. 75, 126001 (2012); M. Esposito, C. Van den Broeck, Phys. Rev. Lett. 104, 090601 (2010).
    `far` is a definition of this package.
    """

    ep: float
    ep_by_mechanism: np.ndarray
    flow: float
    flow_by_mechanism: np.ndarray
    entropy_change: float
    adiabatic: np.ndarray
    nonadiabatic: np.ndarray
    heat: np.ndarray | None
    chemical_work: np.ndarray | None
    other_work: np.ndarray | None
    activity: float
    ep2: float
    far: float
    one_way: np.ndarray
    parts: Mapping[str, PartBudget]

    def __post_init__(self) -> None:
        seal(self)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PartBudget(Value):
    """The second law of a part: ``ep = entropy_change + flow - information >= 0``, in nats per unit time.

    Attributes
    ----------
    ep, flow, entropy_change : float
        Of the mechanisms that move the part.
    information : float
        Change of the information between the part and the others by its own jumps: above 0 it learns.

    References
    ----------
    J. M. Horowitz, M. Esposito, Phys. Rev. X 4, 031015 (2014).
    """

    ep: float
    flow: float
    entropy_change: float
    information: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycles(Frozen):
    """A basis of cycles: each closes one chord over a spanning tree.

    Attributes
    ----------
    chord : ndarray, shape (n_cycles,)
        The edge, of `MarkovJump`, that closes a cycle.
    affinity, current : ndarray, shape (n_cycles,)
        Entropy given to the reservoirs once round, and stationary net rate through the chord: the sum of their products
        is the entropy production.

    References
    ----------
    J. Schnakenberg, Rev. Mod. Phys. 48, 571 (1976).
    """

    chord: np.ndarray
    affinity: np.ndarray
    current: np.ndarray

    def __post_init__(self) -> None:
        seal(self)


NOTHING = 1e-250  # of the largest flux: what of a law is next to the smallest numbers


def fluxes(
    process: MarkovJump, p: np.ndarray, logs: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the flux of every edge, that of its reverse, and the ln of their ratio, 0 where neither flows.

    Logarithms of the law are given where it has numbers that are too small.
    """
    x, y, paired = process.source, process.target, process.reverse >= 0
    if logs is not None:
        process.rates()  # which says it where they are no numbers
        forth = np.exp(process.log_rate + logs[x])
        back = np.where(paired, forth[process.reverse], 0.0)
        both = paired & (logs[x] > -np.inf) & (logs[y] > -np.inf)
        known = np.where(logs > -np.inf, logs, 0.0)
        ratio = np.where(both, process.log_ratio + known[x] - known[y], 0.0)
        ratio = np.where(both, ratio, np.where(forth > 0, np.inf, np.where(back > 0, -np.inf, 0.0)))
        return forth, back, ratio
    forth, log_p = process.rates() * p[process.source], log_law(p)
    # Where probabilities end because no smaller numbers are left, no jump is without a way back.
    beyond = paired & (np.maximum(forth, forth[process.reverse]) <= NOTHING * forth.max(initial=0.0))
    forth = np.where(beyond, 0.0, forth)
    back = np.where(paired, forth[process.reverse], 0.0)
    # The logarithms know a ratio that fluxes do not: one may be too small for a number.
    both = paired & (p[process.source] > 0) & (p[process.target] > 0)
    finite_ratio = process.log_ratio + log_p[process.source] - log_p[process.target]
    ratio = np.where(both, finite_ratio, np.where(forth > 0, np.inf, np.where(back > 0, -np.inf, 0.0)))
    return forth, back, ratio


def net_squared(net: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Return the squares of net fluxes over the fluxes both ways, 0 where there are none; of any size.

    Examples
    --------
    >>> net_squared(np.array([2.0, 0.0, 1e300]), np.array([4.0, 0.0, 1e300])).tolist()
    [1.0, 0.0, 1e+300]
    """
    flows, small = both > 0, abs(net) < 1e150  # whose squares are numbers
    both = np.where(flows, both, 1.0)
    return np.where(flows, np.where(small, np.where(small, net, 0.0) ** 2 / both, net * (net / both)), 0.0)


def _produced(forth: np.ndarray, back: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return the entropy produced by the edges, half of it on each edge of a pair."""
    out = np.zeros(len(forth))
    flows = forth != back
    out[flows] = (forth - back)[flows] * ratio[flows] / 2
    return out


def _by(mechanism: np.ndarray, per_edge: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(mechanism, per_edge, n).astype(float)  # of no edges NumPy counts in whole numbers


@own_arithmetic
def of_process(process: MarkovJump, p: ArrayLike | None, partition: Partition | None = None) -> Budget:
    """Return the budget of a process in a state."""
    if partition is not None:
        fits(partition, process.n_states)
    law = process.law(p)
    pi = law if p is None else process._limit(law)
    v, n = process.mechanism, process.n_mechanisms
    logs = process._log_stationary if p is None else None
    forth, back, ratio = fluxes(process, law, logs)
    half = _produced(forth, back, ratio)
    paired = process.reverse >= 0
    half = np.where(paired, half, np.where(forth > 0, np.inf, 0.0))
    ep = _by(v, half, n)
    flow_edges = np.where(forth > 0, forth * np.where(forth > 0, process.log_ratio, 0.0), 0.0)
    flow = _by(v, flow_edges, n)
    log_pi, log_p = log_law(pi), log_law(law)
    if logs is not None:
        log_pi = log_p = np.where(logs > -np.inf, logs, 0.0)
    x, y = process.source, process.target
    shift = log_pi[x] - log_pi[y]
    moved = forth > 0
    adiabatic = _by(v[moved], (forth * np.where(moved, process.log_ratio + shift, 0.0))[moved], n)
    nonadiabatic = _by(v[moved], (forth * (log_p[x] - log_p[y] - shift))[moved], n)
    change = (
        process.generator() @ law if logs is None else np.bincount(y, forth, len(law)) - np.bincount(x, forth, len(law))
    )
    dS = -float((change * log_p).sum())
    total = float(ep.sum())
    pairs = net_squared(forth - back, forth + back)
    ep2 = float(pairs[paired].sum() + 2 * pairs[~paired].sum())
    far = 0.0 if total <= 0 else 1.0 if np.isinf(total) else max(0.0, 1 - ep2 / total)
    one_way = np.flatnonzero(moved & (back == 0) & np.isinf(ratio))
    heat = chemical = other = None
    if process.reservoirs is not None:
        T, mu = np.array([r.T for r in process.reservoirs]), np.array([r.mu for r in process.reservoirs])
        heat = -T * flow
        N = np.zeros(process.n_states) if process.number is None else process.number
        chemical = mu * np.bincount(v, forth * (N[y] - N[x]), n)
        if process.energy is not None:
            other = np.bincount(v, forth * (process.energy[y] - process.energy[x]), n) - heat - chemical
    parts = {} if partition is None else _parts(process, law, partition, forth, half, flow_edges, log_p, logs)
    return Budget(
        ep=total,
        ep_by_mechanism=ep,
        flow=float(flow.sum()),
        flow_by_mechanism=flow,
        entropy_change=dS,
        adiabatic=adiabatic,
        nonadiabatic=nonadiabatic,
        heat=heat,
        chemical_work=chemical,
        other_work=other,
        activity=float(forth.sum()),
        ep2=ep2,
        far=far,
        one_way=one_way,
        parts=parts,
    )


def _parts(
    process: MarkovJump,
    p: np.ndarray,
    partition: Partition,
    forth: np.ndarray,
    half: np.ndarray,
    flow: np.ndarray,
    log_p: np.ndarray,
    logs: np.ndarray | None,
) -> dict[str, PartBudget]:
    owner = partition.movers(process)
    moved = forth > 0
    step = -np.where(moved, forth * (log_p[process.target] - log_p[process.source]), 0.0)
    out = {}
    for k, name in enumerate(partition.names):
        mine = owner == k
        information = partition.flow_of(process, p, k, forth, owner, logs)
        # The part's own entropy changes by its own jumps alone: what the joint law's does, and the information.
        own = float(step[mine].sum()) + information
        out[name] = PartBudget(
            ep=float(half[mine].sum()),
            flow=float(flow[mine].sum()),
            entropy_change=own,
            information=information,
        )
    return out


@own_arithmetic
def of_cycles(process: MarkovJump) -> Cycles:
    """Return a basis of cycles; affinities are differences of a potential that is summed over a spanning tree."""
    p = process.stationary()
    forth, back, _ = fluxes(process, p, process._log_stationary)
    reverse = process.reverse
    index = np.arange(len(reverse))
    pair = index[(reverse < 0) | (index < reverse)]
    x, y, n = process.source[pair], process.target[pair], process.n_states
    low, high = np.minimum(x, y), np.maximum(x, y)
    # One edge of each pair of states stands for it; others by other mechanisms are chords.
    _, first = np.unique(low * n + high, return_index=True)
    graph = sparse.csr_array((np.arange(1, len(first) + 1), (low[first], high[first])), shape=(n, n))
    forest = csgraph.minimum_spanning_tree(graph).tocoo()
    in_tree = np.zeros(len(pair), dtype=bool)
    in_tree[first[forest.data.astype(np.int64) - 1]] = True
    ratio = process.log_ratio[pair]
    steps = {}
    for k in np.flatnonzero(in_tree):
        steps[int(x[k]), int(y[k])] = float(ratio[k])
        steps[int(y[k]), int(x[k])] = -float(ratio[k])
    both = sparse.csr_array((np.ones(in_tree.sum()), (x[in_tree], y[in_tree])), shape=(n, n))
    potential, seen = np.zeros(n), np.zeros(n, dtype=bool)
    for root in range(n):
        if seen[root]:
            continue
        order, before = csgraph.breadth_first_order(both, root, directed=False)
        seen[order] = True
        for state in order[1:]:
            potential[state] = potential[before[state]] + steps[int(before[state]), int(state)]
    chord = pair[~in_tree]
    with np.errstate(invalid="ignore"):
        affinity = ratio[~in_tree] + potential[x[~in_tree]] - potential[y[~in_tree]]
    return Cycles(chord=chord, affinity=affinity, current=forth[chord] - back[chord])
