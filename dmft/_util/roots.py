"""Brent's method, as SciPy has it, for those who would load the whole of `scipy.optimize` for one root."""

from __future__ import annotations

import math
from collections.abc import Callable

MAX_STEPS = 100


def root_between(function: Callable[[float], float], low: float, high: float, xtol: float, rtol: float) -> float:
    """Return a root of a function that changes its sign between two numbers: the bits of `scipy.optimize.brentq`.

    Parameters
    ----------
    function : callable
    low, high : float
    xtol, rtol : float
        The root is right to ``xtol + rtol * abs(root)``.

    Raises
    ------
    ValueError
        If the function has the same sign at both ends, or is NaN.
    RuntimeError
        If 100 steps are not enough.

    References
    ----------
    .. [1] Brent, Algorithms for Minimization Without Derivatives (1973), ch. 4.

    Examples
    --------
    >>> root_between(lambda x: x * x - 2.0, 0.0, 2.0, 1e-15, 1e-15)
    1.414213562373095
    """

    def value(x: float) -> float:
        found = float(function(x))
        if math.isnan(found):
            raise ValueError(f"the function must have a value everywhere, got NaN at {x!r}")
        return found

    before, here = low, high
    f_before, f_here = value(before), value(here)
    if f_before == 0.0:
        return before
    if f_here == 0.0:
        return here
    if (f_before < 0.0) == (f_here < 0.0):
        raise ValueError(f"the function must change its sign, got {f_before!r} and {f_here!r} at the ends")
    other = f_other = last = step = 0.0  # `other`: on the other side of the root
    for _ in range(MAX_STEPS):
        if f_before != 0.0 and f_here != 0.0 and (f_before < 0.0) != (f_here < 0.0):
            other, f_other = before, f_before
            last = step = here - before
        if abs(f_other) < abs(f_here):
            before, here, other = here, other, here
            f_before, f_here, f_other = f_here, f_other, f_here
        delta, half = (xtol + rtol * abs(here)) / 2.0, (other - here) / 2.0
        if f_here == 0.0 or abs(half) < delta:
            return here
        guess = math.inf
        if abs(last) > delta and abs(f_here) < abs(f_before):
            guess = _guess(before, f_before, here, f_here, other, f_other)
        good = 2.0 * abs(guess) < min(abs(last), 3.0 * abs(half) - delta)
        last, step = (step, guess) if good else (half, half)
        before, f_before = here, f_here
        here += step if abs(step) > delta else math.copysign(delta, half)
        f_here = value(here)
    raise RuntimeError(f"no root was found in {MAX_STEPS} steps, last {here!r}")


def _guess(before: float, f_before: float, here: float, f_here: float, other: float, f_other: float) -> float:
    """Return the step to the root of the line or the inverse parabola through the points; inf if there is none."""
    try:
        if before == other:
            return -f_here * (here - before) / (f_here - f_before)
        d_before, d_other = (f_before - f_here) / (before - here), (f_other - f_here) / (other - here)
        return -f_here * (f_other * d_other - f_before * d_before) / (d_other * d_before * (f_other - f_before))
    except ZeroDivisionError:
        return math.inf
