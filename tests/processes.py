"""What several tests need: a hash of all arrays of a sweep, scripts on several MPI ranks."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent


def digest(result):
    """Hash of every array of a sweep."""
    sha = hashlib.sha256()
    for name in sorted(result.keys()):
        sha.update(name.encode() + np.ascontiguousarray(result[name]).tobytes())
    return sha.hexdigest()


def mpi(n_ranks, folder, code, *arguments):
    """Run a script on several ranks; it may import what the tests may."""
    script = Path(folder) / "script.py"
    script.write_text(code)
    mpiexec = Path(sys.executable).with_name("mpiexec")
    command = [mpiexec, "-n", n_ranks, sys.executable, "-m", "mpi4py", script, *arguments]
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, env=environment
    )
