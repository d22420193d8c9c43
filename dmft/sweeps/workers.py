"""Deals tasks to this process, to MPI ranks, or to an executor. The only module that imports mpi4py.

Under ``mpiexec -n K python -m mpi4py -m dmft run ...`` rank 0 deals blocks of points and the
others compute them and write their own shards; parameters travel, results do not.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import time
import traceback
from collections import deque
from concurrent import futures
from queue import SimpleQueue

from .._util import signals as _signals
from .._util.signals import Stopped

# How launchers tell a process the size of its job.
_LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE")
_IN_FLIGHT = 1_000  # tasks with an executor that does not say how many workers it has


class TaskError(RuntimeError):
    """Some tasks failed; the message holds the first traceback."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """What became of a task that failed.

    Attributes
    ----------
    reason : str
        The kind of the error and its message, in one line.
    trace : str
        The traceback.
    error : BaseException or None
        The error itself, where it happened in this process.
    """

    reason: str
    trace: str
    error: BaseException | None = None

    @classmethod
    def of(cls, error, here=False):
        """Return what is to be told of an error."""
        message = " ".join(str(error).split())
        trace = "".join(traceback.format_exception(error))
        return cls(f"{type(error).__name__}: {message}", trace, error if here else None)


# -- where ------------------------------------------------------------------------------------


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


def rank():
    """Return the rank of this process, 0 without MPI."""
    if "mpi4py" not in sys.modules:
        return 0
    from mpi4py import MPI

    return MPI.COMM_WORLD.rank


def mpi_library():
    """Return the name of the MPI library mpi4py would use, or why there is none."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        return f"none ({error})"
    return MPI.Get_library_version().split("\n")[0].strip("\x00")


def n_workers(comm=None, executor=None):
    """Return how many tasks are worked on at a time, None if that is not known."""
    if comm is not None:
        return comm.size - 1
    return getattr(executor, "_max_workers", None) if executor is not None else 1


def check_executor(executor):
    """Raise ValueError unless tasks can be given to an executor."""
    if executor is None:
        return
    if not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor must be a concurrent.futures.Executor, got {executor!r}")
    if isinstance(executor, futures.ProcessPoolExecutor):
        context = getattr(executor, "_mp_context", None)
        if context is not None and context.get_start_method() == "fork":
            # A process forked off one that used OpenMP hangs in its first parallel loop.
            raise ValueError(
                "executor must not fork its processes: make it with "
                "ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn'))"
            )


def on_root(comm, make):
    """Make something on rank 0 and give it to all ranks; all raise if that fails."""
    if comm is None:
        return make()
    made = error = None
    if comm.rank == 0:
        try:
            made = make()
        except Exception as problem:
            error = problem
    told, error = comm.bcast((made, error), root=0)
    if error is not None:
        _let_rank_0_go_first(comm)
        raise error
    return made if comm.rank == 0 else told


# -- dealing ----------------------------------------------------------------------------------


def run(work, desk, comm=None, executor=None):
    """Do every task; the desk, in this process (rank 0 under MPI), hears what became of each.

    Parameters
    ----------
    work : callable
        Of the arguments of a task; picklable for an executor.
    desk : object
        None on other ranks than 0. Has ``tasks``, each with a `number`, and in `after` the numbers of
        tasks that must be finished before; they begin in their order as far as that allows. ``done``,
        a set of numbers. ``arguments(task)``, called when it can begin: the arguments of `work`, a
        tuple. ``keep(task, result)``, and ``fail(task, failure)``; if one raises, no more tasks begin.
    comm : communicator or None
        What `communicator` returned; all ranks must call.
    executor : concurrent.futures.Executor or None

    Raises
    ------
    Stopped
        If a signal said so; under MPI on every rank, in whichever it came.
    TaskError
        If a process of the executor died; under MPI, on the other ranks, if rank 0 raised anything.
    """
    if comm is not None:
        _run_ranks(work, desk, comm)
    elif executor is not None:
        with _signals.work():
            size = n_workers(None, executor)
            submit = functools.partial(executor.submit, _attempt, work)
            _deal(submit, desk, 2 * size if size else _IN_FLIGHT)
    else:
        queue = Queue(desk.tasks, desk.done)
        with _signals.work():
            while (task := queue.next()) is not None:
                try:
                    result = work(*desk.arguments(task))
                except Exception as error:
                    desk.fail(task, Failure.of(error, here=True))
                else:
                    desk.keep(task, result)
                    queue.finish(task)


def _run_ranks(work, desk, comm):
    global _here
    from mpi4py.futures import MPICommExecutor

    _here = work  # what a task needs besides its arguments does not travel again with each
    error = None
    with MPICommExecutor(comm, root=0) as pool:
        if pool is not None:  # rank 0; the others serve until it leaves this block
            try:
                with _signals.work():
                    _deal(functools.partial(pool.submit, _attempt_here), desk, 2 * (comm.size - 1))
            except BaseException as problem:  # the other ranks must hear of it too
                error = problem
    told = comm.bcast(error if isinstance(error, Stopped) else error and Failure.of(error), root=0)
    if error is not None:
        raise error
    if told is not None:
        _let_rank_0_go_first(comm)
        raise told if isinstance(told, Stopped) else TaskError(f"the sweep ended on rank 0: {told.reason}")


def _let_rank_0_go_first(comm):
    """Wait a moment: an error that ends one rank ends all, and rank 0 has things to put in order."""
    if comm.rank > 0:
        time.sleep(1.0)


def _deal(submit, desk, n_in_flight):
    """Keep some tasks with an executor until all are done."""
    queue = Queue(desk.tasks, desk.done)
    running, finished = {}, SimpleQueue()
    try:
        while True:
            while len(running) < n_in_flight and (task := queue.next()) is not None:
                future = submit(*desk.arguments(task))
                running[future] = task
                future.add_done_callback(finished.put)
            if not running:
                return
            future = finished.get()
            task = running.pop(future)
            try:
                outcome = future.result()
            except futures.BrokenExecutor as error:
                raise TaskError("a process of the executor died; finished blocks are kept") from error
            if isinstance(outcome, Stopped):
                raise outcome
            if isinstance(outcome, Failure):
                desk.fail(task, outcome)
            else:
                desk.keep(task, outcome)
                queue.finish(task)
    except BaseException:
        for future in running:
            future.cancel()
        raise


class Queue:
    """Tasks in the order they may begin: each after those it needs."""

    def __init__(self, tasks, done=()):
        done = set(done)
        self._missing = {}
        self._next = {}
        self._ready = deque()
        for task in tasks:
            if task.number in done:
                continue
            missing = set(task.after) - done
            if not missing:
                self._ready.append(task)
                continue
            self._missing[task.number] = missing
            for number in missing:
                self._next.setdefault(number, []).append(task)

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
        return work(*arguments)
    except Stopped as stop:
        return stop
    except Exception as error:
        return Failure.of(error)


_here = None


def _attempt_here(*arguments):
    """Do a task of the work that this rank was given."""
    try:
        with _signals.work():
            return _attempt(_here, *arguments)
    except Stopped as stop:
        return stop
