"""Deals tasks to this process or to MPI ranks. The only module that imports mpi4py.

Under ``mpiexec -n K python -m mpi4py -m dmft run ...`` rank 0 deals blocks of points and the
others compute them and write their own shards; parameters travel, results do not.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections import deque
from queue import SimpleQueue

# How launchers tell a process the size of its job.
_LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE")


class TaskError(RuntimeError):
    """Some tasks failed; the message holds the first traceback."""


def communicator():
    """Return the MPI world if this process is one of several ranks, else None.

    Raises
    ------
    RuntimeError
        If an MPI launcher started several processes but not through ``-m mpi4py``, which alone
        ends all of them when one fails.
    """
    if "mpi4py" in sys.modules:
        from mpi4py import MPI

        return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None
    sizes = [os.environ.get(name, "1") for name in _LAUNCHERS]
    if any(size.isdigit() and int(size) > 1 for size in sizes):
        raise RuntimeError("several processes were started by MPI; run them as: python -m mpi4py -m dmft run ...")
    return None


def mpi_library():
    """Return the name of the MPI library mpi4py would use, or why there is none."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        return f"none ({error})"
    return MPI.Get_library_version().split("\n")[0].strip("\x00")


def run(work, tasks, arguments, on_result, done=(), comm=None):
    """Do every task, and hand each result to `on_result` in this process (rank 0 under MPI).

    Parameters
    ----------
    work : callable
        Of the arguments of a task; picklable under MPI.
    tasks : sequence
        With a `number`, and in `after` the numbers of tasks that must be finished before. Begun in
        this order as far as that allows. Counts on rank 0 only.
    arguments : callable
        Of a task that can begin: the arguments of `work`, a tuple, picklable under MPI. On rank 0 only.
    on_result : callable
        Of a task and its result; on rank 0 only.
    done : set of int
        Numbers of tasks that are finished already.
    comm : communicator or None
        What `communicator` returned.

    Raises
    ------
    TaskError
        If a task failed under MPI, on every rank; the tasks that do not come after it are done
        first. In one process the exception itself comes through at once.
    """
    queue = Queue(tasks, done)
    if comm is None:
        while (task := queue.next()) is not None:
            on_result(task, work(*arguments(task)))
            queue.finish(task)
        return
    from mpi4py.futures import MPICommExecutor

    errors = []
    with MPICommExecutor(comm, root=0) as pool:
        if pool is not None:  # rank 0; the others serve until it leaves this block
            try:
                errors = _deal(pool, work, queue, arguments, on_result, n_running=2 * (comm.size - 1))
            except Exception:  # on_result itself: the other ranks must hear of it too
                errors = [traceback.format_exc()]
    errors = comm.bcast(errors, root=0)
    if errors:
        raise TaskError(f"{len(errors)} of the tasks failed; the first one:\n{errors[0]}")


def _deal(pool, work, queue, arguments, on_result, n_running):
    """Keep at most so many tasks with an executor until the queue is empty; return what failed."""
    errors, running, finished = [], {}, SimpleQueue()
    while True:
        while len(running) < n_running and (task := queue.next()) is not None:
            future = pool.submit(_attempt, work, *arguments(task))
            running[future] = task
            future.add_done_callback(finished.put)
        if not running:
            return errors
        future = finished.get()
        task = running.pop(future)
        result, error = future.result()
        if error is None:
            on_result(task, result)
            queue.finish(task)
        else:
            errors.append(error)


class Queue:
    """Tasks in the order they may begin: each after those it needs."""

    def __init__(self, tasks, done=()):
        done = set(done)
        self._missing = {}
        self._next = {}
        ready = []
        for task in tasks:
            if task.number in done:
                continue
            missing = set(task.after) - done
            if not missing:
                ready.append(task)
                continue
            self._missing[task.number] = missing
            for number in missing:
                self._next.setdefault(number, []).append(task)
        self._ready = deque(ready)

    def next(self):
        """Return a task that can begin, None if there is none now."""
        return self._ready.popleft() if self._ready else None

    def finish(self, task):
        """Let begin what waited for this task alone."""
        for follower in self._next.pop(task.number, ()):
            missing = self._missing[follower.number]
            missing.discard(task.number)
            if not missing:
                self._ready.append(follower)


def _attempt(work, *arguments):
    """Do a task; a failure is a result too, so that it cannot cost the others."""
    try:
        return work(*arguments), None
    except Exception:
        return None, traceback.format_exc()
