r"""The equations of vector spins in plain NumPy, by other ways than the kernels: their oracle.

Read this first. A spin :math:`s_i` has D components and length R; in a field h its mean is
:math:`\phi(h) = R A(\beta R|h|)\, h/|h|`, with A a ratio of Bessel functions.
"""

from __future__ import annotations

import numpy as np

SWEEPS = 10
LIFT = 20.0


def ratio(x: np.ndarray, n_components: float) -> np.ndarray:
    r"""Return :math:`I_{D/2}(x) / I_{D/2-1}(x)`: Amos' bounds, made sharper at a high order, then the recurrence down.

    Parameters
    ----------
    x : ndarray
        At least 0.
    n_components : float
        D >= 1.

    Returns
    -------
    ndarray

    References
    ----------
    .. [1] Amos, Math. Comp. 28, 239 (1974), eqs. 16, 20.

    Examples
    --------
    >>> ratio(np.array([0.5]), 1).round(12) == np.tanh(0.5).round(12)
    array([ True])
    """
    nu = 0.5 * n_components - 1.0
    n_down = max(0, int(np.ceil(LIFT - nu)))
    order = nu + n_down
    k = np.arange(SWEEPS + 1).reshape(-1, *[1] * np.ndim(x))
    r = x / (order + k + 0.5 + np.sqrt((order + k + 1.5) ** 2 + x**2))
    for _ in range(SWEEPS):
        with np.errstate(invalid="ignore"):
            quotient = np.where(x > 0, r[1:] / np.where(r[:-1] > 0, r[:-1], 1.0), 1.0)
        k = k[:-1]
        r = x / (order + k + 1.0 + np.sqrt((order + k + 1.0) ** 2 + x**2 * quotient))
    found = r[0]
    for j in range(n_down, 0, -1):
        found = x / (2.0 * (nu + j) + x * found)
    return found


def radial(x: np.ndarray, n_components: float) -> tuple[np.ndarray, ...]:
    """Return A, A/x, A', (A/x)'/x and its derivative over x, for x > 0, from A of D, D + 2, D + 4 components.

    Examples
    --------
    >>> [float(part[0].round(6)) for part in radial(np.array([2.0]), 3)[:3]]
    [0.537315, 0.268657, 0.173978]
    """
    a, b, c = (ratio(x, n_components + 2 * k) / x for k in range(3))
    drop, next_drop = a - b, b - c
    return a * x, a, a * (1.0 - x**2 * drop), -a * drop, a * (drop * (drop + a) - b * next_drop)


def response(h: np.ndarray, beta: float, radius: float, kind: str = "exact") -> np.ndarray:
    """Return the mean spins in fields (..., D).

    Examples
    --------
    >>> response(np.array([[0.5]]), 1.0, 1.0).round(12) == np.tanh(0.5).round(12)
    array([[ True]])
    """
    D = h.shape[-1]
    length = np.sqrt((h**2).sum(-1, keepdims=True))
    if kind == "large":
        b = beta * radius**2 / (D / 2 - 1)
        return b * h / (1.0 + np.sqrt(1.0 + (b * length / radius) ** 2))
    safe = np.where(length > 0, length, 1.0)
    return radius * ratio(beta * radius * length, D) * h / safe


def gaussian_field(theta: np.ndarray, variance: np.ndarray, beta: float, radius: float, n_nodes: int) -> np.ndarray:
    """Return the exact response averaged over Gaussian fields of a variance a component, by a product rule.

    Examples
    --------
    >>> gaussian_field(np.array([[0.0, 1.0]]), np.zeros(1), 1.0, 1.0, 4).round(6)
    array([[0.     , 0.44639]])
    """
    D = theta.shape[-1]
    z, w = np.polynomial.hermite_e.hermegauss(n_nodes)
    w = w / w.sum()
    # Gauss-Laguerre of order (D - 3)/2 by the eigenvectors of its Jacobi matrix: half the square of what is across.
    k, a = np.arange(n_nodes), 0.5 * (D - 3)
    off = np.sqrt((k[1:]) * (k[1:] + a))
    u, v = np.linalg.eigh(np.diag(2 * k + a + 1.0) + np.diag(off, 1) + np.diag(off, -1))
    t = np.sqrt((theta**2).sum(-1))[:, None, None]
    deviation = np.sqrt(variance)[:, None, None]
    along = t + deviation * z[:, None]
    length = np.sqrt(along**2 + deviation**2 * 2.0 * u)
    value = radius * ratio(beta * radius * length, D) / length * along
    mean = np.einsum("iab,a,b->i", value, w, v[0] ** 2)
    return mean[:, None] * theta / t[:, :, 0]


def step(
    m: np.ndarray, couplings: np.ndarray, fields: np.ndarray, beta: float, radius: float, kind: str, closure: str
) -> np.ndarray:
    """Return the means after a step of the naive closure, or of Gaussian fields: closed (large) or by 40 nodes (exact).

    Examples
    --------
    >>> step(np.zeros((1, 3)), np.eye(1), np.ones((1, 3)), 1.0, 0.7, "exact", "naive").round(4)
    array([[0.1493, 0.1493, 0.1493]])
    """
    D = fields.shape[1]
    theta = fields + couplings @ m
    if closure == "naive":
        return response(theta, beta, radius, kind)
    spread = couplings**2 @ (1.0 - (m**2).sum(1) / radius**2)
    if kind == "large":
        b = beta * radius**2 / (D / 2 - 1)
        square = (theta**2).sum(1) / radius**2
        return b * theta / (1.0 + np.sqrt(1.0 + b**2 * (square + spread)))[:, None]
    return gaussian_field(theta, radius**2 * spread / D, beta, radius, 40)
