"""`python -m bench.jobs`: whole jobs from the command line, from the start of Python to files on disk.

Prints user, system and wall time and the peak memory of `dmft run` on the run files of the paper's
diagram (701 points), of its zoom (4001 points) and of a phase diagram (200 x 200 points), and the
time that `import dmft` takes beyond that of Python itself.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).parents[1]
# pip leaves a package's bytecode beside it: so do we, whatever this process is told.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
JOBS = {
    "diagram, 701 points, all exponents": HOME / "examples" / "bifurcation.toml",
    "zoom, 4001 points, all exponents": HOME / "examples" / "bifurcation_zoom.toml",
    "phase diagram, 200 x 200 points, leading exponent": HOME / "bench" / "phase.toml",
}


def timed(command):
    """Run a command; return seconds of user, system and wall time, and its peak memory in MiB."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=HOME, env=ENVIRONMENT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    wall = time.perf_counter() - begun
    return {"user": used.ru_utime, "system": used.ru_stime, "wall": wall, "MiB": used.ru_maxrss / unit}


def import_seconds(repeats=9):
    """Return what `import dmft` adds to the start of Python, the median of several."""

    def wall(code):
        timed([sys.executable, "-c", code])
        return statistics.median(timed([sys.executable, "-c", code])["wall"] for _ in range(repeats))

    return wall("import dmft") - wall("pass")


def run(file, n_threads, changes):
    """Time `dmft run` into a new folder, picture and all."""
    with tempfile.TemporaryDirectory() as folder:
        sets = [word for change in changes for word in ("--set", change)]
        threads = ["--threads", str(n_threads)] if n_threads else []
        command = [sys.executable, "-m", "dmft", "run", str(file), "--out", str(Path(folder, "out")), "--quiet"]
        return timed([*command, *threads, *sets])


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description=__doc__)
    parser.add_argument("--only", default="", help="jobs with this in their name")
    parser.add_argument("--threads", type=int, action="append", help="may be given several times; default: 1, then all")
    parser.add_argument("--set", action="append", default=[], help="change a key, as run.n_steps=1000")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"import dmft": import_seconds()}
    print(f"import dmft: {found['import dmft']:.3f} s\n")
    print(f"{'':50} threads   user s  system s    wall s  peak MiB")
    for name, file in JOBS.items():
        if args.only not in name:
            continue
        for n_threads in args.threads or sorted({1, cores}):
            taken = run(file, n_threads, args.set)
            found[f"{name}, {n_threads} threads"] = taken
            print(f"{name:50} {n_threads:7} {taken['user']:8.2f} {taken['system']:9.2f}", end=" ")
            print(f"{taken['wall']:9.2f} {taken['MiB']:9.0f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
