"""Parts: sets of sites, checked where they come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._util.checks import numbers, shown, table

Sites = int | Sequence[int] | np.ndarray


def part(name: str, sites: Sites, n_sites: int, *, empty: bool = False) -> tuple[int, ...]:
    """Return the sites of a part, each once and in order, of `n_sites`.

    Parameters
    ----------
    name : str
        What the part is called in a message.
    sites : int or sequence of int
    n_sites : int
    empty : bool, default=False
        Whether a part may have no site.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If a site is not in 0 .. n_sites - 1 or appears twice, or the part is empty.

    Examples
    --------
    >>> part("X", [2, 0], 3), part("B", 1, 3)
    ((0, 2), (1,))
    """
    rule = f"be sites in 0..{n_sites - 1}, each once"
    given: Any = list(sites) if isinstance(sites, range) else sites
    array = numbers(name, given, rule=rule)
    if array.ndim > 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name} must {rule}, got {shown(sites)}")
    found = array.reshape(-1).tolist()
    if not all(0 <= i < n_sites for i in found) or len(set(found)) < len(found):
        raise ValueError(f"{name} must {rule}, got {shown(sites)}")
    if not found and not empty:
        raise ValueError(f"{name} must have at least one site, got none")
    return tuple(sorted(found))


def three_parts(X: Sites, Y: Sites, B: Sites, n_sites: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the sites of X, Y and B of an information I(X; Y | B): no two share one, and only B may have none.

    Raises
    ------
    ValueError
        If X or Y is empty, parts overlap, or a site does not exist or appears twice.

    Examples
    --------
    >>> three_parts(0, [2, 1], (), 3)
    ((0,), (1, 2), ())
    """
    x, y, b = part("X", X, n_sites), part("Y", Y, n_sites), part("B", B, n_sites, empty=True)
    disjoint("XYB", (x, y, b))
    return x, y, b


def named_parts(parts: Mapping[str, Sites], n_sites: int) -> dict[str, tuple[int, ...]]:
    """Return the sites of parts by name, no two of which share one.

    Raises
    ------
    ValueError
        If there is none, one is empty, parts overlap, or a site does not exist or appears twice.

    Examples
    --------
    >>> named_parts({"agent": 0, "world": [1, 2]}, 3)
    {'agent': (0,), 'world': (1, 2)}
    """
    given = table("parts", parts)
    if not given:
        raise ValueError("parts must be a dict of names to sites, got an empty one")
    found = {name: part(f"parts[{name!r}]", sites, n_sites) for name, sites in given.items()}
    disjoint(list(found), list(found.values()))
    return found


def disjoint(names: Sequence[str], parts: Sequence[tuple[int, ...]]) -> None:
    """Raise ValueError if two of some parts share a site.

    Examples
    --------
    >>> disjoint("XY", [(0, 1), (1, 2)])
    Traceback (most recent call last):
        ...
    ValueError: X and Y must have no site in common, got site 1 in both
    """
    owner: dict[int, str] = {}
    for name, sites in zip(names, parts, strict=True):
        for site in sites:
            if site in owner:
                raise ValueError(f"{owner[site]} and {name} must have no site in common, got site {site} in both")
            owner[site] = name
