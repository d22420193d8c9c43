"""Features without site classes: jointly Gaussian, and independent signs.

Each function here returns the parts of features; `Features` has a method of the same name that makes the features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import ROLES, finite, numbers, permutation, seed_of, whole
from .._util.memory import need_memory
from .feature_parts import Parts
from .position import Position, position_weights

ENUMERABLE = 20  # so many the kernel takes one by one where the field is strong, csrc/attention/laws.h


@own_arithmetic
def gaussian(
    *, output: ArrayLike, value: ArrayLike, query: ArrayLike, key: ArrayLike, position: Position = None
) -> Parts:
    r"""Return jointly Gaussian features, given by their covariances with the output features.

    Parameters
    ----------
    output, value, query, key : array_like, shape (n_features, n_features)
        :math:`C^{\alpha o}_{a,b} = \langle W^\alpha_a W^o_b \rangle`; `output` symmetric and
        positive semi-definite.
    position : dict of str to array_like, shape (n_features, n_positions), optional
        As for :meth:`from_classes`.

    Returns
    -------
    Features

    References
    ----------
    .. [1] Stein's lemma: for Gaussian columns the mean overlaps are
       :math:`\beta C^{\alpha o} A \, E\,\mathrm{sech}^2(\beta\sigma z)`, :math:`\sigma^2 = A C^{oo} A`.

    Examples
    --------
    >>> from dmft import Features
    >>> c = [[1.0, 0.2], [0.2, 1.0]]
    >>> Features.gaussian(output=c, value=c, query=c, key=c)
    Features(n_features=2, n_sites=None, n_positions=0, gaussian)
    """
    given = numbers("output", output)
    if given.ndim != 2 or 0 in given.shape:
        raise ValueError(f"output must have shape (n_features, n_features), got shape {given.shape}")
    n_features = len(given)
    shape = (n_features, n_features)
    all_given = zip(ROLES, (output, value, query, key), strict=True)
    covariances = {role: finite(role, array, shape) for role, array in all_given}
    own = covariances["output"]
    if not np.allclose(own, own.T, rtol=1e-12, atol=1e-14):
        raise ValueError(f"output must be symmetric, got a difference of {np.abs(own - own.T).max():g}")
    least = np.linalg.eigvalsh(own).min()
    if least < -1e-12 * max(1.0, np.abs(own).max()):
        raise ValueError(f"output must be positive semi-definite, got an eigenvalue of {least:g}")
    return Parts(law="gaussian", covariances=covariances, position=position_weights(position, n_features))


@own_arithmetic
def independent(
    n_features: int,
    *,
    output: Sequence[int] | None = None,
    value: Sequence[int] | None = None,
    query: Sequence[int] | None = None,
    key: Sequence[int] | None = None,
    seed: int | None = None,
    position: Position = None,
) -> Parts:
    r"""Return independent +-1 vectors over infinitely many sites, which the roles read in their own orders.

    The averages run over all 2**n_features sign columns, exactly, at a cost that grows like
    n_features: hundreds of features are no trouble. With more than 20 features, :math:`\beta\sum_a|A_a|` is at most
    1.5e5: where the attention grows beyond it the orbit is lost, as one that leaves the real numbers.

    Parameters
    ----------
    n_features : int
        Number of features, M.
    output, value, query, key : sequence of int, length n_features, optional
        Permutation of the vectors for each role: role feature a is vector ``order[a]``.
    seed : int, optional
        Seed of ``numpy.random.default_rng``, to draw the orders that are not given. None: they
        are the identity.
    position : dict of str to array_like, shape (n_features, n_positions), optional
        As for :meth:`from_classes`.

    Returns
    -------
    Features

    Notes
    -----
    With :math:`\sigma` uniform in :math:`\{-1, 1\}^M`,
    :math:`E\,\sigma_a \tanh(\beta \sigma \cdot A) = \int_0^\infty \sin(k A_a)
    \prod_{c \ne a} \cos(k A_c) / (\beta \sinh(\pi k / 2\beta))\, dk`, to 1e-12. Beyond
    :math:`\beta\sum|A|` = 8192 up to 20 features are summed over their sign columns, if these are the fewer terms.

    Examples
    --------
    >>> from dmft import Features
    >>> Features.independent(n_features=400, seed=0)
    Features(n_features=400, n_sites=None, n_positions=0, independent)
    """
    n_features = whole("n_features", n_features, 1)
    need_memory(f"covariances of {n_features} features", 40.0 * n_features**2, "take fewer (n_features)")
    rng = None if seed is None else np.random.default_rng(seed_of(seed))
    orders = {}
    for role, order in zip(ROLES, (output, value, query, key), strict=True):
        drawn = np.arange(n_features) if rng is None else rng.permutation(n_features)
        orders[role] = permutation(role, drawn if order is None else order, n_features)
    same = {role: np.equal.outer(order, orders["output"]).astype(float) for role, order in orders.items()}
    return Parts(law="independent", covariances=same, position=position_weights(position, n_features))
