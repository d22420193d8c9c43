"""Deals tasks to this process or to MPI ranks. The only module that imports mpi4py.

Under ``mpiexec -n K python -m mpi4py -m dmft run ...`` rank 0 deals blocks of points and the
others compute them and write their own shards; parameters travel, results do not.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback

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


def run(work, tasks, on_result, comm=None):
    """Do every task, and hand each result to `on_result` in this process (rank 0 under MPI).

    Parameters
    ----------
    work : callable
        Of a task; picklable under MPI.
    tasks : sequence
        Picklable under MPI; counts on rank 0 only.
    on_result : callable
        Of a task and its result; on rank 0 only.
    comm : communicator or None
        What `communicator` returned.

    Raises
    ------
    TaskError
        If a task failed under MPI, on every rank; the other tasks are done first. In one process
        the exception itself comes through at once.
    """
    if comm is None:
        for task in tasks:
            on_result(task, work(task))
        return
    from mpi4py.futures import MPICommExecutor

    errors = []
    with MPICommExecutor(comm, root=0) as pool:
        if pool is not None:  # rank 0; the others serve until it leaves this block
            try:
                for task, result, error in pool.map(functools.partial(_attempt, work), tasks, unordered=True):
                    if error is None:
                        on_result(task, result)
                    else:
                        errors.append(error)
            except Exception:  # on_result itself: the other ranks must hear of it too
                errors.append(traceback.format_exc())
    errors = comm.bcast(errors, root=0)
    if errors:
        raise TaskError(f"{len(errors)} of the tasks failed; the first one:\n{errors[0]}")


def _attempt(work, task):
    """Do a task; a failure is a result too, so that it cannot cost the others."""
    try:
        return task, work(task), None
    except Exception:
        return task, None, traceback.format_exc()
