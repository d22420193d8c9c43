"""Being told to stop: SIGTERM, which a cluster sends at the end of the time, is heard like Ctrl-C."""

import contextlib
import signal
import threading


class Stopped(KeyboardInterrupt):
    """A signal told this process to stop.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number=signal.SIGINT):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = int(number)

    def __reduce__(self):
        return type(self), (self.number,)


class _Ear:
    """The handler: raises where work can be stopped, elsewhere remembers."""

    working = False
    heard = None
    told = False

    def __call__(self, number, frame):
        self.heard = number
        if self.working:
            self.tell()

    def tell(self):
        if self.heard is not None and not self.told:
            self.told = True
            raise Stopped(self.heard)


_ear = _Ear()


@contextlib.contextmanager
def stoppable():
    """Hear SIGINT and SIGTERM, once, while the block runs: `Stopped` is raised inside of :func:`work` only.

    So what must be written or told at the end is not left half-way.
    """
    if threading.current_thread() is not threading.main_thread():  # where Python hears no signals
        yield
        return
    _ear.heard, _ear.told, _ear.working = None, False, False
    before = {number: signal.signal(number, _ear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _ear.heard is not None and not _ear.told:  # too late to stop anything here
            signal.raise_signal(_ear.heard)


@contextlib.contextmanager
def work():
    """Let signals through, those too that came before, while the block runs."""
    _ear.working = True
    try:
        _ear.tell()
        yield
    finally:
        _ear.working = False
