"""Vector spins with asymmetric couplings, and the attention layer as their fixed point."""

from .response import Response, bessel_ratio

__all__ = ["Response", "bessel_ratio"]
