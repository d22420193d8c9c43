"""Autonomous agents: small processes that feed, sense and act, each with the laws that are known on paper."""

from .dots import Battery, TwoDots
from .food import FoodAgent
from .foragers import Forager, Regulated
from .networks import SpinAgent
from .sensors import Sensor
from .spins import IsingAgent
from .tape import Tape

__all__ = ["Battery", "FoodAgent", "Forager", "IsingAgent", "Regulated", "Sensor", "SpinAgent", "Tape", "TwoDots"]
