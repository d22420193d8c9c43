"""Asymmetric kinetic Ising systems: simulation, mean-field theories, inference, entropy production."""

from .entropy import entropy_production, ep_bound
from .exact import Exact
from .meanfield import MeanField
from .model import KineticIsing
from .moments import Moments
from .sampling import sample, trajectory
from .sk import AsymmetricSK

__all__ = [
    "AsymmetricSK",
    "Exact",
    "KineticIsing",
    "MeanField",
    "Moments",
    "entropy_production",
    "ep_bound",
    "sample",
    "trajectory",
]
