"""Covariances of a kinetic Ising system in linear response about means: for networks far beyond enumeration."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, within
from .._util.pool import apart
from .meanfield import MeanField
from .model import KineticIsing
from .moments import Moments


@own_arithmetic
def linear_response(model: KineticIsing, m: ArrayLike | None = None) -> Moments:
    r"""Return the stationary covariances of fluctuations about means, to first order.

    With :math:`A = \mathrm{diag}(1 - m^2) J` parallel updates have :math:`C = A C A^T + \mathrm{diag}(1 - m^2)`,
    asynchronous ones :math:`(1 - A) C + C (1 - A)^T = 2\, \mathrm{diag}(1 - m^2)`. Asynchronous with symmetric J the
    inverse of C is as sparse as J, so that every set of sites that separates two others screens them exactly.

    Parameters
    ----------
    model : KineticIsing
        With ``update="parallel"`` or ``"async"``.
    m : array_like, shape (n_sites,), optional
        Means, in [-1, 1]; the fixed point of the naive mean-field theory unless given.

    Returns
    -------
    Moments
        The variances C_ii are those of linear response: not exactly 1 - m^2.

    Raises
    ------
    ValueError
        If updates are lazy or the means are out of range.
    FloatingPointError
        If fluctuations grow: the spectral radius of A, or its largest real part if asynchronous, is >= 1.

    References
    ----------
    Y. Roudi & J. Hertz, Phys. Rev. Lett. 106, 048702 (2011): A, and D = A C, the covariances a step apart.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> linear_response(KineticIsing([[0.0, 0.5], [0.5, 0.0]], update="async")).C.round(6)
    array([[1.333333, 0.666667],
           [0.666667, 1.333333]])
    """
    instance("model", model, KineticIsing, "a dmft.ising.KineticIsing")
    if model.update == "lazy":
        raise ValueError("update must be 'parallel' or 'async' for linear response, got 'lazy'")
    n = model.n_sites
    if m is None:
        m = MeanField(model.replace(update="parallel"), "naive").fixed_point(1e-13, damping=0.3).m
    mean = within("m", finite("m", m, (n,)), -1, 1)
    variance = 1 - mean**2
    A = variance[:, None] * model.J
    eigenvalues = apart(np.linalg.eigvals, A)
    parallel = model.update == "parallel"
    reach = float(abs(eigenvalues).max() if parallel else eigenvalues.real.max())
    if reach >= 1:
        raise FloatingPointError(f"fluctuations about these means grow: {reach:.6g} must be < 1; lower beta")
    noise = np.diag(variance)
    C = (
        apart(solve_discrete_lyapunov, A, noise)
        if parallel
        else apart(solve_continuous_lyapunov, np.eye(n) - A, 2 * noise)
    )
    C = (C + C.T) / 2
    D = A @ C if parallel else C + (A @ C - C) / n
    return Moments.unchecked(m=mean, C=C, D=D)
