"""One trajectory of the infinite network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import shown, whole
from .._util.progress import shows_progress
from .._util.values import Frozen
from ..maps import runs
from ..maps.model import Map
from ..maps.state import State
from .batch import single
from .model import SelfAttention, network_of
from .records import FEATURE_RECORDS, Every, check_record
from .start import Start


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Orbit(Frozen):
    r"""A trajectory of the map.

    Attributes
    ----------
    attention : ndarray, shape (n_rows, n_features), or None
        :math:`A_t` of the recorded steps; None if not recorded.
    overlaps : dict of str to ndarray, shape (n_rows, n_features)
        :math:`m^o, m^v, m^q, m^k` under "output", "value", "query", "key", and the semantic part
        of :math:`m^o`, factor :math:`1-\epsilon` included, under "semantic"; those recorded.
    steps : ndarray of int, shape (n_rows,)
        The step of each row, counted from the first one after the transient.
    window : Start
        Where the run ended; starting from it continues the run exactly.
    weights : ndarray, shape (n_rows, n_heads, n_context), or None
        Softmax weight that each head gives to the tokens of its window, newest first, if recorded. They add up to
        one; tokens that the window does not have yet have zero.
    """

    attention: np.ndarray | None
    overlaps: Mapping[str, np.ndarray]
    steps: np.ndarray
    window: Start
    weights: np.ndarray | None = dataclasses.field(default=None, kw_only=True)


@overload
def trajectory(
    model: SelfAttention,
    n_steps: int,
    *,
    n_transient: int = ...,
    start: Start | None = ...,
    record: str | Sequence[str] = ...,
    every: int = ...,
    n_threads: int | None = ...,
    progress: bool = ...,
) -> Orbit: ...
@overload
def trajectory(
    model: Map,
    n_steps: int,
    *,
    n_transient: int = ...,
    start: ArrayLike | State | None = ...,
    every: int = ...,
    n_threads: int | None = ...,
    progress: bool = ...,
) -> runs.Orbit: ...
@shows_progress
@own_arithmetic
def trajectory(
    model: SelfAttention | Map,
    n_steps: int,
    *,
    n_transient: int = 0,
    start: Any = None,
    record: str | Sequence[str] = FEATURE_RECORDS,
    every: int = 1,
    n_threads: int | None = None,
    progress: bool = True,
) -> Orbit | runs.Orbit:
    r"""Run the infinite network, or any map.

    One step is, with the phase t mod L [1]_,

    .. math::

        m^\alpha_t = (1-\epsilon) \sum_j G^\alpha_j \tanh(\beta s_j \cdot A_{t-1}) + b^\alpha(t),
        \qquad
        A_t = \sum_d \mathrm{softmax}_d\Big(\tfrac{\gamma}{\sqrt{M}} m^q_t \cdot m^k_{t-d}\Big) m^v_{t-d}.

    Parameters
    ----------
    model : SelfAttention or Map
        The network; or a map, of which a `dmft.maps.runs.Orbit` with its `states` is returned.
    n_steps : int
        Token steps to run after the transient, >= 1.
    n_transient : int, default=0
        Token steps to run first, unrecorded.
    start : Start, optional
        Default: ``Start.random(0)``. Of a map: a state, array_like, or a `dmft.maps.State`; default: that of the map.
    record : sequence of str, default all but "weights"
        What to keep, of "attention", "output", "semantic", "value", "query", "key", "weights"; a map has its states
        alone.
    every : int, default=1
        Keep the first of every so many steps.
    n_threads : int or None
        Has no effect on the numbers; one orbit runs on one thread.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Orbit
        With ``ceil(n_steps / every)`` rows.

    Raises
    ------
    ValueError
        If an argument is outside its domain or the start does not fit the model.
    FloatingPointError
        If the orbit leaves the real numbers.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (2), (3), (6).

    Examples
    --------
    >>> from dmft import Features, SelfAttention, Start
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> first = trajectory(model, 6, start=Start.feature("output", 0))
    >>> first.attention.shape
    (6, 3)
    >>> trajectory(model, 6, record="weights").weights.sum(axis=-1).round(12).tolist()  # of the one head
    [[1.0], [1.0], [1.0], [1.0], [1.0], [1.0]]
    >>> both = trajectory(model, 8, start=Start.feature("output", 0)).attention
    >>> bool((trajectory(model, 2, start=first.window).attention == both[6:]).all())
    True
    """
    if isinstance(model, Map):
        if record is not FEATURE_RECORDS:
            raise ValueError(f"record must not be given of a dmft.Map, whose states are kept, got {shown(record)}")
        return runs.trajectory(model, n_steps, n_transient=n_transient, start=start, every=every)
    network_of(model)
    n_steps, every = whole("n_steps", n_steps, 1), whole("every", every, 1)
    n_transient = whole("n_transient", n_transient, 0)
    names = check_record(record)
    batch = single(model, start, n_threads)
    rows = batch.new_record(names, -(-n_steps // every), Every(every))
    batch.advance(n_transient)
    batch.advance(n_steps, record=rows)
    batch.check_finite()
    arrays = {name: array[0] for name, array in rows.arrays().items()}
    weights = arrays.pop("weights", None)
    return Orbit(
        attention=arrays.pop("attention", None),
        overlaps=arrays,
        steps=np.arange(0, n_steps, every),
        window=batch.continuation(),
        weights=weights,
    )
