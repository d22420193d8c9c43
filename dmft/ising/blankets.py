"""How far a set of sites of a kinetic Ising network is from a Markov blanket, by the method that reaches."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, one_of, seed_of, whole
from ..information import Blanket, InformationEstimate
from .meanfield import MeanField
from .methods import METHODS, Method
from .model import KineticIsing
from .response import linear_response
from .sampling import sample
from .stationary import MAX_SITES, stationary_law

N_BATCHES = 20


@own_arithmetic
def blanket_information(
    model: KineticIsing,
    blanket: Blanket,
    method: Literal["auto", "exact", "linear", "samples"] | Method = "auto",
    *,
    n_samples: int = 20_000,
    n_steps: int = 200,
    seed: int = 0,
) -> InformationEstimate:
    """Return I(internal; external | blanket) of the stationary state of a network, in nats.

    Parameters
    ----------
    model : KineticIsing
        With ``update="parallel"`` or ``"async"``: they have different stationary states. Parallel updates break the
        blanket already in equilibrium, for spins updated at once answer to common neighbours.
    blanket : Blanket
        Whose sites separate internal from external ones in the couplings.
    method : str, default="auto"
        - "exact": of the law over all states, to 18 sites, lazy updates too;
        - "linear": as Gaussian, of the covariance of `linear_response`;
        - a method of `MeanField` that has covariances: as Gaussian, of its fixed point;
        - "samples": as Gaussian, of simulations from all ones;
        - "auto": exact to 18 sites, else linear.
    n_samples : int, default=20_000
        Independent runs.
    n_steps : int, default=200
        Updates of every site before a run is looked at.
    seed : int, default=0
        Of the simulations.

    Returns
    -------
    InformationEstimate
        With error 0 unless sampled.

    Raises
    ------
    ValueError
        If sites of the blanket do not separate, their number is not the network's, or there are too many to enumerate.
    FloatingPointError
        If a stationary state was not found.

    References
    ----------
    M. Aguilera, A. Poc-Lopez, C. Heins & C. L. Buckley, arXiv:2207.12914.

    Examples
    --------
    >>> from dmft.ising import blanket_network
    >>> parts = Blanket(range(3), range(3, 6), range(6, 9))
    >>> at_rest = blanket_network(phi=0.0, seed=1, update="async")
    >>> driven = blanket_network(phi=1.0, seed=1, update="async")
    >>> blanket_information(at_rest, parts).value < 1e-13, blanket_information(driven, parts).value > 1e-4
    (True, True)
    """
    instance("model", model, KineticIsing, "a dmft.ising.KineticIsing")
    with_covariances = tuple(name for name in METHODS if name not in ("naive", "tap"))
    one_of("method", method, ("auto", "exact", "linear", "samples", *with_covariances))
    instance("blanket", blanket, Blanket, "a dmft.information.Blanket").check(model.couplings)
    if method == "exact" or (method == "auto" and model.n_sites <= MAX_SITES):
        return InformationEstimate(blanket.cmi(stationary_law(model).law), 0.0, 0.0, 0, 0)
    if method in ("auto", "linear"):
        return InformationEstimate(blanket.gaussian_cmi(linear_response(model).C), 0.0, 0.0, 0, 0)
    if method == "samples":
        return _sampled(model, blanket, whole("n_samples", n_samples, N_BATCHES), whole("n_steps", n_steps, 1), seed)
    theory: Any = method
    C = MeanField(model, theory).fixed_point(damping=0.3).C
    return InformationEstimate(blanket.gaussian_cmi(C), 0.0, 0.0, 0, 0)


def _sampled(model: KineticIsing, blanket: Blanket, n_samples: int, n_steps: int, seed: int) -> InformationEstimate:
    """Return the estimate of batches of independent runs, its bias and error by leaving out one after the other."""
    steps = n_steps * (model.n_sites if model.update == "async" else 1)
    size = n_samples // N_BATCHES
    seeds = np.random.SeedSequence(seed_of(seed)).generate_state(N_BATCHES, np.uint64).tolist()
    batches = [sample(model, size, steps, seed=each) for each in seeds]
    m = np.array([each.m for each in batches])
    second = np.array([each.C + np.outer(each.m, each.m) for each in batches])

    def of_batches(kept: np.ndarray) -> float:
        mean = m[kept].mean(axis=0)
        return blanket.gaussian_cmi(second[kept].mean(axis=0) - np.outer(mean, mean))

    every = np.arange(N_BATCHES)
    of_all = of_batches(every)
    left = np.array([of_batches(np.delete(every, i)) for i in every])
    bias = (N_BATCHES - 1) * float(left.mean() - of_all)
    error = float(np.sqrt((N_BATCHES - 1) * left.var()))
    return InformationEstimate(of_all - bias, error, bias, size * N_BATCHES, size)
