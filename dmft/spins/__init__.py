"""Vector spins with asymmetric couplings, and the attention layer as their fixed point."""

from .meanfield import FixedPoint, MeanField
from .model import VectorSpins
from .response import Response, bessel_ratio

__all__ = ["FixedPoint", "MeanField", "Response", "VectorSpins", "bessel_ratio"]
