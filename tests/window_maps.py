"""Maps of the textbooks, in the operations of `dmft.dynamics.cycles.jets`."""

import numpy as np

from dmft.dynamics.cycles.jets import Jet
from dmft.dynamics.cycles.window_map import WindowMap

HENON_B = 0.3


def stack(*entries):
    """Return a vector of its entries, arrays or series."""
    series = [entry for entry in entries if isinstance(entry, Jet)]
    if not series:
        return np.stack(np.broadcast_arrays(*entries), axis=-1)
    zero = 0.0 * series[0]
    return Jet(*(np.stack(terms, axis=-1) for terms in zip(*((zero + entry).terms for entry in entries), strict=True)))


def logistic(r):
    """x' = r x (1 - x)."""
    return WindowMap(lambda window, phase, r: stack(r * window[..., 0, 0] * (1.0 - window[..., 0, 0])), 1, 1, r)


def henon(a):
    """x' = 1 - a x^2 + y, y' = b x."""

    def step(window, phase, a):
        x, y = window[..., 0, 0], window[..., 0, 1]
        return stack(1.0 - a * x * x + y, HENON_B * x)

    return WindowMap(step, 1, 2, a)


def henon_fixed_point(a):
    """Return the upper fixed point as a window, (1, 2)."""
    x = (HENON_B - 1 + np.sqrt((1 - HENON_B) ** 2 + 4 * a)) / (2 * a)
    return np.array([[x, HENON_B * x]])


def delayed_logistic(a):
    """x_{t+1} = a x_t (1 - x_{t-1}): a context of two numbers."""
    return WindowMap(lambda window, phase, a: stack(a * window[..., 0, 0] * (1.0 - window[..., 1, 0])), 2, 1, a)


def linear(matrix):
    """x' = A x."""
    return WindowMap(lambda window, phase, value: window[..., 0, :] @ matrix.T, 1, len(matrix), [0.0])


def ring(a):
    """Fixed points on the circle x^2 + a^2 = 1."""
    return WindowMap(
        lambda window, phase, a: stack(window[..., 0, 0] + 0.3 * (1.0 - a * a - window[..., 0, 0] * window[..., 0, 0])),
        1,
        1,
        a,
    )
