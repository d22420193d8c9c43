"""Arithmetic as this package wants it, whatever a host program has asked of NumPy or of a library."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from .blas import one_blas_thread

F = TypeVar("F", bound=Callable[..., Any])


def own_arithmetic(function: F) -> F:
    """Let numbers too small for doubles be zeros in a function, and linear algebra take one thread.

    After ``np.seterr(all="raise")`` the former would be errors; threads would change the last bits.

    Examples
    --------
    >>> @own_arithmetic
    ... def square(x):
    ...     return np.square(x)
    >>> with np.errstate(all="raise"):
    ...     print(square(1e-200))
    0.0
    """

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        with one_blas_thread(), np.errstate(under="ignore"):
            return function(*arguments, **named)

    return cast("F", call)
