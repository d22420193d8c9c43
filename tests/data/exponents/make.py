"""Make the growth of all tangents along short orbits, in arithmetic of hundreds of digits.

`python make.py` writes `<beta>.npz` beside itself: `window` (n_steps, L, M), newest row first, and
`phase` (n_steps,) before every step, `growth` (n_steps, L*M), the log |R_ii| of each step's QR
decomposition from the identity on, and `determinant` (n_steps,), the log |det| of its Jacobian.
`saturated.npz` holds the same of models where softmax and tokens saturate, by their names: the first phase, and the
growth of all steps together.
The windows are the package's; what is made of them here shares no code with it.
"""

from pathlib import Path

import mpmath as mp
import numpy as np

import dmft
from dmft.attention import reference

HERE = Path(__file__).parent
# Digits by beta: a step's stretches span up to 1e-50 at beta = 3.
DIGITS = {1.28: 60, 1.45: 90, 2.0: 130, 3.0: 180}
SATURATED = {
    **{f"beta{beta}": ({"beta": float(beta)}, 600) for beta in (6, 8, 13, 24, 40)},
    **{f"gamma{gamma}": ({"beta": 3.0, "gamma": float(gamma)}, 6_000) for gamma in (2000, 10_000)},
}
PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)


def token(model, role, attention, phase):
    """Return m^role and dm^role_a/dA_c of one token, Eq. (6), by mpmath's working precision."""
    signs, couplings = model.features.classes.signs, model.features.classes.couplings[role]
    position = model.features.position_field(role, model.n_context)[phase]
    beta, epsilon = mp.mpf(model.beta), mp.mpf(model.epsilon)
    classes, features = range(len(signs)), range(model.n_features)
    x = [mp.tanh(beta * mp.fsum(mp.mpf(signs[j, a]) * mp.mpf(attention[a]) for a in features)) for j in classes]
    m = [
        (1 - epsilon) * mp.fsum(mp.mpf(couplings[j, a]) * x[j] for j in classes) + epsilon * mp.mpf(position[a])
        for a in features
    ]
    slope = mp.matrix(model.n_features)
    for a in features:
        for c in features:
            terms = (mp.mpf(couplings[j, a]) * (1 - x[j] ** 2) * mp.mpf(signs[j, c]) for j in classes)
            slope[a, c] = (1 - epsilon) * beta * mp.fsum(terms)
    return mp.matrix(m), slope


def dense_rows(model, window, phase):
    """Return the L blocks dA_t/dA_{t-1-d} of one step, Eqs. (2), (3)."""
    n_context = len(window)
    query, d_query = token(model, "query", window[0], phase)
    keys, values = (
        [token(model, role, row, (phase - d) % n_context) for d, row in enumerate(window)] for role in ("key", "value")
    )
    gain = mp.mpf(model.gain)
    scores = [gain * (query.T * key)[0] for key, _ in keys]
    weights = [mp.exp(score - max(scores)) for score in scores]
    weights = [weight / mp.fsum(weights) for weight in weights]
    mean = values[0][0] * 0
    for weight, (value, _) in zip(weights, values, strict=True):
        mean += weight * value
    blocks, pull = [], mp.matrix(len(query))
    for weight, (key, d_key), (value, d_value) in zip(weights, keys, values, strict=True):
        lean = weight * (value - mean)
        blocks.append(weight * d_value + gain * lean * (query.T * d_key))
        pull += gain * lean * key.T
    blocks[0] += pull * d_query
    return blocks


def gram_schmidt(columns):
    """Return orthonormal columns and the logs of the lengths that were left of them."""
    done, logs = [], []
    for column in columns:
        for other in done:
            part = mp.fdot(other, column)
            column = [x - part * y for x, y in zip(column, other, strict=True)]
        length = mp.sqrt(mp.fdot(column, column))
        logs.append(mp.log(length))
        done.append([x / length for x in column])
    return done, logs


def growth(model, windows, phases):
    """Return the growth of every tangent and the log determinant, step by step."""
    n_features = model.n_features
    size = windows[0].size
    frame = [[mp.mpf(i == k) for i in range(size)] for k in range(size)]
    out, determinant = [], []
    for window, phase in zip(windows, phases, strict=True):
        blocks = dense_rows(model, window, int(phase))
        rows = [[block[a, c] for block in blocks for c in range(n_features)] for a in range(n_features)]
        frame = [[mp.fdot(row, column) for row in rows] + column[: size - n_features] for column in frame]
        frame, logs = gram_schmidt(frame)
        out.append([float(x) for x in logs])
        determinant.append(float(mp.log(abs(mp.det(blocks[-1])))))
    return np.array(out), np.array(determinant)


def windows_of(model, n_steps):
    """Return the windows before each step of an orbit, and their phases."""
    state = dmft.trajectory(model, 1, n_transient=3_000, start=dmft.Start.random(0)).window.state(model)
    rows = np.concatenate([state.attention[::-1], reference.iterate(model, state, n_steps)[0]])
    window = np.array([rows[t : t + model.n_context][::-1] for t in range(n_steps)])
    return window, (state.phase + np.arange(n_steps)) % model.n_context


def main(n_steps=120):
    saturated = {}
    for name, (changes, digits) in SATURATED.items():
        mp.mp.dps, model = digits, PAPER.replace(**changes)
        window, phase = windows_of(model, 100)
        grown = growth(model, window, phase)[0].sum(axis=0)
        saturated |= {f"{name}_window": window, f"{name}_phase": phase[0], f"{name}_growth": grown}
    np.savez_compressed(HERE / "saturated.npz", **saturated)
    for beta, digits in DIGITS.items():
        mp.mp.dps = digits
        model = PAPER.replace(beta=beta)
        window, phase = windows_of(model, n_steps)
        grown, determinant = growth(model, window, phase)
        assert abs(grown.sum(axis=1) - determinant).max() < 1e-9
        np.savez_compressed(HERE / f"{beta}.npz", window=window, phase=phase, growth=grown, determinant=determinant)


if __name__ == "__main__":
    main()
