"""Steps of a network of site classes and their derivatives, in as many digits as the decimal context has.

Numbers are Decimals in arrays of objects. Nothing saturates there: weights and slopes of any size keep all digits.
"""

from __future__ import annotations

import decimal
import functools
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from .._util.checks import Role
from . import reference
from .model import SelfAttention
from .window_map import site_classes

ROLES: tuple[Role, ...] = ("query", "key", "value")
MOST_ALIKE = 240  # digits in which tokens may be alike
exact = np.frompyfunc(Decimal, 1, 1)


def exponential(x: Decimal) -> Decimal:
    """Return e^x; that of the library takes a hundred times as long with a thousand digits.

    Examples
    --------
    >>> with decimal.localcontext(decimal.Context(prec=50)):
    ...     abs(exponential(Decimal(-3)) / Decimal(-3).exp() - 1) < Decimal("1e-48")
    True
    """
    bits = 3.33 * decimal.getcontext().prec
    n_halvings = int(1.3 * bits ** (1 / 3)) + max(0, int(3.33 * (x.adjusted() + 1)))
    more = decimal.getcontext().copy()
    more.prec += 10 + n_halvings // 3
    n_terms = int(bits / (1.3 * bits ** (1 / 3))) + 20
    n_powers = int(n_terms**0.5) + 1
    with decimal.localcontext(more):
        x /= 2**n_halvings
        powers = [Decimal(1)]
        for _ in range(n_powers):
            powers.append(powers[-1] * x)
        # The series by powers of x^n_powers: few products of long numbers, the rest are divisions by short ones.
        total = Decimal(1)
        for first in range(n_terms // n_powers * n_powers, -1, -n_powers):
            total *= powers[-1]
            for j in range(n_powers, 0, -1):
                total = total / (first + j) + powers[j - 1]
        for _ in range(n_halvings):
            total *= total
    return +total


def saturation(model: SelfAttention, attention: np.ndarray) -> int:
    """Return to how many digits tokens made from attentions (..., n_features) may be alike: differences need them."""
    field = np.abs(attention @ site_classes(model)[0].T).max(initial=0.0)
    return 5 + int(min(2.0 * model.beta * field / np.log(10.0), MOST_ALIKE))


@functools.lru_cache(maxsize=2)  # all tokens of a cycle meet the same ones; doubles are exact in any context
def _exact_classes(model: SelfAttention) -> tuple[np.ndarray, dict[Role, np.ndarray]]:
    signs, couplings = site_classes(model)
    return exact(signs), {role: exact(couplings[role]) for role in ROLES}


class Token:
    """A token: its overlaps and their derivatives by the attention that it was made from.

    Parameters
    ----------
    model : SelfAttention
        Of site classes, or of few independent features.
    attention : ndarray, shape (n_features,)
    position : int
        The phase of its step, in the period of the model.
    """

    def __init__(self, model: SelfAttention, attention: np.ndarray, position: int) -> None:
        self._signs, self._couplings = _exact_classes(model)
        beta, epsilon = Decimal(model.beta), Decimal(model.epsilon)
        field = beta * (self._signs @ exact(attention))
        decay = np.frompyfunc(exponential, 1, 1)(-2 * np.abs(field))
        left = exact(reference.driven_part(model, "key", position)[0])
        self._slope = left * (1 - epsilon) * beta * 4 * decay / (1 + decay) ** 2
        activity = np.where(field < 0, -1, 1) * (1 - decay) / (1 + decay)
        self.overlap = {
            role: (1 - epsilon)
            * (left * (activity @ coupling) + exact(reference.driven_part(model, role, position)[1]))
            + epsilon * exact(model.features.position_field(role, model.n_context)[position % model.n_context])
            for role, coupling in self._couplings.items()
        }

    def through(self, left: np.ndarray) -> np.ndarray:
        """Return the derivative of sums over classes of left[class] times the activity, (n, n_features)."""
        return (left.T * self._slope) @ self._signs

    def coupling(self, role: Role) -> np.ndarray:
        """Return the couplings of the classes, (n_classes, n_features)."""
        return self._couplings[role]

    @functools.cached_property
    def moved(self) -> dict[Role, np.ndarray]:
        """The derivative of the overlaps, (n_features, n_features) each."""
        return {role: self.through(coupling) for role, coupling in self._couplings.items()}


class Step:
    """The softmax of one step.

    Parameters
    ----------
    model : SelfAttention
    tokens : sequence of Token, length n_context
        Newest first.

    Attributes
    ----------
    query : ndarray, shape (n_features,)
        That of the newest token, times the gain.
    weights : ndarray, shape (n_context, n_features)
        Of the head of each feature.
    lean : ndarray, shape (n_context, n_features)
        Values minus their mean.
    """

    def __init__(self, model: SelfAttention, tokens: Sequence[Token]) -> None:
        n_features, n_heads = model.n_features, model.n_heads
        self.tokens, width = tokens, n_features // n_heads
        self.heads = [slice(first, first + width) for first in range(0, n_features, width)]
        gain = Decimal(model.gamma) / (Decimal(n_features) / n_heads).sqrt()
        self.query = gain * tokens[0].overlap["query"]
        keys, values = (np.array([token.overlap[role] for token in tokens]) for role in ("key", "value"))
        self.keys = keys
        self.weights, self.lean = np.empty_like(values), np.empty_like(values)
        for own in self.heads:
            scores = keys[:, own] @ self.query[own]
            weights = np.array([exponential(score - max(scores)) for score in scores])
            weights = weights / weights.sum()
            self.weights[:, own] = weights[:, None]
            for lean, value in zip(self.lean[:, own], values[:, own], strict=True):
                # The value minus the mean as a sum of differences.
                lean[:] = sum(w * (value - other) for w, other in zip(weights, values[:, own], strict=True))
        self.gain = gain

    def oldest(self) -> np.ndarray:
        """Return the derivative of the mean by the oldest attention, over the weights, (n_features, n_features)."""
        token = self.tokens[-1]
        left, key = token.coupling("value").copy(), token.coupling("key")
        for own in self.heads:
            left[:, own] = left[:, own] + np.outer(key[:, own] @ self.query[own], self.lean[-1, own])
        return token.through(left)

    def rows(self) -> np.ndarray:
        """Return the derivative of the mean by the attention of each token, (n_context, n_features, n_features)."""
        out = np.stack([token.moved["value"] for token in self.tokens])
        for own in self.heads:
            for block, token, lean in zip(out, self.tokens, self.lean, strict=True):
                block[own] = block[own] + np.outer(lean[own], self.query[own] @ token.moved["key"][own])
            pull = self.gain * (self.weights[:, own] * self.lean[:, own]).T @ self.keys[:, own]
            out[:, own] = self.weights[:, own, None] * out[:, own]
            out[0, own] = out[0, own] + pull @ self.tokens[0].moved["query"][own]
        return out
