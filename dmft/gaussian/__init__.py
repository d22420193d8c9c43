"""Averages of tanh and log 2cosh over Gaussian and binary inputs."""

from .averages import (
    log2cosh_gauss,
    tanh_fixed,
    tanh_gauss,
    tanh_gauss_covariance,
    tanh_gauss_pair,
    tanh_product_mean,
    tanh_signed_sum,
)

__all__ = [
    "log2cosh_gauss",
    "tanh_fixed",
    "tanh_gauss",
    "tanh_gauss_covariance",
    "tanh_gauss_pair",
    "tanh_product_mean",
    "tanh_signed_sum",
]
