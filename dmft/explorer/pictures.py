"""All that the explorer shows of a network: the whole of it coarse, then piece by piece fine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..attention.orbit import Orbit
from . import pieces
from .pieces import COARSE, FINE, Level
from .state import Shown
from .worker import Newer, Superseded, in_words

HURRY = 0.15  # seconds for which a coarse picture is finished although a newer value waits
Result = dict[str, Any]  # by the name of the piece: its arrays, or an error in words


class Pictures:
    """Computes for one page, and remembers the columns of the diagram it is at.

    Examples
    --------
    >>> first, *fine = Pictures()(Shown(), lambda: False)
    >>> first["label"]["name"], fine[-1].keys()
    ('cycle of period 28', dict_keys(['diagram']))
    """

    def __init__(self) -> None:
        self._key: Any = None
        self._columns: dict[Level, dict[int, Any]] = {}
        self._finest: Level | None = None  # at which the diagram was handed out

    def __call__(self, shown: Shown, newer: Newer) -> Iterator[Result]:
        """Yield results: the first has every piece, coarse; those after it one or more pieces each, fine."""
        begun = time.monotonic()

        def hurry() -> None:
            if newer() and time.monotonic() - begun > HURRY:
                raise Superseded

        def check() -> None:
            if newer():
                raise Superseded

        yield self._coarse(shown, hurry)
        check()
        yield from self._fine(shown, check)

    def _diagram(self, shown: Shown, level: Level, check: pieces.Check) -> Result:
        """Return the diagram, or nothing if it was handed out before as fine; columns are computed once."""
        key = shown.diagram_key()
        if key != self._key:
            self._key, self._columns, self._finest = key, {}, None
        if self._finest in (level, FINE):
            return {}
        known = self._columns.setdefault(level, {})
        found = tried(lambda: pieces.image(pieces.columns(shown, level, check, known), level.n_bins))
        self._finest = None if isinstance(found, str) else level
        return {"diagram": found}

    def _coarse(self, shown: Shown, check: pieces.Check) -> Result:
        """Return every piece, or those that could be had before `check` raised: a page must not stand still."""
        found: Result = {}
        with contextlib.suppress(Superseded):
            run = tried(lambda: pieces.orbit(shown, COARSE, check))
            if isinstance(run, str):
                found = dict.fromkeys(_OF_ORBIT, run)
            else:
                found = _at_once(shown, run, COARSE)
                check()
                found["exponents"] = look = tried(lambda: pieces.exponents(shown, run))
                found["label"] = look if isinstance(look, str) else pieces.first_look(run, look)
                check()
                found["sizes"] = tried(lambda: pieces.sizes(shown, run, COARSE, check))
                check()
            found |= self._diagram(shown, COARSE, check)
        return found

    def _fine(self, shown: Shown, check: pieces.Check) -> Iterator[Result]:
        run = tried(lambda: pieces.orbit(shown, FINE, check))
        if isinstance(run, str):
            yield dict.fromkeys(_OF_ORBIT, run)
        else:
            sizes = tried(lambda: pieces.sizes(shown, run, FINE, check))
            yield {**_at_once(shown, run, FINE), "sizes": sizes}
            label = tried(lambda: pieces.label(shown, run))
            if isinstance(label, str):
                yield {"doubt": label}
            else:
                yield {"label": label, "exponents": {name: label[name] for name in ("exponents", "stderr")}}
        yield self._diagram(shown, FINE, check)


_OF_ORBIT = ("time", "cloud", "spectrum", "arrow", "exponents", "label", "sizes")


def _at_once(shown: Shown, run: Orbit, level: Level) -> Result:
    """Return the pieces that are quick once there is an orbit."""
    return {
        "time": pieces.in_time(run),
        "cloud": pieces.cloud(run, 1_024 if level is COARSE else 6_000),
        "spectrum": pieces.power(run, shown.component),
        "arrow": tried(lambda: pieces.irreversibility(shown, run)),
    }


def tried(function: Callable[[], Any]) -> Any:
    """Return what a function returns, or in words the error that it raises: other pieces are shown all the same."""
    try:
        return function()
    except Superseded:
        raise
    except Exception as error:
        return in_words(error)
