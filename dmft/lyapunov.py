"""Lyapunov exponents of the attention map."""

from __future__ import annotations

import dataclasses

import numpy as np

from . import reference
from .features import _count
from .meanfield import check_finite, continuation, single
from .model import Start


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


def settle(exponents, n_lost, rank):
    """Return exponents sorted, with -inf for annihilated directions and NaN for lost ones."""
    exponents = np.where(np.arange(exponents.size) >= rank, -np.inf, exponents)
    exponents = np.where((n_lost > 0) & np.isfinite(exponents), np.nan, exponents)
    order = np.argsort(-np.where(np.isnan(exponents), -1e300, exponents), kind="stable")
    return exponents[order], order


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
        Token steps before the tangents begin; enough to fill the window.
    n_tangent_transient : int, optional
        Token steps in which the tangents turn into place, before the average begins. Default:
        a tenth of `n_steps`, at most 1000.
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
    n_steps, qr_interval = _count("n_steps", n_steps), _count("qr_interval", qr_interval)
    n_history = _count("n_history", n_history, least=0)
    n_transient = _count("n_transient", n_transient, least=0)
    size = model.n_context * model.n_features
    n_exponents = size if n_exponents is None else _count("n_exponents", n_exponents)
    if n_exponents > size:
        raise ValueError(f"n_exponents must be <= n_context * n_features = {size}, got {n_exponents}")
    if n_tangent_transient is None:
        n_tangent_transient = min(n_steps // 10, 1_000)
    n_tangent_transient = _count("n_tangent_transient", n_tangent_transient, least=0)
    if n_history > n_steps:
        raise ValueError(f"n_history must be <= n_steps = {n_steps}, got {n_history}")

    batch = single(model, start, n_threads)
    if n_transient < batch.n_until_tangents:
        raise ValueError(f"n_transient must be >= {batch.n_until_tangents} to fill the window, got {n_transient}")
    batch.advance(n_transient)
    batch.begin_tangents(n_exponents)
    batch.advance(n_tangent_transient, tangents=True, qr_interval=qr_interval)
    base = batch.log_growth()[0]
    batch.n_lost[:] = 0
    steps = np.unique(np.linspace(0, n_steps, max(n_history, 1) + 1).astype(int)[1:])
    history = []
    done = 0
    for end in steps:
        batch.advance(end - done, tangents=True, qr_interval=qr_interval)
        done = end
        with np.errstate(invalid="ignore"):  # -inf - -inf: annihilated before the average began
            growth = batch.log_growth()[0] - base
        history.append(np.where(np.isneginf(base), -np.inf, growth) / end)
    check_finite(batch, model)
    lost = batch.n_lost[0]
    rank = generic_rank(model) if lost.any() or np.isneginf(history[-1]).any() else size
    exponents, order = settle(history[-1], lost, rank)
    return Spectrum(
        exponents=exponents,
        n_lost=lost[order],
        n_steps=n_steps,
        steps=steps if n_history else steps[:0],
        history=np.array(history)[:, order] if n_history else np.empty((0, n_exponents)),
        window=continuation(batch.state()),
    )
