"""Jacobians of a network of site classes, and what they multiply out to, in mpmath's working precision.

Shares no code with the package but for couplings, signs and position fields. Arrays are of objects, mpmath numbers.
"""

import mpmath
import numpy as np

exact = np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)
_tanh = np.frompyfunc(mpmath.tanh, 1, 1)
_slope = np.frompyfunc(lambda x: mpmath.sech(x) ** 2, 1, 1)


def _token(model, role, attention, phase):
    """m^role and dm^role_a/dA_c of one token, Eq. (6)."""
    signs, couplings = (exact(x) for x in (model.features.classes.signs, model.features.classes.couplings[role]))
    beta, epsilon = mpmath.mpf(model.beta), mpmath.mpf(model.epsilon)
    field = beta * (signs @ exact(attention))
    position = exact(model.features.position_field(role, model.n_context)[phase % model.n_context])
    overlap = (1 - epsilon) * (_tanh(field) @ couplings) + epsilon * position
    return overlap, (1 - epsilon) * beta * ((couplings.T * _slope(field)) @ signs)


def rows(model, window, phase):
    """The L blocks dA_t/dA_{t-1-d} of one step, Eqs. (2), (3): (L, M, M)."""
    n_context, n_features = window.shape
    width = n_features // model.n_heads
    query, d_query = _token(model, "query", window[0], phase)
    keys, values = ([_token(model, role, row, phase - d) for d, row in enumerate(window)] for role in ("key", "value"))
    gain = mpmath.mpf(model.gamma) / mpmath.sqrt(mpmath.mpf(n_features) / model.n_heads)
    out = np.empty((n_context, n_features, n_features), dtype=object)
    for head in range(model.n_heads):
        own = slice(head * width, (head + 1) * width)
        scores = [gain * (query[own] @ key[own]) for key, _ in keys]
        weights = [mpmath.exp(score - max(scores)) for score in scores]
        weights = [weight / mpmath.fsum(weights) for weight in weights]
        pull = 0
        for d, (weight, (key, d_key), (value, d_value)) in enumerate(zip(weights, keys, values, strict=True)):
            # The value minus the mean as a sum of differences.
            lean = weight * sum(w * (value[own] - other[own]) for w, (other, _) in zip(weights, values, strict=True))
            out[d, own] = weight * d_value[own] + gain * np.outer(lean, query[own] @ d_key[own])
            pull = pull + gain * np.outer(lean, key[own])
        out[0, own] = out[0, own] + pull @ d_query[own]
    return out


def companion_times(blocks, frame):
    """J times the columns of a frame (L*M, n), J the Jacobian with these rows."""
    n_context, n_features, _ = blocks.shape
    top = blocks.transpose(1, 0, 2).reshape(n_features, n_context * n_features)
    return np.concatenate([top @ frame, frame[:-n_features]])


def gram_schmidt(columns):
    """Orthonormal columns and the logs of the lengths that were left of them, (n,) of float."""
    columns, logs = columns.copy(), np.empty(columns.shape[1])
    for k in range(columns.shape[1]):
        for _ in range(2):
            for j in range(k):
                columns[:, k] = columns[:, k] - (columns[:, j] @ columns[:, k]) * columns[:, j]
        length = mpmath.sqrt(columns[:, k] @ columns[:, k])
        logs[k] = float(mpmath.log(length)) if length > 0 else -np.inf
        columns[:, k] = columns[:, k] / length if length > 0 else columns[:, k]
    return columns, logs


def log_determinant(matrix):
    """log |det| by Gram-Schmidt."""
    return gram_schmidt(matrix.T)[1].sum()


def log_determinants(model, attention, phase, digits):
    """log |det dA_t/dA_{t-L}| of the steps that made attention[L:], (n,) of float."""
    n = model.n_context
    with mpmath.workdps(digits):
        steps = range(len(attention) - n)
        return np.array([log_determinant(rows(model, attention[t : t + n][::-1], phase + t)[-1]) for t in steps])
