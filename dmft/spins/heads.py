"""One head of a layer of spin attention: its couplings, its network, its means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.pool import checkpoint
from .closures import Theory
from .meanfield import theory_of
from .model import VectorSpins
from .response import slopes
from .rest import stationary
from .stability import spectral_radius

if TYPE_CHECKING:  # for hints alone
    from .attention import SpinAttention


def rows_of(layer: SpinAttention, h: int) -> tuple[slice, slice]:
    """Return which rows of the weights make the queries and the keys of a head.

    Examples
    --------
    >>> from dmft.spins import SpinAttention
    >>> rows_of(SpinAttention(np.zeros((16, 8)), 2), 1)
    (slice(4, 8, None), slice(12, 16, None))
    """
    d = layer.n_components
    return slice(h * d, (h + 1) * d), slice(layer.width + h * d, layer.width + (h + 1) * d)


def couple(layer: SpinAttention, z: np.ndarray, h: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the couplings of a head, its queries and its keys, of drives (n_tokens, width)."""
    queries, keys = (z @ layer.weights[rows].T for rows in rows_of(layer, h))
    scores = queries @ keys.T
    if isinstance(layer.mask, np.ndarray):
        scores[~layer.mask] = -np.inf
    elif layer.mask == "causal":
        scores[np.triu_indices(len(scores), 1)] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    J = np.exp(scores)
    J /= J.sum(axis=1, keepdims=True)
    return J, queries, keys


def theory_of_head(layer: SpinAttention, J: np.ndarray, x: np.ndarray) -> Theory:
    """Return the closure of a head's network."""
    return theory_of(VectorSpins.unchecked(J, x, layer.beta, layer.radius, layer.response), layer.closure, 1e-11, 1)


def solve(
    layer: SpinAttention, theory: Theory, start: np.ndarray | None, where: str
) -> tuple[list[np.ndarray], float, int]:
    """Return the means of every step, or of a fixed point twice; the residual; the number of evaluations."""
    if layer.n_steps is not None:
        means = [np.zeros_like(theory.x) if start is None else start]
        for _ in range(layer.n_steps):
            checkpoint()
            means.append(theory.step(means[-1]))
        return means, float(abs(means[-1] - means[-2]).max()), layer.n_steps
    found = stationary(theory, start, layer.tol, layer.max_evaluations)
    m = found.vector
    if found.residual > layer.tol:
        raise FloatingPointError(
            f"{layer.closure} did not converge in {where} in {found.n_evaluations} evaluations: the residual is "
            f"{found.residual:.3g}, the spectral radius there {spectral_radius(theory, m):.4g}; lower beta or "
            "give n_steps"
        )
    return [m, m], found.residual, found.n_evaluations


def run_head(layer: SpinAttention, Z: np.ndarray, starts: np.ndarray | None, b: int, h: int) -> tuple[Any, ...]:
    """Return the parts of a `Block` of one head of one element of a batch."""
    d = layer.n_components
    part = slice(h * d, (h + 1) * d)
    x = np.ascontiguousarray(Z[b][:, part])
    J, _, _ = couple(layer, Z[b], h)
    theory = theory_of_head(layer, J, x)
    start = None if starts is None else np.ascontiguousarray(starts[b][:, part])
    means, residual, n = solve(layer, theory, start, f"head {h}" + (f" of element {b}" if len(Z) > 1 else ""))
    m, before = means[-1], means[-2]
    attention = J @ before
    fields = theory.site.fields_of(m)
    gain = slopes(theory.site, np.einsum("ia,ia->i", fields, fields), 0)[0]
    return m, x, attention, fields - x - attention, gain, J, np.array(residual), np.array(n)
