r"""Logistic regressions of every neuron on all neurons a step before, all of them at once.

They share what they are regressed on, x of (n_sites + 1) signs a sample: so gradients, and Fisher informations
:math:`\sum_t w_i(t)\, x_a(t)\, x_b(t)`, are sums of numbers of the neurons with signs that all of them share. The
kernel looks up the sums of six such terms at a time. An information costs as much as some n_sites / 8 gradients: on the
way to the maximum that of a part of the samples will do, after steps with one common to all neurons; the exact one is
taken once, where the maximum is, for the last steps and the standard errors.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .._util.blas import one_blas_thread
from .._util.progress import each
from ._regressions import LANES, SET, informations, means, pack, square

PART = 128  # samples a parameter in the part that is looked at first, down to a quarter where there are few
FAIR = 1e-3  # root of the Newton decrement a sample at which the part has told what it can
CLOSE = 1e-6  # the same at which the information changes no more
MAX_APPROACH = 20  # gradients of all samples, with the information of a part
RUNAWAY = 40.0  # a parameter of no finite maximum
OVERSHOT = 0.5  # of the slope at the beginning of a step, downhill at its end
_PARTS = 64  # that gradients are shared out in, whatever the threads: the sums have the same bits
_AT_ONCE = 2**21  # weights at a time
_INFORMATION = 2**25  # numbers of the informations that are kept at a time


def n_bytes(n_sites: int, n_bins: int) -> float:
    """Return how much memory `fit` takes, at most, besides the spins."""
    size, group = n_sites + 1.0, _group(n_sites + 1)
    trains = 16.0 * size * n_bins / SET  # signs by input and by sample
    sums = 8.0 * (_PARTS + LANES) * LANES * size + 16.0 * group * size
    return 1.25 * trains + sums + 12.0 * size**2 * group + 16.0 * _AT_ONCE + 40.0 * size**2


def _group(size: int) -> int:
    """Return how many neurons to take at a time."""
    return max(1, _INFORMATION // size**2 // LANES) * LANES


@dataclasses.dataclass(slots=True, eq=False)
class Samples:
    """What a group of neurons does, and what all did before."""

    inputs: np.ndarray  # signs of what all did, packed by sample
    samples: np.ndarray  # and by input
    drive: np.ndarray  # (n_group, size), sums over samples of what a neuron did times x
    penalty: np.ndarray  # (size,)
    n: int  # samples
    n_threads: int

    @property
    def size(self) -> int:
        """Number of parameters of a neuron."""
        return self.samples.shape[1]

    @classmethod
    def of(cls, before: np.ndarray, now: np.ndarray, penalty: np.ndarray, n_threads: int) -> Samples:
        """Pack the signs of spins, (n_sites, n_samples) and (n_group, n_samples)."""
        n_sites, n = before.shape
        n_sets, n_words = -(-n // SET), -(-(n_sites + 1) // SET)
        inputs, samples = np.zeros((n_words, n_sets * SET), np.uint64), np.zeros((n_sets, n_sites + 1), np.uint64)
        pack(before, inputs[: -(-n_sites // SET), :n])
        pack(before.T, samples[:, :n_sites])
        return cls(inputs, samples, _products(now, before), penalty, n, n_threads)

    def neurons(self, some: np.ndarray) -> Samples:
        """Return the samples of some neurons of a group."""
        return dataclasses.replace(self, drive=self.drive[some])

    def gradient(self, theta: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Return the slope of the penalised log-likelihood of some neurons, (n_neurons, size)."""
        blocks = self._blocks(theta)
        out = np.zeros((len(blocks), max(1, _PARTS // len(blocks)), self.size, LANES))
        means(self.inputs, self.samples, self.n, blocks, out, self.n_threads)
        mean = out.sum(axis=1).transpose(0, 2, 1).reshape(-1, self.size)[: len(theta)]
        slope: np.ndarray = self.drive[neurons] - mean - self.penalty * theta
        return slope

    def _blocks(self, theta: np.ndarray) -> np.ndarray:
        """Return parameters a lane a neuron, with zeros beyond the last neuron and the last input."""
        n, length = len(theta), len(self.inputs) * SET
        rows = np.zeros((-(-n // LANES) * LANES, length))
        rows[:n, : self.size] = theta
        return np.ascontiguousarray(rows.reshape(-1, LANES, length).transpose(0, 2, 1))

    def factors(self, theta: np.ndarray) -> list[np.ndarray | None]:
        """Return Cholesky factors of the Fisher informations with the penalty; None where there is none."""
        blocks = self._blocks(theta)
        at_once = min(max(1, _AT_ONCE // (len(blocks) * LANES * SET)), len(self.samples))
        weight = np.empty((len(blocks), at_once * SET, LANES))
        packed = np.zeros((len(blocks), self.size * (self.size + 1) // 2, LANES))
        informations(self.inputs, self.samples, self.n, blocks, weight, packed, self.n_threads)
        return [self._factor(packed, i) for i in range(len(theta))]

    def common(self) -> list[np.ndarray | None]:
        """Return the factor of the information that all neurons have at 0, the largest they can have."""
        return self.factors(np.zeros((1, self.size))) * len(self.drive)

    def _factor(self, packed: np.ndarray, neuron: int) -> np.ndarray | None:
        information = np.zeros((self.size, self.size), order="F")
        square(packed, neuron, information)
        information[np.diag_indices(self.size)] += self.penalty
        try:
            return cho_factor(information, overwrite_a=True, check_finite=False)[0]
        except np.linalg.LinAlgError:
            return None


def _products(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return sums over samples of spins times spins before and 1: whole numbers, without rounding."""
    total = np.zeros((len(now), len(before) + 1))
    length = max(1, min(2**24, _AT_ONCE // (len(now) + len(before))))  # singles hold whole numbers up to 2^24
    for first in range(0, now.shape[1], length):
        some, its = now[:, first : first + length], before[:, first : first + length].astype(np.float32)
        total[:, :-1] += some.astype(np.float32) @ its.T
        total[:, -1] += some.sum(axis=1, dtype=np.int64)
    return total


def fit(
    spins: np.ndarray, ridge: float, tol: float, max_iter: int, n_threads: int
) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Return parameters and standard errors (n_sites, n_sites + 1), most iterations, and the largest gradient left.

    Parameters
    ----------
    spins : ndarray of int8, shape (n_sites, n_bins)
        -1 and 1.
    ridge, tol, max_iter
        As for `max_likelihood`.
    n_threads : int

    Raises
    ------
    LookupError
        Of the first neuron that has no finite maximum.
    """
    n_sites, size = len(spins), len(spins) + 1
    theta, error = np.zeros((2, n_sites, size))
    steps, left = 0, 0.0
    penalty = np.append(np.full(n_sites, ridge), 0.0)
    n_group, n = _group(size), spins.shape[1] - 1
    with one_blas_thread():
        # A part of the samples, spread evenly, goes first where there are enough.
        of = max(2, n // (PART * size)) if n >= PART * size // 2 else 0
        before, now = spins[:, :-1], spins[:, 1:]
        every = Samples.of(before, now, penalty, n_threads)
        part = Samples.of(before[:, ::of], now[:, ::of], penalty / of, n_threads) if of else None
        for first in each(range(0, n_sites, n_group), "neurons", n_group):
            group = np.arange(first, min(first + n_group, n_sites))
            try:
                theta[group], error[group], n_steps, rest = _maximum(
                    every.neurons(group), part and part.neurons(group), tol, max_iter
                )
            except LookupError as lost:
                raise LookupError(first + lost.args[0]) from None
            steps, left = max(steps, n_steps), max(left, rest)
    return theta, error, steps, left


def _maximum(
    samples: Samples, part: Samples | None, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Return the same as `fit` for one group."""
    n_neurons, size, n = len(samples.drive), samples.size, samples.n
    theta, active = np.zeros((n_neurons, size)), np.arange(n_neurons)
    if part:
        theta, _, _ = _approached(part, theta, part.common(), FAIR, MAX_APPROACH)
        theta[~(np.abs(theta).max(axis=1) < RUNAWAY / 4.0)] = 0.0  # a part may have no maximum where all samples do
        factors = [None if each is None else each * np.sqrt(n / part.n) for each in part.factors(theta)]
        theta, gradient, n_steps = _approached(samples, theta, factors, CLOSE, MAX_APPROACH)
    else:
        factors, gradient, n_steps = [], samples.gradient(theta, active), 0
    # Where the exact information is cheap it is taken at the maximum itself.
    enough = 10.0 * CLOSE if factors else 0.0
    error = np.full(theta.shape, np.nan)
    for done in range(1, max_iter + 1):  # `active`: those that the exact information has not brought to rest
        factors = samples.factors(theta[active])
        failed = [i for i, factor in zip(active.tolist(), factors, strict=True) if factor is None]
        if failed:
            raise LookupError(failed[0])
        move, decrement = _moves(factors, gradient[active])
        near = decrement < tol**2 * n
        close = ~near & (decrement < enough**2 * n)
        going = np.flatnonzero(~near)
        some = active[going]
        theta[some], gradient[some], _ = _step(samples, some, theta[some], move[going], decrement[going])
        runaway = np.flatnonzero(~(np.abs(theta).max(axis=1) <= RUNAWAY))
        if runaway.size:
            raise LookupError(int(runaway[0]))
        # So near, the information is that of the maximum: a last step with it, and its errors.
        move, decrement = _moves(factors, gradient[active])
        last = close & (decrement < tol**2 * n)
        theta[active[last]] += move[last]
        for i in np.flatnonzero(near | last).tolist():
            inverse = cho_solve((factors[i], False), np.eye(size), check_finite=False)
            error[active[i]] = np.sqrt(inverse.diagonal())
            # On the way to infinity the slope rounds to 0 before the parameters are large, but all is flat there.
            if not samples.penalty.any() and not error[active[i]].max() < RUNAWAY:
                raise LookupError(int(active[i]))
        active = active[~(near | last)]
        if not active.size:
            return theta, error, n_steps + done, float(np.abs(gradient).max() / n)
    raise LookupError(int(active[0]))


def _approached(
    samples: Samples, theta: np.ndarray, factors: list[np.ndarray | None], enough: float, most: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Take steps with given informations until they are as small as that; return theta, the gradient, how many."""
    theta, scale = theta.copy(), np.ones(len(theta))
    gradient = samples.gradient(theta, np.arange(len(theta)))
    for n_steps in range(most):
        move, decrement = _moves(factors, gradient)
        move, decrement = scale[:, None] * move, scale * decrement
        going = np.flatnonzero(np.isfinite(decrement) & (decrement > enough**2 * samples.n))
        if not going.size:
            return theta, gradient, n_steps
        theta[going], gradient[going], top = _step(samples, going, theta[going], move[going], decrement[going])
        scale[going] *= np.clip(top, 0.5, 4.0)  # the next step is as long as this one should have been
    return theta, gradient, most


def _moves(factors: list[np.ndarray | None], gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Newton's steps and their decrements; NaN for those without a factor."""
    move = np.full(gradient.shape, np.nan)
    for i, factor in enumerate(factors):
        if factor is not None:
            move[i] = cho_solve((factor, False), gradient[i], check_finite=False)
    return move, np.einsum("na,na->n", gradient, move)


def _step(
    samples: Samples, neurons: np.ndarray, theta: np.ndarray, move: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take a step each, shorter where it goes far beyond the top.

    Return where it leads, the gradient there, and how many of the steps given would lead to the top.
    """
    size, new, top = np.ones(len(theta)), theta + move, np.ones(len(theta))
    gradient = np.empty(theta.shape)
    again = np.arange(len(theta))
    for _ in range(30):
        if not again.size:
            break
        gradient[again] = samples.gradient(new[again], neurons[again])
        # The log-likelihood is concave: its slope along the step falls, and is below 0 beyond the top.
        end = np.einsum("na,na->n", gradient[again], move[again])
        top[again] = size[again] * slope[again] / np.maximum(slope[again] - end, 1e-3 * slope[again])
        far = again[end < -OVERSHOT * slope[again]]
        size[far] = np.clip(top[far], 0.1 * size[far], 0.9 * size[far])
        new[far] = theta[far] + size[far, None] * move[far]
        again = far
    return new, gradient, top
