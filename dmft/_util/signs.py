"""All vectors of signs, and how probable each is."""

from __future__ import annotations

import math

import numpy as np

from .memory import need_memory


def sign_vectors(n_signs: int, *, half: bool = False, first_fastest: bool = False) -> np.ndarray:
    """Return all vectors of +-1, or one of each two that are opposite.

    Parameters
    ----------
    n_signs : int
        Entries of a vector, >= 0; >= 1 for half of them.
    half : bool, default=False
        Only vectors whose slowest entry is +1.
    first_fastest : bool, default=False
        Which entry changes from one vector to the next: the first, else the last.

    Returns
    -------
    ndarray, shape (2**n_signs, n_signs), or (2**(n_signs - 1), n_signs)
        Beginning with the vector of +1.

    Raises
    ------
    MemoryError
        If they do not fit into the memory there is.

    Examples
    --------
    >>> sign_vectors(2).tolist()
    [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    >>> sign_vectors(2, half=True, first_fastest=True).tolist()
    [[1.0, 1.0], [-1.0, 1.0]]
    """
    # The numbers of the vectors, and three arrays of the signs while they are made.
    n_bytes = 8 * (1 + 3 * n_signs) * 2.0 ** (n_signs - half) if n_signs < 1_000 else math.inf
    need_memory(f"all 2**{n_signs - half} vectors of {n_signs} signs", n_bytes)
    shifts = np.arange(n_signs) if first_fastest else np.arange(n_signs)[::-1]
    return 1.0 - 2.0 * (np.arange(2 ** (n_signs - half))[:, None] >> shifts & 1)


def independent_law(up: np.ndarray, down: np.ndarray | None = None) -> np.ndarray:
    """Return the probabilities of all vectors of independent signs, in the order of `sign_vectors`.

    Parameters
    ----------
    up : ndarray, shape (n_laws, n_signs)
        The probability of +1 of each sign, in each of several laws.
    down : ndarray, shape (n_laws, n_signs), optional
        That of -1, where ``1 - up`` would lose its digits.

    Returns
    -------
    ndarray, shape (n_laws, 2**n_signs)

    Examples
    --------
    >>> independent_law(np.array([[0.5, 0.25]])).tolist()
    [[0.125, 0.375, 0.125, 0.375]]
    """
    n_laws, n_signs = up.shape
    law = np.ones((n_laws, 1))
    for i in range(n_signs):
        one = up[:, i : i + 1]
        other = 1 - one if down is None else down[:, i : i + 1]
        law = np.stack([law * one, law * other], axis=2).reshape(n_laws, -1)
    return law
