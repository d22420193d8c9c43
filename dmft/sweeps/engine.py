"""Takes a job to the points of a grid: cuts, deals, keeps what comes back."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import platform
import time

import numpy as np

from .._util.checks import whole
from .._util.signals import Stopped, stoppable
from .._util.threads import n_threads as effective_threads
from ..store import Store, StoreError
from . import workers as parallel
from .grid import Grid, Task
from .progress import progress
from .results import Memory, SweepResult
from .workers import TaskError

_TASKS_A_WORKER = 8  # at least, so that nobody waits long for the last ones


def run(job, axes, together=False, store=None, resume=False, n_threads=None, shown=True, *, block=None, executor=None):
    """Do a job at every point of the axes; see `dmft.scan`."""
    parallel.check_executor(executor)
    grid = Grid.of(job, axes, together)
    comm = parallel.communicator() if executor is None else None
    if n_threads is None and (comm is not None or executor is not None):
        n_threads = 1
    threads = effective_threads(n_threads)
    n_workers = parallel.n_workers(comm, executor)
    block = block_size(job, grid.n_points, threads, n_workers) if block is None else whole("block", block, 1)
    desk = None

    def begin():
        nonlocal desk
        desk = Desk(job, grid, store, resume, block, travels=comm is not None or executor is not None)
        where = f"{n_workers or 'some'} workers of {threads} threads" if desk.travels else f"{threads} threads"
        desk.begin(where)
        return Worker(job, grid, n_threads, desk.store)

    with stoppable():
        # Rank 0 begins; all learn what came of it, so that none waits for the others.
        worker = parallel.on_root(comm, begin)
        if desk is None:
            parallel.run(worker, None, comm)
            return None
        with desk.working(shown):
            if not desk.travels:
                worker = functools.partial(worker, tick=desk.tick)
            parallel.run(worker, desk, comm, executor)
    return SweepResult(grid.axes, grid.dims, desk.kept)


def block_size(job, n_points, n_threads=1, n_workers=1):
    """Return how many points make a block.

    As many as the job likes; among several workers so few that all have several blocks, but not
    fewer than are worth a task; in one process enough for all threads.
    """
    grain = getattr(job, "grain", 1)
    if n_workers == 1:
        return max(job.block, grain * n_threads)
    share = -(-n_points // (_TASKS_A_WORKER * n_workers)) if n_workers else job.block
    return min(max(job.block, grain), -(-share // grain) * grain)


@dataclasses.dataclass(frozen=True)
class Report:
    """What is told of a block that was done; its arrays too if there is no store."""

    seconds: float
    n_failed: int
    where: str
    kept: tuple | None = None


@dataclasses.dataclass(frozen=True)
class Worker:
    """Runs blocks of one sweep, in any process: all it is told is which."""

    job: object
    grid: Grid
    n_threads: int | None
    store: Store | None

    def __call__(self, block, before=(), tick=lambda n_points: None):
        """Run a block; keep it in the store if there is one.

        Parameters
        ----------
        block : Block
        before : tuple of dict
            Arrays of the blocks it comes after; not needed with a store.
        tick : callable
            Hears of points done.

        Returns
        -------
        Report
        """
        begun = time.perf_counter()
        if self.store is not None:
            before = tuple(self.store.read(number) for number in block.after)
        index = np.asarray(block.index)
        task = Task(block.number, index, self.grid.points(index), before)
        arrays = self.job.run(task, self.n_threads, tick)
        seconds = time.perf_counter() - begun
        if self.store is not None:
            self.store.save(task, arrays, self.job, seconds)
        n_failed = int(np.count_nonzero(np.reshape(arrays["status"], (index.size, -1)).any(axis=1)))
        where = f"{platform.node()}:{os.getpid()}"
        kept = (task, arrays) if self.store is None else None
        return Report(time.perf_counter() - begun, n_failed, where, kept)


class Desk:
    """Where the blocks of a sweep are dealt from and reports come in: on rank 0, or in the one process.

    Attributes
    ----------
    tasks : list of Block
        In the order in which they should begin.
    done : set of int
        Numbers of those that are finished.
    store : Store or None
    kept : Store or Memory
        What holds the arrays.
    """

    def __init__(self, job, grid, folder, resume, block, travels):
        self.job = job
        self.travels = travels
        self.store = None
        if resume and folder is not None:
            block = Store.open(folder).manifest["block"]
        self.tasks = job.cut(grid, block) if hasattr(job, "cut") else grid.cut(job, block)
        if folder is not None:
            spec = {**job.specification(), "axes": grid.axes, "dims": grid.dims, "together": grid.together}
            make = Store.resume if resume else Store.create
            self.store = make(folder, spec, grid.n_points, block, len(self.tasks))
        self.kept = self.store or Memory(job)
        self.done = set(self.store.done()) if self.store else set()
        self.n_points = grid.n_points
        self.n_done = sum(len(task.index) for task in self.tasks if task.number in self.done)
        self.failures = {}

    def begin(self, where):
        """Write the first lines of the log."""
        made_by = self.store.made_by if self.store else {}
        self._log(
            f"{'resumed' if self.done else 'begun'}: {len(self.done)} of {len(self.tasks)} blocks are done, "
            f"{self.n_points} points in all; {where}; dmft {made_by.get('version')} {made_by.get('commit', '')[:10]}"
        )
        for change in self.store.changes if self.store else ():
            self._log(f"not as it was begun, the bits may differ: {change}")

    @contextlib.contextmanager
    def working(self, shown):
        """Show progress and write the log while the block runs; give the folder free at its end."""
        begun = time.perf_counter()
        n_left = self.n_points - self.n_done
        try:
            with progress(self.n_points, self.n_done, shown and n_left > 0) as self.tick:
                yield
            if self.failures:
                number, failure = next(iter(self.failures.items()))
                raise TaskError(
                    f"{len(self.failures)} of {len(self.tasks)} blocks failed, the others are kept; "
                    f"block {number}:\n{failure.trace}"
                )
        except BaseException as error:
            self._log(str(error) if isinstance(error, Stopped) else f"ended by {parallel.Failure.of(error).reason}")
            raise
        else:
            self._log(f"finished: {n_left} points in {time.perf_counter() - begun:.1f} s")
        finally:
            if self.store:
                self._log(f"{len(self.store.done())} of {len(self.tasks)} blocks are done")
                self.store.close()

    def arguments(self, task):
        """Return what a worker needs to know of a task."""
        return (task,) if self.store else (task, tuple(self.kept.read(number) for number in task.after))

    def keep(self, task, report):
        """Take in a block that was done."""
        if self.store is None:
            self.kept.save(*report.kept)
        else:
            self.store.fail(task.number, None)
        self.done.add(task.number)
        trouble = f", {report.n_failed} failed" if report.n_failed else ""
        self._log(f"block {task.number}: {len(task.index)} points in {report.seconds:.2f} s{trouble} ({report.where})")
        self.tick(len(task.index) if self.travels else 0, report.n_failed)  # a worker here ticks by itself

    def fail(self, task, failure):
        """Take in why a block failed: the others are done first if there is a store that keeps them."""
        self._log(f"block {task.number} failed: {failure.reason}")
        if self.store is None or failure.reason.startswith(StoreError.__name__):
            if failure.error is not None:
                raise failure.error
            raise TaskError(f"block {task.number} failed:\n{failure.trace}")
        self.store.fail(task.number, failure.trace)
        self.failures[task.number] = failure
        self.tick(0, len(task.index))

    def _log(self, line):
        if self.store:
            self.store.log(line)
