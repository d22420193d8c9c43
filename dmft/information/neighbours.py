"""Informations of any continuous law, estimated from the distances of samples to their nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.special import digamma

from .._util.arithmetic import own_arithmetic
from .._util.checks import flag, seed_of, whole
from .._util.memory import need_memory
from .._util.pool import apart, in_order
from .._util.progress import each, shows_progress
from .._util.threads import n_threads as threads
from .parts import Sites, three_parts
from .series import FEWEST, InformationEstimate, block_length, in_blocks, series

MOST_TIES = 0.01
MOST_JACKKNIFED = 500
PIECE = 1 << 14  # samples
FEWEST_TIMES = 8  # so many times k and 20 more samples: balls of k neighbours are small beside the law
INSIDE = 1 - 1e-7  # strictly nearer than, whatever rounding does


@shows_progress
@own_arithmetic
def neighbour_cmi(
    samples: ArrayLike,
    X: Sites,
    Y: Sites,
    B: Sites = (),
    *,
    k: int = 5,
    jitter: bool = False,
    n_null: int = 0,
    null_neighbours: int = 5,
    seed: int = 0,
    n_threads: int | None = None,
    progress: bool = True,
) -> InformationEstimate:
    r"""Estimate I(X; Y | B) of a continuous law from samples by nearest neighbours, in nats.

    With :math:`\epsilon` the distance of a sample to its k-th neighbour among all, in the largest difference of any
    site, and n the numbers of other samples that are strictly nearer in a part [1]_,

    .. math:: I = \psi(k) + \langle\psi(n_B + 1) - \psi(n_{XB} + 1) - \psi(n_{YB} + 1)\rangle,

    and with nothing known :math:`\psi(k) + \psi(n) - \langle\psi(n_X + 1) + \psi(n_Y + 1)\rangle` [2]_. Sites are
    measured in their standard deviations.

    The error is that of the mean of the terms, in blocks, and of what they hide: by chance two samples count each
    other, and such a pair scatters twice as much in the mean as in the terms. Where V of the mean's variance is what
    single samples do and W what pairs do, the terms show V + W/2 and the jackknife, which leaves out a sample at a
    time, V + 2W [4]_. Two thirds of the one and a third of the other make V + W; how much larger that is than what the
    terms show is found from at most 500 of the samples.

    Parameters
    ----------
    samples : array_like, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
        In their order in time, if they have one.
    X, Y : int or sequence of int
        Sites of the two parts.
    B : int or sequence of int, default=()
        Sites that are known; sites in none of the parts are left out.
    k : int, default=5
        More neighbours: less noise, more bias. With hundreds the error is too small, by up to two fifths.
    jitter : bool, default=False
        Add uniform noise as wide as the smallest difference of two values of a site: for rounded samples.
    n_null : int, default=0
        How often to exchange X among samples of like B, for `InformationEstimate.p_value` [3]_.
    null_neighbours : int, default=5
        Among how many samples, nearest in B, it is exchanged.
    seed : int, default=0
        Of the jitter and of the exchanges.
    n_threads : int or None, default=None
        The result does not depend on it.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    InformationEstimate
        Its bias is not known, and left in: it pulls towards 0 as dimensions grow. The error is of the spread alone.

    Raises
    ------
    ValueError
        If there are too few samples, a site does not vary, parts overlap or are copies, or distances are tied.

    References
    ----------
    .. [1] S. Frenzel & B. Pompe, Phys. Rev. Lett. 99, 204101 (2007).
    .. [2] A. Kraskov, H. Stoegbauer & P. Grassberger, Phys. Rev. E 69, 066138 (2004), the first estimator.
    .. [3] J. Runge, AISTATS 2018, arXiv:1709.01447.
    .. [4] B. Efron & C. Stein, Ann. Stat. 9, 586 (1981).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> estimate = neighbour_cmi(np.column_stack([x, x**2 + 0.1 * rng.normal(size=2000)]), 0, 1)
    >>> 1.8 < estimate.value < 2.1, estimate.error < 0.08  # no correlation at all
    (True, True)
    """
    z = series(samples)
    x, y, b = (list(sites) for sites in three_parts(X, Y, B, z.shape[2]))
    n = z.shape[0] * z.shape[1]
    k, nearest = whole("k", k, 1), whole("null_neighbours", null_neighbours, 1)
    if not max(k, nearest) + 1 < n:
        raise ValueError(f"k and null_neighbours must be < {n - 1}, the samples but one, got {k} and {nearest}")
    n_null, rng = whole("n_null", n_null), np.random.default_rng(seed_of(seed))
    flat = z.reshape(n, -1)
    if flag("jitter", jitter):
        flat = flat + _grain(flat) * rng.uniform(-0.5, 0.5, flat.shape)
    workers = threads(n_threads)
    local, ties, copies = _local(flat[:, x], flat[:, y], flat[:, b], k, workers)
    if ties > MOST_TIES:
        raise ValueError(
            f"samples must have distinct distances, got {ties:.3g} of them tied with a neighbour: they are rounded or "
            "discrete; use jitter=True, or a SparseLaw of whole numbers"
        )
    if n < FEWEST_TIMES * (k + FEWEST):
        raise ValueError(f"samples must be at least {FEWEST_TIMES * (k + FEWEST)} with k = {k}, got {n}")
    if copies:
        raise ValueError("X and Y must leave each other something, got neighbours in one that are those in the other")
    terms = local.reshape(*z.shape[:2], 1)
    block = block_length(terms, None)
    means = in_blocks(terms, block)[:, 0] / block
    some = np.linspace(0, n - 1, min(n, MOST_JACKKNIFED)).astype(np.int64)
    few = flat[some]
    # No larger a part of the samples than k can be of all.
    hidden = _hidden(few[:, x], few[:, y], few[:, b], min(k, len(few) // FEWEST_TIMES))
    error = float(np.std(means, ddof=1) * np.sqrt(hidden / len(means)))
    need_memory(f"{n_null} exchanges", 8.0 * n_null, "make fewer (n_null)")
    null = np.empty(n_null)
    if n_null:
        around = _around(flat[:, b], nearest, workers) if b else None
        for i in each(range(n_null), "exchanges"):
            order = rng.permutation(n) if around is None else _exchanged(around, rng)
            null[i] = _local(flat[order][:, x], flat[:, y], flat[:, b], k, workers)[0].mean()
    return InformationEstimate(float(local.mean()), error, 0.0, n, block, ties, null)


def _local(x: np.ndarray, y: np.ndarray, b: np.ndarray, k: int, workers: int) -> tuple[np.ndarray, float, bool]:
    """Return what each sample adds, whose mean is the information; the share with tied neighbours; whether X is Y."""
    every = np.hstack([x, y, b])
    tree = apart(cKDTree, every)
    # Neighbours in space one after the other: what a query needs is then in the cache.
    order = tree.indices
    x, y, b, every = x[order], y[order], b[order], every[order]
    distance = _by_pieces(lambda piece: tree.query(every[piece], [k + 1, k + 2], p=np.inf)[0], len(x), workers)
    ties = float(np.mean(distance[:, 0] >= distance[:, 1] * (1 - 1e-12)))
    radius = distance[:, 0] * INSIDE
    n_b = _nearer(b, radius, workers) if b.shape[1] else np.full(len(x), len(x))
    n_xb, n_yb = (_nearer(np.hstack([part, b]), radius, workers) for part in (x, y))
    local = np.empty(len(x))
    local[order] = digamma(k) + digamma(n_b) - digamma(n_xb) - digamma(n_yb)
    return local, ties, bool((n_xb == k).all() and (n_yb == k).all() and (n_b > k).any())


def _hidden(x: np.ndarray, y: np.ndarray, b: np.ndarray, k: int) -> float:
    """Return the variance of the mean of terms, of independent samples, over what the terms show of it; at least 1."""
    n = len(x)
    distance, near = cKDTree(np.hstack([x, y, b])).query(np.hstack([x, y, b]), k + 2, p=np.inf)
    here, after = distance[:, k, None] * INSIDE, distance[:, k + 1, None] * INSIDE
    term, without = np.full((2, n), digamma(k))  # of each sample; the same without one of its k neighbours
    share = np.zeros((n, n))  # what a sample adds to the term of another
    for sign, parts in ((1, (b,)), (-1, (x, b)), (-1, (y, b))):
        apart = np.zeros((n, n))
        for column in np.hstack(parts).T:
            np.maximum(apart, abs(column[:, None] - column), out=apart)
        inside = apart <= here
        count = inside.sum(axis=1)
        term += sign * digamma(count)
        without += sign * digamma(np.maximum((apart <= after).sum(axis=1) - 1, 1))
        share += inside * (sign / np.maximum(count - 1, 1))[:, None]
    np.fill_diagonal(share, 0.0)
    share[np.arange(n)[:, None], near[:, 1 : k + 1]] = (term - without)[:, None]
    shown, jackknife = term.var(), (term + share.sum(axis=0)).var()
    return max(1.0, float(2 + jackknife / shown) / 3) if shown else 1.0


def _nearer(points: np.ndarray, radius: np.ndarray, workers: int) -> np.ndarray:
    """Return how many samples, each itself included, are within a radius of each."""
    if points.shape[1] > 2:
        # Many are counted: large leaves have fewer branches to visit.
        tree, count = apart(cKDTree, points, leafsize=64), np.empty(len(points), dtype=np.int64)
        order = tree.indices
        points, radius = points[order], radius[order]
        count[order] = _by_pieces(
            lambda piece: tree.query_ball_point(points[piece], radius[piece], p=np.inf, return_length=True),
            len(points),
            workers,
        )
        return count
    # Trees visit all branches that they count; in one and two dimensions counting takes n log n.
    orders, ranges = [], []
    for value in points.T:
        order = np.argsort(value, kind="stable")
        ordered, reach = value[order], radius[order]
        bounds = np.empty((2, len(value)), dtype=np.int64)
        # In their order: one search ends near the last.
        bounds[0, order] = np.searchsorted(ordered, ordered - reach, "left")
        bounds[1, order] = np.searchsorted(ordered, ordered + reach, "right")
        orders.append(order)
        ranges.append(bounds)
    if points.shape[1] == 1:
        return np.asarray(ranges[0][1] - ranges[0][0])
    # In the order of the first component, the place of each sample in that of the second.
    place = np.empty(len(points), dtype=np.int64)
    place[orders[1]] = np.arange(len(points))
    place = place[orders[0]]
    (first, last), bounds = ranges[0], ranges[1].T
    return _below(place, first, last, bounds, workers) @ [-1, 1]


def _below(values: np.ndarray, first: np.ndarray, last: np.ndarray, bounds: np.ndarray, workers: int = 1) -> np.ndarray:
    """Return for each query how many of ``values[first:last]`` are below its bounds, bit by bit (a wavelet matrix).

    Examples
    --------
    >>> _below(np.array([3, 0, 2, 1]), np.array([0, 1]), np.array([4, 3]), np.array([[2], [1]])).tolist()
    [[2], [1]]
    """
    small = np.int32 if len(values) < 2**31 else np.int64
    levels, values = [], values.astype(small)
    for bit in reversed(range(len(values).bit_length())):
        down = values >> bit & 1 == 0
        levels.append((bit, np.concatenate([np.zeros(1, small), np.cumsum(down, dtype=small)])))
        values = np.concatenate([values[down], values[~down]])

    def counted(piece: slice) -> np.ndarray:
        below: np.ndarray = bounds[piece].astype(small)
        start, stop = (np.repeat(ends[piece, None].astype(small), below.shape[1], axis=1) for ends in (first, last))
        count = np.zeros(below.shape, small)
        for bit, down_before in levels:
            from_start, from_stop = down_before[start], down_before[stop]
            over = below >> bit & 1 == 1
            count += (from_stop - from_start) * over
            start = np.where(over, down_before[-1] + start - from_start, from_start)
            stop = np.where(over, down_before[-1] + stop - from_stop, from_stop)
        return count

    return _by_pieces(counted, len(bounds), workers)


def _by_pieces(function: Callable[[slice], np.ndarray], n: int, workers: int) -> np.ndarray:
    """Return what a function gives for all of n: in pieces that fit a cache, for several threads, and for Ctrl-C."""
    pieces = [slice(first, first + PIECE) for first in range(0, n, PIECE)]
    return np.concatenate(list(in_order(function, pieces, workers)))


def _grain(flat: np.ndarray) -> np.ndarray:
    """Return the smallest difference of two values of each site that has equal ones; 0 for the others."""
    grain = np.zeros(flat.shape[1])
    for j, column in enumerate(flat.T):
        values = np.unique(column)
        if len(values) < len(column):
            gaps = np.diff(values)
            grain[j] = gaps[gaps > 1e-12 * abs(values).max()].min()  # not of rounding
    return grain


def _around(points: np.ndarray, n_nearest: int, workers: int) -> np.ndarray:
    """Return each sample and those nearest to it, shape (n_samples, 1 + n_nearest)."""
    tree = apart(cKDTree, points)
    return _by_pieces(lambda piece: tree.query(points[piece], n_nearest + 1, p=np.inf)[1], len(points), workers)


def _exchanged(around: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each sample another among its neighbours, each taken once where that is possible."""
    n, width = around.shape
    choices = rng.permuted(around, axis=1)
    order, taken = np.empty(n, dtype=np.int64), np.zeros(n, dtype=bool)
    for i in rng.permutation(n).tolist():
        free = [j for j in choices[i].tolist() if not taken[j]]
        order[i] = free[0] if free else choices[i, rng.integers(width)]
        taken[order[i]] = True
    return order
