"""The house inspector: imports only go down, heavy packages come in by one door, public names stay."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dmft

HOME = Path(dmft.__file__).parent
# The floors by folder: a room imports from rooms on lower floors, and from itself.
FLOOR = {
    "_kernels": 0, "_version": 0, "_util": 0, "csrc": 0,
    "figures": 1, "gaussian": 1, "dynamics": 1, "information": 1, "store": 1,
    "sweeps": 2,
    "maps": 3, "thermodynamics": 3,
    "attention": 4, "diffusions": 4, "ising": 4, "spins": 4,
    "runfile": 5, "__init__": 5,
    "explorer": 6, "cli": 7, "__main__": 8,
}  # fmt: skip
SYSTEMS = {"attention", "diffusions", "ising", "spins"}
# What only one room may import, and only late: a file or a folder below the package.
DOORS = {
    "mpi4py": "sweeps/workers",
    "matplotlib": "figures",
    "h5py": "store",
    "click": "cli",
    "tqdm": "_util/progress",
    "yaml": "attention/authors",
    "numba": "maps/njit",
    "llvmlite": "maps/njit",
    "bokeh": "explorer",
    "tornado": "explorer",
}


def room(path):
    """Return the room a file belongs to: its folder below the package, or itself."""
    return path.relative_to(HOME).with_suffix("").parts[0]


def imports(path):
    """Yield (package, room) for every import of a file, by its syntax: nothing is executed."""
    here = path.relative_to(HOME).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0], None
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level]
            parts = [*base, *(node.module.split(".") if node.module else [])]
            yield from (("dmft", (*parts, alias.name)[0]) for alias in node.names)


@pytest.mark.parametrize("path", sorted(HOME.rglob("*.py")), ids=lambda path: str(path.relative_to(HOME)))
def test_imports_only_go_down(path):
    here = room(path)
    inside = path.relative_to(HOME).with_suffix("").as_posix()
    for package, other in imports(path):
        if package == "dmft" and other and other != here:
            assert FLOOR[other] < FLOOR[here], f"{inside} must not import {other}"
        elif package in DOORS:
            assert inside == DOORS[package] or inside.startswith(DOORS[package] + "/"), (
                f"only {DOORS[package]} may import {package}"
            )


def test_every_room_has_a_floor():
    assert {room(path) for path in HOME.rglob("*.py")} | {"csrc", "_kernels"} == set(FLOOR)


def test_every_parallel_loop_names_its_threads():
    for path in HOME.rglob("*.pyx"):
        for call in re.findall(r"(?:prange|parallel)\(.*", path.read_text()):
            assert "num_threads=n_threads" in call


def test_importing_the_package_brings_in_nothing_heavy():
    code = "import sys, dmft; print([m for m in ('matplotlib', 'h5py', 'mpi4py', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


NAMES = json.loads((Path(__file__).parent / "data" / "public_names.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_public_names_stay_where_users_know_them(name):
    module = importlib.import_module(f"dmft.{name}" if name else "dmft")
    for each in NAMES[name]:
        assert hasattr(module, each), f"dmft.{name}.{each} is gone"
    known = dmft
    for part in name.split(".") if name else ():
        known = getattr(known, part)
    assert known is module


def test_no_public_function_shares_its_name_with_its_module():
    for name in NAMES:
        module = importlib.import_module(f"dmft.{name}" if name else "dmft")
        for each in NAMES[name]:
            where = getattr(getattr(module, each), "__module__", "")
            assert where.rpartition(".")[2] != each, f"{each} lives in {where}"


def module_imports(path):
    """Yield the modules below the package that a file imports when it is imported itself."""
    here = path.relative_to(HOME).parts[:-1]
    for node in ast.parse(path.read_text()).body:  # not in functions, nor for hints alone
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) + 1 - node.level], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                for parts in ([*base, alias.name], base):
                    if (HOME / Path(*parts)).with_suffix(".py").is_file():
                        yield "/".join(parts)
                        break


def test_no_two_modules_import_each_other():
    graph = {
        path.relative_to(HOME).with_suffix("").as_posix(): set(module_imports(path))
        for path in HOME.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert sum(map(len, graph.values())) > 300  # the imports are seen
    while free := [module for module, needs in graph.items() if not needs & set(graph)]:
        for module in free:
            del graph[module]
    assert not graph, f"imported in circles: {sorted(graph)}"
