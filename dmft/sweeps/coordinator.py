"""Deals the blocks of a sweep, and keeps what comes back: on rank 0 under MPI, else in the one process."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .._util.progress import progress
from .._util.reporting import Reporter
from .._util.signals import Stopped
from ..store import Store, StoreError
from .execution import Execution
from .grid import Block, Grid, Task
from .job import Arrays, Job
from .results import Memory
from .workers import Failure, TaskError


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What is told of a block that was done; its arrays too if there is no store.

    Attributes
    ----------
    seconds : float
    n_failed : int
        Points that came to no end.
    where : str
        Host and process.
    kept : (Task, dict) or None
    """

    seconds: float
    n_failed: int
    where: str
    kept: tuple[Task, Arrays] | None = None


class Coordinator:
    """Gives out the blocks of a sweep and takes in reports of them.

    Parameters
    ----------
    job : Job
    grid : Grid
    block : int
        Points of a block; that of the store if it is resumed.
    how : Execution
    remote : bool
        Whether workers are other processes.

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

    def __init__(self, job: Job, grid: Grid, block: int, how: Execution, remote: bool) -> None:
        self.job, self.grid, self.remote, self.size = job, grid, remote, block
        self.store: Store | None = None
        # A run that was killed before it wrote its manifest left nothing to resume, and begins.
        resume = how.store is not None and how.resume and not Store.is_blank(how.store)
        if resume and how.store is not None:
            self.size = Store.block_of(how.store)
        self.tasks = job.cut(grid, self.size)
        if how.store is not None:
            spec = {**job.specification(), "axes": grid.axes, "dims": grid.dims, "together": grid.together}
            open_store = Store.resume if resume else Store.create
            n_blocks = None if job.growing else len(self.tasks)
            self.store = open_store(how.store, spec, grid.n_points, self.size, n_blocks)
        self.kept: Store | Memory = self.store or Memory(job)
        self.failures: dict[int, Failure] = {}
        self.report = Reporter()
        self.tick: Any = lambda n_points=0, n_failed=0: None
        try:
            self.done = set(self.store.done()) if self.store else set()
            self._refuse_other_points(self.tasks)
            while self.done >= {task.number for task in self.tasks} and self.more():
                pass
        except BaseException:
            if self.store:
                self.store.close()
            raise

    @property
    def n_done(self) -> int:
        """How many points are done."""
        return sum(len(task.index) for task in self.tasks if task.number in self.done)

    def begin(self, where: str) -> None:
        """Write the first lines of the log."""
        if self.store is None:
            return
        made_by = self.store.made_by or {}
        n_blocks = "" if self.job.growing else f" of {len(self.tasks)}"
        program = f"dmft {made_by.get('version')} {made_by.get('commit', '')[:10]}"
        self._log(
            f"{'resumed' if self.done else 'begun'}: {len(self.done)}{n_blocks} blocks are done, "
            f"{self.grid.n_points} points in all; {where}; {program}"
        )
        for change in self.store.changes:
            self._log(f"not as it was begun, the bits may differ: {change}")

    @contextlib.contextmanager
    def working(self, shown: bool) -> Iterator[None]:
        """Show progress and write the log while the block runs; release the folder at its end."""
        begun = time.perf_counter()
        n_left = self.grid.n_points - self.n_done
        try:
            with progress(self.grid.n_points, self.n_done, shown and n_left > 0, report=self.report) as self.tick:
                yield
            if self.failures:
                number, failure = next(iter(self.failures.items()))
                raise TaskError(
                    f"{len(self.failures)} of {len(self.tasks)} blocks failed, the others are kept; "
                    f"block {number}:\n{failure.trace}"
                )
        except BaseException as error:
            self._log(str(error) if isinstance(error, Stopped) else f"ended by {Failure.of(error).reason}")
            raise
        else:
            self._log(f"finished: {n_left} points in {time.perf_counter() - begun:.1f} s")
        finally:
            if self.store:
                if self.report.problems:
                    self._log(f"not all could be shown: {Failure.of(self.report.problems[0]).reason}")
                with self.report.safely():
                    self._log(f"{len(self.store.done())} of {len(self.tasks)} blocks are done")
                self.store.close()

    def arguments(self, task: Block) -> tuple[Any, ...]:
        """Return what a worker needs to know of a block."""
        if self.store:
            return (task, self.size)
        return task, self.size, tuple(self.kept.read(number) for number in task.after)

    def more(self) -> Sequence[Block]:
        """Return the blocks to do next, when all others are done; those whose arrays are known are kept at once."""
        if self.failures:
            return ()
        found = self.job.more(self.grid, self.size, self.tasks, self.kept)
        self._refuse_other_points(found)
        self.tasks.extend(found)
        if not found:
            self._set_aside(self.done - {task.number for task in self.tasks}, "is of no block of this sweep")
        for block in found:
            if block.arrays is not None and block.number not in self.done:
                self._save(block, block.arrays)
        return found

    def keep(self, task: Block, report: Report) -> None:
        """Take in a block that was done."""
        if self.store is None:
            assert report.kept is not None
            self.kept.save(*report.kept, self.job)
        else:
            self.store.fail(task.number, None)
        self.done.add(task.number)
        trouble = f", {report.n_failed} failed" if report.n_failed else ""
        self._log(f"block {task.number}: {len(task.index)} points in {report.seconds:.2f} s{trouble} ({report.where})")
        self.tick(len(task.index) if self.remote else 0, report.n_failed)  # a worker here ticks by itself

    def fail(self, task: Block, failure: Failure) -> None:
        """Take in why a block failed: the others are done first if there is a store that keeps them."""
        self._log(f"block {task.number} failed: {failure.reason}")
        if self.store is None or failure.reason.startswith(StoreError.__name__):
            if failure.error is not None:
                raise failure.error
            raise TaskError(f"block {task.number} failed:\n{failure.trace}")
        self.store.fail(task.number, failure.trace)
        self.failures[task.number] = failure
        self.tick(0, len(task.index))

    def _refuse_other_points(self, blocks: Sequence[Block]) -> None:
        """Set the shards of these blocks aside that hold other points, and in a growing job all that came after."""
        if self.store is None:
            return
        other = {
            block.number
            for block in blocks
            if block.number in self.done and not np.array_equal(self.store.index(block.number), np.asarray(block.index))
        }
        if other and self.job.growing:
            other |= {number for number in self.done if number > min(other)}
        self._set_aside(other, "holds other points")

    def _set_aside(self, numbers: Collection[int], reason: str) -> None:
        if self.store:
            for number in sorted(numbers):
                self.store.set_aside(number, reason)
                self.done.discard(number)

    def _save(self, block: Block, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a block that needed no work."""
        self.kept.save(Task.of(block, self.grid, (), self.size), arrays, self.job)
        self.done.add(block.number)
        self._log(f"block {block.number}: {len(block.index)} points filled in")
        self.tick(len(block.index))

    def _log(self, line: str) -> None:
        if self.store:
            self.report(self.store.log, line)


def block_size(job: Job, grid: Grid, n_threads: int = 1, n_workers: int | None = 1) -> int:
    """Return how many points make a block.

    As many as the job asks for; among several workers so few that all have several blocks, but not
    fewer than are worth a task; in one process enough for all threads.
    """
    if n_workers == 1:
        return max(job.block, job.grain * n_threads)
    n_points = sum(len(block.index) for block in job.cut(grid, grid.n_points)) if job.growing else grid.n_points
    share = math.ceil(n_points / (_TASKS_A_WORKER * n_workers)) if n_workers else job.block
    return min(max(job.block, job.grain), -(-share // job.grain) * job.grain)


_TASKS_A_WORKER = 8  # at least, so that no worker waits long for the last ones
