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
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent import futures
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from .._util.checks import shown
from .._util.signals import Stopped
from .._util.signals import work as interruptible
from .grid import Block

T = TypeVar("T")

# How launchers tell a process the size of its job.
_LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE")
_IN_FLIGHT = 1_000  # tasks with an executor that does not say how many workers it has


class LaunchError(RuntimeError):
    """The processes were started in a way in which an error of one would not end the others."""


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
    def of(cls, error: BaseException, here: bool = False) -> Failure:
        """Return what is to be told of an error."""
        try:
            message = " ".join(str(error).split())
        except Exception:  # it cannot even say what it is
            message = "no message"
        trace = "".join(traceback.format_exception(error))
        return cls(f"{type(error).__name__}: {message}", trace, error if here else None)


class Dealer(Protocol):
    """Gives out tasks in the process that calls `run` (on rank 0 under MPI), and takes in results; see `Coordinator`.

    Attributes
    ----------
    tasks : list of Block
        They begin in this order, each after those that its `after` names.
    done : set of int
        Numbers of the tasks that are finished already.
    """

    tasks: list[Block]
    done: set[int]

    def arguments(self, task: Block) -> tuple[Any, ...]:
        """Return the arguments with which a task is done; called when it can begin."""

    def keep(self, task: Block, report: Any) -> None:
        """Take in the result of a task; if this raises, no more tasks begin."""

    def fail(self, task: Block, failure: Failure) -> None:
        """Take in why a task failed; if this raises, no more tasks begin."""

    def more(self) -> Sequence[Block]:
        """Return further tasks when all others are finished; none at the end."""


# -- where ------------------------------------------------------------------------------------


def communicator() -> Any:
    """Return the MPI world if this process is one of several ranks, else None.

    Raises
    ------
    LaunchError
        If an MPI launcher started several processes but not through ``-m mpi4py``, which alone
        ends all of them when one fails.
    """
    if "mpi4py" in sys.modules:
        from mpi4py import MPI

        return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None
    sizes = [os.environ.get(name, "1") for name in _LAUNCHERS]
    if any(size.isdigit() and int(size) > 1 for size in sizes):
        raise LaunchError("several processes were started by MPI; run them as: python -m mpi4py -m dmft run ...")
    return None


def rank() -> int:
    """Return the rank of this process, 0 without MPI."""
    if "mpi4py" not in sys.modules:
        return 0
    from mpi4py import MPI

    return MPI.COMM_WORLD.rank


def mpi_library() -> str:
    """Return the name of the MPI library mpi4py would use, or why there is none."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        return f"none ({error})"
    return " ".join(MPI.Get_library_version().split("\n")[0].strip("\x00").split())


def n_workers(comm: Any = None, executor: futures.Executor | None = None) -> int | None:
    """Return how many tasks are worked on at a time, None if that is not known."""
    if comm is not None:
        return comm.size - 1
    return getattr(executor, "_max_workers", None) if executor is not None else 1


def check_executor(executor: futures.Executor | None) -> None:
    """Raise ValueError unless tasks can be given to an executor."""
    if executor is None:
        return
    if not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor must be a concurrent.futures.Executor or 'serial', got {shown(executor)}")
    if isinstance(executor, futures.ProcessPoolExecutor):
        context = getattr(executor, "_mp_context", None)
        if context is not None and context.get_start_method() == "fork":
            # A process forked off one that used OpenMP hangs in its first parallel loop.
            raise ValueError(
                "executor must not fork its processes: make it with "
                "ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn'))"
            )


def on_root(comm: Any, begin: Callable[[], T]) -> T:
    """Call a function on rank 0 and return what it returns on all ranks; all raise if it fails."""
    if comm is None:
        return begin()
    value: Any = None
    error: Exception | None = None
    if comm.rank == 0:
        try:
            value = begin()
        except Exception as problem:
            error = problem
    received, error = comm.bcast((value, error), root=0)
    if error is not None:
        _let_rank_0_go_first(comm)
        raise error
    return value if comm.rank == 0 else received


# -- dealing ----------------------------------------------------------------------------------


def run(
    work: Callable[..., Any], dealer: Dealer | None, comm: Any = None, executor: futures.Executor | None = None
) -> None:
    """Do every task of a dealer, here, on MPI ranks or through an executor.

    Parameters
    ----------
    work : callable
        Of the arguments of a task; picklable for an executor.
    dealer : Dealer or None
        None on other ranks than 0.
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
        _run_ranks(work, dealer, comm)
        return
    assert dealer is not None
    with interruptible():
        if executor is not None:
            size = n_workers(None, executor)
            _deal(functools.partial(executor.submit, _attempt, work), dealer, 2 * size if size else _IN_FLIGHT)
        else:
            _run_here(work, dealer)


def _run_here(work: Callable[..., Any], dealer: Dealer) -> None:
    """Do the tasks one after the other in this process."""
    queue = Queue(dealer.tasks, dealer.done)
    while True:
        while (task := queue.next()) is not None:
            try:
                result = work(*dealer.arguments(task))
            except Exception as error:
                dealer.fail(task, Failure.of(error, here=True))
            else:
                dealer.keep(task, result)
                queue.finish(task)
        if not (more := dealer.more()):
            return
        queue.add(more, dealer.done)


def _run_ranks(work: Callable[..., Any], dealer: Dealer | None, comm: Any) -> None:
    global _here
    from mpi4py.futures import MPICommExecutor

    _here = work  # what a task needs besides its arguments does not travel again with each
    error: BaseException | None = None
    pool: Any
    with MPICommExecutor(comm, root=0) as pool:
        if pool is not None:  # rank 0; the others serve until it leaves this block
            assert dealer is not None
            try:
                with interruptible():
                    _deal(functools.partial(pool.submit, _attempt_here), dealer, 2 * (comm.size - 1))
            except BaseException as problem:  # the other ranks must hear of it too
                error = problem
    told = comm.bcast(error if isinstance(error, Stopped) else error and Failure.of(error), root=0)
    if error is not None:
        raise error
    if told is not None:
        _let_rank_0_go_first(comm)
        raise told if isinstance(told, Stopped) else TaskError(f"the sweep ended on rank 0: {told.reason}")


def _let_rank_0_go_first(comm: Any) -> None:
    """Wait a moment: an error that ends one rank ends all, and rank 0 has things to put in order."""
    if comm.rank > 0:
        time.sleep(1.0)


def _deal(submit: Callable[..., futures.Future[Any]], dealer: Dealer, n_in_flight: int) -> None:
    """Keep some tasks with an executor until all are done."""
    queue = Queue(dealer.tasks, dealer.done)
    running: dict[futures.Future[Any], Block] = {}
    finished: SimpleQueue[futures.Future[Any]] = SimpleQueue()
    died: futures.BrokenExecutor | None = None  # then nothing more is given to it, but what it has finished is kept
    try:
        while True:
            while died is None and len(running) < n_in_flight and (task := queue.next()) is not None:
                try:
                    future = submit(*dealer.arguments(task))
                except futures.BrokenExecutor as error:
                    died = error
                    break
                running[future] = task
                future.add_done_callback(finished.put)
            if not running:
                if died is not None:
                    raise TaskError("a process of the executor died; finished blocks are kept") from died
                if not (more := dealer.more()):
                    return
                queue.add(more, dealer.done)
                continue
            future = finished.get()
            task = running.pop(future)
            try:
                outcome = future.result()
            except futures.BrokenExecutor as error:
                died = error
                continue
            if isinstance(outcome, Stopped):
                raise outcome
            if isinstance(outcome, Failure):
                dealer.fail(task, outcome)
            else:
                dealer.keep(task, outcome)
                queue.finish(task)
    except BaseException:
        for future in running:
            future.cancel()
        raise


class Queue:
    """Tasks in the order they may begin: each after those it needs.

    Parameters
    ----------
    tasks : iterable of Block
    done : collection of int
        Numbers of those that are finished.
    """

    def __init__(self, tasks: Iterable[Block], done: Collection[int] = ()) -> None:
        self._missing: dict[int, set[int]] = {}
        self._next: dict[int, list[Block]] = {}
        self._ready: deque[Block] = deque()
        self.add(tasks, done)

    def add(self, tasks: Iterable[Block], done: Collection[int]) -> None:
        """Add tasks, but for those that are done."""
        done = set(done)
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

    def next(self) -> Block | None:
        """Return a task that can begin, None if there is none now."""
        return self._ready.popleft() if self._ready else None

    def finish(self, task: Block) -> None:
        """Make ready what waited for this task alone."""
        for follower in self._next.pop(task.number, ()):
            missing = self._missing[follower.number]
            missing.discard(task.number)
            if not missing:
                self._ready.append(follower)


def _attempt(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do a task; a failure is a result too, so that it cannot cost the others."""
    try:
        return work(*arguments)
    except Stopped as stop:
        return stop
    except Exception as error:
        return Failure.of(error)


_here: Callable[..., Any] | None = None


def _attempt_here(*arguments: Any) -> Any:
    """Do a task of the work that this rank was given."""
    try:
        with interruptible():
            assert _here is not None
            return _attempt(_here, *arguments)
    except Stopped as stop:
        return stop
