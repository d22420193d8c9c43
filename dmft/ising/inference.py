r"""Infer couplings and fields from moments or spike trains, by inverting a mean-field theory.

A theory predicts m(t) and D(t) from the moments of t - 1, the couplings and the fields; the
inverse problem is to find the couplings and fields with which it predicts those of the data.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import number, one_of, whole
from .._util.progress import shows_progress
from ..gaussian.averages import tanh_gauss
from .inferred import InferenceResult
from .inversion import Target, by_gradient, dependence, directly
from .methods import METHODS, Method, Network
from .moments import Moments
from .spikes import need_bins, neuron_names, spike_moments, untransposed

Silent = Literal["raise", "drop"]


@shows_progress
@own_arithmetic
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
    progress: bool = True,
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
    progress : bool, default=True
        Show how far it is, from two seconds on.

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
        J, H, history = by_gradient(net, method, target, number("eta_H", eta_H, 0), eta_J, tol, max_iter)
    else:
        tol = 1e-11 if tol is None else number("tol", tol, 0)
        with untransposed(data):
            J, H, history = directly(net, method, target, sites, ridge, tol, max_iter)
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


def _stderr(J: np.ndarray, H: np.ndarray, target: Target, n_samples: float) -> np.ndarray | None:
    """Return the standard errors of couplings from `n_samples` full updates, None if that is 0."""
    if not n_samples:
        return None
    variance = np.maximum(np.einsum("ij,jk,ik->i", J, target.C, J), 0)
    gain = tanh_gauss(H + J @ target.m_before, variance, 1)
    spread = np.linalg.pinv(target.C, hermitian=True).diagonal()
    # What comes from neurons that depend on one another is not known from any number of samples.
    spread = np.where(dependence(target.C)[1] > 0, np.inf, np.maximum(spread, 0))
    return np.sqrt(spread / (n_samples * np.maximum(gain, 1e-300)[:, None]))
