"""Log determinants of the window map along an orbit, in logarithms throughout: no weight or slope is too small."""

from __future__ import annotations

import decimal
from decimal import Decimal

import numpy as np

from .. import _kernels
from .._util.checks import Role
from .batch import Batch
from .drive import ROLE_ORDER
from .kernel import network_of
from .many_digits import Step, Token
from .model import SelfAttention, gain
from .window_map import MAX_INDEPENDENT, site_classes

_KEY, _VALUE = ROLE_ORDER.index("key"), ROLE_ORDER.index("value")
EPS = np.finfo(float).eps
UNSURE = 1e-9  # rounding in a log determinant beyond which it is taken in another way, relative if it is large
DIGITS = (60, 120, 240, 480, 960)


def log_determinants(model: SelfAttention, attention: np.ndarray, phase: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Return :math:`\log |\det \partial A_t / \partial A_{t-L}|` of every step along an orbit.

    The block is :math:`w_{t,L-1} (D^v + (v_{L-1} - A_t) (\gamma q_t / \sqrt M)^T D^k)` for every head, with the slopes
    D of the oldest token's overlaps. Its weight w and, of site classes, the slopes of tanh come as logarithms.

    Parameters
    ----------
    model : SelfAttention
    attention : ndarray, shape (n_context + n_steps, n_features)
        The window before the first step, oldest row first, and what each step made.
    phase : int
        Position of the first step.

    Returns
    -------
    logs : ndarray, shape (n_steps,)
        -inf where the signs of the classes annihilate a direction; NaN where rounding hides the value.
    error : ndarray, shape (n_steps,)
        What rounding may have done to them.
    """
    n_context, n_features, n_heads = model.n_context, model.n_features, model.n_heads
    n_steps, width = len(attention) - n_context, n_features // n_heads
    tokens = attention[:-1]
    position = (phase + np.arange(len(tokens)) - (n_context - 1)) % n_context
    query, key, value = (_overlaps(model, role, tokens, position) for role in ("query", "key", "value"))
    query = gain(model.gamma, n_features, n_heads) * query[n_context - 1 :]
    age = np.arange(n_steps)[:, None] + np.arange(n_context)  # of the tokens a step sees, oldest first
    scores = (query[:, None] * key[age]).reshape(n_steps, n_context, n_heads, width).sum(axis=-1)
    top = scores.max(axis=1, keepdims=True)
    weights = np.exp(scores - top)
    total = weights.sum(axis=1)
    weights = np.repeat(weights / total[:, None], width, axis=-1)
    lean = value[:n_steps, None] - value[age]
    tilt, size = (weights * lean).sum(axis=1), (weights * np.abs(lean)).sum(axis=1)
    log_weight = width * (scores[:, 0] - top[:, 0] - np.log(total)).sum(axis=1)
    # Features of other heads do not move a head's scores.
    same_head = np.kron(np.eye(n_heads), np.ones((width, width)))
    rounding = EPS * (8.0 + 2.0 * np.abs(scores).max(axis=(1, 2)))  # of the weights, relative
    wobble = rounding[:, None] * size  # of the tilt
    if model.features.law == "classes" or (model.features.law == "independent" and n_features <= MAX_INDEPENDENT):
        classes = _Classes(model, same_head)
        steps = (tokens[:n_steps], query, tilt, wobble)
        logs, error = classes.directly(*steps)
        unsure = np.flatnonzero(~_sure(logs, error))
        if unsure.size:
            logs[unsure], error[unsure] = classes.in_logarithms(*(x[unsure] for x in steps))
        for t in np.flatnonzero(~_sure(logs, error)):
            logs[t], error[t] = classes.exactly(attention[t : t + n_context], position[t : t + n_context]), 0.0
    else:
        slope_key, slope_value = (_slopes(model, role, tokens[:n_steps]) for role in (_KEY, _VALUE))
        score = np.einsum("tc,ac,tcb->tba", query, same_head, slope_key)
        added, slope_value = tilt[:, None] * score, slope_value.swapaxes(1, 2)
        logs, error = _log_det(slope_value + added, np.abs(slope_value) + np.abs(added), score, wobble)
        logs[~_sure(logs, error)] = np.nan
    return log_weight + logs, error + n_features * rounding


def mean_log_determinants(batch: Batch, n_steps: int) -> np.ndarray:
    """Take a batch n_steps further, whole periods; return the mean log |det| of its steps, (n_points,)."""
    before, phase = batch.window[:, ::-1].copy(), batch.phase
    windows = np.asarray(batch.strobe(n_steps // batch.period)[0]).reshape(batch.n_points, -1, *batch.shape)
    rows = np.concatenate([before, windows[:, :, ::-1].reshape(batch.n_points, -1, batch.shape[1])], axis=1)
    out = np.empty(batch.n_points)
    for i, values in enumerate(zip(batch.beta.tolist(), batch.gamma.tolist(), batch.epsilon.tolist(), strict=True)):
        model = batch._model.replace(**dict(zip(("beta", "gamma", "epsilon"), values, strict=True)))
        out[i] = log_determinants(model, rows[i], phase)[0].mean()
    return out


def _sure(logs: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return which values are known well."""
    return error < UNSURE * np.maximum(1.0, np.abs(logs))


def _log_det(
    matrices: np.ndarray, terms: np.ndarray, score: np.ndarray, wobble: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return log |det| of many matrices, and what rounding may do to it.

    Parameters
    ----------
    matrices : ndarray, shape (n, M, M)
        Sums of terms, of which some are score[:, i, a] * tilt[:, a].
    terms : ndarray, shape (n, M, M)
        The sums of their sizes.
    score : ndarray, shape (n, M, M)
    wobble : ndarray, shape (n, M)
        Errors of the tilt, which are the same in all rows.
    """
    size = np.abs(matrices).max(axis=2, keepdims=True)
    size = np.where(size > 0.0, size, 1.0)
    scaled = matrices / size
    log = np.linalg.slogdet(scaled)[1]
    sure = np.isfinite(log)
    inverse = np.full_like(scaled, np.inf)
    inverse[sure] = np.linalg.inv(scaled[sure])
    with np.errstate(invalid="ignore"):
        error = 8.0 * EPS * (np.abs(inverse).swapaxes(1, 2) * (terms / size)).sum(axis=(1, 2))
        error += (wobble * np.abs((inverse * (score / size).swapaxes(1, 2)).sum(axis=2))).sum(axis=1)
    return np.where(sure, log + np.log(size).sum(axis=(1, 2)), np.nan), error


def _overlaps(model: SelfAttention, role: Role, attention: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return m^role of the tokens made by many attentions, Eqs. (6), (7), (n, M)."""
    signs, couplings = site_classes(model)
    if model.features.law == "gaussian":
        variance = model.beta**2 * ((attention @ signs) * attention).sum(axis=1)
        start, weight = _kernels.MIXTURE[:, 0], _kernels.MIXTURE[:, 1]
        activity = model.beta * attention * (weight / np.sqrt(start + variance[:, None])).sum(axis=1)[:, None]
    else:
        activity = np.tanh(model.beta * attention @ signs.T)
    field = model.features.position_field(role, model.n_context)[position]
    return (1.0 - model.epsilon) * activity @ couplings[role] + model.epsilon * field


def _slopes(model: SelfAttention, role: int, attention: np.ndarray) -> np.ndarray:
    """Return dm^role/dA of many tokens, (n, M, M), by the kernel: with no gain a step only takes the mean value."""
    network, n = network_of(model), len(attention)
    couplings = np.array(network.couplings)
    couplings[_VALUE] = couplings[role]
    alone = _kernels.Network(
        signs=network.signs, couplings=couplings, position=network.position[:, :1], n_heads=1, law=network.law
    )
    following, rows = np.empty((n, model.n_features)), np.empty((n, 1, model.n_features, model.n_features))
    _kernels.linearize(
        network=alone,
        beta=np.full(n, model.beta),
        gain=np.zeros(n),
        epsilon=np.full(n, model.epsilon),
        window=attention[:, None],
        phase=0,
        next_row=following,
        rows=rows,
        n_threads=1,
    )
    return rows[:, 0]


class _Classes:
    r"""The block that leaves, of site classes: :math:`\sum_j u_j r_j s_j^T`, r_j the slope of tanh of class j.

    Parameters
    ----------
    model : SelfAttention
    same_head : ndarray, shape (n_features, n_features)
        1 where two features are of one head, else 0.
    """

    def __init__(self, model: SelfAttention, same_head: np.ndarray) -> None:
        self.model, self.same_head = model, same_head
        self.signs, self.couplings = site_classes(model)

    def directly(
        self, attention: np.ndarray, query: np.ndarray, tilt: np.ndarray, wobble: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return log |det| of many steps, and what rounding may do to it, each (n_steps,)."""
        log_slope, pull = self._parts(attention, query)
        value, added, top = self.couplings["value"], tilt[:, None] * pull, log_slope.max(axis=1)
        with np.errstate(invalid="ignore"):  # where nothing moves
            slope = np.exp(log_slope - top[:, None])[:, :, None]
        steep = self.signs.T @ (slope * np.concatenate([value + added, pull], axis=2))
        sums = np.abs(self.signs).T @ (slope * (np.abs(value) + np.abs(added)))
        matrices, score = np.split(steep, 2, axis=2)
        log, error = _log_det(matrices, sums, score, wobble)
        error[log_slope.min(axis=1) - top < -600.0] = np.inf  # numbers that small have few digits
        return log + attention.shape[1] * top, error

    def in_logarithms(
        self, attention: np.ndarray, query: np.ndarray, tilt: np.ndarray, wobble: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the same where the slopes differ by hundreds of orders of magnitude.

        M classes are taken as a basis of the signs, those with the largest slopes first; the others are added to
        them, with ratios of slopes of at most 1.
        """
        signs, (n_steps, n_features) = self.signs, attention.shape
        out, error = np.full(n_steps, -np.inf), np.zeros(n_steps)
        log_slope, pull = self._parts(attention, query)
        if np.isneginf(log_slope).any():
            return out, error
        value, added = self.couplings["value"], tilt[:, None] * pull
        left, terms = value + added, np.abs(value) + np.abs(added)
        orders, which = np.unique(np.argsort(-log_slope, axis=1, kind="stable"), axis=0, return_inverse=True)
        for i, order in enumerate(orders):
            basis, shares = _basis(signs[order])
            if len(basis) < n_features:
                return out, error
            steps, basis = np.flatnonzero(which.ravel() == i), order[basis]
            logs = log_slope[steps]
            ratio = np.where(shares != 0.0, logs[:, order][:, :, None] - logs[:, basis][:, None], 0.0)
            mix, here = (shares * np.exp(ratio)).swapaxes(1, 2), (steps[:, None], order)
            joined, score, sums = mix @ left[here], mix @ pull[here], np.abs(mix) @ terms[here]
            log, error[steps] = _log_det(joined, sums, score, wobble[steps])
            out[steps] = log + np.linalg.slogdet(signs[basis])[1] + logs[:, basis].sum(axis=1)
        return out, error

    def _parts(self, attention: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log r_j, (n_steps, n_classes), and by how much the tilt moves u_j, (n_steps, n_classes, M)."""
        field = np.abs(self.model.beta * attention @ self.signs.T)
        with np.errstate(divide="ignore"):
            scale = np.log(self.model.beta) + np.log(1.0 - self.model.epsilon)
        log_slope = 2.0 * (np.log(2.0) - field - np.log1p(np.exp(-2.0 * field))) + scale
        return log_slope, np.einsum("tc,ac,jc->tja", query, self.same_head, self.couplings["key"])

    def exactly(self, window: np.ndarray, position: np.ndarray) -> float:
        """Return log |det| of one step, oldest row first, with as many digits as it takes; NaN if they do not do."""
        for digits in DIGITS:
            with decimal.localcontext(decimal.Context(prec=digits, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)):
                tokens = [Token(self.model, *one) for one in zip(window[::-1], position[::-1], strict=True)]
                log = _log_det_of_exact(Step(self.model, tokens).oldest())
            if log is not None:
                return log
        return float("nan")


def _log_det_of_exact(matrix: np.ndarray) -> float | None:
    """Return log |det| of a matrix of decimals by elimination with full pivoting; None if too few digits are left."""
    total, largest, digits = Decimal(0), Decimal(0), decimal.getcontext().prec
    while len(matrix):
        i, j = divmod(int(np.argmax(np.abs(matrix))), len(matrix))
        pivot = matrix[i, j]
        largest = max(largest, abs(pivot))
        if abs(pivot) <= largest.scaleb(30 - digits):
            return None
        total += abs(pivot).ln()
        rows = np.delete(matrix, i, axis=0)
        matrix = np.delete(rows - np.outer(rows[:, j] / pivot, matrix[i]), j, axis=1)
    return float(total)


def _basis(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first rows that are linearly independent, and every row (n, M) in terms of these, (n, n_basis).

    Examples
    --------
    >>> _basis(np.array([[1.0, 1.0], [2.0, 2.0], [1.0, -1.0], [2.0, 0.0]]))[0]
    array([0, 2])
    """
    chosen: list[int] = []
    for i, row in enumerate(rows):
        basis = rows[chosen].T
        rest = row - basis @ np.linalg.lstsq(basis, row, rcond=None)[0] if chosen else row
        if np.linalg.norm(rest) > 1e-9 * np.linalg.norm(row):
            chosen.append(i)
        if len(chosen) == rows.shape[1]:
            break
    shares = np.linalg.lstsq(rows[chosen].T, rows.T, rcond=None)[0].T
    return np.array(chosen), np.where(np.abs(shares) > 1e-9, shares, 0.0)
