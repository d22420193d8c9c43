"""Turn SIGINT (Ctrl-C) and SIGTERM (the end of a cluster's time) into an exception, only where work may be stopped."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Stopped(KeyboardInterrupt):
    """A signal stopped this process.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = int(number)

    def __reduce__(self) -> tuple[type[Stopped], tuple[int]]:
        return type(self), (self.number,)


class _Run(threading.local):
    """The innermost run of this thread that handles signals."""

    handler: _Handler | None = None


_run = _Run()
_AGAIN = 1.0  # seconds after which another signal is raised too: the first may have been lost in a callback


class _Handler:
    """Handler of one run: raises `Stopped` inside of :func:`work`, elsewhere keeps the signal for later.

    Attributes
    ----------
    working : bool
        Whether the run is inside of :func:`work`.
    received : int or None
        The last signal that was not raised.
    before : dict
        The handlers that this one took the place of.
    over : bool
        Whether the run has ended: what still calls it wants those.
    """

    def __init__(self) -> None:
        self.working = self.over = False
        self.received: int | None = None
        self.before: dict[int, Any] = {}
        self._raised = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.over:
            before = self.before.get(number)
            if callable(before):
                before(number, frame)
            elif before is signal.SIG_DFL:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        if time.monotonic() - self._raised < _AGAIN:  # of the same Ctrl-C: what ends the run is not disturbed
            return
        self.received = number
        if self.working:
            self.raise_received()

    def raise_received(self) -> None:
        """Raise `Stopped` for the signal received, if there is one that was not raised before."""
        if self.received is not None:
            number, self.received, self._raised = self.received, None, time.monotonic()
            raise Stopped(number)

    def install(self) -> None:
        """Take the place of the handlers, of those that may be taken the place of and can be put back.

        A signal that is ignored stays so (nohup); one that another language handles, of which Python knows nothing,
        is left to it.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if before is None or before is signal.SIG_IGN:
                continue
            self.before[number] = before
            try:
                signal.signal(number, self)
            except (ValueError, OSError):  # not the main interpreter, or not allowed
                del self.before[number]

    def put_back(self) -> None:
        """Put the handlers back, unless somebody else has changed them meanwhile."""
        self.over = True
        for number, handler in self.before.items():
            with contextlib.suppress(ValueError, OSError, TypeError):
                if signal.getsignal(number) is self:
                    signal.signal(number, handler)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Handle SIGINT and SIGTERM while the block runs: raise `Stopped`, once, and inside of :func:`work` only.

    So what is written or printed at the end is complete. A signal that came too late for :func:`work` is raised
    again after the block. Each run has a handler of its own: what other threads or runs inside do changes nothing.
    Outside of the main thread, where Python handles no signals, nothing is changed.
    """
    outer = _run.handler
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _run.handler = _Handler()
    try:
        handler.install()
        yield
    finally:
        _run.handler = outer
        handler.put_back()
        if handler.received is not None:
            signal.raise_signal(handler.received)


@contextlib.contextmanager
def work() -> Iterator[None]:
    """Let `Stopped` be raised while the block runs, at its begin for a signal that came before."""
    handler = _run.handler
    if handler is None:
        yield
        return
    before, handler.working = handler.working, True
    try:
        handler.raise_received()
        yield
    finally:
        handler.working = before
