"""Configurations and checkpoints of the paper's own code, turned into ours, and what that code draws.

Their configuration is a YAML file, completed by arguments of a launcher; their checkpoint is a
.npz file with the last context window. Every key is used, or named in a note; strings that
their code would execute are compared with the few that have a meaning, never run.
"""

from .checkpoint import read_checkpoint
from .configuration import ImportRefused, read_yaml
from .conversion import Conversion, convert

__all__ = ["Conversion", "ImportRefused", "convert", "read_checkpoint", "read_yaml"]
