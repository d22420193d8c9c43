"""First and second moments of a kinetic Ising system: what theories predict and data give."""

import dataclasses

import numpy as np

from .._util.checks import finite, within


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    r"""Means, equal-time and one-step-delayed covariances of spins at one time, or at several.

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
    m_before: np.ndarray | None = None
    C_before: np.ndarray | None = None
    n_samples: int = 0

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        m = within("m", finite("m", self.m), -1, 1)
        if m.ndim == 0:
            raise ValueError("m must have shape (..., n_sites), got a number")
        square = (*m.shape, m.shape[-1])
        put("m", m)
        put("C", _covariance("C", finite("C", self.C, square)))
        put("D", finite("D", self.D, square))
        if self.m_before is not None:
            put("m_before", within("m_before", finite("m_before", self.m_before, m.shape), -1, 1))
        if self.C_before is not None:
            put("C_before", _covariance("C_before", finite("C_before", self.C_before, square)))

    @classmethod
    def trusted(cls, **values):
        """Make one without the checks: for what a theory returns, which need not be a covariance."""
        self = object.__new__(cls)
        for field in dataclasses.fields(cls):
            object.__setattr__(self, field.name, values.get(field.name, field.default))
        return self

    @classmethod
    def of_state(cls, spins):
        """Return the moments of one certain state of spins -1 and 1."""
        m = spin_state("spins", spins)
        zero = np.zeros((m.size, m.size))
        return cls.trusted(m=m, C=zero, D=zero)

    @property
    def n_sites(self):
        """Number of spins."""
        return self.m.shape[-1]

    @property
    def past(self):
        """Means and covariances of the time before."""
        return (
            self.m if self.m_before is None else self.m_before,
            self.C if self.C_before is None else self.C_before,
        )

    def __getitem__(self, time):
        """Return the moments of one time out of several."""
        if self.m.ndim == 1:
            raise IndexError("these moments have one time only")
        part = lambda x: None if x is None else x[time]  # noqa: E731
        return Moments.trusted(
            m=self.m[time],
            C=self.C[time],
            D=self.D[time],
            m_before=part(self.m_before),
            C_before=part(self.C_before),
            n_samples=self.n_samples,
        )

    def entropy_production(self, model):
        """Return the entropy production of `model` with these moments, per step, in nats.

        See :func:`dmft.ising.entropy_production`.
        """
        from .entropy import entropy_production

        return entropy_production(model, self)


def _covariance(name, C):
    if C.size == 0:
        return C
    skew = abs(C - np.swapaxes(C, -1, -2)).max()
    if skew > 1e-9:
        raise ValueError(f"{name} must be symmetric, got elements {skew:.3g} apart")
    lowest = np.linalg.eigvalsh(C)[..., 0].min()
    if lowest < -1e-9:
        raise ValueError(f"{name} must be positive semi-definite, got eigenvalue {lowest:.6g}")
    return C


def spin_state(name, value, n_sites=None):
    """Return a state of spins as doubles, checked."""
    state = finite(name, value, (n_sites,))
    if not (abs(state) == 1).all():
        bad = state[abs(state) != 1][0]
        raise ValueError(f"{name} must be -1 or 1 each, got {bad!r}")
    return state


def stack(moments):
    """Join moments of successive times."""
    return Moments.trusted(
        m=np.stack([x.m for x in moments]),
        C=np.stack([x.C for x in moments]),
        D=np.stack([x.D for x in moments]),
        n_samples=moments[0].n_samples,
    )
