"""Vector spins with asymmetric couplings, and the attention layer as their fixed point."""

from .attention import SpinAttention
from .block import Block
from .gradients import Gradients
from .mean_map import LayerLoop, SpinMap
from .meanfield import FixedPoint, MeanField
from .model import VectorSpins
from .networks import spin_network
from .response import Response, bessel_ratio
from .sampling import Sampled, sample_spins, spin_trajectory
from .scan import SpinScan
from .transformer import SpinTransformer

__all__ = [
    "Block",
    "FixedPoint",
    "Gradients",
    "LayerLoop",
    "MeanField",
    "Response",
    "Sampled",
    "SpinAttention",
    "SpinMap",
    "SpinScan",
    "SpinTransformer",
    "VectorSpins",
    "bessel_ratio",
    "sample_spins",
    "spin_network",
    "spin_trajectory",
]
