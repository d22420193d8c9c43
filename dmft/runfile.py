"""The run file: TOML, with changes of the command line, and the system that reads its sections."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ._util.inputs import text_of
from ._util.keys import Keys, instead
from .sweeps import registry
from .sweeps.errors import ConfigError
from .sweeps.section import RunFile

__all__ = ["ConfigError", "read"]


def read(path: str | os.PathLike[str], settings: Iterable[str] = ()) -> RunFile:
    """Return a run file, checked.

    Parameters
    ----------
    path : path-like
        TOML. Names of other files in it are relative to its folder.
    settings : iterable of str
        Changes of the form ``section.key=value``, the value in TOML; names of files are relative to where we are.

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
        text = text_of(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    tree = _parsed(str(path), text)
    _find(tree, Path(path).parent)
    for setting in settings:
        _apply(tree, setting)
    if "map" in tree:
        raise ConfigError(f"{path}: map must be made in Python, by dmft.Map: nothing in a run file is executed")
    known = registry.sections()
    given = [name for name in known if name in tree]
    if len(given) > 1:
        raise ConfigError(
            f"{path}: a run file must have one of the sections {', '.join(known)}, got {', '.join(given)}"
        )
    kind = registry.reader(given[0] if given else known[0])
    kind.spell_out(tree)
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error), kind, tree)}") from error


def _apply(tree: Any, setting: str) -> None:
    """Change one value of the tree."""
    key, equals, text = setting.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not 0 < len(sections) <= _DEEP or not all((*sections, last)):
        raise ConfigError(f"--set must have the form section.key=value, got {setting!r}")
    try:
        given = _parsed(f"--set {key}", f"value = {text}")
    except ConfigError as error:
        if not isinstance(error.__cause__, tomllib.TOMLDecodeError):
            raise
        given = {"value": text.strip()}  # a bare word is a string
    if len(given) > 1:
        raise ConfigError(f"--set must have the form section.key=value, got {setting!r}")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {key}: {section} is not a section")
    tree[last] = given["value"]


def _find(tree: Any, folder: Path) -> None:
    """Make the names of files in a run file relative to where we are."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            _find(value, folder)
        elif key == "path" and isinstance(value, str):
            tree[key] = str(folder / value)


def _parsed(name: str, text: str) -> dict[str, Any]:
    """Return TOML as nested dicts; what would take the parser more than a moment is refused."""
    if _LONG_KEY.search(text):
        raise ConfigError(f"{name} is not TOML: a key has too many parts")
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{name} is not TOML: it is nested too deeply") from error
    except ValueError as error:
        raise ConfigError(f"{name} is not TOML: {error}") from error
    left: list[Any] = [tree]
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{name}: a whole number must have at most 64 bits, got {value}")
    return tree


_DEEP = 32  # parts of a key
# A key of very many parts, bare or quoted, would take a time that grows like their square.
_LONG_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_DEEP}}}""",
)


def _explain(message: str, kind: Any, tree: Any) -> str:
    """Turn a message of the checker into: key, rule, value, and what is taken there."""
    rule, _, path = message.partition(" - at `$")
    path = path.strip("`").lstrip(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", rule, re.DOTALL)
    missing = re.fullmatch(r"Object missing required field `(.*)`", rule, re.DOTALL)
    parts = [int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", path)]
    here = Keys(kind, tree, parts)
    where, systems = f"{path}." if path else "", registry.sections()
    if unknown:
        known = here.names
        if not path and not {*systems} & {*tree}:  # the section of a system may be the one that is misspelt
            known += [name for name in systems if name not in known]
        what = "the keys are" if path else "the sections are"
        return f"{where}{unknown[1]} is not a known key{instead(unknown[1], known, what)}"
    if missing:
        return f"{where}{missing[1]} is missing"
    if rule.startswith("Invalid") and here.choices:
        choices = [str(one) for one in here.choices]
        return f"{path} has no value {here.value!r}{instead(str(here.value), choices, 'it is one of')}"
    words = here.words() or rule.removeprefix("Expected ").replace("`", "").split(", got")[0]
    return f"{path} must be {words}, got {here.value!r}"
