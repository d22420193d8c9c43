"""One step of the map and its derivative, for windows that the caller gives."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, numbers, shown
from .._util.readonly import read_only
from .._util.values import Frozen
from .kernel import linearize as linearize_points
from .model import SelfAttention, network_of


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linearization(Frozen):
    r"""One step from each of many windows, and its derivative; the arrays are read-only.

    Attributes
    ----------
    attention : ndarray, shape (..., n_features)
        :math:`A_t`, the attention after the step.
    rows : ndarray, shape (..., n_context, n_features, n_features)
        Entry [d, a, b] is :math:`\partial A_{t,a} / \partial A_{t-1-d,b}`.
    """

    attention: np.ndarray
    rows: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "attention", read_only(self.attention))
        object.__setattr__(self, "rows", read_only(self.rows))

    @property
    def matrix(self) -> np.ndarray:
        """The derivative of the whole next window by the whole window, both newest first, (..., L*M, L*M)."""
        *lead, n_context, n_features, _ = self.rows.shape
        size = n_context * n_features
        out = np.zeros((*lead, size, size))
        out[..., :n_features, :] = np.moveaxis(self.rows, -3, -2).reshape(*lead, n_features, size)
        out[..., n_features:, : size - n_features] = np.eye(size - n_features)
        return out


@own_arithmetic
def linearize(
    model: SelfAttention, window: ArrayLike, *, phase: ArrayLike = 0, n_threads: int | None = None
) -> Linearization:
    r"""Take one step from full windows, with its derivative by each of their rows, in compiled code.

    With :math:`m^\alpha_t` the overlaps of Eq. (6), :math:`l_{t,d} = \frac{\gamma}{\sqrt M} m^q_t \cdot m^k_{t-d}` the
    scores and :math:`w_{t,d}` their softmax, Eq. (2), the step :math:`A_t = \sum_d w_{t,d} m^v_{t-d}` has the
    derivative [1]_

    .. math:: \frac{\partial A_t}{\partial A_{t-1-d}} = w_{t,d} \frac{\partial m^v_{t-d}}{\partial A_{t-1-d}} + \sum_e
              w_{t,e} m^v_{t-e} \Big(\frac{\partial l_{t,e}}{\partial A_{t-1-d}} - \sum_f w_{t,f} \frac{\partial
              l_{t,f}}{\partial A_{t-1-d}}\Big).

    Parameters
    ----------
    model : SelfAttention
    window : array_like, shape (..., n_context, n_features)
        Full windows, newest first: row d is :math:`A_{t-1-d}`.
    phase : array_like of int, default=0
        The step in the period of the model, 0 .. period - 1: without a drive its position. Of each window or of
        all: any shape that broadcasts to the leading one of `window`.
    n_threads : int or None
        OpenMP threads over windows. The result does not depend on it.

    Returns
    -------
    Linearization

    Raises
    ------
    ValueError
        If a window is not finite or not full, or a phase does not occur.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247.

    Examples
    --------
    Exponents by hand: the product of the derivatives along an orbit.

    >>> import dmft
    >>> model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> window = dmft.Start.random(0).state(model).attention
    >>> one = dmft.linearize(model, window)
    >>> one.attention.shape, one.rows.shape, one.matrix.shape
    ((3,), (4, 3, 3), (12, 12))
    >>> nudged = window + 1e-6 * np.eye(4, 3)
    >>> moved = dmft.linearize(model, nudged).attention - one.attention
    >>> bool(np.allclose(moved, 1e-6 * np.einsum("dab,db->a", one.rows, np.eye(4, 3)), atol=1e-9))
    True
    """
    network_of(model)
    shape = (model.n_context, model.n_features)
    windows = finite("window", window)
    if windows.shape[-2:] != shape:
        raise ValueError(f"window must have shape (..., {shape[0]}, {shape[1]}), got shape {windows.shape}")
    lead = windows.shape[:-2]
    phases = numbers("phase", phase)
    if phases.dtype.kind not in "iu" or not np.all((phases >= 0) & (phases < model.period)):
        raise ValueError(f"phase must be whole numbers in [0, {model.period - 1}], got {shown(phases.tolist())}")
    try:
        each = np.broadcast_to(phases, lead).reshape(-1)
    except ValueError:
        raise ValueError(f"phase must broadcast to shape {lead}, got shape {phases.shape}") from None
    windows = windows.reshape(-1, *shape)
    following, rows = np.empty((len(windows), shape[1])), np.empty((*windows.shape, shape[1]))
    for value in np.unique(each).tolist():
        some = np.flatnonzero(each == value)
        beta, gamma, epsilon = (np.full(some.size, parameter) for parameter in (model.beta, model.gamma, model.epsilon))
        following[some], rows[some] = linearize_points(model, beta, gamma, epsilon, windows[some], value, n_threads)
    return Linearization(attention=following.reshape(*lead, shape[1]), rows=rows.reshape(*lead, *shape, shape[1]))
