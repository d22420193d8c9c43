"""Trajectories of jump processes, many at a time; see _jumps.pyx."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, flag, number, seed_of, whole, within
from .._util.memory import need_memory
from .._util.progress import working
from .._util.readonly import seal
from .._util.threads import n_threads as threads
from .._util.values import Frozen
from ._jumps import paths as _paths

if TYPE_CHECKING:
    from .process import MarkovJump

MAX_RESIDENCE = 1 << 27
PIECE, MIN_TOGETHER = 1e8, 256  # jumps at most after which it is shown how far it is; paths a thread all the same
MAX_JUMPS = 1e15  # of a path: more take longer than a person lives with


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Paths(Frozen):
    """Trajectories of one duration, and what was counted along them.

    Attributes
    ----------
    start, end : ndarray, shape (n_paths,)
        States.
    n_jumps : ndarray, shape (n_paths,)
    flow : ndarray, shape (n_paths,)
        Entropy given to the reservoirs, in nats; inf after a jump that has no reverse.
    counts : ndarray, shape (n_paths, n_currents)
        Sums of the increments.
    residence : ndarray, shape (n_paths, n_states), or None
        Time spent in each state.

    References
    ----------
    D. T. Gillespie, J. Phys. Chem. 81, 2340 (1977); U. Seifert, Phys. Rev. Lett. 95, 040602 (2005).
    """

    start: np.ndarray
    end: np.ndarray
    n_jumps: np.ndarray
    flow: np.ndarray
    counts: np.ndarray
    residence: np.ndarray | None

    def __post_init__(self) -> None:
        seal(self)

    def ep(self, p_start: ArrayLike, p_end: ArrayLike) -> np.ndarray:
        """Return the entropy produced along each trajectory, given the laws at its start and end, in nats."""
        most = int(max(self.start.max(), self.end.max()))
        begin, last = (
            within(name, finite(name, p, (None,)), 0, 1) for name, p in (("p_start", p_start), ("p_end", p_end))
        )
        for name, p in (("p_start", begin), ("p_end", last)):
            if len(p) <= most:
                raise ValueError(f"{name} must have an entry for every state, got {len(p)} and state {most}")
        with np.errstate(divide="ignore"):
            return np.log(begin[self.start]) - np.log(last[self.end]) + self.flow


@own_arithmetic
def follow(
    process: MarkovJump,
    n: int,
    t: float,
    seed: int,
    p0: ArrayLike | None = None,
    increments: ArrayLike | None = None,
    residence: bool = False,
    first: int = 0,
    n_threads: int | None = None,
) -> Paths:
    """Return trajectories; see `MarkovJump.paths`."""
    n, t, first = whole("n", n, 1), number("t", t, 0), whole("first", first)
    seed = seed_of(seed, 2**64 - 1)
    law = process.stationary() if p0 is None else process.law(p0, "p0")
    n_edges = len(process.source)
    d = np.zeros((0, n_edges)) if increments is None else np.atleast_2d(finite("increments", increments))
    if d.ndim != 2 or d.shape[1] != n_edges:
        raise ValueError(f"increments must have shape (n_currents, {n_edges}), got shape {d.shape}")
    if flag("residence", residence) and n * process.n_states > MAX_RESIDENCE:
        raise ValueError(f"n times n_states must be <= {MAX_RESIDENCE} with residence, got {n * process.n_states}")
    need_memory(f"{n} trajectories", 8.0 * n * (6 + len(d)), "take fewer")
    order = np.argsort(process.source, kind="stable")
    index = np.searchsorted(process.source[order], np.arange(process.n_states + 1))
    rate = process.rates()[order]
    fastest = float(np.bincount(process.source[order], rate, process.n_states).max(initial=0.0))
    if not t * fastest <= MAX_JUMPS:
        raise ValueError(f"t must be <= {MAX_JUMPS / fastest:g} at rates of {fastest:g} out of a state, got {t:g}")
    unit = int(np.frexp(fastest)[1])  # of time: a power of two, so that no rate or wait is out of range
    gain = np.ascontiguousarray(np.column_stack([process.log_ratio[order], d.T[order]]))
    ends, n_jumps = np.zeros((n, 2), dtype=np.int64), np.zeros(n, dtype=np.int64)
    sums = np.zeros((n, gain.shape[1]))
    stay = np.zeros((n, process.n_states)) if residence else None
    n_together = max(threads(n_threads) * MIN_TOGETHER, int(min(n, PIECE / max(t * fastest, 1.0))))
    with working(n, "trajectories") as tick:
        for k in range(0, n, n_together):
            some = slice(k, k + n_together)
            _paths(
                first=index.astype(np.int64),
                target=np.ascontiguousarray(process.target[order]),
                rate=np.ldexp(rate, -unit),
                gain=gain,
                start=np.cumsum(law),
                duration=float(np.ldexp(t, unit)),
                seed=seed,
                first_item=first + k,
                ends=ends[some],
                n_jumps=n_jumps[some],
                sums=sums[some],
                residence=None if stay is None else stay[some],
                states=np.empty((process.n_states, 2), dtype=np.uint64),
                edges=np.empty((n_edges, 3), dtype=np.uint64),
                share=np.empty(n_edges),
                stack=np.empty(n_edges, dtype=np.uint32),
                n_threads=min(threads(n_threads), len(ends[some])),
            )
            tick(len(ends[some]))
    stay = None if stay is None else np.ldexp(stay, -unit)
    return Paths(ends[:, 0].copy(), ends[:, 1].copy(), n_jumps, sums[:, 0].copy(), sums[:, 1:].copy(), stay)
