"""Covariant Lyapunov vectors of a network, of a map, or of any other system."""

from __future__ import annotations

from typing import Any

from .._util.arithmetic import own_arithmetic
from .._util.checks import shown
from .._util.progress import shows_progress
from ..dynamics.covariant_vectors import CovariantVectors, measure_covariant
from ..dynamics.system import System
from ..maps.model import Map
from ..maps.state import state_of
from ..maps.system import system_of
from .model import SelfAttention
from .start import start_of
from .window_map import single_system

__all__ = ["CovariantVectors", "covariant"]


@shows_progress
@own_arithmetic
def covariant(
    model: SelfAttention | Map | System,
    n_steps: int,
    *,
    n_vectors: int | None = None,
    n_expanding: int | None = None,
    n_transient: int = 1_000,
    n_tangent_transient: int = 1_000,
    start: Any = None,
    n_rows: int = 1_000,
    interval: int = 10,
    n_bins: int = 45,
    n_threads: int | None = None,
    progress: bool = True,
) -> CovariantVectors:
    r"""Measure covariant Lyapunov vectors along an orbit, and the angle between what expands and what contracts.

    A covariant vector is taken by every step to the next one, :math:`J_t v_t \propto v_{t+1}`, and shrinks or grows
    as its exponent says, forward and back [1]_. The expanding space is that of the vectors with positive exponents;
    what is orthogonal to as many adjoint vectors is the contracting space, whole even where the map annihilates
    directions [2]_. Where the angle between them comes near 0 the attractor is not hyperbolic.

    Parameters
    ----------
    model : SelfAttention, Map or System
        A system of one orbit that is observed whole and has a derivative; see `dmft.systems`.
    n_steps : int
        Token steps that are measured, >= 1.
    n_vectors : int, optional
        How many, from the most expanding down. Default: all, L*M.
    n_expanding : int, optional
        How many of them span the expanding space. Default: those with an exponent above 0 by three standard errors.
    n_transient : int, default=1000
        Steps before.
    n_tangent_transient : int, default=1000
        Steps after these in which the tangents turn into place, and as many beyond the end for the way back.
    start : Start, optional
        Default: ``Start.random(0)``. Of a `Map`: a state, array_like, or a `dmft.maps.State`.
    n_rows : int, default=1000
        The first so many steps are kept with their vectors.
    interval : int, default=10
        Steps of the finite-time exponents whose spread is measured, <= `n_steps`.
    n_bins : int, default=45
        Of the histogram of angles.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    CovariantVectors

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    FloatingPointError
        If the orbit leaves the real numbers.
    MemoryError
        If the tangents take more memory than is available.

    Notes
    -----
    The orbit is kept at the beginnings of blocks of thousands of steps, which are run again on the way back: a run
    takes the time of some two, and memory that hardly grows with it. Errors are those of batch means.

    References
    ----------
    .. [1] Ginelli, Poggi, Turchi, Chate, Livi & Politi, Phys. Rev. Lett. 99 (2007) 130601.
    .. [2] Kuptsov, Phys. Rev. E 85 (2012) 015203.

    Examples
    --------
    >>> import numpy as np
    >>> from dmft.maps import textbook
    >>> found = covariant(textbook.henon(), 2_000)
    >>> found.n_expanding, bool(abs(found.exponents.sum() - np.log(0.3)) < 1e-2), bool(found.least_angle < 0.1)
    (1, True, True)
    """
    system: System
    if isinstance(model, SelfAttention):
        system = single_system(model, start_of(start), n_threads)
    elif isinstance(model, Map):
        system = system_of(model, [state_of(model, start)])
    elif isinstance(model, System) and start is None:
        system = model
    else:
        raise ValueError(
            f"model must be a SelfAttention, a Map, or a system of one orbit without a start, got {shown(model)}"
        )
    return measure_covariant(
        system,
        n_steps,
        n_vectors=n_vectors,
        n_expanding=n_expanding,
        n_transient=n_transient,
        n_tangent_transient=n_tangent_transient,
        n_rows=n_rows,
        interval=interval,
        n_bins=n_bins,
    )
