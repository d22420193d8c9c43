"""Gradients through the stationary means of one head: the adjoint fixed point, or the reverse sweep of its steps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from .._util.values import Frozen
from .closures import Local, Theory
from .heads import couple, rows_of, solve, theory_of_head
from .tap import Tap
from .tap_gradients import Pull, pull_rest, pull_step, solve_adjoint

if TYPE_CHECKING:  # for hints alone
    from .attention import SpinAttention


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Gradients(Frozen):
    """Gradients of a scalar, as `SpinAttention.vjp` returns them.

    Attributes
    ----------
    inputs : ndarray, of the shape of the tokens
    weights : ndarray, shape (2 * width, width)
    beta : float
    start : ndarray, of the shape of the tokens, or None
        By the means before the first step; None for a fixed point, which does not depend on them.
    """

    inputs: np.ndarray
    weights: np.ndarray
    beta: float
    start: np.ndarray | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What one head has: by all drives, by its two parts of the weights, by beta, by its start."""

    of_z: np.ndarray
    of_weights: tuple[np.ndarray, np.ndarray]
    of_beta: float
    of_start: np.ndarray


@dataclasses.dataclass(slots=True)
class _Sums:
    """Gradients of a network, summed over its steps."""

    of_x: np.ndarray
    of_J: np.ndarray
    of_beta: float = 0.0

    def take(self, pull: Pull) -> np.ndarray:
        """Add the gradients of a step; return that by the means before."""
        self.of_x += pull.of_x
        self.of_J += pull.of_J
        self.of_beta += pull.of_beta
        return pull.of_m

    def add(self, theory: Theory, local: Local, weight: np.ndarray) -> np.ndarray:
        """Add what a weight of the means after a step has; return what it is of the means before."""
        of_m, of_theta, of_spread = theory.pull(local, weight)
        self.of_x += of_theta
        self.of_J += of_theta @ local.m.T
        if of_spread.any():
            left = 1.0 - np.einsum("ia,ia->i", local.m, local.m) / theory.R**2
            self.of_J += 2.0 * theory.J * np.outer(of_spread, left)
        self.of_beta += float((weight * theory.slope_by_beta(local)).sum())
        return of_m


def _pull_rest(sums: _Sums, theory: Theory, m: np.ndarray, cotangent: np.ndarray) -> None:
    """Add the gradients of stationary means, of the weight w = c + (dF/dm)^T w."""
    if isinstance(theory, Tap):
        sums.take(pull_rest(theory, m, cotangent))
        return
    local = theory.local(m)
    sums.add(theory, local, solve_adjoint(lambda w: theory.pull(local, w)[0], cotangent))


def pull_head(layer: SpinAttention, Z: np.ndarray, C: np.ndarray, starts: np.ndarray | None, b: int, h: int) -> _Part:
    """Return the gradients of one head of one element of a batch."""
    d = layer.n_components
    part = slice(h * d, (h + 1) * d)
    z, x, cotangent = Z[b], np.ascontiguousarray(Z[b][:, part]), np.ascontiguousarray(C[b][:, part])
    J, queries, keys = couple(layer, z, h)
    theory = theory_of_head(layer, J, x)
    start = None if starts is None else np.ascontiguousarray(starts[b][:, part])
    means, _, _ = solve(layer, theory, start, f"head {h}")
    sums = _Sums(np.zeros_like(x), np.zeros_like(J))
    weight = cotangent
    if layer.n_steps is None:
        _pull_rest(sums, theory, means[-1], cotangent)
        weight = np.zeros_like(x)
    else:
        for before, after in zip(means[-2::-1], means[:0:-1], strict=True):
            if isinstance(theory, Tap):
                weight = sums.take(pull_step(theory, before, after, weight))
            else:
                weight = sums.add(theory, theory.local(before), weight)
    of_scores = J * (sums.of_J - (J * sums.of_J).sum(axis=1, keepdims=True))
    of_queries, of_keys = of_scores @ keys, of_scores.T @ queries
    rows = rows_of(layer, h)
    of_z = of_queries @ layer.weights[rows[0]] + of_keys @ layer.weights[rows[1]]
    of_z[:, part] += sums.of_x
    return _Part(of_z, (of_queries.T @ z, of_keys.T @ z), sums.of_beta, weight)
