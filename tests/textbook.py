"""Maps whose exponents, rotation numbers and bifurcations are known, as systems."""

import numpy as np

from dmft.dynamics.system import Map


def diagonal(rates):
    """Linear maps, one a row of `rates`: exponents log |rate|."""
    rates = np.asarray(rates, dtype=float)
    return Map(
        lambda x, rates: rates * x,
        np.ones(rates.shape),
        lambda x, rates: rates[:, :, None] * np.eye(rates.shape[1]),
        parameters=[rates],
    )


def logistic(x, r=4.0):
    """x -> r x (1 - x); at r = 4 its exponent is ln 2."""
    return Map(lambda x: r * x * (1 - x), np.reshape(x, (-1, 1)), lambda x: (r - 2 * r * x)[..., None])


def henon(states, a=1.4, b=0.3):
    """Chaos of exponents 0.419 and ln b - 0.419: the determinant is -b everywhere."""

    def jacobian(s):
        x = s[:, 0]
        one, zero = np.ones_like(x), np.zeros_like(x)
        return np.stack([np.stack([-2 * a * x, one], axis=1), np.stack([b * one, zero], axis=1)], axis=1)

    return Map(lambda s: np.stack([1 - a * s[:, 0] ** 2 + s[:, 1], b * s[:, 0]], axis=1), states, jacobian)


def circle(angles, omega, coupling):
    """Arnold's circle map of a lifted angle in turns, seen as a point (cos, sin) of the plane."""
    turn = 2 * np.pi
    return Map(
        lambda x, omega, coupling: x + omega - coupling / turn * np.sin(turn * x),
        np.reshape(angles, (-1, 1)),
        lambda x, omega, coupling: (1 - coupling * np.cos(turn * x))[..., None],
        observe=lambda x: np.concatenate([np.cos(turn * x), np.sin(turn * x)], axis=1),
        parameters=[np.reshape(np.broadcast_to(x, np.shape(angles)), (-1, 1)) for x in (omega, coupling)],
    )


def delayed_logistic(states, r):
    """x_{t+1} = r x_t (1 - x_{t-1}): a Neimark-Sacker point at r = 2, with angle 2 pi / 6."""

    def jacobian(s):
        x, y = s.T
        row = np.stack([r * (1 - y), -r * x], axis=1)
        return np.stack([row, np.broadcast_to([1.0, 0.0], row.shape)], axis=1)

    return Map(lambda s: np.stack([r * s[:, 0] * (1 - s[:, 1]), s[:, 0]], axis=1), states, jacobian)


def resonance_step(q, coupling):
    """Return the normal form of a resonance of q turns as a step of a plane: r its growth, t its angle."""

    def step(state, r, t):
        x, y = state
        u, v = x, -y
        for _ in range(q - 2):
            u, v = u * x + v * y, v * x - u * y
        size = 1.0 + r - x * x - y * y
        u, v = size * x + coupling * u, size * y + coupling * v
        return np.cos(t) * u - np.sin(t) * v, np.sin(t) * u + np.cos(t) * v

    return step
