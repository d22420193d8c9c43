r"""The equations, one step at a time, in plain NumPy: the page to read first.

The network has M features, a context of L tokens, and four sets of feature vectors
:math:`W^o, W^v, W^q, W^k`. In the limit of many sites its overlaps follow an iterated map for the
attention :math:`A_t`, a vector of M numbers. Equation numbers are those of arXiv:2406.07247 as
restated here:

.. math::

    m^\alpha_t &= (1-\epsilon) \sum_j G^\alpha_j \tanh(\beta s_j \cdot A_{t-1}) + \epsilon\, b^\alpha(t \bmod L)
    \quad (6) \\
    w_{t,d} &= \mathrm{softmax}_d\!\left(\tfrac{\gamma}{\sqrt M} m^q_t \cdot m^k_{t-d}\right),
    \qquad d = 0 \dots L-1 \quad (2) \\
    A_t &= \sum_d w_{t,d}\, m^v_{t-d} \quad (3)

The compiled kernels compute the same, many parameter points at once, and are tested against this page.
A window is an array (n_rows, M) of attention vectors, newest first: row d is :math:`A_{t-1-d}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._util.checks import Role, shown
from .._util.signs import sign_vectors
from ..dynamics.cycles.jets import Jet, exp
from .drive import ROLE_ORDER, given_parts, presets
from .features import Features
from .model import SelfAttention
from .start import State

STEEP = 2.0**12  # of tangents that J^-T stretches, as in csrc/attention/propagate.h


def overlap(model: SelfAttention, role: Role, attention: np.ndarray, phase: int, semantic: bool = False) -> np.ndarray:
    """Return m^role of the token made by one attention vector at one position, Eqs. (6), (7)."""
    features = model.features
    if features.classes is not None:
        activity = np.tanh(model.beta * features.classes.signs @ attention)
        m = (1.0 - model.epsilon) * activity @ features.classes.couplings[role]
    elif features.law == "independent":
        signs = sign_vectors(model.n_features, first_fastest=True)
        activity = np.tanh(model.beta * signs @ attention) @ signs / len(signs)
        m = (1.0 - model.epsilon) * _covariances(features)[role] @ activity
    else:
        own = _covariances(features)["output"]
        spread = model.beta * np.sqrt(max(attention @ own @ attention, 0.0))
        m = (1.0 - model.epsilon) * model.beta * mean_slope(spread) * _covariances(features)[role] @ attention
    left, given = driven_part(model, role, phase)
    m = left * m + (1.0 - model.epsilon) * given
    if semantic:
        return m
    return m + model.epsilon * features.position_field(role, model.n_context)[phase % model.n_context]


def driven_part(model: SelfAttention, role: Role, phase: int) -> tuple[float, np.ndarray]:
    """Return the share of sites that a drive leaves to the network in a step, and what the others add to m^role."""
    if model.drive is None:
        return 1.0, np.zeros(model.n_features)
    stage = phase % model.drive.n_tokens
    return float(model.drive.left[stage]), given_parts(model.features, model.drive)[stage, ROLE_ORDER.index(role)]


def _covariances(features: Features) -> Mapping[Role, np.ndarray]:
    if features.covariances is None:
        raise ValueError(f"features must have covariances, got {shown(features)}")
    return features.covariances


def mean_slope(spread: float) -> float:
    """Return E sech^2(spread z) over a standard normal z."""
    return _normal_mean(lambda z: 1.0 / np.cosh(spread * z) ** 2, spread)


def mean_slope_fall(spread: float) -> float:
    """Return d mean_slope / d spread, divided by spread."""
    if spread < 1e-100:
        return -2.0
    return _normal_mean(lambda z: -2.0 * z * np.tanh(spread * z) / spread / np.cosh(spread * z) ** 2, spread)


def _normal_mean(even: Callable[[float], float], spread: float) -> float:
    """Return the mean of an even function that lives on z < 1/spread, by adaptive quadrature."""
    from scipy.integrate import quad  # late: most features do without, and it takes long to import

    end = min(38.0, 350.0 / max(spread, 1.0))
    cuts = sorted(c for c in (0.5, 2.0, 8.0, 1.0 / max(spread, 1.0), 5.0 / max(spread, 1.0)) if c < end)
    value, _ = quad(lambda z: np.exp(-0.5 * z * z) * even(z), 0.0, end, points=cuts, limit=400, epsabs=1e-15)
    return 2.0 * value / np.sqrt(2.0 * np.pi)


def window_overlaps(model: SelfAttention, role: Role, window: np.ndarray, phase: int) -> np.ndarray:
    """Return m^role of every token of a window, (n_rows, M); `phase` is that of the newest."""
    return np.array([overlap(model, role, row, (phase - d) % model.period) for d, row in enumerate(window)])


def up_probability(model: SelfAttention, attention: np.ndarray) -> np.ndarray:
    """Return the probability that each site of the next token is +1, Eq. (4); (n_sites,)."""
    weights = _vectors(model.features)["output"][:, : model.features.n_sites]
    return (1.0 + np.tanh(model.beta * attention @ weights)) / 2.0


def driven_probability(model: SelfAttention, attention: np.ndarray, token: np.ndarray, phase: int) -> np.ndarray:
    """Return the same in a phase in which a drive gives a token of +-1, each site with its chance; (n_sites,)."""
    left = driven_part(model, "key", phase)[0]
    return left * up_probability(model, attention) + (1.0 - left) * (token > 0)


def _vectors(features: Features) -> Mapping[Role, np.ndarray]:
    if features.weights is None:
        raise ValueError(f"features must be actual vectors, got {shown(features)}")
    return features.weights


def token_overlap(model: SelfAttention, role: Role, token: np.ndarray, phase: int) -> np.ndarray:
    """Return m^role of a token of +-1, Eq. (1); (M,)."""
    features = model.features
    semantic = _vectors(features)[role][:, : features.n_sites] @ token / len(token)
    position = features.position_field(role, model.n_context)[phase % model.n_context]
    return (1.0 - model.epsilon) * semantic + model.epsilon * position


def softmax(scores: Any) -> Any:
    """Return the weight of every key, Eq. (2), of scores (..., n_keys, n_heads): arrays or `Jet`."""
    top = scores.terms[0] if isinstance(scores, Jet) else scores
    weights = exp(scores - top.max(axis=-2, keepdims=True))
    return weights / weights.sum(axis=-2)[..., None, :]


def attend(
    model: SelfAttention, query: np.ndarray, keys: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of every key for every feature (..., L, M), and the attention (..., M), Eqs. (2), (3).

    Arrays may have leading axes; the query is (..., M), keys and values (..., L, M), newest first.
    The features of one head have equal weights.
    """
    width = model.n_features // model.n_heads
    scores = model.gain * query[..., None, :] * keys
    scores = scores.reshape(*scores.shape[:-1], model.n_heads, width).sum(axis=-1)
    weights = np.repeat(softmax(scores), width, axis=-1)
    return weights, (weights * values).sum(axis=-2)


def step(model: SelfAttention, window: np.ndarray, phase: int, preset: np.ndarray | None = None) -> np.ndarray:
    """Return the attention after one step from a window.

    `preset` (2, M) or (2, n, M), if given, replaces the key and value overlaps of the oldest row or rows, which then
    are tokens of their own and not made by an attention.
    """
    query = overlap(model, "query", window[0], phase)
    keys = window_overlaps(model, "key", window, phase)
    values = window_overlaps(model, "value", window, phase)
    if preset is not None:
        own = presets(preset)
        keys[-own.shape[1] :], values[-own.shape[1] :] = own
    return attend(model, query, keys, values)[1]


def weights(model: SelfAttention, window: np.ndarray, phase: int) -> np.ndarray:
    """Return the softmax weight that each head gives to each token of a window in its next step, (n_heads, n_rows)."""
    query = overlap(model, "query", window[0], phase)
    keys, values = (window_overlaps(model, role, window, phase) for role in ("key", "value"))
    return attend(model, query, keys, values)[0].T[:: model.n_features // model.n_heads]


def iterate(model: SelfAttention, state: State, n_steps: int) -> tuple[np.ndarray, State]:
    """Return the attention of n_steps steps from a state, (n_steps, M), and the state then."""
    window, phase, preset = np.array(state.attention), state.phase, state.preset
    out = np.empty((n_steps, model.n_features))
    for t in range(n_steps):
        out[t] = step(model, window, phase, preset)
        if preset is not None and len(window) == model.n_context:
            preset = presets(preset)[:, :-1]  # a token of its own leaves the window
            preset = preset if preset.size else None
        window = np.concatenate([out[t][None], window])[: model.n_context]
        phase = (phase + 1) % model.period
    return out, State(window, phase, preset)


def read_prompt(model: SelfAttention, tokens: Sequence[Mapping[Role, np.ndarray]]) -> State:
    """Return the state after given tokens, known by the overlaps of their sites, at positions 0, 1, ...

    What the network itself would have made there does not matter: the newest attention is that of the last token.
    """
    read: dict[Role, np.ndarray] = {
        role: np.array(
            [
                (1.0 - model.epsilon) * token[role]
                + model.epsilon * model.features.position_field(role, model.n_context)[t % model.n_context]
                for t, token in enumerate(tokens)
            ]
        )[::-1][: model.n_context]
        for role in ("query", "key", "value")
    }
    _, newest = attend(model, read["query"][0], read["key"], read["value"])
    kept = min(len(tokens), model.n_context - 1)
    window = np.concatenate([newest[None], np.zeros((kept, model.n_features))])
    preset = np.stack([read["key"][:kept], read["value"][:kept]]) if kept else None
    if preset is not None and kept == 1:
        preset = preset[:, 0]
    return State(window, len(tokens) % model.period, preset)


def overlap_jacobian(model: SelfAttention, role: Role, attention: np.ndarray, phase: int = 0) -> np.ndarray:
    """Return dm^role_a/dA_b of one token, (M, M)."""
    return driven_part(model, role, phase)[0] * _free_jacobian(model, role, attention)


def _free_jacobian(model: SelfAttention, role: Role, attention: np.ndarray) -> np.ndarray:
    features, beta = model.features, model.beta
    if features.classes is not None:
        signs = features.classes.signs
        slope = beta / np.cosh(np.minimum(np.abs(beta * signs @ attention), 350.0)) ** 2
        return (1.0 - model.epsilon) * (features.classes.couplings[role].T * slope) @ signs
    own, cross = _covariances(features)["output"], _covariances(features)[role]
    if features.law == "independent":
        signs = sign_vectors(model.n_features, first_fastest=True)
        slope = beta / np.cosh(np.minimum(np.abs(beta * signs @ attention), 350.0)) ** 2
        return (1.0 - model.epsilon) * cross @ (signs.T * slope @ signs / len(signs))
    spread = beta * np.sqrt(max(attention @ own @ attention, 0.0))
    rise = np.outer(cross @ attention, beta**2 * own @ attention) * mean_slope_fall(spread)
    return (1.0 - model.epsilon) * beta * (mean_slope(spread) * cross + rise)


def jacobian(model: SelfAttention, window: np.ndarray, phase: int) -> np.ndarray:
    """Return dA_t/dA_{t-1-d} of a full window, (L, M, M): entry [d, a, b]."""
    n_context, n_features = window.shape
    query = overlap(model, "query", window[0], phase)
    keys = window_overlaps(model, "key", window, phase)
    values = window_overlaps(model, "value", window, phase)
    weights, _ = attend(model, query, keys, values)
    d_query = overlap_jacobian(model, "query", window[0], phase)
    width = n_features // model.n_heads
    out = np.zeros((n_context, n_features, n_features))
    for h in range(model.n_heads):
        own = slice(h * width, (h + 1) * width)
        weight = weights[:, h * width]
        for d in range(n_context):
            # dscore[e]: derivative of the score of key e by A_{t-1-d}
            dscore = np.zeros((n_context, n_features))
            dscore[d] += model.gain * query[own] @ overlap_jacobian(model, "key", window[d], phase - d)[own]
            if d == 0:
                dscore += model.gain * keys[:, own] @ d_query[own]
            spread = weight @ dscore
            value_part = weight[d] * overlap_jacobian(model, "value", window[d], phase - d)[own]
            out[d, own] = value_part + (weight[:, None] * values[:, own]).T @ (dscore - spread)
    return out


def companion(rows: np.ndarray) -> np.ndarray:
    """Return the Jacobian of the whole window, (L*M, L*M), from its dense rows (L, M, M)."""
    n_context, n_features, _ = rows.shape
    size = n_context * n_features
    out = np.zeros((size, size))
    out[:n_features] = rows.transpose(1, 0, 2).reshape(n_features, size)
    out[n_features:, : size - n_features] = np.eye(size - n_features)
    return out


def inverse_transposed(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return companion(rows)^-T times columns (L*M, n), up to what Gram-Schmidt takes out from the first one on.

    y'_0 = C^-T y_{L-1}, and y'_{d+1} = y_d - rows[d]^T y'_0: only C = rows[-1] is inverted. Where y'_0 is long, its
    largest component is cleared from the columns that follow, before the other rows are propagated: it would hide
    these.
    """
    n_context, n_features, _ = rows.shape
    y = columns.reshape(n_context, n_features, -1).copy()
    newest, left = np.linalg.solve(rows[-1].T, y[-1]), np.ones(n_features)
    for i in range(y.shape[2]):
        size = np.abs(newest[:, i]) * left
        a = int(np.argmax(size))
        if size[a] <= STEEP * np.linalg.norm(columns[:, i]):
            continue
        taken = newest[a, i + 1 :] / newest[a, i]
        newest[:, i + 1 :] -= newest[:, i : i + 1] * taken
        newest[a, i + 1 :], left[a] = 0.0, 0.0
        y[:-1, :, i + 1 :] -= y[:-1, :, i : i + 1] * taken
    older = y[:-1] - rows[:-1].transpose(0, 2, 1) @ newest
    return np.concatenate([newest[None], older]).reshape(columns.shape)


def step_frame(rows: np.ndarray, frame: np.ndarray, n_dual: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the orthonormal frame (L*M, n) after a step with these Jacobian rows, and its log growth (n,).

    The growth is log |R_ii| of J Q = Q' R. Since J^-T Q = Q' R^-T, the last n_dual columns come as well
    from the inverse transposed Jacobian, orthogonalised from the last one back: where J all but
    annihilates directions, only so to any digits.
    """
    n_direct = frame.shape[1] - n_dual
    direct, stretch = np.linalg.qr(companion(rows) @ frame[:, :n_direct])
    growth = np.log(np.abs(np.diag(stretch)))
    if n_dual == 0:
        return direct, growth
    dual, shrink = np.linalg.qr(inverse_transposed(rows, frame[:, : n_direct - 1 : -1]))
    return np.hstack([direct, dual[:, ::-1]]), np.concatenate([growth, -np.log(np.abs(np.diag(shrink)))[::-1]])
