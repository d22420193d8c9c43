"""Turn SIGINT (Ctrl-C) and SIGTERM (the end of a cluster's time) into an exception, only where work may be stopped."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


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


class _Handler:
    """Handler of both signals: raises `Stopped` once inside of :func:`work`, elsewhere keeps the signal for later.

    Attributes
    ----------
    working : bool
        Whether the process is inside of :func:`work`.
    received : int or None
        The last signal.
    raised : bool
        Whether `Stopped` was raised.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all signals."""
        self.working, self.raised = False, False
        self.received: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if self.working:
            self.raise_received()

    def raise_received(self) -> None:
        """Raise `Stopped` for the signal received, if there is one and it was not raised before."""
        if self.received is not None and not self.raised:
            self.raised = True
            raise Stopped(self.received)


_handler = _Handler()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Handle SIGINT and SIGTERM while the block runs: raise `Stopped`, once, and inside of :func:`work` only.

    So what is written or printed at the end is complete. A signal that came too late for :func:`work` is raised
    again after the block. Outside of the main thread, where Python handles no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _handler.reset()
    before = {number: signal.signal(number, _handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _handler.received is not None and not _handler.raised:
            signal.raise_signal(_handler.received)


@contextlib.contextmanager
def work() -> Iterator[None]:
    """Let `Stopped` be raised while the block runs, at its begin for a signal that came before."""
    _handler.working = True
    try:
        _handler.raise_received()
        yield
    finally:
        _handler.working = False
