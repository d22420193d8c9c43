"""Drive: tokens that are given to a network while it runs, over and over again."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._util.checks import ROLES, Role, number, one_of, table
from .._util.memory import need_memory
from .._util.values import Value
from .features import Features
from .given_tokens import FREE, Token, site_overlaps, tokens_of

ROLE_ORDER: tuple[Role, ...] = ("query", "key", "value", "output")  # in the order of the kernels


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Drive(Value):
    r"""Tokens that are given to a network while it runs, over and over again.

    In the step of a given token :math:`x` each site is given with the chance c, the `strength`, and made by the network
    otherwise. Of many sites, the overlaps are those of both parts:

    .. math:: m^\alpha_t = (1-\epsilon) \Big[ (1-c) \sum_j G^\alpha_j \tanh(\beta s_j \cdot A_{t-1})
              + \frac{c}{N} \sum_i W^\alpha_i x_i \Big] + \epsilon\, b^\alpha(t \bmod L).

    With c = 1 the token is clamped. Between given tokens the network may make its own. The map then has the least
    common multiple of `n_context` and the number of tokens as its period, and is as exact as without a drive.

    Parameters
    ----------
    tokens : sequence, length n_tokens
        The token of each step, from that of position 0 on: ``"output 0"``, the vector of a feature in one of the four
        roles, or ``"-output 0"``, its negative; an array_like of +1 and -1, shape (n_sites,); a dict with the overlaps
        of its sites by role, (n_features,) each, in [-1, 1]; or ``"free"``, left to the network.
    strength : float, default=1.0
        Chance of each site to be given, in [0, 1].

    Raises
    ------
    ValueError
        If a token is none, there are none, or the strength is outside [0, 1].

    See Also
    --------
    Start.prompt : tokens that are given once, before the run.

    Examples
    --------
    >>> from dmft import SelfAttention, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> driven = model.replace(drive=Drive(["output 0", "free", "free"]))
    >>> driven.period, float(trajectory(driven, 4).overlaps["semantic"][0, 0].round(9))
    (12, 0.98)
    """

    tokens: tuple[Token, ...]
    strength: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tokens_of("tokens", self.tokens, free=True))
        object.__setattr__(self, "strength", number("strength", self.strength, 0.0, 1.0))

    @property
    def n_tokens(self) -> int:
        """Steps after which the tokens are the same again."""
        return len(self.tokens)

    @property
    def left(self) -> np.ndarray:
        """Share of the sites that the network makes in each step, (n_tokens,)."""
        return 1.0 - self.strength * is_given(self)

    def specification(self) -> dict[str, Any]:
        """Return the drive as one dict, for a manifest; `from_specification` reads it.

        Examples
        --------
        >>> Drive.from_specification(Drive(["output 0"]).specification()).tokens
        ('output 0',)
        """
        return {"tokens": [dict(t) if isinstance(t, Mapping) else t for t in self.tokens], "strength": self.strength}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Drive:
        """Return the drive that a `specification` describes; arrays may be lists.

        Raises
        ------
        ValueError
            As for the class.
        """
        arguments = table("spec", spec)
        for name in arguments:
            one_of("key of spec", name, ("tokens", "strength"))
        return cls(arguments.get("tokens", ()), arguments.get("strength", 1.0))


def _free(token: Token) -> bool:
    return isinstance(token, str) and token == FREE


def is_given(drive: Drive) -> np.ndarray:
    """Return 1 for each token that is given, 0 for a free one, (n_tokens,)."""
    return np.array([0.0 if _free(token) else 1.0 for token in drive.tokens])


def given_parts(features: Features, drive: Drive) -> np.ndarray:
    """Return what the given sites add to the overlaps, by 1 - epsilon, (n_tokens, 4, n_features) in `ROLE_ORDER`."""
    return drive.strength * given_overlaps(features, drive)


@functools.lru_cache(maxsize=32)  # branches ask for the same one in every step
def given_overlaps(features: Features, drive: Drive) -> np.ndarray:
    """Return the overlaps of the given tokens, (n_tokens, 4, n_features) in `ROLE_ORDER`; 0 of free ones."""
    shape = (drive.n_tokens, len(ROLES), features.n_features)
    need_memory(f"a drive of {drive.n_tokens} tokens", 16.0 * np.prod(shape), "take fewer")
    out = np.zeros(shape)
    for i, token in enumerate(drive.tokens):
        if not _free(token):
            overlaps = site_overlaps(features, token, f"tokens[{i}]")
            out[i] = [overlaps[role] for role in ROLE_ORDER]
    out.flags.writeable = False
    return out


def presets(preset: np.ndarray) -> np.ndarray:
    """Return key and value overlaps of tokens of their own as those of several, (2, n, M)."""
    return preset if preset.ndim == 3 else preset[:, None]


def stacked_presets(each: Sequence[np.ndarray | None]) -> np.ndarray:
    """Return key and value overlaps of tokens of their own of several states, (n_states, 2, n, M).

    Raises
    ------
    ValueError
        If they are not equally many everywhere.
    """
    own = [np.zeros((2, 0, 1)) if preset is None else presets(preset) for preset in each]
    if len({one.shape for one in own}) > 1:
        raise ValueError(f"presets must have one shape, got {', '.join(str(one.shape) for one in own)}")
    return np.ascontiguousarray(own)
