"""Asymmetric kinetic Ising systems: simulation, mean-field theories, inference, entropy production."""

from .accuracy import forward_errors, one_step_errors
from .blanket_sweep import BlanketSweep
from .blankets import blanket_information
from .budgets import entropy_flows, spin_agent, spin_chain, spin_process, thermodynamics
from .entropy import entropy_production, ep_bound
from .exact import Exact
from .inference import infer
from .inferred import InferenceResult
from .likelihood import Fit, goodness_of_fit, log_likelihood, max_likelihood
from .mean_map import MeanMap
from .meanfield import MeanField
from .model import KineticIsing
from .moments import Moments
from .networks import asymmetric_couplings, blanket_network, network
from .phase_diagram import PhaseDiagram
from .response import linear_response
from .sampling import sample, successive_moments, trajectory
from .scan import ForwardScan
from .sk import AsymmetricSK
from .spikes import bin_events, spike_moments, spike_train
from .stationary import StationaryLaw, stationary_law

__all__ = [
    "AsymmetricSK",
    "BlanketSweep",
    "Exact",
    "Fit",
    "ForwardScan",
    "InferenceResult",
    "KineticIsing",
    "MeanField",
    "MeanMap",
    "Moments",
    "PhaseDiagram",
    "StationaryLaw",
    "asymmetric_couplings",
    "bin_events",
    "blanket_information",
    "blanket_network",
    "entropy_flows",
    "entropy_production",
    "ep_bound",
    "forward_errors",
    "goodness_of_fit",
    "infer",
    "linear_response",
    "log_likelihood",
    "max_likelihood",
    "network",
    "one_step_errors",
    "sample",
    "spike_moments",
    "spike_train",
    "spin_agent",
    "spin_chain",
    "spin_process",
    "stationary_law",
    "successive_moments",
    "thermodynamics",
    "trajectory",
]
