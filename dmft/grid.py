"""Parameter points: the grid that axes span, and the blocks it is cut into."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """The points of a sweep, numbered with the last dimension running fastest.

    Parameters
    ----------
    axes : dict of str to ndarray, shape (n,)
        Values along each axis.
    fixed : dict of str to float
        The parameters that are not swept.
    together : bool, default=False
        The axes go side by side instead of as their product.
    """

    axes: dict
    fixed: dict
    together: bool = False

    @classmethod
    def of(cls, job, axes, together=False):
        """Return the grid of a job, with every value of the axes checked."""
        if not axes:
            raise ValueError(f"a sweep needs values for at least one of {job.names}")
        checked = {}
        for name, values in axes.items():
            if name not in job.names:
                raise ValueError(f"cannot sweep {name!r}; the axes are {job.names}")
            try:
                values = np.array(values, dtype=float)
            except (TypeError, ValueError):
                raise ValueError(f"{name} must be an array of numbers, got {values!r}") from None
            if values.ndim != 1 or values.size == 0:
                raise ValueError(f"{name} must be a one-dimensional array with entries, got shape {values.shape}")
            for value in values:
                job.check(name, value)
            checked[name] = values
        if together:
            sizes = {name: len(values) for name, values in checked.items()}
            if len(set(sizes.values())) > 1:
                raise ValueError(f"axes swept together must have equal lengths, got {sizes}")
        return cls(checked, {name: job.point[name] for name in job.names}, together)

    @property
    def dims(self):
        """Names of the dimensions; axes that go together share the first one's."""
        return tuple(self.axes)[:1] if self.together else tuple(self.axes)

    @property
    def shape(self):
        """Sizes of the dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    @property
    def n_points(self):
        """Number of points."""
        return int(np.prod(self.shape))

    def points(self, index):
        """Return all parameters of the points with these numbers, a dict of arrays."""
        index = np.asarray(index)
        places = np.unravel_index(index, self.shape)
        points = {name: np.full(index.size, value) for name, value in self.fixed.items()}
        for axis, (name, values) in enumerate(self.axes.items()):
            points[name] = values[places[0 if self.together else axis]]
        return points

    def cut(self, size):
        """Return blocks of consecutive points, `size` each."""
        return [
            Block(number, range(first, min(first + size, self.n_points)))
            for number, first in enumerate(range(0, self.n_points, size))
        ]


@dataclasses.dataclass(frozen=True)
class Block:
    """Points that make one task and one file.

    Parameters
    ----------
    number : int
        Its place among the blocks, from 0.
    index : sequence of int
        The numbers of its points on the grid, in the order of its arrays.
    after : tuple of int, default=()
        Blocks that must be finished before; the job is given their arrays.
    """

    number: int
    index: range | np.ndarray
    after: tuple = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """All a job needs to run a block.

    Attributes
    ----------
    number : int
        Of the block.
    index : ndarray of int, shape (n_points,)
        Numbers of the points on the grid; what a point draws at random may depend on nothing else.
    points : dict of str to ndarray, shape (n_points,)
        Every parameter of every point.
    before : tuple of dict
        The arrays of each block that this one comes after.
    """

    number: int
    index: np.ndarray
    points: dict
    before: tuple = ()
