"""Attractor following: every point starts from the attractor of its neighbour."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from .._util.checks import number, whole
from ..sweeps.engine import run
from ..sweeps.grid import Block, Grid
from ..sweeps.job import AXES, PARAMETERS, AttentionSweep, measure, start_of
from .batch import Batch
from .chains import Walk, chains, finite_state, stretches
from .start import Start, State
from .sweep_job import measured_plan

__all__ = ["Following", "follow"]


@dataclasses.dataclass(frozen=True)
class Following:
    """Follow attractors along one axis; see `follow`. A job as `dmft.sweeps.job` describes it.

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
    axes: dict
    along: str
    anchors: tuple
    n_first_transient: int
    n_segments: int = 1
    n_overlap: int = 1

    block = 256
    max_threads = None
    extras: ClassVar = {
        "anchor": (("branch",), "1", "parameter at which the branch begins"),
        "chain_window": (("chain", "context", "feature"), "1", "attention at the end of the stretch"),
        "chain_phase": (("chain",), "1", "position of the step after the stretch"),
        "before_window": (("followed", "context", "feature"), "1", "attention before each point"),
        "before_phase": (("followed",), "1", "position of the step after it"),
        "before_origin": (("followed",), "1", "where it comes from, see origin"),
        "before_joint": (("followed",), "1", "see joint"),
    }

    @property
    def names(self):
        """The branch, then the parameters of the model."""
        return ("branch", *PARAMETERS)

    @property
    def point(self):
        """Parameters where they are no axis."""
        return {"branch": 0.0, **{name: self.sweep.point[name] for name in PARAMETERS}}

    @property
    def variables(self):
        """Those of a sweep, and how each point was begun."""
        return {
            **self.sweep.variables,
            "phase": ((), "1", "position of the step after the window"),
            "origin": ((), "1", "1: starts from the neighbour's end, 0: from the start of the anchor"),
            "joint": ((), "1", "1: a cut before this point that left the same bits, 2: one that was followed again"),
        }

    @property
    def labels(self):
        """What the branches are called."""
        values = self.axes[self.along]
        names = []
        for place, _ in self.anchors:
            ends = {int(np.argmin(values)): "up", int(np.argmax(values)): "down"}
            name = ends.get(place, f"from {values[place]:g}")
            names.append(name if name not in names else f"{name} ({len(names) + 1})")
        return {**self.sweep.labels, "branch": tuple(names)}

    def check(self, name, value):
        """Raise if the model cannot have this value."""
        if name != "branch":
            self.sweep.check(name, value)

    def specification(self):
        """Return that of the sweep, and how it is followed."""
        anchors = [
            {"at": float(self.axes[self.along][place]), **({"kind": s.kind, **s.arguments} if s else {})}
            for place, s in self.anchors
        ]
        how = {name: getattr(self, name) for name in ("along", "n_first_transient", "n_segments", "n_overlap")}
        following = {"anchors": anchors, "branches": self.labels["branch"], **how}
        return {**self.sweep.specification(), "job": "following", "follow": following}

    @classmethod
    def from_specification(cls, spec):
        """Return the job that a specification, with the axes, describes."""
        how = {name: value for name, value in spec["follow"].items() if name != "branches"}
        how["anchors"] = [
            (anchor["at"], start_of({k: v for k, v in anchor.items() if k != "at"}) if "kind" in anchor else None)
            for anchor in how["anchors"]
        ]
        axes = {name: np.array(values) for name, values in spec["axes"].items() if name != "branch"}
        return following(AttentionSweep.from_specification(spec), axes, **how)

    # -- how the chains lie on the grid ---------------------------------------------------------

    @functools.cached_property
    def grid(self):
        """The branches times the axes."""
        return Grid.of(self, {"branch": np.arange(len(self.anchors)), **self.axes})

    @functools.cached_property
    def _tasks(self):
        lanes = chains(self.grid, self.along, [place for place, _ in self.anchors])
        return stretches(lanes, self.block)

    def cut(self, grid, size):
        """Return a block for each stretch that follows it, and one for the rest of its points."""
        return [Block(i, task.index(), task.after) for i, task in enumerate(self._tasks)]

    # -- the work of a task ---------------------------------------------------------------------

    def run(self, task, n_threads, tick):
        """Follow a stretch and measure some of its points, or measure the others."""
        part = self._tasks[task.number]
        extras = self._follow(part.stretch, task.before, n_threads, tick) if part.follows else {}
        known = extras or task.before[0]
        mine = {name: known[f"before_{name}"][part.measures] for name in ("window", "phase", "origin", "joint")}
        n_points = len(task.index)
        arrays = {}
        for group in _alike(mine["origin"], mine["phase"], task.points["branch"] * (mine["origin"] == 0)):
            points = {name: values[group] for name, values in task.points.items()}
            if mine["origin"][group[0]]:
                states = [State(mine["window"][i], int(mine["phase"][i])) for i in group]
            else:
                states = self._settled(points, n_threads)
            measured = measure(self.sweep.plan, points, states, n_threads, lambda n: tick(n / 2))
            after = (states[0].phase + self.sweep.plan.work) % self.sweep.plan.model.n_context
            measured["phase"] = np.full(len(group), after, dtype=np.int64)
            for name, values in measured.items():
                arrays.setdefault(name, np.zeros((n_points, *values.shape[1:]), values.dtype))[group] = values
        points = {name: values for name, values in task.points.items() if name != "branch"}
        return {**points, **arrays, "origin": mine["origin"], "joint": mine["joint"], **extras}

    def _follow(self, stretch, before, n_threads, tick):
        """Return the states before all points of a stretch, and at its end."""
        tracks = [self.grid.points(numbers) for numbers in stretch.tracks()]
        if before:
            windows, phases = before[0]["chain_window"], before[0]["chain_phase"]
            states = [State(windows[i], int(phases[i])) for i in range(len(tracks))]
        else:
            states = [None] * len(tracks)
        walks = self._walk_in_pieces(tracks, states, n_threads, tick)
        model = self.sweep.plan.model
        empty = np.full((model.n_context, model.n_features), np.nan)
        pairs = stretch.pairs()
        starts = [walks[i].before[s] for i, s in pairs]
        return {
            "anchor": np.array([self.axes[self.along][place] for place, _ in self.anchors]),
            "chain_window": np.array([walk.end.attention for walk in walks]),
            "chain_phase": np.array([walk.end.phase for walk in walks]),
            "before_window": np.array([empty if state is None else state.attention for state in starts]),
            "before_phase": np.array([-1 if state is None else state.phase for state in starts]),
            "before_origin": np.array([state is not None for state in starts], dtype=np.int8),
            "before_joint": np.array([walks[i].joint[s] for i, s in pairs], dtype=np.int8),
        }

    def _walk_in_pieces(self, tracks, states, n_threads, tick):
        """Follow tracks, each cut into segments that go side by side and are kept only if they fit."""
        pieces = []  # (track, first step that counts, step it begins at, end)
        for i, track in enumerate(tracks):
            n = len(track["branch"])
            ends = np.unique(np.linspace(0, n, self.n_segments + 1).astype(int))
            for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
                pieces.append((i, first, max(0, first - self.n_overlap), end))
        guesses = [self._guess(states[i], begin) for i, _, begin, _ in pieces]
        walks = self._walk([_part(tracks[i], begin, end) for i, _, begin, end in pieces], guesses, n_threads, tick)
        found = {(i, first): walk.drop(first - begin) for (i, first, begin, _), walk in zip(pieces, walks, strict=True)}
        whole_walks = [found[i, 0] for i in range(len(tracks))]
        for first in sorted({piece[1] for piece in pieces} - {0}):
            here = [(i, end) for i, f, _, end in pieces if f == first]
            # The same bits before the joint make the same bits after it, and nothing else does.
            wrong = [(i, end) for i, end in here if not found[i, first].begins_at(whole_walks[i].end)]
            again = self._walk(
                [_part(tracks[i], first, end) for i, end in wrong],
                [whole_walks[i].end for i, _ in wrong], n_threads, lambda work: None,
            )  # fmt: skip
            anew = {i: walk for (i, _), walk in zip(wrong, again, strict=True)}
            for i, _ in here:
                whole_walks[i] = whole_walks[i].join(anew.get(i, found[i, first]), 2 if i in anew else 1)
        return whole_walks

    def _guess(self, state, n_points):
        """Return a state for a segment to begin with: that of the stretch, some points later."""
        if state is None or not np.isfinite(state.attention).all():
            return None
        plan = self.sweep.plan
        return State(state.attention, (state.phase + n_points * plan.work) % plan.model.n_context)

    def _walk(self, tracks, states, n_threads, tick):
        """Take orbits along tracks side by side; a state of None is the start of the anchor."""
        walks = [Walk([], []) for _ in tracks]
        states = [finite_state(state) for state in states]
        for step in range(max((len(track["branch"]) for track in tracks), default=0)):
            going = [i for i, track in enumerate(tracks) if step < len(track["branch"])]
            points = {name: np.array([tracks[i][name][step] for i in going]) for name in tracks[0]}
            for i in going:
                walks[i].before.append(states[i])
                walks[i].joint.append(0)
            now = [states[i] for i in going]
            lost = [k for k, state in enumerate(now) if state is None]
            if lost:
                settled = self._settled({name: values[lost] for name, values in points.items()}, n_threads)
                for k, state in zip(lost, settled, strict=True):
                    now[k] = state
            ends = self._advanced(points, now, self.sweep.plan.work, n_threads)
            tick(len(going) / 2)
            for i, end in zip(going, ends, strict=True):
                # Where there is no attractor to follow the chain begins anew.
                walks[i].end, states[i] = end, finite_state(end)
        return walks

    def _settled(self, points, n_threads):
        """Return the states in which points that start from their anchor begin their transient."""
        model, starts = self.sweep.plan.model, [start or self.sweep.start for _, start in self.anchors]
        states = [
            starts[int(branch)].state(model.replace(epsilon=epsilon))
            for branch, epsilon in zip(points["branch"], points["epsilon"].tolist(), strict=True)
        ]
        return self._advanced(points, states, self.n_first_transient - self.sweep.plan.n_transient, n_threads)

    def _advanced(self, points, states, n_steps, n_threads):
        """Return states some steps later."""
        if not n_steps:
            return states
        ends = [None] * len(states)
        for group in _alike(*zip(*((len(s.attention), s.phase, s.preset is None) for s in states), strict=True)):
            some = {name: points[name][group] for name in PARAMETERS}
            batch = Batch(self.sweep.plan.model, **some, states=[states[i] for i in group], n_threads=n_threads)
            batch.advance(n_steps)
            for k, i in enumerate(group):
                ends[i] = batch.state(k)
        return ends

    def estimate(self, points):
        """Estimate the cost of a point from a short run of some."""
        each, seconds, rows, memory = self.sweep.estimate({name: points[name] for name in PARAMETERS})
        return each.replace(" each", " each, followed and measured"), 2 * seconds, rows, memory


def _part(track, begin, end):
    return {name: values[begin:end] for name, values in track.items()}


def _alike(*keys):
    """Yield the places of equal keys."""
    keys = list(zip(*(np.asarray(key).tolist() for key in keys), strict=True))
    for key in dict.fromkeys(keys):
        yield np.array([i for i, k in enumerate(keys) if k == key])


def follow(
    model,
    *,
    n_steps,
    n_transient=1_000,
    n_first_transient=None,
    along=None,
    anchors=None,
    start=None,
    n_segments=1,
    n_overlap=1,
    measure=("orbit",),
    store=None,
    resume=False,
    n_threads=None,
    progress=True,
    **arguments,
):
    """Follow attractors along a parameter: each point starts where its neighbour's run ended.

    A branch begins at an anchor and is followed from there to both ends of the axis. By default
    there are two, from the lower end ("up") and from the upper end ("down"): where they differ,
    attractors coexist; see `dmft.hysteresis`. With more axes every combination of the others is
    a row with chains of its own.

    Parameters
    ----------
    model : SelfAttention
        The network; gives every parameter that is no axis.
    n_steps, n_transient : int
        Token steps that are measured at every point, and before them. The neighbour starts where
        these end.
    n_first_transient : int, optional
        Transient of the first point of a branch. Default: `n_transient`.
    along : str, optional
        Which axis to follow. Default: the first one.
    anchors : sequence, optional
        Where branches begin: parameter values, of which the nearest on the axis is taken, or
        pairs of a value and a Start. Default: both ends.
    start : Start, optional
        Of anchors without their own. Default: ``Start.random(0)``.
    n_segments : int, default=1
        Cut stretches of a chain into so many pieces, which go side by side from a guess. A piece
        is kept only if it meets the piece before it in the same bits, otherwise it is followed
        again: the numbers are those of the uncut chain. ``result["joint"]`` says where cuts were.
        It pays where neighbours have the same fixed point or cycle to the last bit, not in chaos.
    n_overlap : int, default=1
        Points of its predecessor that a piece begins with.
    measure : sequence of {"orbit", "lyapunov", "attractor"}, default=("orbit",)
        As for `sweep`.
    store, resume, n_threads, progress
        As for `sweep`.
    **arguments
        The axes beta, gamma, epsilon, and what else `sweep` takes: `record`, `n_rows`, `every`,
        `section`, `n_exponents`, `n_tangent_transient`, `n_history`, `qr_interval`.

    Returns
    -------
    SweepResult
        The first dimension is the branch, named in ``result.labels["branch"]``. A point whose
        orbit leaves the real numbers has status 1, and its neighbour starts from the anchor's
        start again (``result["origin"]`` is 0). Under MPI on rank 0; None on the others.

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    dmft.store.StoreError
        If the folder cannot be used, or written to.

    Examples
    --------
    >>> import numpy as np
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = follow(model, beta=np.linspace(0.8, 1.0, 5), n_steps=100, n_rows=10, progress=False)
    >>> result["attention"].shape, result.labels["branch"].tolist()
    ((2, 5, 10, 3), ['up', 'down'])
    """
    axes = {name: arguments.pop(name) for name in list(arguments) if name in AXES}
    plan = measured_plan(model, measure, n_steps=n_steps, n_transient=n_transient, **arguments)
    sweep = AttentionSweep(plan, Start.random(0) if start is None else start)
    job = following(sweep, axes, along, anchors, n_first_transient, n_segments, n_overlap)
    return run(job, job.grid.axes, False, store, resume, n_threads, progress)


def following(sweep, axes, along=None, anchors=None, n_first_transient=None, n_segments=1, n_overlap=1):
    """Return the job of `follow`, its arguments checked."""
    for name in axes:
        if name not in PARAMETERS:
            raise ValueError(f"cannot follow over {name!r}; the axes are {', '.join(PARAMETERS)}")
    checked = Grid.of(sweep, axes).axes
    along = next(iter(checked)) if along is None else along
    if along not in checked:
        raise ValueError(f"along must be one of the axes {tuple(checked)}, got {along!r}")
    values, plan = checked[along], sweep.plan
    if len(np.unique(values)) < len(values):
        raise ValueError(f"{along} must have distinct values to be followed")
    if plan.work < plan.model.n_context:
        raise ValueError(f"n_transient + n_steps must be >= n_context = {plan.model.n_context}, got {plan.work}")
    first = plan.n_transient if n_first_transient is None else whole("n_first_transient", n_first_transient)
    if first < plan.n_transient:
        raise ValueError(f"n_first_transient must be >= n_transient = {plan.n_transient}, got {first}")
    places = []
    for anchor in [values.min(), values.max()][: min(len(values), 2)] if anchors is None else anchors:
        at, start = anchor if isinstance(anchor, (tuple, list)) else (anchor, None)
        at = number(f"anchors of {along}", at, values.min(), values.max())
        if not (start is None or isinstance(start, Start)):
            raise ValueError(f"anchors must be values, or pairs of a value and a Start, got {start!r}")
        if start is not None:
            plan.check_start(start.state(plan.model))
        places.append((int(np.argmin(np.abs(values - at))), start))
    if not places:
        raise ValueError("anchors must hold at least one, got none")
    segments, overlap = whole("n_segments", n_segments, 1), whole("n_overlap", n_overlap)
    return Following(sweep, checked, along, tuple(places), first, segments, overlap)
