"""Parameter points: the grid that axes span, and the blocks it is cut into."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.values import Frozen


@dataclasses.dataclass(frozen=True, eq=False)
class Grid(Frozen):
    """The points of a sweep, numbered with the last dimension running fastest; made by `Job.grid`.

    Parameters
    ----------
    axes : dict of str to ndarray, shape (n,)
        Values along each axis.
    fixed : dict of str to float or int
        The parameters that are not swept.
    together : tuple of str, default=()
        Axes that go side by side; they share the dimension of the first. The others span the product.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Grid({"a": np.array([1.0, 2.0]), "b": np.array([5.0, 6.0, 7.0])}, {"c": 3})
    >>> grid.n_points, grid.points([1, 5])["b"].tolist()
    (6, [6.0, 7.0])
    """

    axes: Mapping[str, np.ndarray]
    fixed: Mapping[str, Any]
    together: tuple[str, ...] = ()

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(name for name in self.axes if name not in self.together[1:])

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    @property
    def n_points(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def places(self, index: ArrayLike) -> dict[str, np.ndarray]:
        """Return where points are along each axis, a dict of arrays of int."""
        along = dict(zip(self.dims, np.unravel_index(np.asarray(index), self.shape), strict=True))
        return {name: along[self.together[0] if name in self.together else name] for name in self.axes}

    def points(self, index: ArrayLike) -> dict[str, np.ndarray]:
        """Return all parameters of the points with these numbers, a dict of arrays."""
        index = np.asarray(index)
        points = {name: np.full(index.size, value) for name, value in self.fixed.items()}
        return points | {name: self.axes[name][place] for name, place in self.places(index).items()}

    def groups(self, shared: Sequence[str], index: ArrayLike | None = None) -> list[range | np.ndarray]:
        """Return points in groups that a block may mix.

        Parameters
        ----------
        shared : sequence of str
            Parameters that have equal values in a group.
        index : array_like of int, optional
            Numbers of the points. Default: all.

        Returns
        -------
        list of ndarray or range
        """
        shared = [name for name in shared if name in self.axes]
        if not shared:
            return [range(self.n_points) if index is None else np.asarray(index)]
        index = np.arange(self.n_points) if index is None else np.asarray(index)
        places = self.places(index)
        group = np.ravel_multi_index(
            tuple(places[name] for name in shared), tuple(len(self.axes[name]) for name in shared)
        )
        order = np.argsort(group, kind="stable")
        return list(np.split(index[order], np.flatnonzero(np.diff(group[order])) + 1))

    def cut(
        self,
        size: int,
        shared: Sequence[str] = (),
        cost: Callable[[dict[str, np.ndarray]], float] = lambda points: 1.0,
        index: ArrayLike | None = None,
        first: int = 0,
    ) -> list[Block]:
        """Return blocks of at most `size` points, in the order in which they should begin: the longest first.

        Parameters
        ----------
        size : int
        shared : sequence of str
            Parameters that must be equal for all points of a block.
        cost : callable
            Of the parameters of one point: how long it takes.
        index : array_like of int, optional
            Numbers of the points. Default: all.
        first : int, default=0
            Number of the first block.
        """
        pieces = [
            group[begin : begin + size] for group in self.groups(shared, index) for begin in range(0, len(group), size)
        ]
        costs = np.array([cost(self.points(piece[:1])) * len(piece) for piece in pieces])
        order = np.argsort(-costs, kind="stable").tolist()
        return [Block(first + number, pieces[i]) for number, i in enumerate(order)]


@dataclasses.dataclass(frozen=True, eq=False)
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
    arrays : dict of str to ndarray, optional
        Its arrays if they are known: nothing is left to do.
    """

    number: int
    index: range | np.ndarray
    after: tuple[int, ...] = ()
    arrays: Mapping[str, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """All a job needs to run a block.

    Attributes
    ----------
    number : int
        Of the block; -1 for points that are computed by themselves.
    index : ndarray of int, shape (n_points,)
        Numbers of the points on the grid; what a point draws at random may depend on nothing else.
    points : dict of str to ndarray, shape (n_points,)
        Every parameter of every point.
    before : tuple of dict
        The arrays of each block that this one comes after.
    size : int
        Points of a block, the argument of `Job.cut`.
    """

    number: int
    index: np.ndarray
    points: dict[str, np.ndarray]
    before: tuple[Mapping[str, np.ndarray], ...] = ()
    size: int = 0

    @classmethod
    def of(cls, block: Block, grid: Grid, before: Sequence[Mapping[str, np.ndarray]], size: int) -> Task:
        """Return the task of a block."""
        index = np.asarray(block.index)
        return cls(block.number, index, grid.points(index), tuple(before), size)
