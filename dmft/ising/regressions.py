r"""Logistic regressions of every neuron on all neurons a step before, all of them at once.

They share what they are regressed on, x of (n_sites + 1) numbers a sample: so gradients are products of matrices, and
Fisher informations :math:`\sum_t w_i(t)\, x_a(t)\, x_b(t)` too, of the weights of all neurons with the products of
two inputs. An information costs as much as n_sites gradients: on the way to the maximum that of a part of the samples
will do, after steps with one common to all neurons; the exact one is taken once, where the maximum is, for the last
steps and the standard errors.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .._util.blas import one_blas_thread
from .._util.pool import checkpoint, in_order

PART = 128  # samples a parameter in the part that is looked at first, down to a quarter where there are few
FAIR = 1e-3  # root of the Newton decrement a sample at which the part has told what it can
CLOSE = 1e-6  # the same at which the information changes no more
MAX_APPROACH = 20  # gradients of all samples, with the information of a part
RUNAWAY = 40.0  # a parameter of no finite maximum
OVERSHOT = 0.5  # of the slope at the beginning of a step, downhill at its end
_BLOCK = 2_048  # samples at a time
_AT_ONCE = 2**21  # inputs at a time
_INFORMATION = 2**25  # numbers of the informations that are kept at a time
BYTES = 16.0 * _INFORMATION + 40.0 * _AT_ONCE  # of memory, at most, besides the spins


@dataclasses.dataclass(slots=True, eq=False)
class Samples:
    """What a group of neurons does, and what all did before."""

    before: np.ndarray  # (n_sites, n_samples), -1 and 1
    now: np.ndarray  # (n_group, n_samples)
    penalty: np.ndarray  # (n_sites + 1,)
    n_threads: int

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.before.shape[1]

    def part(self, of: int) -> Samples:
        """Return one of so many samples, spread evenly."""
        return Samples(self.before[:, ::of], self.now[:, ::of], self.penalty / of, self.n_threads)

    def inputs(self, first: int, n: int) -> np.ndarray:
        """Return x of some samples, (n_sites + 1, n)."""
        some = self.before[:, first : first + n]
        x = np.empty((len(some) + 1, some.shape[1]))
        x[:-1], x[-1] = some, 1.0
        return x

    def gradient(self, theta: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Return the slope of the penalised log-likelihood of some neurons, (n_neurons, n_sites + 1)."""
        # As many parts as there are, whatever the threads: the sums have the same bits.
        length = max(_BLOCK, -(-self.n // 64 // _BLOCK) * _BLOCK)

        def slope(first: int) -> np.ndarray:
            total = np.zeros(theta.shape)
            for begin in range(first, min(first + length, self.n), _BLOCK):
                checkpoint()
                x = self.inputs(begin, min(_BLOCK, first + length - begin))
                miss = self.now[neurons, begin : begin + x.shape[1]] - np.tanh(theta @ x)
                total += miss @ x.T
            return total

        total = -self.penalty * theta
        for each in in_order(slope, range(0, self.n, length), self.n_threads):
            total += each
        return total

    def information(self, theta: np.ndarray) -> np.ndarray:
        """Return the Fisher informations, less the curvature of the penalty: upper triangles (n, size, size)."""
        n, size = theta.shape
        out = np.zeros((n, size, size))
        n_at_once = max(1, _AT_ONCE // size // _BLOCK) * _BLOCK
        n_shares = min(size, 16)
        for first in range(0, self.n, n_at_once):
            x = self.inputs(first, n_at_once)
            weight = 1.0 - np.tanh(theta @ x) ** 2

            def rows(share: int, x: np.ndarray = x, weight: np.ndarray = weight) -> None:
                for begin in range(0, x.shape[1], _BLOCK):
                    checkpoint()
                    some, its = np.ascontiguousarray(x[:, begin : begin + _BLOCK]), weight[:, begin : begin + _BLOCK]
                    for a in range(share, size, n_shares):
                        out[:, a, a:] += its @ (some[a] * some[a:]).T

            for _ in in_order(rows, range(n_shares), self.n_threads):
                pass
        return out

    def factors(self, theta: np.ndarray) -> list[np.ndarray | None]:
        """Return Cholesky factors of the informations with the penalty; None where there is none."""
        return [self._factor(each) for each in self.information(theta)]

    def common(self) -> list[np.ndarray | None]:
        """Return the factor of the information that all neurons have at 0, the largest they can have."""
        one = dataclasses.replace(self, now=self.now[:1])
        return one.factors(np.zeros((1, len(self.before) + 1))) * len(self.now)

    def _factor(self, information: np.ndarray) -> np.ndarray | None:
        information[np.diag_indices(len(information))] += self.penalty
        try:
            return cho_factor(information, overwrite_a=True, check_finite=False)[0]
        except np.linalg.LinAlgError:
            return None


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
    n_group = max(1, _INFORMATION // size**2)
    with one_blas_thread():
        for first in range(0, n_sites, n_group):
            group = slice(first, first + n_group)
            samples = Samples(spins[:, :-1], spins[group, 1:], penalty, n_threads)
            try:
                theta[group], error[group], n_steps, rest = _maximum(samples, tol, max_iter)
            except LookupError as lost:
                raise LookupError(first + lost.args[0]) from None
            steps, left = max(steps, n_steps), max(left, rest)
    return theta, error, steps, left


def _maximum(samples: Samples, tol: float, max_iter: int) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Return the same as `fit` for one group."""
    n_neurons, size, n = len(samples.now), len(samples.before) + 1, samples.n
    theta, active = np.zeros((n_neurons, size)), np.arange(n_neurons)
    if n >= PART * size // 2:
        part = samples.part(max(2, n // (PART * size)))
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
        factors = samples_of(samples, active).factors(theta[active])
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


def samples_of(samples: Samples, neurons: np.ndarray) -> Samples:
    """Return the samples of some neurons of a group."""
    return dataclasses.replace(samples, now=samples.now[neurons] if len(neurons) < len(samples.now) else samples.now)


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
