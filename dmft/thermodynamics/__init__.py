"""Stochastic thermodynamics of jump processes: what they produce, what flows in them, what their parts know.

Nats, k_B = 1; rates per unit time.
"""

from . import agents
from .agency import AgencyDiagram
from .budget import Budget, Cycles, PartBudget
from .chain import Chain, ChainBudget, ChainPart
from .chain_counting import ChainCounting
from .counting import Counting
from .evolution import Relaxation, integral_fluctuation
from .meaning import Semantic, semantic
from .partition import Partition, information_flow, mutual_information, pair_flow, transfer_entropy
from .prediction import Driven, Nostalgia
from .process import MarkovJump
from .protocol import Protocol, ProtocolBudget
from .regulation import Regulation, regulate, sensitivity
from .reservoir import Reservoir
from .scrambling import scramble
from .spins import SpinProcess
from .trajectories import Paths

__all__ = [
    "AgencyDiagram",
    "Budget",
    "Chain",
    "ChainBudget",
    "ChainCounting",
    "ChainPart",
    "Counting",
    "Cycles",
    "Driven",
    "MarkovJump",
    "Nostalgia",
    "PartBudget",
    "Partition",
    "Paths",
    "Protocol",
    "ProtocolBudget",
    "Regulation",
    "Relaxation",
    "Reservoir",
    "Semantic",
    "SpinProcess",
    "agents",
    "information_flow",
    "integral_fluctuation",
    "mutual_information",
    "pair_flow",
    "regulate",
    "scramble",
    "semantic",
    "sensitivity",
    "transfer_entropy",
]
