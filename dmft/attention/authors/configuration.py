"""A configuration of the paper's code: read from its YAML file, and which of its keys were used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

# What their launchers add to a file, with the values that the published runs had.
LAUNCHER: dict[str, int] = {
    "seed": 1,
    "num_feat_patterns": 3,
    "positional_embedding_size": 2,
    "ini_token_idx": 0,
    "num_bifurcation_values": 701,
}
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
    """
    try:
        import yaml
    except ImportError as error:
        raise ImportError('reading YAML needs pyyaml; pip install "dmft[import]"') from error
    try:
        tree = yaml.safe_load(Path(path).read_text())
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals or not key.strip():
                raise ImportRefused(f"--set must have the form key=value, got {setting!r}")
            if isinstance(tree, dict):
                tree[key.strip()] = yaml.safe_load(value)
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ImportRefused(f"{path} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ImportRefused(f"{path} must hold keys and values, got {type(tree).__name__}")
    return tree


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

    def finish(self) -> None:
        """Note what was not used."""
        for key, value in self.config.items():
            if key in UNUSED:
                self.notes.append(f"{key} = {value!r} has no meaning here: {UNUSED[key]}")
            elif key not in self.used:
                self.notes.append(f"{key} = {value!r} is not used for this run, or not known: left out")
