"""What a process would be without what its mechanisms see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, integers, number, whole, words
from .blind_chains import blind_chain
from .chain import Chain
from .partition import Partition, fits
from .process import MarkovJump
from .stationary import stationary_state


class _Blinding:
    """What of a process with blinded mechanisms does not depend on the law they are averaged over.

    Parameters, errors and sources as for `scramble`.
    """

    def __init__(
        self,
        process: MarkovJump,
        partition: Partition,
        hidden: Sequence[str],
        mechanisms: np.ndarray,
        classes: ArrayLike | None = None,
    ) -> None:
        chosen = np.isin(process.mechanism, mechanisms)
        group = partition.group(*(partition.index(name) for name in hidden))
        own = partition.group(*(k for k, name in enumerate(partition.names) if name not in hidden))
        n_hidden = int(group.max()) + 1
        seen = np.zeros(n_hidden, dtype=np.int64) if classes is None else integers("classes", classes, 0, n_hidden - 1)
        if len(seen) != n_hidden:
            raise ValueError(f"classes must have {n_hidden} entries, one for each hidden state, got {len(seen)}")
        x, y, v = process.source[chosen], process.target[chosen], process.mechanism[chosen]
        if (group[x] != group[y]).any():
            k = int(np.argmax(group[x] != group[y]))
            raise ValueError(f"mechanisms must not move what is hidden, got {v[k]} from state {x[k]} to {y[k]}")
        n_classes, n_own = int(seen.max()) + 1, int(own.max()) + 1
        # A cell is what the blinded mechanisms still tell apart; a jump leads from a cell to another state of the rest.
        self.process, self.kept = process, ~chosen
        self.cell, self.n_cells = own * n_classes + seen[group], n_own * n_classes
        self.from_state, self.rate = x, process.rates()[chosen]
        jump = np.unique(np.stack([self.cell[x], own[y], v]), axis=1, return_inverse=True)
        (begin, end, which), self.jump = jump[0], jump[1].reshape(-1)
        state = np.full((n_own, n_hidden), -1)
        state[own, group] = np.arange(process.n_states)
        # Every state of a cell has every jump of the cell.
        order = np.argsort(self.cell, kind="stable")
        first = np.searchsorted(self.cell[order], begin)
        self.size = np.bincount(self.cell, minlength=self.n_cells)
        count = self.size[begin]
        repeat = np.repeat(np.arange(len(begin)), count)
        inside = np.arange(len(repeat)) - np.repeat(np.cumsum(count) - count, count)
        source = order[first[repeat] + inside]
        target = state[end[repeat], group[source]]
        if (target < 0).any():
            k = int(np.argmax(target < 0))
            raise ValueError(
                f"partition must have a state wherever a blinded mechanism leads: from state {source[k]} mechanism "
                f"{which[repeat[k]]} would, with what is hidden unseen, lead to one that does not exist"
            )
        self.repeat, self.source, self.target = repeat, source, target
        self.mechanism = which[self.repeat]

    def edges(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return sources, targets, logarithms of rates and mechanisms, of means in a law."""
        weight = np.bincount(self.cell, p, self.n_cells)
        known = weight[self.cell] > 0
        share = np.where(known, p / np.where(weight > 0, weight, 1)[self.cell], 1 / self.size[self.cell])
        mean = np.bincount(self.jump, self.rate * share[self.from_state])[self.repeat]
        real = mean > 0
        old = self.process
        return (
            np.r_[old.source[self.kept], self.source[real]],
            np.r_[old.target[self.kept], self.target[real]],
            np.r_[old.log_rate[self.kept], np.log(mean[real])],
            np.r_[old.mechanism[self.kept], self.mechanism[real]],
        )

    def averaged(self, p: np.ndarray) -> MarkovJump:
        """Return the process whose chosen mechanisms have their mean rates given all but what is hidden, in a law."""
        old = self.process
        return MarkovJump(
            *self.edges(p), n_states=old.n_states, reservoirs=old.reservoirs, energy=old.energy, number=old.number
        )


def _product(
    process: MarkovJump, partition: Partition, hidden: Sequence[str], p: np.ndarray, mechanisms: ArrayLike
) -> np.ndarray | None:
    """Return a law in which what is hidden is independent of all else, if the scrambled process has such a one.

    So it is if what is hidden moves by itself and no mechanism that still sees looks at it: then the mean rates do not
    depend on the law of the rest, and one solution is exact.
    """
    group = partition.group(*(partition.index(name) for name in hidden))
    own = partition.group(*(k for k, name in enumerate(partition.names) if name not in hidden))
    n_hidden, n_own = int(group.max()) + 1, int(own.max()) + 1
    if n_hidden * n_own != process.n_states:
        return None
    x, y, v = process.source, process.target, process.mechanism
    moves = group[x] != group[y]
    seeing = ~moves & ~np.isin(v, mechanisms)
    if (moves & (own[x] != own[y])).any():
        return None
    for mask, label, n_other in ((moves, group, n_own), (seeing, own, n_hidden)):
        jump = np.unique(np.stack([label[x][mask], label[y][mask], v[mask]]), axis=1, return_inverse=True)[1].reshape(
            -1
        )
        count, logs = np.bincount(jump), process.log_rate[mask]
        first = np.zeros(len(count))
        first[jump] = logs
        if (count != n_other).any() or (abs(logs - first[jump]) > 1e-13 * (1 + abs(logs))).any():
            return None
    return np.asarray((np.bincount(group, p, n_hidden) / n_own)[group])


@overload
def scramble(
    process: MarkovJump,
    partition: Partition,
    hidden: str | Sequence[str],
    mechanisms: int | Sequence[int],
    classes: ArrayLike | None = None,
    *,
    tol: float = 1e-13,
    max_sweeps: int = 200,
) -> tuple[MarkovJump, np.ndarray]: ...
@overload
def scramble(
    process: Chain,
    partition: Partition,
    hidden: str | Sequence[str],
    mechanisms: int | str | Sequence[int] | Sequence[str],
    classes: ArrayLike | None = None,
    *,
    tol: float = 1e-13,
    max_sweeps: int = 200,
) -> tuple[Chain, np.ndarray]: ...
@own_arithmetic
def scramble(
    process: MarkovJump | Chain,
    partition: Partition,
    hidden: str | Sequence[str],
    mechanisms: int | str | Sequence[int] | Sequence[str],
    classes: ArrayLike | None = None,
    *,
    tol: float = 1e-13,
    max_sweeps: int = 200,
) -> tuple[MarkovJump | Chain, np.ndarray]:
    r"""Return the process whose mechanisms no longer see some parts, and its stationary state.

    The rates of the chosen mechanisms become their means over :math:`p(y | x, \phi(y))`, y being hidden and x all else,
    in the stationary state of the scrambled process itself: exactly where what is hidden moves by itself and is not
    seen otherwise, else by iteration. The dynamics of what is hidden stay as they are. In a chain, whose parts move at
    once but independently given the last state, the law of a part's step becomes its mean.

    Parameters
    ----------
    process : MarkovJump or Chain
    partition : Partition
    hidden : str or sequence of str
        The parts that are no longer seen.
    mechanisms : int or sequence of int
        Which mechanisms are blinded; they must not move what is hidden. In a chain, which parts, or their names.
    classes : array_like of int, optional
        For each hidden state, numbered in the order of its labels, what of it may still be seen; nothing unless given.
    tol : float, default=1e-13
        Largest change of a probability in the last iteration.
    max_sweeps : int, default=200

    Returns
    -------
    MarkovJump or Chain, ndarray

    Raises
    ------
    ValueError
        If a mechanism moves what is hidden, a part does not exist, the partition is of other states, or a jump would
        lead to a state that does not exist where what is hidden is another; or the parts of a chain do not move
        independently.
    FloatingPointError
        If the stationary state is not found within `max_sweeps`.

    Notes
    -----
    Our definition (observed scrambling), made self-consistent. Averaging a channel that exchanges energy with what is
    hidden is a drive by itself: the scrambled process of one in equilibrium may be out of it.

    References
    ----------
    A. Kolchinsky, D. H. Wolpert, Interface Focus 8, 20180041 (2018), for scrambling.

    Examples
    --------
    >>> from dmft.thermodynamics.agents import Forager
    >>> agent = Forager(k=4, eta=0.7, nu0=0.0, leak=0.0, mu_food=1.0, a=4.0)
    >>> blind, p = scramble(agent.process, agent.partition, "food", 2)
    >>> round(agent.stored(), 3), round(agent.stored(p), 3)
    (1.388, 0.352)
    """
    instance("process", process, MarkovJump | Chain, "a MarkovJump or Chain of dmft.thermodynamics")
    fits(partition, process.n_states)
    names = words("hidden", hidden)
    for name in names:
        partition.number_of("hidden", name)
    if not names:
        raise ValueError("hidden must be one part or more, got none")
    low, most = number("tol", tol, 1e-16), whole("max_sweeps", max_sweeps, 1)
    if isinstance(process, Chain):
        return blind_chain(process, partition, names, mechanisms, classes, low, most)
    given: Any = [mechanisms] if isinstance(mechanisms, int | np.integer) else mechanisms
    which = integers("mechanisms", given, 0, process.n_mechanisms - 1)
    p, blinding = process.stationary(), _Blinding(process, partition, names, which, classes)
    if classes is None and (product := _product(process, partition, names, p, which)) is not None:
        blind = blinding.averaged(product)
        return blind, blind.stationary()
    for _ in range(most):
        x, y, logs, _ = blinding.edges(p)
        before, p = p, stationary_state(x, y, logs, process.n_states)
        if abs(p - before).max() < low:
            return blinding.averaged(before), p
        change = abs(p - before).max()
    raise FloatingPointError(f"the scrambled state was not reached in {most} sweeps: the last changed {change:.3g}")
