"""Sparse arrays of SciPy, without loading SciPy: which are some, and their numbers read-only."""

from __future__ import annotations

import sys
from typing import Any

from .checks import finite


def is_sparse(value: Any) -> bool:
    """Return whether a value is a sparse array or matrix of SciPy.

    Examples
    --------
    >>> from scipy.sparse import eye_array
    >>> is_sparse(eye_array(2)), is_sparse([[1.0]])
    (True, False)
    """
    module = sys.modules.get("scipy.sparse")  # nobody has a sparse array who has not loaded it
    return module is not None and bool(module.issparse(value))


def dense(value: Any) -> Any:
    """Return an array for a sparse one, others as they are."""
    return value.toarray() if is_sparse(value) else value


def sparse_rows(name: str, value: Any) -> Any:
    """Return a sparse array of finite doubles by rows, of its own, in one order and read-only.

    Examples
    --------
    >>> from scipy.sparse import coo_array
    >>> sparse_rows("couplings", coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2))).data
    array([3.])
    """
    if value.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be real numbers, got a sparse array of {value.dtype}")
    rows = value.tocsr().astype(float).copy()
    rows.sum_duplicates()
    rows.sort_indices()
    finite(name, rows.data)
    return locked(rows)


def locked(rows: Any) -> Any:
    """Make a sparse array by rows read-only, and return it."""
    for part in parts_of_rows(rows):
        part.flags.writeable = False
    return rows


def parts_of_rows(rows: Any) -> tuple[Any, Any, Any]:
    """Return the arrays that a sparse array by rows is made of."""
    return rows.data, rows.indices, rows.indptr
