r"""The integrals of the kinetic Ising theories and the sums of regressions on spins in plain NumPy: slow and short.

For tests to compare with. Each integral is the defining formula with a rule fine enough not to matter: no mixture, no
series, no characteristic function.
"""

from __future__ import annotations

import numpy as np

from .._util.signs import sign_vectors


def gauss_nodes(variance: float, reach: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    """Return trapezoid nodes and weights for a Gaussian; tanh's pole is pi / (2 sqrt(variance)) away."""
    step = min(0.35, 0.22 / np.sqrt(max(variance, 1e-300)))
    x = step * np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1)
    return x, step * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def tanh_gauss(g: float, variance: float, n: int = 0) -> float:
    """Return E tanh(g + sqrt(v) x) or its n-th derivative, one element."""
    x, w = gauss_nodes(variance)
    t = np.tanh(g + np.sqrt(variance) * x)
    return w @ (t, 1 - t**2, -2 * t * (1 - t**2))[n]


def log2cosh_gauss(g: float, variance: float) -> float:
    """Return E log 2cosh(g + sqrt(v) x), one element."""
    x, w = gauss_nodes(variance)
    y = g + np.sqrt(variance) * x
    return w @ np.logaddexp(y, -y)


def tanh_gauss_pair(g1: float, g2: float, v1: float, v2: float, rho: float) -> float:
    """Return E tanh tanh of a bivariate Gaussian, one element: the double sum over x and y."""
    x, w = gauss_nodes(max(v1, v2))
    y = rho * x[:, None] + np.sqrt(1 - rho**2) * x
    return w @ (np.tanh(g1 + np.sqrt(v1) * x)[:, None] * np.tanh(g2 + np.sqrt(v2) * y)) @ w


def tanh_fixed(a: float, v: float) -> float:
    """Solve m = tanh(a - v m), one element, by bisection: the difference of the sides is monotone."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.tanh(a - v * middle) > middle else (low, middle)
    return (low + high) / 2


def tanh_product_mean(H: float, a: np.ndarray, m: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Return E tanh(H + a.s), its derivative by H and its secants, by the sum over all signs."""
    s = -sign_vectors(len(a))
    t = np.tanh(H + s @ a)
    factors = (1 + s * m) / 2
    p = factors.prod(1)
    secant = [(np.delete(factors, j, 1).prod(1) * s[:, j] * t).sum() / 2 for j in range(len(a))]
    return p @ t, p @ (1 - t**2), np.array(secant)


def means(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return sums over samples of tanh(theta.x) x, (n_neurons, size), of parameters so many and x (size, n_samples)."""
    total: np.ndarray = np.tanh(theta @ x) @ x.T
    return total


def informations(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return sums over samples of sech(theta.x)^2 x x, (n_neurons, size, size), of the same."""
    return np.array([(x / np.cosh(row @ x) ** 2) @ x.T for row in theta])
