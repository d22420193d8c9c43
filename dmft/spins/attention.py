"""A self-attention layer as the stationary means of vector spins: a head is a network, its attention the couplings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from .._util.checks import finite, instances, number, numbers, one_of, whole, within
from .._util.pool import checkpoint, in_order
from .._util.readonly import read_only
from .._util.threads import n_threads as threads
from .anderson import anderson
from .closures import CLOSURES, Closure, Theory
from .gradients import Gradients, pull_head
from .meanfield import theory_of
from .model import VectorSpins
from .response import KINDS, Kind, default_radius
from .stability import spectral_radius
from .tap import Tap

Mask = np.ndarray | Literal["causal"] | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Block:
    r"""What a layer made of its input, term by term.

    Of each head the output is ``gain * (drive + attention + reaction)``: the response of a site to its field. In the
    words of transformers: the normalisation, the residual stream, the attention and the feed-forward network.

    Attributes
    ----------
    output : ndarray, shape (..., n_tokens, width)
        The means, heads side by side.
    drive : ndarray, shape (..., n_tokens, width)
        The input, each head's slice of each token at the length of a spin.
    attention : ndarray, shape (..., n_tokens, width)
        Means of other tokens, weighed by the couplings.
    reaction : ndarray, shape (..., n_tokens, width)
        What the closure adds to the field: the Onsager term; for "gauss" what fluctuations of the field amount to.
    gain : ndarray, shape (..., n_tokens, n_heads)
        The response over its field.
    couplings : ndarray, shape (..., n_heads, n_tokens, n_tokens)
        Softmax attention.
    residual : ndarray, shape (..., n_heads)
        Largest change of a component in a step.
    n_evaluations : ndarray of int, shape (..., n_heads)
    """

    output: np.ndarray
    drive: np.ndarray
    attention: np.ndarray
    reaction: np.ndarray
    gain: np.ndarray
    couplings: np.ndarray
    residual: np.ndarray
    n_evaluations: np.ndarray

    def lengths(self) -> dict[str, np.ndarray]:
        """Return the length of each term of each token and head, and of the output.

        Returns
        -------
        dict of str to ndarray, shape (..., n_tokens, n_heads)

        Examples
        --------
        >>> layer = SpinAttention(np.zeros((8, 4)), 1)
        >>> block = layer(np.eye(3, 4))
        >>> {name: float(each[0, 0].round(3)) for name, each in block.lengths().items()}
        {'drive': 1.0, 'attention': 0.346, 'reaction': 0.058, 'output': 0.462}
        """
        heads = self.gain.shape[-1]

        def length(rows: np.ndarray) -> np.ndarray:
            split = rows.reshape(*rows.shape[:-1], heads, -1)
            return np.sqrt(np.einsum("...a,...a->...", split, split))

        names = ("drive", "attention", "reaction", "output")
        return {name: length(getattr(self, name)) for name in names}

    def __str__(self) -> str:
        """Return a table: a row a head, means over tokens."""
        lengths, rows = self.lengths(), ["head    drive  attention  reaction   gain   output  evaluations"]
        for h in range(self.gain.shape[-1]):
            drive, attention, reaction, output = (float(each[..., h].mean()) for each in lengths.values())
            gain, n = float(self.gain[..., h].mean()), float(self.n_evaluations[..., h].mean())
            rows.append(f"{h:4d} {drive:8.4f} {attention:10.4f} {reaction:9.4f} {gain:6.4f} {output:8.4f} {n:12.1f}")
        return "\n".join(rows)


class SpinAttention:
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
        self.heads = whole("heads", heads, 1)
        if width % self.heads:
            raise ValueError(f"heads must divide the width {width}, got {heads}")
        self.weights, self.width, self.n_components = read_only(W), width, width // self.heads
        self.beta = number("beta", beta, 0.0)
        if self.beta == 0.0:
            raise ValueError("beta must be > 0, got 0.0")
        self.closure = one_of("closure", closure, CLOSURES)
        self.mask: Mask = _mask(mask)
        self.n_steps = None if n_steps is None else whole("n_steps", n_steps, 1)
        self.response = one_of("response", response, KINDS)
        self.tol, self.max_evaluations = number("tol", tol, 0.0), whole("max_evaluations", max_evaluations, 1)
        self.radius = default_radius(self.n_components)
        if response == "large" and self.n_components < 3:
            raise ValueError(f"heads must leave 3 components or more with response='large', got {self.n_components}")

    # ---- forward ----

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
        with threadpool_limits(1, "blas"):
            found = list(in_order(lambda place: self._head(Z, starts, *place), places, threads(n_threads)))
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
        slices = X.reshape(*X.shape[:-1], self.heads, -1)
        lengths = np.sqrt(np.einsum("...a,...a->...", slices, slices))
        if not (lengths > 0).all():
            where = tuple(int(i) for i in np.argwhere(lengths == 0)[0])
            raise ValueError(f"tokens must have no slice of a head that is zero, got one at {where}")
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

    def rows(self, h: int) -> tuple[slice, slice]:
        """Return which rows of the weights make the queries and the keys of a head.

        Examples
        --------
        >>> SpinAttention(np.zeros((16, 8)), 2).rows(1)
        (slice(4, 8, None), slice(12, 16, None))
        """
        d = self.n_components
        return slice(h * d, (h + 1) * d), slice(self.width + h * d, self.width + (h + 1) * d)

    def couple(self, z: np.ndarray, h: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the couplings of a head, its queries and its keys, of drives (n_tokens, width)."""
        queries, keys = (z @ self.weights[rows].T for rows in self.rows(h))
        scores = queries @ keys.T
        if isinstance(self.mask, np.ndarray):
            scores[~self.mask] = -np.inf
        elif self.mask == "causal":
            scores[np.triu_indices(len(scores), 1)] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        J = np.exp(scores)
        J /= J.sum(axis=1, keepdims=True)
        return J, queries, keys

    def theory(self, J: np.ndarray, x: np.ndarray) -> Theory:
        """Return the closure of a head's network."""
        return theory_of(VectorSpins(J, x, self.beta, self.radius, self.response), self.closure, 1e-11, 1)

    def solve(self, theory: Theory, start: np.ndarray | None, where: str) -> tuple[list[np.ndarray], float, int]:
        """Return the means of every step, or of a fixed point twice; the residual; the number of evaluations."""
        if self.n_steps is not None:
            means = [np.zeros_like(theory.x) if start is None else start]
            for _ in range(self.n_steps):
                checkpoint()
                means.append(theory.step(means[-1]))
            return means, float(abs(means[-1] - means[-2]).max()), self.n_steps
        begin = theory.start() if start is None else start
        if isinstance(theory, Tap):
            fields = theory.fields_of(begin)
            found = anderson(theory.joint_step, fields, self.tol, self.max_evaluations, 3, theory.site.mean)
            m = theory.site.mean(found.vector, n_threads=1)
        else:
            found = anderson(theory.step, begin, self.tol, self.max_evaluations, 3)
            m = found.vector
        if found.residual > self.tol:
            raise FloatingPointError(
                f"{self.closure} did not converge in {where} in {found.n_evaluations} evaluations: the residual is "
                f"{found.residual:.3g}, the spectral radius there {spectral_radius(theory, m):.4g}; lower beta or "
                "give n_steps"
            )
        return [m, m], found.residual, found.n_evaluations

    def _head(self, Z: np.ndarray, starts: np.ndarray | None, b: int, h: int) -> tuple[Any, ...]:
        """Return the parts of a `Block` of one head of one element of a batch."""
        d = self.n_components
        part = slice(h * d, (h + 1) * d)
        x = np.ascontiguousarray(Z[b][:, part])
        J, _, _ = self.couple(Z[b], h)
        theory = self.theory(J, x)
        start = None if starts is None else np.ascontiguousarray(starts[b][:, part])
        means, residual, n = self.solve(theory, start, f"head {h}" + (f" of element {b}" if len(Z) > 1 else ""))
        m, before = means[-1], means[-2]
        attention = J @ before
        fields = theory.site.inverse(m, n_threads=1)
        gain = theory.site.derivatives(np.einsum("ia,ia->i", fields, fields), 0)[0]
        return m, x, attention, fields - x - attention, gain, J, np.array(residual), np.array(n)

    # ---- backward ----

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
            If a shape does not fit, or the closure is "tap", whose derivatives are not there.
        FloatingPointError
            If a head, or its adjoint, does not converge.
        """
        if self.closure == "tap":
            raise ValueError("closure must be 'gauss', 'naive' or 'onsager' for gradients, got 'tap'")
        X, Z, starts = self._inputs(tokens, start)
        shape = np.shape(tokens)
        C = finite("cotangent", cotangent, shape).reshape(X.shape)
        places = [(b, h) for b in range(len(X)) for h in range(self.heads)]
        with threadpool_limits(1, "blas"):
            found = list(in_order(lambda place: pull_head(self, Z, C, starts, *place), places, threads(n_threads)))
        of_z, of_start = np.zeros_like(X), np.zeros_like(X)
        of_weights, of_beta = np.zeros_like(self.weights), 0.0
        for (b, h), part in zip(places, found, strict=True):
            columns = slice(h * self.n_components, (h + 1) * self.n_components)
            of_z[b] += part.of_z
            of_start[b][:, columns] = part.of_start
            for rows, each in zip(self.rows(h), part.of_weights, strict=True):
                of_weights[rows] += each
            of_beta += part.of_beta
        # z = R x / |x|: what lies along a slice does not count.
        split = (*X.shape[:-1], self.heads, self.n_components)
        x, weight = X.reshape(split), of_z.reshape(split)
        length = np.sqrt(np.einsum("...a,...a->...", x, x))[..., None]
        unit = x / length
        inner = np.einsum("...a,...a->...", unit, weight)[..., None]
        inputs = (self.radius / length * (weight - inner * unit)).reshape(shape)
        return Gradients(inputs, of_weights, of_beta, None if self.n_steps is None else of_start.reshape(shape))


class SpinTransformer:
    """Layers of spin attention, each fed with the output of the one before.

    Parameters
    ----------
    layers : sequence of SpinAttention
        Of one width.

    Raises
    ------
    ValueError
        If there is none, or their widths differ.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> model = SpinTransformer([SpinAttention(rng.normal(size=(16, 8)) / 3, 2) for _ in range(2)])
    >>> tokens = rng.normal(size=(4, 8))
    >>> blocks = model(tokens)
    >>> len(blocks), [each.weights.shape for each in model.vjp(tokens, blocks[-1].output)]
    (2, [(16, 8), (16, 8)])
    """

    def __init__(self, layers: Sequence[SpinAttention]) -> None:
        self.layers = tuple(instances("layers", layers, SpinAttention, "dmft.spins.SpinAttention"))
        widths = [layer.width for layer in self.layers]
        if len(set(widths)) > 1:
            raise ValueError(f"layers must have one width, got {widths}")

    def __call__(self, tokens: ArrayLike, *, n_threads: int | None = None) -> list[Block]:
        """Return what each layer makes of the output of the one before; the last one's `output` is that of all.

        Parameters
        ----------
        tokens : array_like, shape (n_tokens, width) or (n_batch, n_tokens, width)
        n_threads : int or None, default=None

        Returns
        -------
        list of Block
        """
        blocks: list[Block] = []
        for layer in self.layers:
            blocks.append(layer(blocks[-1].output if blocks else tokens, n_threads=n_threads))
        return blocks

    def vjp(self, tokens: ArrayLike, cotangent: ArrayLike, *, n_threads: int | None = None) -> list[Gradients]:
        """Return the gradients by the input, the weights and the beta of every layer, in their order.

        Parameters
        ----------
        tokens : array_like, shape (n_tokens, width) or (n_batch, n_tokens, width)
        cotangent : array_like, of the same shape
            Of the output of the last layer.
        n_threads : int or None, default=None

        Returns
        -------
        list of Gradients
            The `inputs` of the first are those by the tokens.
        """
        inputs: list[Any] = [tokens]
        for layer in self.layers[:-1]:
            inputs.append(layer(inputs[-1], n_threads=n_threads).output)
        found: list[Gradients] = []
        for layer, given in zip(reversed(self.layers), reversed(inputs), strict=True):
            found.append(layer.vjp(given, found[-1].inputs if found else cotangent, n_threads=n_threads))
        return found[::-1]


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
