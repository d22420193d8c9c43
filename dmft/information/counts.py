"""Informations of whole numbers estimated from how often each state occurs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import seed_of, whole
from .._util.memory import need_memory
from .._util.progress import each, shows_progress
from .laws import cmi
from .parts import Sites, three_parts
from .series import FEWEST, SHAPES, InformationEstimate
from .sparse_laws import SparseLaw, whole_numbers


@shows_progress
@own_arithmetic
def discrete_cmi_estimate(
    samples: ArrayLike,
    X: Sites,
    Y: Sites,
    B: Sites = (),
    *,
    block: int = 1,
    n_boot: int = 100,
    seed: int = 0,
    progress: bool = True,
) -> InformationEstimate:
    r"""Estimate I(X; Y | B) of whole numbers from how often each state occurs, in nats.

    Less the bias of Miller and Madow, :math:`(K_{XB} + K_{YB} - K_B - K_{XYB})/2n` with K the numbers of states seen;
    with the error of the bootstrap of blocks.

    Parameters
    ----------
    samples : array_like of int, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
    X, Y, B : int or sequence of int
    block : int, default=1
        Successive samples that go together; 1: all are independent.
    n_boot : int, default=100
    seed : int, default=0
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    InformationEstimate

    Raises
    ------
    ValueError
        If samples are no whole numbers, are too few, or parts overlap.

    References
    ----------
    G. A. Miller, in *Information Theory in Psychology* (1955).

    Examples
    --------
    >>> bits = np.random.default_rng(0).integers(0, 2, (4000, 3))
    >>> bits[:, 2] = bits[:, 0] ^ bits[:, 1]
    >>> one, two = discrete_cmi_estimate(bits, 0, 1), discrete_cmi_estimate(bits, 0, 1, 2)
    >>> bool(abs(one.value) < 0.002), bool(abs(two.value - np.log(2)) < 0.002)
    (True, True)
    """
    array = whole_numbers("samples", samples, SHAPES, (2, 3))
    block, n_boot = whole("block", block, 1), whole("n_boot", n_boot, FEWEST)
    rng = np.random.default_rng(seed_of(seed))
    stacked = array if array.ndim == 3 else array[None]
    kept = stacked.shape[1] // block * block
    blocks = stacked[:, :kept].reshape(-1, block, stacked.shape[2])
    if len(blocks) < FEWEST:
        raise ValueError(f"samples must make at least {FEWEST} blocks, got {len(blocks)} of {block}")
    x, y, b = three_parts(X, Y, B, array.shape[-1])
    flat = blocks.reshape(-1, stacked.shape[2])
    law = SparseLaw.from_samples(flat)
    plain = cmi(law, x, y, b)

    def seen(sites: tuple[int, ...]) -> int:
        return len(law.marginal(sites).p) if sites else 1

    bias = (seen((*x, *y, *b)) + seen(b) - seen((*x, *b)) - seen((*y, *b))) / (2 * len(flat))
    # Every state's number, so that a bootstrap sample is a count of blocks.
    _, which = np.unique(flat, axis=0, return_inverse=True)
    states = flat[np.unique(which.reshape(-1), return_index=True)[1]]
    which = which.reshape(len(blocks), block)
    need_memory(f"{n_boot} draws", 8.0 * n_boot, "draw fewer (n_boot)")
    values = np.empty(n_boot)
    for i in each(range(n_boot), "draws"):
        drawn = which[rng.integers(len(blocks), size=len(blocks))].reshape(-1)
        share = np.bincount(drawn, minlength=len(states)) / drawn.size
        values[i] = cmi(SparseLaw(states, share), x, y, b)
    return InformationEstimate(plain - bias, float(values.std(ddof=1)), bias, len(flat), block)
