"""Simulate networks of vector spins: means, delayed correlations and entropy production of many replicas."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import finite, flag, instance, seed_of, whole
from .._util.memory import need_memory
from .._util.pool import checkpoint, in_order
from .._util.progress import shows_progress, working
from .._util.sparse import dense
from .._util.threads import n_threads as threads
from .._util.values import Frozen
from . import _spins
from .model import VectorSpins, numeric

MOST_SEED = 2**64 - 1
SHARPEST = 1e12  # of beta R |h|: the part of a spin across its field is below rounding there


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sampled(Frozen):
    r"""What replicas of a network were measured to do in its stationary state.

    All are averages of conditional means given the spins before (Rao and Blackwell). Standard errors are those of the
    replicas, which are independent; NaN for one replica.

    Attributes
    ----------
    m, m_stderr : ndarray, shape (n_sites, n_components)
        Means.
    D, D_stderr : ndarray, shape (n_sites, n_sites), or None
        Delayed correlations :math:`\mathrm{tr}\langle s_i(t+1) s_j(t)^T\rangle_c`.
    entropy_production, entropy_production_stderr : float or None
        :math:`\beta \sum_{ij} (J_{ij} - J_{ji}) D_{ij}`, nats a step.
    states : ndarray, shape (n_replicas, n_sites, n_components)
        Where the replicas ended.
    n_steps : int
        Steps that were averaged over.
    """

    m: np.ndarray
    m_stderr: np.ndarray
    D: np.ndarray | None
    D_stderr: np.ndarray | None
    entropy_production: float | None
    entropy_production_stderr: float | None
    states: np.ndarray
    n_steps: int


class _Replica:
    """One network in motion, with the random numbers of one replica."""

    def __init__(self, model: VectorSpins, seed: int, replica: int, start: np.ndarray | None) -> None:
        self.model, self.beta = model, float(model.beta)
        self.key = np.array([seed, replica], dtype=np.uint64)
        self.t = 0
        if start is None:  # drawn in the fields alone
            self.spins = self._drawn(np.zeros_like(model.fields), "start")
        else:
            self.spins = np.array(start, dtype=float)

    def _drawn(self, theta: np.ndarray, purpose: str) -> np.ndarray:
        spins = np.empty_like(theta)
        _spins.draw(
            beta=self.beta, radius=self.model.radius, theta=theta, fields=self.model.fields, key=self.key,
            step=self.t, purpose=purpose, spins=spins, n_threads=1,
        )  # fmt: skip
        return spins

    def advance(self) -> np.ndarray:
        """Take a step; return the fields that the new spins were drawn in."""
        theta = np.ascontiguousarray(self.model.couplings @ self.spins)
        self.t += 1
        self.spins = self._drawn(theta, "spins")
        return theta


def _checked(model: VectorSpins, seed: int, start: ArrayLike | None) -> tuple[VectorSpins, int, np.ndarray | None]:
    """Return the arguments of a simulation, checked."""
    model = instance("model", model, VectorSpins, "a dmft.spins.VectorSpins")
    if model.n_systems is not None:
        raise ValueError(f"model must be one network, got {model.n_systems} systems: take model.system(i)")
    numeric(model, SHARPEST)
    spins, R = None, model.radius
    if start is not None:
        spins = finite("start", start, model.fields.shape)
        off = abs(np.sqrt((spins**2).sum(axis=1)) / R - 1.0).max()
        if off > 1e-9:
            raise ValueError(f"start must be spins of length {R:.6g}, got one off by {off:.3g} of it")
    return model, seed_of(seed, MOST_SEED), spins


@shows_progress
@own_arithmetic
def sample_spins(
    model: VectorSpins,
    n_replicas: int,
    n_steps: int,
    *,
    n_transient: int = 100,
    start: ArrayLike | None = None,
    seed: int = 0,
    correlations: bool = False,
    n_threads: int | None = None,
    progress: bool = True,
) -> Sampled:
    """Simulate replicas of a network and average over them and over time.

    The spins of D = 1 and 3 are drawn by inversion, others by rejection. All is exact, also where the response of the
    model is the large one. Replica r has random numbers that are a function of (seed, r), so its
    bits depend neither on threads nor on the other replicas.

    Parameters
    ----------
    model : VectorSpins
        One network.
    n_replicas, n_steps : int
        At least 1.
    n_transient : int, default=100
        Steps before these.
    start : array_like, shape (n_sites, n_components), or None, default=None
        Spins at time 0, of the length of the model's. None: drawn in the fields alone.
    seed : int, default=0
        Below 2**64.
    correlations : bool, default=False
        Whether to measure delayed correlations and the entropy production too.
    n_threads : int or None, default=None
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Sampled

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    MemoryError
        If there is not enough for the results.

    Examples
    --------
    >>> model = VectorSpins([[0.0, 0.6], [-0.6, 0.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], beta=2.0)
    >>> found = sample_spins(model, 20, 200, seed=1)
    >>> bool((abs(found.m[0] - [0.3, 0.1, 0.0]) < 0.1).all()), found.states.shape
    (True, (20, 2, 3))
    """
    model, seed, spins = _checked(model, seed, start)
    n_replicas, n_steps = whole("n_replicas", n_replicas, 1), whole("n_steps", n_steps, 1)
    n_transient, n = whole("n_transient", n_transient), model.n_sites
    flag("correlations", correlations)
    size = model.fields.size * 2 + (n * n if correlations else 0)
    need_memory(f"n_replicas = {n_replicas} replicas of {n} sites", 8.0 * n_replicas * size)
    exact = model.replace(response="exact").site()

    def replica(r: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        moving = _Replica(model, seed, r, spins)
        for _ in range(n_transient):
            checkpoint()
            moving.advance()
        m, before = np.zeros_like(model.fields), np.zeros_like(model.fields)
        raw = np.zeros((n, n)) if correlations else None
        for _ in range(n_steps):
            checkpoint()
            old = moving.spins
            mean = exact.mean(moving.advance(), n_threads=1)
            m += mean
            if raw is not None:
                before += old
                raw += mean @ old.T
        # Less the product of means: of this replica, whose own fluctuations are of the order of 1 / n_steps.
        D = None if raw is None else raw / n_steps - (m / n_steps) @ (before / n_steps).T
        return m / n_steps, D, moving.spins

    with one_blas_thread():
        found = []
        with working(n_replicas, "replicas") as tick:
            for one in in_order(replica, range(n_replicas), min(threads(n_threads), n_replicas)):
                found.append(one)
                tick(1)
    m, m_stderr = _mean([each[0] for each in found])
    states = np.stack([each[2] for each in found])
    if not correlations:
        return Sampled(m, m_stderr, None, None, None, None, states, n_steps)
    traces: list[Any] = [each[1] for each in found]
    D, D_stderr = _mean(traces)
    J = dense(model.couplings)
    sigma, sigma_stderr = _mean([np.array(float(model.beta) * np.sum((J - J.T) * each)) for each in traces])
    return Sampled(m, m_stderr, D, D_stderr, float(sigma), float(sigma_stderr), states, n_steps)


def _mean(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of replicas and its standard error."""
    array, n = np.stack(values), len(values)
    if n == 1:
        return array[0], np.full_like(array[0], np.nan)
    return array.mean(axis=0), array.std(axis=0, ddof=1) / np.sqrt(n)


@own_arithmetic
def spin_trajectory(
    model: VectorSpins, n_steps: int, *, start: ArrayLike | None = None, seed: int = 0, replica: int = 0
) -> np.ndarray:
    """Simulate one replica and return its spins at every time from 0.

    Parameters
    ----------
    model : VectorSpins
        One network.
    n_steps : int
        At least 1.
    start : array_like, shape (n_sites, n_components), or None, default=None
        None: drawn in the fields alone.
    seed, replica : int, default=0
        Of the random numbers; `sample_spins` with the seed has this as its replica of that number.

    Returns
    -------
    ndarray, shape (n_steps + 1, n_sites, n_components)

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> spin_trajectory(VectorSpins([[30.0]], [[0.0]]), 3, start=[[1.0]]).ravel()
    array([1., 1., 1., 1.])
    """
    model, seed, spins = _checked(model, seed, start)
    n_steps, replica = whole("n_steps", n_steps, 1), whole("replica", replica)
    need_memory(f"n_steps = {n_steps} times", 8.0 * (n_steps + 1) * model.fields.size)
    moving = _Replica(model, seed, replica, spins)
    out = np.empty((n_steps + 1, *model.fields.shape))
    out[0] = moving.spins
    for t in range(1, n_steps + 1):
        moving.advance()
        out[t] = moving.spins
    return out
