"""Periodic orbits: cycles, their multipliers, branches of them, bifurcations with normal forms."""

from .branches import Branch, SpecialPoint, branch, switch, trace
from .newton import Cycle, Cycles, cycle, find_cycles
from .normal_forms import NormalForm
from .window_map import AttentionMap, WindowMap

__all__ = [
    "AttentionMap",
    "Branch",
    "Cycle",
    "Cycles",
    "NormalForm",
    "SpecialPoint",
    "WindowMap",
    "branch",
    "cycle",
    "find_cycles",
    "switch",
    "trace",
]
