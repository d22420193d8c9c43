"""How many directions of the window the map keeps, whatever the orbit."""

from __future__ import annotations

import functools

import numpy as np

from .._kernels import Network
from . import reference
from .drive import ROLE_ORDER
from .kernel import linearize
from .model import SelfAttention

ROUNDING = 1e-12  # what it leaves of a direction that is annihilated is less; others may shrink to 1e-11 in a step
NOTHING = 1e-12  # of the largest overlaps, or of a unit vector: what rounding leaves of those that vanish


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
    if model.beta == 0.0 or model.epsilon == 1.0:
        return 0
    # The rank of a product of Jacobians is that at random, unsaturated points.
    return _kept(_mild(model, model.epsilon))


@functools.lru_cache(maxsize=8)
def _kept_by(model: SelfAttention, epsilon: float) -> int:
    return _kept(_mild(model, epsilon))


@functools.lru_cache(maxsize=8)  # the points of a sweep over beta and gamma ask for the same one
def _kept(mild: SelfAttention) -> int:
    """Return the rank of a product of Jacobians of a model that is not saturated."""
    n_context, n_features = mild.n_context, mild.n_features
    n_steps, frame = max(2 * n_context * n_features, 2 * mild.period), np.eye(n_context * n_features)
    # Windows one after another: what they have in common annihilates directions too.
    tokens = np.random.default_rng(0).uniform(-0.5, 0.5, (n_steps + n_context - 1, n_features))
    windows = tokens[np.arange(n_steps)[:, None] + np.arange(n_context)[::-1]]
    steps = np.empty((n_steps, n_context, n_features, n_features))
    for phase in range(mild.period):
        some = windows[phase :: mild.period]
        beta, gamma, epsilon = (np.full(len(some), x) for x in (mild.beta, mild.gamma, mild.epsilon))
        steps[phase :: mild.period] = linearize(mild, beta, gamma, epsilon, some, phase, n_threads=1)[1]
    for rows in steps:
        left, size, _ = np.linalg.svd(reference.companion(rows) @ frame, full_matrices=False)
        largest = float(np.linalg.norm(rows))
        frame = left[:, size > min(1e-9 * largest, ROUNDING * max(1.0, largest))]  # of a step that shifts by 1
        if frame.shape[1] == 0:
            break
    # Where orbits, and what they differ by, lie in a smaller space at last, points elsewhere say too much.
    n_read = reached(mild).shape[1]
    if mild.drive is None and mild.features.classes is not None and mild.features.law == "classes":
        n_read = min(n_read, _read(mild).shape[1])
    return min(frame.shape[1], n_context * n_read)


@functools.lru_cache(maxsize=8)
def reached(model: SelfAttention) -> np.ndarray:
    """Return a basis of the space that all tokens of an orbit lie in at last, (n_features, n), not to be written to."""
    n_features, n_heads = model.n_features, model.n_heads
    width, rng = n_features // n_heads, np.random.default_rng(1)
    basis, largest = np.eye(n_features), 0.0
    while basis.shape[1]:
        tokens = rng.uniform(-0.5, 0.5, (2 * n_features, basis.shape[1])) @ basis.T
        phases = range(model.period)
        values = np.array([reference.overlap(model, "value", token, phase) for token in tokens for phase in phases])
        following = np.zeros((n_features, 0))
        # Every head weighs its own part of the values.
        for own in (slice(h * width, (h + 1) * width) for h in range(n_heads)):
            left, size, _ = np.linalg.svd(values[:, own].T, full_matrices=False)
            largest = max(largest, size[0])
            part = np.zeros((n_features, int(np.count_nonzero(size > NOTHING * largest))))
            part[own] = left[:, : part.shape[1]]
            following = np.hstack([following, part])
        if following.shape[1] in (basis.shape[1], n_features):
            break
        basis = following
    return basis


def read_directions(model: SelfAttention, epsilon: np.ndarray) -> np.ndarray | None:
    """Return an orthonormal basis V of what the fields read of the tokens of orbits at last, (n_features, r), r < M.

    None if they read all. V^T A moves by itself, as a window of L r numbers in which the features annihilate nothing.
    """
    cases = {float(x) if x in (0.0, 1.0) else 0.5 for x in epsilon.tolist()}
    if model.features.classes is None or model.features.law != "classes":
        return None
    basis = _read_by(model, cases.pop()) if len(cases) == 1 else None
    return None if basis is None or basis.shape[1] in (0, model.n_features) else basis


@functools.lru_cache(maxsize=8)  # orbits of one model ask for it again and again
def _read_by(model: SelfAttention, epsilon: float) -> np.ndarray:
    return _read(_mild(model, epsilon))


def _mild(model: SelfAttention, epsilon: float) -> SelfAttention:
    """Return a model that is not saturated, whose beta and gamma do not count."""
    return model.replace(beta=1.0, gamma=np.sqrt(model.n_features / model.n_heads), epsilon=epsilon)


@functools.lru_cache(maxsize=8)
def _read(mild: SelfAttention) -> np.ndarray:
    assert mild.features.classes is not None
    space = reached(mild)
    _, size, right = np.linalg.svd(mild.features.classes.signs @ space @ space.T, full_matrices=False)
    basis = right[size > 1e-9 * size.max(initial=0.0)].T
    return np.where(np.abs(basis) > NOTHING, basis, 0.0)  # else it reads far larger parts of what it should not


def n_directions_of(model: SelfAttention, beta: np.ndarray, epsilon: np.ndarray, suspect: np.ndarray) -> np.ndarray:
    """Return the number of directions kept at many points of a model, (n_points,).

    Parameters
    ----------
    model : SelfAttention
    beta, epsilon : ndarray, shape (n_points,)
    suspect : ndarray of bool, shape (n_points,)
        Where a direction may have been annihilated; L*M elsewhere.
    """
    # It depends on the features, and on beta and epsilon only at their ends.
    out = np.full(beta.size, model.n_context * model.n_features)
    known: dict[tuple[bool, ...], int] = {}
    for i in np.flatnonzero(suspect):
        case = (bool(beta[i] == 0.0), bool(epsilon[i] == 1.0), bool(epsilon[i] == 0.0))
        if case not in known:
            known[case] = 0 if case[0] or case[1] else _kept_by(model, float(epsilon[i]))
        out[i] = known[case]
    return out


def invertible(model: SelfAttention, network: Network) -> bool:
    """Return whether dA_t/dA of the oldest row has an inverse, but for accidents of the orbit."""
    if model.drive is not None and not model.drive.left.all():
        return False  # a token that is clamped forgets its attention
    return _of_full_rank(network)


@functools.lru_cache(maxsize=8)  # all that is labelled of one network asks for it again and again
def _of_full_rank(network: Network) -> bool:
    """Return whether the values of a network read all of its features."""
    value = network.couplings[ROLE_ORDER.index("value")]
    if network.law == "classes":
        slopes = np.random.default_rng(0).uniform(0.5, 1.0, len(value))
        value = value.T * slopes @ network.signs
    return bool(np.linalg.matrix_rank(value) == network.position.shape[-1])
