"""Infer couplings by exact maximum likelihood of spike trains, and measure how well a model fits them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import number, whole
from .._util.memory import need_memory
from .._util.progress import shows_progress
from .._util.threads import n_threads as effective_threads
from .._util.values import Value
from . import regressions
from .inference import Silent, drop_silent
from .inferred import InferenceResult
from .inversion import check_invertible
from .model import KineticIsing, system_of
from .sampling import sample
from .spikes import need_bins, neuron_names, spike_moments, spike_train, untransposed


@own_arithmetic
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


@shows_progress
@own_arithmetic
def max_likelihood(
    spikes: ArrayLike,
    *,
    ridge: float = 0.0,
    silent: Silent = "raise",
    tol: float = 1e-10,
    max_iter: int = 50,
    n_threads: int | None = None,
    progress: bool = True,
) -> InferenceResult:
    r"""Infer couplings and fields of parallel updates by exact maximum likelihood.

    Each spin is a logistic regression on the spins before it: a concave problem, solved by
    Newton's method, of all spins at once. Nothing else uses the data better; the price is
    :math:`O(N^3 T)` once, for the last step and the errors, and :math:`O(N^2 T)` some ten times before.

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
        Newton steps with all data.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

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
    n_bytes = 1.0 * len(sites) * spins.shape[1] + regressions.n_bytes(len(sites), spins.shape[1])
    need_memory(f"the likelihood of {spins.size} spins", n_bytes, "take fewer neurons or bins")
    spins = np.ascontiguousarray(spins[sites], dtype=np.int8)
    try:
        theta, error, n_steps, left = regressions.fit(spins, ridge, tol, max_iter, effective_threads(n_threads))
    except LookupError as lost:
        raise FloatingPointError(
            f"site {lost.args[0]} has no finite maximum of likelihood: the spins before predict it without fail, "
            "or do not vary independently; use more data or ridge > 0"
        ) from None
    return InferenceResult(
        couplings=theta[:, :-1],
        fields=theta[:, -1],
        sites=sites,
        stderr=error[:, :-1],
        n_steps=n_steps,
        residual=left,
        names=None if names is None else tuple(names[i] for i in sites),
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


@own_arithmetic
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
