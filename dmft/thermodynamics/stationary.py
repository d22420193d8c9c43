"""Stationary states of sparse jump processes, by the algorithm that fits; each is checked by its residual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import LinearOperator, gmres, splu

from .._util.arithmetic import own_arithmetic
from .._util.memory import need_memory
from ._jumps import eliminate
from .reference import eliminate_logs

Method = Literal["auto", "elimination", "lu", "gmres"]
METHODS = ("auto", "elimination", "lu", "gmres")
MAX_DENSE = 3000
MAX_WIDTH = 300  # of the factors of a narrow graph; hypercubes are far wider
LONG_LOGS = 600.0
TOLERANCE = 1e-9


def closed_classes(source: np.ndarray, target: np.ndarray, n_states: int) -> list[np.ndarray]:
    """Return the sets of states that are never left, each connected in both directions.

    Examples
    --------
    >>> [c.tolist() for c in closed_classes(np.array([0, 1, 2]), np.array([1, 0, 0]), 3)]
    [[0, 1]]
    """
    graph = sparse.csr_array((np.ones(len(source)), (source, target)), shape=(n_states, n_states))
    n, label = csgraph.connected_components(graph, directed=True, connection="strong")
    leaves = np.zeros(n, dtype=bool)
    leaves[label[source][label[source] != label[target]]] = True
    return [np.flatnonzero(label == k) for k in np.flatnonzero(~leaves)]


@own_arithmetic
def stationary_state(
    source: np.ndarray, target: np.ndarray, log_rate: np.ndarray, n_states: int, method: Method = "auto"
) -> np.ndarray:
    """Return the stationary state of jumps from `source` to `target`; states that are left for ever have 0.

    Raises
    ------
    ValueError
        If there are several closed classes of states, by name.
    FloatingPointError
        If the balance of flows is not reached.

    Examples
    --------
    >>> stationary_state(np.array([0, 1]), np.array([1, 0]), np.log([1.0, 3.0]), 2)
    array([0.75, 0.25])
    """
    need_memory(f"{n_states} states", 40.0 * n_states, "take fewer")
    classes = closed_classes(source, target, n_states)
    if len(classes) > 1:
        named = ", ".join(_named(c) for c in classes[:4]) + (", ..." if len(classes) > 4 else "")
        raise ValueError(
            f"process must have one closed class of states, got {len(classes)}: {named}; give start= or connect them"
        )
    (inside,) = classes
    p = np.zeros(n_states)
    if len(inside) == 1:
        p[inside] = 1.0
        return p
    new = np.full(n_states, -1)
    new[inside] = np.arange(len(inside))
    kept = (new[source] >= 0) & (new[target] >= 0)
    x, y, logs, n = new[source[kept]], new[target[kept]], log_rate[kept], len(inside)
    if np.ptp(logs) > LONG_LOGS:
        if n > MAX_DENSE:
            raise ValueError(f"n_states must be <= {MAX_DENSE} where rates span e^{np.ptp(logs):.0f}, got {n}")
        found = np.exp(_by_logs(x, y, logs, n))
        p[inside] = found / found.sum()
        return p
    rates = np.exp(logs - logs.max())
    if method == "elimination" or (method == "auto" and n <= MAX_DENSE):
        need_memory(f"the elimination of {n} states", 24.0 * n * n, "take fewer, or another method")
        Q = np.zeros((n, n))
        np.add.at(Q, (x, y), rates)
        found, method = eliminated(Q), "elimination"
        flow = rates * found[x]
        rest = _unbalanced(np.bincount(y, flow, n) - np.bincount(x, flow, n), float(flow.sum()))
    else:
        found, rest, method = _of_many(rates, x, y, n, method)
    if not rest <= TOLERANCE:
        raise FloatingPointError(
            f"the stationary state is not balanced: {rest:.3g} of all flow is left over ({method})"
        )
    p[inside] = found
    return p


@own_arithmetic
def limit_state(
    source: np.ndarray, target: np.ndarray, log_rate: np.ndarray, start: np.ndarray, method: Method = "auto"
) -> np.ndarray:
    """Return the law that is approached from one: in each set of states that is never left, its own stationary state.

    Examples
    --------
    >>> limit_state(np.array([0, 0, 1, 2]), np.array([1, 3, 2, 1]), np.log([1.0, 3.0, 1.0, 1.0]), np.eye(4)[0])
    array([0.   , 0.125, 0.125, 0.75 ])
    """
    n = len(start)
    classes = closed_classes(source, target, n)
    if len(classes) == 1:
        return stationary_state(source, target, log_rate, n, method)
    which = np.full(n, -1)
    for k, states in enumerate(classes):
        which[states] = k
    left = np.flatnonzero(which < 0)
    weight = np.bincount(which[which >= 0], start[which >= 0], len(classes))
    if start[left].sum() > 0:
        # How long each state that is left for ever is visited; where its jumps lead.
        place = np.full(n, -1)
        place[left] = np.arange(len(left))
        out = which[source] < 0
        x, y, rate = place[source[out]], target[out], np.exp(log_rate[out] - log_rate[out].max())
        inner = which[y] < 0
        A = sparse.csc_array((rate[inner], (place[y[inner]], x[inner])), shape=(len(left), len(left)))
        visits = splu(sparse.csc_array(sparse.diags_array(np.bincount(x, rate, len(left))) - A)).solve(start[left])
        weight += np.bincount(which[y[~inner]], (rate * visits[x])[~inner], len(classes))
    p = np.zeros(n)
    for k, states in enumerate(classes):
        here = which[source] == k
        own = np.full(n, -1)
        own[states] = np.arange(len(states))
        law = stationary_state(own[source[here]], own[target[here]], log_rate[here], len(states), method)
        p[states] = weight[k] / weight.sum() * law
    return p


def _by_logs(x: np.ndarray, y: np.ndarray, logs: np.ndarray, n: int) -> np.ndarray:
    Q = np.full((n, n), -np.inf)
    np.logaddexp.at(Q, (x, y), logs)
    return eliminate_logs(Q)


@own_arithmetic
def log_stationary_state(source: np.ndarray, target: np.ndarray, log_rate: np.ndarray, n_states: int) -> np.ndarray:
    """Return the logarithms of the stationary state, which may be far below those of the smallest numbers.

    Of one closed class of states, the logarithms of the others being -inf.

    Examples
    --------
    >>> log_stationary_state(np.array([0, 1]), np.array([1, 0]), np.array([-600.0, 600.0]), 2).round(9).tolist()
    [0.0, -1200.0]
    """
    (inside,) = closed_classes(source, target, n_states)
    new = np.full(n_states, -1)
    new[inside] = np.arange(len(inside))
    kept = (new[source] >= 0) & (new[target] >= 0)
    log_p = np.full(n_states, -np.inf)
    log_p[inside] = _by_logs(new[source[kept]], new[target[kept]], log_rate[kept], len(inside))
    return log_p


def _of_many(
    rates: np.ndarray, x: np.ndarray, y: np.ndarray, n: int, method: Method
) -> tuple[np.ndarray, float, Method]:
    """Return the stationary state by sparse methods, its residual, and which method it was."""
    A = sparse.csc_array((rates, (y, x)), shape=(n, n))
    A = sparse.csc_array(A - sparse.diags_array(A.sum(axis=0)))
    if method == "auto":
        method = "lu" if _width(A) <= MAX_WIDTH else "gmres"
    found = _pinned(A) if method == "lu" else _krylov(A)
    return found, _unbalanced(A @ found, float(-A.diagonal() @ found)), method


def _unbalanced(net: np.ndarray, leaving: float) -> float:
    """Return the flow that is not balanced, as a share of all flow."""
    return float(abs(net).sum() / leaving) if leaving > 0 else 0.0


def eliminated(Q: np.ndarray) -> np.ndarray:
    """Return the stationary law of rates from row to column, every component to rounding; Q is destroyed.

    Examples
    --------
    >>> eliminated(np.array([[0.0, 1.0], [3.0, 0.0]]))
    array([0.75, 0.25])
    """
    p = np.empty(len(Q))
    eliminate(Q, p)
    return p / p.sum()


def _named(states: np.ndarray) -> str:
    shown = ", ".join(map(str, states[:5].tolist())) + (", ..." if len(states) > 5 else "")
    return "{" + shown + "}"


def _width(A: sparse.csc_array) -> float:
    """Return how many entries a row of the factors has at most, on average, in a narrow order of the states."""
    order = csgraph.reverse_cuthill_mckee(sparse.csr_array(A), symmetric_mode=False)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    B = A.tocoo()
    row, column = place[B.row], place[B.col]
    first = np.arange(len(order))
    np.minimum.at(first, np.maximum(row, column), np.minimum(row, column))
    return float((np.arange(len(order)) - first).mean())


def _pinned(A: sparse.csc_array) -> np.ndarray:
    """Solve with one probability given; then again with the largest one, or small pivots spoil the others."""
    n = A.shape[0]
    pin = int(np.argmin(-A.diagonal()))
    p = np.ones(n)
    for _ in range(4):
        rest = np.delete(np.arange(n), pin)
        factor = splu(
            A[rest][:, rest].tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        right = -A[:, [pin]].toarray()[rest, 0]
        p = np.empty(n)
        p[pin], p[rest] = 1.0, factor.solve(right)
        p = np.maximum(p, 0) if np.isfinite(p).all() else np.ones(n)
        largest = int(np.argmax(p))
        if p[largest] <= 2 * p[pin]:
            break
        pin = largest
    return p / p.sum()


def _krylov(A: sparse.csc_array) -> np.ndarray:
    rows = sparse.csr_array(A)
    return balanced(lambda p: rows @ p, -A.diagonal())


def balanced(flow: Callable[[np.ndarray], np.ndarray], exit_rate: np.ndarray) -> np.ndarray:
    """Return the law p of zero flow ``L p``, by GMRES, where L is known by its products alone.

    Solves ``(-L + u 1') p = u`` with u uniform: regular, of the right sum, never formed.

    Parameters
    ----------
    flow : callable
        From p to L p, shape (n_states,).
    exit_rate : ndarray, shape (n_states,)
        The diagonal of -L; above 0.

    Raises
    ------
    FloatingPointError
        If a probability comes out below 0 by more than rounding.

    Examples
    --------
    >>> L = np.array([[-1.0, 3.0], [1.0, -3.0]])
    >>> balanced(lambda p: L @ p, np.array([1.0, 3.0])).round(12)
    array([0.75, 0.25])
    """
    n = len(exit_rate)
    operator = LinearOperator((n, n), matvec=lambda y: (y / exit_rate).sum() / n - flow(y / exit_rate), dtype=float)
    y, right = np.zeros(n), np.full(n, 1 / n)
    for _ in range(6):  # corrections: a run of GMRES loses sight of its own residual
        error = right - operator @ y
        size = np.linalg.norm(error) / np.linalg.norm(right)
        if size < 1e-14:
            break
        y += gmres(operator, error, rtol=max(1e-12, 1e-15 / size), atol=0.0, restart=40, maxiter=100)[0]
    p = y / exit_rate
    if p.min() < -1e-9 * p.max():
        raise FloatingPointError(f"the stationary state was not reached by GMRES: a probability of {p.min():.3g}")
    p = np.maximum(p, 0)
    return np.asarray(p / p.sum())
