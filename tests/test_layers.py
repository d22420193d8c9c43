"""The house inspector: imports only go down, heavy packages come in by one door."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dmft

HOME = Path(dmft.__file__).parent
FLOOR = {
    "_kernels": 0, "_integrals": 0, "_network": 0, "_series": 0, "_simd": 0,
    "reference": 0, "_version": 0, "_checks": 0, "_threads": 0, "_signals": 0, "symbols": 0,
    "features": 1, "gaussian": 1, "series": 1, "indicators": 1, "coexistence": 0,
    "recurrence": 2, "streaming": 2,
    "model": 2,
    "meanfield": 3, "ising": 3, "systems": 3, "columns": 3, "exponents": 3, "rank": 3,
    "rounds": 3, "authors_draws": 3, "classify": 4, "spins": 4,
    "plan": 4, "network": 5, "fluctuations": 4,
    "orbits": 5, "lyapunov": 6, "attractors": 6,
    "correlations": 6, "finite_size": 6, "noisy_lyapunov": 6, "switching": 6,
    "store": 5, "parallel": 5, "progress": 5, "grid": 5, "jobs": 7, "network_sweep": 8,
    "results": 6, "figures": 6, "sections": 6,
    "authors": 4, "quadtree": 4, "chains": 4, "hysteresis": 7, "pictures": 8, "follow": 10, "refine": 10,
    "engine": 8, "config": 11,
    "sweep": 9, "report": 11, "verify": 11, "cli": 12, "__init__": 13, "__main__": 13,
}  # fmt: skip
DOORS = {
    "mpi4py": {"parallel"},
    "matplotlib": {"figures"},
    "h5py": {"store"},
    "click": {"cli"},
    "tqdm": {"progress"},
    "yaml": {"authors"},
}


def room(path):
    """Return the module a file belongs to: itself, or its folder below the package."""
    inside = path.relative_to(HOME)
    return inside.parts[0] if len(inside.parts) > 1 else path.stem


def imports(path):
    """Yield (package, module) for every import of a file, by its syntax: nothing is executed."""
    depth = len(path.relative_to(HOME).parts)  # this many dots lead to the package itself
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0], None
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            yield from (("dmft", name) for name in names)


@pytest.mark.parametrize("path", sorted(HOME.rglob("*.py")), ids=lambda path: str(path.relative_to(HOME)))
def test_imports_only_go_down(path):
    here = room(path)
    for package, module in imports(path):
        if package == "dmft" and module:
            assert FLOOR[module] < FLOOR[here], f"{path.name} must not import {module}"
        elif package in DOORS:
            assert here in DOORS[package], f"only {DOORS[package]} may import {package}"


def test_every_prange_names_its_threads():
    for path in HOME.glob("*.pyx"):
        for call in re.findall(r"prange\(.*", path.read_text()):
            assert "num_threads=n_threads" in call


def test_importing_the_package_brings_in_nothing_heavy():
    code = "import sys, dmft; print([m for m in ('matplotlib', 'h5py', 'mpi4py', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
