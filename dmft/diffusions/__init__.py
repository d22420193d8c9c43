"""Diffusions: Ornstein-Uhlenbeck exactly, coupled Lorenz systems compiled, any drift; entropy production, densities."""

from .lorenz import CoupledLorenz
from .ornstein_uhlenbeck import OrnsteinUhlenbeck
from .paths import Diffusion
from .production import Density, Rate, entropy_production, stationary_density

__all__ = [
    "CoupledLorenz",
    "Density",
    "Diffusion",
    "OrnsteinUhlenbeck",
    "Rate",
    "entropy_production",
    "stationary_density",
]
