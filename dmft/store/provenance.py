"""The versions, compiler and machine that results were computed with."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import _kernels
from .._version import VERSION


def provenance() -> dict[str, str]:
    """Return versions, compiler and machine, on which the numbers may depend besides the specification."""
    commit, changed = _commit()
    return {
        "version": VERSION,
        "commit": commit,
        "changed": changed,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "compiler": _kernels.COMPILER,
        "flags": _kernels.FLAGS,
        "simd": _kernels.simd_path(),
        "openmp": str(_kernels.OPENMP),
        "host": platform.node(),
        "machine": platform.machine(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


# What may change the bits of results; the rest is for the record.
DECISIVE = ("version", "commit", "changed", "numpy", "compiler", "flags", "machine")


@functools.cache  # the code of a process stays what it was
def _commit() -> tuple[str, str]:
    """Return the commit of the source tree the package runs from and whether it was changed since, else ''."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder.parent / ".git").exists():
        return "", ""
    # Git would look where these say, as in a hook of another repository, and not where the package is.
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # to ask changes nothing
    run: dict[str, Any] = {"cwd": folder, "capture_output": True, "text": True, "check": True, "timeout": 10}
    run |= {"env": environment, "stdin": subprocess.DEVNULL, "errors": "replace"}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], **run).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "", ""
    return commit, "yes" if changed else "no"
