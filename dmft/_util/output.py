"""Lines for whoever started a command: what was asked for, and what is told of work that was done."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from .reporting import Reporter, SafeStream
from .text import printable

_LONG = 10_000  # characters of a line
_PATIENCE = 60.0  # seconds for whoever reads what is said to read some of it


def put(*lines: object) -> None:
    r"""Print what was asked for; what files and the environment put into it is escaped.

    Raises
    ------
    OSError
        If standard output cannot be written to.

    Examples
    --------
    >>> put("beta\x1b[2J", 3)
    beta\x1b[2J
    3
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "".join(printable(line, most=_LONG) + "\n" for line in lines)
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def say(*lines: object, err: bool = False) -> None:
    """Print lines about work that was done, which they cannot cost: they are lost where nobody can read them.

    Examples
    --------
    >>> say("12 points")
    12 points
    """
    report = Reporter()
    stream = SafeStream(sys.stderr if err else sys.stdout, report, _PATIENCE)
    for line in lines:
        stream.write(printable(line, most=_LONG) + "\n")
    stream.flush()
    for problem in () if err else report.problems:
        if getattr(problem, "errno", None) != errno.EPIPE:  # else who reads it has seen enough
            say(f"standard output: {getattr(problem, 'strerror', None) or problem}", err=True)


def fill_descriptors() -> None:
    """Open standard input, output and error where they are closed, so that no file gets their numbers.

    What a library writes to standard error would go into that file.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, flags)  # the least number that is free
