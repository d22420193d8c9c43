"""The run file: TOML, with changes of the command line, and the system that reads its sections."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from .sweeps import registry
from .sweeps.errors import ConfigError
from .sweeps.section import RunFile

__all__ = ["ConfigError", "read"]


def read(path: str | os.PathLike[str], settings: Iterable[str] = ()) -> RunFile:
    """Return a run file, checked.

    Parameters
    ----------
    path : path-like
        TOML.
    settings : iterable of str
        Changes of the form ``section.key=value``, the value in TOML.

    Returns
    -------
    RunFile
        Of the system whose section it has.

    Raises
    ------
    ConfigError
        If it cannot be read or a key is unknown, missing, or of the wrong type.
    """
    try:
        tree = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for setting in settings:
        _apply(tree, setting)
    known = registry.sections()
    given = [name for name in known if name in tree]
    if len(given) > 1:
        raise ConfigError(
            f"{path}: a run file must have one of the sections {', '.join(known)}, got {', '.join(given)}"
        )
    try:
        return msgspec.convert(tree, registry.reader(given[0] if given else known[0]))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error), tree)}") from error


def _apply(tree: Any, setting: str) -> None:
    """Change one value of the tree."""
    key, equals, text = setting.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not sections or not all((*sections, last)):
        raise ConfigError(f"--set must have the form section.key=value, got {setting!r}")
    value: Any
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is a string
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {key}: {section} is not a section")
    tree[last] = value


def _explain(message: str, tree: Any) -> str:
    """Turn a message of the checker into: key, rule, value."""
    rule, _, path = message.partition(" - at `$")
    path = path.strip("`").lstrip(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", rule)
    missing = re.fullmatch(r"Object missing required field `(.*)`", rule)
    for match, what in ((unknown, "is not a known key"), (missing, "is missing")):
        if match:
            return f"{path + '.' if path else ''}{match[1]} {what}"
    value: Any = tree
    try:
        for part in re.findall(r"[^.\[\]]+", path):
            value = value[int(part) if isinstance(value, list) else part]
    except (KeyError, IndexError, ValueError, TypeError):
        return f"{path}: {rule}"
    if rule.startswith("Invalid"):
        return f"{path} has no value {value!r}; the choices are in the documentation of [{path.split('.')[0]}]"
    return f"{path} must be {rule.removeprefix('Expected ').replace('`', '').split(', got')[0]}, got {value!r}"
