"""All vectors of signs."""

from __future__ import annotations

import numpy as np


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

    Examples
    --------
    >>> sign_vectors(2).tolist()
    [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    >>> sign_vectors(2, half=True, first_fastest=True).tolist()
    [[1.0, 1.0], [-1.0, 1.0]]
    """
    shifts = np.arange(n_signs) if first_fastest else np.arange(n_signs)[::-1]
    return 1.0 - 2.0 * (np.arange(2 ** (n_signs - half))[:, None] >> shifts & 1)
