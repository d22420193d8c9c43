"""Runs a job at the points of a grid: `scan`, the entry of every sweep."""

from __future__ import annotations

import dataclasses
import functools
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance
from .._util.memory import need_memory
from .._util.progress import hidden
from .._util.signals import stoppable
from .._util.threads import n_threads as effective_threads
from ..store import Store
from . import workers
from .agreement import agree
from .coordinator import Coordinator, Report, block_size
from .execution import Execution, Workers
from .grid import Block, Grid, Task
from .job import Job
from .results import SweepResult


def scan(
    job: Job,
    *,
    together: bool | Sequence[str] = False,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    n_threads: int | None = None,
    block: int | None = None,
    executor: Workers | None = None,
    progress: bool = True,
    **axes: ArrayLike,
) -> SweepResult | None:
    """Run any job at many parameter points.

    Parameters
    ----------
    job : Job
        What to do at a point: `dmft.ising.ForwardScan`, `dmft.ising.PhaseDiagram`, or another subclass of
        `dmft.sweeps.job.Job`.
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
    dmft.sweeps.agreement.RanksError
        Under MPI, if not all ranks make the same call (a RuntimeError).

    Examples
    --------
    >>> from dmft.ising import AsymmetricSK, PhaseDiagram
    >>> result = scan(PhaseDiagram(AsymmetricSK(dJ=0.5)), beta=[0.5, 1.5], dJ=[0.1, 0.5, 0.9], progress=False)
    >>> result["m"].round(3)
    array([[0.   , 0.   , 0.   ],
           [0.85 , 0.437, 0.   ]])
    """
    instance("job", job, Job, "a Job, such as dmft.ising.ForwardScan")
    how = Execution(store=store, resume=resume, n_threads=n_threads, block=block, executor=executor, progress=progress)
    return run(job, axes, together, how)


@own_arithmetic
def run(
    job: Job,
    axes: Mapping[str, ArrayLike],
    together: bool | Sequence[str] = False,
    how: Execution | None = None,
) -> SweepResult | None:
    """Run a job at every point of the axes; see `scan`."""
    how = Execution() if how is None else how
    grid = job.grid(axes, together)
    comm = workers.communicator() if how.executor is None else None
    if comm is not None:
        agree(comm, _asked(job, grid, how))
    remote = comm is not None or how.pool is not None
    n_threads = 1 if how.n_threads is None and remote else how.n_threads
    threads = effective_threads(n_threads)
    n_workers = workers.n_workers(comm, how.pool)
    coordinator: Coordinator | None = None

    def begin() -> Worker:
        nonlocal coordinator
        size = block_size(job, grid, threads, n_workers) if how.block is None else how.block
        n_bytes, at_once = job.block_bytes(min(size, grid.n_points)), min(size, grid.n_points)
        need_memory(f"a block of {at_once} points", n_bytes, "keep less of each (n_rows), or take fewer (block)")
        if how.store is None:
            # The blocks, and one array made of them, to be read.
            n_bytes = 16.0 * job.kept * grid.n_points
            need_memory(
                f"what is kept of {grid.n_points} points", n_bytes, "keep less (n_rows), or keep it on disk (store)"
            )
        coordinator = Coordinator(job, grid, size, how, remote)
        coordinator.begin(f"{n_workers or 'some'} workers of {threads} threads" if remote else f"{threads} threads")
        return Worker(job, grid, n_threads, coordinator.store)

    with stoppable():
        # Rank 0 begins; all are told what came of it, so that none waits for the others.
        worker = workers.on_root(comm, begin)
        if coordinator is None:
            workers.run(worker, None, comm)
            return None
        with coordinator.working(how.progress):
            work = worker if remote else functools.partial(worker, tick=coordinator.tick)
            workers.run(work, coordinator, comm, how.pool)
    return SweepResult(grid.axes, grid.dims, coordinator.kept)


def _asked(job: Job, grid: Grid, how: Execution) -> dict[str, object]:
    """Return what all ranks must be asked for alike."""
    try:
        what: object = job.specification()
    except Exception:  # only a store needs one
        what = f"{type(job).__module__}.{type(job).__qualname__}"
    folder = None if how.store is None else os.fspath(how.store)
    return {
        "job": what,
        "axes": [[list(grid.dims), grid.together], {name: np.asarray(values) for name, values in grid.axes.items()}],
        "store": folder,
        "resume": bool(how.resume),
        "block": how.block,
    }


@dataclasses.dataclass(frozen=True)
class Worker:
    """Runs blocks of one sweep, in any process: all it is told is which."""

    job: Job
    grid: Grid
    n_threads: int | None
    store: Store | None

    @own_arithmetic
    def __call__(
        self,
        block: Block,
        size: int,
        before: Sequence[Mapping[str, np.ndarray]] = (),
        tick: Callable[..., None] = lambda n_points: None,
    ) -> Report:
        """Run a block; keep it in the store if there is one.

        Parameters
        ----------
        block : Block
        size : int
            Points of a block, as the blocks were cut.
        before : sequence of dict
            Arrays of the blocks it comes after; not needed with a store.
        tick : callable
            Is called with the number of points just done.

        Returns
        -------
        Report
        """
        begun = time.perf_counter()
        if self.store is not None:
            before = [self.store.read(number) for number in block.after]
        task = Task.of(block, self.grid, before, size)
        with hidden():
            arrays = self.job.run(task, self.n_threads, tick)
        seconds = time.perf_counter() - begun
        if self.store is not None:
            self.store.save(task, arrays, self.job, seconds)
        n_failed = int(np.count_nonzero(np.reshape(arrays["status"], (task.index.size, -1)).any(axis=1)))
        where = f"{platform.node()}:{os.getpid()}"
        kept = (task, arrays) if self.store is None else None
        return Report(time.perf_counter() - begun, n_failed, where, kept)
