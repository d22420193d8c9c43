"""Sweeps and refined diagrams of the attention map."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import shown
from ..maps.model import Map
from ..maps.sweep_job import MapSweep, sweep_of
from ..sweeps.engine import run
from ..sweeps.execution import Execution, Workers
from ..sweeps.refinement import Label, Refinement
from ..sweeps.results import SweepResult
from .axes import AXES
from .model import SelfAttention, network_of
from .plan import Plan
from .start import Start, start_of
from .sweep_job import AttentionSweep

__all__ = ["refine", "sweep"]


def sweep(
    model: SelfAttention | Map,
    *,
    n_steps: int,
    n_transient: int = 1_000,
    measure: str | Sequence[str] = ("orbit",),
    start: Any = None,
    record: Sequence[str] = ("attention",),
    n_rows: int | None = None,
    every: int = 1,
    section: int | None = None,
    n_exponents: int | None = None,
    n_tangent_transient: int | None = None,
    n_history: int = 0,
    qr_interval: int = 1,
    together: bool | Sequence[str] = False,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    n_threads: int | None = None,
    block: int | None = None,
    executor: Workers | None = None,
    progress: bool = True,
    **axes: ArrayLike,
) -> SweepResult | None:
    """Run one network, or any map, at many parameter points.

    Parameters
    ----------
    model : SelfAttention or Map
        The network, or any other map; gives every parameter that is not swept.
    n_steps, n_transient : int
        Token steps that are measured, and before them.
    measure : sequence of {"orbit", "lyapunov", "attractor", "irreversibility"}, default=("orbit",)
        What to keep of each point; "attractor" judges after the transient what the orbit settles
        on, see `attractor`; the other steps follow from there. Of a network also "autocorrelation" with its decay,
        "repetition" (return times) and "response" (to one flipped site of a token), up to 64 steps. Of a map the
        first three.
    start : Start or sequence of Start, optional
        Where every point begins. Several random ones, several features of one role, or several windows of one shape
        and phase make the axis "start", of their seeds or indices. Default: ``Start.random(0)``. Of a map: a state,
        array_like, or a `dmft.maps.State`; several, of one phase, are numbered along the axis "start".
    record : sequence of str, default=("attention",)
        Which arrays of the orbit; see `trajectory`. A map has its "states" alone, and no `section`.
    n_rows, every, section : int, optional
        Which steps of the orbit: the last `n_rows` of every `every`-th step (default: all), or the
        first `n_rows` (default: 1000) in which the attention component `section` changes sign.
    n_exponents, n_tangent_transient, n_history, qr_interval : int, optional
        As for `lyapunov`, with averages on cycles too; "attractor" has the multipliers. From 4096 n_context
        steps on, averages are of fewer samples than there: the same within their errors, not in every bit.
    together : bool or sequence of str, default=False
        Sweep the axes, or those that are named, side by side instead of over their product.
    store : path-like, optional
        Folder for the results. It must not hold anything, unless `resume` is true.
    resume : bool, default=False
        Continue the sweep that the folder holds; refused if it was another one.
    n_threads : int or None
        OpenMP threads; of each worker under MPI and with an executor (default there: 1). Results do
        not depend on it.
    block : int, optional
        How many points make a task, and a file of the store. Results do not depend on it. Default:
        seconds of work, and enough tasks for all workers.
    executor : concurrent.futures.Executor or "serial", optional
        Who does the tasks: a ``ProcessPoolExecutor`` that spawns, one of Dask, ... With a store its
        workers must see the folder; they write there. "serial": this process, even if it is one of several MPI
        ranks. Default: this process, or all MPI ranks together, which must then all make the same call.
    progress : bool, default=True
        Show progress on standard error.
    beta, gamma, epsilon, strength, n_context, seed : array_like, shape (n,), optional
        The axes; `strength` is that of the model's `Drive`, `seed` that of the features. Of a map: its parameters.
        Arrays whose length goes with `n_context` are as long as its largest value needs, and end with NaN
        (`n_lost`: 0).

    Returns
    -------
    SweepResult
        Under MPI on rank 0; None on the others.

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
    >>> result = sweep(model, beta=np.linspace(0.5, 1, 3), n_steps=200, measure=["lyapunov"], progress=False)
    >>> result["exponents"].shape
    (3, 12)
    """
    how = Execution(store=store, resume=resume, n_threads=n_threads, block=block, executor=executor, progress=progress)
    arguments: dict[str, Any] = {
        "n_steps": n_steps,
        "n_transient": n_transient,
        "n_rows": n_rows,
        "every": every,
        "n_exponents": n_exponents,
        "n_tangent_transient": n_tangent_transient,
        "n_history": n_history,
        "qr_interval": qr_interval,
    }
    if isinstance(model, Map):
        axes, of_map = axes_of_map(sweep_of(model, start, section, record, measure, **arguments), axes)
        return run(of_map, axes, together, how)
    plan = Plan.of_measures(network_of(model), measure, record=record, section=section, **arguments)
    if not (start is None or isinstance(start, Start)):
        start, axes = family(start, axes)
    job = AttentionSweep(plan, start_of(start))
    return run(job, axes, together, how)


def axes_of_map(job: MapSweep, axes: Mapping[str, ArrayLike]) -> tuple[dict[str, ArrayLike], MapSweep]:
    """Return the axes with that of several starts in front, and the job."""
    several = {"start": range(len(job.starts))} if len(job.starts) > 1 else {}
    return {**several, **axes}, job


def family(given: Any, axes: Mapping[str, ArrayLike]) -> tuple[Start, dict[str, ArrayLike]]:
    """Return the first of some starts, and axes with that of the seeds or indices in front."""
    starts = list(given) if isinstance(given, list | tuple) else [given]
    windows = _windows(starts)
    if windows is not None:
        return windows, {"start": range(len(starts)), **axes}
    first = starts[0] if starts and all(isinstance(one, Start) for one in starts) else None
    if first is not None and first.family is not None:
        name = first.family
        if all(one.kind == first.kind and _alike(one.member(0), first.member(0)) for one in starts):
            return first, {"start": [one.arguments[name] for one in starts], **axes}
    raise ValueError(
        "start must be a Start, or several that differ in seed or index alone, or several windows of one shape and "
        f"phase without preset, got {shown(starts)}"
    )


def _alike(one: Start, other: Start) -> bool:
    """Return whether two starts of one kind have equal arguments."""
    return all(np.array_equal(value, other.arguments[name]) for name, value in one.arguments.items())


def _windows(starts: Sequence[Any]) -> Start | None:
    """Return several windows as one start of the kind "windows"; None if they are none, or differ in shape or phase."""
    if not starts or not all(isinstance(one, Start) and one.kind == "window" for one in starts):
        return None
    arrays = [one.arguments["attention"] for one in starts]
    phases = {one.arguments["phase"] for one in starts}
    if len({array.shape for array in arrays}) > 1 or len(phases) > 1 or any("preset" in o.arguments for o in starts):
        return None
    return Start.windows(np.stack(arrays), phases.pop())


def refine(
    model: SelfAttention | Map,
    *,
    n_steps: int,
    n_transient: int = 1_000,
    label: Label = "sign",
    coarse: int = 8,
    start: Any = None,
    measure: str | Sequence[str] = ("lyapunov",),
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    n_threads: int | None = None,
    block: int | None = None,
    executor: Workers | None = None,
    progress: bool = True,
    **arguments: Any,
) -> SweepResult | None:
    """Sweep a grid of two parameters from coarse to fine, where a label changes.

    The corners of cells of `coarse` grid steps are computed first. A cell whose known points
    have different labels is split in four, round after round, down to the grid. What is left
    has the label of its cell. An island of another label between the coarse points is missed.

    Parameters
    ----------
    model : SelfAttention or Map
        The network, or any other map; gives every parameter that is no axis.
    n_steps, n_transient : int
        As for `sweep`.
    label : str or callable, default="sign"
        "sign": of the leading exponent, zero where it is within five standard errors if these are
        measured. The name of an array of whole numbers or of words that is measured, one for
        each point. Or a function of a SweepResult over a list of points that returns whole numbers, each of which
        depends on its point alone; under MPI and with an executor it must be picklable.
    coarse : int, default=8
        Grid steps of the first cells.
    start : Start, optional
        Default: ``Start.random(0)``. Of a map: a state, array_like, or a `dmft.maps.State`.
    measure : sequence of {"orbit", "lyapunov", "attractor", "irreversibility"}, default=("lyapunov",)
        As for `sweep`.
    store, resume, n_threads, block, executor, progress
        As for `sweep`.
    **arguments
        The two axes, and what else `sweep` takes.

    Returns
    -------
    SweepResult
        On the whole grid: ``result["computed"]`` says which points were computed, ``result["label"]`` is
        filled everywhere, other arrays hold NaN, -1 or "" elsewhere. Under MPI on rank 0; None on
        the others.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or there are not two axes.
    dmft.store.StoreError
        If the folder cannot be used, or written to.
    dmft.sweeps.agreement.RanksError
        Under MPI, if not all ranks make the same call (a RuntimeError).

    Examples
    --------
    >>> import numpy as np
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> axes = {"beta": np.linspace(0.5, 1.5, 9), "gamma": np.linspace(100, 200, 9)}
    >>> result = refine(model, **axes, n_steps=300, n_exponents=1, coarse=4, progress=False)
    >>> result["label"].shape, bool(result["computed"].mean() < 1)
    ((9, 9), True)
    """
    how = Execution(store=store, resume=resume, n_threads=n_threads, block=block, executor=executor, progress=progress)
    if isinstance(model, Map):
        axes = {name: arguments.pop(name) for name in list(arguments) if name in model.parameters}
        given = {"section": None, "record": ("attention",), **arguments}
        job = sweep_of(model, start, measure=measure, n_steps=n_steps, n_transient=n_transient, **given)
        if label == "sign" and not {"lyapunov", "attractor"} & set(job.plan.measure):
            raise ValueError("label 'sign' needs exponents: measure must name 'lyapunov'")
        return run(Refinement(job, tuple(axes), label, coarse), axes, how=how)
    network_of(model)
    axes = {name: arguments.pop(name) for name in list(arguments) if name in AXES}
    plan = Plan.of_measures(model, measure, n_steps=n_steps, n_transient=n_transient, **arguments)
    return run(refined(AttentionSweep(plan, start_of(start)), axes, label, coarse), axes, how=how)


def refined(job: AttentionSweep, axes: Iterable[str], label: Label, coarse: int) -> Refinement:
    """Return the job of `refine`, its arguments checked."""
    if (
        isinstance(label, str)
        and label == "sign"
        and not job.plan.n_exponents
        and "attractor" not in job.plan.after_transient
    ):
        raise ValueError("label 'sign' needs exponents: measure must name 'lyapunov'")
    return Refinement(job, tuple(axes), label, coarse)
