"""Chains of points: how they lie on a grid, how they are cut into tasks, the states along them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..sweeps.grid import Grid
from .start import State

CHAINS = 32  # side by side in one task: enough to fill the lanes of two cores


@dataclasses.dataclass(frozen=True, eq=False)
class Lane:
    """One chain: the numbers of its points on the grid in the order they are followed.

    The chain that goes down from an anchor inside the axis begins with the anchor again, whose
    numbers belong to the chain that goes up: `first` is the first point that is its own.
    """

    index: np.ndarray
    first: int


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Steps `begin` to `end` of some chains, followed by one task and measured by one or two."""

    lanes: tuple[Lane, ...]
    begin: int
    end: int

    def tracks(self) -> list[np.ndarray]:
        """Return the numbers of the points of each chain that is still going."""
        return [lane.index[self.begin : self.end] for lane in self.lanes if len(lane.index) > self.begin]

    def pairs(self) -> list[tuple[int, int]]:
        """Return the place (chain, step) of every point to be measured, step after step."""
        lanes = range(len(self.tracks()))
        steps = range(self.begin, self.end)
        return [
            (i, s - self.begin) for s in steps for i in lanes if self.lanes[i].first <= s < len(self.lanes[i].index)
        ]


@dataclasses.dataclass(frozen=True)
class Part:
    """The task of a stretch that follows it, or one that measures what that left."""

    stretch: Stretch
    measures: slice
    follows: bool
    after: tuple[int, ...]

    def index(self) -> np.ndarray:
        """Return the numbers on the grid of the points it measures."""
        tracks = self.stretch.tracks()
        return np.array([tracks[i][s] for i, s in self.stretch.pairs()[self.measures]])


def chains(grid: Grid, along: str, places: Sequence[int]) -> list[Lane]:
    """Return all chains, the longest first.

    Parameters
    ----------
    grid : Grid
        With the branch as the first dimension.
    along : str
        The dimension to follow.
    places : sequence of int
        For each branch the index along it where it begins.
    """
    order = np.argsort(grid.axes[along], kind="stable")
    n = len(order)
    numbers = np.moveaxis(np.arange(grid.n_points).reshape(grid.shape), grid.dims.index(along), 1)
    numbers = numbers.reshape(len(places), n, -1)[:, order]
    lanes = []
    for branch, place in enumerate(places):
        at = int(np.flatnonzero(order == place)[0])
        for row in numbers[branch].T:
            if at < n - 1 or n == 1:
                lanes.append(Lane(row[at:], 0))
            if at > 0:
                lanes.append(Lane(row[at::-1], int(at < n - 1)))
    return sorted(lanes, key=lambda lane: -len(lane.index))


def stretches(lanes: Sequence[Lane], size: int) -> list[Part]:
    """Return the tasks of all chains, about `size` points to a stretch."""
    parts: list[Part] = []
    for group in (tuple(lanes[i : i + CHAINS]) for i in range(0, len(lanes), CHAINS)):
        length = max(2, size // len(group))
        after: tuple[int, ...] = ()
        for begin in range(0, len(group[0].index), length):
            stretch = Stretch(group, begin, begin + length)
            n_pairs, n_lanes = len(stretch.pairs()), len(stretch.tracks())
            # What follows also measures a little, so that every block has points.
            cut = n_pairs if n_pairs < 2 * n_lanes else n_lanes
            parts.append(Part(stretch, slice(0, cut), True, after))
            after = (len(parts) - 1,)
            if cut < n_pairs:
                parts.append(Part(stretch, slice(cut, None), False, after))
    return parts


class ChainStates:
    """The states along a chain: before each of its points, and at the end.

    Attributes
    ----------
    before : list of State or None
        None where a point starts from its anchor's start.
    joint : list of int
        Of each point: 1 after a cut that left the same bits, 2 after one that was followed again, else 0.
    end : State or None
    """

    def __init__(self, before: list[State | None], joint: list[int], end: State | None = None) -> None:
        self.before, self.joint, self.end = before, joint, end

    def drop(self, n: int) -> ChainStates:
        """Return the states without those of the first points."""
        return ChainStates(self.before[n:], self.joint[n:], self.end)

    def begins_at(self, state: State | None) -> bool:
        """Say whether the first state is exactly this one."""
        mine, state = self.before[0], finite_state(state)
        if mine is None or state is None:
            return mine is state
        return mine.phase == state.phase and np.array_equal(mine.attention, state.attention)

    def join(self, other: ChainStates, joint: int) -> ChainStates:
        """Return these states and then those of the next piece of the chain."""
        return ChainStates(self.before + other.before, [*self.joint, joint, *other.joint[1:]], other.end)


def finite_state(state: State | None) -> State | None:
    """Return a state that can be followed, None if it cannot."""
    return state if state is not None and np.isfinite(state.attention).all() else None
