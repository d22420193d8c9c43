"""A configuration of the paper's code: read from its YAML file, and which of its keys were used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from ..._util.checks import number, whole
from ..._util.inputs import text_of
from ..._util.text import printable

# What their launchers add to a file, with the values that the published runs had.
LAUNCHER: dict[str, int] = {
    "seed": 1,
    "num_feat_patterns": 3,
    "positional_embedding_size": 2,
    "ini_token_idx": 0,
    "num_bifurcation_values": 701,
}
LARGEST = 2**53  # of a whole number, if nothing else bounds it
# Keys that have no meaning here, and why.
UNUSED: dict[str, str] = {
    "filtering_range": "the 0-plane filter of their pictures; [run] section keeps sign changes instead",
    "save_not_plot": "results are always saved, and drawn too",
}


class ImportRefused(ValueError):
    """A file of the paper's code cannot be converted; the message says why and what to do."""


def read_yaml(path: str | PathLike[str], settings: Sequence[str] = ()) -> dict[str, Any]:
    """Return a configuration of the paper's code as a dict, with some keys changed.

    Parameters
    ----------
    path : path-like
    settings : sequence of str
        Changes of the form ``key=value``, the value in YAML: what their launcher adds.

    Raises
    ------
    ImportRefused
        If it cannot be read, is no YAML, has aliases, or other keys than words.
    """
    try:
        tree = _parsed(str(path), text_of(path, _MOST))
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ImportRefused(f"{path} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ImportRefused(f"{path} must hold keys and values, got {type(tree).__name__}")
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise ImportRefused(f"--set must have the form key=value, got {setting!r}")
        tree[key.strip()] = _parsed("--set", value)
    for key in tree:
        if not isinstance(key, str):
            raise ImportRefused(f"{path} must have keys that are words, got {key!r}")
    return tree


_MOST = 2**16  # bytes of a configuration; theirs have some two thousand
_DEEP = 16  # collections in one another; theirs have one


def _parsed(name: str, text: str) -> Any:
    """Return what YAML holds; refuse aliases, by which a short text can stand for any amount of data."""
    try:
        import yaml
    except ImportError as error:
        raise ImportError('reading YAML needs pyyaml; pip install "dmft[import]"') from error

    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEP:
                raise ImportRefused(f"{name} is not YAML: it is nested too deeply")
            if isinstance(event, yaml.AliasEvent):
                raise ImportRefused(f"{name} must not have aliases, got *{event.anchor}")
        return yaml.safe_load(text)
    except ImportRefused:
        raise
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ImportRefused(f"{name} is not YAML: {error.problem}{line}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # of characters, of dates, of numbers
        raise ImportRefused(f"{name} is not YAML: {error}") from error


class Reader:
    """A configuration, with a record of which keys were used, and notes."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.used: set[str] = set()
        self.notes: list[str] = []

    def __contains__(self, key: str) -> bool:
        return self.config.get(key) is not None

    def get(self, key: str, *default: Any) -> Any:
        """Return the value of a key, or the default; refuse a configuration without it if there is none."""
        self.used.add(key)
        if key in self:
            return self.config[key]
        if not default:
            raise ImportRefused(f"{key} is missing")
        return default[0]

    def flag(self, key: str, default: bool) -> bool:
        """Return the value of a key that is true or false."""
        value = self.get(key, default)
        if value not in (True, False):  # theirs take 0 and 1 too
            raise ImportRefused(f"{key} must be true or false, got {value!r}")
        return bool(value)

    def word(self, key: str, default: str) -> str:
        """Return the value of a key that is text."""
        value = self.get(key, default)
        if not isinstance(value, str):
            raise ImportRefused(f"{key} must be a word, got {value!r}")
        return value

    def number(self, key: str, *default: float, low: float = -math.inf, high: float = math.inf) -> float:
        """Return the value of a key that is a finite number in [low, high]."""
        return number(key, self.get(key, *default), low, high)

    def whole(self, key: str, *default: int, low: int = 0, high: int = LARGEST) -> int:
        """Return the value of a key that is a whole number in low..high."""
        return whole(key, self.get(key, *default), low, high)

    def finish(self) -> None:
        """Note what was not used."""
        for key, value in self.config.items():
            if key in UNUSED:
                self.notes.append(f"{key} = {_short(value)} has no meaning here: {UNUSED[key]}")
            elif key not in self.used:
                self.notes.append(f"{key} = {_short(value)} is not used for this run, or not known: left out")


def _short(value: Any) -> str:
    return printable(repr(value), 100)
