"""A stack of layers of spin attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import instances
from .._util.values import Value
from .attention import SpinAttention
from .block import Block
from .gradients import Gradients


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpinTransformer(Value):
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
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> model = SpinTransformer([SpinAttention(rng.normal(size=(16, 8)) / 3, 2) for _ in range(2)])
    >>> tokens = rng.normal(size=(4, 8))
    >>> blocks = model(tokens)
    >>> len(blocks), [each.weights.shape for each in model.vjp(tokens, blocks[-1].output)]
    (2, [(16, 8), (16, 8)])
    """

    layers: Sequence[SpinAttention]

    @own_arithmetic
    def __post_init__(self) -> None:
        layers = tuple(instances("layers", self.layers, SpinAttention, "dmft.spins.SpinAttention"))
        object.__setattr__(self, "layers", layers)
        widths = [layer.width for layer in self.layers]
        if len(set(widths)) > 1:
            raise ValueError(f"layers must have one width, got {widths}")

    @own_arithmetic
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

    @own_arithmetic
    def vjp(
        self,
        tokens: ArrayLike,
        cotangent: ArrayLike,
        *,
        blocks: Sequence[Block] | None = None,
        n_threads: int | None = None,
    ) -> list[Gradients]:
        """Return the gradients by the input, the weights and the beta of every layer, in their order.

        Parameters
        ----------
        tokens : array_like, shape (n_tokens, width) or (n_batch, n_tokens, width)
        cotangent : array_like, of the same shape
            Of the output of the last layer.
        blocks : sequence of Block or None, default=None
            What the call has returned for these tokens, if it is at hand: that saves its work.
        n_threads : int or None, default=None

        Returns
        -------
        list of Gradients
            The `inputs` of the first are those by the tokens.

        Raises
        ------
        ValueError
            If a shape does not fit, or there are more or fewer blocks than layers.
        FloatingPointError
            If a head, or its adjoint, does not converge.
        """
        if blocks is None:
            blocks = SpinTransformer(self.layers[:-1])(tokens, n_threads=n_threads) if len(self.layers) > 1 else []
        else:
            blocks = instances("blocks", blocks, Block, "dmft.spins.Block")
            if len(blocks) != len(self.layers):
                raise ValueError(f"blocks must be one of each layer, {len(self.layers)}, got {len(blocks)}")
        inputs: list[Any] = [tokens, *(block.output for block in blocks[: len(self.layers) - 1])]
        found: list[Gradients] = []
        for layer, given in zip(reversed(self.layers), reversed(inputs), strict=True):
            found.append(layer.vjp(given, found[-1].inputs if found else cotangent, n_threads=n_threads))
        return found[::-1]
