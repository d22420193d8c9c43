"""Asymmetric kinetic Ising systems: simulation, mean-field theories, inference, entropy production."""

from .accuracy import forward_errors, one_step_errors
from .entropy import entropy_production, ep_bound
from .exact import Exact
from .inference import InferenceResult, infer
from .likelihood import Fit, goodness_of_fit, log_likelihood, max_likelihood
from .mean_map import MeanMap
from .meanfield import MeanField
from .model import KineticIsing
from .moments import Moments
from .networks import network
from .sampling import sample, successive_moments, trajectory
from .scan import ForwardScan, PhaseDiagram
from .sk import AsymmetricSK
from .spikes import bin_events, spike_moments, spike_train

__all__ = [
    "AsymmetricSK",
    "Exact",
    "Fit",
    "ForwardScan",
    "InferenceResult",
    "KineticIsing",
    "MeanField",
    "MeanMap",
    "Moments",
    "PhaseDiagram",
    "bin_events",
    "entropy_production",
    "ep_bound",
    "forward_errors",
    "goodness_of_fit",
    "infer",
    "log_likelihood",
    "max_likelihood",
    "network",
    "one_step_errors",
    "sample",
    "spike_moments",
    "spike_train",
    "successive_moments",
    "trajectory",
]
