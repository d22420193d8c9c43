"""Cycles of the attention map: find one, follow it in a parameter, switch branches at a flip."""

from __future__ import annotations

import dataclasses
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, number, one_of, shown, whole
from .._util.progress import shows_progress
from ..dynamics.cycles import branches, newton
from ..dynamics.cycles.branches import SpecialPoint, crossing, doubled, trace
from ..dynamics.cycles.curves import CurvePoint
from ..dynamics.cycles.newton import TOLERANCE, Cycles, complete, find_cycles, polish
from ..dynamics.cycles.normal_forms import NormalForm
from ..dynamics.cycles.window_map import WindowMap
from ..maps import orbits as of_maps
from ..maps.model import Map
from ..maps.state import State
from .axes import continuous, values_at, with_values
from .batch import single
from .model import SelfAttention, network_of, parameter
from .start import Start
from .window_map import AttentionMap

__all__ = [
    "AttentionMap",
    "Branch",
    "CurvePoint",
    "Cycle",
    "Cycles",
    "NormalForm",
    "SpecialPoint",
    "WindowMap",
    "branch",
    "cycle",
    "find_cycles",
    "switch",
    "trace",
]

N_GUESSES = 12  # turns of an orbit to start from


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cycle(newton.Cycle):
    r"""A periodic orbit of a network, and how it attracts or repels.

    Attributes
    ----------
    orbit, attention : ndarray, shape (period, n_features)
        Row t is the attention made in step t; step 0 has phase 0.
    residual : float
        Largest miss of any step, :math:`\max_t |f_t(\ldots) - A_t|`.
    multipliers : ndarray of complex, shape (n_context * n_features,)
        Of one turn round the cycle, descending in modulus. Below 1e-308 they are shown as 0.
    exponents : ndarray, shape (n_context * n_features,)
        :math:`\log|\mu|` per token step, in nats; see `Spectrum` for NaN and -inf.
    model : SelfAttention

    See Also
    --------
    cycle : finds one.
    """

    model: SelfAttention

    @property
    def attention(self) -> np.ndarray:
        """The orbit, (period, n_features)."""
        return self.orbit

    @property
    def window(self) -> Start:
        """Start that lands on it: step 0 of the run is step 0 of the cycle."""
        rows = (-1 - np.arange(self.model.n_context)) % self.period
        return Start.window(self.attention[rows])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Branch(branches.Branch):
    """Cycles of a network along a parameter.

    Attributes
    ----------
    parameter : {"beta", "gamma", "epsilon", "strength"}
    values : ndarray, shape (n_points,)
        Of the parameter; not monotonic where the branch folds.
    orbits, attention : ndarray, shape (n_points, period, n_features)
        Step 0 has phase 0.
    growth, angle : ndarray, shape (n_points, n_context * n_features)
        Logarithm of the modulus of each multiplier, descending, and its angle.
    special : tuple of SpecialPoint
        In the order of the branch; each with a `Cycle` of the network.
    ends : tuple of str
        Why the branch ends, before its first point and after its last.
    model : SelfAttention
        The parameters that stay.
    """

    model: SelfAttention

    @property
    def attention(self) -> np.ndarray:
        """The orbits, (n_points, period, n_features)."""
        return self.orbits


@overload
def cycle(
    model: SelfAttention,
    period: int,
    *,
    start: Start | None = ...,
    guess: ArrayLike | None = ...,
    n_transient: int = ...,
    n_search: int = ...,
    tolerance: float = ...,
) -> Cycle: ...
@overload
def cycle(
    model: Map,
    period: int,
    *,
    start: ArrayLike | State | None = ...,
    guess: ArrayLike | None = ...,
    n_transient: int = ...,
    n_search: int = ...,
    tolerance: float = ...,
) -> of_maps.Cycle: ...
@own_arithmetic
def cycle(
    model: SelfAttention | Map,
    period: int,
    *,
    start: Any = None,
    guess: ArrayLike | None = None,
    n_transient: int = 1_000,
    n_search: int = 10_000,
    tolerance: float = TOLERANCE,
) -> Cycle | of_maps.Cycle:
    r"""Find a cycle of the network, or of any map, stable or unstable.

    Newton's method on all tokens of the cycle at once, from a guess: what is given, or those parts
    of an orbit that come nearest to themselves after `period` steps.

    Parameters
    ----------
    model : SelfAttention or Map
    period : int
        Token steps, >= 1; a multiple of the period of the position code (n_context, unless
        epsilon = 0), or of the forcing of a map. If the cycle is shorter, its own period is found.
    start : Start, optional
        Where the orbit begins that is searched. Default: ``Start.random(0)``.
    guess : array_like, shape (period, n_features), optional
        Attention of one turn; row 0 is made in a step of phase 0. Nothing is run then.
    n_transient, n_search : int, default=1000 and 10000
        Token steps that are run before, and that are searched.
    tolerance : float, default=1e-11
        Largest residual to accept, relative to the size of the cycle where that exceeds 1.

    Returns
    -------
    Cycle

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    FloatingPointError
        If the orbit leaves the real numbers.
    RuntimeError
        If Newton's method does not converge; the message says how near it came.

    References
    ----------
    .. [1] Kuznetsov, Elements of Applied Bifurcation Theory, ch. 10.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    >>> found = cycle(model, 4)
    >>> found.kind, round(float(found.exponents[0]), 14)
    ('stable focus', -0.00107283396865)
    """
    if isinstance(model, Map):
        how: dict[str, Any] = {"n_transient": n_transient, "n_search": n_search, "tolerance": tolerance}
        return of_maps.cycle(model, period, start=start, guess=guess, **how)
    network_of(model)
    tolerance = number("tolerance", tolerance, 0.0)
    system = AttentionMap(model)
    period = whole("period", period, 1)
    if period % system.n_phases:
        raise ValueError(
            f"period must be a multiple of {system.n_phases}, the period of "
            f"{'the position code' if model.drive is None else 'position code and drive'}, got {period}"
        )
    if guess is None:
        guesses = _returns(model, period, start, n_transient, n_search)
    else:
        guesses = [finite("guess", guess, (period, model.n_features))]
    return refined(model, *guesses, tolerance=tolerance)


def refined(model: SelfAttention, *guesses: np.ndarray, tolerance: float = TOLERANCE) -> Cycle:
    """Return the best cycle of a model near some guesses of one period, or say how near none came."""
    result = polish(AttentionMap(model).take(np.zeros(len(guesses), dtype=int)), guesses, tolerance=tolerance)
    best = newton.best(result, tolerance, len(guesses[0]))
    result = complete(AttentionMap(model), result.select([best]))
    return Cycle(
        orbit=result.orbits[0],
        residual=float(result.residual[0]),
        multipliers=result.multipliers[0],
        exponents=result.exponents[0],
        model=model,
    )


def _returns(
    model: SelfAttention, period: int, start: Start | None, n_transient: int, n_search: int
) -> list[np.ndarray]:
    """Return the turns of an orbit whose windows come nearest to themselves, each from a step of phase 0."""
    n_transient, n_search = whole("n_transient", n_transient, 0), whole("n_search", n_search, 1)
    n_context = model.n_context
    batch = single(model, start)
    batch.advance(n_transient + (-batch.phase - n_transient) % model.period)
    n_steps = n_search + period + n_context
    record = batch.new_record(("attention",), n_steps)
    batch.advance(n_steps, record=record)
    batch.check_finite()
    orbit = record.arrays()["attention"][0]
    return newton.returns(orbit, period, n_context, model.period, N_GUESSES)


@overload
def branch(
    cycle: Cycle,
    *,
    max_step: float = ...,
    n_points: int = ...,
    progress: bool = ...,
    **parameter_range: tuple[float, float],
) -> Branch: ...
@overload
def branch(
    cycle: of_maps.Cycle,
    *,
    max_step: float = ...,
    n_points: int = ...,
    progress: bool = ...,
    **parameter_range: tuple[float, float],
) -> of_maps.Branch: ...
@shows_progress
@own_arithmetic
def branch(
    cycle: Cycle | of_maps.Cycle,
    *,
    max_step: float = 0.02,
    n_points: int = 1_000,
    progress: bool = True,
    **parameter_range: tuple[float, float],
) -> Branch | of_maps.Branch:
    r"""Follow a cycle in one parameter, both ways, stable or not, past folds.

    Pseudo-arclength continuation [1]_ with the derivative by the parameter in closed form. Folds,
    flips, Neimark-Sacker and branch points are located to rounding, by Brent's method along the branch on
    a function that changes its sign there, and come with their normal forms. Where several multipliers cross
    together, the place is found by halving, with no form. Each change of the number of unstable
    multipliers has its point, or is in `unlocated`.

    Parameters
    ----------
    cycle : Cycle
    beta, gamma, epsilon or strength : (float, float)
        The parameter to follow it in, and its range; the cycle's own value lies inside. The strength is that of the
        `Drive` of the model. Of a map: any of its parameters.
    max_step : float, default=0.02
        Longest step, as a part of the range.
    n_points : int, default=1000
        At most so many points to each side.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Branch

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    References
    ----------
    .. [1] Keller, in Applications of Bifurcation Theory, ed. Rabinowitz (1977) 359.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, cycle
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    >>> (point,) = branch(cycle(model, 4), beta=(1.23, 1.25), max_step=0.2).special
    >>> point.kind, round(point.value, 12), point.form.supercritical
    ('neimark-sacker', 1.243444547815, True)

    In the strength of a drive:

    >>> from dmft import Drive
    >>> driven = model.replace(drive=Drive(["output 0", "free"], strength=0.1))
    >>> (point,) = branch(cycle(driven, 4), strength=(0.1, 0.3), max_step=0.2).special
    >>> point.kind, round(point.value, 12)
    ('neimark-sacker', 0.25130692449)
    """
    if isinstance(cycle, of_maps.Cycle):
        return of_maps.branch(cycle, max_step=max_step, n_points=n_points, **parameter_range)
    if not isinstance(cycle, Cycle):
        raise ValueError(f"cycle must be a dmft.Cycle, got {shown(cycle)}")
    names = continuous(cycle.model)
    if len(parameter_range) != 1:
        raise ValueError(f"one of {', '.join(names)} must be given as (low, high), got {sorted(parameter_range)}")
    ((name, bounds),) = parameter_range.items()
    one_of("parameter", name, names)
    low, high = (parameter(name, float(bound)) for bound in finite(name, bounds, (2,)))
    value = values_at(cycle.model)[name]
    if not low <= value <= high or low == high:
        raise ValueError(
            f"{name} must be (low, high) with low <= {value:g} <= high, the cycle's, got ({low:g}, {high:g})"
        )
    if name == "epsilon" and cycle.period % AttentionMap(cycle.model, name).n_phases:
        raise ValueError("epsilon must stay 0 for a cycle whose period is no multiple of that of the position code")
    system = AttentionMap(cycle.model, name)
    traced = trace(system, cycle.orbit, low, high, max_step=max_step, n_points=n_points)
    fields: dict[str, Any] = {field.name: getattr(traced, field.name) for field in dataclasses.fields(traced)}
    fields["special"] = tuple(_of_network(point, cycle.model) for point in traced.special)
    return Branch(**fields, model=cycle.model)


def _of_network(point: SpecialPoint, model: SelfAttention) -> SpecialPoint:
    """Return a special point whose cycle has its network."""
    fields = {field.name: getattr(point.cycle, field.name) for field in dataclasses.fields(point.cycle)}
    found = Cycle(**fields, model=with_values(model, **{point.parameter: point.value}))
    return dataclasses.replace(point, cycle=found)


@own_arithmetic
def switch(point: SpecialPoint) -> Any:
    """Return a cycle of the branch that splits off at a flip, or crosses at a branch point.

    Parameters
    ----------
    point : SpecialPoint
        A flip, or a branch point at which one multiplier crosses.

    Returns
    -------
    Cycle
        Near the point, of twice the period at a flip; `branch` follows it on. Of the two that are born at a pitchfork
        one; the other is its mirror image.

    Raises
    ------
    ValueError
        If the point is neither, or several multipliers cross together.
    RuntimeError
        If no such cycle is found near it.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, cycle
    >>> one = SelfAttention(Features([[1]], [[1]], [[1]], [[1]], n_positions=0), n_context=1, beta=0.5, gamma=1.0)
    >>> (point,) = branch(cycle(one, 1, guess=[[0.0]]), beta=(0.5, 1.5)).special
    >>> point.kind, point.form.kind, point.symmetry, round(point.value, 12)
    ('branch point', 'pitchfork', 'sign', 1.0)
    >>> born = switch(point)
    >>> born.stable, bool(np.isclose(born.orbit, np.tanh(born.model.beta * born.orbit), rtol=0, atol=1e-12).all())
    (True, True)

    Doubled cycles: see ``examples/cycle_branch.py``.
    """
    if not isinstance(point, SpecialPoint) or point.form is None or point.kind not in ("flip", "branch point"):
        raise ValueError(
            f"point must be a flip or a branch point of one multiplier, got {shown(getattr(point, 'kind', point))}"
        )
    if isinstance(point.cycle, of_maps.Cycle):
        return of_maps.switch(point)
    if not isinstance(point.cycle, Cycle):
        raise ValueError(f"point must be of a branch of cycles of a network or a map, got {shown(point.kind)}")
    model, name = point.cycle.model, point.parameter
    onto = doubled if point.kind == "flip" else crossing
    orbit, value = onto(AttentionMap(model, name), point)
    return refined(with_values(model, **{name: value}), orbit)
