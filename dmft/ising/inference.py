r"""Infer couplings and fields from moments or spike trains, by inverting a mean-field theory.

A theory predicts m(t) and D(t) from the moments of t - 1, the couplings and the fields; the
inverse problem is to find the couplings and fields with which it predicts those of the data.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .._util.checks import number, one_of, whole
from .._util.pool import apart
from .._util.underflow import underflow_is_zero
from ..gaussian.averages import tanh_gauss
from .inferred import InferenceResult
from .methods import METHODS, Method, Network
from .moments import Moments
from .spikes import need_bins, neuron_names, spike_moments, untransposed

MAX_CONDITION = 1e12  # of the correlations of the past: beyond, couplings have less than four digits
Silent = Literal["raise", "drop"]
History = list[tuple[float, float]]  # mean squares of the differences of m and of D, by iteration


@underflow_is_zero
def infer(
    data: Moments | ArrayLike,
    method: Method = "conditional",
    *,
    solver: Literal["direct", "gradient"] = "direct",
    rate: float = 1.0,
    ridge: float = 0.0,
    silent: Silent = "raise",
    eta_H: float = 0.1,
    eta_J: float | None = None,
    tol: float | None = None,
    max_iter: int = 10_000,
    n_threads: int | None = None,
) -> InferenceResult:
    r"""Infer couplings and fields.

    ``solver="direct"`` solves methods "naive", "tap", "plefka_t1" (also known as nMF) and
    "gaussian" in closed form, up to scalar roots, and the others by a quasi-Newton iteration
    whose Jacobian is that of "plefka_t1". ``solver="gradient"`` follows
    :math:`H \mathrel{+}= \eta_H (m - m_{MF})`, :math:`J \mathrel{+}= \eta_J (D - D_{MF})` from 0, slowly.

    Parameters
    ----------
    data : Moments, or array_like of shape (n_sites, n_bins)
        Moments of one time, or a spike train of 0 and 1, or of -1 and 1, as of :func:`spike_train`: a row is a neuron.
        The names of a DataFrame's rows are kept.
    method : str, default="conditional"
        As in :class:`MeanField`; which to take is told below.
    solver : {"direct", "gradient"}, default="direct"
    rate : float, default=1.0
        Probability of an update of a spin in a step, in (0, 1]: below 1 for lazy dynamics,
        ``1 / n_sites`` for asynchronous ones.
    ridge : float, default=0.0
        Added to the variances of the past spins (>= 0): shrinks the couplings of short data.
        Direct solver, methods with C only.
    silent : {"raise", "drop"}, default="raise"
        What to do about neurons that are silent, or always fire: they have no finite field.
    eta_H, eta_J : float
        Steps of the gradient; `eta_J` is ``n_sites**-0.5`` by default.
    tol : float or None, default=None
        Largest residual (direct, default 1e-11), or mean square of it (gradient, default 1e-12).
    max_iter : int, default=10_000
        Of iterations. A gradient that needs more returns what it has; its residual tells.
    n_threads : int or None, default=None
        Threads of the integrals. Their bits do not depend on it.

    Returns
    -------
    InferenceResult

    Raises
    ------
    ValueError
        If a neuron never changes and is not to be dropped, or an argument does not fit; if spikes have no more bins
        than neurons and `ridge` is 0: they may be transposed; if the method inverts C and neurons are linearly
        dependent (condition number of their correlations above 1e12): names them.
    FloatingPointError
        If the theory has no solution for these data, or its couplings run to infinity: says for which site.

    Notes
    -----
    Mean squared errors in units of the standard errors told, and rms errors, of six networks with independent couplings
    N(0, scale^2/N) (``bench/calibration_ising.py``):

    ============== =================== =================== ==============================================
    method         0.5, N 10, 5000     0.8, N 20, 10 000   what it neglects
    ============== =================== =================== ==============================================
    conditional    1.06, 0.0174        1.26, 0.0148        of the field given another spin all but two moments
    gaussian       1.40, 0.0205        1.95, 0.0189        of the field all but two moments; closed form
    pairwise       1.57, 0.0214        no solution         correlations beyond pairs
    plefka_t1      2.92, 0.0281        18.9, 0.0531        couplings beyond first order; no iteration
    plefka_t2      3.01, 0.0289        18.8, 0.0535        couplings beyond second order
    naive          4.44, 0.0347        26.8, 0.0644        all correlations
    tap            4.52, 0.0354        26.5, 0.0647        correlations; strong couplings have no real solution
    max_likelihood 1.03, 0.0174        0.97, 0.0132        nothing (`max_likelihood`); ten times the work
    ============== =================== =================== ==============================================

    The standard errors are those of the most likely couplings in a Gaussian field, from the Fisher
    information :math:`n\, E\,\mathrm{sech}^2(h_i)\, C`: what noise leaves, without the bias of the theory. They are
    infinite for couplings from neurons that are linearly dependent, which methods without C answer all the same.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> model = KineticIsing([[0.1, 0.3], [-0.2, 0.2]], [0.1, -0.2])
    >>> infer(model.exact().stationary(), "conditional").couplings.round(2)
    array([[ 0.1,  0.3],
           [-0.2,  0.2]])
    """
    if isinstance(method, str) and str(method) == "max_likelihood":
        raise ValueError(
            f"method must be one of {', '.join(map(repr, METHODS))}, got 'max_likelihood': "
            "the exact likelihood has a function of its own, dmft.ising.max_likelihood(spikes)"
        )
    one_of("method", method, tuple(METHODS))
    one_of("solver", solver, ("direct", "gradient"))
    rate = number("rate", rate, 0, 1)
    if rate == 0:
        raise ValueError("rate must be in (0, 1], got 0.0")
    ridge = number("ridge", ridge, 0)
    whole("max_iter", max_iter, 1)
    if not isinstance(data, Moments) and ridge == 0:
        need_bins(data)
    moments = data if isinstance(data, Moments) else spike_moments(data)
    if moments.m.ndim != 1:
        raise ValueError(f"data must be moments of one time, got m of shape {moments.m.shape}")
    with untransposed(data):
        moments, sites = drop_silent(moments, silent)
    target = Target.of(moments, rate)
    net = Network(J=np.zeros_like(target.C), H=np.zeros_like(target.m), n_threads=n_threads)
    if solver == "gradient":
        eta_J = len(sites) ** -0.5 if eta_J is None else number("eta_J", eta_J, 0)
        tol = 1e-12 if tol is None else number("tol", tol, 0)
        J, H, history = _gradient(net, method, target, number("eta_H", eta_H, 0), eta_J, tol, max_iter)
    else:
        tol = 1e-11 if tol is None else number("tol", tol, 0)
        with untransposed(data):
            J, H, history = _direct(net, method, target, sites, ridge, tol, max_iter)
    dm, dD = target.residuals(net, method, J, H)
    names = neuron_names(data)
    return InferenceResult(
        couplings=J,
        fields=H,
        sites=sites,
        stderr=_stderr(J, H, target, moments.n_samples * rate),
        n_steps=len(history),
        residual=float(max(abs(dm).max(), abs(dD).max())),
        history=np.array(history).reshape(-1, 2),
        names=None if names is None else tuple(names[i] for i in sites),
    )


def drop_silent(moments: Moments, silent: Silent) -> tuple[Moments, np.ndarray]:
    """Return moments without the spins that never change, and the sites left."""
    one_of("silent", silent, ("raise", "drop"))
    past_m, past_C = moments.past
    stuck = (abs(moments.m) >= 1 - 1e-12) | (abs(past_m) >= 1 - 1e-12)
    if stuck.any() and silent == "raise":
        names = ", ".join(
            f"{i} ({'always fires' if moments.m[i] > 0 else 'is silent'})" for i in np.flatnonzero(stuck)[:5]
        )
        raise ValueError(
            f"data must have every neuron change, got {stuck.sum()} that do not: {names}; drop them with silent='drop'"
        )
    sites = np.flatnonzero(~stuck)
    if not sites.size:
        raise ValueError("data must have a neuron that changes, got none")
    square = np.ix_(sites, sites)
    return Moments.unchecked(
        m=moments.m[sites],
        C=moments.C[square],
        D=moments.D[square],
        m_before=past_m[sites],
        C_before=past_C[square],
        n_samples=moments.n_samples,
    ), sites


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


def _gradient(
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


def _direct(
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

    for i in range(len(m)):

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


def _stderr(J: np.ndarray, H: np.ndarray, target: Target, n_samples: float) -> np.ndarray | None:
    """Return the standard errors of couplings from `n_samples` full updates, None if that is 0."""
    if not n_samples:
        return None
    variance = np.maximum(np.einsum("ij,jk,ik->i", J, target.C, J), 0)
    gain = tanh_gauss(H + J @ target.m_before, variance, 1)
    spread = np.linalg.pinv(target.C, hermitian=True).diagonal()
    # What comes from neurons that depend on one another is not known from any number of samples.
    spread = np.where(_dependence(target.C)[1] > 0, np.inf, np.maximum(spread, 0))
    return np.sqrt(spread / (n_samples * np.maximum(gain, 1e-300)[:, None]))


def check_invertible(C: np.ndarray, sites: np.ndarray) -> None:
    """Raise if the neurons with covariances C, numbered by `sites`, do not vary independently of one another."""
    condition, weight = _dependence(C)
    dependent = np.flatnonzero(weight > 0)
    if not dependent.size:
        return
    names = ", ".join(map(str, sites[dependent[:10]].tolist()))
    more = f" and {dependent.size - 10} more" if dependent.size > 10 else ""
    raise ValueError(
        f"data must have an invertible C of the past, or ridge be > 0, got condition number {condition:.3g}: "
        f"neurons {names}{more} are linear combinations of one another; leave some out, or use more bins or ridge > 0"
    )


def _dependence(C: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the condition number of the correlations of C, and the weight of each neuron in what has no variance."""
    scale = np.sqrt(np.maximum(C.diagonal(), np.finfo(float).tiny))
    values, vectors = apart(np.linalg.eigh, C / np.outer(scale, scale))
    weight = (vectors[:, values < values[-1] / MAX_CONDITION] ** 2).sum(axis=1)
    return float(values[-1] / values[0]) if values[0] > 0 else np.inf, np.where(weight > 1e-8, weight, 0.0)
