"""Information in discrete laws, Gaussian covariances and samples, in nats; no system is known here."""

from .blankets import Blanket, screen, separators
from .counts import discrete_cmi_estimate
from .gaussian import (
    gaussian_cmi,
    gaussian_entropy,
    gaussian_kl,
    gaussian_multi_information,
    gaussian_mutual_information,
)
from .gaussian_estimates import gaussian_cmi_estimate
from .lagged import delayed, lagged_information, transfer_entropy
from .laws import cmi, entropies, entropy, kl, multi_information, mutual_information, product_kl
from .neighbours import neighbour_cmi
from .series import InformationEstimate
from .sparse_laws import SparseLaw

__all__ = [
    "Blanket",
    "InformationEstimate",
    "SparseLaw",
    "cmi",
    "delayed",
    "discrete_cmi_estimate",
    "entropies",
    "entropy",
    "gaussian_cmi",
    "gaussian_cmi_estimate",
    "gaussian_entropy",
    "gaussian_kl",
    "gaussian_multi_information",
    "gaussian_mutual_information",
    "kl",
    "lagged_information",
    "multi_information",
    "mutual_information",
    "neighbour_cmi",
    "product_kl",
    "screen",
    "separators",
    "transfer_entropy",
]
