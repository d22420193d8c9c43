"""What becomes of numbers too small for doubles: zeros, whatever a host program has asked of NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from .blas import one_blas_thread

F = TypeVar("F", bound=Callable[..., Any])


def underflow_is_zero(function: F) -> F:
    """Let numbers too small for doubles be zeros in a function: after ``np.seterr(all="raise")`` they are errors.

    Examples
    --------
    >>> @underflow_is_zero
    ... def square(x):
    ...     return np.square(x)
    >>> with np.errstate(all="raise"):
    ...     print(square(1e-200))
    0.0
    """

    @functools.wraps(function)
    def quiet(*arguments: Any, **named: Any) -> Any:
        with one_blas_thread(), np.errstate(under="ignore"):
            return function(*arguments, **named)

    return cast("F", quiet)
