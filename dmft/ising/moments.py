"""First and second moments of a kinetic Ising system, as theories predict and data give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, signs, whole, within
from .._util.memory import need_memory
from .._util.pool import apart
from .._util.readonly import read_only
from .._util.values import Frozen

if TYPE_CHECKING:
    from .model import KineticIsing


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class Moments(Frozen):
    r"""Means, equal-time and one-step-delayed covariances of spins at one time, or at several.

    Arrays are copied, and read-only in the object.

    Parameters
    ----------
    m : array_like, shape (..., n_sites)
        :math:`m_i = \langle s_i(t)\rangle`, in [-1, 1].
    C : array_like, shape (..., n_sites, n_sites)
        :math:`\mathrm{cov}(s_i(t), s_k(t))`: symmetric, positive semi-definite.
    D : array_like, shape (..., n_sites, n_sites)
        :math:`\mathrm{cov}(s_i(t), s_l(t-1))`: the row belongs to the later time.
    m_before, C_before : array_like or None, default=None
        Those of time t - 1. None: the same as at t, a stationary state.
    n_samples : int, default=0
        How many samples they are means over; 0: they are not estimates.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, or C is no covariance.

    Examples
    --------
    >>> Moments.of_state([1, -1]).C
    array([[0., 0.],
           [0., 0.]])
    """

    m: np.ndarray
    C: np.ndarray
    D: np.ndarray
    m_before: np.ndarray | None
    C_before: np.ndarray | None
    n_samples: int

    def __init__(
        self,
        *,
        m: ArrayLike,
        C: ArrayLike,
        D: ArrayLike,
        m_before: ArrayLike | None = None,
        C_before: ArrayLike | None = None,
        n_samples: int = 0,
    ) -> None:
        m = within("m", finite("m", m), -1, 1)
        if m.ndim == 0:
            raise ValueError("m must have shape (..., n_sites), got a number")
        square = (*m.shape, m.shape[-1])
        C = _covariance("C", finite("C", C, square))
        D = finite("D", D, square)
        if m_before is not None:
            m_before = within("m_before", finite("m_before", m_before, m.shape), -1, 1)
        if C_before is not None:
            C_before = _covariance("C_before", finite("C_before", C_before, square))
        self._put(
            m=read_only(m),
            C=read_only(C),
            D=read_only(D),
            m_before=None if m_before is None else read_only(m_before),
            C_before=None if C_before is None else read_only(C_before),
            n_samples=whole("n_samples", n_samples),
        )

    def _put(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def unchecked(
        cls,
        *,
        m: np.ndarray,
        C: np.ndarray,
        D: np.ndarray,
        m_before: np.ndarray | None = None,
        C_before: np.ndarray | None = None,
        n_samples: int = 0,
    ) -> Moments:
        """Return moments without checks and copies, for results of a theory, which need not be a covariance.

        The arrays become read-only: they must be new ones, or belong to other moments.
        """
        self = object.__new__(cls)
        for array in (m, C, D, m_before, C_before):
            if array is not None:
                array.flags.writeable = False
        self._put(m=m, C=C, D=D, m_before=m_before, C_before=C_before, n_samples=n_samples)
        return self

    @classmethod
    def of_state(cls, spins: ArrayLike) -> Moments:
        """Return the moments of one certain state of spins -1 and 1."""
        m = read_only(spin_state("spins", spins))
        need_memory(f"moments of {m.size} sites", 8.0 * m.size**2, "take fewer sites")
        zero = np.zeros((m.size, m.size))
        return cls.unchecked(m=m, C=zero, D=zero)

    @property
    def n_sites(self) -> int:
        """Number of spins."""
        return self.m.shape[-1]

    @property
    def past(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances of the time before."""
        return (
            self.m if self.m_before is None else self.m_before,
            self.C if self.C_before is None else self.C_before,
        )

    def __getitem__(self, time: int) -> Moments:
        """Return the moments of one time out of several."""
        time = whole("time", time, -len(self.m), len(self.m) - 1) if self.m.ndim > 1 else time
        if self.m.ndim == 1:
            raise IndexError("these moments have one time only")
        return Moments.unchecked(
            m=self.m[time],
            C=self.C[time],
            D=self.D[time],
            m_before=None if self.m_before is None else self.m_before[time],
            C_before=None if self.C_before is None else self.C_before[time],
            n_samples=self.n_samples,
        )

    @own_arithmetic
    def entropy_production(self, model: KineticIsing) -> float | np.ndarray:
        """Return the entropy production of `model` with these moments, per step, in nats.

        See :func:`dmft.ising.entropy_production`.
        """
        from .entropy import entropy_production

        return entropy_production(model, self)


def _covariance(name: str, C: np.ndarray) -> np.ndarray:
    """Return `C` if it is symmetric and positive semi-definite up to rounding."""
    if C.size == 0:
        return C
    skew = abs(C - np.swapaxes(C, -1, -2)).max()
    if skew > 1e-9:
        raise ValueError(f"{name} must be symmetric, got elements {skew:.3g} apart")
    lowest = apart(np.linalg.eigvalsh, C)[..., 0].min()
    if lowest < -1e-9:
        raise ValueError(f"{name} must be positive semi-definite, got eigenvalue {lowest:.6g}")
    return C


def spin_state(name: str, value: ArrayLike, n_sites: int | None = None) -> np.ndarray:
    """Return a state of spins as doubles, checked."""
    return signs(name, value, (n_sites,))


def need_moments(n_sites: int, n_times: int, width: float = 1.0) -> None:
    """Raise MemoryError if the moments of so many times are too large; `width` is how many are held at a time."""
    n_bytes = 8.0 * width * n_times * n_sites * (2 * n_sites + 1)
    fewer = "steps (n_steps)" if n_times > 1 else "sites"
    need_memory(f"moments of {n_times} times of {n_sites} sites", n_bytes, f"take fewer {fewer}")


def stack(moments: Sequence[Moments]) -> Moments:
    """Return the moments of successive times as one object, time first."""
    return Moments.unchecked(
        m=np.stack([x.m for x in moments]),
        C=np.stack([x.C for x in moments]),
        D=np.stack([x.D for x in moments]),
        n_samples=moments[0].n_samples,
    )
