"""Periodic orbits: cycles, their multipliers, branches of them, bifurcations with normal forms."""

from .cycles import Cycle, Cycles, cycle, find_cycles
from .maps import AttentionMap

__all__ = ["AttentionMap", "Cycle", "Cycles", "cycle", "find_cycles"]
