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
from typing import Any, Literal

import numpy as np

from .._util.values import Frozen, Value
from .cycles.newton import Cycles, find_cycles, windows_of
from .cycles.window_map import WindowMap
from .indicators import RESOLUTION, zero_one
from .recurrence import ARRIVED, Frequency, bands, cycle_length, frequencies, rotation
from .rounds import CHUNK, KEPT, Round, moments_of, run_round
from .series import SIGNIFICANT, closest_returns
from .system import System, Tick

Kind = Literal["undetermined", "cycle", "torus", "chaos", "lost"]
ATTRACTOR_KINDS: tuple[Kind, ...] = ("undetermined", "cycle", "torus", "chaos", "lost")
_SECOND, _FREQUENCIES = 4_096, 25  # samples and frequencies of the 0-1 test
_FINEST = 512  # bands that the 0-1 test is sampled on, at most
_TURNS = 64  # of a cycle that the 0-1 test must see, or its steps pass for a walk
_LEAST = 1e-15  # a distance that rounding alone may keep where summands of order 1 cancel
_MEMORY = 2**23  # doubles of states for all orbits at a time


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rules(Value):
    """Numbers the decisions rest on.

    Parameters
    ----------
    first : int, default=512
        Samples of the first round, one a period of the map. The next one is as long, then they double.
    most : int, default=131072
        Samples of all rounds.
    patience : int, default=8192
        Least samples before an orbit is called chaotic, lest it be on its way to something else.
    chaos : float, default=5.0
        Standard errors by which an exponent must exceed zero.
    halves : float, default=3.0
        How many times the difference of its halves the Birkhoff average of a positive exponent must
        exceed.
    zero : float, default=5.0
        Errors within which an exponent must be zero.
    resolution : float, default=1e-3
        Largest error of a zero exponent, relative to the first one that is not zero.
    falling : float, default=0.1
        How much smaller the error of a zero exponent must become from one round to the next, unless
        it is rounding.
    arrived : float, default=1e-9
        Distance to a cycle, relative to the largest entry of its states, that counts as there.
    bounded : float, default=0.1
        Nats that a zero exponent, and its error, may come to over a round.
    longest : int, default=256
        Longest cycle, in samples, that is sought before the orbit has come back to within `arrived`.
    approach : float, default=0.5
        How far the rate at which an orbit nears a cycle may be off the cycle's leading exponent,
        relative to it.
    """

    first: int = 512
    most: int = 131_072
    patience: int = 8_192
    chaos: float = SIGNIFICANT
    halves: float = 3.0
    zero: float = SIGNIFICANT
    resolution: float = 1e-3
    falling: float = 0.1
    arrived: float = ARRIVED
    bounded: float = 0.1
    longest: int = 256
    approach: float = 0.5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict(Frozen):
    """What one orbit settled on, and why; `dmft.Attractor` says what the attributes are."""

    kind: Kind
    reason: str
    evidence: dict[str, float]
    exponents: np.ndarray
    stderr: np.ndarray
    n_samples: int
    states: np.ndarray
    moments: np.ndarray
    moments_error: np.ndarray
    period: int = 0
    n_positive: int = 0
    n_zero: int = 0
    n_bands: int = 1
    rotations: tuple[Frequency, ...] = ()
    orbit: np.ndarray | None = None


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
    n_exponents = min(system.n_dim, n_exponents or 4)
    at_once = max(1, _MEMORY // (KEPT * system.size))
    verdicts: dict[int, Verdict] = {}
    doubted: set[int] = set()
    waiting: list[tuple[np.ndarray, System, int, int, dict[int, Round]]] = []
    for first in range(0, system.n_points, at_once):
        points = np.arange(first, min(first + at_once, system.n_points))
        waiting.append((points, system.select(points), n_exponents, 0, {}))
    while waiting:
        points, orbits, n_exponents, total, before = waiting.pop()
        if not before:
            orbits.begin_tangents(n_exponents)
            orbits.strobe(rules.first // 4, tangents=True, states=False)
        n_samples = total or rules.first
        now = run_round(orbits, n_samples)
        total += n_samples
        if tick:
            tick(n_samples * system.period * points.size)
        cycles = {} if window_map is None else _cycles(window_map.take(points), now, rules, system.period)
        again, more, settled = [], [], []
        for i, point in enumerate(points.tolist()):
            last = before.get(point)
            verdict = (
                _lost(now[i])
                or cycles.get(i)
                or _chaos(now[i], last, total, rules)
                or _torus(now[i], last, system.n_dim, rules)
                or (total >= rules.most and _undetermined(now[i], rules))
            )
            if verdict:
                verdicts[point] = dataclasses.replace(verdict, n_samples=total)
                settled.append(i)
            elif n_exponents < system.n_dim and _n_leading(now[i], rules) == n_exponents:
                more.append(i)
            else:
                again.append(i)
        moved, doubtful = _test_zero_one(points[settled], orbits.select(settled), verdicts, doubted)
        if doubtful:
            # Chaos that has ended meanwhile was a transient: judge the orbit again from here. Where there is
            # one more round at most, the one before still counts.
            last_one = 2 * total >= rules.most
            for k, one in zip(doubtful, moved, strict=True):
                point = int(points[settled[k]])
                doubted.add(point)
                known = {point: now[settled[k]]} if last_one else {}
                waiting.append((np.array([point]), one, n_exponents, total, known))
        if again:
            known = {int(points[i]): now[i] for i in again}
            waiting.append((points[again], orbits.select(again), n_exponents, total, known))
        if more:
            waiting.append((points[more], orbits.select(more), min(system.n_dim, 2 * n_exponents), total, {}))
    return [verdicts[point] for point in range(system.n_points)]


def _test_zero_one(
    points: np.ndarray, orbits: System, verdicts: Mapping[int, Verdict], doubted: Collection[int]
) -> tuple[list[System], list[int]]:
    """Add the 0-1 test to the evidence: chaos or not, without use of exponents.

    Return the orbits called chaotic that the test calls regular for the first time, as they are
    after it, and their places.
    """
    moved: list[System] = []
    doubtful: list[int] = []
    alike: dict[tuple[int, int], list[int]] = {}
    for i, point in enumerate(points):
        verdict = verdicts[point]
        # One sample of every band in turn would pass for a cycle.
        step = verdict.n_bands if verdict.kind == "chaos" else 1
        length = max(_SECOND, _TURNS * -(-verdict.period // orbits.period))
        if verdict.kind in ("cycle", "torus", "chaos"):
            alike.setdefault((step, length), []).append(i)
    for (step, length), some in sorted(alike.items()):
        component = np.array([verdicts[points[i]].states.std(axis=0).argmax() for i in some])
        longer = orbits.select(some)
        series = _series(longer, length, step, component)
        # What varies by rounding alone, or by no more than the orbit is off its cycle, stands still.
        size = np.array([RESOLUTION * np.abs(verdicts[points[i]].states).max() for i in some])
        size = np.maximum(size, [4.0 * verdicts[points[i]].evidence.get("distance", 0.0) for i in some])
        series[np.ptp(series, axis=1) <= size] = 0.0
        for k, i in enumerate(some):
            test = zero_one(series[k], n_frequencies=_FREQUENCIES)[0]
            if verdicts[points[i]].kind == "chaos" and test < 0.5:
                test = _on_finer_bands(longer.select([k]), step, component[[k]], test)
                if test < 0.5 and points[i] not in doubted:
                    moved.append(longer.select([k]))
                    doubtful.append(i)
            verdicts[points[i]].evidence["zero_one"] = test
    return moved, doubtful


def _on_finer_bands(orbit: System, step: int, component: np.ndarray, test: float) -> float:
    """Return the 0-1 test of chaos on more bands than the last states show, `test` if there are no more."""
    while test < 0.5:
        finer = bands(orbit.strobe(KEPT, interval=step * orbit.period)[0][0])
        step *= finer
        if finer == 1 or step > _FINEST:
            break
        test = zero_one(_series(orbit, _SECOND, step, component)[0], n_frequencies=_FREQUENCIES)[0]
    return test


def _series(orbits: System, length: int, step: int, component: np.ndarray) -> np.ndarray:
    """Run orbits on; return one component of each at every `step`-th sample, (n_points, length)."""
    parts, each = [], np.arange(component.size)
    for first in range(0, length, CHUNK):
        states = orbits.strobe(min(CHUNK, length - first), interval=step * orbits.period)[0]
        parts.append(states[each, :, component])
    return np.concatenate(parts, axis=1)


# ---- the decisions ----


def _lost(now: Round) -> Verdict | None:
    if np.isfinite(now.states).all():
        return None
    return _verdict(now, "lost", "the orbit left the real numbers")


def _cycles(window_map: WindowMap, rounds: Sequence[Round], rules: Rules, period: int) -> dict[int, Verdict]:
    """Return the verdict of every orbit that a cycle is confirmed for, by its place in the batch."""
    guesses: list[tuple[int, int]] = []
    for i, now in enumerate(rounds):
        if not np.isfinite(now.states).all():
            continue
        length = cycle_length(now.states, rules.arrived)
        if length:
            guesses.append((i, length))
        elif now.mean[0] + rules.chaos * now.stderr[0] < 0 or now.birkhoff[0] < -rules.zero * now.halves[0]:
            times = closest_returns(now.states[::-1])[0]
            guesses.extend((i, int(time)) for time in times[times <= rules.longest][-3:])
    if not guesses:
        return {}
    index, n_samples = np.array(guesses).T
    n_context = window_map.n_context
    windows = np.array([rounds[i].states[-1] for i in index]).reshape(-1, n_context, window_map.n_features)
    cycles = find_cycles(window_map.take(index), windows, n_samples * period)
    confirmed: dict[int, Verdict] = {}
    for k in np.flatnonzero(cycles.found).tolist():
        if index[k] not in confirmed:
            verdict = _confirm(rounds[index[k]], cycles, k, _turn(cycles.orbits[k], n_context, period), rules, period)
            if verdict:
                confirmed[int(index[k])] = verdict
    return confirmed


def _turn(orbit: np.ndarray, n_context: int, period: int) -> np.ndarray:
    """Return the states that a system has on a cycle, one every `period` steps, (n_states, size)."""
    n_states = np.lcm(len(orbit), period) // period
    return windows_of(orbit, n_context)[np.arange(n_states) * period % len(orbit)].reshape(n_states, -1)


def _confirm(now: Round, cycles: Cycles, k: int, turn: np.ndarray, rules: Rules, period: int) -> Verdict | None:
    """Return the verdict for a cycle that Newton's method found, None if the orbit does not go there."""
    exponents = cycles.exponents[k]
    if not exponents[0] < 0.0:
        return None
    apart = _apart(now.states, turn)
    quarter = len(apart) // 4
    early, late = apart[:quarter].max(), apart[-quarter:].max()
    evidence = {"residual": float(cycles.residual[k]), "distance": float(late), "multiplier": float(exponents[0])}
    # So near, it may be rounding that keeps the orbit off: it need not come nearer.
    if late <= max(rules.arrived * np.abs(now.states).max(), _LEAST):
        reason = "on a cycle that Newton's method confirms"
    else:
        evidence["approach"] = float(np.log(late / early) / ((len(apart) - quarter) * period))
        if not abs(evidence["approach"] - exponents[0]) <= rules.approach * abs(exponents[0]):
            return None
        reason = "nears a stable cycle at the rate of its leading multiplier"
    evidence["tangents"] = float(now.mean[0])
    evidence["tangents_stderr"] = float(now.stderr[0])
    moments = moments_of(turn.reshape(len(turn), now.period, -1)).mean(axis=0)
    error = max(cycles.residual[k], _LEAST) / -np.expm1(exponents[0] * cycles.period[k])
    error = max(error, cycles.error[k] * max(1.0, 2.0 * np.abs(turn).max()))
    return _verdict(
        now,
        "cycle",
        reason,
        evidence,
        exponents=exponents,
        stderr=np.where(np.isnan(exponents), np.nan, 0.0),
        period=int(cycles.period[k]),
        orbit=cycles.orbits[k],
        moments=moments,
        moments_error=np.full(moments.size, error),
    )


def _apart(states: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Distance of every state to the state of the cycle it belongs to, from where the last one is nearest."""
    nearest = int(np.abs(turn - states[-1]).max(axis=1).argmin())
    place = (nearest - np.arange(len(states))[::-1]) % len(turn)
    return np.abs(states - turn[place]).max(axis=1)


def _chaos(now: Round, before: Round | None, total: int, rules: Rules) -> Verdict | None:
    if before is None or total < rules.patience:
        return None
    if not (_positive(now, rules)[0] and _positive(before, rules)[0]):
        return None
    # On its way to a torus an exponent is positive too, but its averages do not agree.
    drift = abs(now.mean[0] - before.mean[0]) / np.hypot(now.stderr[0], before.stderr[0])
    if drift > rules.chaos or not now.birkhoff[0] > rules.halves * now.halves[0]:
        return None
    n_positive = int(np.count_nonzero(_positive(now, rules)))
    return _verdict(
        now,
        "chaos",
        "the leading exponent is positive" if n_positive == 1 else f"{n_positive} exponents are positive",
        {"significance": float(now.mean[0] / now.stderr[0]), "drift": float(drift)},
        n_positive=n_positive,
        n_zero=int(np.count_nonzero(np.abs(now.mean) <= rules.chaos * now.stderr)),
        n_bands=bands(now.states),
    )


def _torus(now: Round, before: Round | None, system_dim: int, rules: Rules) -> Verdict | None:
    n_zero = _n_zero(now, rules)
    if before is None or n_zero == 0 or _n_zero(before, rules) != n_zero:
        return None
    zero, error = np.abs(now.birkhoff[:n_zero]).max(), now.halves[:n_zero].max()
    # In weak chaos the halves of a round may agree by chance; what they leave open is then no small growth.
    if max(zero, error) * now.n_samples * now.period > rules.bounded:
        return None
    evidence = {"zero": float(zero), "zero_error": float(error)}
    if n_zero < now.birkhoff.size:
        evidence["next"] = float(now.birkhoff[n_zero])
        if not (evidence["next"] < 0.0 and error <= rules.resolution * -evidence["next"]):
            return None
    elif n_zero < system_dim:
        return None
    # Averages of regular motion converge faster than any power, those of a transient or of weak chaos
    # do not; nor do those of a torus next to a resonance, but its rotation number is known all the same.
    rounding = 1e3 * np.finfo(float).eps * max(1.0, np.abs(now.birkhoff[np.isfinite(now.birkhoff)]).max())
    turns = rotation(now.states)
    if error > max(rules.falling * before.halves[:n_zero].max(), rounding) and (n_zero > 1 or not turns.unlocked()):
        return None
    n_bands, locked = 1, turns.locked()
    if locked and locked[1] > 1 and bands(now.states) % locked[1] == 0:  # circles round a cycle
        n_bands = locked[1]
        evidence["turn_of_bands"] = locked[0] / locked[1]
    return _verdict(
        now,
        "torus",
        "the leading exponents are zero within their errors, and no cycle is near",
        evidence,
        exponents=now.birkhoff,
        stderr=now.error,
        n_zero=n_zero,
        n_bands=n_bands,
        rotations=frequencies(now.states[-1::-n_bands][::-1], n_zero),
        moments=now.moment_birkhoff,
        moments_error=now.moment_halves,
    )


def _undetermined(now: Round, rules: Rules) -> Verdict:
    stderr, error = now.stderr[0], now.halves[0]
    if _positive(now, rules)[0]:
        reason = "the leading exponent is positive but still drifts"
    elif now.birkhoff[0] < -rules.zero * error:
        reason = "all exponents are negative, but no cycle is confirmed"
    else:
        reason = "the leading exponent cannot be told from zero, nor shown to be zero"
    return _verdict(now, "undetermined", reason, {"zero_error": float(error), "stderr": float(stderr)})


def _positive(now: Round, rules: Rules) -> np.ndarray:
    """Return which exponents are positive by batch means."""
    return now.mean > rules.chaos * now.stderr


def _n_zero(now: Round, rules: Rules) -> int:
    """Count the leading exponents that are zero within their errors."""
    zero = np.abs(now.birkhoff) <= rules.zero * now.halves
    return int(np.argmin(np.append(zero, False)))


def _n_leading(now: Round, rules: Rules) -> int:
    """Count the leading exponents that are not shown to be negative."""
    negative = (now.birkhoff < -rules.zero * now.halves) & (now.mean < -rules.chaos * now.stderr)
    return int(np.argmax(np.append(negative, True)))


def _verdict(now: Round, kind: Kind, reason: str, evidence: dict[str, float] | None = None, **more: Any) -> Verdict:
    base = {
        "exponents": now.mean,
        "stderr": now.stderr,
        "moments": now.moments,
        "moments_error": now.moment_stderr,
        "n_samples": now.n_samples,
        "states": now.states,
    }
    return Verdict(kind=kind, reason=reason, evidence=evidence or {}, **{**base, **more})
