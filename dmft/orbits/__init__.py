"""Periodic orbits: cycles, their multipliers, branches of them, bifurcations with normal forms."""

from .branches import Branch, SpecialPoint, branch, switch, trace
from .cycles import Cycle, Cycles, cycle, find_cycles
from .maps import AttentionMap, WindowMap
from .normal_forms import NormalForm

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
