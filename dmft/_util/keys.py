"""What a table of a file takes, in words: its keys, its choices, and the nearest to what was written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import inspect


def instead(name: str, known: Sequence[str], what: str) -> str:
    """Return the end of a message about a name that is not known: the nearest one, and all, after `what`.

    Examples
    --------
    >>> instead("gama", ["beta", "gamma"], "the keys are")
    ': did you mean gamma? The keys are beta, gamma'
    >>> instead("colour", ["beta", "gamma"], "the keys are")
    ': the keys are beta, gamma'
    """
    found = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.6)
    names = ", ".join(known)
    return f": did you mean {found[0]}? {what[0].upper()}{what[1:]} {names}" if found else f": {what} {names}"


class Keys:
    """What is taken at a place in a file.

    Parameters
    ----------
    kind : type
        That msgspec reads the file as.
    tree : dict
        What the file holds: it tells which of several tables is meant.
    path : sequence of str or int
        The keys, and places in lists, that lead there.
    """

    def __init__(self, kind: Any, tree: Any, path: Sequence[str | int]) -> None:
        self.kinds = _apart(inspect.type_info(kind))
        for part in path:
            tables = [table for table in self.kinds if isinstance(table, inspect.StructType)]
            tagged = [table for table in tables if table.tag is None or _get(tree, table.tag_field) == table.tag]
            tree = _get(tree, part)
            lists = [one.item_type for one in self.kinds if isinstance(one, inspect.ListType)]
            fields = [field.type for table in tagged for field in table.fields if field.encode_name == part]
            values = [one.value_type for one in self.kinds if isinstance(one, inspect.DictType)]
            inner = lists if isinstance(part, int) else [*fields, *values]
            inner += [_tags(tables)] if part in {table.tag_field for table in tables} else []
            self.kinds = [kind for one in inner for kind in _apart(one)]
        self.value = tree

    @property
    def names(self) -> list[str]:
        """The keys of the table that is meant here."""
        tables = [kind for kind in self.kinds if isinstance(kind, inspect.StructType)]
        meant = [table for table in tables if table.tag is None or _get(self.value, table.tag_field) == table.tag]
        tags = {table.tag_field for table in tables if table.tag_field}
        return sorted({field.encode_name for table in meant for field in table.fields} | tags)

    @property
    def choices(self) -> list[Any]:
        """The values to choose from here."""
        return [value for kind in self.kinds if isinstance(kind, inspect.LiteralType) for value in kind.values]

    def words(self) -> str:
        """Return what must be here, in words of TOML."""
        return " or ".join(dict.fromkeys(filter(None, map(_words, self.kinds))))


def _get(tree: Any, part: Any) -> Any:
    """Return what a table has at a key, or a list at a place; None if nothing."""
    if isinstance(tree, dict):
        return tree.get(part)
    return tree[part] if isinstance(tree, list) and isinstance(part, int) and part < len(tree) else None


def _apart(kind: inspect.Type) -> list[inspect.Type]:
    """Return the types of a union."""
    return list(kind.types) if isinstance(kind, inspect.UnionType) else [kind]


def _tags(tables: Iterable[inspect.StructType]) -> inspect.LiteralType:
    return inspect.LiteralType(tuple(str(table.tag) for table in tables if table.tag is not None))


def _words(kind: inspect.Type) -> str:
    """Return the name of a type; nothing for that of a key left out, which TOML has no word for."""
    if isinstance(kind, inspect.StructType):
        names = ", ".join(field.encode_name for field in kind.fields)
        return "a table" if len(kind.fields) > 8 else f"a table of {names}"
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(map(repr, kind.values))}"
    if isinstance(kind, inspect.ListType):
        of = " or ".join(filter(None, map(_words, _apart(kind.item_type))))
        return f"a list of {of}".replace("of one of", "of some of") if of else "a list"
    return _NAMES.get(type(kind), "")


_NAMES: dict[Any, str] = {
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.BoolType: "bool",
    inspect.StrType: "str",
    inspect.DictType: "a table",
}
