"""Says which points of a grid of two axes to compute next: cells whose known labels differ are split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import whole


class Quadtree:
    """A grid that is filled from coarse to fine, where its labels change.

    Cells begin with `coarse` steps a side. A cell in which two known points, corners or others on
    its rim, have different labels is split in four, down to single steps. What no cell asks for
    gets the one label of its cell. An island between the coarse points of one label is missed:
    that is the price.

    Parameters
    ----------
    shape : (int, int)
        Points along each axis.
    coarse : int, default=8
        Grid steps of the first cells.

    Attributes
    ----------
    computed : ndarray of bool, shape `shape`
        Points whose label was given.

    Examples
    --------
    >>> tree = Quadtree((9, 9), coarse=4)
    >>> while len(points := tree.missing()):
    ...     tree.put(points, points[:, 0] > 6)
    >>> int(tree.computed.sum()), tree.labels()[:, 0].tolist()
    (35, [0, 0, 0, 0, 0, 0, 0, 1, 1])
    """

    def __init__(self, shape: tuple[int, int], coarse: int = 8) -> None:
        coarse = whole("coarse", coarse, 1)
        self.computed = np.zeros(shape, dtype=bool)
        self._label = np.zeros(shape, dtype=np.int64)
        self._cells = [
            (*rows, *columns) for rows in _intervals(shape[0], coarse) for columns in _intervals(shape[1], coarse)
        ]

    def missing(self) -> np.ndarray:
        """Return the points to compute next, an array of index pairs (n, 2); empty at the end."""
        while True:
            wanted = np.zeros_like(self.computed)
            for i, k, j, m in self._cells:
                wanted[[i, i, k, k], [j, m, j, m]] = True
            wanted &= ~self.computed
            if wanted.any():
                return np.argwhere(wanted)
            cells = [part for cell in self._cells for part in self._parts(cell)]
            if len(cells) == len(self._cells):
                return np.empty((0, 2), dtype=int)
            self._cells = cells

    def put(self, points: ArrayLike, labels: ArrayLike) -> None:
        """Take in the labels, whole numbers, of points."""
        points, labels = np.asarray(points), np.asarray(labels)
        if labels.dtype.kind not in "iub" or labels.shape != points.shape[:1]:
            raise ValueError(f"labels must be {len(points)} whole numbers, got {labels.dtype} of shape {labels.shape}")
        self._label[tuple(points.T)] = labels
        self.computed[tuple(points.T)] = True

    def labels(self) -> np.ndarray:
        """Return the labels of the whole grid, those never computed taken from their cell."""
        filled = self._label.copy()
        for i, k, j, m in self._cells:
            inside = (slice(i, k + 1), slice(j, m + 1))
            filled[inside][~self.computed[inside]] = self._label[i, j]
        return filled

    def _parts(self, cell: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
        """Yield a cell, or its parts if its known points differ and it is not the smallest."""
        i, k, j, m = cell
        inside = (slice(i, k + 1), slice(j, m + 1))
        known = self._label[inside][self.computed[inside]]
        if (k - i <= 1 and m - j <= 1) or known.min() == known.max():
            yield cell
            return
        for rows in _halves(i, k):
            for columns in _halves(j, m):
                yield (*rows, *columns)


def _intervals(n: int, step: int) -> list[tuple[int, int]]:
    """Cut 0 .. n - 1 into intervals that share their ends."""
    marks = sorted({*range(0, n, step), n - 1})
    return list(itertools.pairwise(marks)) or [(0, 0)]


def _halves(low: int, high: int) -> list[tuple[int, int]]:
    middle = (low + high) // 2
    return [(low, high)] if high - low <= 1 else [(low, middle), (middle, high)]
