"""Work shared by a few threads of Python: results in order, and an end at once where it must end."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, TypeVar

from .cores import n_cores

T = TypeVar("T")
R = TypeVar("R")
_LONG = 250_000  # numbers of an array, whose linear algebra takes tenths of a second


class _Ended(BaseException):
    """Nobody waits for this work any more."""


_ended: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("ended", default=None)


def checkpoint() -> None:
    """End the work of a helper of `in_order` if nobody waits for it; long work calls this every moment."""
    ended = _ended.get()
    if ended is not None and ended.is_set():
        raise _Ended


def apart(function: Callable[..., R], *arguments: Any, **named: Any) -> R:
    """Return what one long call of a library gives; a thread of its own makes it, so that Ctrl-C ends the wait for it.

    The bits are those of the call. After Ctrl-C it runs on to its end, unheard. Short calls, and those of other threads
    than the first, which no signal reaches, are made at once.

    Parameters
    ----------
    function : callable
        Must leave the interpreter to others, as NumPy and SciPy do in linear algebra.
    *arguments, **named
        What it is given; the arrays among them tell whether it is long.

    Examples
    --------
    >>> import numpy as np
    >>> apart(np.linalg.inv, np.eye(1000))[0, 0].item()
    1.0
    """
    size = max((getattr(value, "size", 0) for value in arguments), default=0)
    if size < _LONG or threading.current_thread() is not threading.main_thread():
        return function(*arguments, **named)
    found: list[tuple[R] | BaseException] = []

    def work() -> None:
        try:
            found.append((function(*arguments, **named),))
        except BaseException as error:
            found.append(error)

    helper = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    try:
        helper.start()
    except (RuntimeError, MemoryError):  # no more to be had
        return function(*arguments, **named)
    while helper.is_alive():
        helper.join(0.2)  # signals end it on some systems alone
    one = found.pop()
    if isinstance(one, BaseException):
        raise one
    return one[0]


def in_order(function: Callable[[T], R], items: Sequence[T], n_threads: int) -> Generator[R, None, None]:
    """Yield what a function returns for every item, in order.

    The caller works too: Ctrl-C reaches it in its work, and where no more threads can be had it does all. An error is
    raised in its turn; then, or if the generator is closed, the others end at their next `checkpoint`.

    Parameters
    ----------
    function : callable
    items : sequence
    n_threads : int
        The caller among them. More than there are cores would only take memory: no more are used.

    Examples
    --------
    >>> list(in_order(lambda x: x * x, range(5), n_threads=2))
    [0, 1, 4, 9, 16]
    """
    work = _Work(function, items)
    helpers: list[threading.Thread] = []
    try:
        for _ in range(min(n_threads, n_cores(), len(items)) - 1):
            # What belongs to the caller, as NumPy's handling of errors, holds for its helpers too.
            helper = threading.Thread(target=contextvars.copy_context().run, args=(work.help,), daemon=True)
            try:
                helper.start()
            except (RuntimeError, MemoryError):  # no more to be had
                break
            helpers.append(helper)
        for i in range(len(items)):
            yield work.result(i)
    finally:
        work.ended.set()
        for helper in helpers:
            helper.join()


class _Work(Generic[T, R]):
    """Items that several threads take in turn, and what came of them."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T]) -> None:
        self.function, self.items = function, items
        self.ended = threading.Event()
        self.news = threading.Condition()
        self.taken = 0
        self.found: dict[int, tuple[R] | Exception] = {}

    def help(self) -> None:
        """Do items until none is left."""
        _ended.set(self.ended)
        try:
            while not self.ended.is_set() and self.do_next():
                pass
        except _Ended:
            pass

    def do_next(self) -> bool:
        """Do one item; return False if none is left."""
        with self.news:
            i = self.taken
            self.taken += 1
        if i >= len(self.items):
            return False
        found: tuple[R] | Exception
        try:
            found = (self.function(self.items[i]),)
        except Exception as error:
            found = error
        with self.news:
            self.found[i] = found
            self.news.notify_all()
        return True

    def result(self, i: int) -> R:
        """Return what came of an item, after work on others if it is not there yet."""
        while i not in self.found:
            if not self.do_next():
                with self.news:
                    self.news.wait_for(lambda: i in self.found)
        found = self.found.pop(i)
        if isinstance(found, Exception):
            raise found
        return found[0]
