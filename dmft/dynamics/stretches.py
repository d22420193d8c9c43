r"""Frames of tangents made orthogonal again: what their vectors have grown by, and how much of it may be rounding.

Entries of J Q are sums whose terms may be far larger than what is left of them: a stretch below the rounding of these
is lost. Tangents turn by errors too, which steps after may let grow, where a direction that shrinks faster at last is
stretched more for a while. Where the stretches of a step differ by orders of magnitude, tangents are taken off one
another again and again instead of being reflected: small coordinates keep their digits. `csrc/cycles/stretches.c` is
the twin for one frame.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

EPS = float(np.finfo(float).eps)
ENTRIES = 2.0**4 * EPS  # of its terms: what rounding does to an entry
DIFFERENCES = 2.0**-32  # the same of a derivative by differences
LOST = 2.0**-5  # a stretch that may be off by such a part tells nothing
GRADED = 2.0**-20  # of the largest: stretches below are looked at one by one
FAINT = 2.0**-26  # what tangents may have turned by unnoticed
N_PASSES = 4
LEAST = float(np.log(np.finfo(float).tiny))  # a stretch that is lost is no less, or none

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


@functools.lru_cache(maxsize=8)
def _above(n: int) -> np.ndarray:
    """Return a matrix of ones above the diagonal."""
    mask = np.triu(np.ones((n, n)), 1)
    mask.flags.writeable = False
    return mask


@np.errstate(all="ignore")
def straightened(
    moved: np.ndarray, largest: np.ndarray, bound: Bound, losses: Losses, n_steps: int = 1, rounding: float = ENTRIES
) -> tuple[np.ndarray, np.ndarray]:
    """Make tangents that steps have moved orthogonal again.

    Parameters
    ----------
    moved : ndarray, shape (n_points, size, n_tangents)
    largest : ndarray, shape (n_points,)
        No column of the bound is longer.
    bound : callable
        From points to sums of the sizes of the terms that entries of `moved` are sums of. Asked of few.
    losses : Losses
        To which those of these steps are added.
    n_steps : int
        Since they were orthogonal.
    rounding : float
        Of entries, relative to the bound.

    Returns
    -------
    frame : ndarray, shape (n_points, size, n_tangents)
    growth : ndarray, shape (n_points, n_tangents)
        Logs of the stretches; NaN for an orbit that has left the real numbers, -inf for a tangent that is annihilated.

    Examples
    --------
    A step that shrinks one direction to a part of 1e-20, in coordinates where rounding hides that:

    >>> turned = np.array([[0.6, -0.8], [0.8, 0.6]])
    >>> step = turned @ np.diag([1.0, 1e-20]) @ turned.T
    >>> losses = Losses.none(1, 2)
    >>> frame, growth = straightened(step[None], np.ones(1), lambda points: np.abs(step)[None], losses)
    >>> losses.n_lost
    array([[0, 1]])
    """
    bad = ~np.isfinite(moved).all(axis=(1, 2))
    if bad.any():
        moved = np.where(bad[:, None, None], np.eye(*moved.shape[1:]), moved)
    frame, upper = np.linalg.qr(moved)
    stretch = np.abs(np.diagonal(upper, axis1=1, axis2=2))
    graded = np.flatnonzero(~(stretch.min(axis=1) > GRADED * largest) & ~bad)
    noise = np.broadcast_to((3.0 * rounding * largest)[:, None, None], upper.shape)
    if graded.size:
        noise, stretch = noise.copy(), np.array(stretch)
        frame[graded], upper[graded], noise[graded] = _row_wise(moved[graded], bound(graded), rounding)
        stretch[graded] = np.abs(np.diagonal(upper[graded], axis1=1, axis2=2))
    tilt = losses.tilt
    looked_at = np.flatnonzero(((tilt * tilt).sum(axis=(1, 2)) > FAINT**2) & ~bad)
    if graded.size or looked_at.size:
        some = np.union1d(graded, looked_at)
        part, stretch = losses.select(some), np.array(stretch)
        stretch[some] = _lose(np.abs(upper[some]), stretch[some], noise[some], part, n_steps)
        losses.n_lost[some], losses.error[some], tilt[some] = part.n_lost, part.error, part.tilt
    inverse = np.where(stretch > 0.0, 1.0 / stretch, 0.0)[:, :, None]
    tilt[:] = (tilt * stretch[:, None] + noise.swapaxes(1, 2)) * inverse * _above(stretch.shape[1])
    if bad.any():
        tilt[bad] = 0.0
    return frame, np.where(bad[:, None], np.nan, np.log(stretch))


def _lose(upper: np.ndarray, stretch: np.ndarray, noise: np.ndarray, losses: Losses, n_steps: int) -> np.ndarray:
    """Add what this step may be off by; return the stretches with those in the place of zeros that are of rounding."""
    inverse = np.where(stretch > 0.0, 1.0 / stretch, 0.0)
    own = np.diagonal(noise, axis1=1, axis2=2)
    # An error of a tangent along a later one k takes up what that has along the former.
    above = _above(stretch.shape[1])
    fresh = noise * inverse[:, None, :] * above.T
    reach = upper[:, ::-1].cumsum(axis=1)[:, ::-1] * above  # [k, j]: of column j from row k on
    old = losses.tilt * reach * inverse[:, :, None]
    error = np.where(own > 0.0, own / stretch, 0.0)
    error += np.einsum("pkj,pjk->pk", fresh, upper * above) * inverse + old.sum(axis=1) + old.sum(axis=2)
    lost = np.logical_or.accumulate(~(error <= LOST), axis=1)
    stretch = np.where(lost & (stretch == 0.0), own, stretch)
    most = np.where(stretch > 0.0, np.maximum(np.log(stretch) - LEAST, 0.0), 0.0)
    losses.n_lost[:] += n_steps * lost
    losses.error[:] += np.where(lost, most, np.where(error > FAINT, error, 0.0))
    losses.tilt[:] = np.where(lost[:, :, None], 0.0, losses.tilt)  # they begin anew
    return stretch


def _row_wise(moved: np.ndarray, bound: np.ndarray, rounding: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return orthonormal tangents, their factor, and how far rounding may reach, [j, k]: of tangent k along j >= k."""
    n = moved.shape[2]
    frame, upper, terms = np.zeros_like(moved), np.zeros((len(moved), n, n)), bound.copy()
    for k in range(n):
        x, before = moved[:, :, k].copy(), frame[:, :, :k]
        taken = _taken_off(x, before, True)
        length = _length(x)
        upper[:, :k, k], upper[:, k, k] = taken, length
        terms[:, :, k] += (np.abs(before) * np.abs(taken)[:, None]).sum(axis=2)
        gone = np.flatnonzero(~(length > 0.0))
        if gone.size:  # any direction that is left
            some = np.zeros((gone.size, moved.shape[1]))
            some[np.arange(gone.size), np.argmin((before[gone] ** 2).sum(axis=2), axis=1)] = 1.0
            _taken_off(some, before[gone], False)
            x[gone], length[gone] = some, _length(some)
        frame[:, :, k] = x / length[:, None]
        terms[:, :, k] += np.abs(frame[:, :, k]) * upper[:, k, k, None]
    return frame, upper, np.tril((rounding * np.abs(frame)).swapaxes(1, 2) @ terms)


def _length(x: np.ndarray) -> np.ndarray:
    """Return the lengths of vectors (n_points, size) of any size."""
    largest = np.abs(x).max(axis=1)
    scaled = x / np.where(largest > 0.0, largest, 1.0)[:, None]
    return largest * np.sqrt((scaled * scaled).sum(axis=1))


def _taken_off(x: np.ndarray, frame: np.ndarray, faint: bool) -> np.ndarray:
    """Take off vectors, in place, their parts along frames, until nothing is left of them; return these.

    `faint`: what is below the rounding of its own coordinate is set to 0.
    """
    parts, length, active = np.zeros((len(x), frame.shape[2])), _length(x), np.ones(len(x), dtype=bool)
    for _ in range(N_PASSES if frame.shape[2] else 0):
        part = np.where(active[:, None], (frame * x[:, :, None]).sum(axis=1), 0.0)
        taken = part[:, None] * frame
        y = x - taken.sum(axis=2)
        if faint:
            y[np.abs(y) <= EPS * (np.abs(x) + np.abs(taken).sum(axis=2))] = 0.0
        parts += part
        x[active] = y[active]
        before, length = length, _length(x)
        active &= (length > 0.0) & (length < 0.5 * before)
        if not active.any():
            break
    return parts
