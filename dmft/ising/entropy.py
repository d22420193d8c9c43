r"""Entropy production: of a model from its moments, and lower bounds from observed transitions.

The bounds need no model: any observable that changes sign under reversal of a transition
gives one, Aguilera, Ito & Kolchinsky, arXiv:2505.10444 [1]_.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, one_of, within
from .._util.memory import need_memory
from .._util.pool import apart
from .model import KineticIsing, system_of
from .moments import Moments
from .spikes import spins_of

Estimator = Literal["maxent", "newton", "mtur"]
ESTIMATORS: tuple[Estimator, ...] = ("maxent", "newton", "mtur")


@own_arithmetic
def entropy_production(model: KineticIsing, moments: Moments) -> float | np.ndarray:
    r"""Return the stationary entropy production of a model per step, in nats.

    Parallel: :math:`\sum_{il} (J_{il} - J_{li}) D_{il}`. Asynchronous, without self-couplings:
    :math:`\sum_{i \ne l} J_{il} (D_{il} - C_{il})` per attempted update. Exact for exact moments of the
    stationary state; with those of a mean-field theory, its prediction.

    Parameters
    ----------
    model : KineticIsing
        Not lazy: its entropy production is no function of the moments.
    moments : Moments
        Of one time or of several.

    Returns
    -------
    float, or ndarray of one value a time

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> model = KineticIsing([[0.0, 1.0], [-1.0, 0.0]])
    >>> exact = model.exact()
    >>> bool(abs(entropy_production(model, exact.stationary()) - exact.entropy_production()) < 1e-12)
    True
    """
    instance("moments", moments, Moments, "a dmft.ising.Moments, of spikes dmft.ising.spike_moments(spikes)")
    system_of(model)
    if model.update == "lazy":
        raise ValueError("update must be 'parallel' or 'async' for entropy production from moments, got 'lazy'")
    if moments.n_sites != model.n_sites:
        raise ValueError(f"moments must be of {model.n_sites} sites, got {moments.n_sites}")
    J = model.J
    if model.update == "parallel":
        return np.einsum("il,...il->...", J - J.T, moments.D)[()]
    without_self_couplings(model)
    return np.einsum("il,...il->...", J, moments.D - moments.C)[()]


def is_told_by_moments(model: KineticIsing) -> bool:
    """Return whether the entropy production is a function of the moments; see `entropy_production`."""
    return model.update == "parallel" or (model.update == "async" and not model.couplings.diagonal().any())


def without_self_couplings(model: KineticIsing) -> None:
    """Raise if spins that flip one at a time act on themselves: what they give off is no function of pairs then."""
    own = model.couplings.diagonal()
    if own.any():
        k = int(np.flatnonzero(own)[0])
        raise ValueError(
            f"couplings must have no self-couplings for entropy from moments of asynchronous updates, got {own[k]:g} "
            f"at site {k}; see KineticIsing.exact, ising.thermodynamics"
        )


@own_arithmetic
def ep_bound(
    before: ArrayLike,
    after: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    estimator: Estimator = "maxent",
) -> float:
    r"""Bound the entropy production per transition from below, from observed transitions.

    With g odd under reversal, :math:`\Sigma = \max_\theta\, \theta\cdot\langle g\rangle -
    \log\langle e^{-\theta\cdot g}\rangle` is a bound. If every transition moves one spin at most,
    it is taken for each spin apart, with :math:`g_j = -2 s_i s_j`, and weighted with the share of
    transitions that flip the spin; otherwise :math:`g_{ij} = s_i' s_j - s_i s_j'` of all pairs.

    Parameters
    ----------
    before, after : array_like, shape (n_sites, n_transitions)
        Spins before and after each transition, 0 and 1, or -1 and 1, as of :func:`spike_train`: a row is a site.
        `after` None: `before` is a spike train, its transitions those from a bin to the next.
    weights : array_like, shape (n_transitions,), or None, default=None
        Probabilities of the transitions, >= 0; only their ratios count. None: equal.
    estimator : {"maxent", "newton", "mtur"}, default="maxent"
        The maximum; its objective after one Newton step; the thermodynamic uncertainty relation
        :math:`\log(1 + 2 \langle g\rangle\cdot\mathrm{Cov}(g)^{-1}\langle g\rangle)`. In falling order.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError
        If shapes do not fit, or there are more sites than transitions in data without weights: transposed?
    MemoryError
        If the observables of all pairs would not fit into memory.
    FloatingPointError
        If the maximum does not exist, because a transition was never seen in reverse.

    References
    ----------
    .. [1] Aguilera, Ito, Kolchinsky, arXiv:2505.10444.

    Examples
    --------
    >>> ep_bound([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]])
    0.0
    """
    one_of("estimator", estimator, ESTIMATORS)
    if after is None:
        train = spins_of("before", before, 2)
        before, after = train[:, :-1], train[:, 1:]
    else:
        before, after = spins_of("before", before), spins_of("after", after)
    if before.shape != after.shape:
        raise ValueError(f"before and after must have one shape, got {before.shape} and {after.shape}")
    if weights is None:
        if len(before) > before.shape[1]:
            raise ValueError(
                f"before must have as many transitions as sites at least, or weights be given, got {len(before)} rows, "
                f"the sites, and {before.shape[1]} transitions: transposed?"
            )
        weights = np.ones(before.shape[1])
    before, after = (np.ascontiguousarray(spins.T, dtype=float) for spins in (before, after))
    w = within("weights", finite("weights", weights, (len(before),)), 0, np.inf)
    if not w.sum() > 0:
        raise ValueError(f"weights must not all be 0, got sum {w.sum()!r}")
    w, n = w / w.sum(), before.shape[1]
    moved = before != after
    if moved.sum(1).max() > 1:
        n_pairs = n * (n - 1) // 2
        n_bytes = 8.0 * n_pairs * (4 * len(before) + 4 * n_pairs)  # observables and their covariance, with copies
        need_memory(f"{n_pairs} observables of {len(before)} transitions", n_bytes, "take fewer sites")
        one, other = np.triu_indices(n, 1)
        pairs = np.empty((n_pairs, len(before)))
        for pair, k, j in zip(pairs, one, other, strict=True):  # Ctrl-C gets a word in
            np.subtract(after[:, k] * before[:, j], before[:, k] * after[:, j], out=pair)
        return _bound(pairs.T, w, estimator)
    total = 0.0
    for i in range(before.shape[1]):
        rows = moved[:, i] & (w > 0)
        share = w[rows].sum()
        if share:
            others = np.delete(before[rows], i, 1)
            total += share * _bound(-2 * before[rows, i : i + 1] * others, w[rows] / share, estimator)
    return float(total)


def _bound(g: np.ndarray, w: np.ndarray, estimator: Estimator) -> float:
    """Return the bound from observables g, shape (n_transitions, n_observables), of weights w."""
    mean = apart(np.matmul, w, g)
    if not mean.any():
        return 0.0
    theta = 2 * _solve(_covariance(g, w), mean)
    if estimator == "mtur":
        return float(np.log1p(theta @ mean))
    if estimator == "newton":
        return float(_objective(g, w, mean, theta)[0])
    # The objective is concave: damped Newton from 0, whose first full step is the Newton estimate.
    theta, (value, q) = np.zeros_like(mean), _objective(g, w, mean, np.zeros_like(mean))
    for _ in range(200):
        rise, curvature = mean + q @ g, _covariance(g, q)
        step = _solve(curvature, rise)
        if abs(rise - curvature @ step).max() > 1e-6 * (abs(rise).max() + 1e-6):
            break  # the objective rises for ever along a direction in which g does not vary
        gain, size = rise @ step, 1.0
        if gain < 1e-14:
            return float(value)
        while size > 1e-12:
            new, new_q = _objective(g, w, mean, theta + size * step)
            if new >= value + 1e-4 * size * gain:
                break
            size /= 2
        else:
            return float(value)
        theta, value, q = theta + size * step, new, new_q
    raise FloatingPointError(
        "the entropy bound has no maximum, or none was reached in 200 Newton steps: some transition was "
        "never seen in reverse; use estimator='mtur' or more data"
    )


def _objective(g: np.ndarray, w: np.ndarray, mean: np.ndarray, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the objective and the tilted weights, their exponent shifted against overflow."""
    x = -(g @ theta)
    shift = x.max()
    tilted = w * np.exp(x - shift)
    total = tilted.sum()
    return theta @ mean - np.log(total) - shift, tilted / total


def _covariance(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    centred = apart(np.subtract, g, apart(np.matmul, w, g))
    return apart(np.matmul, apart(np.multiply, centred.T, w), centred)


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    # Constant and dependent observables make it singular: the least solution leaves them out.
    return apart(np.linalg.lstsq, matrix, vector, rcond=1e-12)[0]
