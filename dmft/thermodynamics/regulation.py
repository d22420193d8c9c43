"""Robust maintenance: how the stored free energy answers to its surroundings, left alone or regulated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, first_bad, number, one_of, positive
from .._util.progress import each, shows_progress
from .._util.readonly import read_only
from .._util.values import Frozen
from .agency import Agent, changed, kind_of, parameters

Rule = Literal["integral", "proportional", "gradient"]
RULES: tuple[Rule, ...] = ("integral", "proportional", "gradient")
PACES = 32  # of a descent from one end of [0, 1] to the other: a hill narrower than one is overlooked
NEAR = 1e-5  # where a descent looks for its direction
LEAST = 1e-12  # of a stored free energy: rounding is below
STEP = 2e-3  # of the logarithm of a parameter, in differences of the fourth order


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Regulation(Frozen):
    """An agent with one coupling regulated, over a number of its surroundings.

    Attributes
    ----------
    values : ndarray, shape (n_values,)
        Of the number that changes.
    coupling : ndarray, shape (n_values,)
        Share of the regulated number that is in use, in [0, 1].
    stored, frozen : ndarray, shape (n_values,)
        Stored free energy with the regulated coupling, and with that of the agent's own surroundings.
    held : ndarray of bool, shape (n_values,)
        Whether the stored free energy is the target: the range of robustness.
    at_rest : float
        The coupling in the agent's own surroundings.
    slope, frozen_slope : float
        d ln stored / d ln of the number there, regulated and frozen.

    References
    ----------
    The rules, and these measures of how robust maintenance is, are definitions of this package.
    """

    values: np.ndarray
    coupling: np.ndarray
    stored: np.ndarray
    frozen: np.ndarray
    held: np.ndarray
    at_rest: float
    slope: float
    frozen_slope: float


def _slope(f: Callable[[float], float]) -> float:
    """Return f'(0) from four values about it."""
    h = STEP
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


@own_arithmetic
def sensitivity(agent: Agent, name: str) -> float:
    """Return d ln stored / d ln of a number of an agent: how its stored free energy answers to its surroundings.

    Parameters
    ----------
    agent : Forager, Regulated, Battery, IsingAgent or SpinAgent
    name : str
        Of a number that is not 0.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the agent has no such number, it is 0 or whole, or nothing is stored.

    Notes
    -----
    As a measure of robust maintenance it is a definition of this package.

    Examples
    --------
    >>> from dmft.thermodynamics.agents import Forager, Regulated
    >>> forager = Forager(k=2, n_max=8, nu0=0.0, leak=0.0)
    >>> bool(sensitivity(Regulated(forager=forager), "eta") < sensitivity(forager, "eta"))
    True
    """
    own = _number(agent, "name", name)

    kept = agent.stored()
    if not kept > LEAST:
        raise ValueError(f"agent must store free energy that can answer, at least {LEAST:g}, got {kept:.3g}")

    def log_stored(shift: float) -> float:
        return float(np.log(changed(agent, {name: own * np.exp(shift)}).stored()))

    return _slope(log_stored)


def _number(agent: Agent, argument: str, name: str) -> float:
    kind_of(agent)
    known = [key for key, value in parameters(agent).items() if type(value) is float]
    one_of(argument, name, known)
    value = float(parameters(agent)[name])
    if value == 0:
        raise ValueError(f"{argument} must be a number that is not 0, got {name} = {value!r}")
    return value


@shows_progress
@own_arithmetic
def regulate(
    agent: Agent,
    name: str,
    values: ArrayLike,
    *,
    target: float,
    by: str = "eta",
    rule: Rule = "integral",
    gain: float = 1.0,
    progress: bool = True,
) -> Regulation:
    r"""Return how an agent whose coupling is regulated, slowly, stores free energy over a number of its surroundings.

    The number `by` is multiplied by a coupling c in [0, 1]. Integral feedback, :math:`\dot c = K (F^* - F)`, comes to
    rest where the stored free energy F is the target, if there is such a c; F must grow with c, or it runs away. A
    gradient, :math:`\dot c = -K (F - F^*)\, dF/dc`, comes to rest there, too, whether F grows or falls, or at a
    hill or valley of F on the way. Proportional feedback, :math:`c = c_0 + G (F^* - F)`, comes near it.

    Parameters
    ----------
    agent : Forager, Regulated, Battery, IsingAgent or SpinAgent
    name : str
        Of the number that changes; may be `by` itself.
    values : array_like, shape (n_values,)
        > 0.
    target : float
        The stored free energy to hold, > 0: reached at rest, in the agent's own surroundings, by some c.
    by : str, default="eta"
    rule : {"integral", "proportional", "gradient"}
        A gradient descends from c = 1 in the agent's own surroundings, and from where it rests there in others.
    gain : float, default=1.0
        G, >= 0, of proportional feedback.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Regulation

    Raises
    ------
    ValueError
        If the target cannot be reached at rest, or a number is outside its domain.

    Notes
    -----
    The rules are of this package. The slope of proportional feedback is that of the frozen coupling over
    :math:`1 + G\, dF/dc`.

    Examples
    --------
    >>> from dmft.thermodynamics.agents import Forager
    >>> agent = Forager(k=2, n_max=8, nu0=0.0, leak=0.0, eta=1.0)
    >>> found = regulate(agent, "eta", [0.1, 0.5, 2.0], target=1.0)
    >>> found.held.tolist(), bool(found.frozen_slope > 0.1), found.slope
    ([False, True, True], True, 0.0)
    >>> hungry = Forager(k=2, n_max=8, nu0=0.0, leak=0.0, met=2.0)  # what is stored falls with what is burnt
    >>> regulate(hungry, "eta", [0.5, 1.0], target=1.0, by="met", rule="gradient").held.tolist()
    [True, True]
    """
    own, acting = _number(agent, "name", name), _number(agent, "by", by)
    x = finite("values", values, (None,))
    if not (x > 0).all():
        raise ValueError(f"values must be > 0, got {first_bad(x > 0, x)}")
    one_of("rule", rule, RULES)
    F, G = positive("target", target), number("gain", gain, 0)

    def stored(value: float, c: float) -> float:
        given: dict[str, Any] = {name: value}
        given[by] = c * (value if name == by else acting)
        return float(changed(agent, given).stored())

    def root(value: float, miss: Callable[[float], float]) -> float:
        """Return where a miss, that grows with c, changes its sign; the nearest end, if it does not."""
        if miss(0.0) >= 0:
            return 0.0
        if miss(1.0) <= 0:
            return 1.0
        return float(brentq(miss, 0.0, 1.0, xtol=1e-14, rtol=8.9e-16))

    def descent(value: float, start: float) -> float:
        """Return where the descent of (F - target)^2 from a coupling ends."""

        def miss(c: float) -> float:
            return stored(value, c) - F

        here, now = start, miss(start)
        least, way = min((abs(miss(c)), c) for c in (max(0.0, start - NEAR), min(1.0, start + NEAR)))
        if not least < abs(now):
            return start
        end, behind = (0.0 if way < start else 1.0), start
        while here != end:
            there = min(1.0, here + 1 / PACES) if end else max(0.0, here - 1 / PACES)
            then = miss(there)
            if now * then <= 0:
                return float(brentq(miss, *sorted((here, there)), xtol=1e-14, rtol=8.9e-16))
            if abs(then) > abs(now):  # a hill or valley of F behind
                low, high = sorted((behind, there))
                return float(minimize_scalar(lambda c: abs(miss(c)), bounds=(low, high), method="bounded").x)
            behind, here, now = here, there, then
        return end

    at_rest = descent(own, 1.0) if rule == "gradient" else root(own, lambda c: stored(own, c) - F)
    if not abs(stored(own, at_rest) - F) <= 1e-9 * F:
        most = stored(own, 1.0)
        raise ValueError(f"target must be what a coupling in [0, 1] can store, at most {most:.6g} here, got {F!r}")

    def coupling(value: float) -> float:
        if rule == "gradient":
            return descent(value, at_rest)
        if rule == "integral":
            return root(value, lambda c: stored(value, c) - F)
        return root(value, lambda c: c - at_rest - G * (F - stored(value, c)))

    c = np.array([coupling(value) for value in each(x, "values")])
    reached = np.array([stored(value, share) for value, share in zip(x, c, strict=True)])
    frozen = np.array([stored(value, at_rest) for value in x])
    frozen_slope = _slope(lambda shift: float(np.log(stored(own * np.exp(shift), at_rest))))
    steepness = _slope(lambda shift: stored(own, at_rest * (1 + shift))) / at_rest
    slope = 0.0 if rule != "proportional" else frozen_slope / (1 + G * steepness)
    held = abs(reached - F) <= 1e-9 * F
    return Regulation(
        values=read_only(x),
        coupling=read_only(c),
        stored=read_only(reached),
        frozen=read_only(frozen),
        held=read_only(held),
        at_rest=at_rest,
        slope=slope,
        frozen_slope=frozen_slope,
    )
