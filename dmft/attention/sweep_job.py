"""Sweeps of the attention map, and scans: any job at many parameter points."""

from __future__ import annotations

from ..sweeps.engine import run
from ..sweeps.job import AttentionSweep
from ..sweeps.results import SweepResult, load
from .plan import Plan
from .start import Start

__all__ = ["SweepResult", "load", "scan", "sweep"]

MEASURES = ("orbit", "lyapunov", "attractor")


def sweep(
    model,
    *,
    n_steps,
    n_transient=1_000,
    measure=("orbit",),
    start=None,
    record=("attention",),
    n_rows=None,
    every=1,
    section=None,
    n_exponents=None,
    n_tangent_transient=None,
    n_history=0,
    qr_interval=1,
    together=False,
    store=None,
    resume=False,
    n_threads=None,
    block=None,
    executor=None,
    progress=True,
    **axes,
):
    """Run one network at many parameter points.

    Parameters
    ----------
    model : SelfAttention
        The network; gives every parameter that is not swept.
    n_steps, n_transient : int
        Token steps that are measured, and before them.
    measure : sequence of {"orbit", "lyapunov", "attractor"}, default=("orbit",)
        What to keep of each point; "attractor" judges after the transient what the orbit settles
        on, see `attractor`; the other steps follow from there.
    start : Start or sequence of Start, optional
        Where every point begins. Several random ones, or several features of one role, make the axis
        "start", of their seeds or indices. Default: ``Start.random(0)``.
    record : sequence of str, default=("attention",)
        Which arrays of the orbit; see `trajectory`.
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
    executor : concurrent.futures.Executor, optional
        Who does the tasks: a ``ProcessPoolExecutor`` that spawns, one of Dask, ... With a store its
        workers must see the folder; they write there. Default: this process, or the MPI ranks.
    progress : bool, default=True
        Show progress on standard error.
    beta, gamma, epsilon, n_context, seed : array_like, shape (n,), optional
        The axes; `seed` is that of the features. Arrays whose length goes with `n_context` are as long
        as its largest value needs, and end with NaN (`n_lost`: 0).

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

    Examples
    --------
    >>> import numpy as np
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = sweep(model, beta=np.linspace(0.5, 1, 3), n_steps=200, measure=["lyapunov"], progress=False)
    >>> result["exponents"].shape
    (3, 12)
    """
    plan = measured_plan(
        model,
        measure,
        n_steps=n_steps,
        n_transient=n_transient,
        record=record,
        n_rows=n_rows,
        every=every,
        section=section,
        n_exponents=n_exponents,
        n_tangent_transient=n_tangent_transient,
        n_history=n_history,
        qr_interval=qr_interval,
    )
    if not (start is None or isinstance(start, Start)):
        start, axes = family(start, axes)
    job = AttentionSweep(plan, Start.random(0) if start is None else start)
    return run(job, axes, together, store, resume, n_threads, progress, block=block, executor=executor)


def measured_plan(model, measure, *, record=("attention",), n_exponents=None, **arguments):
    """Return the plan of a sweep, without what is not measured."""
    for name in (measure := (measure,) if isinstance(measure, str) else tuple(measure)):
        if name not in MEASURES:
            raise ValueError(f"measure must name some of {MEASURES}, got {name!r}")
    if not measure:
        raise ValueError(f"measure must name some of {MEASURES}, got none")
    if "orbit" not in measure:
        record = ()
        arguments.update(n_rows=None, every=1, section=None)
    if "lyapunov" not in measure:
        n_exponents = 0
        arguments["n_history"] = 0
    return Plan(model=model, record=record, n_exponents=n_exponents, attractor="attractor" in measure, **arguments)


def family(starts, axes):
    """Return the first of some starts, and axes with that of the seeds or indices in front."""
    starts = list(starts)
    for name in ("seed", "index"):
        if all(isinstance(one, Start) and name in one.arguments for one in starts):
            kinds = {(one.kind, *(item for item in sorted(one.arguments.items()) if item[0] != name)) for one in starts}
            if len(kinds) == 1:
                return starts[0], {"start": [one.arguments[name] for one in starts], **axes}
    raise ValueError(f"start must be a Start, or several that differ in seed or index alone, got {starts!r}")


def scan(
    job,
    *,
    together=False,
    store=None,
    resume=False,
    n_threads=None,
    block=None,
    executor=None,
    progress=True,
    **axes,
):
    """Run any job at many parameter points.

    Parameters
    ----------
    job : object
        What to do at a point: `dmft.ising.ForwardScan`, `dmft.ising.PhaseDiagram`, or another object
        with the protocol that `dmft.sweeps.job` describes.
    together, store, resume, n_threads, block, executor, progress
        As for `sweep`.
    **axes : array_like, shape (n,)
        Values of the parameters to sweep, in the order of the dimensions.

    Returns
    -------
    SweepResult
        Under MPI on rank 0; None on the others.

    Raises
    ------
    ValueError
        If an axis does not exist or a value is outside its domain.
    dmft.store.StoreError
        If the folder cannot be used, or written to.

    Examples
    --------
    >>> from dmft.ising import AsymmetricSK, PhaseDiagram
    >>> result = scan(PhaseDiagram(AsymmetricSK(dJ=0.5)), beta=[0.5, 1.5], dJ=[0.1, 0.5, 0.9], progress=False)
    >>> result["m"].round(3)
    array([[0.   , 0.   , 0.   ],
           [0.85 , 0.437, 0.   ]])
    """
    return run(job, axes, together, store, resume, n_threads, progress, block=block, executor=executor)
