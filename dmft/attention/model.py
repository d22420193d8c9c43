"""SelfAttention: one network at one parameter point."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import instance, number, shown, whole
from .._util.values import Value
from .drive import Drive, given_parts
from .features import Features

Gamma = TypeVar("Gamma", float, np.ndarray)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SelfAttention(Value):
    r"""One self-attention network with 1-bit tokens, at one parameter point.

    Parameters
    ----------
    features : Features
        Feature vectors of the four roles.
    n_context : int
        Tokens the attention looks at, L; at most ``2**n_positions`` where there are positional bits.
    beta : float
        Inverse temperature of the output, finite, >= 0.
    gamma : float
        Inverse temperature of the attention, finite, >= 0; the softmax exponent is
        :math:`\gamma\, m^q \cdot m^k / \sqrt{M/H}`.
    epsilon : float, default=0.0
        Weight of the positional part of the overlaps, in [0, 1]; 0 where there are no positional bits.
    n_heads : int, default=1
        Number of heads, H, a divisor of the number of features. Each head has its own softmax
        over its own consecutive features.
    drive : Drive, optional
        Tokens that are given to the network while it runs. Default: none, it makes them all.

    Raises
    ------
    ValueError
        If a parameter is outside its domain.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (1)-(4).

    Examples
    --------
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    >>> model.replace(beta=1.4).beta
    1.4
    """

    features: Features
    n_context: int
    beta: float
    gamma: float
    epsilon: float = 0.0
    n_heads: int = 1
    drive: Drive | None = None

    def __post_init__(self) -> None:
        instance("features", self.features, Features, "a dmft.Features")
        object.__setattr__(self, "n_context", whole("n_context", self.n_context, 1))
        object.__setattr__(self, "n_heads", whole("n_heads", self.n_heads, 1))
        for name in ("beta", "gamma", "epsilon"):
            object.__setattr__(self, name, parameter(name, getattr(self, name)))
        n_positions = self.features.n_positions
        if n_positions and self.n_context > 2**n_positions:
            raise ValueError(f"n_context must be <= 2**n_positions = {2**n_positions}, got {self.n_context}")
        if not n_positions and self.epsilon:
            raise ValueError(f"epsilon must be 0 for features without positional bits, got {shown(self.epsilon)}")
        if self.features.n_features % self.n_heads:
            raise ValueError(f"n_heads must divide n_features = {self.features.n_features}, got {self.n_heads}")
        if self.drive is not None:
            instance("drive", self.drive, Drive, "a dmft.Drive")
            given_parts(self.features, self.drive)  # whether the features read its tokens

    @property
    def n_features(self) -> int:
        """Number of features, M."""
        return self.features.n_features

    @property
    def period(self) -> int:
        """Steps after which the map is the same again: n_context, times what a drive needs."""
        return self.n_context if self.drive is None else math.lcm(self.n_context, self.drive.n_tokens)

    @property
    def gain(self) -> float:
        r"""Factor of :math:`m^q \cdot m^k` in the softmax, :math:`\gamma / \sqrt{M/H}`."""
        # Derived, never stored: a stored one would go stale when gamma changes.
        return gain(self.gamma, self.n_features, self.n_heads)

    def replace(self, **changes: Any) -> SelfAttention:
        """Return a copy with some parameters changed.

        Parameters
        ----------
        **changes
            Any of the parameters of the class.

        Returns
        -------
        SelfAttention

        Raises
        ------
        ValueError
            If the new parameters are outside their domain.

        Examples
        --------
        >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0)
        >>> model.replace(gamma=100.0, epsilon=0.1).gamma
        100.0
        """
        return dataclasses.replace(self, **changes)


def gain(gamma: Gamma, n_features: int, n_heads: int) -> Gamma:
    """Return the factor of a head's query-key overlap in the softmax."""
    return gamma / math.sqrt(n_features / n_heads)


def parameter(name: str, value: ArrayLike) -> float:
    """Return a swept parameter as a float in its domain."""
    return number(name, value, 0.0, 1.0 if name in ("epsilon", "strength") else np.inf)


def network_of(model: SelfAttention) -> SelfAttention:
    """Return the argument `model`, which must be a network."""
    return instance("model", model, SelfAttention, "a dmft.SelfAttention")


def undriven(model: SelfAttention) -> SelfAttention:
    """Return the argument `model`, which must be a network without a drive."""
    if network_of(model).drive is not None:
        raise ValueError(f"model must have no drive here, got {shown(model.drive)}")
    return model
