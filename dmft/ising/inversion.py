"""Couplings and fields with which a mean-field theory predicts given moments: in closed form, or by iteration."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import brentq

from .._util.pool import apart
from .._util.progress import each
from ..gaussian.averages import tanh_gauss
from .methods import METHODS, Method, Network
from .moments import Moments

MAX_CONDITION = 1e12  # of the correlations of the past: beyond, couplings have less than four digits
History = list[tuple[float, float]]  # mean squares of the differences of m and of D, by iteration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """Moments m, D after an update of all spins, for a theory to predict, and the moments before the update."""

    m: np.ndarray
    D: np.ndarray
    m_before: np.ndarray
    C: np.ndarray
    D_before: np.ndarray

    @classmethod
    def of(cls, moments: Moments, rate: float) -> Target:
        """Undo the mixing of lazy updates: m = rate m1 + (1 - rate) m(t-1), and so on."""
        m0, C0 = moments.past
        m1 = (moments.m - (1 - rate) * m0) / rate
        if abs(m1).max() >= 1:
            i = int(np.argmax(abs(m1)))
            raise ValueError(f"rate must be such that |m| < 1 after a full update, got {m1[i]:.6g} at site {i}")
        D1 = (moments.D - (1 - rate) * C0) / rate
        return cls(m=m1, D=D1, m_before=m0, C=C0, D_before=moments.D)

    def residuals(self, net: Network, method: Method, J: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the differences of m and D from those a theory with J and H predicts."""
        net = dataclasses.replace(net, J=J, H=H)
        m, _, D = METHODS[method](net, self.m_before, self.C, self.D_before)
        return self.m - m, self.D - D


def by_gradient(
    net: Network, method: Method, target: Target, eta_H: float, eta_J: float, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, History]:
    """Return J and H that follow the residuals from those of `net`, and the history."""
    J, H = net.J, net.H
    history: History = []
    for _ in range(max_iter):
        dm, dD = _bounded(net, method, target, J, H, "smaller eta_H and eta_J")
        history.append(((dm**2).mean(), (dD**2).mean()))
        if max(history[-1]) < tol:
            break
        H, J = H + eta_H * dm, J + eta_J * dD
        if method == "tap":
            H = np.clip(H, -5, 5)  # its field equation may diverge; the published guard
    return J, H, history


def directly(
    net: Network, method: Method, target: Target, sites: np.ndarray, ridge: float, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, History]:
    """Return J and H in closed form where the method has one, else by iteration, and the history."""
    m, m0, a, b = target.m, target.m_before, 1 - target.m_before**2, 1 - target.m**2
    if method == "naive":
        J = target.D / np.outer(b, a)
    elif method == "tap":
        J = _tap(target, a, b)
    else:
        past = target.C + ridge * np.eye(len(m))
        check_invertible(past, sites)
        B = apart(np.linalg.solve, past, target.D.T).T
        if method == "gaussian":
            J, H = _gaussian(B, m, m0, a)
            return J, H, []
        J = B / b[:, None]
        if method != "plefka_t1":
            return _quasi_newton(net, method, target, J, apart(np.linalg.inv, past), tol, max_iter)
    H = np.arctanh(m) - J @ m0
    if method == "tap":
        H += m * (J**2 @ a)
    return J, H, []


def _tap(target: Target, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve D_il = b_i a_l J (1 + 2 m_i m_l J), the root that goes to 0 with D."""
    x = target.D / np.outer(b, a)
    under = 1 + 8 * np.outer(target.m, target.m_before) * x
    if under.min() < 0:
        i, k = np.unravel_index(under.argmin(), under.shape)
        raise FloatingPointError(
            f"tap has no real couplings for {(under < 0).sum()} pairs, the worst to site {i} from site {k}: "
            "it takes correlations for couplings; use another method"
        )
    return 2 * x / (1 + np.sqrt(under))


def _gaussian(B: np.ndarray, m: np.ndarray, m0: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return J and H: rows of J have the direction of those of B, and the length sqrt(v), v the field's variance."""
    J, H = np.empty_like(B), np.empty_like(m)
    length = np.sqrt((B**2) @ a)

    def field(v: float, i: int) -> float:
        # E tanh(g + sqrt(v) x) = m: at v -> inf g / sqrt(v) is a probit, below 1.26 artanh(m).
        reach = 1.3 * abs(np.arctanh(m[i])) * np.sqrt(1 + v) + 1
        return brentq(lambda g: tanh_gauss(g, v) - m[i], -reach, reach, xtol=1e-15, rtol=1e-15)

    for i in each(range(len(m)), "sites"):

        def excess(root_v: float, i: int = i) -> float:
            return root_v * tanh_gauss(field(root_v**2, i), root_v**2, 1) - length[i]

        high = max(2 * length[i], 1e-3)
        while excess(high) < 0:
            high *= 2
            if high > 1e4:
                raise FloatingPointError(
                    f"gaussian has no couplings for site {i}: its D is more than any field explains; "
                    "use more data or ridge > 0"
                )
        root_v = brentq(excess, 0, high, xtol=1e-16, rtol=1e-15) if length[i] else 0.0
        J[i] = B[i] * (root_v / length[i] if length[i] else 0.0)
        H[i] = field(root_v**2, i) - J[i] @ m0
    return J, H


def _bounded(
    net: Network, method: Method, target: Target, J: np.ndarray, H: np.ndarray, remedy: str = "ridge > 0"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals of couplings and fields, unless these have run to infinity."""
    size = np.maximum(abs(J).max(axis=1), abs(H))
    lost = ~(size < 1e100)
    if not lost.any():
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                dm, dD = target.residuals(net, method, J, H)
            lost = ~(np.isfinite(dm) & np.isfinite(dD).all(axis=1))
        except (ValueError, FloatingPointError):  # a variance beyond what the averages take
            lost = size == size.max()
    if lost.any():
        raise FloatingPointError(
            f"{method} runs to infinity at site {np.flatnonzero(lost)[0]} of {len(H)}: its data ask for couplings "
            f"without bound; use more data, {remedy} or another method"
        )
    return dm, dD


def _quasi_newton(
    net: Network, method: Method, target: Target, J: np.ndarray, inverse: np.ndarray, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, History]:
    """Return J, H and the history of an iteration: Anderson mixing of steps with the Jacobian of plefka_t1.

    It begins at `J`; `inverse` is that of the covariance C of the past.
    """
    b, n = 1 - target.m**2, len(target.m)
    x = np.c_[J, np.arctanh(target.m) - J @ target.m_before]
    history: History = []
    steps: list[np.ndarray] = []
    points: list[np.ndarray] = []
    size, best, patience = 1.0, np.inf, 0
    for _ in range(max_iter):
        try:
            dm, dD = _bounded(net, method, target, x[:, :-1], x[:, -1])
        except FloatingPointError:
            # The step was too long: take half of it from the last point.
            if not points or size < 1e-6:
                raise
            size /= 2
            steps, points = steps[-1:], points[-1:]
            x = points[0] + size * steps[0]
            continue
        history.append(((dm**2).mean(), (dD**2).mean()))
        off = max(abs(dm).max(), abs(dD).max())
        if off < tol:
            return x[:, :-1], x[:, -1], history
        best, patience = (off, 0) if off < best else (best, patience + 1)
        if patience == 500:
            break  # it does not converge
        dJ = (dD @ inverse) / b[:, None]
        step = np.c_[dJ, dm / b - dJ @ target.m_before]
        steps, points = [*steps[-5:], step], [*points[-5:], x]
        move = x + size * step
        if len(steps) > 1:
            past = np.diff([s.ravel() for s in steps], axis=0).T
            went = np.diff([p.ravel() for p in points], axis=0).T
            weights = np.linalg.lstsq(past, step.ravel(), rcond=1e-12)[0]
            move = move - ((went + size * past) @ weights).reshape(x.shape)
        x, size = move, min(1.0, 2 * size)
    dm, dD = abs(dm), abs(dD).max(1)
    i = int(np.argmax(np.maximum(dm, dD)))
    raise FloatingPointError(
        f"{method} found no couplings in {len(history)} iterations: site {i} of {n} is still off by "
        f"{max(dm[i], dD[i]):.3g}; use more data, ridge > 0 or another method"
    )


def check_invertible(C: np.ndarray, sites: np.ndarray) -> None:
    """Raise if the neurons with covariances C, numbered by `sites`, do not vary independently of one another."""
    condition, weight = dependence(C)
    dependent = np.flatnonzero(weight > 0)
    if not dependent.size:
        return
    names = ", ".join(map(str, sites[dependent[:10]].tolist()))
    more = f" and {dependent.size - 10} more" if dependent.size > 10 else ""
    raise ValueError(
        f"data must have an invertible C of the past, or ridge be > 0, got condition number {condition:.3g}: "
        f"neurons {names}{more} are linear combinations of one another; leave some out, or use more bins or ridge > 0"
    )


def dependence(C: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the condition number of the correlations of C, and the weight of each neuron in what has no variance."""
    scale = np.sqrt(np.maximum(C.diagonal(), np.finfo(float).tiny))
    values, vectors = apart(np.linalg.eigh, C / np.outer(scale, scale))
    weight = (vectors[:, values < values[-1] / MAX_CONDITION] ** 2).sum(axis=1)
    return float(values[-1] / values[0]) if values[0] > 0 else np.inf, np.where(weight > 1e-8, weight, 0.0)
