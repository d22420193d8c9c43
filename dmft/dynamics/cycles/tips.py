"""Tips of tongues, where no curve of torus points tells them: from how the width, or the torus, goes to 0."""

from __future__ import annotations

import numpy as np

from .middles import Across, Place
from .rings import apart

N_PLACES = 12  # next to the tip, which tell it
LEAST = 4
HALF = 0.05  # the power of a width is that of a whole or a half number but for this
FINE = 1e-4  # of a width: what rounding may shake of it without a loss of weight
GOOD = 0.02  # of a width: how well a power law has to fit
NEAR = 1e-6  # of the range: so near to its end a tip is there
HIDDEN = 0.2  # the same, of the stretch where rounding hides the width
SMALL = 0.2  # of its size where it is largest: a torus that shrinks to a cycle


def tip_of(across: Across, places: list[Place], n_turns: int) -> tuple[list[Place], tuple[float, float] | None]:
    r"""Return the places from the tip on, and the tip, or None if the tongue has none in the box.

    The width is a power of the distance from the tip, times what is smooth: the q-th from a rigid rotation. A torus
    that is born has the square of its size in proportion to the distance.
    """
    if len(places) < LEAST:
        return places, None
    outward = np.sign(places[-1].held - places[0].held)
    if shrunk(across, places[::-1], n_turns):
        held = np.array([each.held for each in places[:LEAST]])
        size = np.array([apart(each.curve, each.point, n_turns) for each in places[:LEAST]])
        found: float | None = _root(held, size**2)
    else:
        known = [each for each in places if each.width > 0.0][:N_PLACES]
        if len(known) < LEAST:
            return places, None
        held, width = np.array([each.held for each in known]), np.array([each.width for each in known])
        ulps = np.array([np.spacing(abs(each.point[-1])) for each in known])
        weight = 1.0 / np.hypot(1.0, 2.0 * ulps / (FINE * width))
        powers = (None, float(n_turns), (n_turns - 2) / 2.0) if n_turns > 2 else (None, float(n_turns))
        laws = (_power_law(held, np.log(width), weight, outward, power) for power in powers)
        found = next((law for law in laws if law is not None), None)
        hidden = places[0]
        if found is not None and hidden.held in across.bounds:
            hides = max(NEAR * across.spans[1], HIDDEN * abs(held[0] - hidden.held) * np.isnan(hidden.width))
            found = hidden.held if abs(found - hidden.held) < hides else found
    if found is None or not across.bounds[0] <= found <= across.bounds[1]:
        return places, None
    places = [each for each in places if (each.held - found) * outward >= 0.0]
    near = places[:LEAST]
    held = np.array([each.held for each in near])
    value = _through(held, np.array([each.point[-1] for each in near]), found)
    return places, across.values(value, found)


def shrunk(across: Across, places: list[Place], n_turns: int) -> bool:
    """Return whether places end where the torus has shrunk to a cycle."""
    if n_turns == 1 or places[-1].held in across.bounds:
        return False
    size = [apart(each.curve, each.point, n_turns) for each in places]
    return size[-1] < SMALL * max(size)


def _through(held: np.ndarray, values: np.ndarray, at: float) -> float:
    """Return the polynomial through some points at a place (Neville)."""
    table = values.copy()
    for k in range(1, len(held)):
        table = ((at - held[k:]) * table[:-1] - (at - held[:-k]) * table[1:]) / (held[:-k] - held[k:])
    return float(table[0])


def _root(held: np.ndarray, values: np.ndarray) -> float:
    """Return where something that goes to 0 linearly is 0: the inverse polynomial."""
    return _through(values, held, 0.0)


def _power_law(
    held: np.ndarray, log_width: np.ndarray, weight: np.ndarray, outward: float, power: float | None
) -> float | None:
    """Return the place from which the logarithm of the width follows a power law best; None if it does not.

    Without a power it is the whole or half number that fits, if one does. What rounding shakes has less weight.
    """
    first, reach = held[0], abs(held[-1] - held[0])

    def fitted(gap: float, power: float | None) -> tuple[float, float]:
        """Return the sum of squares that is left, and the power."""
        away = (held - first) * outward + gap
        columns = [np.ones_like(away), away, away**2][: max(2, len(held) - 2)]
        target = log_width
        if power is None:
            columns.append(np.log(away))
        else:
            target = target - power * np.log(away)
        matrix, target = weight[:, None] * np.column_stack(columns), weight * target
        solved = np.linalg.lstsq(matrix, target, rcond=None)[0]
        return float(np.sum((matrix @ solved - target) ** 2)), float(solved[-1]) if power is None else power

    def best(power: float | None) -> float:
        gaps = reach * np.geomspace(1e-6, 1e2, 161)
        for _ in range(12):
            k = int(np.argmin([fitted(gap, power)[0] for gap in gaps]))
            gaps = np.geomspace(gaps[max(k - 1, 0)], gaps[min(k + 1, len(gaps) - 1)], 17)
        return float(gaps[8])

    if power is None:
        free = fitted(best(None), None)[1]
        power = float(np.round(2.0 * free) / 2.0)
        if power < 0.5 or abs(free - power) > HALF * max(1.0, power):
            return None
    gap = best(power)
    good = fitted(gap, power)[0] < GOOD**2 * np.sum(weight**2)
    return float(first - outward * gap) if good else None
