"""What only reports on work never costs it: errors of reporting are kept, and raised nowhere."""

from __future__ import annotations

import contextlib
import io
import logging
import select
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

_KEPT = 10  # errors
_unheard = threading.local()  # .depth: how many blocks of `unheard` this thread is in
_PIECE = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe takes at once if it takes any


class Reporter:
    """Runs what reports, and remembers what went wrong.

    Attributes
    ----------
    problems : list of Exception
        The first of them.
    n_problems : int
        How many there were.

    Examples
    --------
    >>> report = Reporter()
    >>> report(int, "seven")
    >>> report.problems
    [ValueError("invalid literal for int() with base 10: 'seven'")]
    """

    def __init__(self) -> None:
        self.problems: list[Exception] = []
        self.n_problems = 0

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns, None if it fails."""
        with self.safely():
            return function(*arguments)

    @contextlib.contextmanager
    def safely(self) -> Iterator[None]:
        """End the block quietly at an error in it; Ctrl-C is none."""
        try:
            yield
        except Exception as error:
            if len(self.problems) < _KEPT:
                self.problems.append(error)
            self.n_problems += 1


class SafeStream:
    """A stream for reports: closed, full, broken, never read, replaced by anything or absent, it never fails.

    After the first failure nothing more is written.

    Parameters
    ----------
    stream : file or None
        What should be written to.
    report : Reporter
        Remembers what went wrong.
    patience : float, default=0
        Seconds to wait for a reader that has not read; what is written while it has not is lost.
    """

    def __init__(self, stream: Any, report: Reporter, patience: float = 0.0) -> None:
        self._stream, self._report, self._patience = stream, report, patience
        self._is_open = stream is not None
        self._raw = self._report(self._raw_of, stream) if self._is_open else None
        self.encoding = self._report(getattr, stream, "encoding", None) or "utf-8"

    @staticmethod
    def _raw_of(stream: Any) -> io.FileIO | None:
        """Return the file itself of an ordinary stream: what fails to leave a buffer fails again when Python ends."""
        buffer = stream.buffer if isinstance(stream, io.TextIOWrapper) else None
        raw = buffer.raw if isinstance(buffer, io.BufferedWriter) else buffer
        return raw if isinstance(raw, io.FileIO) else None

    def isatty(self) -> bool:
        """Return whether this is a terminal."""
        return bool(self._is_open and self._report(lambda: hasattr(self._stream, "isatty") and self._stream.isatty()))

    def fileno(self) -> int:
        """Return the number of the file, for the width of a terminal."""
        return int(self._stream.fileno())

    def write(self, text: str) -> int:
        """Write, until that fails."""
        before = self._report.n_problems
        if self._is_open:
            self._report(self._write, text)
            self._is_open = self._report.n_problems == before
        return len(text)

    def _write(self, text: str) -> None:
        if self._raw is None:
            self._stream.write(text)
            return
        self._stream.flush()
        data = text.encode(self.encoding, "backslashreplace")
        while data and _takes(self._raw, self._patience):
            written = self._raw.write(data[:_PIECE])
            if not written:
                break
            data = data[written:]
        if data and self._patience:
            raise TimeoutError("nobody reads it")

    def flush(self) -> None:
        """Write what the stream still holds."""
        if self._is_open and self._raw is None:
            before = self._report.n_problems
            self._report(lambda: hasattr(self._stream, "flush") and self._stream.flush())
            self._is_open = self._report.n_problems == before


def tell(message: str, stacklevel: int = 1) -> None:
    """Warn of what was found (RuntimeWarning): on standard error where a host makes an error of that.

    Examples
    --------
    >>> import contextlib, sys, warnings
    >>> with warnings.catch_warnings(), contextlib.redirect_stderr(sys.stdout):
    ...     warnings.simplefilter("error")
    ...     tell("exponents are averages")
    RuntimeWarning: exponents are averages
    """
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel + 1)
    except Exception:  # of the filters of a host, of what it shows warnings with
        SafeStream(sys.stderr, Reporter()).write(f"RuntimeWarning: {message}\n")


@contextlib.contextmanager
def unheard(*loggers: str) -> Iterator[None]:
    """Keep what these loggers of a library say in the block from the handlers of a host, which may fail.

    Examples
    --------
    >>> with unheard("h5py._conv"):
    ...     logging.getLogger("h5py._conv").error("never seen")
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_is_heard)  # once: the logger knows those it has
    _unheard.depth = getattr(_unheard, "depth", 0) + 1
    try:
        yield
    finally:
        _unheard.depth -= 1


def _is_heard(record: logging.LogRecord) -> bool:
    return not getattr(_unheard, "depth", 0)


def _takes(file: io.FileIO, seconds: float) -> bool:
    """Say whether a file can be written to without waiting longer than so: a pipe is full until it is read."""
    if not hasattr(select, "poll"):
        return True
    ready = select.poll()
    ready.register(file, select.POLLOUT)
    return bool(ready.poll(1_000 * seconds))
