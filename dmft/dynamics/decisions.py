"""What an orbit may be called after a round, and by which rules; `classify` says in which order they are asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .._util.values import Frozen, Value
from .cycles.newton import Cycles, find_cycles
from .cycles.window_map import WindowMap, windows_of
from .recurrence import ARRIVED, Frequency, bands, cycle_length, frequencies, rotation
from .rounds import Round, moments_of
from .series import SIGNIFICANT, closest_returns

Kind = Literal["undetermined", "cycle", "torus", "chaos", "lost"]
ATTRACTOR_KINDS: tuple[Kind, ...] = ("undetermined", "cycle", "torus", "chaos", "lost")
_PATIENCE = 5  # steps of Newton's method for a guess that hardly gets better: an orbit that nears a cycle is near it
_LEAST = 1e-15  # a distance that rounding alone may keep where summands of order 1 cancel


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


def lost(now: Round) -> Verdict | None:
    """Return the verdict for an orbit that has left the real numbers, None for another."""
    if now.finite:
        return None
    return _verdict(now, "lost", "the orbit left the real numbers")


def on_cycles(window_map: WindowMap, rounds: Sequence[Round], rules: Rules, period: int) -> dict[int, Verdict]:
    """Return the verdict of every orbit that a cycle is confirmed for, by its place in the batch."""
    asked: list[tuple[int, int]] = []  # orbits and samples
    places: list[tuple[int, int]] = []  # orbits and which of those answers for them
    alike: dict[tuple[int, int], list[int]] = {}
    kinds = window_map.kinds
    for i, now in enumerate(rounds):
        if not now.finite:
            continue
        length = cycle_length(now.states, rules.arrived)
        if length:  # of starts that lead to one cycle one will do
            others = alike.setdefault((int(kinds[i]), length), [])
            near = rules.arrived * np.abs(now.states[-1]).max()
            same = (k for k in others if _nearest(rounds[asked[k][0]].states[-length:], now.states[-1]) <= near)
            k = next(same, len(asked))
            if k == len(asked):
                asked.append((i, length))
                others.append(k)
            places.append((i, k))
        elif now.mean[0] + rules.chaos * now.stderr[0] < 0 or now.birkhoff[0] < -rules.zero * now.halves[0]:
            times = closest_returns(now.states[::-1])[0]
            for time in times[times <= rules.longest][-3:].tolist():
                places.append((i, len(asked)))
                asked.append((i, time))
    if not asked:
        return {}
    index, n_samples = np.array(asked).T
    n_context = window_map.n_context
    windows = np.array([rounds[i].states[-1] for i in index]).reshape(-1, n_context, window_map.n_features)
    cycles = find_cycles(window_map.take(index), windows, n_samples * period, patience=_PATIENCE)
    confirmed: dict[int, Verdict] = {}
    for i, k in places:
        if i not in confirmed and cycles.found[k]:
            verdict = _confirm(rounds[i], cycles, k, _turn(cycles.orbits[k], n_context, period), rules, period)
            if verdict:
                confirmed[i] = verdict
    return confirmed


def _nearest(states: np.ndarray, one: np.ndarray) -> float:
    """Return how near some states come to one."""
    return float(np.abs(states - one).max(axis=1).min())


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
    moments = moments_of(turn[None], now.n_rows)[0].mean(axis=0)
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


def chaos(now: Round, before: Round | None, total: int, rules: Rules) -> Verdict | None:
    """Return the verdict for an orbit whose leading exponent is positive in two rounds, None for another."""
    if before is None or total < rules.patience or now.unknown[0]:
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


def torus(now: Round, before: Round | None, system_dim: int, rules: Rules) -> Verdict | None:
    """Return the verdict for an orbit whose leading exponents are zero in two rounds, None for another."""
    n_zero = _n_zero(now, rules)
    if before is None or n_zero == 0 or now.unknown[0] or _n_zero(before, rules) != n_zero:
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
        **_told(now, now.birkhoff, now.error),
        n_zero=n_zero,
        n_bands=n_bands,
        rotations=frequencies(now.states[-1::-n_bands][::-1], n_zero, first=turns if n_bands == 1 else None),
        moments=now.moment_birkhoff,
        moments_error=now.moment_halves,
    )


def undetermined(now: Round, rules: Rules) -> Verdict:
    """Return the verdict for an orbit that no round has decided on."""
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
    zero = (np.abs(now.birkhoff) <= rules.zero * now.halves).tolist()
    return zero.index(False) if False in zero else len(zero)


def n_leading(now: Round, rules: Rules) -> int:
    """Count the leading exponents that are not shown to be negative."""
    negative = ((now.birkhoff < -rules.zero * now.halves) & (now.mean < -rules.chaos * now.stderr)).tolist()
    return negative.index(True) if True in negative else len(negative)


def _verdict(now: Round, kind: Kind, reason: str, evidence: dict[str, float] | None = None, **more: Any) -> Verdict:
    """Return a verdict from the numbers of a round, but for those given."""
    base = {
        **_told(now, now.mean, now.stderr),
        "moments": now.moments,
        "moments_error": now.moment_stderr,
        "n_samples": now.n_samples,
        "states": now.states,
    }
    return Verdict(kind=kind, reason=reason, evidence=evidence or {}, **{**base, **more})


def _told(now: Round, exponents: np.ndarray, stderr: np.ndarray) -> dict[str, Any]:
    """Return exponents and their errors with what rounding does to them."""
    exponents, stderr = (np.where(now.unknown, np.nan, x) for x in (exponents, stderr + now.blur))
    return {"exponents": exponents, "stderr": stderr}
