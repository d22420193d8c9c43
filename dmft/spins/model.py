"""Networks of vector spins: couplings, fields, temperature, the length of a spin and its response."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, one_of, whole, within
from .._util.readonly import read_only
from .._util.sparse import is_sparse, sparse_rows
from .._util.values import Value
from .response import KINDS, MOST, Kind, Response


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class VectorSpins(Value):
    r"""A network of N spins with D components and length R, and any couplings; or a batch of networks.

    All spins are updated at once: given those before, :math:`s_i` has the law of von Mises and Fisher,
    :math:`P(s_i) \propto e^{\beta s_i \cdot h_i}`, in the field :math:`h_i = x_i + \sum_j J_{ij} s_j`. D = 1 with R = 1
    is a kinetic Ising system; couplings of a site with itself are allowed, as softmax attention has them.

    Parameters
    ----------
    couplings : array_like, shape (n_sites, n_sites) or (n_systems, n_sites, n_sites), or a SciPy sparse array
        ``couplings[i, j]`` acts from j on i. A sparse one is of one network, or of all networks of a batch.
    fields : array_like, shape (n_sites, n_components) or (n_systems, n_sites, n_components)
        x, the drive.
    beta : float or array_like, shape (n_systems,), default=1.0
        Inverse temperature (>= 0) of couplings and fields.
    radius : float or None, default=None
        R. None: :math:`\sqrt{D/2 - 1}`, or 1 for D <= 2.
    response : {"exact", "large"}, default="exact"
        What theories take for the mean of a spin in a field; see `Response`.

    Raises
    ------
    ValueError
        If a shape does not fit, or a number is not finite or out of range.

    Examples
    --------
    >>> model = VectorSpins([[0.0, 1.0], [-1.0, 0.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], beta=2.0)
    >>> model.n_sites, model.n_components, round(model.radius, 6), model.n_systems
    (2, 3, 0.707107, None)
    >>> VectorSpins([[0.5]], [[1.0]], beta=[1.0, 2.0]).n_systems
    2
    """

    couplings: Any
    fields: np.ndarray
    beta: np.ndarray
    radius: float
    response: Kind
    n_systems: int | None

    @own_arithmetic
    def __init__(
        self,
        couplings: Any,
        fields: ArrayLike,
        beta: ArrayLike = 1.0,
        radius: float | None = None,
        response: Kind = "exact",
    ) -> None:
        J = _couplings(couplings)
        n = J.shape[-1]
        x = within("fields", finite("fields", fields), -MOST, MOST)
        if x.ndim not in (2, 3) or x.shape[-2] != n or not x.shape[-1]:
            shape = f"({n}, n_components) or (n_systems, {n}, n_components)"
            raise ValueError(f"fields must have shape {shape}, got shape {x.shape}")
        betas = within("beta", finite("beta", beta), 0.0, MOST)
        if betas.ndim > 1:
            raise ValueError(f"beta must be a number or have shape (n_systems,), got shape {betas.shape}")
        sizes = {"couplings": J.shape[:-2], "fields": x.shape[:-2], "beta": betas.shape}
        batches = {name: shape[0] for name, shape in sizes.items() if shape}
        if len(set(batches.values())) > 1 or 0 in batches.values():
            raise ValueError(f"couplings, fields and beta must be of one number of systems, got {batches}")
        one_of("response", response, KINDS)
        if response == "large" and x.shape[-1] < 3:
            raise ValueError(f"fields must have 3 components or more with response='large', got {x.shape[-1]}")
        site = Response(x.shape[-1], 1.0, radius, response)  # its checks
        n_systems = next(iter(batches.values()), None)
        self._set(J, read_only(x), read_only(betas), site.length, response, n_systems)

    def _set(self, *parts: Any) -> None:
        for name, part in zip(self.__dataclass_fields__, parts, strict=True):
            object.__setattr__(self, name, part)

    @classmethod
    def unchecked(
        cls, couplings: np.ndarray, fields: np.ndarray, beta: float, radius: float, response: Kind
    ) -> VectorSpins:
        """Return one network of arrays that nobody else has and numbers that were checked, as layers make many of."""
        network = object.__new__(cls)
        network._set(couplings, fields, np.array(beta), radius, response, None)
        return network

    @property
    def n_sites(self) -> int:
        """Number of spins."""
        return int(self.fields.shape[-2])

    @property
    def n_components(self) -> int:
        """Components D of a spin."""
        return int(self.fields.shape[-1])

    def replace(self, **changes: Any) -> VectorSpins:
        """Return a copy with some parameters changed."""
        names = ("couplings", "fields", "beta", "radius", "response")
        return VectorSpins(**({name: getattr(self, name) for name in names} | changes))

    def system(self, i: int = 0) -> VectorSpins:
        """Return one network of a batch.

        Examples
        --------
        >>> float(VectorSpins([[0.5]], [[1.0]], beta=[1.0, 2.0]).system(1).beta)
        2.0
        """
        if self.n_systems is None:
            return self
        i, J = whole("i", i, 0, self.n_systems - 1), self.couplings
        return VectorSpins(
            J[i] if J.ndim == 3 else J,
            self.fields[i] if self.fields.ndim == 3 else self.fields,
            self.beta[i] if self.beta.ndim else self.beta,
            self.radius,
            self.response,
        )

    def site(self) -> Response:
        """Return the response of a site of a single network.

        Examples
        --------
        >>> VectorSpins([[0.5]], [[1.0]]).site().mean([0.5]).round(12) == np.tanh(0.5).round(12)
        array([ True])
        """
        if self.beta.ndim:
            raise ValueError(f"beta must be one number for one response, got shape {self.beta.shape}")
        return _site(self.n_components, float(self.beta), self.radius, self.response)


@functools.lru_cache(maxsize=64)
def _site(n_components: int, beta: float, radius: float, kind: Kind) -> Response:
    """Return a response: layers ask for one again and again, and its checks take longer than a small product."""
    return Response(n_components, beta, radius, kind)


def _couplings(value: Any) -> Any:
    """Return couplings as a read-only array or a sparse one in rows, checked."""
    J: Any = sparse_rows("couplings", value) if is_sparse(value) else read_only(finite("couplings", value))
    within("couplings", J.data if is_sparse(J) else J, -MOST, MOST)
    square = J.ndim in ((2,) if is_sparse(J) else (2, 3)) and J.shape[-1] == J.shape[-2]
    if not square or 0 in J.shape:
        shape = "(n_sites, n_sites) or (n_systems, n_sites, n_sites)"
        raise ValueError(f"couplings must have shape {shape}, got shape {J.shape}")
    return J


def numeric(model: VectorSpins, most: float) -> VectorSpins:
    """Return a model if beta R |h| is at most `most` in any field that spins of its length can make."""
    J, R = model.couplings, model.radius
    widest = R * abs(J).sum(axis=-1).max() + np.sqrt((model.fields**2).sum(axis=-1)).max()
    if not float(model.beta.max()) * R * float(widest) <= most:
        raise ValueError(f"beta must be so that beta R |h| <= {most:g}, got {float(model.beta.max())!r}")
    return model
