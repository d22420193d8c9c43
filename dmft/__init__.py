"""Exact large-size dynamics of self-attention networks with 1-bit tokens."""

from ._version import VERSION as __version__
from .features import Features
from .lyapunov import Spectrum, lyapunov
from .meanfield import Orbit, trajectory
from .model import SelfAttention, Start
from .sweep import SweepResult, load, scan, sweep

__all__ = [
    "Features",
    "Orbit",
    "SelfAttention",
    "Spectrum",
    "Start",
    "SweepResult",
    "__version__",
    "load",
    "lyapunov",
    "scan",
    "sweep",
    "trajectory",
]
