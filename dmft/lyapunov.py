"""Lyapunov exponents of the attention map."""

from __future__ import annotations

import dataclasses

import numpy as np

from ._checks import whole
from .meanfield import Record, check_finite, check_record, continuation, single
from .model import SelfAttention, Start


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Lyapunov exponents of one orbit.

    Attributes
    ----------
    exponents : ndarray, shape (n_exponents,)
        Descending, in nats per token step. -inf where the map annihilates a direction; NaN where
        the stretch was below rounding, so that nothing is known but that it lies below the last
        finite one.
    n_lost : ndarray of int, shape (n_exponents,)
        Steps in which the stretch was below rounding.
    n_steps : int
        Token steps that were averaged over.
    steps, history : ndarray, shape (n_history,) and (n_history, n_exponents)
        Running exponents after so many steps, in the order of `exponents`.
    window : Start
        Where the orbit ended.
    """

    exponents: np.ndarray
    n_lost: np.ndarray
    n_steps: int
    steps: np.ndarray
    history: np.ndarray
    window: Start


def generic_rank(model):
    """Return how many directions of the window the tangent map keeps, whatever the orbit.

    Fewer than L*M when the site classes span fewer dimensions than there are features: then the
    other exponents are -inf, which rounding would hide.
    """
    from . import reference  # late: it brings scipy's quadrature along

    n_context, n_features = model.n_context, model.n_features
    if model.beta == 0.0 or model.epsilon == 1.0:
        return 0
    # The rank of the product is that at random, unsaturated points.
    mild = model.replace(beta=1.0, gamma=np.sqrt(n_features / model.n_heads), epsilon=model.epsilon)
    rng = np.random.default_rng(0)
    frame = np.eye(n_context * n_features)
    for t in range(2 * n_context * n_features):
        rows = reference.jacobian(mild, rng.uniform(-0.5, 0.5, (n_context, n_features)), t % n_context)
        left, size, _ = np.linalg.svd(reference.companion(rows) @ frame, full_matrices=False)
        frame = left[:, size > 1e-9 * np.linalg.norm(rows)]
        if frame.shape[1] == 0:
            break
    return frame.shape[1]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run does: a transient, then steps that are recorded and measured.

    Parameters
    ----------
    model : SelfAttention
        Gives the sizes.
    n_steps : int
        Token steps after the transient, >= 1.
    n_transient : int, default=1000
        Token steps before.
    record : sequence of str, default=()
        Arrays of the orbit to keep; see `dmft.trajectory`.
    n_rows : int or None, default=None
        How many rows of the orbit to keep, the last ones (with `section`: the first ones). None:
        all, or 1000 with `section`.
    every : int, default=1
        Keep one of so many steps.
    section : int or None, default=None
        Keep the steps in which this attention component changes its sign.
    n_exponents : int or None, default=0
        How many Lyapunov exponents; None: all, L*M.
    n_tangent_transient : int or None, default=None
        The last steps of the transient, in which tangents turn into place. None: a tenth of the
        transient, at most 1000.
    n_history : int, default=0
        How many running exponents to keep.
    qr_interval : int, default=1
        Steps between two orthogonalisations.
    """

    model: SelfAttention
    n_steps: int
    n_transient: int = 1_000
    record: tuple = ()
    n_rows: int | None = None
    every: int = 1
    section: int | None = None
    n_exponents: int | None = 0
    n_tangent_transient: int | None = None
    n_history: int = 0
    qr_interval: int = 1

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        for name, least in (("n_steps", 1), ("n_transient", 0), ("every", 1), ("n_history", 0), ("qr_interval", 1)):
            put(name, whole(name, getattr(self, name), least))
        size = self.model.n_context * self.model.n_features
        put("n_exponents", size if self.n_exponents is None else whole("n_exponents", self.n_exponents, 0))
        if self.n_exponents > size:
            raise ValueError(f"n_exponents must be <= n_context * n_features = {size}, got {self.n_exponents}")
        if self.n_tangent_transient is None:
            put("n_tangent_transient", min(self.n_transient // 10, 1_000))
        put("n_tangent_transient", whole("n_tangent_transient", self.n_tangent_transient, 0))
        if self.n_tangent_transient > self.n_transient:
            raise ValueError(
                f"n_tangent_transient must be <= n_transient = {self.n_transient}, got {self.n_tangent_transient}"
            )
        if self.n_history > self.n_steps:
            raise ValueError(f"n_history must be <= n_steps = {self.n_steps}, got {self.n_history}")
        put("record", check_record(self.record))
        if self.section is not None:
            put("section", whole("section", self.section, 0))
            if self.section >= self.model.n_features:
                raise ValueError(f"section must be < n_features = {self.model.n_features}, got {self.section}")
            if self.every != 1:
                raise ValueError(f"every must be 1 with a section, got {self.every}")
        most = self.n_steps if self.section is not None else -(-self.n_steps // self.every)
        if self.n_rows is None:
            put("n_rows", min(most, 1_000) if self.section is not None else most)
        put("n_rows", whole("n_rows", self.n_rows, 1))
        if self.n_rows > most:
            raise ValueError(f"n_rows must be <= {most}, the steps that could be recorded, got {self.n_rows}")

    def check_start(self, state):
        """Raise unless the transient fills the window before tangents begin."""
        n_missing = self.model.n_context - len(state.attention) + (state.preset is not None)
        if self.n_exponents and self.n_transient - self.n_tangent_transient < n_missing:
            least = n_missing + self.n_tangent_transient
            raise ValueError(f"n_transient must be >= {least} to fill the window, got {self.n_transient}")

    @property
    def work(self):
        """Steps of a run, transient and all."""
        return self.n_transient + self.n_steps

    def run(self, batch, tick=None):
        """Take a batch through the plan; return arrays by name, points first."""
        tangents = self.n_exponents > 0
        how = {"tangents": tangents, "tick": tick}
        batch.advance(self.n_transient - (self.n_tangent_transient if tangents else 0), tick=tick)
        base = None
        if tangents:
            batch.begin_tangents(self.n_exponents, self.qr_interval)
            batch.advance(self.n_tangent_transient, **how)
            base = batch.log_growth()
            batch.n_lost[:] = 0
        rows = Record(batch, self.record, self.n_rows, self.every, self.section)
        last_rows = 0 if self.section is not None else self.n_steps - (self.n_rows - 1) * self.every - 1
        history, done = [], 0
        for end in sorted({*self.marks.tolist(), last_rows} - {0}):
            batch.advance(end - done, record=rows if done >= last_rows else None, **how)
            done = end
            if tangents and end in self.marks:
                history.append(_mean_growth(base, batch.log_growth(), end))
        arrays = {**rows.arrays(), "window": batch.window.copy(), "status": batch.failed().astype(np.int8)}
        if self.record:
            arrays["n_recorded"] = rows.rows
        if tangents:
            arrays.update(self._spectra(batch, np.array(history)))
        return arrays

    @property
    def marks(self):
        """Steps after which a running exponent is taken; the last is n_steps."""
        return np.unique(np.linspace(0, self.n_steps, max(self.n_history, 1) + 1).astype(int)[1:])

    def _spectra(self, batch, history):
        """Exponents of all points, settled, from running values (n_marks, n_points, n_exponents)."""
        lost = batch.n_lost.copy()
        last = history[-1]
        suspect = (lost.any(axis=1) | np.isneginf(last).any(axis=1)) & np.isfinite(batch.window).all(axis=(1, 2))
        # The rank depends on the features, and on beta and epsilon only at their ends.
        ranks = {}
        for i in np.flatnonzero(suspect):
            case = (batch.beta[i] == 0.0, batch.epsilon[i] == 1.0, batch.epsilon[i] == 0.0)
            if case not in ranks:
                ranks[case] = generic_rank(self.model.replace(beta=batch.beta[i], epsilon=batch.epsilon[i]))
            last[i, ranks[case] :] = -np.inf
        last[(lost > 0) & np.isfinite(last)] = np.nan
        # Descending, what is lost after what is known, what is annihilated last.
        order = np.argsort(-np.where(np.isnan(last), -1e300, last), axis=1, kind="stable")
        sort = np.take_along_axis
        arrays = {"exponents": sort(last, order, axis=1), "n_lost": sort(lost, order, axis=1)}
        if self.n_history:
            arrays["history"] = sort(history, order[None], axis=2).transpose(1, 0, 2)
        return arrays


def _mean_growth(base, growth, n_steps):
    with np.errstate(invalid="ignore"):  # -inf - -inf: annihilated before the average began
        return np.where(np.isneginf(base), -np.inf, growth - base) / n_steps


def lyapunov(
    model,
    n_steps,
    *,
    n_transient=1_000,
    n_tangent_transient=None,
    n_exponents=None,
    start=None,
    n_history=0,
    qr_interval=1,
    n_threads=None,
):
    r"""Measure the Lyapunov exponents of an orbit.

    Tangents of the L*M window are carried along and made orthogonal again; an exponent is the
    mean log growth of a tangent after that, :math:`\lambda_i = \lim \frac1T \sum \log |R_{ii}|`.

    Parameters
    ----------
    model : SelfAttention
        The network.
    n_steps : int
        Token steps to average over, >= 1.
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
        How many running values to keep.
    qr_interval : int, default=1
        Steps between two orthogonalisations. 1 is always safe; where the softmax saturates, more
        loses the trailing exponents.
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
    Exponents are per token step. The map has the period L of the position code; the exponents of
    its L-step map are L times these. The position code itself is not a state and adds none.

    References
    ----------
    .. [1] Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15 (1980) 9.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, Start
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> spectrum = lyapunov(model, 20_000, n_exponents=2)
    >>> spectrum.exponents.round(3)
    array([-0.083, -0.083])
    """
    if n_exponents is not None:
        whole("n_exponents", n_exponents, 1)
    plan = Plan(
        model=model,
        n_steps=n_steps,
        n_transient=n_transient,
        n_exponents=n_exponents,
        n_tangent_transient=n_tangent_transient,
        n_history=n_history,
        qr_interval=qr_interval,
    )
    batch = single(model, start, n_threads)
    plan.check_start(batch.state())
    arrays = plan.run(batch)
    check_finite(batch, model)
    return Spectrum(
        exponents=arrays["exponents"][0],
        n_lost=arrays["n_lost"][0],
        n_steps=plan.n_steps,
        steps=plan.marks if n_history else plan.marks[:0],
        history=arrays["history"][0] if n_history else np.empty((0, plan.n_exponents)),
        window=continuation(batch.state()),
    )
