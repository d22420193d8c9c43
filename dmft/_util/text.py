"""Text that comes from files, the environment or a network, made fit to be printed."""

from __future__ import annotations


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
