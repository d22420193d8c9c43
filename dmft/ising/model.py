"""The kinetic Ising model: parameters, and how one step moves."""

import dataclasses
from typing import Literal

import numpy as np

from .._util.checks import finite, number, one_of

UPDATES = ("parallel", "lazy", "async")


@dataclasses.dataclass(frozen=True, slots=True)
class KineticIsing:
    r"""Describe an asymmetric kinetic Ising system.

    With fields :math:`h_i = \beta(H_i + \sum_j J_{ij} s_j(t-1))` a spin that is updated takes
    :math:`s_i(t) = \pm 1` with probability :math:`e^{\pm h_i} / 2\cosh h_i`. Updated are, in a step,

    - ``"parallel"``: all spins at once;
    - ``"lazy"``: each with probability `rate`, independently; the others stay;
    - ``"async"``: one, drawn at random. A step is one attempted update.

    Parameters
    ----------
    couplings : array_like, shape (n_sites, n_sites)
        ``couplings[i, j]`` acts from :math:`s_j(t-1)` on :math:`s_i(t)`.
    fields : array_like, shape (n_sites,), or None, default=None
        None: no fields.
    beta : float, default=1.0
        Inverse temperature (>= 0) of couplings and fields.
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
    """

    couplings: np.ndarray
    fields: np.ndarray | None = None
    beta: float = 1.0
    update: Literal["parallel", "lazy", "async"] = "parallel"
    rate: float = 1.0

    def __post_init__(self):
        J = finite("couplings", self.couplings, (None, None))
        if J.shape[0] != J.shape[1] or not J.size:
            raise ValueError(f"couplings must have shape (n_sites, n_sites), got shape {J.shape}")
        H = np.zeros(len(J)) if self.fields is None else finite("fields", self.fields, (len(J),))
        one_of("update", self.update, UPDATES)
        rate = number("rate", self.rate, 0, 1)
        if rate == 0 or (rate != 1 and self.update != "lazy"):
            rule = "in (0, 1]" if self.update == "lazy" else f"1 with update={self.update!r}"
            raise ValueError(f"rate must be {rule}, got {rate!r}")
        for name, value in (
            ("couplings", J),
            ("fields", H),
            ("beta", number("beta", self.beta, 0)),
            ("rate", rate),
        ):
            object.__setattr__(self, name, value)

    @property
    def n_sites(self):
        """Number of spins."""
        return len(self.couplings)

    @property
    def J(self):
        """The couplings with beta in them."""
        return self.beta * self.couplings

    @property
    def H(self):
        """The fields with beta in them."""
        return self.beta * self.fields

    def replace(self, **changes):
        """Return a copy with some parameters changed."""
        return dataclasses.replace(self, **changes)

    def sample(self, n_trajectories, n_steps, start=None, **options):
        """Estimate moments from simulated trajectories; see :func:`dmft.ising.sample`."""
        from .sampling import sample

        return sample(self, n_trajectories, n_steps, start, **options)

    def trajectory(self, n_steps, start=None, **options):
        """Simulate one trajectory, a spike train; see :func:`dmft.ising.trajectory`."""
        from .sampling import trajectory

        return trajectory(self, n_steps, start, **options)

    def exact(self):
        """Enumerate the states of a small system; see :class:`dmft.ising.Exact`."""
        from .exact import Exact

        return Exact(self)


class Step:
    r"""What one step does to the moments, exactly, given states and their weights.

    Given the state before, spins of a parallel or lazy step are independent: their products
    average to products of their conditional means, which are smoother estimates of the
    moments than the spins themselves (Rao and Blackwell). In an asynchronous step only one
    spin moves, so that pairs change by the sum of what each would change.
    """

    def __init__(self, model):
        self.model, self.J, self.H = model, model.J, model.H

    def response(self, spins):
        """Return tanh(h_i) of states, shape (n_states, n_sites): the mean of a spin that is updated."""
        h = spins @ self.J.T
        h += self.H
        return np.tanh(h, out=h)

    def conditional_mean(self, spins, t=None):
        """Return E[s_i(t) | s(t-1)] of states, shape (n_states, n_sites), `t` being their response."""
        t = self.response(spins) if t is None else t
        if self.model.update == "lazy":
            return spins + self.model.rate * (t - spins)
        return spins + (t - spins) / self.model.n_sites if self.model.update == "async" else t

    def sums(self, spins, weights=None, t=None):
        """Return the weighted sums (s_l, mu_i, second moments, mu_i s_l) of states before the step."""
        mu = self.conditional_mean(spins, t)

        def left(x):
            return x.T if weights is None else x.T * weights

        delayed = left(mu) @ spins
        if self.model.update == "async":
            u = left(mu - spins) @ spins
            pairs = left(spins) @ spins + u + u.T
        else:
            pairs = left(mu) @ mu
        return [left(spins).sum(1), left(mu).sum(1), pairs, delayed]


def moments_of_sums(sums, total, n_samples=0):
    """Turn the sums of a step over `total` weight into moments, unbiased for pairs of `n_samples`."""
    from .moments import Moments

    before, m, pairs, delayed = (x / total for x in sums)
    unbiased = n_samples / (n_samples - 1) if n_samples > 1 else 1.0
    C = unbiased * (pairs - np.outer(m, m))
    np.fill_diagonal(C, 1 - m**2)
    D = unbiased * (delayed - np.outer(m, before))
    return Moments.trusted(m=m, C=C, D=D, n_samples=n_samples)
