"""Find what orbits of the attention map settle on: one, from many starts, at many points."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, instances, whole
from .._util.memory import need_memory
from .._util.progress import shows_progress
from ..dynamics.classify import ATTRACTOR_KINDS, Rules, classify
from ..dynamics.cycles import many_digits
from ..dynamics.labels import SIGNATURE, Attractor, Attractors, arrays_of, distinct, filled
from ..dynamics.matching import follow_along
from ..dynamics.rounds import KEPT
from ..maps import runs
from ..maps.model import Map
from ..sweeps.results import SweepResult
from .axes import PARAMETERS
from .batch import Batch
from .model import SelfAttention, network_of
from .start import Start, alike, start_of
from .window_map import AttentionMap

LEADING = 4  # exponents of a label in a sweep, if no more are measured


@shows_progress
@own_arithmetic
def attractor(
    model: SelfAttention | Map,
    *,
    start: Any = None,
    n_transient: int = 10_000,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> Attractor:
    r"""Say what an orbit settles on.

    Parameters
    ----------
    model : SelfAttention or Map
        The network, or any other map.
    start : Start, optional
        Default: ``Start.random(0)``. Of a map: a state, array_like, or a `dmft.maps.State`; default: that of the map.
    n_transient : int, default=10000
        Token steps before anything is judged; enough to fill the window.
    n_exponents : int, optional
        Lyapunov exponents to measure. Default: 4, more where those are not enough to tell. A cycle
        has all of them; those whose multipliers would take too many digits are averages over whole turns, with
        errors, and NaN where rounding hides these, too.
    rules : Rules, optional
        Thresholds, and how long to try. Default: ``Rules()``.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Attractor
        Of kind "lost" if the orbit leaves the real numbers, "undetermined" if the rules do not decide.

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Notes
    -----
    The map has the period of the position code, so an attractor is one of its n_context-step map.
    There is no exponent that vanishes by itself, as there is in a flow: one zero exponent is a torus.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    >>> found = attractor(model)
    >>> found.name, float(found.exponents[0].round(11))
    ('cycle of period 4', -0.00107283397)
    """
    if isinstance(model, Map):
        return runs.attractor(model, start=start, n_transient=n_transient, n_exponents=n_exponents, rules=rules)
    return _complete(model, _settled(model, [start_of(start)], n_transient, n_exponents, rules, n_threads)[0])


@shows_progress
@own_arithmetic
def attractors(
    model: SelfAttention | Map,
    *,
    starts: Any = 64,
    n_transient: int = 10_000,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> Attractors:
    """Find the attractors that many starts lead to, and how large their basins are.

    Parameters
    ----------
    model : SelfAttention or Map
        The network, or any other map.
    starts : int or sequence of Start, default=64
        So many ``Start.random(0)``, ``Start.random(1)``, ...; or the starts themselves. Of a map: states,
        array_like, shape (n_starts, size), or each a `dmft.maps.State`.
    n_transient, n_exponents, rules, n_threads
        As for `attractor`.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Attractors

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.2697, gamma=220.0, epsilon=0.02)
    >>> for one in attractors(model, starts=20):
    ...     print(one.name)
    cycle of period 28
    cycle of period 56
    """
    if isinstance(model, Map):
        return runs.attractors(model, starts=starts, n_transient=n_transient, n_exponents=n_exponents, rules=rules)
    network_of(model)
    if not isinstance(starts, list | tuple):
        n_starts = whole("starts", starts, 1)
        n_bytes = n_starts * (1_000.0 + 8.0 * model.n_context * model.n_features)
        need_memory(f"orbits from {n_starts} starts", n_bytes, "take fewer (starts)")
        starts = [Start.random(seed) for seed in range(n_starts)]
    several = distinct(_settled(model, starts, n_transient, n_exponents, rules, n_threads))
    cost = many_digits.COST / max(1, len(several.found))
    return dataclasses.replace(several, found=tuple(_complete(model, one, cost) for one in several.found))


def _complete(model: SelfAttention, one: Attractor, cost: float | None = None) -> Attractor:
    """Return an attractor with all exponents, if it is a cycle, in as many digits as it takes and the cost allows."""
    averages = ~(one.stderr == 0.0)  # and what is not known
    if one.orbit is None or not averages.any():
        return one
    growth = np.where(averages, np.nan, one.exponents) * one.period
    exact, _ = many_digits.complete(AttentionMap(model), one.orbit, growth, np.zeros_like(growth), cost)
    told = averages & ~np.isnan(exact)
    exponents = np.where(told, exact / one.period, one.exponents)
    return dataclasses.replace(one, exponents=exponents, stderr=np.where(told, 0.0, one.stderr))


def _settled(
    model: SelfAttention,
    starts: Sequence[Start],
    n_transient: int,
    n_exponents: int | None,
    rules: Rules | None,
    n_threads: int | None,
) -> list[Attractor]:
    """Return the attractor of each start."""
    network_of(model)
    n_transient = whole("n_transient", n_transient, 0)
    if n_exponents is not None and whole("n_exponents", n_exponents, 1) > model.n_context * model.n_features:
        most = model.n_context * model.n_features
        raise ValueError(f"n_exponents must be <= n_context * n_features = {most}, got {n_exponents}")
    if rules is not None:
        instance("rules", rules, Rules, "a Rules")
    states = [start.state(model) for start in instances("starts", starts, Start, "dmft.Start, or their number")]
    each: dict[int, Attractor] = {}
    # A batch shares the number of rows it starts with, and the phase.
    kinds = [alike(state) for state in states]
    for kind in dict.fromkeys(kinds):
        some = [i for i, other in enumerate(kinds) if other == kind]
        values = {name: np.full(len(some), getattr(model, name)) for name in PARAMETERS}
        batch = Batch(model, **values, states=[states[i] for i in some], n_threads=n_threads)
        batch.advance(n_transient)
        each.update(zip(some, settle(batch, model, n_exponents, rules, n_threads), strict=True))
    return [each[i] for i in range(len(states))]


def settle(
    batch: Batch,
    model: SelfAttention,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    n_threads: int | None = None,
    n_told: int | None = None,
) -> list[Attractor]:
    """Return the attractor of every point of a batch whose transient is over; moves the batch to phase 0.

    Of cycles `n_told` exponents, all by default, are averages where doubles hide their multipliers.
    """
    missing = max(model.n_context - batch.n_filled, 0)
    batch.advance(missing + (-batch.phase - missing) % model.period)
    window_map = AttentionMap(model, n_threads=n_threads, beta=batch.beta, gamma=batch.gamma, epsilon=batch.epsilon)
    verdicts = classify(batch, window_map=window_map, n_exponents=n_exponents, rules=rules)
    each = [Attractor.of(verdict, batch.shape, batch.period, Start.window) for verdict in verdicts]
    return filled(batch, each, batch.size if n_told is None else n_told)


# ---- many points ----


def settled_arrays(
    batch: Batch, model: SelfAttention, n_threads: int | None = None, n_exponents: int = 0
) -> dict[str, np.ndarray]:
    """Return what the points of a batch settle on as arrays by name, and move the batch there; see `dynamics.labels`.

    Four exponents, or as many as the run measures; NaN where an attractor has fewer.
    """
    n = min(max(LEADING, n_exponents), batch.size)
    each = settle(batch, model, n_threads=n_threads, n_told=n)
    batch.move_to([one.states[-1] for one in each])
    return arrays_of(each, n)


def settled_doubles(n_points: int, model: SelfAttention) -> float:
    """Return about how many numbers `settled_arrays` has in memory at a time: the last states of every orbit."""
    return 1.4 * KEPT * n_points * model.n_context * model.n_features


@own_arithmetic
def identify(result: SweepResult) -> np.ndarray:
    """Give each attractor a number, in a sweep over one parameter and over starts.

    Parameters
    ----------
    result : SweepResult
        With the measure "attractor", over `start` and one parameter.

    Returns
    -------
    ndarray of int, shape ``result.shape``
        The same number for the same attractor, whatever the start, and for what it turns into at
        neighbouring values of the parameter; see `dmft.dynamics.matching.follow_along`. -1 where an orbit
        is lost or undetermined.

    Raises
    ------
    ValueError
        If the sweep is not over `start` and one parameter, or has not the measure.

    Examples
    --------
    >>> from dmft import Features, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> starts = [Start.random(seed) for seed in (0, 1)]
    >>> how = {"n_steps": 4, "n_transient": 2_000, "measure": "attractor", "progress": False}
    >>> identify(sweep(model, start=starts, beta=[0.9, 1.0], **how)).tolist()
    [[0, 0], [0, 0]]
    """
    instance("result", result, SweepResult, "a dmft.SweepResult of `sweep`")
    if "kind" not in result:
        raise ValueError(f"result must have the measure 'attractor', got {', '.join(result)}")
    if len(result.dims) != 2 or "start" not in result.dims:
        raise ValueError(f"result must be over start and one parameter, got {', '.join(result.dims)}")
    signature = np.stack([result[name] for name in SIGNATURE], axis=-1)
    place = [np.array(result[name]) for name in ("moments", "moments_error")]
    nowhere = [ATTRACTOR_KINDS.index("undetermined"), ATTRACTOR_KINDS.index("lost")]
    place[0][np.isin(signature[..., 0], nowhere)] = np.nan
    parameter = next(name for name in result.dims if name != "start")
    turned = result.dims[0] == "start"
    if turned:
        signature, place = signature.swapaxes(0, 1), [array.swapaxes(0, 1) for array in place]
    order = np.argsort(result.axes[parameter], kind="stable")
    index = np.empty(signature.shape[:2], dtype=int)
    index[order] = follow_along(signature[order], *(array[order] for array in place))
    return index.T if turned else index
