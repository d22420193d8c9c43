"""The job of `follow`: every point starts from the attractor of its neighbour."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown, whole
from .._util.values import Value
from ..sweeps.following import anchors_of, axis_to_follow, branch_names, first_transient
from ..sweeps.grid import Block, Grid, Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.results import SweepResult
from . import pictures
from .axes import PARAMETERS, continuous, values_at, with_values
from .batch import Batch
from .chains import ChainStates, Part, Stretch, chains, finite_state, stretches
from .loops import Hysteresis
from .loops import rows as hysteresis_of_rows
from .plan import Plan
from .records import FEATURE_RECORDS
from .start import Start, State, alike
from .sweep_job import AttentionSweep, measure, states_of_points

Points: TypeAlias = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Following(Value, Job):
    """Follow attractors along one axis; see `follow`.

    The states along a chain follow from the orbit alone, which is cheap beside its exponents: one
    task follows a stretch of several chains and leaves the state before every point; the points
    are then measured side by side. The next stretch waits for the states only. Every number is
    the same as if the chain had been measured on its way.

    Parameters
    ----------
    sweep : AttentionSweep
        What is measured at a point, and the start of anchors that have none of their own.
    axes : dict of str to ndarray
        Values of the axes, without the branch.
    along : str
        The axis to follow.
    anchors : tuple of (int, Start or None)
        Where each branch begins: the index along the axis, and the start there.
    n_first_transient : int
        Transient of the points that start from their anchor's start.
    n_segments, n_overlap : int
        Pieces of a stretch that are followed side by side, and points by which each begins early.
    """

    sweep: AttentionSweep
    axes: Mapping[str, np.ndarray]
    along: str
    anchors: tuple[tuple[int, Start | None], ...]
    n_first_transient: int
    n_segments: int = 1
    n_overlap: int = 1

    block = 256
    grain = 64
    independent = False
    extras: ClassVar[Variables] = {
        "anchor": (("branch",), "1", "parameter at which the branch begins"),
        "chain_window": (("chain", "context", "feature"), "1", "attention at the end of the stretch"),
        "chain_phase": (("chain",), "1", "position of the step after the stretch"),
        "before_window": (("followed", "context", "feature"), "1", "attention before each point"),
        "before_phase": (("followed",), "1", "position of the step after it"),
        "before_origin": (("followed",), "1", "where it comes from, see origin"),
        "before_joint": (("followed",), "1", "see joint"),
    }

    @property
    def names(self) -> tuple[str, ...]:
        """What can be swept."""
        return tuple(self.point)

    @property
    def point(self) -> dict[str, Any]:
        """Parameters where they are no axis."""
        return {"branch": 0.0, **values_at(self.sweep.plan.model)}

    @property
    def described(self) -> Mapping[str, Any]:
        """As of a sweep."""
        return self.sweep.described

    @property
    def variables(self) -> Variables:
        """Those of a sweep, and how each point was begun."""
        return {
            **self.sweep.variables,
            "phase": ((), "1", "position of the step after the window"),
            "origin": ((), "1", "1: starts from the neighbour's end, 0: from the start of the anchor"),
            "joint": ((), "1", "1: a cut before this point that left the same bits, 2: one that was followed again"),
        }

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """What the branches are called."""
        names = branch_names(self.axes[self.along], [place for place, _ in self.anchors])
        return {**self.sweep.labels, "branch": names}

    def check(self, name: str, value: Any) -> None:
        """Raise if the model cannot have this value."""
        if name != "branch":
            self.sweep.check(name, value)

    def specification(self) -> dict[str, Any]:
        """Return that of the sweep, and how it is followed."""
        anchors = [
            {"at": float(self.axes[self.along][place]), **(s.specification() if s else {})} for place, s in self.anchors
        ]
        how = {name: getattr(self, name) for name in ("along", "n_first_transient", "n_segments", "n_overlap")}
        following = {"anchors": anchors, "branches": self.labels["branch"], **how}
        return {**self.sweep.specification(), "job": "following", "follow": following}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Following:
        """Return the job that a specification, with the axes, describes."""
        how = {name: value for name, value in spec["follow"].items() if name != "branches"}
        how["anchors"] = [
            (
                anchor["at"],
                Start.from_specification({k: v for k, v in anchor.items() if k != "at"}) if "kind" in anchor else None,
            )
            for anchor in how["anchors"]
        ]
        axes = {name: np.array(values) for name, values in spec["axes"].items() if name != "branch"}
        return following(AttentionSweep.from_specification(spec), axes, **how)

    # -- how the chains lie on the grid ---------------------------------------------------------

    @functools.cached_property
    def branches(self) -> Grid:
        """The grid: branches times the axes."""
        return self.grid({"branch": np.arange(len(self.anchors)), **self.axes})

    @functools.cached_property
    def _parts_of_size(self) -> dict[int, list[Part]]:
        return {}

    def _parts(self, size: int) -> list[Part]:
        """Return the tasks of all chains, for blocks of about `size` points."""
        if size not in self._parts_of_size:
            lanes = chains(self.branches, self.along, [place for place, _ in self.anchors])
            self._parts_of_size[size] = stretches(lanes, size)
        return self._parts_of_size[size]

    def cut(self, grid: Grid, size: int) -> list[Block]:
        """Return a block for each stretch that follows it, and one for the rest of its points."""
        return [Block(i, part.index(), part.after) for i, part in enumerate(self._parts(size))]

    # -- the work of a task ---------------------------------------------------------------------

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Follow a stretch and measure some of its points, or measure the others."""
        part = self._parts(task.size)[task.number]
        extras = self._follow(part.stretch, task.before, n_threads, tick) if part.follows else {}
        known = extras or task.before[0]
        mine = {name: known[f"before_{name}"][part.measures] for name in ("window", "phase", "origin", "joint")}
        n_points = len(task.index)
        arrays: Arrays = {}
        anchored = task.points["branch"] * (mine["origin"] == 0)
        for group in _alike(mine["origin"], mine["phase"], anchored, *_strengths(task.points)):
            points = {name: values[group] for name, values in task.points.items()}
            if mine["origin"][group[0]]:
                states = [State(mine["window"][i], int(mine["phase"][i])) for i in group]
            else:
                states = self._settled(points, n_threads)
            measured = measure(self._plan(points), points, states, n_threads, lambda n: tick(n / 2))
            after = (states[0].phase + self.sweep.plan.work) % self.sweep.plan.model.period
            measured["phase"] = np.full(len(group), after, dtype=np.int64)
            for name, values in measured.items():
                arrays.setdefault(name, np.zeros((n_points, *values.shape[1:]), values.dtype))[group] = values
        points = {name: values for name, values in task.points.items() if name != "branch"}
        return {**points, **arrays, "origin": mine["origin"], "joint": mine["joint"], **extras}

    def _follow(self, stretch: Stretch, before: Sequence[Points], n_threads: int | None, tick: Tick) -> Arrays:
        """Return the states before all points of a stretch, and at its end."""
        tracks = [self.branches.points(numbers) for numbers in stretch.tracks()]
        states: list[State | None] = [None] * len(tracks)
        if before:
            windows, phases = before[0]["chain_window"], before[0]["chain_phase"]
            states = [State(windows[i], int(phases[i])) for i in range(len(tracks))]
        followed = self._follow_in_pieces(tracks, states, n_threads, tick)
        ends = [one.end for one in followed if one.end is not None]
        model = self.sweep.plan.model
        empty = np.full((model.n_context, model.n_features), np.nan)
        pairs = stretch.pairs()
        starts = [followed[i].before[s] for i, s in pairs]
        return {
            "anchor": np.array([self.axes[self.along][place] for place, _ in self.anchors]),
            "chain_window": np.array([end.attention for end in ends]),
            "chain_phase": np.array([end.phase for end in ends]),
            "before_window": np.array([empty if state is None else state.attention for state in starts]),
            "before_phase": np.array([-1 if state is None else state.phase for state in starts]),
            "before_origin": np.array([state is not None for state in starts], dtype=np.int8),
            "before_joint": np.array([followed[i].joint[s] for i, s in pairs], dtype=np.int8),
        }

    def _follow_in_pieces(
        self, tracks: Sequence[Points], states: Sequence[State | None], n_threads: int | None, tick: Tick
    ) -> list[ChainStates]:
        """Follow tracks, each cut into segments that go side by side and are kept only if they fit."""
        pieces = []  # (track, first step that counts, step it begins at, end)
        for i, track in enumerate(tracks):
            n = len(track["branch"])
            ends = np.unique(np.linspace(0, n, min(self.n_segments, n) + 1).astype(int))
            for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
                pieces.append((i, first, max(0, first - self.n_overlap), end))
        guesses = [self._guess(states[i], begin) for i, _, begin, _ in pieces]
        pieced = self._follow_tracks(
            [_part(tracks[i], begin, end) for i, _, begin, end in pieces], guesses, n_threads, tick
        )
        found = {(i, first): one.drop(first - begin) for (i, first, begin, _), one in zip(pieces, pieced, strict=True)}
        joined = [found[i, 0] for i in range(len(tracks))]
        for first in sorted({piece[1] for piece in pieces} - {0}):
            here = [(i, end) for i, f, _, end in pieces if f == first]
            # The same bits before the joint make the same bits after it, and nothing else does.
            wrong = [(i, end) for i, end in here if not found[i, first].begins_at(joined[i].end)]
            again = self._follow_tracks(
                [_part(tracks[i], first, end) for i, end in wrong],
                [joined[i].end for i, _ in wrong], n_threads, lambda work: None,
            )  # fmt: skip
            anew = {i: one for (i, _), one in zip(wrong, again, strict=True)}
            for i, _ in here:
                joined[i] = joined[i].join(anew.get(i, found[i, first]), 2 if i in anew else 1)
        return joined

    def _guess(self, state: State | None, n_points: int) -> State | None:
        """Return a state for a segment to begin with: that of the stretch, some points later."""
        if state is None or not np.isfinite(state.attention).all():
            return None
        plan = self.sweep.plan
        return State(state.attention, (state.phase + n_points * plan.work) % plan.model.period)

    def _follow_tracks(
        self, tracks: Sequence[Points], states: Sequence[State | None], n_threads: int | None, tick: Tick
    ) -> list[ChainStates]:
        """Take orbits along tracks side by side; a state of None is the start of the anchor."""
        followed = [ChainStates([], []) for _ in tracks]
        states = [finite_state(state) for state in states]
        for step in range(max((len(track["branch"]) for track in tracks), default=0)):
            going = [i for i, track in enumerate(tracks) if step < len(track["branch"])]
            points = {name: np.array([tracks[i][name][step] for i in going]) for name in tracks[0]}
            for i in going:
                followed[i].before.append(states[i])
                followed[i].joint.append(0)
            lost = [k for k, i in enumerate(going) if states[i] is None]
            begun = self._settled({name: values[lost] for name, values in points.items()}, n_threads) if lost else []
            settled = iter(begun)
            now = [next(settled) if (state := states[i]) is None else state for i in going]
            ends = self._advanced(points, now, self.sweep.plan.work, n_threads)
            tick(len(going) / 2)
            for i, end in zip(going, ends, strict=True):
                # Where there is no attractor to follow the chain begins anew.
                followed[i].end, states[i] = end, finite_state(end)
        return followed

    def _settled(self, points: Points, n_threads: int | None) -> list[State]:
        """Return the states in which points that start from their anchor begin their transient."""
        model, starts = self.sweep.plan.model, [start or self.sweep.start for _, start in self.anchors]
        states = states_of_points([starts[int(branch)] for branch in points["branch"]], model, points)
        return self._advanced(points, states, self.n_first_transient - self.sweep.plan.n_transient, n_threads)

    def _advanced(self, points: Points, states: list[State], n_steps: int, n_threads: int | None) -> list[State]:
        """Return states some steps later."""
        if not n_steps:
            return states
        ends = list(states)
        for group in _alike(*zip(*map(alike, states), strict=True), *_strengths(points)):
            some = {name: values[group] for name, values in points.items()}
            model, values = self._plan(some).model, {name: some[name] for name in PARAMETERS}
            batch = Batch(model, **values, states=[states[i] for i in group], n_threads=n_threads)
            batch.advance(n_steps)
            for k, i in enumerate(group):
                ends[i] = batch.state(k)
        return ends

    def _plan(self, points: Points) -> Plan:
        """Return the plan of points with one strength of the drive."""
        plan = self.sweep.plan
        strengths = [with_values(plan.model, strength=float(values[0])) for values in _strengths(points)]
        return dataclasses.replace(plan, model=strengths[0]) if strengths else plan

    @property
    def kept(self) -> float:
        """How many doubles a point leaves at least."""
        return self.sweep.kept

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time."""
        return self.sweep.block_bytes(size)

    def estimate(self, points: Points) -> Estimate:
        """Estimate the cost of a point from a short run of some."""
        shared = {name: np.full(points["beta"].size, value) for name, value in self.sweep.point.items()}
        one = self.sweep.estimate({**shared, **{name: points[name] for name in PARAMETERS}})
        each = one.each.replace(" each", " each, followed and measured")
        # Branches are compared and drawn as dots: both hold the rows once more.
        return dataclasses.replace(one, each=each, seconds=2 * one.seconds, drawn=2.2 * one.drawn)

    def no_picture(self, grid: Grid) -> str | None:
        """Return why no picture can be made of a grid; None: it can."""
        if pictures.name_for_branches(self.sweep.arrays, grid.dims):
            return None
        return super().no_picture(grid) or pictures.nothing_of(self.sweep.arrays, grid.shape)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say how many orbits left the real numbers."""
        return AttentionSweep.failures(result)

    @classmethod
    def findings(cls, result: SweepResult) -> Sequence[Hysteresis]:
        """Return where the first two branches differ, for every row of the grid."""
        if not any(name in result for name in FEATURE_RECORDS) or len(result.labels["branch"]) < 2:
            return ()
        return hysteresis_of_rows(result)

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of branches."""
        return pictures.name_of_branches(result)

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw branches over one axis, and where they differ; over two a map for each branch."""
        return pictures.draw_branches(result, feature, variable, cls.findings(result) if findings is None else findings)


def _part(track: Points, begin: int, end: int) -> Points:
    return {name: values[begin:end] for name, values in track.items()}


def _strengths(points: Points) -> list[np.ndarray]:
    """Return the strengths of the drive, which points side by side in the kernel share; none without a drive."""
    return [points["strength"]] if "strength" in points else []


def _alike(*keys: Sequence[Any] | np.ndarray) -> Iterator[np.ndarray]:
    """Yield the places of equal keys."""
    places = list(zip(*(np.asarray(key).tolist() for key in keys), strict=True))
    for place in dict.fromkeys(places):
        yield np.array([i for i, other in enumerate(places) if other == place])


def following(
    sweep: AttentionSweep,
    axes: Mapping[str, ArrayLike],
    along: str | None = None,
    anchors: Sequence[Any] | None = None,
    n_first_transient: int | None = None,
    n_segments: int = 1,
    n_overlap: int = 1,
) -> Following:
    """Return the job of `follow`, its arguments checked."""
    names = continuous(sweep.plan.model)
    for name in axes:
        if name not in names:
            raise ValueError(f"cannot follow over {name!r}; the axes are {', '.join(names)}")
    checked, plan = sweep.grid(axes).axes, sweep.plan
    along = axis_to_follow(along, checked)
    if plan.work < plan.model.n_context:
        raise ValueError(f"n_transient + n_steps must be >= n_context = {plan.model.n_context}, got {plan.work}")
    first = first_transient(n_first_transient, plan.n_transient)

    def begin(start: Any) -> Start:
        if not isinstance(start, Start):
            raise ValueError(f"anchors must be values, or pairs of a value and a Start, got {shown(start)}")
        plan.check_start(start.state(plan.model))
        return start

    places = anchors_of(along, checked[along], anchors, begin, "a Start")
    segments, overlap = whole("n_segments", n_segments, 1), whole("n_overlap", n_overlap)
    return Following(sweep, checked, along, places, first, segments, overlap)
