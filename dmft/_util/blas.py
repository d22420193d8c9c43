"""One thread for linear algebra: more would change the last bits, and disturb threads that share out the work."""

from __future__ import annotations

import functools
import sys
from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller(has_scipy: bool) -> Any:
    """Return what controls the libraries at hand; SciPy brings one of its own. To look for them takes milliseconds."""
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which linear algebra takes one thread.

    Examples
    --------
    >>> with one_blas_thread():
    ...     sum([1, 2])
    3
    """
    return _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")
