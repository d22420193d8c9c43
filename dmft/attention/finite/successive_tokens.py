"""What is asked of successive tokens, whichever way their law is known."""

from __future__ import annotations

import abc

from ..._util.arithmetic import own_arithmetic
from ..._util.values import Frozen
from ...information.parts import Sites, disjoint, part


class SuccessiveTokens(Frozen, abc.ABC):
    """Successive tokens, each of which has some columns, those of the newest first."""

    __slots__ = ()

    n_tokens: int

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Columns of a token."""

    @abc.abstractmethod
    def _cmi(self, one: list[int], other: list[int], known: list[int]) -> float:
        """Return the conditional mutual information of columns, in nats."""

    def sites(self, tokens: Sites) -> list[int]:
        """Return the columns of some tokens.

        Parameters
        ----------
        tokens : int or sequence of int
            0 is the newest, 1 the one before, ...

        Returns
        -------
        list of int

        Raises
        ------
        ValueError
            If there is no such token, or one is named twice.
        """
        return places("tokens", tokens, self.n_tokens, self.width)

    @own_arithmetic
    def cmi(self, one: Sites, other: Sites, known: Sites = ()) -> float:
        """Return I(some tokens; others | tokens that are known), in nats.

        Parameters
        ----------
        one, other : int or sequence of int
            Tokens: 0 is the newest, 1 the one before, ...
        known : int or sequence of int, default=()

        Returns
        -------
        float
            >= 0. Of a `TokenCovariance`: as the number of sites grows.

        Raises
        ------
        ValueError
            If there is no such token, or one is named twice.
        """
        return self._cmi(*three_places(one, other, known, self.n_tokens, self.width))


def places(name: str, tokens: Sites, n_tokens: int, width: int, empty: bool = False) -> list[int]:
    """Return which columns some tokens have, where each of them has `width`, the newest first.

    Examples
    --------
    >>> places("tokens", [0, 2], 3, 2)
    [0, 1, 4, 5]
    """
    return [t * width + i for t in part(name, tokens, n_tokens, empty=empty) for i in range(width)]


def three_places(
    one: Sites, other: Sites, known: Sites, n_tokens: int, width: int
) -> tuple[list[int], list[int], list[int]]:
    """Return the columns of three sets of tokens, no two of which share one.

    Examples
    --------
    >>> three_places(0, 2, (), 3, 1)
    ([0], [2], [])
    """
    named = {"one": one, "other": other, "known": known}
    disjoint(list(named), [part(name, t, n_tokens, empty=name == "known") for name, t in named.items()])
    x, y, b = (places(name, t, n_tokens, width, name == "known") for name, t in named.items())
    return x, y, b
