"""The package's kernels behind the peers' three functions."""

import numpy as np

from dmft import _kernels


def advance(problem, n_steps, n_tangents=0, n_dual=0):
    """Return (window, frame, exponent) after n_steps on one thread."""
    n_features, n_context, _ = problem.sizes
    n_points = problem.n_points
    window = problem.window.copy()
    frame = exponent = n_lost = mark = None
    if n_tangents:
        n = n_context * n_features
        frame = np.zeros((n_points, n_tangents, n))
        frame[:] = np.eye(n_tangents, n)
        frame = frame.reshape(n_points, n_tangents, n_context, n_features)
        exponent = np.zeros((n_points, n_tangents))
        n_lost = np.zeros((n_points, n_tangents), np.int64)
        mark = np.zeros((n_points, n_tangents, 2))
    _kernels.advance(
        problem.signs, problem.couplings, problem.position, 1, 0,
        problem.beta, problem.gain, problem.epsilon, window, None, n_context, problem.phase,
        n_steps, n_steps, 0, 0, [None] * 6, np.zeros(n_points, np.int64),
        frame, exponent, n_lost, mark, 0, 0, None, None, 1, n_dual, 1,
    )  # fmt: skip
    return window, frame, exponent


def orbit(problem, n_steps):
    return advance(problem, n_steps)[0]


def tangents(problem, n_steps, n_tangents, n_dual=0):
    _, frame, exponent = advance(problem, n_steps, n_tangents, n_dual)
    logs = exponent * np.log(2) + 0.5 * np.log(np.sum(frame**2, axis=(2, 3)))
    logs[:, n_tangents - n_dual :] *= -1
    return logs / n_steps


def leading(problem, n_steps):
    return tangents(problem, n_steps, 1)[:, 0]


def spectrum(problem, n_steps, n_dual=None):
    """As `dmft.lyapunov` does it, the last half by inverse transposed Jacobians; n_dual = 0: as the peers do."""
    n = problem.window[0].size
    return tangents(problem, n_steps, n, n - 2 * ((n + 3) // 4) if n_dual is None else n_dual)
