"""Tangents of the windows of a batch, as the kernels carry them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from .. import _kernels


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tangents:
    """Orthonormal tangents of every window of a batch, up to their lengths.

    Attributes
    ----------
    frame : ndarray, shape (n_points, n_tangents, n_context, n_features)
        Their directions. The last `n_dual` are carried by the inverse transposed Jacobian: their lengths are the
        inverses of the stretches.
    exponent : ndarray, shape (n_points, n_tangents)
        Powers of two that were taken out of the frame.
    n_lost : ndarray of int, shape (n_points, n_tangents)
        In how many steps a stretch was below rounding.
    mark : ndarray, shape (n_points, n_tangents, 2)
        Power and log of the length at the last sample.
    qr_interval : int
        Steps between two orthogonalisations; 1: as often as the frame needs it.
    n_dual : int
    """

    frame: np.ndarray
    exponent: np.ndarray
    n_lost: np.ndarray
    mark: np.ndarray
    qr_interval: int = 1
    n_dual: int = 0

    @classmethod
    def of_unit_vectors(
        cls, n_points: int, n_tangents: int, shape: tuple[int, int], qr_interval: int = 1, n_dual: int = 0
    ) -> Tangents:
        """Return the first unit vectors as tangents of windows of a shape; possibly none."""
        frame = np.eye(n_tangents, shape[0] * shape[1]).reshape(n_tangents, *shape)
        return cls(
            frame=np.repeat(frame[None], n_points, axis=0),
            exponent=np.zeros((n_points, n_tangents)),
            n_lost=np.zeros((n_points, n_tangents), dtype=np.int64),
            mark=np.zeros((n_points, n_tangents, 2)),
            qr_interval=qr_interval,
            n_dual=n_dual,
        )

    def __len__(self) -> int:
        return self.frame.shape[1]

    @property
    def whole(self) -> int:
        """Runs are cut after multiples of so many steps, or their bits would tell where."""
        n_context, n_features = self.frame.shape[2:]
        return _kernels.steps_together(n_features, n_context, len(self), self.qr_interval)

    def select(self, points: np.ndarray | Sequence[int]) -> Tangents:
        """Return a copy of the tangents of some of the points."""
        frame, exponent, n_lost, mark = (
            np.array(x[points]) for x in (self.frame, self.exponent, self.n_lost, self.mark)
        )
        return Tangents(frame, exponent, n_lost, mark, self.qr_interval, self.n_dual)

    def first(self, n_tangents: int) -> Tangents:
        """Return the first tangents alone, no dual ones among them."""
        frame, exponent, n_lost, mark = (
            np.ascontiguousarray(x[:, :n_tangents]) for x in (self.frame, self.exponent, self.n_lost, self.mark)
        )
        return Tangents(frame, exponent, n_lost, mark, self.qr_interval)

    def join(self, other: Tangents) -> Tangents | None:
        """Return the tangents of two batches as those of one; None of those that are carried in different ways."""
        if [len(self), self.qr_interval, self.n_dual] != [len(other), other.qr_interval, other.n_dual]:
            return None
        names = ("frame", "exponent", "n_lost", "mark")
        frame, exponent, n_lost, mark = (np.concatenate([getattr(self, x), getattr(other, x)]) for x in names)
        return Tangents(frame, exponent, n_lost, mark, self.qr_interval, self.n_dual)

    def turn(self) -> None:
        """Give all points orthonormal tangents in general directions, the same to all."""
        n_tangents, *shape = self.frame.shape[1:]
        general = np.random.default_rng(0).normal(size=(math.prod(shape), n_tangents))
        self.frame[:] = np.linalg.qr(general)[0].T.reshape(n_tangents, *shape)
        for array in (self.exponent, self.mark):
            array[:] = 0.0

    def kernel_arguments(self) -> dict[str, object]:
        """Return what the kernel asks of tangents, by its keywords."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def log_growth(self) -> np.ndarray:
        """Return the log of how much every tangent has grown since they began, (n_points, n_tangents)."""
        length = np.linalg.norm(self.frame.reshape(*self.exponent.shape, -1), axis=2)
        with np.errstate(divide="ignore"):  # a tangent that has vanished has grown by -inf
            growth = self.exponent * np.log(2.0) + np.log(length)
        growth[:, len(self) - self.n_dual :] *= -1.0
        return growth
