"""The instruction set in use: one choice for all compiled modules.

The environment variable ``DMFT_SIMD`` names it when the package is imported; else it is the best this machine runs.
Results never depend on it.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Mapping

_modules: list[tuple[Mapping[str, int], Callable[[int], None]]] = []
_active: str | None = None


def register(sets: Mapping[str, int], select: Callable[[int], None]) -> None:
    """Register a compiled module's instruction sets, best first, and how to select one.

    Parameters
    ----------
    sets : mapping of str to int
        Number of each set that this machine runs, by name.
    select : callable
        Selects the set of a number.

    Raises
    ------
    ValueError
        If ``DMFT_SIMD`` names none of them.
    """
    global _active
    name = _active or os.environ.get("DMFT_SIMD") or next(iter(sets))
    if name not in sets:
        message = f"DMFT_SIMD must be one of {', '.join(sets)} on this machine, got {name!r}"
        if _commanded():  # the command line itself is not there yet to make a line of an error
            print(f"Error: {message}", file=sys.stderr)
            raise SystemExit(2)
        raise ValueError(message)
    _modules.append((sets, select))
    select(sets[name])
    _active = name


def _commanded() -> bool:
    """Return whether this process is the command ``dmft`` or ``python -m dmft``."""
    script = os.path.splitext(os.path.basename(sys.argv[0]))[0] if sys.argv else ""
    return script == "dmft" or ("-m", "dmft") in itertools.pairwise(sys.orig_argv)


def simd_paths() -> list[str]:
    """Return the names of the instruction sets this machine runs, best first."""
    return list(_modules[0][0])


def simd_path(name: str | None = None) -> str | None:
    """Return the instruction set in use; with a name, select that one first.

    Raises
    ------
    ValueError
        If the machine does not run it.

    Examples
    --------
    >>> import dmft
    >>> simd_path() in simd_paths()
    True
    """
    global _active
    if name is not None:
        if name not in simd_paths():
            raise ValueError(f"name must be one of {', '.join(simd_paths())} on this machine, got {name!r}")
        for sets, select in _modules:
            select(sets[name])
        _active = name
    return _active
