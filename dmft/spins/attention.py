"""A self-attention layer as the stationary means of vector spins: a head is a network, its attention the couplings."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import finite, number, numbers, one_of, whole, within
from .._util.memory import need_memory
from .._util.pool import in_order
from .._util.readonly import read_only
from .._util.threads import n_threads as threads
from .._util.values import Value
from .block import Block
from .closures import CLOSURES, Closure
from .gradients import Gradients, pull_head
from .heads import rows_of, run_head
from .response import KINDS, Kind, default_radius

Mask = np.ndarray | Literal["causal"] | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class SpinAttention(Value):
    r"""A self-attention layer that computes the mean spins of networks driven by its input.

    Each head has a slice of d = width / heads components of each token, scaled to the length :math:`R=\sqrt{d/2-1}` of
    a spin: the drive x. With queries and keys :math:`q, k` of all slices the couplings are
    :math:`J_{ij} = \mathrm{softmax}_j(q_i \cdot k_j)`, and the output is the stationary mean of the network, or that
    after some steps.

    Parameters
    ----------
    weights : array_like, shape (2 * width, width)
        Of the queries, then of the keys; head h has rows h * d .. (h + 1) * d - 1 of each.
    heads : int
        They divide the width.
    beta : float, default=1.0
        Inverse temperature of the spins, > 0.
    closure : {"gauss", "naive", "tap", "onsager"}, default="gauss"
    mask : array_like of bool, shape (n_tokens, n_tokens), "causal" or None, default=None
        Which token (second axis) a token (first axis) attends to.
    n_steps : int or None, default=None
        How many steps to take; None: to the fixed point.
    response : {"large", "exact"}, default="large"
    tol : float, default=1e-10
        Of the fixed point: largest change of a component in a step.
    max_evaluations : int, default=500
        Of the fixed point, as for `MeanField.fixed_point`.

    Raises
    ------
    ValueError
        If a shape does not fit, the heads do not divide the width, or a mask leaves a row empty.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layer = SpinAttention(rng.normal(size=(32, 16)) / 4, heads=2, mask="causal")
    >>> tokens = rng.normal(size=(5, 16))
    >>> block = layer(tokens)
    >>> bool(np.allclose(layer(tokens[:3]).output, block.output[:3]))
    True
    >>> back = layer.vjp(tokens, np.ones((5, 16)))
    >>> back.inputs.shape, back.weights.shape
    ((5, 16), (32, 16))
    """

    weights: np.ndarray
    heads: int
    beta: float
    closure: Closure
    mask: Mask
    n_steps: int | None
    response: Kind
    tol: float
    max_evaluations: int

    @own_arithmetic
    def __init__(
        self,
        weights: ArrayLike,
        heads: int,
        beta: float = 1.0,
        closure: Closure = "gauss",
        mask: Any = None,
        n_steps: int | None = None,
        *,
        response: Kind = "large",
        tol: float = 1e-10,
        max_evaluations: int = 500,
    ) -> None:
        W = finite("weights", weights, (None, None))
        width = W.shape[1]
        if W.shape[0] != 2 * width or not width:
            raise ValueError(f"weights must have shape (2 * width, width), got shape {W.shape}")
        heads = whole("heads", heads, 1)
        if width % heads:
            raise ValueError(f"heads must divide the width {width}, got {heads}")
        beta = number("beta", beta, 0.0, 1e15)
        if beta == 0.0:
            raise ValueError("beta must be > 0, got 0.0")
        one_of("response", response, KINDS)
        if response == "large" and width // heads < 3:
            raise ValueError(f"heads must leave 3 components or more with response='large', got {width // heads}")
        checked = {
            "weights": read_only(W),
            "heads": heads,
            "beta": beta,
            "closure": one_of("closure", closure, CLOSURES),
            "mask": _mask(mask),
            "n_steps": None if n_steps is None else whole("n_steps", n_steps, 1),
            "response": response,
            "tol": number("tol", tol, 0.0),
            "max_evaluations": whole("max_evaluations", max_evaluations, 1),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:
        """Components of a token."""
        return int(self.weights.shape[1])

    @property
    def n_components(self) -> int:
        """Components of a token that a head has."""
        return self.width // self.heads

    @property
    def radius(self) -> float:
        """Length of a spin."""
        return default_radius(self.n_components)

    # ---- forward ----

    @own_arithmetic
    def __call__(self, tokens: ArrayLike, start: ArrayLike | None = None, *, n_threads: int | None = None) -> Block:
        """Return what the layer makes of tokens.

        Parameters
        ----------
        tokens : array_like, shape (n_tokens, width) or (n_batch, n_tokens, width)
        start : array_like, of the same shape, or None, default=None
            Means before the first step, as those of an earlier `Block.output`. None: zero for `n_steps`, the response
            to the drive alone for the fixed point.
        n_threads : int or None, default=None
            The numbers do not depend on it, nor on the batch.

        Returns
        -------
        Block

        Raises
        ------
        ValueError
            If a shape does not fit, or a token has a slice that is zero.
        FloatingPointError
            If a head does not converge.
        """
        X, Z, starts = self._inputs(tokens, start)
        places = [(b, h) for b in range(len(X)) for h in range(self.heads)]
        with one_blas_thread():
            found = list(in_order(lambda place: run_head(self, Z, starts, *place), places, threads(n_threads)))
        n, H = X.shape[1], self.heads

        def joined(k: int) -> np.ndarray:
            parts = np.stack([each[k] for each in found])
            parts = parts.reshape(len(X), H, *parts.shape[1:])
            if k < 4:  # components of the heads, side by side
                return parts.swapaxes(1, 2).reshape(len(X), n, self.width)
            return parts.swapaxes(1, 2) if k == 4 else parts

        arrays = [joined(k) for k in range(8)]
        single = np.ndim(tokens) == 2
        return Block(*(each[0] if single else each for each in arrays))

    def _inputs(self, tokens: ArrayLike, start: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return tokens, drives and starts, all with the batch first."""
        X = finite("tokens", tokens)
        if X.ndim not in (2, 3) or X.shape[-1] != self.width or 0 in X.shape:
            shape = f"(n_tokens, {self.width}) or (n_batch, n_tokens, {self.width})"
            raise ValueError(f"tokens must have shape {shape}, got shape {X.shape}")
        if isinstance(self.mask, np.ndarray) and len(self.mask) != X.shape[-2]:
            raise ValueError(f"tokens must be as many as the mask has rows, {len(self.mask)}, got {X.shape[-2]}")
        n = X.shape[-2]
        n_bytes = 8.0 * self.heads * n * n * (len(X) if X.ndim == 3 else 1)
        need_memory(f"couplings of {n} tokens", n_bytes, "give fewer tokens")
        slices = X.reshape(*X.shape[:-1], self.heads, -1)
        peak = abs(slices).max(axis=-1, keepdims=True)
        if not (peak > 0).all():
            where = tuple(int(i) for i in np.argwhere(peak[..., 0] == 0)[0])
            raise ValueError(f"tokens must have no slice of a head that is zero, got one at {where}")
        slices = slices / peak  # whose squares neither overflow nor vanish
        lengths = np.sqrt(np.einsum("...a,...a->...", slices, slices))
        Z = (slices * (self.radius / lengths)[..., None]).reshape(X.shape)
        starts = None
        if start is not None:
            starts = finite("start", start, X.shape)
            parts = starts.reshape(slices.shape)
            longest = float(np.sqrt(np.einsum("...a,...a->...", parts, parts)).max())
            if longest >= self.radius:
                raise ValueError(f"start must be shorter than the radius {self.radius:.6g}, got length {longest:.6g}")
            starts = starts.reshape(-1, *X.shape[-2:])
        return X.reshape(-1, *X.shape[-2:]), Z.reshape(-1, *Z.shape[-2:]), starts

    # ---- backward ----

    @own_arithmetic
    def vjp(
        self, tokens: ArrayLike, cotangent: ArrayLike, start: ArrayLike | None = None, *, n_threads: int | None = None
    ) -> Gradients:
        r"""Return the gradients of :math:`\sum` cotangent * output by the input, the weights and beta.

        Through the fixed point by the implicit function theorem, with one adjoint fixed point, :math:`\lambda = c +
        (\partial F/\partial m)^T \lambda`; through steps by the reverse sweep.

        Parameters
        ----------
        tokens : array_like, shape (n_tokens, width) or (n_batch, n_tokens, width)
        cotangent : array_like, of the same shape
        start : array_like or None, default=None
            As for the call.
        n_threads : int or None, default=None

        Returns
        -------
        Gradients

        Raises
        ------
        ValueError
            If a shape does not fit.
        FloatingPointError
            If a head, or its adjoint, does not converge.
        """
        X, Z, starts = self._inputs(tokens, start)
        shape = np.shape(tokens)
        C = finite("cotangent", cotangent, shape).reshape(X.shape)
        places = [(b, h) for b in range(len(X)) for h in range(self.heads)]
        with one_blas_thread():
            found = list(in_order(lambda place: pull_head(self, Z, C, starts, *place), places, threads(n_threads)))
        of_z, of_start = np.zeros_like(X), np.zeros_like(X)
        of_weights, of_beta = np.zeros_like(self.weights), 0.0
        for (b, h), part in zip(places, found, strict=True):
            columns = slice(h * self.n_components, (h + 1) * self.n_components)
            of_z[b] += part.of_z
            of_start[b][:, columns] = part.of_start
            for rows, each in zip(rows_of(self, h), part.of_weights, strict=True):
                of_weights[rows] += each
            of_beta += part.of_beta
        # z = R x / |x|: what lies along a slice does not count.
        split = (*X.shape[:-1], self.heads, self.n_components)
        x, weight = X.reshape(split), of_z.reshape(split)
        peak = abs(x).max(axis=-1, keepdims=True)
        length = peak * np.sqrt(np.einsum("...a,...a->...", x / peak, x / peak))[..., None]
        unit = x / length
        inner = np.einsum("...a,...a->...", unit, weight)[..., None]
        inputs = (self.radius / length * (weight - inner * unit)).reshape(shape)
        return Gradients(inputs, of_weights, of_beta, None if self.n_steps is None else of_start.reshape(shape))


def _mask(mask: Any) -> Mask:
    """Return a mask, checked."""
    if mask is None or (isinstance(mask, str) and mask == "causal"):
        return mask  # type: ignore[return-value]
    rule = "be 'causal', None or an array of bools (n_tokens, n_tokens)"
    if isinstance(mask, str):
        raise ValueError(f"mask must {rule}, got {mask!r}")
    array = numbers("mask", mask, rule=rule, bools=True)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise ValueError(f"mask must {rule}, got shape {array.shape}")
    within("mask", array.astype(float), 0, 1)
    allowed = array.astype(bool)
    if (array != allowed).any():
        raise ValueError(f"mask must {rule}, got other numbers than 0 and 1")
    empty = np.flatnonzero(~allowed.any(axis=1))
    if empty.size:
        raise ValueError(f"mask must leave every token something to attend to, got none in row {empty[0]}")
    return read_only(allowed)
