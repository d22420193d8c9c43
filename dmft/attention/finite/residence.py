"""Noise-driven switching of finite networks between coexisting attractors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import instances, number, whole
from ..._util.progress import each, shows_progress
from ..._util.values import Frozen
from ..model import SelfAttention, undriven
from ..orbit import Orbit
from .batch import replicas

_ROWS = 4e6  # doubles of a record at a time


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Switching(Frozen):
    r"""When finite networks left one attractor for another.

    Attributes
    ----------
    first : ndarray, shape (n_replicas,)
        Token steps until the replica was first on another attractor; inf if it never was.
    counts : ndarray of int, shape (n_attractors, n_attractors)
        Switches from one (row) to another (column).
    residence : ndarray, shape (n_attractors,)
        Token steps spent on each, from reaching it to reaching another, over all replicas.
    n_steps : int
        Steps of each replica.
    """

    first: np.ndarray
    counts: np.ndarray
    residence: np.ndarray
    n_steps: int

    @property
    def escape_time(self) -> float:
        """Mean time until the first switch, by maximum likelihood with those that never did; inf if none did."""
        n_left = np.isfinite(self.first).sum()
        return np.minimum(self.first, self.n_steps).sum() / n_left if n_left else np.inf

    @property
    def escape_time_stderr(self) -> float:
        """Its standard error for exponentially distributed times."""
        n_left = np.isfinite(self.first).sum()
        return self.escape_time / np.sqrt(n_left) if n_left else np.inf

    @property
    def rates(self) -> np.ndarray:
        """Switches per token step spent on the first of the two, (n_attractors, n_attractors)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.counts / self.residence[:, None]


@shows_progress
@own_arithmetic
def switching(
    model: SelfAttention,
    attractors: Sequence[Orbit],
    n_steps: int,
    *,
    n_sites: int,
    n_replicas: int = 64,
    seed: int,
    radius: float | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> Switching:
    r"""Follow finite networks between coexisting attractors.

    A network is on an attractor from when its window comes within `radius` of it until it comes as close to
    another one (core sets [1]_): excursions and recrossings in between do not count. It is looked at
    once per period of the position code.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    attractors : sequence of Orbit
        Orbits on two or more attractors, recorded at every step; on a torus or in chaos, long enough to
        leave no gap wider than the radius. Replicas start on the first one, at its end.
    n_steps : int
        Token steps of each replica.
    n_sites, seed, n_threads
        As for `network`.
    n_replicas : int, default=64
    radius : float, optional
        Euclidean distance of windows, all ``n_context * n_features`` entries. Default: a third of the least
        distance between points of different attractors.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Switching

    Raises
    ------
    ValueError
        If an argument is outside its domain, or two attractors are closer than twice the radius.

    References
    ----------
    .. [1] Buchete & Hummer, J. Phys. Chem. B 112 (2008) 6057.

    Examples
    --------
    One feature and one token make the Curie-Weiss model, which has two states.

    >>> from dmft import Features, SelfAttention, Start, trajectory
    >>> one = [[1]]
    >>> model = SelfAttention(Features(one, one, one, one, n_positions=0), n_context=1, beta=1.3, gamma=0.0)
    >>> wells = [trajectory(model, 2, n_transient=99, start=Start.window([[m]])) for m in (0.9, -0.9)]
    >>> small, large = (switching(model, wells, 2_000, n_sites=n, seed=1) for n in (20, 60))
    >>> bool(30 < small.escape_time < large.escape_time)
    True
    """
    instances("attractors", attractors, Orbit, "dmft.Orbit")
    undriven(model)
    from scipy.spatial import cKDTree  # late: scipy is slow to load

    L, n_steps = model.n_context, whole("n_steps", n_steps, 1)
    if len(attractors) < 2:
        raise ValueError(f"attractors must be two or more orbits, got {len(attractors)}")
    start = attractors[0].window
    points = [_windows(model, orbit, start.arguments["phase"]) for orbit in attractors]
    trees = [cKDTree(some) for some in points]
    least = min(
        trees[i].query(points[j])[0].min() for i in range(len(points)) for j in range(len(points)) if i != j
    )  # fmt: skip
    radius = least / 3.0 if radius is None else number("radius", radius, 0.0)
    if not least > 2.0 * radius:
        raise ValueError(f"radius must be < half the least distance of attractors, {least / 2:.3g}, got {radius:g}")
    batch = replicas(model, n_sites, n_replicas, seed, start, n_threads=n_threads)
    n_attractors = len(attractors)
    state = np.zeros(n_replicas, dtype=int)
    first = np.full(n_replicas, np.inf)
    counts = np.zeros((n_attractors, n_attractors), dtype=int)
    residence = np.zeros(n_attractors)
    piece = max(1, int(_ROWS / n_replicas / L / model.n_features)) * L
    for done in each(range(0, n_steps - n_steps % L, piece), size=piece):
        record = batch.new_record(("attention",), min(piece, n_steps - n_steps % L - done))
        batch.advance(record.arrays()["attention"].shape[1], record=record)
        rows = record.arrays()["attention"]
        windows = rows.reshape(-1, L * model.n_features)
        apart = np.array([tree.query(windows, distance_upper_bound=radius)[0] for tree in trees])
        near = np.where(np.isfinite(apart).any(axis=0), apart.argmin(axis=0), -1).reshape(n_replicas, -1).T
        for k, label in enumerate(near):
            residence += L * np.bincount(state, minlength=n_attractors)
            moved = np.flatnonzero((label >= 0) & (label != state))
            np.add.at(counts, (state[moved], label[moved]), 1)
            state[moved] = label[moved]
            first[moved] = np.minimum(first[moved], done + (k + 1) * L)
    return Switching(first, counts, residence, n_steps - n_steps % L)


def _windows(model: SelfAttention, orbit: Orbit, phase: int) -> np.ndarray:
    """Return the windows of an orbit, oldest row first, that end before a step of this phase."""
    L, steps = model.n_context, orbit.steps
    if orbit.attention is None or orbit.attention.ndim != 2 or len(steps) < L or np.any(np.diff(steps) != 1):
        raise ValueError(f"attractors must have the attention of every step, at least {L}")
    ends = np.arange(L, len(steps) + 1)
    if model.epsilon:
        ends = ends[(orbit.window.arguments["phase"] - len(steps) + ends - phase) % L == 0]
    # A cycle that was gone round many times is still a few points.
    return np.unique([orbit.attention[end - L : end].ravel().round(12) for end in ends], axis=0)
