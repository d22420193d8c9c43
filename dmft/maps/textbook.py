"""Maps of textbooks, of which much is known: examples of `dmft.Map`, and test beds.

Every function returns a `Map` whose parameters are its arguments. Their steps are functions of this module, so that
sweeps can send them to other processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._util.checks import whole
from .model import Map

__all__ = ["circle", "coupled_lattice", "delayed_logistic", "henon", "ikeda", "logistic", "standard"]


def logistic(r: float = 4.0) -> Map:
    r"""Return :math:`x \mapsto r x (1 - x)`: flips at r = 3 and 1 + sqrt(6), the exponent ln 2 at r = 4.

    References
    ----------
    .. [1] May, Nature 261 (1976) 459.

    Examples
    --------
    >>> from dmft import attractor
    >>> attractor(logistic(3.5)).name
    'cycle of period 4'
    """
    return Map(_logistic, _logistic_slope, state=[0.3], parameters={"r": r})


def _logistic(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    return r * x * (1.0 - x)


def _logistic_slope(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    return r - 2.0 * r * x


def henon(a: float = 1.4, b: float = 0.3) -> Map:
    r"""Return :math:`(x, y) \mapsto (1 - a x^2 + y, b x)`: fold at a = -(1-b)^2/4, flip at 3(1-b)^2/4.

    References
    ----------
    .. [1] Henon, Commun. Math. Phys. 50 (1976) 69.

    Examples
    --------
    >>> from dmft import branch, cycle
    >>> [(point.kind, round(point.value, 10)) for point in branch(cycle(henon(0.2), 1), a=(0.0, 0.5)).special]
    [('flip', 0.3675)]
    """
    return Map(_henon, _henon_slope, state=[0.1, 0.1], parameters={"a": a, "b": b})


def _henon(state: Any, a: np.ndarray, b: np.ndarray) -> Any:
    x, y = state
    return 1.0 - a * x * x + y, b * x


def _henon_slope(state: Any, a: np.ndarray, b: np.ndarray) -> Any:
    x, _ = state
    return (-2.0 * a * x, 1.0), (b, 0.0)


def delayed_logistic(r: float = 2.1) -> Map:
    r"""Return :math:`x_{t+1} = r x_t (1 - x_{t-1})`: Neimark-Sacker at r = 2, with the angle 2 pi / 6.

    References
    ----------
    .. [1] Kuznetsov, Elements of Applied Bifurcation Theory, sec. 4.7.

    Examples
    --------
    >>> from dmft import branch, cycle
    >>> (point,) = branch(cycle(delayed_logistic(1.8), 1), r=(1.7, 2.1)).special
    >>> point.kind, round(point.value, 10), round(2 * np.pi / point.form.angle, 10)
    ('neimark-sacker', 2.0, 6.0)
    """
    return Map(_delayed_logistic, _delayed_logistic_slope, state=[0.3], parameters={"r": r}, lags=2)


def _delayed_logistic(window: np.ndarray, r: np.ndarray) -> np.ndarray:
    return r * window[0] * (1.0 - window[1])


def _delayed_logistic_slope(window: np.ndarray, r: np.ndarray) -> Any:
    return [(r * (1.0 - window[1, 0]), -r * window[0, 0])]


def circle(omega: float = 0.2, coupling: float = 0.9) -> Map:
    r"""Return the sine circle map :math:`\theta \mapsto \theta + \Omega - \frac{K}{2\pi} \sin 2\pi\theta`, in turns.

    The state is the point (cos, sin) of the angle, so that nothing jumps after a turn; the radius is forgotten in a
    step, to rounding. The tongue of fixed points is :math:`|\Omega| < K / 2\pi`; for K > 1 the map has no inverse.

    References
    ----------
    .. [1] Jensen, Bak & Bohr, Phys. Rev. A 30 (1984) 1960.

    Examples
    --------
    >>> from dmft import attractor
    >>> attractor(circle(0.1, 0.9)).name, attractor(circle(0.2, 0.9)).kind
    ('cycle of period 1', 'torus')
    """
    return Map(_circle, state=[1.0, 0.0], parameters={"omega": omega, "coupling": coupling})


def _circle(state: Any, omega: np.ndarray, coupling: np.ndarray) -> Any:
    x, y = state
    size = np.sqrt(x * x + y * y)
    turn = 2.0 * np.pi * omega - coupling * y / size
    return (x * np.cos(turn) - y * np.sin(turn)) / size, (x * np.sin(turn) + y * np.cos(turn)) / size


def ikeda(u: float = 0.9) -> Map:
    r"""Return :math:`z \mapsto 1 + u z e^{i t}`, :math:`t = 0.4 - 6 / (1 + |z|^2)`: light in a ring cavity; volume u^2.

    References
    ----------
    .. [1] Hammel, Jones & Moloney, J. Opt. Soc. Am. B 2 (1985) 552.

    Examples
    --------
    >>> from dmft import lyapunov
    >>> bool(abs(lyapunov(ikeda(0.9), 500).exponents.sum() - 2 * np.log(0.9)) < 1e-12)
    True
    """
    return Map(_ikeda, state=[0.1, 0.1], parameters={"u": u})


def _ikeda(state: Any, u: np.ndarray) -> Any:
    x, y = state
    t = 0.4 - 6.0 / (1.0 + x * x + y * y)
    return 1.0 + u * (x * np.cos(t) - y * np.sin(t)), u * (x * np.sin(t) + y * np.cos(t))


def standard(coupling: float = 0.971635) -> Map:
    r"""Return Chirikov's map: :math:`p' = p + \frac{K}{2\pi} \sin 2\pi x`, :math:`x' = x + p'`, both modulo 1.

    Areas stay. The last torus breaks at K = 0.971635; the fixed point (0, 1/2) loses stability at K = 4.

    References
    ----------
    .. [1] Greene, J. Math. Phys. 20 (1979) 1183.

    Examples
    --------
    >>> from dmft import cycle
    >>> cycle(standard(0.5), 1, guess=[[0.0, 0.5]]).multipliers.prod().real.round(12)
    np.float64(1.0)
    """
    return Map(_standard, state=[0.3, 0.1], parameters={"coupling": coupling})


def _standard(state: Any, coupling: np.ndarray) -> Any:
    p, x = state
    p = p + coupling / (2.0 * np.pi) * np.sin(2.0 * np.pi * x)
    x = x + p
    return p - np.floor(p.real), x - np.floor(x.real)


def coupled_lattice(r: float = 4.0, coupling: float = 0.2, n_sites: int = 8) -> Map:
    r"""Return a ring of logistic maps: :math:`x_i' = (1 - c) f(x_i) + \frac{c}{2} (f(x_{i-1}) + f(x_{i+1}))`.

    Parameters
    ----------
    r, coupling : float
    n_sites : int, default=8

    References
    ----------
    .. [1] Kaneko, Prog. Theor. Phys. 72 (1984) 480.

    Examples
    --------
    >>> from dmft import trajectory
    >>> trajectory(coupled_lattice(3.9, n_sites=5), 100).states.shape
    (100, 5)
    """
    n_sites = whole("n_sites", n_sites, 1)
    state: Sequence[float] = 0.3 + 0.2 * np.sin(1.0 + np.arange(n_sites))
    return Map(_coupled_lattice, state=state, parameters={"r": r, "coupling": coupling})


def _coupled_lattice(x: np.ndarray, r: np.ndarray, coupling: np.ndarray) -> np.ndarray:
    f = r * x * (1.0 - x)
    return (1.0 - coupling) * f + coupling / 2.0 * (np.roll(f, 1, axis=0) + np.roll(f, -1, axis=0))
