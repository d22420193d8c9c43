"""Latest: a thread that computes for the latest value, and for no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from .._util.text import printable

T = TypeVar("T")
Newer = Callable[[], bool]


class Superseded(Exception):
    """What was being computed is wanted no more."""


class Latest(Generic[T]):
    """One computation under way at a time, always that of the latest value: there is no queue.

    Parameters
    ----------
    compute : callable
        ``compute(value, newer)`` yields results. `newer` says whether a newer value waits: a long computation asks it
        between its pieces, and raises `Superseded`.
    deliver : callable
        Takes each result, in this thread. While it waits, nothing is computed: that is how a slow reader slows us down.
    failed : callable
        Takes an exception that `compute` or `deliver` did not expect; the thread goes on.

    Examples
    --------
    >>> import threading
    >>> done = threading.Event()
    >>> squares = []
    >>> def deliver(result):
    ...     squares.append(result)
    ...     done.set()
    >>> latest = Latest(lambda value, newer: [value**2], deliver, print)
    >>> latest.submit(3)
    >>> done.wait(10), squares
    (True, [9])
    >>> latest.stop()
    """

    def __init__(
        self,
        compute: Callable[[T, Newer], Iterable[Any]],
        deliver: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._compute, self._deliver, self._failed = compute, deliver, failed
        self._changed = threading.Condition()
        self._waiting: list[T] = []  # at most one
        self._over = self._working = False
        self._thread = threading.Thread(target=self._run, name="dmft-explorer", daemon=True)
        self._thread.start()

    def submit(self, value: T) -> None:
        """Let `value` be the next to be computed, in the place of the one that waits."""
        with self._changed:
            self._waiting = [value]
            self._changed.notify()

    def newer(self) -> bool:
        """Return whether what is computed now is wanted no more."""
        return bool(self._waiting) or self._over

    def stop(self, timeout: float | None = None) -> None:
        """End the thread, after the piece it is at; wait for it so many seconds."""
        with self._changed:
            self._over = True
            self._changed.notify()
        if timeout is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    @property
    def busy(self) -> bool:
        """Whether a value waits or is computed."""
        with self._changed:
            return bool(self._waiting) or self._working

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._over)
                if self._over:
                    return
                value = self._waiting.pop()
                self._working = True
            try:
                for result in self._compute(value, self.newer):
                    self._deliver(result)
                    if self.newer():
                        break
            except Superseded:
                pass
            except Exception as error:  # the session lives on, whatever went wrong
                self._failed(error)
            finally:
                self._working = False


def in_words(error: BaseException) -> str:
    """Return an error as a line for a page.

    Examples
    --------
    >>> in_words(ValueError("beta must be >= 0, got -1")), in_words(KeyError("x"))
    ('beta must be >= 0, got -1', "KeyError: 'x'")
    """
    told = isinstance(error, ValueError | FloatingPointError | MemoryError | ImportError) and str(error)
    return printable(told or f"{type(error).__name__}: {error}", 400)
