"""The benchmarks run: what they time is right, before it is timed, and each of them finds what it calls."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_our_kernels_pass_the_check_of_the_competitors():
    """In a process of its own: a benchmark keeps to one core."""
    command = [sys.executable, "-m", "bench", "--quick", "--only", "ours", "--seconds", "1e-3", "--repeats", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for work in ("orbit", "leading", "spectrum"):
        assert f"{work}, M = 3, L = 4" in done.stdout
