r"""How far the tokens of an infinite network are from the same tokens backwards in time.

Tokens are a process of the order L of the context: each is drawn given the L before it. The entropy production per
token is the mean log ratio of a sequence and its reverse under the same network,

.. math:: \sigma = E[\ln P(x_{t+1} | x_t \dots x_{t-L+1}) - \ln P(x_{t-L+1} | x_{t-L+2} \dots x_{t+1})],

the second window being read backwards, its query that of its oldest token. Tokens keep the labels of their positions:
the clock runs backwards (our choice). It is how fast the divergence of the two laws of paths grows. Of many sites,

.. math:: \sigma / N \to \langle \sum_j n_j\, \mathrm{KL}(\beta s_j \cdot A_{t-L} \,\|\, \beta s_j \cdot A^*_t) \rangle,

with the attention :math:`A^*_t` of the window read backwards and :math:`n_j` the share of sites with the column
:math:`s_j`; the mean is over the orbit. So the orbit alone tells it.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import Role, shown
from .._util.signs import sign_vectors
from .._util.values import Frozen
from ..dynamics.recurrence import cycle_length
from ..dynamics.series import batch_means
from ..gaussian.averages import log2cosh_gauss, tanh_gauss
from .batch import Batch
from .features import Features
from .model import SelfAttention, undriven
from .reference import softmax

MOST_INDEPENDENT = 16  # features whose sign vectors are enumerated
N_STEPS = 2_048  # of a point of a sweep
ROLES_READ: tuple[Role, ...] = ("query", "key", "value")
_ELEMENTS = 2**18  # of the products of queries and keys in one piece
_RECORDED = 2**23  # doubles of the orbits of a sweep at a time


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Irreversibility(Frozen):
    """Entropy production of the tokens of a network.

    Attributes
    ----------
    rate : float
        In nats per site and token.
    error : float
        Its standard error: 0 where nothing is sampled, on cycles and by enumeration.
    period : int
        Steps after which what is produced is the same again; 0 if it is not, or chance is in it.
    steps : ndarray, shape (n_steps,), or (n_replicas, n_steps)
        What each step of the orbit adds, in nats per site; by enumeration, what each position of the newest token of
        the window does.
    """

    rate: float
    error: float
    period: int
    steps: np.ndarray


def site_shares(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return what the fields of sites read, shape (n_classes, n_features), and the share of the sites in each class.

    Raises
    ------
    ValueError
        If the shares are not known: of features given by couplings that no +-1 vectors have.

    Examples
    --------
    >>> signs, share = site_shares(Features.independent(n_features=2, output=[0, 1], value=[0, 1], query=[0, 1],
    ...                                                 key=[0, 1]))
    >>> share
    array([0.5, 0.5])
    """
    if features.groups is not None:
        return features.groups.signs, features.groups.sizes / features.groups.n_sites
    if features.weights is not None and features.n_sites is not None:
        columns = features.weights["output"][:, : features.n_sites].T
        columns = columns * columns[:, :1]
        signs, count = np.unique(columns, axis=0, return_counts=True)
        return signs.astype(float), count / features.n_sites
    if features.law == "independent":
        if features.n_features > MOST_INDEPENDENT:
            raise ValueError(
                f"n_features must be <= {MOST_INDEPENDENT} for the irreversibility of independent features, got "
                f"{features.n_features}"
            )
        signs = sign_vectors(features.n_features, half=True)
        return signs, np.full(len(signs), 1 / len(signs))
    if features.classes is not None:
        signs, output = features.classes.signs, features.classes.couplings["output"]
        share = (signs * output).sum(axis=1) / np.maximum((signs**2).sum(axis=1), 1e-300)
        if np.allclose(share[:, None] * signs, output, atol=1e-12) and share.min() >= 0 and abs(share.sum() - 1) < 1e-9:
            return signs, share
    raise ValueError(f"features must tell the share of the sites in each class, got {shown(features)}")


def check_features(model: SelfAttention) -> None:
    """Raise unless it is known how many sites of a model have which field."""
    undriven(model)
    if model.features.law != "gaussian":
        site_shares(model.features)


def backward_attention(model: SelfAttention, query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the attention of the windows of successive tokens read backwards: the oldest of each asks.

    Parameters
    ----------
    model : SelfAttention
    query, key, value : ndarray, shape (n_tokens, n_features)
        Overlaps of successive tokens, oldest first.

    Returns
    -------
    ndarray, shape (n_tokens - n_context + 1, n_features)
    """
    n_context, width = model.n_context, model.n_features // model.n_heads
    n_windows = len(query) - n_context + 1
    out = np.empty((n_windows, model.n_features))
    views = [np.lib.stride_tricks.sliding_window_view(x, n_context, axis=0).swapaxes(1, 2) for x in (key, value)]
    piece = max(1, _ELEMENTS // (n_context * model.n_features))
    for first in range(0, n_windows, piece):
        keys, values = (x[first : first + piece] for x in views)
        scores = model.gain * query[first : first + len(keys), None, :] * keys
        scores = scores.reshape(len(keys), n_context, model.n_heads, width).sum(axis=-1)
        out[first : first + piece] = (np.repeat(softmax(scores), width, axis=-1) * values).sum(axis=1)
    return out


def divergence(u: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the divergence, in nats, of a spin in a field from one in another.

    Examples
    --------
    >>> float(divergence(np.array(0.3), np.array(0.3))), float(divergence(np.array(1.0), np.array(-1.0)).round(12))
    (0.0, 1.523188311912)
    """
    step = other - u
    near = np.clip(step, -0.5, 0.5)
    mean = np.tanh(u)
    small = np.log1p(mean * np.sinh(near) + 2 * np.sinh(near / 2) ** 2) - near * mean
    return np.maximum(np.where(np.abs(step) < 0.5, small, log_cosh(other) - log_cosh(u) - step * mean), 0.0)


def log_cosh(u: np.ndarray) -> np.ndarray:
    """Return ln 2 cosh u, of any u."""
    size = np.abs(u)
    return size + np.log1p(np.exp(-2 * size))


def fields(beta: float, attention: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return the fields of sites, (..., n_classes), summed feature by feature: the same bits in any company."""
    out = np.zeros((*attention.shape[:-1], len(signs)))
    for a in range(signs.shape[1]):
        out += attention[..., a, None] * signs[:, a]
    return beta * out


def divergences(model: SelfAttention, forth: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the divergences of tokens made by one attention from those made by another, per site, (n_steps,)."""
    if model.features.law == "gaussian":
        return _gaussian(model, forth, back)
    signs, share = site_shares(model.features)
    out = np.zeros(len(forth))
    for first in range(0, len(signs), 256):
        some = signs[first : first + 256]
        each = divergence(fields(model.beta, forth, some), fields(model.beta, back, some))
        out += (each * share[first : first + 256]).sum(axis=1)
    return out


def _gaussian(model: SelfAttention, forth: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the same for Gaussian features, whose fields are a Gaussian pair: E[u* tanh u] by parts."""
    if model.features.covariances is None:
        raise ValueError(f"features must have covariances, got {shown(model.features)}")
    C = model.features.covariances["output"]
    u, v, w = (
        model.beta**2 * np.einsum("ta,ab,tb->t", x, C, y) for x, y in ((forth, forth), (back, back), (forth, back))
    )
    u, v = np.maximum(u, 0.0), np.maximum(v, 0.0)
    zero = np.zeros(len(u))
    gain = (u - w) * tanh_gauss(zero, u, 1, n_threads=1)
    return np.asarray(gain - log2cosh_gauss(zero, u, n_threads=1) + log2cosh_gauss(zero, v, n_threads=1))


def along(
    model: SelfAttention, attention: np.ndarray, query: np.ndarray, key: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Return what each step of an orbit of the infinite network adds, in nats per site, (n_rows - n_context - 1,).

    The token before a window was made by the attention of the row before it.
    """
    back = backward_attention(model, query[2:], key[2:], value[2:])
    return divergences(model, attention[: len(back)], back)


def averaged(steps: np.ndarray) -> Irreversibility:
    """Return the mean over an orbit of the infinite network: over whole periods, if it has one."""
    period = cycle_length(steps[:, None], throughout=True) if np.isfinite(steps).all() else 0
    if period:
        return Irreversibility(float(steps[-(len(steps) // period * period) :].mean()), 0.0, period, steps)
    n_batches = min(20, len(steps))
    mean, error = batch_means(steps, n_batches) if n_batches > 1 else (steps.mean(), np.nan)
    return Irreversibility(float(mean), float(error), 0, steps)


@own_arithmetic
def irreversibility_doubles(n_points: int, model: SelfAttention) -> float:
    """Return about how many numbers `irreversibility_arrays` has in memory at a time."""
    n_rows = N_STEPS + model.n_context + 1
    # A piece of the points, and the next one before it is forgotten.
    return float(min(n_points * n_rows * model.n_features * (1 + len(ROLES_READ)), 2 * _RECORDED))


def irreversibility_arrays(
    batch: Batch, model: SelfAttention, n_threads: int | None = None, n_steps: int = N_STEPS
) -> dict[str, np.ndarray]:
    """Return the entropy production of the points of a batch, from where they are; the batch stays there.

    Examples
    --------
    >>> from dmft.attention.batch import single
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    >>> batch = single(model, None)
    >>> batch.advance(5_000)
    >>> print(irreversibility_arrays(batch, model)["irreversibility"].round(6))
    [0.035829]
    """
    n_points, n_rows = batch.n_points, n_steps + model.n_context + 1
    names = ("attention", *ROLES_READ)
    piece = max(1, _RECORDED // (n_rows * model.n_features * len(names)))
    rate, error = np.full(n_points, np.nan), np.full(n_points, np.nan)
    for first in range(0, n_points, piece):
        points = np.arange(first, min(first + piece, n_points))
        some = batch.select(points)
        some.advance(max(model.n_context - some.n_filled, 0))
        rows = some.new_record(names, n_rows)
        some.advance(n_rows, record=rows)
        arrays = rows.arrays()
        for i, point in enumerate(points):
            if not np.isfinite(some.window[i]).all():
                continue
            values = {name: getattr(batch, name)[point] for name in ("beta", "gamma", "epsilon")}
            here = model.replace(**values)
            found = averaged(along(here, *(arrays[name][i] for name in names)))
            rate[point], error[point] = found.rate, found.error
    return {"irreversibility": rate, "irreversibility_error": error}
