r"""Truncated Taylor series in one variable: derivatives along a direction, to rounding.

A map written with these operations and applied to :math:`x + s v` returns its Taylor coefficients
in s, that is its value, :math:`Df\,v`, :math:`\tfrac12 D^2f(v, v)`, ... The direction may be complex.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class Jet:
    """A series whose coefficients are arrays.

    Parameters
    ----------
    *terms : array_like
        Coefficients of 1, s, s**2, ...; broadcast to one shape.

    Examples
    --------
    >>> s = Jet(0.0, 1.0, 0.0, 0.0)
    >>> [float(c) for c in (2.0 * s - s * s).terms], [float(c) for c in exp(s).terms]
    ([0.0, 2.0, -1.0, 0.0], [1.0, 1.0, 0.5, 0.16666666666666666])
    """

    __slots__ = ("terms",)
    __array_ufunc__ = None  # an array on the left leaves the operation to us

    def __init__(self, *terms: ArrayLike) -> None:
        arrays = [np.asarray(term) for term in terms]
        if any(array.shape != arrays[0].shape for array in arrays):
            arrays = list(np.broadcast_arrays(*arrays))
        self.terms = arrays

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.terms[0].shape

    def each(self, linear: Callable[[np.ndarray], np.ndarray]) -> Jet:
        """Return the series of a linear function of the array."""
        return Jet(*map(linear, self.terms))

    def __getitem__(self, key: Any) -> Jet:
        return self.each(lambda term: term[key])

    def __matmul__(self, matrix: np.ndarray) -> Jet:
        return self.each(lambda term: term @ matrix)

    def reshape(self, *shape: int) -> Jet:
        """Return the series of the reshaped array."""
        return self.each(lambda term: term.reshape(*shape))

    def sum(self, axis: int) -> Jet:
        """Return the series of the sum along an axis."""
        return self.each(lambda term: term.sum(axis=axis))

    def __neg__(self) -> Jet:
        return self.each(np.negative)

    def __add__(self, other: Any) -> Jet:
        if isinstance(other, Jet):
            return Jet(*(a + b for a, b in zip(self.terms, other.terms, strict=True)))
        return Jet(self.terms[0] + other, *self.terms[1:])

    __radd__ = __add__

    def __sub__(self, other: Any) -> Jet:
        return self + (-other)

    def __rsub__(self, other: Any) -> Jet:
        return -self + other

    def __mul__(self, other: Any) -> Jet:
        if isinstance(other, Jet):
            return Jet(*(_product(self.terms, other.terms, k) for k in range(len(self.terms))))
        return self.each(lambda term: term * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Jet:
        return self * power(other, -1.0)

    def __rtruediv__(self, other: Any) -> Jet:
        return power(self, -1.0) * other


def _product(a: Sequence[np.ndarray], b: Sequence[np.ndarray], k: int) -> Any:
    """Return term k of a product."""
    total = a[0] * b[k]
    for j in range(1, k + 1):
        total = total + a[j] * b[k - j]
    return total


def exp(x: Any) -> Any:
    """Return exp of an array or a series."""
    if not isinstance(x, Jet):
        return np.exp(x)
    a, y = x.terms, [np.exp(x.terms[0])]
    for k in range(1, len(a)):
        y.append(sum(j * a[j] * y[k - j] for j in range(1, k + 1)) / k)
    return Jet(*y)


def tanh(x: Any) -> Any:
    """Return tanh of an array or a series."""
    if not isinstance(x, Jet):
        return np.tanh(x)
    a, y = x.terms, [np.tanh(x.terms[0])]
    slope = [1.0 / np.cosh(np.minimum(np.abs(x.terms[0]), 350.0)) ** 2]  # 1 - y^2 would cancel
    for k in range(1, len(a)):
        y.append(sum(j * a[j] * slope[k - j] for j in range(1, k + 1)) / k)
        slope.append(-_product(y, y, k))
    return Jet(*y)


def power(x: Any, exponent: float) -> Any:
    """Return x**exponent of a positive array or series (of any sign for the exponent -1)."""
    if not isinstance(x, Jet):
        return np.asarray(x) ** exponent
    a, y = x.terms, [np.asarray(x.terms[0]) ** exponent]
    for k in range(1, len(a)):
        y.append(sum((exponent * j - (k - j)) * a[j] * y[k - j] for j in range(1, k + 1)) / (k * a[0]))
    return Jet(*y)
