"""The positional bits: the code of each position, and what features read of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import ROLES, Role, roles, sign_array
from .._util.signs import sign_vectors

Position = Mapping[Role, ArrayLike] | None
"""+-1 columns that read the position, (n_features, n_positions) for each role; None for no positional bits."""


def position_bits(n_positions: int) -> np.ndarray:
    """Return the +-1 code of every position, most significant bit first, shape (2**P, P).

    Examples
    --------
    >>> position_bits(2).astype(int).tolist()
    [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    """
    return -sign_vectors(n_positions)


def position_table(weights: np.ndarray, rectified: bool) -> np.ndarray:
    """Return what each position adds to the overlaps of a role.

    Parameters
    ----------
    weights : ndarray, shape (n_features, n_positions)
        The role's vectors on the positional bits.
    rectified : bool
        Whether negative sums count as 0.

    Returns
    -------
    ndarray, shape (2**n_positions, n_features)
    """
    n_positions = weights.shape[1]
    field = position_bits(n_positions) @ weights.T / max(n_positions, 1)
    return np.maximum(field, 0.0) if rectified else field


def position_weights(position: Position, n_features: int) -> Mapping[Role, np.ndarray]:
    """Check the argument `position`.

    Returns
    -------
    dict of str to ndarray, shape (n_features, n_positions)
    """
    if position is None:
        return {role: np.zeros((n_features, 0)) for role in ROLES}
    arrays = {role: sign_array(f"position[{role!r}]", array) for role, array in roles("position", position).items()}
    shape = (n_features, arrays["output"].shape[1])
    for role, array in arrays.items():
        if array.shape != shape:
            raise ValueError(f"position[{role!r}] must have shape {shape}, got {array.shape}")
    return {role: array.astype(float) for role, array in arrays.items()}
