"""The largest growth rate of matrices without negative entries off their diagonals, between bounds that are sure."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from .._util.blas import one_blas_thread

MAX_DENSE = 200
DENSE_AT_ONCE = 1 << 20  # entries of matrices
MOST_ROUNDS, PATIENCE = 200, 6  # rounds, and those without a gain after which no more is to be had
SURE = 1e-9  # of the largest entry: how far apart the bounds may be
_LARGEST = 690.0  # logarithm of a number
_SMALLEST, _NOISE = 1e-12, 1e-9  # parts of the largest unit


def growth(source: np.ndarray, target: np.ndarray, log_entries: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    r"""Return the largest eigenvalue of matrices of one shape.

    For any positive x it lies between the smallest and the largest of :math:`(A x)_i / x_i` (Collatz and Wielandt). The
    x that bring these together are found by Noda's inverse iteration, which converges from anywhere. The matrix is
    taken in units of x every time: so a law that spans hundreds of decades, as that of a ladder, costs no digits,
    which it does where eigenvalues are found by rotations.

    Parameters
    ----------
    source, target : ndarray of int, shape (n_edges,)
        Row and column of the entries off the diagonal; those of the same place are added up.
    log_entries : ndarray, shape (n_matrices, n_edges)
    diagonal : ndarray, shape (n_states,)
        Of any sign.

    Returns
    -------
    ndarray, shape (n_matrices,)
        Of the states that are never left for ever, if others are.

    Raises
    ------
    FloatingPointError
        If the bounds do not come together.

    References
    ----------
    T. Noda, Numerische Mathematik 17, 382 (1971); H. Wielandt, Math. Z. 52, 642 (1950).
    """
    source, target, log_entries, diagonal = _closed(source, target, log_entries, diagonal)
    if not len(source):
        return np.full(len(log_entries), diagonal.max())
    n, found = len(diagonal), np.empty(len(log_entries))
    step = max(1, DENSE_AT_ONCE // n**2) if n <= MAX_DENSE else 1
    for first in range(0, len(found), step):
        part = slice(first, first + step)
        logs = log_entries[part] + _balance(source, target, log_entries[part], n)
        found[part] = (_dense if n <= MAX_DENSE else _sparse)(source, target, logs, diagonal)
    return found


def _closed(
    source: np.ndarray, target: np.ndarray, log_entries: np.ndarray, diagonal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the part of matrices whose states are never left for others."""
    n = len(diagonal)
    graph = sparse.csr_array((np.ones(len(source)), (source, target)), shape=(n, n))
    n_classes, label = csgraph.connected_components(graph, connection="strong")
    if n_classes == 1:
        return source, target, log_entries, diagonal
    is_left = np.zeros(n_classes, dtype=bool)
    is_left[label[source[label[source] != label[target]]]] = True
    stays = ~is_left[label]
    place = np.cumsum(stays) - 1
    inside = stays[source] & stays[target]
    return place[source[inside]], place[target[inside]], log_entries[:, inside], diagonal[stays]


def _balance(source: np.ndarray, target: np.ndarray, logs: np.ndarray, n: int) -> np.ndarray:
    """Return what to add to the logarithms of entries so that they are as symmetric as units of the states make them.

    Exactly so in detailed balance: a least squares of the differences over pairs that are coupled both ways.
    """
    forth = sparse.csr_array((np.arange(1, len(source) + 1), (source, target)), shape=(n, n))
    if forth.nnz < len(source):  # several jumps between the same states: the first stands for all
        _, first = np.unique(source * n + target, return_index=True)
        forth = sparse.csr_array((first + 1, (source[first], target[first])), shape=(n, n))
    pair = sparse.coo_array(forth * (forth.T > 0))
    (x, y), edge = pair.coords, pair.data - 1
    back = np.asarray(forth[y, x]).ravel() - 1
    tail = (logs[:, back] - logs[:, edge]) / 2
    laplacian = sparse.diags_array(np.bincount(x, minlength=n).astype(float)) - sparse.csr_array(
        (np.ones(len(x)), (x, y)), shape=(n, n)
    )
    # A little on the diagonal makes parts that no pair joins keep their units.
    factors = splu(sparse.csc_array(laplacian + 1e-9 * sparse.eye_array(n)))
    u = np.stack([factors.solve(-np.bincount(x, one, n)) for one in tail])
    change = u[:, target] - u[:, source]
    fits = (logs + change).max(axis=1) < _LARGEST
    return np.where(fits[:, None], change, 0.0)


def _dense(source: np.ndarray, target: np.ndarray, logs: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    n = len(diagonal)
    A = np.zeros((len(logs), n, n))
    for one, entries in zip(A, np.exp(logs), strict=True):
        np.add.at(one, (source, target), entries)
    A[:, range(n), range(n)] += diagonal
    bounds = _Bounds(len(A))
    while bounds.take(A.sum(axis=2)):
        largest = abs(A).max(axis=(1, 2))
        shifted = bounds.shift(largest)[:, None, None] * np.eye(n) - A
        try:
            with one_blas_thread():
                x = bounds.units(np.linalg.solve(shifted, np.ones((len(A), n, 1)))[:, :, 0])
        except np.linalg.LinAlgError:
            bounds.away *= 16
            continue
        A = A / x[:, :, None] * x[:, None, :]
    return bounds.middle(abs(A).max(axis=(1, 2)))


def _sparse(source: np.ndarray, target: np.ndarray, logs: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    n, entries, bounds = len(diagonal), np.exp(logs[0]), _Bounds(1)
    while bounds.take((np.bincount(source, entries, n) + diagonal)[None]):
        A = sparse.csc_array((entries, (source, target)), shape=(n, n)) + sparse.diags_array(diagonal)
        shift = bounds.shift(np.array([max(entries.max(), abs(diagonal).max())]))
        try:
            x = bounds.units(splu(sparse.csc_array(shift[0] * sparse.eye_array(n) - A)).solve(np.ones(n))[None])[0]
        except RuntimeError:  # it is exactly singular
            bounds.away *= 16
            continue
        entries = entries / x[source] * x[target]
    return bounds.middle(np.array([max(entries.max(), abs(diagonal).max())]))


class _Bounds:
    """Bounds of the largest eigenvalues of matrices while their units change."""

    def __init__(self, n: int) -> None:
        self.low, self.high = np.full(n, -np.inf), np.full(n, np.inf)
        self.guess = self.low  # above `low`, but not sure
        self.n_rounds = self.idle = 0
        self.away = 4e-15  # of the largest entry: how near an eigenvalue is inverted

    def take(self, sums: np.ndarray) -> bool:
        """Narrow the bounds by the sums of rows; return whether to go on."""
        before = self.high - self.low
        self.low, self.high = np.maximum(self.low, sums.min(axis=1)), np.minimum(self.high, sums.max(axis=1))
        self.guess = np.clip(self.guess, self.low, self.high)
        self.idle = 0 if (self.high - self.low < before).any() else self.idle + 1
        self.n_rounds += 1
        return self.idle < PATIENCE and self.n_rounds < MOST_ROUNDS

    def shift(self, largest: np.ndarray) -> np.ndarray:
        """Return where to invert: in turns at the upper bound, which ends quickly, and half-way, which begins so."""
        self.tried = np.where(self.n_rounds % 2, (self.guess + self.high) / 2, self.high)
        # Where the bounds have met there is nothing to find, and at the eigenvalue itself nothing to invert.
        met = self.high - self.low <= 1e-15 * largest
        return self.tried + np.where(met, 1.0, self.away) * largest

    def units(self, x: np.ndarray) -> np.ndarray:
        """Return new units: solutions where they are positive, as they are above the largest eigenvalue alone."""
        largest = abs(x).max(axis=1, keepdims=True)
        above = x.min(axis=1) > -_NOISE * largest[:, 0]
        self.guess = np.where(above, self.guess, self.tried)
        return np.where(above[:, None], np.maximum(x / largest, _SMALLEST), 1.0)

    def middle(self, largest: np.ndarray) -> np.ndarray:
        """Return the eigenvalues, between bounds that are close."""
        if not (self.high - self.low <= SURE * largest).all():
            k = int(np.argmax((self.high - self.low) / largest))
            raise FloatingPointError(
                f"the growth could not be told: it lies between {self.low[k]:.6g} and {self.high[k]:.6g}"
            )
        return (self.low + self.high) / 2
