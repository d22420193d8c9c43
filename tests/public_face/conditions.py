"""The calls of the public face with numbers at the ends of what doubles hold."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

import dmft
from dmft import ising, spins

from .calls import CALLS

SMALL, LARGE = (1e-300, 1e-160, 1e-8), (1e6, 1e150)


def numbers(value: Any, depth: int = 4) -> Any:
    """Return all numbers of a value, whatever it is, with their names, as bytes."""
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype.kind in "biufc" else repr(value.tolist())
    if isinstance(value, dmft.SweepResult):
        return {name: numbers(value[name]) for name in value.keys()}  # noqa: SIM118
    if dataclasses.is_dataclass(value) and depth:
        return {one.name: numbers(getattr(value, one.name, None), depth - 1) for one in dataclasses.fields(value)}
    if isinstance(value, tuple | list) and depth:
        return [numbers(one, depth - 1) for one in value]
    if isinstance(value, dict) and depth:
        return {name: numbers(one, depth - 1) for name, one in value.items()}
    return repr(value) if isinstance(value, int | float | complex | str | None | np.generic) else type(value)


def extremes(value: Any) -> Iterator[Any]:
    """Yield values like a valid one with numbers that are hardly any, or hardly doubles."""
    if isinstance(value, float):
        yield from (value * factor for factor in SMALL + LARGE)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        yield from (value * factor for factor in SMALL + LARGE)
        yield np.where(np.arange(value.size).reshape(value.shape) % 2, value * 1e-300, value)
    elif isinstance(value, dmft.SelfAttention):
        for beta, gamma in [(1e-300, 2.0), (1e-8, 1e200), (1.0, 1e6), (1.0, 1e-300), (1e4, 1.0), (30.0, 1e-300)]:
            yield value.replace(beta=beta, gamma=gamma)
    elif isinstance(value, ising.KineticIsing | spins.VectorSpins):
        yield from (value.replace(beta=beta) for beta in (*SMALL, 1e6, 1e99))  # beyond 1e100 the door is shut
    elif isinstance(value, ising.AsymmetricSK):
        yield from (
            dataclasses.replace(value, J0=J0, dJ=dJ) for J0, dJ in [(1e-300, 1e-300), (1e-160, 1.0), (40.0, 0.0)]
        )


def outcome(name: str, argument: str | None = None, value: Any = None) -> Any:
    """Return what comes of a valid call, or of one with another value of an argument: numbers, or an error."""
    call = CALLS[name]()
    given = call.arguments if argument is None else {**call.arguments, argument: value}
    try:
        return numbers(call.function(**given))
    except (ValueError, NotImplementedError, RuntimeError, MemoryError, FloatingPointError) as error:
        return f"{type(error).__name__}: {error}"
