"""What a stationary diffusion produces of entropy, and how often it is where, from its samples, with errors."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, integers, whole
from .._util.readonly import seal
from .._util.values import Frozen, Value
from ..dynamics.series import standard_error
from .lorenz import CoupledLorenz
from .paths import Diffusion

SMALL = 1e-5  # of central differences, in units of the spread


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rate(Value):
    """A rate and its standard error.

    Attributes
    ----------
    value, error : float
        In nats per unit of time.
    """

    value: float
    error: float


@own_arithmetic
def entropy_production(system: Diffusion | CoupledLorenz, samples: ArrayLike, n_batches: int = 20) -> Rate:
    r"""Estimate the entropy production of a stationary diffusion from samples of its states.

    :math:`\langle F^T \Gamma^{-1} F\rangle + \langle\nabla\cdot F\rangle` with :math:`\Gamma = a^2/2` of noise of
    amplitude a: the mean of the heat, for all components even under reversal of time.

    Parameters
    ----------
    system : Diffusion or CoupledLorenz
    samples : array_like, shape (n_paths, n_samples, n_components)
        Of the stationary state, as `paths` returns them.
    n_batches : int, default=20
        Means of which the error is made: stretches of all samples in their order.

    Returns
    -------
    Rate

    Raises
    ------
    ValueError
        If shapes do not fit or there are fewer samples than batches.

    References
    ----------
    U. Seifert, Rep. Prog. Phys. 75, 126001 (2012), section 2.

    Examples
    --------
    >>> pull = Diffusion(lambda x: -x @ np.array([[1.0, 1.0], [-1.0, 1.0]]), [1.0, 1.0])
    >>> samples = pull.paths(np.zeros((400, 2)), 400, 0.02, every=20, seed=1)[:, 10:]
    >>> found = entropy_production(pull, samples)
    >>> bool(abs(found.value - 2) < 0.3)  # the work of turning
    True
    """
    instance("system", system, Diffusion | CoupledLorenz, "a Diffusion or CoupledLorenz")
    given = finite("samples", samples, (None, None, len(system.noise)))
    flat = given.reshape(-1, given.shape[2])
    n_batches = _batches(n_batches, len(flat))
    f = system.drift(flat)
    local = (f**2 * (2 / system.noise**2)).sum(axis=1) + _divergence(system, flat)
    means = np.array([batch.mean() for batch in np.array_split(local, n_batches)])
    return Rate(float(local.mean()), float(standard_error(means)))


def _batches(n_batches: int, n_samples: int) -> int:
    """Return a number of batches that so many samples fill."""
    n_batches = whole("n_batches", n_batches, 2)
    if n_samples < n_batches:
        raise ValueError(f"samples must be at least {n_batches}, one a batch, got {n_samples}")
    return n_batches


def _divergence(system: Diffusion | CoupledLorenz, x: np.ndarray) -> np.ndarray:
    known = system.divergence
    if known is not None:
        return np.broadcast_to(np.asarray(known(x), dtype=float), len(x))
    step = SMALL * np.maximum(x.std(axis=0), 1e-300)
    total = np.zeros(len(x))
    for i, h in enumerate(step):
        e = np.zeros(x.shape[1])
        e[i] = h
        total += (system.drift(x + e)[:, i] - system.drift(x - e)[:, i]) / (2 * h)
    return total


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Density(Frozen):
    """How often a diffusion is where.

    Attributes
    ----------
    edges : tuple of ndarray
        Of the cells, in each component that was asked for.
    value, error : ndarray
        Probability density of each cell, and its standard error.
    """

    edges: tuple[np.ndarray, ...]
    value: np.ndarray
    error: np.ndarray

    def __post_init__(self) -> None:
        seal(self)


@own_arithmetic
def stationary_density(samples: ArrayLike, components: ArrayLike, bins: int = 50, n_batches: int = 20) -> Density:
    """Estimate the stationary density of one component, or of two together, from samples.

    Parameters
    ----------
    samples : array_like, shape (n_paths, n_samples, n_components)
        Of the stationary state.
    components : array_like of int, shape (1,) or (2,)
    bins : int, default=50
        Cells in each direction, from the smallest sample to the largest.
    n_batches : int, default=20
        Stretches of all samples, of which the error is made.

    Returns
    -------
    Density

    Raises
    ------
    ValueError
        If components do not exist or there are too few samples.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(10, 1000, 2))
    >>> found = stationary_density(z, [0], bins=40)
    >>> bool(abs(found.value.max() - 0.4) < 4 * found.error.max())
    True
    """
    given = finite("samples", samples, (None, None, None))
    which = integers("components", components, 0, given.shape[2] - 1)
    if which.size not in (1, 2) or len(set(which.tolist())) < which.size:
        raise ValueError(f"components must be one or two, each once, got {which.tolist()}")
    flat = given.reshape(-1, given.shape[2])[:, which]
    n_batches, bins = _batches(n_batches, len(flat)), whole("bins", bins, 1)
    if not np.isfinite(np.ptp(flat, axis=0) * bins).all() or (flat.max(axis=0) == flat.min(axis=0)).any():
        raise ValueError("samples must vary in each component, in a finite range, got a constant or another")
    edges = tuple(np.histogram_bin_edges(column, bins) for column in flat.T)
    parts = [np.histogramdd(batch, edges, density=True)[0] for batch in np.array_split(flat, n_batches)]
    value = np.histogramdd(flat, edges, density=True)[0]
    top = np.ldexp(1.0, int(np.frexp(value.max())[1]) - 1)  # its square may be no double
    return Density(edges, value, np.std(parts / top, axis=0, ddof=1) / np.sqrt(n_batches) * top)
