"""Ornstein-Uhlenbeck processes, exactly: the linear diffusions, whose stationary laws are Gaussian."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve, expm, solve_continuous_lyapunov

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, positive, seed_of, shown, whole
from .._util.memory import need_memory
from .._util.pool import apart
from .._util.progress import each, shows_progress
from .._util.readonly import read_only
from .._util.values import Value
from ..information import Blanket


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class OrnsteinUhlenbeck(Value):
    r"""A linear diffusion :math:`dx = -A x\,dt + \sqrt{2\Gamma}\,dW`.

    Parameters
    ----------
    pull : array_like, shape (n_sites, n_sites)
        A, with eigenvalues of positive real parts.
    diffusion : array_like, shape (n_sites, n_sites) or (n_sites,)
        :math:`\Gamma`, symmetric and positive definite, or its diagonal.

    Attributes
    ----------
    covariance : ndarray, shape (n_sites, n_sites)
        C of the stationary law: :math:`A C + C A^T = 2\Gamma`.

    Raises
    ------
    ValueError
        If shapes do not fit, fluctuations grow, or the diffusion is not positive definite.

    References
    ----------
    M. Aguilera, B. Millidge, A. Tschantz & C. L. Buckley, Phys. Life Rev. 40, 24 (2022), arXiv:2105.11203.

    Examples
    --------
    >>> turning = OrnsteinUhlenbeck([[1.0, 1.0], [-1.0, 1.0]], [1.0, 1.0])
    >>> turning.covariance.round(6)
    array([[1., 0.],
           [0., 1.]])
    >>> round(turning.entropy_production(), 6)
    2.0
    """

    pull: np.ndarray
    diffusion: np.ndarray
    covariance: np.ndarray

    @own_arithmetic
    def __init__(self, pull: ArrayLike, diffusion: ArrayLike) -> None:
        A = finite("pull", pull, (None, None))
        n = len(A)
        if A.shape != (n, n) or not n:
            raise ValueError(f"pull must have shape (n_sites, n_sites), got shape {A.shape}")
        given = finite("diffusion", diffusion)
        G = np.diag(given) if given.ndim == 1 else given
        if G.shape != (n, n):
            raise ValueError(f"diffusion must have shape ({n}, {n}) or ({n},), got shape {given.shape}")
        if abs(G - G.T).max() > 1e-12 * abs(G).max():
            raise ValueError(f"diffusion must be symmetric and positive definite, got {shown(G.tolist())}")
        lowest = float(apart(np.linalg.eigvalsh, G)[0])
        if not lowest > 0:
            raise ValueError(f"diffusion must be symmetric and positive definite, got an eigenvalue of {lowest!r}")
        slowest = float(apart(np.linalg.eigvals, A).real.min())
        if not slowest > 0:
            raise ValueError(f"pull must have eigenvalues with real parts > 0, got {slowest!r}")
        C = _covariance(A, G)
        object.__setattr__(self, "pull", read_only(A))
        object.__setattr__(self, "diffusion", read_only(G))
        object.__setattr__(self, "covariance", read_only((C + C.T) / 2))

    @own_arithmetic
    def cmi(self, blanket: Blanket) -> float:
        """Return I(internal; external | blanket) of the stationary law, in nats; see `dmft.information.gaussian_cmi`.

        Parameters
        ----------
        blanket : Blanket

        Returns
        -------
        float
            >= 0.

        Raises
        ------
        ValueError
            If it is no Blanket, or one of another number of sites.
        """
        return instance("blanket", blanket, Blanket, "a dmft.information.Blanket").gaussian_cmi(self.covariance)

    @own_arithmetic
    def entropy_production(self) -> float:
        r"""Return :math:`\mathrm{tr}(A^T \Gamma^{-1} A C) - \mathrm{tr} A`, in nats per unit of time.

        Computed from what of the flow turns, :math:`A C - \Gamma`, antisymmetric: zero comes out as zero, never below.

        Returns
        -------
        float
            >= 0.
        """
        turn = self.pull @ self.covariance - self.diffusion
        turn = (turn - turn.T) / 2
        return float(np.trace(cho_solve(cho_factor(self.diffusion), turn) @ np.linalg.solve(self.covariance, turn.T)))

    @shows_progress
    @own_arithmetic
    def sample(self, n_paths: int, n_steps: int, dt: float, seed: int = 0, *, progress: bool = True) -> np.ndarray:
        """Return stationary paths at equal times, drawn from their exact law.

        Parameters
        ----------
        n_paths, n_steps : int
            At least 1.
        dt : float
            Between two times, > 0: as long as one likes.
        seed : int, default=0
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        ndarray, shape (n_paths, n_steps, n_sites)

        Raises
        ------
        ValueError
            If a number is out of range.

        Examples
        --------
        >>> OrnsteinUhlenbeck([[2.0]], [1.0]).sample(3, 5, 0.1).shape
        (3, 5, 1)
        """
        n_paths, n_steps = whole("n_paths", n_paths, 1), whole("n_steps", n_steps, 1)
        rng, n = np.random.default_rng(seed_of(seed)), len(self.pull)
        decay = expm(-positive("dt", dt) * self.pull)
        noise = self.covariance - decay @ self.covariance @ decay.T
        values, vectors = np.linalg.eigh((noise + noise.T) / 2)
        kick = vectors * np.sqrt(np.maximum(values, 0))
        need_memory(f"{n_paths} paths", 8.0 * n * n_paths * (n_steps + 2), "keep fewer steps or paths")
        x = rng.normal(size=(n_paths, n)) @ np.linalg.cholesky(self.covariance).T
        out = np.empty((n_paths, n_steps, n))
        for t in each(range(n_steps)):
            out[:, t] = x
            x = x @ decay.T + rng.normal(size=(n_paths, n)) @ kick.T
        return out


def _covariance(A: np.ndarray, G: np.ndarray) -> np.ndarray:
    """Return C with A C + C A^T = 2 G, in units of the largest elements: LAPACK takes tiny eigenvalues for zeros."""
    exponents = [int(np.frexp(abs(M).max())[1]) for M in (A, G)]
    pull, diffusion = (np.ldexp(M, -e) for M, e in zip((A, G), exponents, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            C = apart(solve_continuous_lyapunov, pull, 2 * diffusion)
        except RuntimeWarning as error:
            raise ValueError("pull must have eigenvalues with real parts > 0 beside its rounding") from error
    with np.errstate(over="ignore"):
        C = np.ldexp(C, exponents[1] - exponents[0])
    if not np.isfinite(C).all():
        raise ValueError("diffusion over pull must be below the largest number, got a covariance beyond it")
    return C
