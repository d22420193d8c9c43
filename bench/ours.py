"""The package's kernels behind the peers' three functions."""

from types import SimpleNamespace

import numpy as np

from dmft import _kernels
from dmft.attention.records import Every, Record
from dmft.attention.tangents import Tangents


def advance(problem, n_steps, n_tangents=0, n_dual=0):
    """Return (window, frame, exponent) after n_steps on one thread."""
    n_features, n_context, _ = problem.sizes
    n_points = problem.n_points
    window = problem.window.copy()
    network = _kernels.Network(
        signs=problem.signs, couplings=problem.couplings, position=problem.position, n_heads=1, law="classes"
    )
    lengths = SimpleNamespace(n_features=n_features, n_heads=1, n_context=n_context)
    tangents = Tangents.of_unit_vectors(n_points, n_tangents, (n_context, n_features), n_dual=n_dual)
    _kernels.advance(
        network=network,
        beta=problem.beta,
        gain=problem.gain,
        epsilon=problem.epsilon,
        window=window,
        preset=None,
        n_filled=n_context,
        phase=problem.phase,
        n_steps=n_steps,
        **Record(n_points, lengths, (), 1, Every(n_steps)).kernel_arguments(),
        **(tangents.kernel_arguments() if n_tangents else {}),
        n_threads=1,
    )
    return window, tangents.frame, tangents.exponent


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
