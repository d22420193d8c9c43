r"""Label what each orbit of a system settles on: cycle, torus, chaos, with the evidence.

An orbit is run in rounds, each as long as all before it, and judged by the last round alone, so that
transients do not count. After each round, in this order:

1. *lost*: it has left the real numbers.
2. *cycle*: Newton's method finds a stable cycle that the orbit has reached, or approaches as the
   multipliers of that cycle say.
3. *chaos*: the leading exponent is positive by several standard errors (batch means), in this round
   and the one before, and the two agree.
4. *torus*: the leading exponents are zero within their errors (weighted Birkhoff averages), in this
   round and the one before, and the errors are small beside the first exponent that is not zero,
   and beside what one could see over the round: on a torus no tangent grows beyond bounds.
5. Otherwise the next round decides; after the last one: *undetermined*.

Thresholds are multiples of measured errors, not fixed small numbers. Chaos is tested
before tori, because weak chaos on many bands has Birkhoff averages as good as those of a torus.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from .._util.progress import working
from . import decisions
from .cycles.window_map import WindowMap
from .decisions import ATTRACTOR_KINDS, Kind, Rules, Verdict
from .indicators import RESOLUTION, zero_one_each
from .recurrence import bands
from .rounds import KEPT, Round, chunk_of, run_round
from .system import System, Tick

__all__ = ["ATTRACTOR_KINDS", "Kind", "Rules", "Verdict", "classify"]

_SECOND, _FREQUENCIES = 4_096, 25  # samples and frequencies of the 0-1 test
_CLEAR, _SOON = 0.1, 1_024  # of a test so near what the orbit is called so many samples will do
_FINEST = 512  # bands that the 0-1 test is sampled on, at most
_TURNS = 64  # of a cycle that the 0-1 test must see, or its steps pass for a walk
_MEMORY = 2**23  # doubles of states for all orbits at a time


@np.errstate(all="ignore")  # whatever the caller has set: infinities and lost digits are data here
def classify(
    system: System,
    *,
    window_map: WindowMap | None = None,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    tick: Tick | None = None,
) -> list[Verdict]:
    """Judge every orbit of a batch.

    Parameters
    ----------
    system : System
        Its transient is over and its phase 0. It is not changed.
    window_map : WindowMap, optional
        The same map at the same points, to search cycles of; the samples of `system` are its windows. Default:
        that of the system; if it has none, nothing is called a cycle.
    n_exponents : int, optional
        How many exponents to measure. Default: 4, more where those are not enough to tell.
    rules : Rules, optional
    tick : callable, optional
        Called with numbers of steps done.

    Returns
    -------
    list of Verdict

    Examples
    --------
    >>> from dmft.systems import Map
    >>> logistic = Map(lambda x, r: r * x * (1 - x), [[0.3], [0.3]], lambda x, r: (r - 2 * r * x)[..., None],
    ...                parameters=[[[3.2], [4.0]]])
    >>> [verdict.kind for verdict in classify(logistic)]
    ['cycle', 'chaos']
    """
    rules = rules or Rules()
    if window_map is None:
        window_map = system.window_map()
    n_least = min(system.n_dim, n_exponents or 4)
    at_once = max(1, _MEMORY // (KEPT * system.size))
    verdicts: dict[int, Verdict] = {}
    doubted: set[int] = set()
    with working(rules.most * float(system.n_points), "samples at most") as seen:
        parts = [np.arange(i, min(i + at_once, system.n_points)) for i in range(0, system.n_points, at_once)]
        waiting = [_Group(some, system.select(some), n_least) for some in parts]
        _judge(waiting, at_once, n_least, window_map, rules, tick, seen, verdicts, doubted)
    return [verdicts[point] for point in range(system.n_points)]


@dataclasses.dataclass(slots=True, eq=False)
class _Group:
    """Orbits that wait for their next round.

    Attributes
    ----------
    points : ndarray of int, shape (n,)
        Which ones.
    orbits : System
    n_exponents, total : int
        Exponents to measure, and samples of all rounds so far.
    before : dict of int to Round
        The last round of those for which it counts.
    begun : bool
        Whether they have tangents that are over their transient.
    """

    points: np.ndarray
    orbits: System
    n_exponents: int
    total: int = 0
    before: dict[int, Round] = dataclasses.field(default_factory=dict)
    begun: bool = False

    def begin_tangents(self, rules: Rules) -> None:
        """Take tangents through their transient, once."""
        if self.begun:
            return
        self.begun = True
        self.orbits.begin_tangents(self.n_exponents)
        self.orbits.turn_tangents()
        self.orbits.strobe(max(1, rules.first // 4), tangents=True, states=False)


def _next(waiting: list[_Group], at_once: int, rules: Rules) -> _Group:
    """Take the orbits out that have waited longest, and others that can go with them: few cost as much as many."""
    waiting.sort(key=lambda group: group.total)
    now = waiting.pop(0)
    now.begin_tangents(rules)
    for group in [group for group in waiting if (group.total, group.n_exponents) == (now.total, now.n_exponents)]:
        if now.points.size + group.points.size > at_once:
            continue
        group.begin_tangents(rules)
        both = now.orbits.join(group.orbits)
        if both is not None:
            waiting.remove(group)
            points, before = np.concatenate([now.points, group.points]), now.before | group.before
            now = _Group(points, both, now.n_exponents, now.total, before, begun=True)
    return now


def _judge(
    waiting: list[_Group],
    at_once: int,
    n_least: int,
    window_map: WindowMap | None,
    rules: Rules,
    tick: Tick | None,
    seen: Tick,
    verdicts: dict[int, Verdict],
    doubted: set[int],
) -> None:
    """Run orbits until there is a verdict for each."""
    while waiting:
        group = _next(waiting, at_once, rules)
        points, orbits, n_exponents, total = group.points, group.orbits, group.n_exponents, group.total
        n_samples = total or rules.first
        now = run_round(orbits, n_samples)
        total += n_samples
        seen(n_samples * points.size)
        if tick:
            tick(n_samples * orbits.period * points.size)
        cycles = {} if window_map is None else decisions.on_cycles(window_map.take(points), now, rules, orbits.period)
        again: dict[int, list[int]] = {}
        more, settled = [], []
        for i, point in enumerate(points.tolist()):
            last = group.before.get(point)
            verdict = (
                decisions.lost(now[i])
                or cycles.get(i)
                or decisions.chaos(now[i], last, total, rules)
                or decisions.torus(now[i], last, orbits.n_dim, rules)
                or (total >= rules.most and decisions.undetermined(now[i], rules))
            )
            if verdict:
                verdicts[point] = dataclasses.replace(verdict, n_samples=total)
                settled.append(i)
                continue
            n_leading = decisions.n_leading(now[i], rules)
            if n_exponents < orbits.n_dim and n_leading == n_exponents:
                more.append(i)
            else:  # as few as will do: noise of a short round may have asked for more
                again.setdefault(n_least if n_leading < n_least else n_exponents, []).append(i)
        for doubtful, moved in _test_zero_one(points[settled], orbits.select(settled), verdicts, doubted):
            # Chaos that has ended meanwhile was a transient: judge the orbits again from here. Where there is
            # one more round at most, the one before still counts.
            some = points[settled][doubtful]
            doubted.update(some.tolist())
            last_one = 2 * total >= rules.most
            known = {int(points[settled[k]]): now[settled[k]] for k in doubtful} if last_one else {}
            waiting.append(_Group(some, moved, n_exponents, total, known))  # the test has ended their tangents
        for n_next, same in again.items():
            known = {int(points[i]): now[i] for i in same}
            kept = orbits.select(same)
            n_kept = n_next if n_next < n_exponents and kept.keep_tangents(n_next) else n_exponents
            waiting.append(_Group(points[same], kept, n_kept, total, known, begun=True))
        if more:
            known = {int(points[i]): now[i] for i in more}
            waiting.append(_Group(points[more], orbits.select(more), min(orbits.n_dim, 2 * n_exponents), total, known))


def _test_zero_one(
    points: np.ndarray, orbits: System, verdicts: Mapping[int, Verdict], doubted: Collection[int]
) -> list[tuple[list[int], System]]:
    """Add the 0-1 test to the evidence: chaos or not, without use of exponents.

    Return the places of orbits called chaotic that the test calls regular for the first time, and the orbits as
    they are after it: some at a time, as a few cost as much as one.
    """
    moved: list[tuple[list[int], System]] = []
    alike: dict[tuple[bool, int, int, int], list[int]] = {}
    for i, point in enumerate(points):
        verdict = verdicts[point]
        chaotic = verdict.kind == "chaos"
        # One sample of every band in turn would pass for a cycle.
        step = verdict.n_bands if chaotic else 1
        turns = _TURNS * -(-verdict.period // orbits.period)
        # Chaos shall have as much time to end as on one band.
        soon = max(_SOON, turns, -(-_SECOND // step) if chaotic else 0)
        if verdict.kind in ("cycle", "torus", "chaos"):
            alike.setdefault((chaotic, step, soon, max(_SECOND, turns)), []).append(i)
    for (chaotic, step, soon, length), some in sorted(alike.items()):
        component = np.array([_widest(verdicts[points[i]].states) for i in some])
        longer, series, states = orbits.select(some), np.empty((len(some), 0)), list[np.ndarray]()
        # Chaos may have come to its end: the last samples tell.
        for until, n_last in sorted({(soon, _SOON if chaotic else soon), (length, length)}):
            if until > series.shape[1]:
                more, states = _series(longer, until - series.shape[1], step, component)
                series = np.concatenate([series, more], axis=1)
            looked_at = series[:, -n_last:]
            still = _still(looked_at, [verdicts[points[i]] for i in some])
            left = []
            for k, test in enumerate(_median_test(np.where(still[:, None], 0.0, looked_at))):
                if chaotic and test < 0.5:
                    last = np.concatenate([part[k] for part in states])[-KEPT:]
                    test = _on_finer_bands(longer.select([k]), step, component[[k]], series[[k]], last, test)
                verdicts[points[some[k]]].evidence["zero_one"] = test
                if abs(test - chaotic) > _CLEAR:
                    left.append(k)
            some, component, series = [some[k] for k in left], component[left], series[left]
            longer, states = longer.select(left), [part[left] for part in states]
            if not left:
                break
        tests = [verdicts[points[i]].evidence["zero_one"] for i in some]
        doubtful = [k for k, i in enumerate(some) if chaotic and tests[k] < 0.5 and points[i] not in doubted]
        if doubtful:
            moved.append(([some[k] for k in doubtful], longer.select(doubtful)))
    return moved


def _widest(states: np.ndarray) -> int:
    """Return the component of states (n_samples, size) that moves most."""
    away = states - states[-1]
    mean = np.einsum("ij->j", away) / len(away)
    return int((np.einsum("ij,ij->j", away, away) / len(away) - mean**2).argmax())


def _still(series: np.ndarray, each: Sequence[Verdict]) -> np.ndarray:
    """Return which orbits stand still: they vary by rounding alone, or by no more than they are off their cycle."""
    size = np.array([RESOLUTION * np.abs(verdict.states).max() for verdict in each])
    size = np.maximum(size, [4.0 * verdict.evidence.get("distance", 0.0) for verdict in each])
    return np.ptp(series, axis=1) <= size


def _on_finer_bands(
    orbit: System, step: int, component: np.ndarray, series: np.ndarray, states: np.ndarray, test: float
) -> float:
    """Return the 0-1 test of chaos on more bands than the last states show, `test` if there are no more.

    The series so far, (1, n_samples), is a part of the one on its bands; `states` are the last ones of it.
    """
    while test < 0.5:
        finer = bands(states)
        step *= finer
        if finer == 1 or step > _FINEST:
            break
        begun = series[:, (series.shape[1] - 1) % finer :: finer]
        more, last = _series(orbit, series.shape[1] - begun.shape[1], step, component)
        states = np.concatenate(last, axis=1)[0, -KEPT:]
        series = np.concatenate([begun, more], axis=1)
        test = _median_test(series)[0]
    return test


def _median_test(series: np.ndarray) -> list[float]:
    """Return the 0-1 test of each series (n_points, n_samples)."""
    # They are odd in number. The median of NumPy loads more than it takes.
    return np.sort(zero_one_each(series, _FREQUENCIES), axis=1)[:, _FREQUENCIES // 2].tolist()


def _series(orbits: System, length: int, step: int, component: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Run orbits on; return one component of each at every `step`-th sample, (n_points, length), and the last states.

    These come in pieces (n_points, n_samples, size), `KEPT` of them or a few more.
    """
    parts, each, kept = [], np.arange(component.size), list[np.ndarray]()
    chunk = chunk_of(component.size)
    for first in range(0, length, chunk):
        states = orbits.strobe(min(chunk, length - first), interval=step * orbits.period)[0]
        parts.append(states[each, :, component])
        kept = [*kept, states][-(KEPT // chunk + 1) :]  # the last piece may be short
    return np.concatenate(parts, axis=1), kept
