"""Lyapunov exponents of a network, or of any other system, and the log volume that a network's map keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import flag, shown, whole
from .._util.progress import each, shows_progress
from ..dynamics.series import batch_means
from ..dynamics.spectrum import Spectrum, measure_spectrum
from ..dynamics.system import System
from ..maps.model import Map
from ..maps.state import state_of
from ..maps.system import system_of
from .determinants import log_determinants
from .directions import n_directions
from .model import SelfAttention, undriven
from .plan import Plan
from .start import Start, start_of
from .window_map import single_system

__all__ = ["Spectrum", "log_determinant", "lyapunov"]


@shows_progress
@own_arithmetic
def lyapunov(
    model: SelfAttention | Map | System,
    n_steps: int,
    *,
    tolerance: float | None = None,
    max_steps: int | None = None,
    n_transient: int = 1_000,
    n_tangent_transient: int | None = None,
    n_exponents: int | None = None,
    start: Any = None,
    n_history: int = 0,
    qr_interval: int = 1,
    multipliers: bool = True,
    n_threads: int | None = None,
    progress: bool = True,
) -> Spectrum:
    r"""Measure the Lyapunov exponents of an orbit, with their standard errors.

    Tangents of the L*M window are carried along and made orthogonal again; an exponent is the
    mean log growth of a tangent after that [1]_, :math:`\lambda_i = \lim \frac1T \sum \log |R_{ii}|`. In
    chaos the error is that of batch means; where the motion is regular, weighted Birkhoff averages [2]_
    take the place of the means.

    Parameters
    ----------
    model : SelfAttention, Map or System
        The network, or any other map; or a system of one orbit: see `dmft.systems`.
    n_steps : int
        Token steps to average over, >= 1; the whole periods of L steps in them, at least one.
    tolerance : float, optional
        Double the steps until every standard error is at most this, in nats per token step. Of exponents that
        are NaN nothing is asked.
    max_steps : int, optional
        Stop there if the tolerance has not been reached. Default: two million, or `n_steps` if that is more.
    n_transient : int, default=1000
        Token steps before the average begins; enough to fill the window.
    n_tangent_transient : int, optional
        The last steps of the transient, in which the tangents turn into place. Default: a tenth
        of the transient, at most 1000.
    n_exponents : int, optional
        How many, from the largest down. Default: all, L*M.
    start : Start, optional
        Default: ``Start.random(0)``. Of a `Map`: a state, array_like, or a `dmft.maps.State`.
    n_history : int, default=0
        How many running values to keep; with a tolerance those at each doubling are kept too.
    qr_interval : int, default=1
        Steps between two orthogonalisations. 1 is always safe: in every step, or of large windows (L*M > 40) after up
        to four steps whose stretches are mild. Where the softmax saturates, more loses exponents.
    multipliers : bool, default=True
        On a cycle, take the exponents from its multipliers, unless these take more than 1 GiB of memory (a warning says
        so). False: averages whatever the motion, which sweeps have.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Spectrum

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
    All L*M exponents at once come from both ends: where the softmax or the tokens saturate, a step
    annihilates directions to more digits than a double has, and the trailing half of
    :math:`J Q = Q' R` would be rounding noise. Since :math:`J^{-T} Q = Q' R^{-T}`, that half is
    carried by the inverse transposed Jacobian and made orthogonal from the last one back. What that
    stretches by far the most, the part of the token that leaves the window, is cleared from the tangents that come
    later, exactly and before the step; and where J all but annihilates a tangent of the leading half, it is taken
    from the other side in that step. A step in which rounding has eaten a stretch all the same adds its share to the
    error. Where more than one of 64 are such steps, as at :math:`\beta` beyond 8, the exponents that are lost are
    measured again along some hundred steps that follow, in as many digits as these take (of site classes), for a
    second or two. What that does not tell is NaN.

    Exponents are per token step. The map has the period L of the position code; the exponents of
    its L-step map are L times these. The position code itself is not a state and adds none.

    An orbit that has come to rest on a cycle returns to the last digits; Newton's method confirms the cycle, and the
    exponents are those of its multipliers, with errors of 0; where doubles do not tell these, they are multiplied out
    in more digits (of site classes), or averaged over whole turns where that takes too many. Before that two exponents
    of a complex pair come as their mean, which is known far better than either; their errors say how well they are
    known to be equal.

    Directions that several steps annihilate, and none of these by itself, as with features of a lesser rank at the
    fixed point 0, leave averages of rounding that no step shows (-3.1 a step for -inf). Multipliers tell them: it is
    `multipliers` = False, and sweeps without "attractor", that have such numbers.

    A transient that is still dying out is in the errors only as far as the run shows it.

    References
    ----------
    .. [1] Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15 (1980) 9.
    .. [2] Sander & Meiss, arXiv:2409.08496.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, Start
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> spectrum = lyapunov(model, 1_000, n_exponents=2, tolerance=1e-9)
    >>> spectrum.exponents.round(9), spectrum.converged, spectrum.n_steps
    (array([-0.08263884, -0.08263884]), True, 1000)
    """
    flag("multipliers", multipliers)
    system: System
    if isinstance(model, SelfAttention):
        n_steps = whole("n_steps", n_steps, 1)
        if n_exponents is not None:
            whole("n_exponents", n_exponents, 1)
        how: dict[str, Any] = {"n_exponents": n_exponents, "n_tangent_transient": n_tangent_transient}
        # At least one period is measured, whatever n_steps.
        plan = Plan(
            model=model,
            n_steps=max(n_steps, model.period),
            n_transient=n_transient,
            n_history=n_history,
            qr_interval=qr_interval,
            **how,
        )
        start = start_of(start)
        plan.check_start(start.state(model))
        system = single_system(model, start, n_threads)
    elif isinstance(model, Map):
        system = system_of(model, [state_of(model, start)])
    elif isinstance(model, System) and model.n_points == 1 and start is None:
        system = model
    else:
        raise ValueError(
            f"model must be a SelfAttention, a Map, or a system of one orbit without a start, got {shown(model)}"
        )
    return measure_spectrum(
        system,
        n_steps,
        tolerance=tolerance,
        max_steps=max_steps,
        n_transient=n_transient,
        n_tangent_transient=n_tangent_transient,
        n_exponents=n_exponents,
        n_history=n_history,
        qr_interval=qr_interval,
        multipliers=multipliers,
    )


@shows_progress
@own_arithmetic
def log_determinant(
    model: SelfAttention,
    n_steps: int,
    *,
    n_transient: int = 1_000,
    start: Start | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> tuple[float, float]:
    r"""Measure the mean of the log volume that the map keeps in a step.

    It is the sum of all Lyapunov exponents, and known where those that rounding has eaten are not: a window's
    determinant is that of the derivative of the new attention by the oldest one, :math:`\log |\det \partial A_t /
    \partial A_{t-L}|`.

    Parameters
    ----------
    model : SelfAttention
    n_steps : int
        Token steps to average over, >= 1; the whole periods of L steps in them, at least one.
    n_transient : int, default=1000
        Token steps before; enough to fill the window.
    start : Start, optional
        Default: ``Start.random(0)``.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    mean, stderr : float
        Nats per token step; the error is that of batch means, and of rounding at least; NaN in less than two
        periods. -inf and 0 where the map annihilates a direction; NaN where rounding hides the value.

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    FloatingPointError
        If the orbit leaves the real numbers.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> bool(abs(log_determinant(model, 4_000)[0] - lyapunov(model, 4_000).exponents.sum()) < 1e-6)
    True
    """
    undriven(model)
    n_samples = max(1, whole("n_steps", n_steps, 1) // model.n_context)
    plan = Plan(model=model, n_steps=model.n_context, n_transient=n_transient, n_exponents=1, n_tangent_transient=0)
    batch = single_system(model, start, n_threads)
    plan.check_start(batch.state())
    batch.advance(n_transient)
    annihilated = n_directions(model) < batch.size
    logs: list[np.ndarray] = []
    for done in each(range(0, n_samples, 4_096), size=4_096 * model.n_context):
        before, phase = batch.window[0, ::-1].copy(), batch.phase
        windows = np.asarray(batch.strobe(min(4_096, n_samples - done))[0]).reshape(-1, *batch.shape)
        rows = np.concatenate([before, windows[:, ::-1].reshape(-1, model.n_features)])
        if not annihilated:
            steps = np.stack(log_determinants(model, rows, phase))
            logs.append(steps.reshape(2, -1, model.n_context).mean(axis=2))
    batch.check_finite()
    if annihilated:
        return -np.inf, 0.0
    (series, rounding), n_batches = np.concatenate(logs, axis=1), min(20, n_samples)
    if n_batches < 2:
        return float(series.mean()), float("nan")
    mean, stderr = batch_means(series, n_batches)
    return float(mean), float(max(stderr, rounding.mean()))
