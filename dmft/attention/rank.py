"""How many directions of the window the map keeps, whatever the orbit."""

from __future__ import annotations

import numpy as np

from . import reference


def generic_rank(model):
    """Return how many directions of the window the tangent map of a model keeps.

    Fewer than L*M when the site classes span fewer dimensions than there are features: then the
    other exponents are -inf, which rounding would hide.
    """
    n_context, n_features = model.n_context, model.n_features
    if model.beta == 0.0 or model.epsilon == 1.0:
        return 0
    # The rank of the product is that at random, unsaturated points.
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


def ranks(model, batch):
    """Return the rank at every point of a batch of a model, (n_points,); not worked out where nothing vanishes."""
    # The rank depends on the features, and on beta and epsilon only at their ends. With no direction lost to
    # rounding none can have been annihilated.
    out, known = np.full(batch.n_points, batch.n_dim), {}
    suspect = batch.n_lost.any(axis=1) | ~np.isfinite(batch.log_growth()).all(axis=1)
    for i in np.flatnonzero(suspect & ~batch.failed()):
        case = (batch.beta[i] == 0.0, batch.epsilon[i] == 1.0, batch.epsilon[i] == 0.0)
        if case not in known:
            known[case] = generic_rank(model.replace(beta=batch.beta[i], epsilon=batch.epsilon[i]))
        out[i] = known[case]
    return out
