"""What several tests need: a hash of all arrays of a sweep, scripts in processes and on MPI ranks."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}


def digest(result):
    """Hash of every array of a sweep."""
    sha = hashlib.sha256()
    for name in sorted(result):
        sha.update(name.encode() + np.ascontiguousarray(result[name]).tobytes())
    return sha.hexdigest()


def command(n_ranks, script, *arguments):
    """Return how to run a script, which may import what the tests may, on some ranks; 0: without MPI."""
    mpiexec = [Path(sys.executable).with_name("mpiexec"), "-n", n_ranks, sys.executable, "-m", "mpi4py"]
    return [str(part) for part in (*(mpiexec if n_ranks else [sys.executable]), script, *arguments)]


def start(n_ranks, folder, code, *arguments):
    """Start a script; return its process."""
    script = Path(folder) / "script.py"
    script.write_text(code)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(n_ranks, script, *arguments), env=ENVIRONMENT, **pipes)


def end(process, timeout=120):
    """Wait for a process, however it ends; return its exit code and all it wrote."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out + err


def mpi(n_ranks, folder, code, *arguments):
    """Run a script on several ranks."""
    process = start(n_ranks, folder, code, *arguments)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
