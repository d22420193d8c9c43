"""What an agent's information on its environment is worth: viability, value and semantic information."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import flag, function, instance, integers, number, whole
from .._util.readonly import seal
from .._util.values import Frozen
from ..information.laws import kl
from .chain import Chain, steps_after
from .evolution import law_after
from .partition import Partition, fits, transfer_entropy
from .process import MarkovJump
from .scrambling import scramble

MAX_UNORDERED = 8
MAX_ORDERED = 13


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Semantic(Frozen):
    """How viability falls when an agent starts with less of its information.

    Attributes
    ----------
    classes : ndarray of int, shape (n_scramblings, n_environment)
        For each state of the environment, the class that the agent still knows; the last row knows all.
    information, viability : ndarray, shape (n_scramblings,)
        I(agent; environment) at the start, in nats, and the viability at the end. Observed: the transfer entropy of the
        agent, in nats per unit time or step.
    value : float
        Viability as it is less that with no information.
    stored : float
        Information as it is, in nats.
    semantic : float
        Least information with which viability is at least as it is; 0 where information hurts.
    efficiency, multiplier : float
        `semantic` and `value` over `stored`; NaN without information.

    References
    ----------
    A. Kolchinsky, D. H. Wolpert, Interface Focus 8, 20180041 (2018). "At least" for their "equal" is our reading.
    """

    classes: np.ndarray
    information: np.ndarray
    viability: np.ndarray
    value: float
    stored: float
    semantic: float
    efficiency: float
    multiplier: float

    def __post_init__(self) -> None:
        seal(self)


def _set_partitions(n: int) -> Iterator[list[int]]:
    """Yield every way to put n things into classes, each class named by when it first appears."""

    def grow(head: list[int]) -> Iterator[list[int]]:
        if len(head) == n:
            yield head
            return
        for k in range(max(head, default=-1) + 2):
            yield from grow([*head, k])

    yield from grow([])


def _intervals(n: int) -> Iterator[list[int]]:
    """Yield every way to cut an ordered row of n things."""
    for cuts in range(1 << (n - 1)):
        yield np.cumsum([0, *((cuts >> i) & 1 for i in range(n - 1))]).tolist()


@own_arithmetic
def semantic(
    process: MarkovJump | Chain,
    partition: Partition,
    environment: str,
    p0: ArrayLike,
    t: float,
    viability: Callable[[np.ndarray], float],
    *,
    ordered: bool = False,
    observed: int | str | Sequence[int] | Sequence[str] | None = None,
) -> Semantic:
    r"""Return what the agent's information on its environment at the start is worth at the end.

    The start is scrambled to :math:`p(x | \phi(y)) p(y)`, for all coarse-grainings :math:`\phi` of the environment y;
    the agent x is all else. Or, observed, the start stays as it is, and some mechanisms see no more than
    :math:`\phi(y)` from then on (`scramble`): what the agent learns as it goes.

    Parameters
    ----------
    process : MarkovJump or Chain
    partition : Partition
    environment : str
        Which part the information is about, with at most 8 states, or 13 if they are ordered.
    p0 : array_like, shape (n_states,)
        Law at the start.
    t : float
        Duration; steps of a chain. ``inf`` for the stationary state, where mechanisms are blinded.
    viability : callable
        Of a law over the states.
    ordered : bool, default=False
        Whether only neighbouring states of the environment may be confused.
    observed : int or sequence of int, optional
        The mechanisms that see less; of a chain the parts, or their names. The information is the transfer entropy of
        the agent in the stationary state, in nats per unit time or step.

    Returns
    -------
    Semantic

    Raises
    ------
    ValueError
        If the environment has too many states, or scrambling needs states that do not exist.

    References
    ----------
    A. Kolchinsky, D. H. Wolpert, Interface Focus 8, 20180041 (2018).

    Examples
    --------
    >>> from dmft.thermodynamics.agents import FoodAgent
    >>> agent = FoodAgent()
    >>> worth = semantic(agent.process, agent.partition, "food", agent.start, 5, agent.viability, ordered=True)
    >>> round(worth.value / float(np.log(2)), 2), round(worth.efficiency, 2)  # in bits
    (22.11, 0.59)
    """
    instance("process", process, MarkovJump | Chain, "a MarkovJump or Chain of dmft.thermodynamics")
    fits(partition, process.n_states)
    law, value_of = process.law(p0, "p0"), function("viability", viability)
    which = partition.number_of("environment", environment)
    y, x = partition.labels[which], partition.others(which)
    n_y, n_x = int(y.max()) + 1, int(x.max()) + 1
    most = MAX_ORDERED if flag("ordered", ordered) else MAX_UNORDERED
    if n_y > most:
        raise ValueError(f"environment must have at most {most} states, got {n_y}: give coarser labels")
    rows = np.array(list(_intervals(n_y) if ordered else _set_partitions(n_y)))
    state = np.full((n_x, n_y), -1)
    state[x, y] = np.arange(process.n_states)
    joint = np.zeros((n_x, n_y))
    joint[x, y] = law
    p_y = joint.sum(axis=0)
    if observed is not None:
        return _worth(rows, *_observed(process, partition, environment, observed, rows, law, t, value_of))
    starts, information = [], []
    for phi in rows:
        same = phi[:, None] == phi
        with np.errstate(invalid="ignore", divide="ignore"):
            table = np.where(p_y > 0, joint @ same / (p_y @ same) * p_y, 0.0)
        if (table[state < 0] > 0).any():
            raise ValueError("environment must combine freely with the agent, got states that do not exist")
        p = np.zeros(process.n_states)
        p[state[state >= 0]] = table[state >= 0]
        starts.append(p)
        information.append(kl(table, np.outer(table.sum(axis=1), p_y)))
    ends = _ends(process, np.array(starts).T, t)
    values = np.array([number("what viability returns", value_of(end)) for end in ends.T])
    return _worth(rows, np.array(information), values)


def _observed(
    process: MarkovJump | Chain,
    partition: Partition,
    environment: str,
    mechanisms: Any,
    rows: np.ndarray,
    law: np.ndarray,
    t: float,
    value_of: Callable[[np.ndarray], float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is learned in the stationary state, and the viability at the end, with mechanisms that see less."""
    which = partition.number_of("environment", environment)
    if isinstance(process, MarkovJump):
        given: Any = [mechanisms] if isinstance(mechanisms, int | np.integer) else mechanisms
        mechanisms = integers("observed", given, 0, process.n_mechanisms - 1)
    two = Partition(environment=partition.labels[which], agent=partition.others(which))
    known, values = [], []
    for phi in rows:
        blind, p = scramble(process, partition, environment, mechanisms, phi)
        if isinstance(blind, Chain):
            known.append(blind.budget(p, two).parts["agent"].transfer)
        else:
            known.append(transfer_entropy(blind, two, p)["agent"])
        end = p if isinstance(t, float) and t == np.inf else _ends(blind, law[:, None], t)[:, 0]
        values.append(number("what viability returns", value_of(end)))
    return np.array(known), np.array(values)


def _worth(rows: np.ndarray, known: np.ndarray, values: np.ndarray) -> Semantic:
    # The first row knows nothing, the last all.
    value, stored = float(values[-1] - values[0]), float(known[-1])
    enough = values >= values[-1] - 1e-9 * (1 + abs(values[-1]))
    least = float(known[enough].min())
    share = (least / stored, value / stored) if stored > 0 else (np.nan, np.nan)
    return Semantic(rows, known, values, value, stored, least, *share)


def _ends(process: MarkovJump | Chain, starts: np.ndarray, t: float) -> np.ndarray:
    if isinstance(process, Chain):
        return steps_after(process.P, starts, whole("t", t))
    return law_after(process.generator(), starts, number("t", t, 0))
