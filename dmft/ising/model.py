"""The kinetic Ising model: its couplings, fields, temperature and rule of update."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite, instance, number, one_of, shown
from .._util.readonly import read_only
from .._util.values import Value

if TYPE_CHECKING:
    from .exact import Exact
    from .moments import Moments

MOST = 1e100  # of couplings and fields: their squares and sums of them are numbers still
Update = Literal["parallel", "lazy", "async"]
UPDATES: tuple[Update, ...] = ("parallel", "lazy", "async")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class KineticIsing(Value):
    r"""An asymmetric kinetic Ising system.

    With fields :math:`h_i = \beta(H_i + \sum_j J_{ij} s_j(t-1))` a spin that is updated takes
    :math:`s_i(t) = \pm 1` with probability :math:`e^{\pm h_i} / 2\cosh h_i`. Updated are, in a step,

    - ``"parallel"``: all spins at once;
    - ``"lazy"``: each with probability `rate`, independently; the others stay;
    - ``"async"``: one, drawn at random. A step is one attempted update.

    Two systems are equal if all their parameters are.

    Parameters
    ----------
    couplings : array_like, shape (n_sites, n_sites)
        ``couplings[i, j]`` acts from :math:`s_j(t-1)` on :math:`s_i(t)`. Copied, and read-only in the system.
    fields : array_like, shape (n_sites,), or None, default=None
        None: no fields.
    beta : float, default=1.0
        Inverse temperature (>= 0) of couplings and fields; times beta they are at most 1e100.
    update : {"parallel", "lazy", "async"}, default="parallel"
    rate : float, default=1.0
        Probability of an update of a spin, in (0, 1]. Must be 1 unless ``update="lazy"``.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite or out of range.

    Examples
    --------
    >>> model = KineticIsing([[0.0, 1.0], [-1.0, 0.0]], beta=0.5)
    >>> model.J
    array([[ 0. ,  0.5],
           [-0.5,  0. ]])
    >>> model == model.replace(beta=0.5), model == model.replace(beta=0.6)
    (True, False)
    """

    couplings: np.ndarray
    fields: np.ndarray
    beta: float
    update: Update
    rate: float

    def __init__(
        self,
        couplings: ArrayLike,
        fields: ArrayLike | None = None,
        beta: float = 1.0,
        update: Update = "parallel",
        rate: float = 1.0,
    ) -> None:
        J = finite("couplings", couplings, (None, None))
        if J.shape[0] != J.shape[1] or not J.size:
            raise ValueError(f"couplings must have shape (n_sites, n_sites), got shape {J.shape}")
        H = np.zeros(len(J)) if fields is None else finite("fields", fields, (len(J),))
        one_of("update", update, UPDATES)
        rate = number("rate", rate, 0, 1)
        if rate == 0 or (rate != 1 and update != "lazy"):
            rule = "in (0, 1]" if update == "lazy" else f"1 with update={update!r}"
            raise ValueError(f"rate must be {rule}, got {shown(rate)}")
        beta = number("beta", beta, 0)
        for name, values in (("couplings", J), ("fields", H)):
            if not (most := beta * float(abs(values).max())) <= MOST:
                raise ValueError(f"{name} times beta must be in [-{MOST:g}, {MOST:g}], got {most:g}")
        object.__setattr__(self, "couplings", read_only(J))
        object.__setattr__(self, "fields", read_only(H))
        object.__setattr__(self, "beta", beta)
        object.__setattr__(self, "update", update)
        object.__setattr__(self, "rate", rate)

    @property
    def n_sites(self) -> int:
        """Number of spins."""
        return len(self.couplings)

    @property
    def J(self) -> np.ndarray:
        """The couplings times beta, shape (n_sites, n_sites)."""
        return self.beta * self.couplings

    @property
    def H(self) -> np.ndarray:
        """The fields times beta, shape (n_sites,)."""
        return self.beta * self.fields

    def replace(self, **changes: Any) -> KineticIsing:
        """Return a copy with some parameters changed."""
        return dataclasses.replace(self, **changes)

    def sample(self, n_trajectories: int, n_steps: int, start: ArrayLike | None = None, **options: Any) -> Moments:
        """Estimate moments from simulated trajectories; see :func:`dmft.ising.sample`."""
        from .sampling import sample

        return sample(self, n_trajectories, n_steps, start, **options)

    def trajectory(self, n_steps: int, start: ArrayLike | None = None, **options: Any) -> np.ndarray:
        """Simulate one trajectory, a spike train; see :func:`dmft.ising.trajectory`."""
        from .sampling import trajectory

        return trajectory(self, n_steps, start, **options)

    def exact(self) -> Exact:
        """Enumerate the states of a small system; see :class:`dmft.ising.Exact`."""
        from .exact import Exact

        return Exact(self)


def system_of(model: KineticIsing) -> KineticIsing:
    """Return the argument `model`, which must be a kinetic Ising system."""
    return instance("model", model, KineticIsing, "a dmft.ising.KineticIsing")
