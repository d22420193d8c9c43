"""The law of successive tokens of a tiny network, exactly, and what its window screens of the past."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import Role, instance, whole
from ..._util.readonly import read_only
from ..._util.signs import independent_law, sign_vectors
from ...information import cmi
from ...thermodynamics.stationary import balanced
from .. import reference
from ..model import SelfAttention
from .successive_tokens import SuccessiveTokens

MOST_WINDOW, MOST_LAW = 12, 20  # bits
TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TokenLaw(SuccessiveTokens):
    """The stationary law of successive tokens.

    Attributes
    ----------
    law : ndarray, shape (2,) * (n_tokens * n_sites)
        One axis a site, index 0 for +1: first all sites of the newest token, then of the one before, ...
    n_sites, n_tokens : int
    """

    law: np.ndarray
    n_sites: int
    n_tokens: int

    @property
    def width(self) -> int:
        """Axes of a token."""
        return self.n_sites

    def _cmi(self, one: list[int], other: list[int], known: list[int]) -> float:
        return cmi(self.law, one, other, known)


@own_arithmetic
def token_law(model: SelfAttention, n_tokens: int | None = None, phase: int = 0) -> TokenLaw:
    """Return the stationary law of successive tokens of a finite network by enumeration.

    Parameters
    ----------
    model : SelfAttention
        With features that are actual vectors, as many sites as these have; n_sites * n_context <= 12.
    n_tokens : int, optional
        A token more than the context, unless given; n_sites * n_tokens <= 20.
    phase : int, default=0
        Position of the newest token in the period of the positions.

    Returns
    -------
    TokenLaw

    Raises
    ------
    ValueError
        If there are too many states, before anything is allocated.
    FloatingPointError
        If the stationary law is not found: beta is so large that the network is trapped.

    Examples
    --------
    The sites of a token are independent given the whole window, and with it nothing older counts; with a part of it
    the rest does.

    >>> from dmft import Features
    >>> features = Features.random(n_features=2, n_sites=3, n_positions=0, seed=1)
    >>> tiny = SelfAttention(features, n_context=2, beta=2.0, gamma=2.0)
    >>> tokens = token_law(tiny, 4)
    >>> tokens.cmi(0, 3, [1, 2]) < 1e-14, tokens.cmi(0, 2, 1) > 1e-3
    (True, True)
    """
    instance("model", model, SelfAttention, "a dmft.SelfAttention")
    (n, _), n_context = _vectors(model), model.n_context
    n_tokens = n_context + 1 if n_tokens is None else whole("n_tokens", n_tokens, 1)
    if n * n_context > MOST_WINDOW or n * n_tokens > MOST_LAW:
        raise ValueError(
            f"n_sites times n_context must be <= {MOST_WINDOW} and times n_tokens <= {MOST_LAW} for enumeration, got "
            f"{n} * {n_context} and {n} * {n_tokens}"
        )
    period = n_context if model.epsilon else 1
    phase = whole("phase", phase, 0, n_context - 1)
    steps = [_transitions(model, p) for p in range(period)]
    n_states = 2 ** (n * n_context)

    def advance(p: np.ndarray, at: int) -> np.ndarray:
        """Return the law of the window a step after one whose newest token has position `at`."""
        moved = (steps[at % period] * p[:, None]).reshape(-1, 2**n, 2**n).sum(axis=1)  # the oldest token is left out
        return np.asarray(moved.T.reshape(-1))

    def flow(p: np.ndarray) -> np.ndarray:
        after = p
        for k in range(period):
            after = advance(after, phase + k)
        return after - p

    with threadpool_limits(1, "blas"):
        p = balanced(flow, np.ones(n_states))
    rest = float(abs(flow(p)).sum())
    if not rest <= TOLERANCE:
        raise FloatingPointError(f"the stationary law changes by {rest:.3g} in a period; lower beta")
    # Back by as many tokens as are beyond the window, then forward with all kept.
    beyond = max(n_tokens - n_context, 0)
    begin = (phase - beyond) % n_context
    for k in range((begin - phase) % n_context if period > 1 else 0):
        p = advance(p, phase + k)
    law = p.reshape(n_states, 1)
    for k in range(beyond):
        # (window, older) -> (new token, window, older): the window then ends before the oldest of its tokens.
        wide = steps[(begin + k) % period][:, :, None] * law[:, None, :]
        law = np.moveaxis(wide, 1, 0).reshape(n_states, -1)
    law = law.reshape((2,) * (n * max(n_tokens, n_context)))
    if n_tokens < n_context:
        law = law.sum(axis=tuple(range(n * n_tokens, n * n_context)))
    return TokenLaw(read_only(np.ascontiguousarray(law)), n, n_tokens)


def _vectors(model: SelfAttention) -> tuple[int, Mapping[Role, np.ndarray]]:
    """Return how many sites the features have, and their vectors."""
    n, weights = model.features.n_sites, model.features.weights
    if n is None or weights is None:
        raise ValueError(f"features must be actual vectors, got {model.features!r}")
    return n, weights


def _attentions(model: SelfAttention, phase: int, step: int = 1) -> np.ndarray:
    """Return the attention of every window, its query at position `phase`, the next key at ``phase - step``, ..."""
    (n, _), n_context = _vectors(model), model.n_context
    tokens = sign_vectors(n)
    which = np.indices((2**n,) * n_context).reshape(n_context, -1)  # of each window its tokens, newest first

    def overlaps(role: Role, d: int) -> np.ndarray:
        at = (phase - step * d) % n_context
        return np.array([reference.token_overlap(model, role, token, at) for token in tokens])[which[d]]

    keys, values = (np.stack([overlaps(role, d) for d in range(n_context)], axis=1) for role in ("key", "value"))
    return reference.attend(model, overlaps("query", 0), keys, values)[1]


def _transitions(model: SelfAttention, phase: int) -> np.ndarray:
    """Return the probabilities of the next token given the window, shape (2^(n_sites n_context), 2^n_sites)."""
    return independent_law(np.array([reference.up_probability(model, a) for a in _attentions(model, phase)]))


def log_transitions(model: SelfAttention, phase: int, step: int = 1) -> np.ndarray:
    """Return the log of the probabilities of the next token given the window, of the same shape as `_transitions`.

    With ``step = -1`` of windows that are read backwards in time.
    """
    n, weights = _vectors(model)
    u = model.beta * _attentions(model, phase, step) @ weights["output"][:, :n]
    spin = sign_vectors(n)
    return np.asarray(u @ spin.T - np.logaddexp(u, -u).sum(axis=1, keepdims=True))
