"""Exact large-size dynamics of self-attention networks with 1-bit tokens."""

import importlib

from ._version import VERSION as __version__
from .attractors import Attractor, Attractors, attractor, attractors
from .columns import mean_field
from .features import Features
from .follow import follow
from .hysteresis import hysteresis
from .lyapunov import Spectrum, log_determinant, lyapunov
from .meanfield import Orbit, trajectory
from .model import SelfAttention, Start
from .network import NetworkOrbit, network
from .orbits import Cycle, cycle
from .refine import refine
from .results import SweepResult, load
from .sweep import scan, sweep

__all__ = [
    "Attractor",
    "Attractors",
    "Cycle",
    "Features",
    "NetworkOrbit",
    "Orbit",
    "SelfAttention",
    "Spectrum",
    "Start",
    "SweepResult",
    "__version__",
    "attractor",
    "attractors",
    "cycle",
    "follow",
    "hysteresis",
    "load",
    "log_determinant",
    "lyapunov",
    "mean_field",
    "network",
    "refine",
    "scan",
    "sweep",
    "trajectory",
]

_LATER = ("figures", "gaussian", "indicators", "ising", "series", "streaming", "systems")  # loaded when first asked for


def __getattr__(name):
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__, *_LATER]
