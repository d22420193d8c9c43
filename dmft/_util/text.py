"""Text that comes from files, the environment or a network, made fit to be printed."""

from __future__ import annotations

import os


def printable(text: object, most: int = 2_000) -> str:
    r"""Return text in one line, whatever would move, colour or clear a terminal as an escape sequence of Python.

    Parameters
    ----------
    text : object
        Its `str` is taken.
    most : int, default=2000
        Characters above which it is cut, in the middle.

    Returns
    -------
    str

    Examples
    --------
    >>> print(printable("beta\x1b[2J\nError: \u202etxet"))
    beta\x1b[2J\nError: \u202etxet
    """
    text = str(text)
    if len(text) > most:
        text = f"{text[: most - most // 2]} ... {text[-(most // 2) :]}"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def refusal(error: OSError) -> str:
    """Return what the system refused, and of which files, in one line.

    Examples
    --------
    >>> refusal(FileNotFoundError(2, "No such file or directory", "x.toml"))
    'x.toml: No such file or directory'
    """
    if error.strerror is None:
        return str(error) or type(error).__name__
    given = (name for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike))
    names = [printable(os.fsdecode(name), 200) for name in given]
    return f"{', '.join(names)}: {error.strerror}" if names else error.strerror
