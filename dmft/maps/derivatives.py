"""Derivatives of a function of batches that is known by its values alone.

A function takes points (n, n_in) to values (n, n_out), every point by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

STEP = 2.0**-7  # of the size of a coordinate: the finest of the differences is a quarter of it
TINY = 1e-30  # of a complex step: its square is lost, so that the derivative has all digits
REACH = 2.0**-6  # of the size of a point: the spacing of the stencil of Taylor coefficients
N_SIDE = 4  # points of it to each side

_PLACES = np.arange(-N_SIDE, N_SIDE + 1)
# Coefficients of the polynomial through the values at the places, the lowest first.
_INTERPOLATION = np.linalg.inv(np.vander(_PLACES.astype(float), increasing=True))


def sizes(points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return how large each coordinate is, at least its `scale`."""
    return np.maximum(np.abs(points), scale)


def by_complex_step(function: Function, points: np.ndarray) -> np.ndarray:
    """Return the derivative (n, n_out, n_in) of an analytic function, to rounding."""
    columns = []
    for i in range(points.shape[1]):
        shifted = points.astype(complex)
        shifted[:, i] += 1j * TINY
        columns.append(function(shifted).imag / TINY)
    return np.stack(columns, axis=2)


def by_differences(function: Function, points: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivative by central differences of three spacings, and its error, both (n, n_out, n_in).

    Richardson's extrapolation leaves the sixth power of the spacing; the error is by how much its last step
    changed the derivative, and rounding.

    Examples
    --------
    >>> slope, error = by_differences(np.exp, np.array([[1.0]]), np.ones(1))
    >>> bool(abs(slope[0, 0, 0] - np.e) < error[0, 0, 0] < 1e-9)
    True
    """
    columns, errors = [], []
    for i in range(points.shape[1]):
        spacing = STEP * sizes(points, scale)[:, i : i + 1]
        rough = []
        for n in (1.0, 2.0, 4.0):
            ahead, behind = points.copy(), points.copy()
            ahead[:, i : i + 1] += spacing / n
            behind[:, i : i + 1] -= spacing / n
            apart = ahead[:, i : i + 1] - behind[:, i : i + 1]  # as it came out in doubles
            values = function(ahead), function(behind)
            rough.append((values[0] - values[1]) / apart)
        finer = [(4.0 * b - a) / 3.0 for a, b in itertools.pairwise(rough)]
        best = (16.0 * finer[1] - finer[0]) / 15.0
        rounding = 16.0 * np.finfo(float).eps * np.abs(values[0]) / apart
        columns.append(best)
        errors.append(np.abs(best - finer[1]) + rounding)
    return np.stack(columns, axis=2), np.stack(errors, axis=2)


def taylor(function: Function, points: np.ndarray, directions: np.ndarray, scale: np.ndarray) -> list[np.ndarray]:
    """Return the value and three Taylor coefficients (n, n_out) along real directions (n, n_in).

    They are those of the polynomial through nine values: of a smooth function mostly right to 1e-9, the third to 1e-6.

    Examples
    --------
    >>> [round(float(c[0, 0]), 8) for c in taylor(np.exp, np.zeros((1, 1)), np.ones((1, 1)), np.ones(1))]
    [1.0, 1.0, 0.5, 0.16666667]
    """
    with np.errstate(divide="ignore", over="ignore"):
        spacing = REACH * np.min(sizes(points, scale) / np.abs(directions), axis=1, keepdims=True)
    spacing = np.where(np.isfinite(spacing), spacing, 1.0)  # no direction at all
    values = np.stack([function(points + place * spacing * directions) for place in _PLACES])
    middle = values[N_SIDE]
    terms = np.tensordot(_INTERPOLATION, values - middle, axes=1)
    return [middle, *(terms[k] / spacing**k for k in (1, 2, 3))]


def taylor_complex(
    function: Function, points: np.ndarray, directions: np.ndarray, scale: np.ndarray
) -> list[np.ndarray]:
    """Return the same along complex directions u + i v, from real ones: u, v, u + v and u - v."""
    u, v = np.ascontiguousarray(directions.real), np.ascontiguousarray(directions.imag)
    along, across, plus, minus = (taylor(function, points, way, scale) for way in (u, v, u + v, u - v))
    second = along[2] - across[2] + 0.5j * (plus[2] - minus[2])
    even, odd = (plus[3] + minus[3]) / 2.0, (plus[3] - minus[3]) / 2.0
    third = 2.0 * along[3] - even + 1j * (odd - 2.0 * across[3])
    return [along[0], along[1] + 1j * across[1], second, third]
