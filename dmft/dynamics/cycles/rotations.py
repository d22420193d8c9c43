"""Cycles on a torus by its rotation number: where that is p / q along a parameter, there is a tongue, however thin."""

from __future__ import annotations

import numpy as np

from ..recurrence import on_an_arc, strongest_line
from ..series import weighted_average
from .middles import Across, Place

N_VALUES = 33  # of the parameter, where the rotation number is looked at first
N_PARTS = 9  # of a stretch where it passes p / q, looked at next
MOST_PARTS = 6  # times
JUMP = 0.25  # turns from value to value: more is no passage, but the other side of the circle
ROUGH = 0.01  # turns: a number that differs by more from half to half of an orbit is none
LOCKED = 1e-9  # turns: nearer to p / q than that, a rotation number is p / q


def passages(
    across: Across,
    window: np.ndarray,
    values: tuple[float, float],
    rotation: tuple[int, int],
    turn: int,
    *,
    n_transient: int,
    n_search: int,
) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Return a cycle of q turns, with its parameters, for each tongue of p / q along the range across.

    Parameters
    ----------
    across : Across
    window : ndarray, shape (n_context, n_features)
        Where orbits begin, at phase 0.
    values : (float, float)
        The parameters; the one across moves in its range.
    rotation : (int, int)
        p and q.
    turn : int
        Steps from sample to sample of the orbits.
    n_transient, n_search : int
        Steps that are run before, and looked at.
    """
    p, q = rotation
    held = values[1 - across.across]
    system = across.plane.maps(*values)[across.across]
    if window.size < 2:
        raise ValueError(f"origin must have orbits in two dimensions or more, got {window.size}")
    n_transient, n_search = -(-n_transient // turn) * turn, max(-(-n_search // turn), 4 * q + 32) * turn
    axes: np.ndarray | None = None

    def off(many: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far the rotation numbers at some values are from p / q, for both ways of turning; the orbits."""
        nonlocal axes
        windows = np.broadcast_to(window, (len(many), *window.shape))
        run = system.at(many).run(windows, n_transient + n_search)
        run = run[:, n_transient:] if n_transient else run
        states = np.stack([_states(each, turn, window.shape[0]) for each in run])
        if axes is None:
            axes = _plane(states)
        numbers = np.array([_rotation(each @ axes) for each in states])
        apart = np.stack([numbers - way * p / q for way in (1.0, -1.0)])
        apart = (apart + 0.5) % 1.0 - 0.5
        apart[np.abs(apart) < LOCKED] = 0.0
        return apart, run

    def tongue(value: float, run: np.ndarray) -> Place | None:
        """Return the cycle of q turns near an orbit, if it goes round p times."""
        orbit = run[-q * turn :]
        place = across.place(np.append(orbit.ravel(), value), orbit.shape, held, q)
        return place if place is not None and (place.ring.shift * p - 1) * (place.ring.shift * p + 1) % q == 0 else None

    first = np.linspace(*across.box[across.across], N_VALUES)
    apart, run = off(first)
    found: list[Place] = []
    for side in (0, 1) if 2 * p != q and p else (0,):  # both ways are one for 0 and 1 / 2
        for i in np.flatnonzero(_passes(apart[side])):
            ends, misses, orbits = first[i : i + 2], apart[side, i : i + 2], run[i : i + 2]
            for _ in range(MOST_PARTS):
                nearest = int(np.argmin(np.abs(misses)))
                place = tongue(float(ends[nearest]), orbits[nearest])
                if place is not None:
                    if not any(each.ring.low[-1] <= place.point[-1] <= each.ring.high[-1] for each in found):
                        found.append(place)
                    break
                if any(each.ring.low[-1] <= ends[nearest] <= each.ring.high[-1] for each in found):
                    break
                many = np.linspace(ends[0], ends[1], N_PARTS)
                more, orbits = off(many)
                where = np.flatnonzero(_passes(more[side]))
                if not where.size:
                    break
                j = int(where[0])
                ends, misses, orbits = many[j : j + 2], more[side, j : j + 2], orbits[j : j + 2]
    found.sort(key=lambda each: float(each.point[-1]))
    return [(each.curve.orbit(each.point), across.values(float(each.point[-1]), held)) for each in found]


def _passes(apart: np.ndarray) -> np.ndarray:
    """Return between which neighbours a rotation number passes that of a tongue, or is it."""
    with np.errstate(invalid="ignore"):
        return (apart[:-1] * apart[1:] <= 0.0) & (np.abs(apart[1:] - apart[:-1]) < JUMP)


def _states(orbit: np.ndarray, turn: int, n_context: int) -> np.ndarray:
    """Return the windows after every turn of an orbit (n_steps, n_features), laid out flat."""
    ends = np.arange(-(-n_context // turn) * turn, len(orbit) + 1, turn)
    return orbit[ends[:, None] - 1 - np.arange(n_context)].reshape(len(ends), -1)


def _plane(states: np.ndarray) -> np.ndarray:
    """Return the two directions, (size, 2), in which orbits (n_values, n_samples, size) are widest: one for all."""
    spread = states - states.mean(axis=1, keepdims=True)
    spread = np.where(np.isfinite(spread), spread, 0.0).reshape(-1, states.shape[2])
    return np.linalg.eigh(spread.T @ spread)[1][:, ::-1][:, :2]


def _rotation(points: np.ndarray) -> float:
    """Return the turns a sample of points in a plane, in 0 .. 1; 0 of a fixed point; NaN if there is no such number."""
    if not np.isfinite(points).all():
        return np.nan
    spread = points - weighted_average(points)
    if np.abs(spread).max() <= LOCKED * max(1.0, float(np.abs(points).max())):
        return 0.0
    turns = on_an_arc(np.diff(np.arctan2(spread[:, 1], spread[:, 0]) / (2.0 * np.pi)))
    signal = spread[:, 0] + 1j * spread[:, 1] if turns is None else turns
    half = len(signal) // 2
    found, first, second = (
        strongest_line(part) if turns is None else float(weighted_average(part))
        for part in (signal, signal[:half], signal[half:])
    )
    return found % 1.0 if abs((first - second + 0.5) % 1.0 - 0.5) < ROUGH else np.nan
