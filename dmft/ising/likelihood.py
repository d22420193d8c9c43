"""Infer couplings by exact maximum likelihood of spike trains, and measure how well a model fits them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve

from .._util.checks import number, whole
from .._util.memory import need_memory
from .._util.underflow import underflow_is_zero
from .._util.values import Value
from .inference import Silent, check_invertible, drop_silent
from .inferred import InferenceResult
from .model import KineticIsing, system_of
from .sampling import sample
from .spikes import need_bins, neuron_names, spike_moments, spike_train, untransposed


@underflow_is_zero
def log_likelihood(model: KineticIsing, spikes: ArrayLike) -> float:
    r"""Return the log-likelihood of a spike train per spin and step, in nats.

    Parallel updates: the mean of :math:`s_i(t) h_i(t) - \log 2\cosh h_i(t)`. Lazy ones mix it with
    the chance of no update. With couplings from other data it is a held-out likelihood;
    independent fair spins have -log 2.

    Parameters
    ----------
    model : KineticIsing
        Not asynchronous.
    spikes : array_like, shape (n_sites, n_bins)

    Returns
    -------
    float

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> print(round(log_likelihood(KineticIsing([[0.0]]), [[1, 0, 1]]), 6))
    -0.693147
    """
    system_of(model)
    if model.update == "async":
        raise ValueError("update must be 'parallel' or 'lazy' for a likelihood, got 'async'")
    spins = spike_train(spikes).astype(float)
    if len(spins) != model.n_sites:
        with untransposed(spikes):
            raise ValueError(f"spikes must have {model.n_sites} rows, one a site of the model, got {len(spins)}")
    need_memory(f"the likelihood of {spins.size} spins", 40.0 * spins.size, "take it in parts")
    before, now = spins[:, :-1], spins[:, 1:]
    x = -2 * now * (model.J @ before + model.H[:, None])
    stay = np.log1p(-model.rate) if model.rate < 1 else -np.inf
    updated = np.log(model.rate) - np.logaddexp(0, x)
    return float(np.where(now == before, np.logaddexp(updated, stay), updated).mean())


@underflow_is_zero
def max_likelihood(
    spikes: ArrayLike, *, ridge: float = 0.0, silent: Silent = "raise", tol: float = 1e-10, max_iter: int = 50
) -> InferenceResult:
    r"""Infer couplings and fields of parallel updates by exact maximum likelihood.

    Each spin is a logistic regression on the spins before it: a concave problem, solved by
    Newton's method. Nothing else uses the data better; the price is
    :math:`O(N^3 T)` per iteration.

    Parameters
    ----------
    spikes : array_like, shape (n_sites, n_bins)
        0 and 1, or -1 and 1.
    ridge : float, default=0.0
        Penalty ``ridge / 2 * couplings**2`` (>= 0) against n_bins - 1 times the log-likelihood.
    silent : {"raise", "drop"}, default="raise"
        What to do about neurons that never change.
    tol : float, default=1e-10
        Largest Newton decrement per step.
    max_iter : int, default=50

    Returns
    -------
    InferenceResult
        Standard errors are those of the inverse Fisher information.

    Raises
    ------
    ValueError
        If a neuron never changes and is not to be dropped, or the past spins are linearly dependent and `ridge` is 0;
        if there are no more bins than neurons and `ridge` is 0: the spikes may be transposed.
    FloatingPointError
        If a spin has no finite maximum, because some spins predict it without fail: says which.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> spins = KineticIsing([[0.0, 1.0], [-1.0, 0.0]]).trajectory(20_000, seed=1)
    >>> print(abs(max_likelihood(spins).couplings - [[0, 1], [-1, 0]]).max().round(2))
    0.01
    """
    ridge, tol = number("ridge", ridge, 0), number("tol", tol, 0)
    whole("max_iter", max_iter, 1)
    if ridge == 0:
        need_bins(spikes)
    spins, names = spike_train(spikes), neuron_names(spikes)
    with untransposed(spikes):
        moments, sites = drop_silent(spike_moments(spins), silent)
    if ridge == 0:
        check_invertible(moments.past[1], sites)
    spins = spins[sites].astype(float)
    x = np.vstack([spins[:, :-1], np.ones(spins.shape[1] - 1)])
    penalty = np.r_[np.full(len(sites), ridge), 0.0]
    fits = [_regression(i, x, spins[i, 1:], penalty, tol, max_iter) for i in range(len(sites))]
    theta, error, steps, left = (np.array(part) for part in zip(*fits, strict=True))
    return InferenceResult(
        couplings=theta[:, :-1],
        fields=theta[:, -1],
        sites=sites,
        stderr=error[:, :-1],
        n_steps=int(steps.max()),
        residual=float(left.max()),
        names=None if names is None else tuple(names[i] for i in sites),
    )


def _regression(
    site: int, x: np.ndarray, target: np.ndarray, penalty: np.ndarray, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Return theta, its standard errors, the iterations, and the gradient per sample that is left."""
    theta, n = np.zeros(len(x)), x.shape[1]

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        h = theta @ x
        return target @ h - np.logaddexp(h, -h).sum() - penalty @ theta**2 / 2, np.tanh(h)

    value, t = objective(theta)
    for step in range(1, max_iter + 1):
        gradient = x @ (target - t) - penalty * theta
        fisher = (x * (1 - t**2)) @ x.T + np.diag(penalty)
        try:
            factor = cho_factor(fisher)
        except np.linalg.LinAlgError:
            break
        move = cho_solve(factor, gradient)
        decrement = gradient @ move
        if decrement < tol**2 * n:
            error = np.sqrt(cho_solve(factor, np.eye(len(x))).diagonal())
            return theta, error, step, abs(gradient).max() / n
        # Below the rounding of the sum over samples every step is as good as another.
        size, rounding = 1.0, 1e-13 * n
        while (new := objective(theta + size * move))[0] < value + 1e-4 * size * decrement - rounding:
            size /= 2
        theta, (value, t) = theta + size * move, new
        if abs(theta).max() > 40:
            break
    raise FloatingPointError(
        f"site {site} has no finite maximum of likelihood: the spins before predict it without fail, "
        "or do not vary independently; use more data or ridge > 0"
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit(Value):
    """How well a model fits a spike train.

    Attributes
    ----------
    log_likelihood : float
        Per spin and step, in nats.
    m, C, D : float
        Root mean squares of simulated minus observed moments; C without its diagonal.
    noise : float
        An upper bound of m, C and D for the true model: two standard errors of an estimate.
    """

    log_likelihood: float
    m: float
    C: float
    D: float
    noise: float


@underflow_is_zero
def goodness_of_fit(
    model: KineticIsing,
    spikes: ArrayLike,
    *,
    n_samples: int = 10_000,
    n_transient: int = 100,
    seed: int = 0,
    n_threads: int | None = None,
) -> Fit:
    """Compare a model with a spike train, preferably with one that it was not inferred from.

    Parameters
    ----------
    model : KineticIsing
        Parallel or lazy.
    spikes : array_like, shape (n_sites, n_bins)
    n_samples, n_transient, seed : int
        Trajectories of the simulation, their steps, and its seed.
    n_threads : int or None, default=None

    Returns
    -------
    Fit
    """
    system_of(model)
    n_samples, n_transient = whole("n_samples", n_samples, 1), whole("n_transient", n_transient, 1)
    likelihood = log_likelihood(model, spikes)  # first: it tells transposed spikes
    data = spike_moments(spikes)
    got = sample(model, n_samples, n_transient, seed=seed, n_threads=n_threads)
    off = ~np.eye(model.n_sites, dtype=bool)

    def rms(x: np.ndarray) -> float:
        return float(np.sqrt((x**2).mean())) if x.size else 0.0

    return Fit(
        log_likelihood=likelihood,
        m=rms(got.m - data.m),
        C=rms((got.C - data.C)[off]),
        D=rms(got.D - data.D),
        noise=2 * float(np.sqrt(1 / data.n_samples + 1 / n_samples)),
    )
