"""Transients before a measurement: how long, and how tangents turn into place in them."""

from __future__ import annotations

from .._util.checks import whole
from .._util.memory import need_memory
from .system import System, Tick


def tangent_numbers(
    n_dim: int,
    n_transient: int,
    n_exponents: int | None,
    n_tangent_transient: int | None,
    dimension: str = "the dimension of the map",
) -> tuple[int, int, int]:
    """Return the numbers of transient steps, of exponents and of steps with tangents among the former, checked.

    Examples
    --------
    >>> tangent_numbers(12, 1_000, None, None)
    (1000, 12, 100)
    """
    n_transient = whole("n_transient", n_transient, 0)
    n_exponents = n_dim if n_exponents is None else whole("n_exponents", n_exponents, 0)
    if n_exponents > n_dim:
        raise ValueError(f"n_exponents must be <= {dimension} = {n_dim}, got {n_exponents}")
    if n_tangent_transient is None:
        n_tangent_transient = min(n_transient // 10, 1_000)
    if whole("n_tangent_transient", n_tangent_transient, 0) > n_transient:
        raise ValueError(f"n_tangent_transient must be <= n_transient = {n_transient}, got {n_tangent_transient}")
    return n_transient, n_exponents, int(n_tangent_transient)


def run_transient(
    system: System, n_steps: int, n_tangents: int, n_tangent_steps: int, qr_interval: int = 1, tick: Tick | None = None
) -> None:
    """Take a system through a transient, in the last steps of which its tangents turn into place."""
    if not n_tangents:
        system.advance(n_steps, tick=tick)
        return
    need_memory(
        f"a frame of {n_tangents} tangents of {system.n_points} orbits in {system.n_dim} dimensions",
        system.tangent_bytes(n_tangents),
        "ask for fewer exponents (n_exponents)",
    )
    system.advance(n_steps - n_tangent_steps, tick=tick)
    system.begin_tangents(n_tangents, qr_interval)
    system.turn_tangents()
    system.advance(n_tangent_steps, tangents=True, tick=tick)
    system.forget_lost()
