"""Any map given by functions: `dmft.Map`, its orbits, attractors, cycles and branches, and maps of textbooks."""

from . import textbook
from .model import Map
from .orbits import Branch, Cycle
from .runs import Orbit
from .state import State

__all__ = ["Branch", "Cycle", "Map", "Orbit", "State", "textbook"]
