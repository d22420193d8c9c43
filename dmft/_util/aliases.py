"""Import modules by the public names they have had, wherever they are in the package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _AliasLoader(Loader):
    """Loads a module that has another name of its own, unchanged."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # instead of that of the alias, which the import system has set


class _AliasFinder(MetaPathFinder):
    """Finds the modules of a dict of aliases."""

    def __init__(self, targets: dict[str, str]) -> None:
        self.targets = targets

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self.targets:
            return ModuleSpec(fullname, _AliasLoader(self.targets[fullname]))
        return None


def register(package: str, aliases: dict[str, str]) -> None:
    """Let ``import package.alias`` find the module that `aliases` names, relative to the package."""
    sys.meta_path.append(_AliasFinder({f"{package}.{name}": f"{package}.{target}" for name, target in aliases.items()}))
