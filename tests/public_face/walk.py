"""Try every argument of a public callable with every bad value, and say what was not refused in clear words."""

import inspect
import re
import warnings
import zlib
from collections.abc import Collection
from typing import Any

from dmft.store import StoreError

from .bad_values import ANY_ARRAY, BAD, HUGE, kind_of, shapes, variants
from .calls import CALLS, public

LONGEST = 400
PATHS = ("store", "folder", "path")
CLEAR = (ValueError, TypeError, FloatingPointError, MemoryError, StoreError)


def complaints(where: str, part: int = 1) -> list[tuple[str, str, str]]:
    """Return argument, bad value and complaint of what a callable does not refuse clearly, of one bad value in `part`.

    Which values are tried is drawn for each argument, the same ones every time.
    """
    found = []
    parameters = inspect.signature(public()[where]).parameters
    call = CALLS[where]()
    for name, valid in call.arguments.items():
        optional = {"None"} if name in parameters and parameters[name].default is None else set()
        good = shapes(valid)
        may = kind_of(valid) | (HUGE if name == "seed" else set()) | call.allow.get(name, set()) | optional | set(good)
        may |= {"text", "number as text"} if name in PATHS else set()
        tried = {bad: make() for bad, make in BAD.items()} | variants(valid) | good
        for bad, value in tried.items():
            if zlib.crc32(f"{where} {name} {bad}".encode()) % part:
                continue
            # What is wrong with a shape may be said of the array that it does not go with.
            names = {name, name.removesuffix("s"), *call.arguments} if bad in good or bad in ANY_ARRAY else {name}
            what = _try(where, name, value, names)
            if what or (what is None and bad not in may):
                found.append((name, bad, what or "taken"))
    return found


def _try(where: str, name: str, value: Any, names: Collection[str]) -> str | None:
    """Return a complaint, "" if the value is refused clearly, None if it is taken."""
    call = CALLS[where]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)  # of huge numbers
        try:
            call.function(**{**call.arguments, name: value})
        except Exception as error:
            return "" if re.search(call.says, str(error)) else _unclear(error, names)
    return None


def _unclear(error: Exception, names: Collection[str]) -> str:
    """Return what is wrong with an error about one of some arguments; "" if nothing is."""
    text = str(error)
    if type(error) not in CLEAR:
        return f"{type(error).__name__}: {text}"
    if not text.isprintable() or len(text) > LONGEST:
        return f"not one short line: {text!r}"
    if isinstance(error, MemoryError) and "would take" in text:
        return ""
    said = re.search(rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, names))})(?![A-Za-z0-9_])", text)
    if not said or " must " not in text:
        return f"does not say what {' or '.join(names)} must be: {text!r}"
    return ""
