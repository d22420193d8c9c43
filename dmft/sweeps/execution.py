"""How a job is run: where results go, by whom the work is done, what is shown."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import Executor
from typing import Literal, TypeAlias

from .._util.checks import flag, path, whole
from .workers import check_executor

Workers: TypeAlias = Executor | Literal["serial"]
"""Who does the tasks: an executor, or this process alone."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a job is run; no number of the result depends on it.

    Parameters
    ----------
    store : path-like, optional
        Folder for the results. It must not hold anything, unless `resume` is true. None: they are kept in memory.
    resume : bool, default=False
        Continue the run that the folder holds; refused if it was another one.
    n_threads : int or None
        OpenMP threads; of each worker under MPI and with an executor (default there: 1).
    block : int, optional
        How many points make a task, and a file of the store. Default: seconds of work, and enough tasks for all
        workers; with `resume` that of the store.
    executor : concurrent.futures.Executor or "serial", optional
        Who does the tasks; "serial": this process, even if it is one of several MPI ranks. Default: this process, or
        all MPI ranks together.
    progress : bool, default=True
        Show progress on standard error.

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> Execution(block=64, progress=False).store is None
    True
    """

    store: str | os.PathLike[str] | None = None
    resume: bool = False
    n_threads: int | None = None
    block: int | None = None
    executor: Workers | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        if self.block is not None:
            whole("block", self.block, 1)
        check_executor(self.pool)
        if self.store is not None:
            path("store", self.store)
        flag("resume", self.resume)
        flag("progress", self.progress)

    @property
    def serial(self) -> bool:
        """Whether this process does all, whatever MPI ranks there are."""
        return isinstance(self.executor, str) and self.executor == "serial"

    @property
    def pool(self) -> Executor | None:
        """The executor, if there is one."""
        return None if self.serial else self.executor  # type: ignore[return-value]
