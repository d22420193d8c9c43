"""Modules under the names by which users know them, wherever they live in the package."""

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec


class _AliasLoader(Loader):
    """Hands out a module that has another name of its own, as it is."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec):
        module = importlib.import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self.spec  # the import system has put the alias's there


class _AliasFinder(MetaPathFinder):
    def __init__(self, targets: dict[str, str]) -> None:
        self.targets = targets

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.targets:
            return ModuleSpec(fullname, _AliasLoader(self.targets[fullname]))
        return None


def register(package: str, aliases: dict[str, str]) -> None:
    """Let ``import package.alias`` find the module that `aliases` names, relative to the package."""
    sys.meta_path.append(_AliasFinder({f"{package}.{name}": f"{package}.{target}" for name, target in aliases.items()}))
