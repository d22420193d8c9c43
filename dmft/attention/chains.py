"""How chains of points lie on a grid, how they are cut into tasks, and the states along them."""

from __future__ import annotations

import dataclasses

import numpy as np

CHAINS = 32  # side by side in one task: enough to fill the lanes of two cores


@dataclasses.dataclass(frozen=True)
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

    lanes: tuple
    begin: int
    end: int

    def tracks(self):
        """Return the numbers of the points of each chain that is still going."""
        return [lane.index[self.begin : self.end] for lane in self.lanes if len(lane.index) > self.begin]

    def pairs(self):
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
    after: tuple

    def index(self):
        """Return the numbers on the grid of the points it measures."""
        tracks = self.stretch.tracks()
        return np.array([tracks[i][s] for i, s in self.stretch.pairs()[self.measures]])


def chains(grid, along, places):
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


def stretches(lanes, size):
    """Return the tasks of all chains, about `size` points to a stretch."""
    parts = []
    for group in (tuple(lanes[i : i + CHAINS]) for i in range(0, len(lanes), CHAINS)):
        length = max(2, size // len(group))
        after = ()
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


class Walk:
    """States along a chain: before each of its points, and at the end."""

    def __init__(self, before, joint, end=None):
        self.before, self.joint, self.end = before, joint, end

    def drop(self, n):
        """Return the walk without its first points."""
        return Walk(self.before[n:], self.joint[n:], self.end)

    def begins_at(self, state):
        """Say whether the walk begins with exactly this state."""
        mine, state = self.before[0], finite_state(state)
        if mine is None or state is None:
            return mine is state
        return mine.phase == state.phase and np.array_equal(mine.attention, state.attention)

    def join(self, other, joint):
        """Return this walk and another one after it."""
        return Walk(self.before + other.before, [*self.joint, joint, *other.joint[1:]], other.end)


def finite_state(state):
    """Return a state that can be followed, None if it cannot."""
    return state if state is not None and np.isfinite(state.attention).all() else None
