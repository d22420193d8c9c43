r"""What the sampled states of one orbit show by where they return to: cycles, bands, rotation numbers.

All functions take the states of one orbit of any map, sampled once a period.
An orbit on b bands visits them in turn, and is on the same one every b samples.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from .._util.values import Value
from . import _series
from .series import bump

__all__ = ["ARRIVED", "Frequency", "bands", "cycle_length", "frequencies", "rotation"]

ARRIVED = 1e-9  # of the largest entry of a state: an orbit that comes back so near is on a cycle
_FEW = 16  # of so many states the neighbour of one is looked for first


def cycle_length(states: np.ndarray, tolerance: float = ARRIVED, throughout: bool = False) -> int:
    """Return after how many samples an orbit on a cycle is back; 0 if it has not come to rest on one.

    It has, if the last state lies within `tolerance`, times its largest entry, of an earlier one.

    Parameters
    ----------
    states : ndarray, shape (n_samples, n_dim)
    tolerance : float, default=1e-9
    throughout : bool, default=False
        Ask the same of every state, for samples of a part of the state, which may come back by chance. Then the
        longest cycle to be seen takes half of the samples.

    Examples
    --------
    >>> cycle_length(np.cos(np.pi / 2 * np.arange(20)[:, None] + 0.3)), cycle_length(np.arange(20.0)[:, None])
    (4, 0)
    """
    if not throughout:
        near = tolerance * np.abs(states[-1]).max()
        # One component first: it parts most.
        back = np.flatnonzero(np.abs(states[-2::-1, 0] - states[-1, 0]) <= near)
        back = back[(np.abs(states[-2 - back] - states[-1]) <= near).all(axis=1)]
        return int(back[0]) + 1 if back.size else 0
    near = tolerance * np.abs(states).max(initial=0.0)
    most = len(states) // 2
    # One comparison first: most lengths fail it.
    for length in np.flatnonzero((np.abs(states[1 : most + 1] - states[:1]) <= near).all(axis=1)) + 1:
        if (np.abs(states[length:] - states[:-length]) <= near).all():
            return int(length)
    return 0


def bands(states: np.ndarray, most: int = 64) -> int:
    """Return on how many separate pieces, visited in turn, the orbit lies.

    b of them, if the states with index 0 modulo b keep farther from all others than most of them
    keep from one another.

    Parameters
    ----------
    states : ndarray, shape (n_samples, n_dim)
        At least 16 samples to a band are needed to see it.
    most : int, default=64

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(size=(600, 2))
    >>> x[1::3] += 5.0
    >>> x[2::3] += 9.0
    >>> bands(x)
    3
    """
    n, found = len(states), 1
    if n < 32:
        return 1
    columns = np.ascontiguousarray(states.T)
    widest = int(np.ptp(columns, axis=1).argmax())
    order = _in_order(columns[widest])
    beside = _beside(columns[:, order])
    # Almost every neighbour is on the same piece. Of most orbits a few states show that there is but one.
    strangers, left = 0.01 * n, np.arange(2, min(most, n // 16) + 1, dtype=np.int32)
    for places in np.arange(0, n, _FEW), np.arange(n):
        neighbour, _ = _nearest(beside, widest, states[order[places]], places, own=True)
        apart = np.abs(order[neighbour] - order[places]).astype(np.int32)  # which are divided sooner
        left = left[np.count_nonzero(apart % left[:, None], axis=1) <= strangers]
        if not left.size:
            return 1
    states = states[order]
    for b in left.tolist():
        piece = order % b == 0
        one, others = states[piece], states[~piece]
        within = _quantile(_nearest(_beside(one.T), widest, one, np.arange(len(one)), own=True)[1], 0.95)
        places = np.searchsorted(others[:, widest], one[:, widest])
        if within > 0.0 and not _nearest(_beside(others.T), widest, one, places)[1].min() <= within:
            found = b
    return found


def _quantile(values: np.ndarray, share: float) -> float:
    """Return the same as np.quantile, which loads more of NumPy than it takes."""
    place = share * (len(values) - 1)
    i, ordered = int(place), np.sort(values)
    low, high, part = float(ordered[i]), float(ordered[min(i + 1, len(values) - 1)]), place - i
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1.0 - part)


def _in_order(values: np.ndarray) -> np.ndarray:
    """Return the places of values from the least on, of equal ones the first one first."""
    order = np.argsort(values)  # some ten times as fast as one that cares for equals
    ordered = values[order]
    return order if (ordered[1:] > ordered[:-1]).all() else np.argsort(values, kind="stable")


def _beside(columns: np.ndarray) -> np.ndarray:
    """Return the components of sorted states, (n_dim, n), as they are searched: with infinite ones on both sides."""
    beside = np.full((len(columns), columns.shape[1] + 2 * _series.BESIDE), np.inf)
    beside[:, _series.BESIDE : -_series.BESIDE] = columns
    return beside


def _nearest(
    beside: np.ndarray, component: int, states: np.ndarray, places: np.ndarray, own: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of the nearest one to each of some states, (n,), and how far it is; see `_series.nearest`."""
    neighbour, distance = np.empty(len(states), dtype=np.int64), np.empty(len(states))
    _series.nearest(
        x=beside,
        component=component,
        states=np.ascontiguousarray(states),
        place=places,
        own=own,
        neighbour=neighbour,
        distance=distance,
    )
    return neighbour, distance


@dataclasses.dataclass(frozen=True, eq=False)
class Frequency(Value):
    """A rotation number.

    Attributes
    ----------
    value : float
        Turns a sample, folded into [0, 1/2]: which way it turns depends on how one looks.
    error : float
        From the two halves of the orbit.
    method : {"angle", "line"}
        The mean turn about the centre, or the strongest line of the spectrum where the orbit does
        not go round the centre in any plane looked at.
    """

    value: float
    error: float
    method: Literal["angle", "line"]

    def locked(self, most: int = 64, sigma: float = 10.0) -> tuple[int, int] | None:
        """Return the p/q with q <= most that the value cannot be told from, as (p, q), else None.

        None too if the error is too large to tell such fractions from one another.
        """
        if not self._sharp(most, sigma):
            return None
        for q in range(1, most + 1):
            p = round(self.value * q)
            if abs(self.value - p / q) <= sigma * self.error:
                return p, q
        return None

    def unlocked(self, most: int = 64, sigma: float = 10.0) -> bool:
        """Return whether the value is known to be none of the p/q with q <= most."""
        return self._sharp(most, sigma) and self.locked(most, sigma) is None

    def _sharp(self, most: int, sigma: float) -> bool:
        """Whether neighbouring fractions can be told apart."""
        return sigma * self.error < 0.5 / most**2


def rotation(states: np.ndarray) -> Frequency:
    r"""Measure how fast an orbit goes round, in turns a sample.

    The weighted Birkhoff average of the turn about the centre, in the plane in which the orbit is
    widest; where it is not star-shaped there, the frequency of the strongest line.

    Parameters
    ----------
    states : ndarray, shape (n_samples, n_dim)
        At least 32 samples of one band, in which the orbit moves in two dimensions or more.

    Returns
    -------
    Frequency

    References
    ----------
    .. [1] Das, Saiki, Sander & Yorke, Nonlinearity 30 (2017) 4111, arXiv:1508.00062.
    .. [2] Laskar, Froeschle & Celletti, Physica D 56 (1992) 253: the line.

    Examples
    --------
    >>> turns = (np.sqrt(5) - 1) / 2 * np.arange(2000)
    >>> circle = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
    >>> bool(abs(rotation(circle).value - (3 - np.sqrt(5)) / 2) < 1e-12)
    True
    """
    spread = states - _average(states)
    axes = np.linalg.eigh(spread.T @ spread)[1].T[::-1]
    plane = [spread @ axis for axis in axes[:3]]
    angle = None
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if j < len(plane):
            turn = on_an_arc(np.diff(np.arctan2(plane[j], plane[i]) / (2 * np.pi)))
            if turn is not None:
                angle = Frequency(*_halves(_average, turn), "angle")
                break
    if angle is not None and angle.error < 1e-9:  # the line takes longer, and is not asked
        return angle
    signal = plane[0] + 1j * plane[1] if len(plane) > 1 else plane[0]
    # A fold that runs past the centre makes the mean turn converge badly.
    error = _disagreement(strongest_line, signal)
    if angle is not None and angle.error <= 1e3 * error:
        return angle
    return Frequency(_fold(strongest_line(signal)), error, "line")


def _average(values: np.ndarray) -> np.ndarray:
    """Return the weighted Birkhoff average of values (n_samples, ...), as `series.weighted_average`."""
    weight = bump(len(values))
    return weight @ values / weight.sum()


def on_an_arc(turns: np.ndarray, gap: float = 0.05) -> np.ndarray | None:
    """Return turns modulo 1 as numbers of one interval shorter than 1 - gap; None if they fill the circle."""
    turns = turns - np.floor(turns)
    ordered = np.sort(turns)
    gaps = np.diff(ordered, append=ordered[0] + 1.0)
    widest = int(gaps.argmax())
    if gaps[widest] < gap:
        return None
    return np.where(turns > ordered[widest], turns - 1.0, turns)


def strongest_line(signal: np.ndarray, rounds: int = 30) -> float:
    """Frequency of the largest weighted Fourier coefficient, refined by Newton steps of its modulus."""
    n = len(signal)
    weighted = bump(n) * signal
    omega = _highest(weighted)
    # Sample n is n_row rows of `width` and n_column on: a wave is a product of two, and sums go over rows first.
    width = math.isqrt(n - 1) + 1
    table = np.zeros((width, width), dtype=complex)
    table.ravel()[:n] = weighted
    column = np.arange(width) - 0.5 * (width - 1)
    row = width * column + 0.5 * (width * width - n)
    powers = np.stack([np.ones(width), column, column**2], axis=1)
    for _ in range(rounds):
        # |c|^2 of c(omega) = sum w z exp(-2 pi i omega n), n from the middle on, and its two derivatives
        across, along = np.exp(-2j * np.pi * omega * column), np.exp(-2j * np.pi * omega * row)
        one, linear, square = (table @ (across[:, None] * powers)).T
        zeroth = along @ one
        first = -2j * np.pi * (along @ (row * one + linear))
        second = -4.0 * np.pi**2 * (along @ (row * (row * one + 2.0 * linear) + square))
        slope = 2.0 * (first * zeroth.conj()).real
        curvature = 2.0 * (second * zeroth.conj()).real + 2.0 * abs(first) ** 2
        if not curvature < 0.0:
            break
        step = -slope / curvature
        omega += step
        if abs(step) * n < 1e-8:  # the next one would be its square
            break
    return float(omega)


def _highest(weighted: np.ndarray) -> float:
    """Return where, on a grid, the Fourier coefficient of a weighted signal is the largest."""
    n, transform = len(weighted), np.fft.fft if np.iscomplexobj(weighted) else np.fft.rfft
    size = np.abs(transform(weighted))
    high = np.flatnonzero(size >= 0.9 * size.max())  # half a place off a line keeps 0.909 of it
    if high.size > 2 or (high.size == 2 and high[1] - high[0] not in (1, n - 1)):  # rivals: one has to look closer
        n *= 4
        size = np.abs(transform(weighted, n))
    k = int(size.argmax())
    return (k if 2 * k < n else k - n) / n


def _halves(measure: Callable[[np.ndarray], float | np.ndarray], values: np.ndarray) -> tuple[float, float]:
    """Return a measurement folded into [0, 1/2], and how much the two halves differ."""
    return _fold(measure(values)), _disagreement(measure, values)


def _disagreement(measure: Callable[[np.ndarray], float | np.ndarray], values: np.ndarray) -> float:
    """Return how much a measurement, folded, differs between the two halves."""
    half = len(values) // 2
    return abs(_fold(measure(values[:half])) - _fold(measure(values[half:])))


def _fold(omega: float | np.ndarray) -> float:
    omega = float(omega % 1.0)
    return min(omega, 1.0 - omega)


def frequencies(states: np.ndarray, n: int, longest: int = 30, first: Frequency | None = None) -> tuple[Frequency, ...]:
    """Measure the n independent frequencies of a torus of dimension n.

    After the rotation number come the strongest lines of the spectrum that are no whole combination
    of those before, coefficients up to `longest` (and a third of that from the third on).

    Parameters
    ----------
    states : ndarray, shape (n_samples, n_dim)
        Samples of one band.
    n : int
    longest : int, default=30
    first : Frequency, optional
        The rotation number of the states, where it is known.

    Returns
    -------
    tuple of Frequency
        Fewer than n if no further line stands out.

    References
    ----------
    .. [1] Laskar, Physica D 67 (1993) 257: frequency analysis.

    Examples
    --------
    >>> t = np.arange(4000)
    >>> turns = [t * np.sqrt(2), t * np.sqrt(3)]
    >>> torus = np.stack([f(2 * np.pi * turn) for turn in turns for f in (np.cos, np.sin)], axis=1) * [1, 1, 0.3, 0.3]
    >>> [round(frequency.value, 9) for frequency in frequencies(torus, 2)]
    [0.414213562, 0.267949192]
    """
    found = [first or rotation(states)]
    if n == 1:
        return tuple(found)
    rest = states - _average(states)
    t = (np.arange(len(rest)) + 0.5) / len(rest)
    root = np.exp(-0.5 / (t * (1.0 - t)))[:, None]
    for _ in range(40 * n):
        if len(found) >= n:
            break
        spectrum = np.abs(np.fft.fft(root**2 * rest, axis=0))[: len(rest) // 2]
        channel = int(spectrum.max(axis=0).argmax())
        if spectrum.max() < 1e-9 * len(rest) * np.abs(states).max():
            break
        line = Frequency(*_halves(strongest_line, rest[:, channel]), "line")
        known = np.array([frequency.value for frequency in found])
        reach = longest if len(found) == 1 else longest // 3
        whole = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * len(found)), axis=-1).reshape(-1, len(found))
        off = (whole @ known - line.value + 0.5) % 1.0 - 0.5
        if np.abs(off).min() > 10.0 * max(line.error, longest * max(one.error for one in found), 1e-12):
            found.append(line)
        # Take the line out of all channels, whatever it was.
        turn = 2.0 * np.pi * line.value * np.arange(len(rest))
        waves = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        rest = rest - waves @ np.linalg.lstsq(root * waves, root * rest, rcond=None)[0]
    return tuple(found)
