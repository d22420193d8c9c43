"""Lyapunov exponents of one orbit, with errors and a stop rule."""

from __future__ import annotations

import dataclasses

import numpy as np

from .._util.checks import number, whole
from ..dynamics.cycles.newton import find_cycles
from ..dynamics.exponents import Exponents, follow
from ..dynamics.series import batch_means, closest_returns
from .batch import check_finite, linearize, single
from .directions import n_directions_of
from .model import SelfAttention
from .plan import Plan, tangent_numbers
from .start import Start
from .window_map import AttentionMap


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Lyapunov exponents of one orbit.

    Attributes
    ----------
    exponents : ndarray, shape (n_exponents,)
        Descending, in nats per token step. -inf where the map annihilates a direction; NaN where
        the stretch was below rounding, so that nothing is known but that it lies between its
        finite neighbours.
    stderr : ndarray, shape (n_exponents,)
        Their standard errors: 0 for -inf, NaN for NaN.
    regular : bool
        Whether the growth is that of regular motion. Then the exponents are weighted averages, and the error is
        the difference between the halves of the run; else they are means, with the error of batch means.
    period : int
        Where the orbit has come to rest on a stable cycle, its period in token steps: the exponents are
        then the logarithms of its multipliers, and the errors 0. Else 0.
    kaplan_yorke, kaplan_yorke_stderr : float
        The Kaplan-Yorke dimension and its error; NaN where it takes more exponents.
    n_lost : ndarray of int, shape (n_exponents,)
        Steps in which the stretch was below rounding.
    n_steps : int
        Token steps that were averaged over.
    converged : bool or None
        Whether the errors are within the tolerance; None if none was asked for.
    steps, history, history_stderr : ndarray, shape (n_history,) and (n_history, n_exponents)
        Exponents and errors as they were after so many steps, in the order of `exponents`.
    window : Start or None
        Where the orbit ended; None for a system that is not an attention map.
    """

    exponents: np.ndarray
    stderr: np.ndarray
    regular: bool
    period: int
    kaplan_yorke: float
    kaplan_yorke_stderr: float
    n_lost: np.ndarray
    n_steps: int
    converged: bool | None
    steps: np.ndarray
    history: np.ndarray
    history_stderr: np.ndarray
    window: Start | None
    _run: Run = dataclasses.field(repr=False)

    def resume(self, n_steps, *, tolerance=None, max_steps=None, n_history=0):
        """Continue the run, with what it knows: the numbers are those of one run.

        To the last bit if the steps in all are the steps before times a power of two, as the stop rule has it; else
        the weighted averages are over other windows.

        Parameters
        ----------
        n_steps : int
            Token steps to add, >= 1.
        tolerance, max_steps, n_history
            As for `lyapunov`; `max_steps` counts all steps of the run.

        Returns
        -------
        Spectrum
            The history goes on too.

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
        >>> half, whole = (lyapunov(model, n, n_exponents=2) for n in (4_000, 8_000))
        >>> bool((half.resume(4_000).exponents == whole.exponents).all())
        True
        """
        run = self._run.copy()
        return run.to(self.n_steps + whole("n_steps", n_steps, 1), tolerance, max_steps, n_history)


@dataclasses.dataclass(slots=True)
class Run:
    """A run so far: the orbit and its tangents, and what is known of their growth."""

    model: SelfAttention | None
    system: object
    exponents: Exponents
    marks: list  # (step, estimates) of the history
    multipliers: bool  # whether to look for a cycle

    def copy(self):
        """Return a run that may go on without this one noticing."""
        return Run(self.model, self.system.select([0]), self.exponents.select([0]), [*self.marks], self.multipliers)

    def to(self, n_steps, tolerance, max_steps, n_history):
        """Go on until so many steps in all, or until the errors are small; return the spectrum."""
        tolerance = None if tolerance is None else number("tolerance", tolerance, 0.0)
        max_steps = max(MAX_STEPS, n_steps) if max_steps is None else whole("max_steps", max_steps, 1)
        if max_steps < n_steps:
            raise ValueError(f"max_steps must be >= the {n_steps} steps asked for, got {max_steps}")
        begun, period = self.exponents.n_samples, self.system.period
        n_samples = max(begun + 1, n_steps // period)
        most = max(n_samples, max_steps // period)
        n_history = whole("n_history", n_history, 0)
        shown = set(np.linspace(begun, n_samples, n_history + 1).astype(int)[1:].tolist()) - {begun}
        converged = None
        while True:
            for end in sorted({*shown, n_samples}):
                follow(self.system, self.exponents, end - self.exponents.n_samples)
                if end in shown or tolerance is not None:
                    self.marks.append((end * period, self.exponents.estimate()))
            if self.model is not None:
                check_finite(self.system, self.model)
            found = self._estimate()
            found, period_found = self._cycle(found)
            if tolerance is not None:
                errors = found.stderr[~np.isnan(found.exponents)]
                converged = bool(errors.size and (errors <= tolerance).all())
            if tolerance is None or converged or n_samples >= most:
                return self._spectrum(found, period_found, converged)
            shown, n_samples = set(), min(2 * n_samples, most)

    def _estimate(self):
        rank = None if self.model is None else n_directions_of(self.system, self.model)
        return self.exponents.estimate(self.system.n_lost, rank)

    def _cycle(self, found):
        """Return the estimates with a cycle's multipliers in their place, and its period, where the orbit is on one."""
        if not self.multipliers or self.model is None or found.exponents[0, 0] > 0.0:
            return found, 0
        batch = self.system.select([0])
        states = batch.strobe(N_RETURNS)[0][0]
        times, distances = closest_returns(states[::-1])
        there = distances <= ARRIVED * np.abs(states[-1]).max()
        if not there.any():
            return found, 0
        periods = times[there][:1] * batch.period
        cycles = find_cycles(AttentionMap(self.model), batch.window, periods, phase=batch.phase)
        exponents = cycles.exponents[:, : found.exponents.shape[1]]
        if not (cycles.found[0] and exponents[0, 0] < 0.0 and cycles.distance[0] <= np.sqrt(ARRIVED)):
            return found, 0
        known = ~np.isnan(exponents)  # what rounding has eaten there may be known here
        settled = dataclasses.replace(
            found,
            exponents=np.where(known, exponents, found.exponents),
            stderr=np.where(known, 0.0, found.stderr),
            regular=np.array([True]),
        )
        return settled, int(cycles.period[0])

    def _spectrum(self, found, period, converged):
        order, k = found.order, found.order.shape[1]
        history = [[past.of_tangents(name, order)[0] for _, past in self.marks] for name in ("exponents", "stderr")]
        return Spectrum(
            exponents=found.exponents[0],
            stderr=found.stderr[0],
            regular=bool(found.regular[0]),
            period=period,
            kaplan_yorke=float(found.kaplan_yorke[0]),
            kaplan_yorke_stderr=float(found.kaplan_yorke_stderr[0]),
            n_lost=np.take_along_axis(self.system.n_lost, order, axis=1)[0],
            n_steps=self.exponents.n_samples * self.system.period,
            converged=converged,
            steps=np.array([step for step, _ in self.marks], dtype=int),
            history=np.reshape(history[0], (-1, k)),
            history_stderr=np.reshape(history[1], (-1, k)),
            window=None if self.model is None else Start.continuing(self.system.state()),
            _run=self,
        )


MAX_STEPS = 2_000_000  # of a run with a tolerance, if not told otherwise
N_RETURNS = 512  # samples in which a cycle must return
ARRIVED = 1e-9  # of the largest entry of a window: a return so near is to the cycle itself


def lyapunov(
    model,
    n_steps,
    *,
    tolerance=None,
    max_steps=None,
    n_transient=1_000,
    n_tangent_transient=None,
    n_exponents=None,
    start=None,
    n_history=0,
    qr_interval=1,
    multipliers=True,
    n_threads=None,
):
    r"""Measure the Lyapunov exponents of an orbit, with their standard errors.

    Tangents of the L*M window are carried along and made orthogonal again; an exponent is the
    mean log growth of a tangent after that [1]_, :math:`\lambda_i = \lim \frac1T \sum \log |R_{ii}|`. In
    chaos the error is that of batch means; where the motion is regular, weighted Birkhoff averages [2]_
    take the place of the means.

    Parameters
    ----------
    model : SelfAttention or system
        The network; or any other map, as a system of one orbit: see `dmft.dynamics.system`.
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
        Default: ``Start.random(0)``.
    n_history : int, default=0
        How many running values to keep; with a tolerance those at each doubling are kept too.
    qr_interval : int, default=1
        Steps between two orthogonalisations. 1 is always safe; where the softmax saturates, more
        loses exponents.
    multipliers : bool, default=True
        On a cycle, take the exponents from its multipliers. False: averages whatever the motion, which sweeps have.
    n_threads : int or None
        Has no effect on the numbers.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    FloatingPointError
        If the orbit leaves the real numbers.

    Notes
    -----
    All L*M exponents at once come from both ends: where the softmax or the tokens saturate, a step
    annihilates directions to more digits than a double has, and the trailing half of
    :math:`J Q = Q' R` would be rounding noise. Since :math:`J^{-T} Q = Q' R^{-T}`, that half is
    carried by the inverse transposed Jacobian and made orthogonal from the last one back. What is
    lost all the same, in the middle at large :math:`\beta`, is reported as lost.

    Exponents are per token step. The map has the period L of the position code; the exponents of
    its L-step map are L times these. The position code itself is not a state and adds none.

    An orbit that has come to rest on a cycle returns to the last digits; Newton's method confirms the cycle, and the
    exponents are those of its multipliers, with errors of 0. Before that two exponents of a complex pair come as their
    mean, which is known far better than either; their errors say how well they are known to be equal.

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
    n_steps = whole("n_steps", n_steps, 1)
    if n_exponents is not None:
        whole("n_exponents", n_exponents, 1)
    how = {"n_transient": n_transient, "n_exponents": n_exponents, "n_tangent_transient": n_tangent_transient}
    if isinstance(model, SelfAttention):
        # At least one period is measured, whatever n_steps.
        plan = Plan(
            model=model, n_steps=max(n_steps, model.n_context), n_history=n_history, qr_interval=qr_interval, **how
        )
        system = single(model, start, n_threads)
        plan.check_start(system.state())
        plan.begin(system)
    elif model.n_points != 1 or start is not None:
        raise ValueError(f"model must be a SelfAttention, or a system of one orbit without a start, got {model!r}")
    else:
        model, system = None, model.select([0])
        n_transient, n_exponents, n_tangents = tangent_numbers(system.n_dim, **how)
        system.advance(n_transient - n_tangents)
        system.begin_tangents(n_exponents)
        system.advance(n_tangents, tangents=True)
    n_samples = max(1, n_steps // system.period)
    exponents = Exponents(1, system.n_lost.shape[1], system.n_dim, system.period, n_samples)
    return Run(model, system, exponents, [], bool(multipliers)).to(n_steps, tolerance, max_steps, n_history)


def log_determinant(model, n_steps, *, n_transient=1_000, start=None, n_threads=None):
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

    Returns
    -------
    mean, stderr : float
        Nats per token step; the error is that of batch means, NaN in less than two periods.

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
    n_samples = max(1, whole("n_steps", n_steps, 1) // model.n_context)
    plan = Plan(model=model, n_steps=model.n_context, n_transient=n_transient, n_exponents=1, n_tangent_transient=0)
    batch = single(model, start, n_threads)
    plan.check_start(batch.state())
    batch.advance(n_transient)
    logs = []
    for done in range(0, n_samples, 4_096):
        before = batch.window.copy()
        windows = batch.strobe(min(4_096, n_samples - done))[0].reshape(-1, *batch.shape)
        # The attentions in their order; then the window before every step.
        rows = np.concatenate([before[0, ::-1], windows[:, ::-1].reshape(-1, model.n_features)])
        seen = np.lib.stride_tricks.sliding_window_view(rows, model.n_context, axis=0)[:-1].transpose(0, 2, 1)[:, ::-1]
        for phase in range(model.n_context):
            some = seen[phase :: model.n_context]
            point = [np.full(len(some), x) for x in (model.beta, model.gamma, model.epsilon)]
            oldest = linearize(model, *point, some, (batch.phase + phase) % model.n_context, n_threads)[1][:, -1]
            logs.append(np.linalg.slogdet(oldest)[1])
    check_finite(batch, model)
    n_batches = min(20, n_samples)
    periods = [np.mean(logs[i : i + model.n_context], axis=0) for i in range(0, len(logs), model.n_context)]
    series = np.concatenate(periods)
    if n_batches < 2:
        return float(series.mean()), float("nan")
    mean, stderr = batch_means(series, n_batches)
    return float(mean), float(stderr)
