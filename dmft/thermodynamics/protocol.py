"""Processes that change at given times: work at the changes, heat between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr, xlogy

from .._util.arithmetic import own_arithmetic
from .._util.checks import function, positive, shown
from .._util.memory import need_memory
from .._util.readonly import seal
from .._util.values import Frozen, Value
from .evolution import spent, transitions
from .partition import is_process
from .process import MarkovJump
from .stationary import stationary_state

COARSEST, MOST_STEPS = 8, 4096  # steps of a smooth protocol


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ProtocolBudget(Frozen):
    """A period, segment by segment.

    Attributes
    ----------
    p : ndarray, shape (n_segments, n_states)
        Law at the start of each segment.
    work : ndarray, shape (n_segments,), or None
        Mean work of the change after each segment, the last back to the first; None without energies.
    heat : ndarray, shape (n_segments, n_mechanisms), or None
        Into the system from each reservoir; None without reservoirs.
    ep, nonadiabatic : ndarray, shape (n_segments,)
        Entropy produced in each segment, in nats, and the part of it that relaxes to the segment's stationary state.

    References
    ----------
    U. Seifert, Rep. Prog. Phys. 75, 126001 (2012).
    """

    p: np.ndarray
    work: np.ndarray | None
    heat: np.ndarray | None
    ep: np.ndarray
    nonadiabatic: np.ndarray

    def __post_init__(self) -> None:
        seal(self)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Protocol(Value):
    """Processes on the same states, one after the other, each for its duration; then again from the first.

    Parameters
    ----------
    segments : sequence of (MarkovJump, float)
        Processes and durations > 0.

    Raises
    ------
    ValueError
        If there is none, the numbers of states differ, or a duration is not above 0.

    References
    ----------
    C. Jarzynski, Phys. Rev. Lett. 78, 2690 (1997); U. Seifert, Rep. Prog. Phys. 75, 126001 (2012).

    Examples
    --------
    >>> G = [[0.0, 1.0], [1.0, 0.0]]
    >>> low, high = (MarkovJump.from_energies([0.0, e], G) for e in (0.0, 1.0))
    >>> drive = Protocol([(low, 1.0), (high, 1.0)])
    >>> now = drive.budget()
    >>> bool(abs(now.work.sum() + now.heat.sum()) < 1e-12)  # the first law over a period
    True
    >>> round(drive.work_average([0.5, 0.5]) - float(1 + np.exp(-1)) / 2, 12)  # exp(-difference of free energies)
    0.0
    """

    segments: tuple[tuple[MarkovJump, float], ...]

    def __init__(self, segments: Sequence[tuple[MarkovJump, float]]) -> None:
        kept: list[tuple[MarkovJump, float]] = []
        if not isinstance(segments, list | tuple) or not all(
            isinstance(s, tuple | list) and len(s) == 2 for s in segments
        ):
            raise ValueError(
                f"segments must be a list of pairs of a MarkovJump and its duration, got {shown(segments)}"
            )
        for k, (process, t) in enumerate(segments):
            is_process(process, f"segments[{k}][0]")
            duration = positive(f"segments[{k}] duration", t)
            if kept and process.n_states != kept[0][0].n_states:
                raise ValueError(f"segments[{k}] must have {kept[0][0].n_states} states, got {process.n_states}")
            kept.append((process, duration))
        if not kept:
            raise ValueError("segments must be one or more, got none")
        object.__setattr__(self, "segments", tuple(kept))

    @own_arithmetic
    def periodic(self) -> np.ndarray:
        """Return the law at the start of a period that comes back after it, shape (n_states,)."""
        n = self.segments[0][0].n_states
        need_memory(f"the transitions of {n} states", 64.0 * n * n, "take fewer states")
        period = np.eye(n)
        for process, t in self.segments:
            period = transitions(process.generator().toarray(), t) @ period
        off = np.maximum(period, 0) * ~np.eye(n, dtype=bool)
        target, source = np.nonzero(off)
        # By elimination: nothing is subtracted, so that rare states lose no digits.
        return stationary_state(source, target, np.log(off[target, source]), n, "elimination")

    @classmethod
    @own_arithmetic
    def smooth(
        cls, at: Callable[[float], MarkovJump], t: float, *, rtol: float = 1e-4, p0: ArrayLike | None = None
    ) -> tuple[Protocol, float]:
        """Return a process that changes smoothly, as one that changes in small steps, and the error of these.

        Each step is the process at its middle: errors fall as the squares of the steps, which are halved until entropy
        production and work over the whole time are right. So a hundredth of the error takes ten times as many steps.

        Parameters
        ----------
        at : callable
            From a time in [0, t] to a MarkovJump; all on the same states.
        t : float
            Duration, > 0.
        rtol : float, default=1e-4
            How large the error of the entropy production and of the work may be, as a share of the larger of both.
        p0 : array_like, shape (n_states,), optional
            Law at the start; the one that comes back after the duration unless given.

        Returns
        -------
        Protocol, float
            And the estimate of the error: a third of what the last halving changed.

        Raises
        ------
        FloatingPointError
            If 4096 steps are not enough.

        Examples
        --------
        >>> well = lambda s: MarkovJump.from_energies([0.0, np.sin(2 * np.pi * s)], [[0.0, 1.0], [1.0, 0.0]])
        >>> drive, error = Protocol.smooth(well, 1.0, rtol=1e-3)
        >>> error < 1e-3, drive.budget().work.sum() > 0
        (True, np.True_)
        """
        function("at", at)
        time, tolerance = positive("t", t), positive("rtol", rtol)
        n_steps, before = COARSEST, None
        while n_steps <= MOST_STEPS:
            middles = (np.arange(n_steps) + 0.5) * (time / n_steps)
            found = cls([(at(float(s)), time / n_steps) for s in middles])
            now = found.budget(p0)
            sums = np.array([now.ep.sum(), *([] if now.work is None else [now.work.sum()])])
            if before is not None:
                error = float(abs(sums - before).max() / max(abs(sums).max(), 1e-9)) / 3
                if error <= tolerance:
                    return found, error
            n_steps, before = 2 * n_steps, sums
        raise FloatingPointError(f"{MOST_STEPS} steps are too few for an error of {tolerance:g}: it is {error:.3g}")

    @own_arithmetic
    def budget(self, p0: ArrayLike | None = None) -> ProtocolBudget:
        """Return what a period produces; from the law that comes back unless one is given."""
        p = self.periodic() if p0 is None else self.segments[0][0].law(p0, "p0")
        laws, heat, ep, relaxed, works = [], [], [], [], []
        for k, (process, t) in enumerate(self.segments):
            laws.append(p)
            end, flows = spent(process, p, t)
            flow = np.bincount(process.mechanism, flows * process.log_ratio, process.n_mechanisms)
            ep.append(xlogy(p, p).sum() - xlogy(end, end).sum() + flow.sum())
            pi = process._limit(p)
            relaxed.append(rel_entr(p, pi).sum() - rel_entr(end, pi).sum())
            if process.reservoirs is not None:
                heat.append(-np.array([r.T for r in process.reservoirs]) * flow)
            after = self.segments[(k + 1) % len(self.segments)][0]
            if process.energy is not None and after.energy is not None:
                works.append(end @ (after.energy - process.energy))
            p = end
        every = len(self.segments)
        return ProtocolBudget(
            np.array(laws),
            np.array(works) if len(works) == every else None,
            np.array(heat) if len(heat) == every else None,
            np.array(ep),
            np.array(relaxed),
        )

    @own_arithmetic
    def work_average(self, p0: ArrayLike, T: float = 1.0) -> float:
        """Return the mean of exp(-work / T) over one run through all segments, without the change back.

        From equilibrium of the first segment at one temperature it is exp(-difference of free energies / T).
        """
        v, T = self.segments[0][0].law(p0, "p0"), positive("T", T)
        shift = 0.0
        for k, (process, t) in enumerate(self.segments[:-1]):
            after = self.segments[k + 1][0]
            if process.energy is None or after.energy is None:
                raise ValueError("segments must have energies for work, got one without")
            with np.errstate(over="ignore"):
                gain = (process.energy - after.energy) / T
            if not np.isfinite(gain).all():
                raise ValueError(f"T must be so large that energies over T are below 1.8e308, got {T!r}")
            most = float(gain.max())
            shift += most
            v = (transitions(process.generator().toarray(), t) @ v) * np.exp(gain - most)
        with np.errstate(over="ignore"):
            return float(np.exp(shift) * v.sum())
