r"""Exponents of features of too small a rank, measured in the space that tokens are read in.

Site classes read an attention A by :math:`s_j \cdot A` alone. With V a basis of what their signs span, of the part of
the space that tokens reach, :math:`V^T A` moves by itself: a step's rows become :math:`V^T J V`. In that window of L r
numbers nothing is annihilated by the features, so that tangents may come from both ends, as the kernels have them for
features of full rank. What comes of them is believed where the sum of all exponents is that of the determinants, and
else where both ends agree; not where rounding has left nothing of the determinants of many steps, which neither tells.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..dynamics.exponents import LOST, Estimates, Exponents
from . import kernel
from .axes import PARAMETERS
from .batch import Batch
from .directions import n_directions, read_directions
from .rounding import ROUNDED, row_errors
from .window_map import site_classes

MOST = 2_048  # samples: a second for a point
TURNING = 64  # samples in which tangents turn into place
AT_ONCE = 64  # samples of windows in memory
SURE = 1e-9  # relative: no average is better
NOISE = 2.0**6 * np.finfo(float).eps  # of what a stretch is a sum of: below it is rounding
MISSED = 2.0**-6  # of a determinant: if rounding may have moved it further, it tells nothing


class Tangents:
    """Tangents of reduced windows, all from the first on, and all from the last on.

    They are kept triangular in an order of pivots instead of orthogonal: elimination leaves small rows their digits,
    which reflections do not, and the products of pivots grow as volumes do.

    Parameters
    ----------
    n_points, n_context, rank : int
    """

    def __init__(self, n_points: int, n_context: int, rank: int) -> None:
        self.rank, self.size = rank, n_context * rank
        general = np.random.default_rng(0).normal(size=(self.size, self.size))
        self.frames = np.repeat(np.stack([general, general])[:, None], n_points, axis=1)
        self.growth = np.zeros((2, n_points, self.size))
        self.n_lost = np.zeros((2, n_points, self.size), dtype=np.int64)

    def step(self, rows: np.ndarray) -> None:
        """Take them through a step with the derivatives (n_points, n_context, r, r)."""
        rank, n_points = self.rank, len(rows)
        direct, dual = self.frames
        top = rows.swapaxes(1, 2).reshape(n_points, rank, self.size)
        moved = np.concatenate([top @ direct, direct[:, :-rank]], axis=1)
        bound = np.concatenate([np.abs(top) @ np.abs(direct), np.abs(direct[:, :-rank])], axis=1)
        self._triangular(0, moved, bound)
        # C^-T of a companion matrix C: first what the oldest row takes, then what that takes from the others.
        oldest, condition = _inverses(rows[:, -1])
        first = oldest.swapaxes(1, 2) @ dual[:, -rank:]
        taken = rows[:, :-1].swapaxes(2, 3).reshape(n_points, -1, rank)
        moved = np.concatenate([first, dual[:, :-rank] - taken @ first], axis=1)
        largest = condition * (np.abs(oldest.swapaxes(1, 2)) @ np.abs(dual[:, -rank:]))
        bound = np.concatenate([largest, np.abs(dual[:, :-rank]) + np.abs(taken) @ largest], axis=1)
        self._triangular(1, moved, bound)

    def _triangular(self, side: int, moved: np.ndarray, bound: np.ndarray) -> None:
        """Make tangents triangular; add the logs of the pivots, and count where these are of rounding."""
        from scipy.linalg.lapack import dgetrf

        for i, (matrix, sums) in enumerate(zip(moved, bound, strict=True)):
            if not np.isfinite(matrix).all():
                self.frames[side, i] = np.eye(self.size)
                self.n_lost[side, i] += 1
                continue
            factors, pivots, _ = dgetrf(matrix)
            order = np.arange(self.size)
            for k, pivot in enumerate(pivots.tolist()):
                order[[k, pivot]] = order[[pivot, k]]
            left, stretch = np.tril(factors, -1), np.abs(np.diagonal(factors))
            noise = np.diagonal(sums[order]) + (np.abs(left) * np.abs(np.triu(factors)).T).sum(axis=1)
            # A lost tangent points anywhere: all after it are lost with it.
            self.n_lost[side, i] += np.logical_or.accumulate(~(stretch > NOISE * noise))
            self.growth[side, i] += np.log(np.maximum(stretch, np.finfo(float).tiny))
            self.frames[side, i, order] = left + np.eye(self.size)


def _inverses(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverses, infinite where there are none, and condition numbers (n_points, 1, 1)."""
    out = np.full_like(matrices, np.inf)
    for i, matrix in enumerate(matrices):
        try:
            out[i] = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            continue
    return out, np.linalg.norm(matrices, axis=(1, 2), keepdims=True) * np.linalg.norm(out, axis=(1, 2), keepdims=True)


@np.errstate(all="ignore")  # NaN is what is not known here
def measured(batch: Batch, n_samples: int, turn: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return finite exponents and errors of a batch of deficient features, each (n_points, n_context * r).

    Parameters
    ----------
    batch : Batch
        With full windows, of a model without a drive. It is taken further.
    n_samples : int
        Of a period each, to average over.
    turn : int, default=1
        Samples that are summed; of a cycle those of a turn.
    """
    model, network = batch._model, read_directions(batch._model, batch.epsilon)
    assert network is not None  # of deficient features
    rank, n_context = network.shape[1], model.n_context
    tangents = Tangents(batch.n_points, n_context, rank)
    n_samples = -(-min(n_samples, MOST) // turn) * turn
    each = [Exponents(batch.n_points, tangents.size, tangents.size, n_context * turn, n_samples // turn) for _ in "12"]
    n_turning = max(TURNING, turn)
    done, sums = -n_turning, np.zeros((2, batch.n_points, tangents.size))
    series: list[np.ndarray] = []
    volume, n_empty = np.zeros((2, batch.n_points))
    while done < n_samples:
        n = min(AT_ONCE, n_samples - done)
        before, phase = batch.window[:, ::-1].copy(), batch.phase
        windows = np.asarray(batch.strobe(n)[0]).reshape(batch.n_points, -1, *batch.shape)
        tokens = np.concatenate([before, windows[:, :, ::-1].reshape(batch.n_points, -1, batch.shape[1])], axis=1)
        for begin in range(0, n * n_context, n_context):
            here = tokens[:, begin : begin + 2 * n_context - 1]
            each_rows, errors = (matrix.swapaxes(0, 1) for matrix in _rows(batch, here, phase + begin))
            errors = np.abs(network.T) @ errors @ np.abs(network)
            for rows, error in zip(network.T @ each_rows @ network, errors, strict=True):
                tangents.step(rows)
                inverse, _ = _inverses(rows[:, -1])
                moved = np.linalg.norm(inverse, axis=(1, 2)) * np.linalg.norm(error[:, -1], axis=(1, 2))
                n_empty += (done >= 0) & ~(moved < MISSED)
                volume += np.where(done >= 0, np.linalg.slogdet(rows[:, -1])[1], 0.0)
            done += 1
            if done == 0:
                tangents.n_lost[:], sums = 0, tangents.growth.copy()
            elif done > 0:
                series.append(tangents.growth - sums)
                sums = tangents.growth.copy()
                if len(series) == turn:
                    for one, growth in zip(each, np.stack(series, axis=2), strict=True):
                        one.add(growth, turn)
                    series = []
    forward, back = (one.estimate(tangents.n_lost[side]) for side, one in enumerate(each))
    from_last, its_error = -back.exponents[:, ::-1], back.stderr[:, ::-1]
    better = np.isnan(forward.exponents) | (its_error < forward.stderr)
    exponents = np.where(better, from_last, forward.exponents)
    stderr = np.maximum(np.where(better, its_error, forward.stderr), SURE * np.abs(exponents))
    apart = np.abs(exponents.sum(axis=1) - volume / (n_context * n_samples))
    whole = apart <= stderr.sum(axis=1)
    alike = np.abs(from_last - forward.exponents) <= its_error + forward.stderr + SURE * np.abs(exponents)
    told = (whole[:, None] | alike) & (n_empty <= LOST * n_context * n_samples)[:, None]
    return np.where(told, exponents, np.nan), np.where(told, stderr, np.nan)


def _rows(batch: Batch, tokens: np.ndarray, phase: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of n_context steps and how far they may be off, of the tokens of all windows, oldest first."""
    model, n_context = batch._model, batch.shape[0]
    points = batch.beta, batch.gamma, batch.epsilon
    # Older tokens have steps of their own, whose rows do not count.
    rows = np.zeros((*tokens.shape[:2], *batch.shape, batch.shape[1]))
    for t in range(n_context):
        window = tokens[:, t : t + n_context][:, ::-1]
        rows[:, n_context - 1 + t] = kernel.linearize(model, *points, window, phase + t, batch.n_threads)[1]
    values = dict(zip(PARAMETERS, points, strict=True))
    errors = row_errors(model, site_classes(model), values, tokens, rows, phase - (n_context - 1))
    return rows[:, n_context - 1 :], (errors + ROUNDED * np.abs(rows))[:, n_context - 1 :]


def measured_again(batch: Batch, found: Estimates, n_samples: int, turn: int = 1) -> Estimates:
    """Return estimates with finite exponents of deficient features in the place of those that are not known.

    The batch is not changed.
    """
    model = batch._model
    if model.drive is not None or read_directions(model, batch.epsilon) is None:
        return found
    n_kept = n_directions(model)
    hidden = np.flatnonzero(np.isnan(found.exponents[:, :n_kept]).any(axis=1) & ~batch.failed())
    if not hidden.size:
        return found
    values, errors = measured(batch.select(hidden), n_samples, turn)
    exponents, stderr = found.exponents.copy(), found.stderr.copy()
    n = min(values.shape[1], exponents.shape[1], n_kept)
    unknown = np.isnan(exponents[hidden, :n])
    exponents[hidden, :n] = np.where(unknown, values[:, :n], exponents[hidden, :n])
    stderr[hidden, :n] = np.where(unknown, errors[:, :n], stderr[hidden, :n])
    return dataclasses.replace(found, exponents=exponents, stderr=stderr)
