r"""Exponents that doubles lose, from tangents along the orbit in as many digits as they take.

The windows are those of the orbit in doubles; derivatives and tangents are decimals. A frame is kept triangular in an
order of pivots, whose products grow as volumes do. What rounding may do to a tangent of a step is known, and how much
of it the steps after may let grow, where a direction that shrinks faster at last is stretched more for a while: so it
is known whether there were digits enough.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np

from ..dynamics.cycles.many_digits import OVERHEAD, context, log_of, rounded, triangular
from ..dynamics.exponents import Estimates, Exponents
from .batch import Batch
from .directions import n_directions
from .many_digits import Step, Token, exact, saturation
from .model import SelfAttention
from .window_map import AttentionMap

FEWEST, MOST = 40, 1_600  # digits
FEW = 9  # of errors
GUARD = 20  # digits that every tangent keeps, to begin with
SMALL = 1e-6  # errors of tangents may grow to
TURNING = 64  # steps in which tangents turn into place, at least
STEPS = 512  # of an average, at most
COST = 8e9  # of all multiplications of one point, in units of one of single digits: a second or two
LEAST, FEW_TURNS = 8, 3  # samples, turns of a cycle that tell an average and its error
SURE = 1e-9  # relative: no average is better


class Tangents:
    """Tangents of one window in decimals.

    Parameters
    ----------
    model : SelfAttention
    batch : Batch
        Of one point with a full window.
    n : int
        How many; one more goes with them, if there is one, to tell where errors grow that are no part of them.
    guard : int
        Digits that they keep.

    Attributes
    ----------
    digits : int
    spent : float
        On all steps, in units of a multiplication of single digits.
    error : ndarray, shape (n,)
        How large errors of each may be that steps have let grow; inf where more digits would be too many.
    """

    def __init__(self, model: SelfAttention, batch: Batch, n: int, guard: int) -> None:
        self.model, self.n, self.guard = model, n, guard
        self.digits, self.spent, self.error = FEWEST, 0.0, np.zeros(n)
        n_tangents = min(n + 1, batch.size)
        frame = np.random.default_rng(0).normal(size=(batch.size, n_tangents))
        with context(self.digits):
            self.frame = triangular(np.asarray(exact(frame)))[0]
        self.window, self.phase = batch.window[0].copy(), batch.phase
        self.tokens: list[Token] = []
        self.saturation = 0
        self.signs = np.random.default_rng(1)
        self.errors = exact(np.zeros((n_tangents, n)))  # [j, k]: of tangent k along j > k
        products = batch.size * n_tangents * (batch.shape[1] + n_tangents)
        self.n_products = AttentionMap(self.model).exact_cost + products

    def step(self, following: np.ndarray) -> np.ndarray:
        """Go to the window after the next step, whose attention is given; return the logs of the stretches."""
        alike = saturation(self.model, self.window)
        if alike > self.saturation:
            self.saturation, self.tokens = alike, []
        while True:
            with context(self.digits):
                frame, upper, fresh = self._moved()
            needed = _digits(fresh, self.digits) + self.guard
            if needed <= self.digits or self.digits == MOST:
                break
            self.digits, self.tokens = min(needed, MOST), []
        self.frame, self.tokens = frame, self.tokens[:-1]
        with context(FEW):
            self._let_errors_grow(upper, fresh)
        if 3 * needed < self.digits:  # the steps that come may need fewer
            self.digits, self.tokens = max(FEWEST, needed), []
        self.window = np.concatenate([following[None], self.window[:-1]])
        self.phase = (self.phase + 1) % self.model.period
        return np.array([log_of(abs(one)) for one in np.diagonal(upper)[: self.n]])

    def _moved(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the frame F' after the step, its factor R, and F'^-1 (J F - F' R) R^-1 in units of the last digit."""
        n_context, n_features = self.window.shape
        self.spent += self.n_products * (self.digits + self.saturation // 2 + OVERHEAD) ** 1.6
        with context(self.digits + self.saturation):
            missing = range(n_context - len(self.tokens))
            made = [Token(self.model, self.window[d], (self.phase - d) % self.model.period) for d in missing]
            self.tokens = made + self.tokens
            rows = Step(self.model, self.tokens).rows()
        top = rounded(rows.swapaxes(0, 1).reshape(n_features, -1))
        frame, _, upper = triangular(np.concatenate([top @ self.frame, self.frame[:-n_features]]))
        upper = exact(upper)  # it has whole numbers among its entries
        with context(FEW):
            # Entries of the frame are at most 1: so large are the terms of the sums.
            size = np.maximum(np.abs(upper).max(axis=0), np.abs(top).max())
            made = size * exact(self.signs.choice([-1.0, 1.0], size=upper.shape))
            return frame, upper, _divided(made[:, : self.n], upper)

    def _let_errors_grow(self, upper: np.ndarray, fresh: np.ndarray) -> None:
        """Errors E of tangents, F (1 + E), become R E R^-1 with those that the step has made: a draw of their signs.

        What is below its diagonal turns tangents; the diagonal, and products across it, are errors of their stretches.
        """
        errors = _divided(upper @ self.errors, upper) + fresh * Decimal(1).scaleb(-self.digits)
        size, self.errors = np.abs(errors), np.tril(errors, -1)
        below = np.tril(size, -1)
        n = next((k for k in range(self.n) if size[0, k] != size[0, k]), self.n)  # from there on nothing is known
        worst = np.tril(size[:, :n] + below[:, :n] @ np.triu(size[:n, :n], 1)).astype(float).max(axis=0, initial=0.0)
        self.error = np.maximum(self.error, np.append(worst, np.full(self.n - n, np.inf)))


def _divided(matrix: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return the first columns of matrix times the inverse of an upper triangular one; NaN from a zero on."""
    out = np.full(matrix.shape, Decimal("NaN"))
    for k in range(matrix.shape[1]):
        if not upper[k, k]:
            break
        out[:, k] = (matrix[:, k] - out[:, :k] @ upper[:k, k]) / upper[k, k]
    return out


def _digits(errors: np.ndarray, unknown: int) -> int:
    """Return how many digits the largest of some numbers has before the point, on and below a diagonal."""
    sizes = [x for k in range(errors.shape[1]) for x in errors[k:, k]]
    return max((x.adjusted() + 1 if x == x else unknown for x in sizes if x), default=0)


def measured(batch: Batch, n: int, n_samples: int, turn: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the exponents of one orbit that its map keeps and their errors, each (n,); None if that takes too long.

    Parameters
    ----------
    batch : Batch
        Of one point with a full window. It is not changed.
    n : int
        How many of them, at most.
    n_samples : int
        Of a period each, to average over.
    turn : int
        Samples that are summed; of a cycle those of a turn.
    """
    length = turn * batch.period
    n_turning = length * -(-TURNING // length)
    least = LEAST if turn == 1 else FEW_TURNS  # which are alike
    n_samples = max(least, min(n_samples // turn, STEPS // length))
    run = batch.select([0])
    attention = run.new_record(("attention",), n_turning + n_samples * length)
    run.advance(n_turning + n_samples * length, record=attention)
    values = {name: float(getattr(batch, name)[0]) for name in ("beta", "gamma", "epsilon")}
    model = batch._model.replace(**values)
    n, guard, spent, failed = min(n, n_directions(model)), GUARD, 0.0, (-1, 0)
    while spent < COST and n:
        tangents, growth = Tangents(model, batch, n, guard), []
        for row in attention.arrays()["attention"][0]:
            growth.append(tangents.step(row))
            if (tangents.error > SMALL).any() or spent + tangents.spent > COST:
                break
        spent += tangents.spent
        if not (tangents.error > SMALL).any():
            n_done = (len(growth) - n_turning) // length
            n_done -= n_done % max(1, 2 ** (n_done.bit_length() - 5))  # whole batches
            if n_done < least:
                return None
            found = Exponents(1, n, n, length, n_done)
            found.add(np.reshape(growth[n_turning : n_turning + n_done * length], (1, n_done, length, n)).sum(axis=2))
            last = found.estimate()
            return last.exponents[0], last.stderr[0]
        place = len(growth), int(np.argmax(tangents.error > SMALL))
        if place == failed or np.isinf(tangents.error).any():  # digits do not help: it is annihilated
            n = place[1]
        worst = tangents.error[np.isfinite(tangents.error)].max(initial=SMALL)
        failed, guard = place, guard + GUARD + int(np.log10(worst / SMALL))
    return None


@np.errstate(all="ignore")  # NaN is what is not known here
def measured_again(batch: Batch, found: Estimates, n_samples: int, turn: int = 1) -> Estimates:
    """Return estimates with finite exponents from decimals in the place of those that are not known.

    By as many errors as these miss what is known, those of what was not known may be off, too. The batch
    is not changed.
    """
    exponents, stderr = found.exponents.copy(), found.stderr.copy()
    for i in np.flatnonzero(np.isnan(exponents).any(axis=1) & ~batch.failed()).tolist():
        one = batch.select([i])
        if AttentionMap(batch._model).exact_cost and one.n_filled == one.shape[0] and one._preset is None:
            told = measured(one, exponents.shape[1], n_samples, turn)
            if told is not None:
                _fill(exponents[i], stderr[i], *told)
    return dataclasses.replace(found, exponents=exponents, stderr=stderr)


def _fill(exponents: np.ndarray, stderr: np.ndarray, values: np.ndarray, errors: np.ndarray) -> None:
    """Put values in the place of what is not known, descending."""
    n = min(len(values), len(exponents))
    values, errors, here, its_error = values[:n], errors[:n], exponents[:n], stderr[:n]
    missed = np.abs(values - here) / (2.0 * np.hypot(errors, its_error) + SURE * np.abs(here))
    errors = errors * max(1.0, np.nanmax(missed, initial=1.0)) + SURE * np.abs(values)
    unknown = np.isnan(here)
    most = np.fmin.accumulate(np.where(unknown, np.inf, here))
    least = np.fmax.accumulate(np.where(unknown, -np.inf, here)[::-1])[::-1]
    between = np.clip(values, least, most)
    errors = errors + np.abs(between - values)
    exponents[:n], stderr[:n] = np.where(unknown, between, here), np.where(unknown, errors, its_error)
