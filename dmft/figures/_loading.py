"""Load matplotlib for a process that only draws."""

from __future__ import annotations

import contextlib
import importlib
import sys


def load_without_docs() -> None:
    """Load matplotlib, if it is not yet, without the tables of properties in its docstrings, a quarter of the time.

    For processes in which no one can ask for them. What cannot be loaded is left to who draws, and says why.
    """
    if "matplotlib" in sys.modules:
        return
    with contextlib.suppress(Exception):
        from matplotlib import artist

        kwdoc = artist.kwdoc
        artist.kwdoc = lambda artist: ""
        try:
            importlib.import_module("matplotlib.backends.backend_agg")
            importlib.import_module("matplotlib.figure")
        finally:
            artist.kwdoc = kwdoc
