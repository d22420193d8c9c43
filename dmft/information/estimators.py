"""The estimators of I(X; Y | B) from samples, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .._util.checks import one_of
from .counts import discrete_cmi_estimate
from .gaussian_estimates import gaussian_cmi_estimate
from .neighbours import neighbour_cmi
from .series import InformationEstimate

Estimator = Literal["gaussian", "neighbours", "discrete"]
ESTIMATORS: dict[Estimator, Callable[..., InformationEstimate]] = {
    "gaussian": gaussian_cmi_estimate,
    "neighbours": neighbour_cmi,
    "discrete": discrete_cmi_estimate,
}


def estimator(method: Estimator) -> Callable[..., InformationEstimate]:
    """Return the estimator of a name, a function of samples, X, Y, B and options of its own.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> estimator("neighbours").__name__
    'neighbour_cmi'
    """
    return ESTIMATORS[one_of("method", method, tuple(ESTIMATORS))]
