"""How many directions of the window the map keeps, whatever the orbit."""

from __future__ import annotations

import numpy as np

from . import reference
from .batch import Batch
from .model import SelfAttention


def n_directions(model: SelfAttention) -> int:
    """Return how many directions of the window the tangent map of a model keeps.

    Fewer than L*M when the site classes span fewer dimensions than there are features: then the
    other exponents are -inf, which rounding would hide.

    Examples
    --------
    >>> from dmft import Features
    >>> n_directions(SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02))
    12
    """
    n_context, n_features = model.n_context, model.n_features
    if model.beta == 0.0 or model.epsilon == 1.0:
        return 0
    # The rank of a product of Jacobians is that at random, unsaturated points.
    mild = model.replace(beta=1.0, gamma=np.sqrt(n_features / model.n_heads), epsilon=model.epsilon)
    rng = np.random.default_rng(0)
    frame = np.eye(n_context * n_features)
    for t in range(2 * n_context * n_features):
        rows = reference.jacobian(mild, rng.uniform(-0.5, 0.5, (n_context, n_features)), t % n_context)
        left, size, _ = np.linalg.svd(reference.companion(rows) @ frame, full_matrices=False)
        frame = left[:, size > 1e-9 * np.linalg.norm(rows)]
        if frame.shape[1] == 0:
            break
    return frame.shape[1]


def n_directions_of(batch: Batch, model: SelfAttention) -> np.ndarray:
    """Return the number of directions kept at every point of a batch, (n_points,); L*M where nothing vanished."""
    # It depends on the features, and on beta and epsilon only at their ends. With no direction lost to
    # rounding none can have been annihilated.
    out, known = np.full(batch.n_points, batch.n_dim), {}
    suspect = batch.n_lost.any(axis=1) | ~np.isfinite(batch.log_growth()).all(axis=1)
    for i in np.flatnonzero(suspect & ~batch.failed()):
        case = (batch.beta[i] == 0.0, batch.epsilon[i] == 1.0, batch.epsilon[i] == 0.0)
        if case not in known:
            known[case] = n_directions(model.replace(beta=batch.beta[i], epsilon=batch.epsilon[i]))
        out[i] = known[case]
    return out
