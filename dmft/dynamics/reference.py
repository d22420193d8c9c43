"""Twins of the compiled frames and covariant vectors in plain NumPy, one step at a time; for tests to compare with."""

from __future__ import annotations

import numpy as np


def forward(jacobians: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames (n_steps + 1, size, k) along steps of derivatives (n_steps, size, size), and their factors."""
    frames, factors = [frame], []
    for jacobian in jacobians:
        q, r = np.linalg.qr(jacobian @ frames[-1])
        frames.append(q)
        factors.append(r)
    return np.stack(frames), np.stack(factors)


def back(frames: np.ndarray, factors: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariant vectors (n_steps, size, k) before every step, and their growth in it, (n_steps, k)."""
    vectors, growth = [], []
    for q, r in zip(frames[-2::-1], factors[::-1], strict=True):
        coefficients = np.linalg.solve(r, coefficients)
        length = np.linalg.norm(coefficients, axis=0)
        coefficients = coefficients / length
        vectors.append(q @ coefficients)
        growth.append(-np.log(length))
    return np.stack(vectors[::-1]), np.stack(growth[::-1])


def adjoints(jacobians: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return orthonormal vectors (n_steps, size, m) before every step: what they are orthogonal to stays so."""
    out = []
    for jacobian in jacobians[::-1]:
        frame = np.linalg.qr(jacobian.T @ frame)[0]
        out.append(frame)
    return np.stack(out[::-1])


EPS = float(np.finfo(float).eps)
LOST = 2.0**-5  # a stretch that may be off by such a part tells nothing
GRADED = 2.0**-20  # of the largest: stretches below are looked at one by one
FAINT = 2.0**-26  # what tangents may have turned by unnoticed
N_PASSES = 4
LEAST = float(np.log(np.finfo(float).tiny))  # a stretch that is lost is no less, or none

Straightened = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def straightened(
    moved: np.ndarray, bound: np.ndarray, largest: float, tilt: np.ndarray, n_steps: int, rounding: float
) -> Straightened:
    """Make a frame (size, k) orthogonal, the terms of whose entries have these sizes; see `dynamics.stretches`.

    Returns the frame, the logs of its stretches, in how many steps they are lost and how far off they may be, (k,)
    each, and how far tangent i may have turned towards j > i, (k, k).
    """
    frame, upper = np.linalg.qr(moved)
    stretch = np.abs(np.diagonal(upper))
    noise = np.full(upper.shape, 3.0 * rounding * largest)
    graded = not stretch.min() > GRADED * largest
    if graded:
        frame, upper, noise = row_by_row(moved, bound, rounding)
        stretch = np.diagonal(upper).copy()
    above = np.triu(np.ones_like(upper), 1)
    own, upper = np.diagonal(noise), np.abs(upper)
    n_lost, off = np.zeros(len(upper), dtype=int), np.zeros(len(upper))
    with np.errstate(divide="ignore", invalid="ignore"):
        if graded or (tilt * tilt).sum() > FAINT**2:
            inverse = np.where(stretch > 0.0, 1.0 / stretch, 0.0)
            # An error of a tangent along a later one takes up what that has along the former.
            fresh = noise * inverse * above.T
            old = tilt * upper[::-1].cumsum(axis=0)[::-1] * above * inverse[:, None]
            error = np.where(own > 0.0, own / stretch, 0.0)
            error += (fresh @ (upper * above)).diagonal() * inverse + old.sum(axis=0) + old.sum(axis=1)
            lost = np.logical_or.accumulate(~(error <= LOST))
            stretch = np.where(lost & (stretch == 0.0), own, stretch)
            n_lost += n_steps * lost
            most = np.where(stretch > 0.0, np.maximum(np.log(stretch) - LEAST, 0.0), 0.0)
            off += np.where(lost, most, np.where(error > FAINT, error, 0.0))
            tilt = np.where(lost[:, None], 0.0, tilt)  # they begin anew
        inverse = np.where(stretch > 0.0, 1.0 / stretch, 0.0)
        return frame, np.log(stretch), n_lost, off, (tilt * stretch + noise.T) * inverse[:, None] * above


def row_by_row(moved: np.ndarray, bound: np.ndarray, rounding: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return orthonormal tangents, their factor, and how far rounding may reach, [j, k]: of tangent k along j >= k."""
    size, n = moved.shape
    frame, upper, terms = np.zeros_like(moved), np.zeros((n, n)), bound.copy()
    for k in range(n):
        x = moved[:, k].copy()
        upper[:k, k] = take_off(x, frame[:, :k], True)
        upper[k, k] = length = np.linalg.norm(x)
        if not length > 0.0:  # any direction that is left
            x = np.eye(size)[np.argmin((frame**2).sum(axis=1))]
            take_off(x, frame[:, :k], False)
            length = np.linalg.norm(x)
        frame[:, k] = x / length
        terms[:, k] += np.abs(frame) @ np.abs(upper[:, k])
    return frame, upper, np.tril((rounding * np.abs(frame)).T @ terms)


def take_off(x: np.ndarray, frame: np.ndarray, faint: bool) -> np.ndarray:
    """Take off a vector, in place, its parts along a frame, until nothing is left of them; return these.

    `faint`: what is below the rounding of its own coordinate is set to 0.
    """
    parts = np.zeros(frame.shape[1])
    for _ in range(N_PASSES if frame.shape[1] else 0):
        part, before = x @ frame, x.copy()
        x -= frame @ part
        parts += part
        if faint:
            x[np.abs(x) <= EPS * (np.abs(before) + np.abs(frame * part).sum(axis=1))] = 0.0
        if not 0.0 < np.linalg.norm(x) < 0.5 * np.linalg.norm(before):
            break
    return parts
