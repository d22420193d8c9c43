"""Parameter points: the grid that axes span, and the blocks it is cut into."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

_MANY = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """The points of a sweep, numbered with the last dimension running fastest.

    Parameters
    ----------
    axes : dict of str to ndarray, shape (n,)
        Values along each axis.
    fixed : dict of str to float or int
        The parameters that are not swept.
    together : tuple of str, default=()
        Axes that go side by side; they share the dimension of the first. The others span the product.
    """

    axes: dict
    fixed: dict
    together: tuple = ()

    @classmethod
    def of(cls, job, axes, together=False):
        """Return the grid of a job, with every value of the axes checked.

        Parameters
        ----------
        job : object
            See `dmft.sweeps.job`.
        axes : mapping of str to array_like, shape (n,)
        together : bool or sequence of str
            Which axes go side by side; True: all.
        """
        if not axes:
            raise ValueError(f"a sweep needs values for at least one of {', '.join(job.names)}")
        axes = {name: _values(job, name, values) for name, values in axes.items()}
        if isinstance(together, bool):
            together = tuple(axes) if together else ()
        elif isinstance(together, str) or not set(together) <= set(axes):
            raise ValueError(f"together must name some of the axes {', '.join(axes)}, got {together!r}")
        together = tuple(name for name in axes if name in together)
        sizes = {name: len(axes[name]) for name in together}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"axes swept together must have equal lengths, got {sizes}")
        fixed = {name: value for name, value in job.point.items() if name not in axes}
        return cls(axes, fixed, together if len(together) > 1 else ())

    @property
    def dims(self):
        """Names of the dimensions."""
        return tuple(name for name in self.axes if name not in self.together[1:])

    @property
    def shape(self):
        """Sizes of the dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    @property
    def n_points(self):
        """Number of points."""
        return math.prod(self.shape)

    def places(self, index):
        """Return where points are along each axis, a dict of arrays of int."""
        along = dict(zip(self.dims, np.unravel_index(np.asarray(index), self.shape), strict=True))
        return {name: along[self.together[0] if name in self.together else name] for name in self.axes}

    def points(self, index):
        """Return all parameters of the points with these numbers, a dict of arrays."""
        index = np.asarray(index)
        points = {name: np.full(index.size, value) for name, value in self.fixed.items()}
        return points | {name: self.axes[name][place] for name, place in self.places(index).items()}

    def groups(self, job, index=None):
        """Return points in groups that a block may mix: those with equal values of ``job.shared``.

        Parameters
        ----------
        job : object
        index : ndarray of int, optional
            Numbers of the points. Default: all.

        Returns
        -------
        list of ndarray or range
        """
        shared = [name for name in getattr(job, "shared", ()) if name in self.axes]
        if not shared:
            return [range(self.n_points) if index is None else index]
        index = np.arange(self.n_points) if index is None else np.asarray(index)
        places = self.places(index)
        group = np.ravel_multi_index([places[name] for name in shared], [len(self.axes[name]) for name in shared])
        order = np.argsort(group, kind="stable")
        return np.split(index[order], np.flatnonzero(np.diff(group[order])) + 1)

    def cut(self, job, size):
        """Return blocks of at most so many points, in the order in which they should begin: the longest first."""
        pieces = [group[first : first + size] for group in self.groups(job) for first in range(0, len(group), size)]
        if hasattr(job, "cost") and len(pieces) > 1:
            costs = [job.cost(self.points(piece[:1])) * len(piece) for piece in pieces]
            pieces = [pieces[i] for i in np.argsort(-np.array(costs), kind="stable")]
        return [Block(number, piece) for number, piece in enumerate(pieces)]


def _values(job, name, values):
    """Return the values of an axis, checked."""
    if name not in job.names:
        raise ValueError(f"cannot sweep {name!r}; the axes are {', '.join(job.names)}")
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers, got {values!r}") from None
    if name in getattr(job, "integers", ()):
        if (array % 1 != 0).any():
            raise ValueError(f"{name} must be whole numbers, got {values!r}")
        array = np.array(values, dtype=np.int64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a one-dimensional array with entries, got shape {array.shape}")
    # The domain of a parameter is an interval: of a long axis the ends tell.
    telling = array[~np.isfinite(array)][:1]
    if not telling.size:
        telling = array if array.size <= _MANY else np.array([array.min(), array.max()])
    for value in telling.tolist():
        job.check(name, value)
    return array


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
