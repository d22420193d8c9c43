"""Twin of the compiled covariant vectors in plain NumPy, one step at a time; for tests to compare with."""

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
