r"""Frames of tangents made orthogonal again: what their vectors have grown by, and how much of it may be rounding.

Entries of J Q are sums whose terms may be far larger than what is left of them: a stretch below the rounding of these
is lost. Tangents turn by errors too, which steps after may let grow, where a direction that shrinks faster at last is
stretched more for a while. Where the stretches of a step differ by orders of magnitude, tangents are taken off one
another again and again instead of being reflected: small coordinates keep their digits. All that is in
`csrc/cycles/stretches.c`, for maps of Python's functions and for compiled ones; its twin is in `reference.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from .cycles import _linear

ENTRIES = 2.0**4 * float(np.finfo(float).eps)  # of its terms: what rounding does to an entry
DIFFERENCES = 2.0**-32  # the same of a derivative by differences

Bound = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """What rounding may have done to the tangents of a batch of orbits.

    Attributes
    ----------
    n_lost : ndarray of int, shape (n_points, n_tangents)
        In how many steps the stretch was below rounding.
    error : ndarray, shape (n_points, n_tangents)
        How far the sums of the logs of stretches may be off.
    tilt : ndarray, shape (n_points, n_tangents, n_tangents)
        [k, j]: how far tangent k may have turned towards j > k.
    """

    n_lost: np.ndarray
    error: np.ndarray
    tilt: np.ndarray

    @classmethod
    def none(cls, n_points: int, n_tangents: int) -> Losses:
        """Return those of tangents that have just begun."""
        shape = n_points, n_tangents
        return cls(np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros((*shape, n_tangents)))

    def select(self, points: np.ndarray | Sequence[int] | slice) -> Losses:
        """Return a copy of those of some of the orbits."""
        return Losses(*(np.array(getattr(self, field.name)[points]) for field in dataclasses.fields(self)))

    def first(self, n: int) -> Losses:
        """Return those of the first n tangents."""
        parts = self.n_lost[:, :n], self.error[:, :n], self.tilt[:, :n, :n]
        return Losses(*(np.ascontiguousarray(part) for part in parts))

    def forget(self) -> None:
        """Count from here on."""
        self.n_lost[:], self.error[:] = 0, 0.0


def frobenius(matrices: np.ndarray) -> np.ndarray:
    """Return the norms of matrices (n_points, n_rows, n_columns), each the same whatever the others are."""
    entries = matrices.reshape(len(matrices), -1)
    return np.sqrt(np.einsum("pa,pa->p", entries, entries))


def straighten(
    frame: np.ndarray,
    growth: np.ndarray,
    largest: np.ndarray,
    bound: Bound,
    losses: Losses,
    n_steps: int = 1,
    rounding: float = ENTRIES,
) -> None:
    """Make tangents that steps have moved orthogonal again, in place.

    Parameters
    ----------
    frame : ndarray, shape (n_points, size, n_tangents)
        They, and then what they are made.
    growth : ndarray, shape (n_points, n_tangents)
        To which the logs of the stretches are added; NaN for an orbit that has left the real numbers, -inf for a
        tangent that is annihilated.
    largest : ndarray, shape (n_points,)
        No column of the bound is longer.
    bound : callable
        From points to sums of the sizes of the terms that entries of the frame are sums of. Asked of few.
    losses : Losses
        To which those of these steps are added.
    n_steps : int
        Since they were orthogonal.
    rounding : float
        Of entries, relative to the bound.

    Examples
    --------
    A step that shrinks one direction to a part of 1e-20, in coordinates where rounding hides that:

    >>> turned = np.array([[0.6, -0.8], [0.8, 0.6]])
    >>> step = turned @ np.diag([1.0, 1e-20]) @ turned.T
    >>> losses = Losses.none(1, 2)
    >>> straighten(step[None].copy(), np.zeros((1, 2)), np.ones(1), lambda points: np.abs(step)[None], losses)
    >>> losses.n_lost
    array([[0, 1]])
    """
    points, terms = np.arange(len(frame)), None
    while points.size:
        asking = np.empty_like(points)
        n = _linear.straighten(
            points=points,
            largest=largest,
            bound=terms,
            rounding=rounding,
            n_steps=n_steps,
            frame=frame,
            tilt=losses.tilt,
            growth=growth,
            n_lost=losses.n_lost,
            off=losses.error,
            asking=asking,
        )
        points = asking[:n]
        terms = np.array(bound(points), dtype=float, order="C") if n else None
