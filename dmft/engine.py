"""Takes a job to the points of a grid: cuts, deals, keeps what comes back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from . import parallel
from .grid import Grid, Task
from .progress import progress
from .results import Memory, SweepResult
from .store import Store

__all__ = ["Worker", "run"]


@dataclasses.dataclass(frozen=True)
class Worker:
    """Runs blocks of one sweep, in any process: all it is told is which."""

    job: object
    grid: Grid
    n_threads: int | None
    store: Store | None

    def __call__(self, block, before=(), tick=lambda work: None):
        """Run a block; keep it in the store if there is one, else return it.

        Parameters
        ----------
        block : Block
        before : tuple of dict
            Arrays of the blocks it comes after; not needed with a store.
        tick : callable
            Hears of work done.
        """
        if self.store is not None:
            before = tuple(self.store.read(number) for number in block.after)
        index = np.asarray(block.index)
        task = Task(block.number, index, self.grid.points(index), before)
        arrays = self.job.run(task, self.n_threads, tick)
        if self.store is None:
            return task, arrays
        self.store.save(task, arrays, self.job)
        return None


def run(job, axes, together=False, store=None, resume=False, n_threads=None, shown=True):
    """Do a job at every point of the axes; see `dmft.scan`."""
    grid = Grid.of(job, axes, together)
    blocks = job.cut(grid, job.block) if hasattr(job, "cut") else grid.cut(job.block)
    comm = parallel.communicator()
    root = comm is None or comm.rank == 0
    opened, done = None, set()
    if store is not None:
        specification = plain({**job.specification(), "axes": grid.axes, "dims": grid.dims})
        sizes = grid.n_points, job.block, len(blocks)
        # Rank 0 opens; all learn what came of it, so that none waits for the others.
        opened = _on_root(comm, lambda: (Store.resume if resume else Store.create)(store, specification, *sizes))
        done = set(opened.done())
    if comm is not None and n_threads is None:
        n_threads = 1
    worker = Worker(job, grid, n_threads, opened)
    kept = Memory(job) if opened is None else opened
    total = sum(len(block.index) for block in blocks if block.number not in done) * job.work
    with progress(total, job.unit, shown and root and total > 0) as tick:

        def arguments(block):
            return (block,) if opened is not None else (block, tuple(kept.read(number) for number in block.after))

        def keep(block, result):
            if comm is not None:
                tick(len(block.index) * job.work)
            if opened is None:
                kept.save(*result, job)

        work = functools.partial(worker, tick=tick) if comm is None else worker
        parallel.run(work, blocks, arguments, keep, done, comm)
    return SweepResult(grid.axes, grid.dims, kept) if root else None


def _on_root(comm, make):
    """Make something on rank 0 and give it to all ranks; all raise if it fails."""
    if comm is None:
        return make()
    made = error = None
    if comm.rank == 0:
        try:
            made = make()
        except Exception as problem:
            error = problem
    made, error = comm.bcast((made, error), root=0)
    if error is not None:
        raise error
    return made


def plain(value):
    """Return a value with arrays and tuples as lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
