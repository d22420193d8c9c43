"""How finite networks approach the theory: deviations, and the smearing of a transition, against N."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import finite, shown, whole
from ..._util.memory import need_memory
from ..._util.progress import each, shows_progress
from ..._util.values import Frozen
from ..batch import Batch
from ..model import SelfAttention, parameter, undriven
from ..orbit import trajectory
from ..start import Start, start_of
from .batch import NetworkBatch, replicas
from .sites import keys, number_of_sites, site_groups

_ROWS = 4e6  # doubles of a record at a time


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FiniteSize(Frozen):
    r"""Deviations of finite networks from the theory.

    Attributes
    ----------
    sizes : ndarray, shape (n_sizes,)
        Numbers of sites, N.
    deviation : ndarray, shape (n_sizes,)
        :math:`\langle |A^N_t - A_t|^2 \rangle^{1/2}`, over replicas and steps.
    stderr : ndarray, shape (n_sizes,)
        Its standard error, from the scatter of the replicas.
    slope, slope_stderr : float
        Of log deviation against log N, by weighted least squares; -1/2 where the orbit is stable.
    """

    sizes: np.ndarray
    deviation: np.ndarray
    stderr: np.ndarray
    slope: float
    slope_stderr: float


def power_law(x: ArrayLike, y: ArrayLike, stderr: ArrayLike) -> tuple[float, float, float]:
    """Fit log y = intercept + slope log x by weighted least squares.

    Parameters
    ----------
    x, y, stderr : array_like, shape (n,)
        Positive; n >= 2.

    Returns
    -------
    slope, slope_stderr, intercept : float

    Examples
    --------
    >>> slope, error, _ = power_law([10, 100, 1000], [2.0, 0.2, 0.02], [0.02, 0.002, 0.0002])
    >>> round(slope, 6), round(error, 4)
    (-1.0, 0.0031)
    """
    x, y, stderr = (np.asarray(array, dtype=float) for array in (x, y, stderr))
    if len(x) < 2 or not min(x.min(), y.min(), stderr.min()) > 0:
        raise ValueError("x, y and stderr must be two or more positive numbers each")
    log_x, log_y, weight = np.log(x), np.log(y), (y / stderr) ** 2
    centre = weight @ log_x / weight.sum()
    spread = weight @ (log_x - centre) ** 2
    slope = weight @ ((log_x - centre) * log_y) / spread
    return float(slope), float(spread**-0.5), float(weight @ log_y / weight.sum() - slope * centre)


def _sizes(sizes: Sequence[int]) -> list[int]:
    """Return the argument `sizes`, a list of numbers of sites."""
    given = sizes.tolist() if isinstance(sizes, np.ndarray) and sizes.dtype.kind in "iu" else sizes
    if not isinstance(given, list | tuple | range) or np.ma.isMaskedArray(sizes):
        raise ValueError(f"sizes must be a list of whole numbers, got {shown(sizes)}")
    if not given:
        raise ValueError("sizes must hold a number of sites, got none")
    return [number_of_sites(n, "sizes") for n in given]


@shows_progress
@own_arithmetic
def finite_size(
    model: SelfAttention,
    *,
    sizes: Sequence[int],
    n_steps: int = 200,
    n_transient: int = 0,
    n_replicas: int = 200,
    seed: int,
    start: Start | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> FiniteSize:
    r"""Measure how far finite networks are from the theory, against their size.

    Network and theory begin from the same start. On a stable cycle or fixed point, deviations settle at an
    amplitude :math:`\propto N^{-1/2}`, which `fluctuations` predicts; on a chaotic orbit they grow until
    they are as large as the attractor.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    sizes : sequence of int
        Numbers of sites; at least two.
    n_steps, n_transient : int
        Token steps over which deviations are averaged, and before them.
    n_replicas : int, default=200
        Networks of each size, >= 2.
    seed : int
        As for `network`; each size has its own streams.
    start : Start, optional
        As for `trajectory`; the `window` of an orbit that has settled is best.
    n_threads : int or None
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    FiniteSize

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, finite_size, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> settled = trajectory(model, 1, n_transient=1_000).window
    >>> found = finite_size(model, sizes=[10**3, 10**5, 10**7], n_steps=50, seed=1, start=settled)
    >>> bool(abs(found.slope + 0.5) < 4 * found.slope_stderr)
    True
    """
    undriven(model)
    sizes = _sizes(sizes)
    whole("n_replicas", n_replicas, 2)
    if len(sizes) < 2 or len(set(sizes)) < len(sizes):
        raise ValueError(f"sizes must be two or more different numbers of sites, got {sizes}")
    start = start_of(start)
    theory = trajectory(model, n_steps, n_transient=n_transient, start=start, record="attention").attention
    assert theory is not None  # recorded
    squares = []
    for i, n_sites in each(list(enumerate(sizes)), "sizes"):
        # Every size is a point of its own: independent errors.
        batch = replicas(model, n_sites, n_replicas, seed, start, n_threads=n_threads, point=i)
        batch.advance(n_transient)
        squares.append(_mean_square(batch, theory))
    square = np.array(squares)
    deviation = np.sqrt(square.mean(axis=1))
    stderr = square.std(axis=1, ddof=1) / np.sqrt(n_replicas) / (2.0 * deviation)
    slope, slope_stderr, _ = power_law(sizes, deviation, stderr)
    return FiniteSize(np.array(sizes), deviation, stderr, slope, slope_stderr)


def _mean_square(batch: NetworkBatch, theory: np.ndarray) -> np.ndarray:
    """Return the mean square deviation of each run from the theory's rows, (n_runs,)."""
    total = np.zeros(batch.n_points)
    piece = max(1, int(_ROWS / batch.n_points / theory.shape[1]))
    for first in range(0, len(theory), piece):
        some = theory[first : first + piece]
        record = batch.new_record(("attention",), len(some))
        batch.advance(len(some), record=record)
        total += ((record.arrays()["attention"] - some) ** 2).sum(axis=(1, 2))
    return total / len(theory)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Smearing(Frozen):
    r"""Amplitude of the motion round its mean, of networks of many sizes across a transition.

    Attributes
    ----------
    name : str
        The parameter.
    values : ndarray, shape (n_values,)
    sizes : ndarray, shape (n_sizes,)
        Numbers of sites, N.
    amplitude, stderr : ndarray, shape (n_sizes, n_values)
        :math:`\big(\sum_a \mathrm{Var}\, A_a\big)^{1/2}`, variances in time at the same phase of the position
        code, averaged over phases and replicas; and its standard error, from the scatter of the replicas.
    theory : ndarray, shape (n_values,)
        The same of the infinite network.
    """

    name: str
    values: np.ndarray
    sizes: np.ndarray
    amplitude: np.ndarray
    stderr: np.ndarray
    theory: np.ndarray


@shows_progress
@own_arithmetic
def smearing(
    model: SelfAttention,
    *,
    sizes: Sequence[int],
    n_steps: int,
    n_transient: int,
    n_replicas: int = 4,
    seed: int,
    start: Start | None = None,
    n_threads: int | None = None,
    progress: bool = True,
    **axis: ArrayLike,
) -> Smearing:
    r"""Measure how noise smears a transition out of the synchronous cycle.

    In the infinite network the motion sampled once per period of the position code stands still before a
    Neimark-Sacker bifurcation and goes round a circle of radius :math:`\propto \sqrt{\beta - \beta_{NS}}` behind
    it. The noise of N sites keeps the amplitude at :math:`\propto N^{-1/2}` far before, and at
    :math:`\propto N^{-1/4}` in a window of width :math:`\propto N^{-1/2}` round the transition, as in the
    normal form with additive noise.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    sizes : sequence of int
        Numbers of sites.
    n_steps, n_transient : int
        Token steps that are measured, and before them; n_steps a multiple of ``n_context``.
    n_replicas : int, default=4
        Networks of each size and value, >= 2.
    seed : int
        As for `network`; each size and value has its own streams.
    start : Start, optional
        As for `trajectory`.
    n_threads : int or None
    **axis : array_like, shape (n_values,)
        Values of one of beta, gamma, epsilon.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Smearing

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> found = smearing(model, sizes=[10**4, 10**8], beta=[1.0, 1.3], n_steps=400, n_transient=400, seed=0)
    >>> found.amplitude.round(2)
    array([[0.01, 0.34],
           [0.  , 0.34]])
    """
    undriven(model)
    if len(axis) != 1 or not set(axis) <= {"beta", "gamma", "epsilon"}:
        raise ValueError(f"one of beta, gamma, epsilon must be given its values, got {sorted(axis)}")
    (name, values), sizes = next(iter(axis.items())), _sizes(sizes)
    values = finite(name, values, (None,))
    if not values.size:
        raise ValueError(f"{name} must have a value, got none")
    whole("n_replicas", n_replicas, 2)
    L, n_runs = model.n_context, len(sizes) * len(values) * n_replicas
    n_bytes = 16.0 * n_runs * (3.0 * L * model.n_features + 8)
    need_memory(f"{n_runs} networks", n_bytes, f"run fewer (sizes, {name}, n_replicas)")
    if whole("n_steps", n_steps, 2 * L) % L:
        raise ValueError(f"n_steps must be a multiple of n_context = {L}, got {n_steps}")
    whole("n_transient", n_transient, 0)
    start = start_of(start)
    models = [model.replace(**{name: parameter(name, value)}) for value in values.tolist()]
    points = {p: np.array([getattr(one, p) for one in models]) for p in ("beta", "gamma", "epsilon")}
    states = [start.state(one) for one in models]
    infinite = Batch(model, **points, states=states, n_threads=n_threads)
    infinite.advance(n_transient)
    theory = _amplitude_square(infinite, n_steps)
    groups, n_values = site_groups(model.features), len(values)
    every = {p: np.tile(np.repeat(points[p], n_replicas), len(sizes)) for p in points}
    runs = NetworkBatch(
        model,
        beta=every["beta"],
        gamma=every["gamma"],
        epsilon=every["epsilon"],
        sizes=np.repeat([groups.sizes(n) for n in sizes], n_values * n_replicas, axis=0),
        keys=keys(seed, range(len(sizes) * n_values), n_replicas),
        states=[state for _ in sizes for state in states for _ in range(n_replicas)],
        n_threads=n_threads,
    )
    runs.advance(n_transient)
    square = _amplitude_square(runs, n_steps).reshape(len(sizes), n_values, n_replicas)
    amplitude = np.sqrt(square.mean(axis=2))
    stderr = square.std(axis=2, ddof=1) / np.sqrt(n_replicas) / (2.0 * amplitude)
    return Smearing(name, values, np.array(sizes), amplitude, stderr, np.sqrt(theory))


def _amplitude_square(batch: Batch | NetworkBatch, n_steps: int) -> np.ndarray:
    """Return the variance in time of each run, summed over features, averaged over phases; (n_runs,)."""
    L, M = batch.shape
    n_runs, offset = batch.n_points, None
    total, squares = np.zeros((n_runs, L, M)), np.zeros((n_runs, L, M))
    piece = max(1, int(_ROWS / n_runs / L / M)) * L
    for first in each(range(0, n_steps, piece), size=piece):
        n_rows = min(piece, n_steps - first)
        rows = batch.new_record(("attention",), n_rows)
        batch.advance(n_rows, record=rows)
        attention = rows.arrays()["attention"].reshape(n_runs, -1, L, M)
        if offset is None:  # near the mean, so that squares do not cancel
            offset = attention.mean(axis=1, keepdims=True)
        attention = attention - offset
        total += attention.sum(axis=1)
        squares += (attention**2).sum(axis=1)
    n = n_steps // L
    return (squares / n - (total / n) ** 2).sum(axis=2).mean(axis=1)
