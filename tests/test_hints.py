"""The public face is typed: every argument and result of every public function has a hint."""

import importlib
import inspect
import pkgutil

import pytest

import dmft

MODULES = [info.name for info in pkgutil.walk_packages(dmft.__path__, "dmft.") if not info.name.endswith("__main__")]


def functions(module):
    """Yield name and function of all public functions and methods that a module defines."""
    for name, one in vars(module).items():
        if name.startswith("_") or getattr(one, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(one):
            yield name, one
        elif inspect.isclass(one):
            for member, value in vars(one).items():
                method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                public = not member.startswith("_") or member == "__init__"
                if public and inspect.isfunction(method) and method.__module__ == module.__name__:
                    yield f"{name}.{member}", method


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_are_typed(name):
    untyped = []
    for where, function in functions(importlib.import_module(name)):
        signature = inspect.signature(function)
        untyped += [
            f"{where}({argument.name})"
            for argument in signature.parameters.values()
            if argument.annotation is argument.empty and argument.name not in ("self", "cls")
        ]
        if signature.return_annotation is signature.empty and not where.endswith("__init__"):
            untyped.append(f"{where}() ->")
    assert not untyped
