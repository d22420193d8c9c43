"""Processes put together from the moves of mechanisms over a grid of states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import entr, log_expit, logsumexp, rel_entr

from ..._util.checks import finite, number, whole
from ..._util.memory import need_memory
from ..process import MarkovJump
from ..reservoir import Reservoir


class Moves:
    """Edges, collected mechanism by mechanism."""

    def __init__(self) -> None:
        self._edges: list[tuple[np.ndarray, ...]] = []

    def add(self, source: np.ndarray, target: np.ndarray, log_rate: Any, mechanism: int) -> None:
        """Add edges of a mechanism; those of rate 0 are left out."""
        x, y, logs = np.broadcast_arrays(source, target, log_rate)
        x, y, logs = x.ravel(), y.ravel(), logs.ravel()
        real = logs > -np.inf
        self._edges.append((x[real], y[real], logs[real], np.full(real.sum(), mechanism)))

    def exchange(self, empty: np.ndarray, filled: np.ndarray, log_rate: Any, gap: Any, mechanism: int) -> None:
        """Add edges by which a lead fills a level that is `gap` of its temperatures above it, and empties it."""
        self.add(empty, filled, log_rate + log_expit(-gap), mechanism)
        self.add(filled, empty, log_rate + log_expit(gap), mechanism)

    def process(self, n_states: int, reservoirs: Sequence[Reservoir], **further: Any) -> MarkovJump:
        """Return the process."""
        x, y, logs, v = (np.concatenate(column) for column in zip(*self._edges, strict=True))
        return MarkovJump(x, y, logs, v, n_states=n_states, reservoirs=reservoirs, **further)


def room(*sizes: int) -> None:
    """Say if there is no memory for the states of a grid and the moves between them, before any is taken."""
    n = math.prod(sizes)
    need_memory(f"a process of {n} states", 600.0 * n, "take fewer")


def ln(rate: Any) -> np.ndarray:
    """Return the logarithm of rates, -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log(rate)


def checked(self: Any, **rules: Any) -> None:
    """Check the numbers of a frozen agent: by name the least value, or least and largest.

    ``int`` before these asks for a whole number, ``"pair"`` for two numbers.
    """
    for name, rule in rules.items():
        low, *rest = rule if isinstance(rule, tuple) else (rule,)
        if low is int:
            value: Any = whole(name, getattr(self, name), *rest)
        elif low == "pair":
            value = tuple(finite(name, getattr(self, name), (2,)).tolist())
            for each in value:
                number(name, each, *rest)
        else:
            value = number(name, getattr(self, name), low, *rest)
        object.__setattr__(self, name, value)


def positive(self: Any, *names: str) -> None:
    """Refuse numbers, checked before, that are not above 0."""
    for name in names:
        if getattr(self, name) <= 0:
            raise ValueError(f"{name} must be > 0, got {getattr(self, name)!r}")


def net_current(process: MarkovJump, p: np.ndarray, mechanism: int) -> float:
    """Return the jumps of a mechanism to states of a larger number, less those to smaller ones, per unit time."""
    mine = process.mechanism == mechanism
    flux = process.rates()[mine] * p[process.source[mine]]
    return float(flux @ np.sign(process.target[mine] - process.source[mine]))


def over(energy: Any, T: float, name: str = "T") -> Any:
    """Return energies over a temperature, or raise if they are no numbers."""
    with np.errstate(over="ignore"):
        ratio = np.asarray(energy) / T
    if not np.isfinite(ratio).all():
        raise ValueError(f"{name} must be so large that energies over it are below 1.8e308, got {T!r}")
    return ratio


def gibbs(weight: np.ndarray) -> np.ndarray:
    """Return the law of some logarithms of weights."""
    p = np.exp(weight - weight.max())
    return np.asarray(p / p.sum())


def divergence(p: np.ndarray, q: np.ndarray, log_weight: Callable[[], np.ndarray]) -> float:
    """Return the divergence of p from q, in nats; logarithms of weights of q are asked for where its numbers end.

    Examples
    --------
    >>> weight = np.array([0.0, -1000.0])
    >>> divergence(np.array([0.0, 1.0]), gibbs(weight), lambda: weight)
    1000.0
    """
    found = float(rel_entr(p, q).sum())
    if np.isinf(found):
        weight = log_weight()
        found = float(-entr(p).sum() - p @ (weight - logsumexp(weight)))
    return max(0.0, found)
