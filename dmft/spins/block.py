"""What a layer of spin attention made of its input, term by term."""

from __future__ import annotations

import dataclasses

import numpy as np

from .._util.values import Frozen


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Block(Frozen):
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
        >>> from dmft.spins import SpinAttention
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
