"""Partitions of a process into parts, and the information that flows between them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, numbers, one_of
from .._util.readonly import read_only
from .._util.values import Value
from ..information.laws import mutual_information as _of_law
from ..information.sparse_laws import SparseLaw
from .laws import log_law

if TYPE_CHECKING:
    from .process import MarkovJump


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class Partition(Value):
    """Named parts of a system: in each state of the system, the state of every part.

    Parameters
    ----------
    **labels : array_like of int, shape (n_states,)
        For each part, by name, the state it is in; two states of the system may not agree in all.

    Raises
    ------
    ValueError
        If there are fewer than two parts, lengths differ, or two states are alike.

    Examples
    --------
    >>> two = Partition(world=[0, 0, 1, 1], agent=[0, 1, 0, 1])
    >>> two.names
    ('world', 'agent')
    """

    names: tuple[str, ...]
    labels: np.ndarray

    def __init__(self, **labels: ArrayLike) -> None:
        if len(labels) < 2:
            raise ValueError(f"labels must be of at least two parts, got {len(labels)}")
        columns: list[np.ndarray] = []
        for name, given in labels.items():
            column = numbers(name, given, rule="be whole numbers", bools=True)
            if column.ndim != 1 or column.dtype.kind == "f" or not len(column):
                raise ValueError(f"{name} must be a one-dimensional array of whole numbers, got shape {column.shape}")
            if columns and len(column) != len(columns[0]):
                raise ValueError(f"{name} must have {len(columns[0])} entries as the other parts, got {len(column)}")
            columns.append(np.unique(column, return_inverse=True)[1])
        object.__setattr__(self, "names", tuple(labels))
        object.__setattr__(self, "labels", read_only(np.stack(columns)))
        if len(np.unique(self.labels, axis=1).T) < self.labels.shape[1]:
            raise ValueError("labels must tell all states apart, got two states that agree in every part")

    def index(self, name: str) -> int:
        """Return the number of a part."""
        return self.number_of("name", name)

    def number_of(self, argument: str, name: str) -> int:
        """Return the number of a part that an argument names."""
        return self.names.index(one_of(argument, name, self.names))

    def movers(self, process: MarkovJump) -> np.ndarray:
        """Return which part each edge moves, shape (n_edges,).

        Raises
        ------
        ValueError
            If an edge moves two parts, with its name, or the numbers of states differ.
        """
        is_process(process)
        fits(self, process.n_states)
        moved = self.labels[:, process.source] != self.labels[:, process.target]
        several = moved.sum(axis=0) != 1
        if several.any():
            k = int(np.argmax(several))
            who = " and ".join(name for name, yes in zip(self.names, moved[:, k], strict=True) if yes)
            raise ValueError(
                f"partition must have one part move on every edge, got {who} on edge {k} from state "
                f"{process.source[k]} to {process.target[k]}"
            )
        return np.argmax(moved, axis=0)

    def group(self, *parts: int) -> np.ndarray:
        """Return which joint state of some parts each state of the system has."""
        key = np.zeros(self.labels.shape[1], dtype=np.int64)
        for k in parts:
            key = np.unique(key * (int(self.labels[k].max()) + 1) + self.labels[k], return_inverse=True)[1]
        return key

    def others(self, k: int) -> np.ndarray:
        """Return the same for all parts but one."""
        return self.group(*(j for j in range(len(self.names)) if j != k))

    def flow_of(
        self,
        process: MarkovJump,
        p: np.ndarray,
        k: int,
        forth: np.ndarray,
        owner: np.ndarray,
        logs: np.ndarray | None = None,
    ) -> float:
        """Return the information flow of a part in a law, of which the fluxes and the mover of every edge are given.

        And logarithms of the law, if it has numbers that are too small.
        """
        mine = (owner == k) & (forth > 0)
        x, y = process.source[mine], process.target[mine]
        group = self.group(k)
        if logs is None:
            log_p, log_own = log_law(p), log_law(np.bincount(group, p)[group])
        else:
            log_p, sums = logs, np.full(int(group.max()) + 1, -np.inf)
            np.logaddexp.at(sums, group, logs)
            log_own = sums[group]
        return float(forth[mine] @ (log_p[y] - log_own[y] - log_p[x] + log_own[x]))


def is_process(value: MarkovJump, name: str = "process") -> None:
    """Raise unless a value is a jump process."""
    from .process import MarkovJump

    instance(name, value, MarkovJump, "a dmft.thermodynamics.MarkovJump")


def is_partition(value: Partition) -> None:
    """Raise unless a value is a partition."""
    instance("partition", value, Partition, "a dmft.thermodynamics.Partition")


def fits(partition: Partition, n_states: int) -> None:
    """Raise unless a value is a partition of so many states."""
    is_partition(partition)
    if partition.labels.shape[1] != n_states:
        raise ValueError(f"partition must have {n_states} states as the process, got {partition.labels.shape[1]}")


def _law(process: MarkovJump, partition: Partition, p: ArrayLike | None) -> np.ndarray:
    is_process(process)
    is_partition(partition)
    return process.law(p)


@own_arithmetic
def information_flow(process: MarkovJump, partition: Partition, p: ArrayLike | None = None) -> dict[str, float]:
    r"""Return how fast each part's own jumps change its information on all others, in nats per unit time.

    Parameters
    ----------
    process : MarkovJump
    partition : Partition
        Of which every edge moves one part.
    p : array_like, shape (n_states,), optional
        The stationary state unless given, where the flows add up to 0.

    Returns
    -------
    dict of str to float
        Above 0 for a part that learns.

    Raises
    ------
    ValueError
        If an edge moves two parts.

    References
    ----------
    J. M. Horowitz, M. Esposito, Phys. Rev. X 4, 031015 (2014).
    """
    law = _law(process, partition, p)
    forth, owner = process.rates() * law[process.source], partition.movers(process)
    return {name: partition.flow_of(process, law, k, forth, owner) for k, name in enumerate(partition.names)}


@own_arithmetic
def pair_flow(process: MarkovJump, partition: Partition, p: ArrayLike | None = None) -> np.ndarray:
    """Return how fast the jumps of part k change its information on part l alone, shape (n_parts, n_parts).

    Parameters and errors as for `information_flow`; the diagonal is 0, and stationary flows change sign with the order.

    References
    ----------
    D. Hartich, A. C. Barato, U. Seifert, J. Stat. Mech. (2014) P02016, for two parts; of several, of this package.
    """
    law = _law(process, partition, p)
    forth, owner = process.rates() * law[process.source], partition.movers(process)
    n = len(partition.names)
    out = np.zeros((n, n))
    for k in range(n):
        mine = (owner == k) & (forth > 0)
        x, y, alone = process.source[mine], process.target[mine], partition.group(k)
        log_own = log_law(np.bincount(alone, law)[alone])
        for j in range(n):
            if j != k:
                both = partition.group(k, j)
                log_both = log_law(np.bincount(both, law)[both])
                out[k, j] = forth[mine] @ (log_both[y] - log_own[y] - log_both[x] + log_own[x])
    return out


@own_arithmetic
def transfer_entropy(process: MarkovJump, partition: Partition, p: ArrayLike | None = None) -> dict[str, float]:
    r"""Return what each part's rates know of the others beyond its own state, in nats per unit time.

    :math:`\sum p\, w \ln (w / \bar w)` with the rate w of a jump by all mechanisms and its mean :math:`\bar w` given
    the part's own state: at a single time; at least the information flow of the part (our proof: their difference is a
    divergence).

    Parameters and errors as for `information_flow`.

    References
    ----------
    A. C. Barato, D. Hartich, U. Seifert, New J. Phys. 16, 103024 (2014).
    """
    law = _law(process, partition, p)
    owner, n = partition.movers(process), process.n_states
    # Who watches a part sees its jumps, not their mechanisms.
    seen, at = np.unique(process.source * n + process.target, return_inverse=True)
    rate = np.bincount(at, process.rates(), len(seen))
    source, target = seen // n, seen % n
    part = np.empty(len(seen), dtype=np.int64)
    part[at] = owner
    out = {}
    for k, name in enumerate(partition.names):
        mine = part == k
        x, y, w, group = source[mine], target[mine], rate[mine], partition.group(k)
        own = np.bincount(group, law)[group[x]]
        flux = w * law[x]
        jump = np.unique(group[x] * n + group[y], return_inverse=True)[1]
        mean = np.bincount(jump, flux)[jump] / np.maximum(own, 1e-300)
        flows = flux > 0
        out[name] = float(flux[flows] @ np.log(w[flows] / mean[flows]))
    return out


@own_arithmetic
def mutual_information(partition: Partition, p: ArrayLike, X: str, Y: str) -> float:
    """Return the information between two parts in a law over the states, in nats.

    Examples
    --------
    >>> two = Partition(world=[0, 0, 1, 1], agent=[0, 1, 0, 1])
    >>> round(mutual_information(two, [0.5, 0.0, 0.0, 0.5], "world", "agent"), 6)
    0.693147
    """
    is_partition(partition)
    given = finite("p", p, (partition.labels.shape[1],))
    x, y = partition.number_of("X", X), partition.number_of("Y", Y)
    return _of_law(SparseLaw(partition.labels.T, given), x, y)
