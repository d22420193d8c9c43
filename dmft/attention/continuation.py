"""`follow`, the function: its arguments, and the job that they describe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .._util.checks import shown, whole
from ..maps import following as of_maps
from ..maps.model import Map
from ..maps.sweep_job import sweep_of
from ..sweeps.engine import run
from ..sweeps.execution import Execution, Workers
from ..sweeps.results import SweepResult
from .axes import AXES
from .following import following
from .model import SelfAttention, network_of
from .plan import Plan
from .start import start_of
from .sweep_job import AttentionSweep

__all__ = ["follow"]


def follow(
    model: SelfAttention | Map,
    *,
    n_steps: int,
    n_transient: int = 1_000,
    n_first_transient: int | None = None,
    along: str | None = None,
    anchors: Sequence[Any] | None = None,
    start: Any = None,
    n_segments: int = 1,
    n_overlap: int = 1,
    measure: str | Sequence[str] = ("orbit",),
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    n_threads: int | None = None,
    block: int | None = None,
    executor: Workers | None = None,
    progress: bool = True,
    **arguments: Any,
) -> SweepResult | None:
    """Follow attractors along a parameter: each point starts where its neighbour's run ended.

    A branch begins at an anchor and is followed from there to both ends of the axis. By default
    there are two, from the lower end ("up") and from the upper end ("down"): where they differ,
    attractors coexist; see `dmft.hysteresis`. With more axes every combination of the others is
    a row with chains of its own.

    Parameters
    ----------
    model : SelfAttention or Map
        The network, or any other map; gives every parameter that is no axis.
    n_steps, n_transient : int
        Token steps that are measured at every point, and before them. The neighbour starts where
        these end.
    n_first_transient : int, optional
        Transient of the first point of a branch. Default: `n_transient`.
    along : str, optional
        Which axis to follow. Default: the first one.
    anchors : sequence, optional
        Where branches begin: parameter values, of which the nearest on the axis is taken, or
        pairs of a value and a Start (of a map: a state). Default: both ends.
    start : Start, optional
        Of anchors without their own. Default: ``Start.random(0)``. Of a map: a state, array_like, or a
        `dmft.maps.State`.
    n_segments : int, default=1
        Cut stretches of a chain into so many pieces, which go side by side from a guess. A piece
        is kept only if it meets the piece before it in the same bits, otherwise it is followed
        again: the numbers are those of the uncut chain. ``result["joint"]`` says where cuts were.
        It pays where neighbours have the same fixed point or cycle to the last bit, not in chaos. Not of a map.
    n_overlap : int, default=1
        Points of its predecessor that a piece begins with.
    measure : sequence of {"orbit", "lyapunov", "attractor", "irreversibility"}, default=("orbit",)
        As for `sweep`.
    store, resume, n_threads, block, executor, progress
        As for `sweep`; `block` is about the number of points of a stretch.
    **arguments
        The axes beta, gamma, epsilon, and strength where the model has a `Drive` (of a map: its parameters), and what
        else `sweep` takes: `record`, `n_rows`, `every`, `section`, `n_exponents`, `n_tangent_transient`, `n_history`,
        `qr_interval`.

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
    dmft.sweeps.agreement.RanksError
        Under MPI, if not all ranks make the same call (a RuntimeError).

    Examples
    --------
    >>> import numpy as np
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = follow(model, beta=np.linspace(0.8, 1.0, 5), n_steps=100, n_rows=10, progress=False)
    >>> result["attention"].shape, result.labels["branch"].tolist()
    ((2, 5, 10, 3), ['up', 'down'])
    """
    how = Execution(store=store, resume=resume, n_threads=n_threads, block=block, executor=executor, progress=progress)
    if isinstance(model, Map):
        for name, value in (("n_segments", n_segments), ("n_overlap", n_overlap)):
            if whole(name, value) != 1:
                raise ValueError(f"{name} must be 1 of a dmft.Map, got {shown(value)}")
        axes = {name: arguments.pop(name) for name in list(arguments) if name in model.parameters}
        given = {"section": None, "record": ("attention",), **arguments}
        of_map = sweep_of(model, start, measure=measure, n_steps=n_steps, n_transient=n_transient, **given)
        followed = of_maps.following(of_map, axes, along, anchors, n_first_transient)
        return run(followed, followed.branches.axes, how=how)
    network_of(model)
    axes = {name: arguments.pop(name) for name in list(arguments) if name in AXES}
    plan = Plan.of_measures(model, measure, n_steps=n_steps, n_transient=n_transient, **arguments)
    sweep = AttentionSweep(plan, start_of(start))
    job = following(sweep, axes, along, anchors, n_first_transient, n_segments, n_overlap)
    return run(job, job.branches.axes, how=how)
