"""Exact large-size dynamics of self-attention networks with 1-bit tokens."""

from importlib.metadata import PackageNotFoundError, version

from .features import Features
from .lyapunov import Spectrum, lyapunov
from .meanfield import Orbit, trajectory
from .model import SelfAttention, Start

try:
    __version__ = version("dmft")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["Features", "Orbit", "SelfAttention", "Spectrum", "Start", "__version__", "lyapunov", "trajectory"]
