r"""Multipliers of one cycle in as many digits as it takes.

Steps may shrink some directions by hundreds of orders of magnitude more than others; doubles hold sixteen. Here the
steps are multiplied out in decimals, until what rounding leaves in them is far below the smallest multiplier.
"""

from __future__ import annotations

import decimal
import functools
import itertools
import operator
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal

import numpy as np

from .window_map import WindowMap, windows_of

DIGITS = (60, 120, 240, 480, 960, 1920, 3840)
DIGITS_OF_STEPS = (120, 240, 720, 1920, 3840)  # where a frame is made triangular after every step
MOST_OF_A_TURN = 240  # digits of a turn beyond which it is
SHARE_OF_STEPS = 1.25  # of the products of a turn of it, several times round: what they cost beside exponentials
ESTIMATE = 20  # to begin with, for how many there must be
PLAIN = 1e-8  # a stretch that doubles tell, relative to the largest one
GUARD = 30  # digits that the smallest stretch of a turn must keep
AGREEMENT = 1e-9  # of the logarithms with more digits
COST = 4e9  # of all multiplications, in units of one of single digits: seconds
LITTLE = 1e9  # the same where there are many cycles
OVERHEAD = 100  # a number costs as if it had so many digits more
N_TURNS = 16
LEAK, SPLIT = 0.1, 12  # of the digits, but so many: a subspace that returns to itself but for this is invariant
SETTLED = 1e-11  # of the logarithms of volumes: a turn that changes them by less does not change them
CLOSE = 0.1  # multipliers so near relative to their size are moved by leaks far more than one by itself
ROOT = Decimal("1e-8")  # of a leak: what it may part two, three, ... of them by
N_SQUARINGS = 40  # of the roots: the logarithm of a modulus is right to 2^-40
FAINT = Decimal("1e-60")  # a coefficient that does not count for roots of modulus 1
NEAR = 1e-9  # logarithms of moduli nearer than this are one


def _exact(array: np.ndarray) -> np.ndarray:
    return np.array([Decimal(float(x)) for x in array.flat], dtype=object).reshape(array.shape)


def complete(
    window_map: WindowMap, orbit: np.ndarray, growth: np.ndarray, angle: np.ndarray, cost: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the multipliers of a cycle with those that rounding hides from doubles.

    Parameters
    ----------
    window_map : WindowMap
        Of one point.
    orbit : ndarray, shape (period, n_features)
        As of `Cycle`.
    growth, angle : ndarray, shape (size,)
        Of `linear.multipliers`. What is known stays as it is.
    cost : float, optional
        Default: `COST`.

    Returns
    -------
    growth, angle : ndarray, shape (size,)
        NaN and 0 where the map cannot be had in more digits, or it would take too many.
    """
    if not (window_map.exact and np.isnan(growth).any()):
        return growth, angle
    exact_growth, exact_angle = multipliers(window_map, orbit, COST if cost is None else cost, growth)
    with np.errstate(invalid="ignore"):
        keep = np.abs(growth - exact_growth) <= 1e-5 * np.maximum(1.0, np.abs(exact_growth))
    keep |= np.isnan(exact_growth)
    return np.where(keep, growth, exact_growth), np.where(keep, angle, exact_angle)


def multipliers(
    window_map: WindowMap, orbit: np.ndarray, cost: float = COST, known: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return logarithms of the moduli, descending, and angles of all multipliers of a cycle, each (size,).

    NaN and 0 for those that would take too many digits. `known` are the logarithms that doubles tell, NaN after them.
    """
    size, n_steps = window_map.n_context * window_map.n_features, len(orbit)
    n_kept = int(window_map.n_directions[0])
    growth, angle = np.where(np.arange(size) < n_kept, np.nan, -np.inf), np.zeros(size)
    if n_kept == 0:
        return growth, angle
    n_exact = n_steps * window_map.exact_cost
    n_products = n_exact + n_steps * window_map.n_features * size**2 + N_TURNS * size**2 * n_kept

    def affordable(ladder: tuple[int, ...]) -> tuple[int, ...]:
        spent = np.cumsum([n_products * (digits + OVERHEAD) ** 1.6 for digits in ladder])
        return ladder[: np.count_nonzero(spent <= cost)]

    ladder, by_steps = affordable(DIGITS), False
    if known is not None and n_kept == size and ladder:
        begin = _digits(window_map, orbit, known)
        by_steps = begin > MOST_OF_A_TURN and n_steps > 1
        if by_steps:
            n_products = n_exact + SHARE_OF_STEPS * n_steps * size * n_kept * (window_map.n_features + size // 3)
            ladder = affordable(DIGITS_OF_STEPS)
        else:
            ladder = affordable((begin, *(digits for digits in DIGITS if digits > begin))) or ladder
    best = 0
    for digits in ladder:
        more = digits + digits // 4
        with context(more):
            rows = window_map.exact_rows(orbit)
        with context(digits):
            first, _ = _eigenvalues(rounded(rows), n_kept, by_steps)
        if len(first) <= best or (len(first) < n_kept and digits != ladder[-1]):
            continue  # more digits will tell more
        with context(more):
            second, angles = _eigenvalues(rows, n_kept, by_steps)
        n = min(len(first), len(second))
        agree = np.abs(first[:n] - second[:n]) <= AGREEMENT * np.maximum(1.0, np.abs(second[:n]))
        n = int(np.argmin(np.append(agree, False)))
        if n > best:
            best, (growth[:n], angle[:n]) = n, (second[:n], angles[:n])
        if best == n_kept:
            break
    return growth, angle


def context(digits: int) -> AbstractContextManager[decimal.Context]:
    """Return a context of so many digits, and of any exponent."""
    return decimal.localcontext(decimal.Context(prec=digits, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN))


rounded = np.frompyfunc(operator.pos, 1, 1)


def _digits(window_map: WindowMap, orbit: np.ndarray, known: np.ndarray) -> int:
    """Return how many digits to begin with, at least the fewest of `DIGITS`, by the volume that a turn keeps.

    What doubles do not tell falls off evenly, as a guess, from the last one that they do.
    """
    told = known[np.isfinite(known)]
    if not 0 < told.size < known.size:
        return DIGITS[0]
    volume = _log_volume(window_map, orbit)
    if not np.isfinite(volume):
        return DIGITS[0]
    mean = (volume - told.sum()) / (known.size - told.size)
    least = min(mean, 2.0 * mean - told[-1])
    return max(DIGITS[0], GUARD + int(np.ceil((told[0] - least) / np.log(10.0))))


def _log_volume(window_map: WindowMap, orbit: np.ndarray) -> float:
    """Return the log of what a turn multiplies volumes by: in a step that is its derivative by the oldest vector."""
    _, rows = window_map.linearize(windows_of(orbit, window_map.n_context)[None])
    stretches = np.linalg.svd(rows[0, :, -1], compute_uv=False) if np.isfinite(rows).all() else np.zeros((1, 1))
    if (stretches[:, -1] > PLAIN * stretches[:, 0]).all():
        return float(np.log(stretches).sum())
    with context(ESTIMATE):  # doubles would not tell the least of them
        steps = window_map.exact_rows(orbit)
        return float(sum(log_of(abs(x)) for step in steps for x in np.diagonal(triangular(step[-1])[2])))


def _eigenvalues(rows: np.ndarray, n_kept: int, by_steps: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return log moduli, descending, and angles of as many multipliers as the digits of the context tell.

    Parameters
    ----------
    rows : ndarray of Decimal, shape (n_steps, n_context, n_features, n_features)
    n_kept : int
        Directions that are not annihilated.
    by_steps : bool, default=False
        Whether the frame is made triangular after every step: then the digits have to hold what one step stretches,
        not what a turn does, but it takes longer.
    """
    n_steps, n_context, n_features, _ = rows.shape
    size, digits = n_context * n_features, decimal.getcontext().prec
    top = rows.swapaxes(1, 2).reshape(n_steps, n_features, size)
    turn = _exact(np.eye(size))
    for step in top if not by_steps else ():
        turn = np.concatenate([step @ turn, turn[:-n_features]])
    frame, order, _ = triangular(_exact(np.random.default_rng(0).normal(size=(size, n_kept))))
    values: tuple[np.ndarray, np.ndarray] = np.empty(0), np.empty(0)
    limit = Decimal(1).scaleb(-max(SPLIT, int(LEAK * digits)))
    # What is annihilated leaves the window when it is renewed, and the frame is known to stay in one turn more.
    n_least = -(-n_context // n_steps) + 1
    volumes = np.full(n_kept, np.nan)
    for done in range(1, n_least + N_TURNS):
        before, order_before, places = frame, order, order[:n_kept]
        factors, n_known = [], n_kept
        for step in top if by_steps else top[:1]:
            moved = np.concatenate([step @ frame, frame[:-n_features]]) if by_steps else turn @ frame
            frame, order, factor = triangular(moved)
            stretch = np.abs(np.diagonal(factor))
            if not stretch.any():
                return values
            told = stretch > max(stretch).scaleb(GUARD - digits)
            n_known = min(n_known, int(np.argmin(np.append(told, False))))
            factors.append(factor)
        stretch = np.abs(functools.reduce(operator.mul, (np.diagonal(factor) for factor in factors)))
        back = frame[places]  # in terms of the frame before, by substitution: it is triangular there
        for k in range(n_kept):
            back[k] = back[k] - before[places[k], :k] @ back[:k]
        outside = frame[order_before[n_kept:]] - before[order_before[n_kept:]] @ back
        leak = np.abs(np.concatenate([back, outside])[:, :n_known])
        taken: np.ndarray = _exact(np.zeros((n_known, n_known)))
        if not by_steps:
            (upper,) = factors
            # What of the leading columns turns up in the rows behind, or outside, relative to the size of these.
            least = max(stretch).scaleb(GUARD - digits)
            behind = np.concatenate([np.maximum(stretch, least), np.full(size - n_kept, max(least, min(stretch)))])
            # A row of the upper factor may be far larger than its stretch: all of it turns up there.
            leak = leak * np.abs(upper[:n_known]).max(axis=1, initial=Decimal(0)) / behind[:, None]
            leak[n_known:] = leak[n_known:] * limit.scaleb(20)  # what is below all that is known is of rounding
            # What comes back up of it counts too, where a row shrinks far more than what it takes from those behind.
            taken = np.abs(back[:n_known, :n_known] @ upper[:n_known, :n_known]) / stretch[:n_known, None]
        volumes, last = np.cumsum([log_of(x) for x in stretch]), volumes
        # Of a frame that is taken by steps what comes back is not known: its volumes tell when it is at rest.
        with np.errstate(invalid="ignore"):
            shift = np.abs(volumes - last)
        rests = shift <= SETTLED * np.maximum(1.0, np.abs(volumes)) if by_steps else np.ones(n_kept, dtype=bool)
        ends, escape = [0], {0: Decimal(0)}
        for j in (np.flatnonzero(rests[:n_known]) + 1).tolist():
            returned = max([Decimal(1), *taken[:j, j:].flat])
            escape[j] = leak[j:, :j].max(initial=Decimal(0)) * returned
            if escape[j] <= limit:
                ends.append(j)
        spread = [sum(stretch[a].adjusted() - x.adjusted() for x in stretch[a:b]) for a, b in itertools.pairwise(ends)]
        found = []
        if done > n_least and ends[-1] == n_known and max(spread, default=0) < digits / 8:
            found = [_part(back, factors, a, b) for a, b in itertools.pairwise(ends)]
            if _parted(found, ends, escape) is None:
                break
    found = found or [_part(back, factors, a, b) for a, b in itertools.pairwise(ends)]
    while (
        i := _parted(found, ends, escape)
    ) is not None:  # what leaks parts them: they are taken with their neighbours
        del ends[i]
        found[i - 1 : i + 1] = [_part(back, factors, ends[i - 1], ends[i])] if i < len(ends) else []
    if found:
        growth, angle = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.lexsort((-angle, -growth))
        values = growth[order], angle[order]
    return values


def _part(back: np.ndarray, factors: Sequence[np.ndarray], a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    """Return log moduli and angles of what one diagonal block of a turn has."""
    product = factors[0][a:b, a:b]
    for factor in factors[1:]:
        product = factor[a:b, a:b] @ product
    return _block(back[a:b, a:b] @ product)


def _parted(
    found: Sequence[tuple[np.ndarray, np.ndarray]], ends: Sequence[int], escape: Mapping[int, Decimal]
) -> int | None:
    """Return which end leaks more than k nearly equal multipliers of a block bear, whose k-th root parts them."""
    for i, (growth, angle) in enumerate(found):
        worst = max(i, i + 1, key=lambda j: escape[ends[j]])
        with np.errstate(invalid="ignore"):
            turn = np.abs(np.subtract.outer(angle, angle))
            apart = np.abs(np.subtract.outer(growth, growth)) + np.minimum(turn, 2.0 * np.pi - turn)
        k = int(np.count_nonzero(apart < CLOSE, axis=1).max())
        if k > 1 and escape[ends[worst]] > ROOT**k:
            return worst
    return None


def triangular(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns as a product of two triangular factors, by elimination with pivots.

    Returns
    -------
    frame : ndarray, shape (size, n)
        Unit lower triangular with its rows in the order of the pivots.
    order : ndarray of int, shape (size,)
    upper : ndarray, shape (n, n)
    """
    size, n = columns.shape
    rest, order = columns.copy(), np.arange(size)
    for k in range(n):
        pivot = k + int(np.argmax(np.abs(rest[k:, k])))
        rest[[k, pivot]], order[[k, pivot]] = rest[[pivot, k]], order[[pivot, k]]
        if rest[k, k]:
            rest[k + 1 :, k] = rest[k + 1 :, k] / rest[k, k]
            rest[k + 1 :, k + 1 :] = rest[k + 1 :, k + 1 :] - np.outer(rest[k + 1 :, k], rest[k, k + 1 :])
    frame = np.full((size, n), Decimal(0))
    frame[order] = np.tril(rest, -1) + _exact(np.eye(size, n))
    return frame, order, np.triu(rest[:n])


def _block(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log moduli and angles of the eigenvalues of a small matrix."""
    n = len(matrix)
    if n == 1:
        value = matrix[0, 0]
        return np.array([log_of(abs(value))]), np.array([np.pi if value < 0 else 0.0])
    coefficients = _characteristic(matrix)
    growth, angle = _log_moduli(coefficients), np.zeros(n)
    first = 0
    while first < n:
        last = first + int(np.count_nonzero(growth[first:] >= growth[first] - NEAR))
        if np.isneginf(growth[first]):
            break
        # In units of the modulus, what is much larger or smaller does not count.
        with decimal.localcontext(prec=GUARD):
            unit = Decimal(float(growth[first])).exp()
        scaled = [c / unit**k for k, c in enumerate(coefficients)]
        largest = max(abs(c) for c in scaled)
        scaled = [c / largest for c in scaled]
        roots = np.roots([float(c) if abs(c) > FAINT else 0.0 for c in scaled])
        with np.errstate(divide="ignore"):
            near = np.argsort(np.abs(np.log(np.abs(roots))), kind="stable")[: last - first]
        angle[first:last] = np.angle(roots[near])
        first = last
    return growth, angle


def _characteristic(matrix: np.ndarray) -> list[Decimal]:
    """Return the coefficients of det(x - matrix), highest power first, by Faddeev and LeVerrier."""
    n, coefficients = len(matrix), [Decimal(1)]
    product = matrix
    for k in range(1, n + 1):
        coefficients.append(-np.trace(product) / k)
        if k < n:
            product = matrix @ (product + np.diag([coefficients[-1]] * n))
    return coefficients


def _log_moduli(coefficients: list[Decimal]) -> np.ndarray:
    """Return the logarithms of the moduli of a polynomial's roots, descending, by squaring them again and again.

    References
    ----------
    .. [1] Ostrowski, Acta Math. 72 (1940) 99: Graeffe's method and the Newton polygon.

    Examples
    --------
    Of (x - 2)(x^2 + 9):

    >>> with decimal.localcontext(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN):
    ...     [float(x) for x in np.exp(_log_moduli([Decimal(c) for c in (1, -2, 9, -18)])).round(9)]
    [3.0, 3.0, 2.0]
    """
    n = len(coefficients) - 1
    for _ in range(N_SQUARINGS):
        coefficients = [
            coefficients[k] ** 2
            + 2 * sum((-1) ** j * coefficients[k - j] * coefficients[k + j] for j in range(1, min(k, n - k) + 1))
            for k in range(n + 1)
        ]
    heights = [log_of(abs(c)) / 2.0**N_SQUARINGS for c in coefficients]
    slopes: list[float] = []
    while len(slopes) < n:
        k = len(slopes)
        rises = [(heights[j] - heights[k]) / (j - k) for j in range(k + 1, n + 1)]
        best = max(rises)
        slopes += [best] * (max(j for j, rise in enumerate(rises) if rise >= best) + 1)
    return np.array(slopes)


def log_of(x: Decimal) -> float:
    """Return log x of x >= 0 as a float."""
    if not x:
        return -np.inf
    tens = x.adjusted()
    return float(np.log(float(x.scaleb(-tens)))) + tens * float(np.log(10.0))
