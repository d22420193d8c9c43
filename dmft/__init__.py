"""Exact large-size dynamics of self-attention networks with 1-bit tokens."""

import importlib

from ._version import VERSION as __version__
from .attractors import Attractor, Attractors, attractor, attractors, identify
from .columns import mean_field
from .correlations import distance, mean_distance, token_overlap
from .features import Features
from .finite_size import FiniteSize, Smearing, finite_size, smearing
from .fluctuations import Fluctuations, fluctuations
from .follow import follow
from .hysteresis import hysteresis
from .lyapunov import Spectrum, log_determinant, lyapunov
from .meanfield import Orbit, trajectory
from .model import SelfAttention, Start
from .network import NetworkOrbit, network
from .noisy_lyapunov import NoisySpectrum, noisy_lyapunov
from .orbits import Branch, Cycle, branch, cycle
from .refine import refine
from .results import SweepResult, load
from .sweep import scan, sweep
from .switching import Switching, switching
from .verify import verify

__all__ = [
    "Attractor",
    "Attractors",
    "Branch",
    "Cycle",
    "Features",
    "FiniteSize",
    "Fluctuations",
    "NetworkOrbit",
    "NoisySpectrum",
    "Orbit",
    "SelfAttention",
    "Smearing",
    "Spectrum",
    "Start",
    "SweepResult",
    "Switching",
    "__version__",
    "attractor",
    "attractors",
    "branch",
    "cycle",
    "distance",
    "finite_size",
    "fluctuations",
    "follow",
    "hysteresis",
    "identify",
    "load",
    "log_determinant",
    "lyapunov",
    "mean_distance",
    "mean_field",
    "network",
    "noisy_lyapunov",
    "refine",
    "scan",
    "smearing",
    "sweep",
    "switching",
    "token_overlap",
    "trajectory",
    "verify",
]

_LATER = ("figures", "gaussian", "indicators", "ising", "series", "streaming", "systems")  # loaded when first asked for


def __getattr__(name):
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__, *_LATER]
