"""Where branches that were followed from different anchors disagree: which attractors coexist."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, shown, whole
from .._util.values import Frozen, Value
from ..dynamics.recurrence import cycle_length
from ..dynamics.series import SIGNIFICANT
from ..sweeps.results import SweepResult
from .records import FEATURE_RECORDS

__all__ = ["Hysteresis", "Interval", "hysteresis"]

# How many resolutions apart two branches differ. Measured on the paper's network, 201 values of beta in
# [1.24, 1.28] with 2000 rows over 75 000 steps: of the 184 pairs that do not creep those on one attractor
# come to 1.5 resolutions at most, those on two to 74 at least. This is the geometric mean.
FACTOR = 10.0
# Rows creep if their first half is farther from the second than this many resolutions: before the
# transient has ended, and on tori near resonance, which take long to show themselves.
CREEP = 3.0
# Orbits nearer than half the digits are one orbit.
CLOSE = math.sqrt(np.finfo(float).eps)
_PHASE = 1e6  # how far apart points of different phase are put: farther than any attention


@dataclasses.dataclass(frozen=True, eq=False)
class Interval(Value):
    """Neighbouring parameter values at which two branches are on different attractors.

    Attributes
    ----------
    low, high : float
        The first and the last such value.
    below, above : float
        The nearest values at which the branches agree; NaN at the end of the axis.
    n_points : int
    distance : float
        The largest mean distance of a row of one branch to the nearest row of the other.
    first, second : tuple of str
        What each branch is on, in the order in which it occurs.
    """

    low: float
    high: float
    below: float
    above: float
    n_points: int
    distance: float
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Hysteresis(Frozen):
    """A comparison of two branches; ``print`` says it in words.

    Attributes
    ----------
    along : str
        The axis that was followed.
    values : ndarray, shape (n_points,)
        Ascending.
    branches : (str, str)
    row : dict of str to float
        Values of the other axes.
    differ : ndarray of bool, shape (n_points,)
        Where the branches are on different attractors.
    unsettled : ndarray of bool, shape (n_points,)
        Where they look different but creep, so that a longer run may find them the same.
    distance : ndarray, shape (n_points,)
        Mean distance of a row of one branch to the nearest row of the other, the larger way; NaN
        where a point failed.
    intervals : tuple of Interval
    """

    along: str
    values: np.ndarray
    branches: tuple[str, str]
    row: Mapping[str, float]
    differ: np.ndarray
    unsettled: np.ndarray
    distance: np.ndarray
    intervals: tuple[Interval, ...]

    def __str__(self) -> str:
        first, second = self.branches
        where = "".join(f" at {name} = {value:g}" for name, value in self.row.items())
        ends = f"{self.along} = {self.values[0]:.8g} to {self.values[-1]:.8g}"
        slow = self.values[self.unsettled]
        creep = []
        if slow.size:
            span = f"{slow[0]:.8g}" if slow.size == 1 else f"{slow.size} values from {slow[0]:.8g} to {slow[-1]:.8g}"
            creep = [f"  undecided at {span}: the orbits still creep; run longer, or record fewer of the steps"]
        if not self.intervals:
            same = f"no hysteresis{where}: '{first}' and '{second}' are on the same attractor from {ends}"
            return "\n".join([same, *creep])
        n = int(np.count_nonzero(self.differ))
        lines = [f"hysteresis{where}: '{first}' and '{second}' differ at {n} of {self.values.size} values, {ends}"]
        for part in self.intervals:
            span = f"{part.low:.8g}" if part.n_points == 1 else f"{part.low:.8g} to {part.high:.8g}"
            count = "1 value" if part.n_points == 1 else f"{part.n_points} values"
            ends_of_it = [f"{value:.8g}" for value in (part.below, part.above) if math.isfinite(value)]
            agree = f"; they agree at {' and '.join(ends_of_it)}" if ends_of_it else ""
            lines.append(f"  {self.along} = {span} ({count}{agree}), {part.distance:.2g} apart")
            lines += [
                f"    {name}: {', then '.join(kinds)}"
                for name, kinds in zip(self.branches, (part.first, part.second), strict=True)
            ]
        return "\n".join(lines + creep)


@own_arithmetic
def hysteresis(result: SweepResult, first: int = 0, second: int = 1, **row: int) -> Hysteresis:
    """Compare two branches of a result of `follow`, attractor with attractor.

    Attractors are compared as sets: the recorded rows of one branch, with their phase where it
    is known, must lie near those of the other. Near is measured by the rows themselves, by what
    separates one random half of a branch from the other half. End states are never compared, nor
    chaotic orbits by value. Where the first half of the rows is not like the second, the orbit
    creeps and nothing is decided. Rows that span the run show more than the last ones do: record one
    of every few steps, with a prime `every`, as a cycle whose period shares a factor with it
    shows only some of its points.

    Parameters
    ----------
    result : SweepResult
        Of `follow`, with a recorded orbit.
    first, second : int, default=0 and 1
        Which branches.
    **row : int
        For each further axis, the index on it. Default: 0.

    Returns
    -------
    Hysteresis

    Raises
    ------
    ValueError
        If the result has no branches, or no orbit.

    Examples
    --------
    >>> import numpy as np
    >>> from dmft import Features, SelfAttention, follow
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = follow(model, beta=[0.5, 0.6, 0.7], n_steps=100, n_transient=2_000, progress=False)
    >>> print(hysteresis(result))
    no hysteresis: 'up' and 'down' are on the same attractor from beta = 0.5 to 0.7
    """
    instance("result", result, SweepResult, "a dmft.SweepResult of `follow`")
    if "branch" not in result.dims:
        raise ValueError("hysteresis needs a result of follow, with branches")
    orbits = [name for name in (*FEATURE_RECORDS, "states") if name in result]
    if not orbits:
        raise ValueError("hysteresis needs a recorded orbit: measure must name 'orbit'")
    spec = result.specification
    along = spec["follow"]["along"]
    n_branches = result.shape[result.dims.index("branch")]
    for name, value in (("first", first), ("second", second)):
        if whole(name, value) >= n_branches:
            raise ValueError(f"{name} must be a branch, 0 .. {n_branches - 1}, got {shown(value)}")
    places = {dim: row.pop(dim, 0) for dim in result.dims if dim not in ("branch", along)}
    if row:
        raise ValueError(f"a row must be given along {tuple(places)}, got {', '.join(row)}")

    def pick(name: str) -> np.ndarray:
        """Return one array of both branches along the axis, ascending."""
        array = result[name]
        for axis, dim in reversed(list(enumerate(result.dims))):
            if dim in places:
                array = np.take(array, places[dim], axis=axis)
        array = array if list(result.dims).index("branch") < list(result.dims).index(along) else array.swapaxes(0, 1)
        return array[[first, second]][:, order]

    order = np.argsort(result.axes[along], kind="stable")
    values = result.axes[along][order]
    orbit, status, n_rows = pick(orbits[0]), pick("status"), pick("n_recorded")
    phases = _phases(pick("phase"), orbit.shape[2], spec["run"], _period(spec["model"]))
    tell = {name: pick(name) for name in ("kind", "period", "exponents", "stderr") if name in result}
    kinds = result.coded("kind")[1] if "kind" in result else None
    n = values.size
    differ, unsettled, distance = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), np.full(n, np.nan)
    for i in range(n):
        if status[:, i].any():
            continue
        both = [_placed(orbit[k, i, : n_rows[k, i]], phases[k, i, : n_rows[k, i]]) for k in (0, 1)]
        verdict, distance[i] = compare(*both)
        differ[i], unsettled[i] = verdict == "different", verdict == "unsettled"

    def regimes(branch: int, group: Sequence[int]) -> tuple[str, ...]:
        """Say what a branch is on over neighbouring values, and its leading exponents there."""
        found: dict[str, list[float]] = {}
        for i in group:
            known = {name: array[branch, i] for name, array in tell.items()}
            name = describe(orbit[branch, i, : n_rows[branch, i]], known, kinds, spec["run"])
            found.setdefault(name, []).append(float(known["exponents"][0]) if "exponents" in known else math.nan)
        return tuple(name + _leading(exponents) for name, exponents in found.items())

    intervals = []
    # A gap of undecided values does not end an interval, agreement does.
    for same, neighbours in itertools.groupby(range(n), key=lambda i: not (differ[i] or unsettled[i])):
        group = [i for i in neighbours if differ[i]]
        if same or not group:
            continue
        low, high = group[0], group[-1]
        agree = np.flatnonzero(~differ & ~unsettled)
        below, above = agree[agree < low], agree[agree > high]
        first_kinds, second_kinds = (_shortened(regimes(branch, group)) for branch in (0, 1))
        intervals.append(
            Interval(
                low=float(values[low]),
                high=float(values[high]),
                below=float(values[below[-1]]) if below.size else math.nan,
                above=float(values[above[0]]) if above.size else math.nan,
                n_points=len(group),
                distance=float(distance[group].max()),
                first=first_kinds,
                second=second_kinds,
            )
        )
    names = result.labels["branch"]
    where = {dim: float(result.axes[dim][place]) for dim, place in places.items()}
    pair = (str(names[first]), str(names[second]))
    return Hysteresis(along, values, pair, where, differ, unsettled, distance, tuple(intervals))


def rows(result: SweepResult, first: int = 0, second: int = 1) -> list[Hysteresis]:
    """Return a comparison for every combination of the axes that were not followed, a list."""
    along = result.specification["follow"]["along"]
    others = [dim for dim in result.dims if dim not in ("branch", along)]
    shape = [len(result.axes[dim]) for dim in others]
    return [hysteresis(result, first, second, **dict(zip(others, place, strict=True))) for place in np.ndindex(*shape)]


def compare(x: ArrayLike, y: ArrayLike) -> tuple[str, float]:
    """Say whether two sets of rows, in the order of time, come from different attractors.

    Parameters
    ----------
    x, y : ndarray, shapes (n_x, n) and (n_y, n)

    Returns
    -------
    verdict : {"same", "different", "unsettled"}
    distance : float
        Mean distance of a row of one to the nearest row of the other, the larger way.

    Examples
    --------
    >>> angle = np.sqrt(2) * np.arange(2_000)
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> compare(circle[:1_000], circle[1_000:])[0], compare(circle, 1.1 * circle)[0]
    ('same', 'different')
    >>> slow = np.stack([np.cos(angle / 2_000), np.sin(angle / 2_000)], axis=1)
    >>> compare(slow[:1_000], slow[1_000:])[0]
    'unsettled'
    """
    sets = [np.asarray(x, dtype=float), np.asarray(y, dtype=float)]
    # The phase is no size, it only keeps rows apart.
    close = CLOSE * max(np.abs(rows).max(initial=0.0, where=np.abs(rows) < _PHASE / 2) for rows in sets)
    resolution, creeps = [], False
    for rows in sets:
        n = len(rows)
        if n < 4:
            resolution.append(0.0)
            continue
        # Of every two rows one, at random: a regular choice may miss every second point of a cycle.
        chosen = np.random.default_rng(0).permutation(n) < n // 2
        resolution.append(_apart(rows[chosen], rows[~chosen]))
        creeps |= _apart(rows[: n // 2], rows[n // 2 :]) > CREEP * resolution[-1] + close
    ways = _nearest(sets[0], sets[1]), _nearest(sets[1], sets[0])
    far = any(way > FACTOR * resolution[to] + close for way, to in zip(ways, (1, 0), strict=True))
    return "same" if not far else "unsettled" if creeps else "different", max(ways)


def describe(rows: np.ndarray, known: Mapping[str, Any], kinds: Sequence[str] | None, run: Mapping[str, Any]) -> str:
    """Return in words what a branch is on: by its label if it has one, else by its rows and exponents."""
    if "kind" in known and kinds is not None:
        name = known["kind"] if isinstance(known["kind"], str) else kinds[int(known["kind"])]
        return f"{name} of period {int(known['period'])}" if name == "cycle" and "period" in known else name
    period = cycle_length(rows, CLOSE, throughout=True)
    if period:
        exact = run["section"] is None and math.gcd(period, run["every"]) == 1
        return f"cycle of period {period}" if exact else "cycle"
    if "stderr" in known and known["exponents"][0] > SIGNIFICANT * known["stderr"][0]:
        return "chaos"
    return f"no cycle in {len(rows)} rows"


def _leading(exponents: Sequence[float]) -> str:
    """Return the range of leading exponents, as words to add."""
    known = [value for value in exponents if not math.isnan(value)]
    if not known:
        return ""
    ends = f"{min(known):.2g}", f"{max(known):.2g}"
    return f" (lambda_1 = {ends[0]})" if ends[0] == ends[1] else f" (lambda_1 = {ends[0]} to {ends[1]})"


def _shortened(names: tuple[str, ...], most: int = 4) -> tuple[str, ...]:
    return names if len(names) <= most else (*names[: most - 1], f"{len(names) - most + 1} more")


def _phases(last: np.ndarray, n_rows: int, run: Mapping[str, Any], n_context: int) -> np.ndarray:
    """Return the phase of every recorded row, zeros where rows are not evenly spaced."""
    if run["section"] is not None:
        return np.zeros((*last.shape, n_rows), dtype=int)
    back = (n_rows - 1 - np.arange(n_rows)) * run["every"]
    return (last[..., None] - 1 - back) % n_context


def _period(model: Mapping[str, Any]) -> int:
    """Return the steps after which the map of a specification is the same again."""
    if "n_context" not in model:
        return int(model["period"])
    return math.lcm(model["n_context"], len(model["drive"]["tokens"]) if "drive" in model else 1)


def _placed(rows: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Return rows with their phase as one more coordinate, so that only equal phases are near."""
    return np.column_stack([rows, _PHASE * phases])


def _nearest(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean distance of points of x to the nearest of y."""
    from scipy.spatial import KDTree  # late: it takes a while to load

    # Cycles repeat the same rows: plain trees are built of them at once, balanced ones are not.
    return float(KDTree(y, balanced_tree=False, compact_nodes=False).query(x)[0].mean())


def _apart(x: np.ndarray, y: np.ndarray) -> float:
    return max(_nearest(x, y), _nearest(y, x))
