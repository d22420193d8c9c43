"""`python -m bench.dealer`: how many ranks one dealer can keep busy.

Measures, here and now, what rank 0 spends on a task and how much tasks of a sweep differ; then lets a
small discrete-event simulation say what efficiency to expect of 10 to 10 000 ranks. Rank 0 counts as a
rank, although it computes nothing.
"""

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from dmft.sweeps.job import Job

RANKS = (10, 100, 1_000, 10_000)
SECONDS = (0.1, 1.0, 10.0, 60.0)  # of a task
TASKS_A_WORKER = (8, 64)
N_EMPTY = 4_000


def simulate(durations, n_workers, dealing, latency):
    """Return when the last of some tasks is done, and how long rank 0 was busy.

    Rank 0 serves one worker at a time, in the order in which they ask: it takes in a result and gives
    out a task, which costs it `dealing` seconds. A message needs `latency` seconds to be noticed.
    """
    asking = [0.0] * min(n_workers, len(durations))  # when each worker's next request arrives
    free = end = 0.0
    for duration in durations:
        free = max(free, heapq.heappop(asking)) + dealing
        back = free + latency + duration + latency
        heapq.heappush(asking, back)
        end = max(end, back)
    return end + dealing, len(durations) * dealing


class Empty(Job):
    """A job that costs nothing, so that what is left is the dealing."""

    names = ("x",)
    point: ClassVar = {"x": 0.0}
    block = 1
    max_threads = 1
    variables: ClassVar = {"status": ((), "1", "0: finished")}

    def check(self, name, value):
        """Let everything pass."""

    def specification(self):
        return {"job": "nothing"}

    def run(self, task, n_threads, tick):
        return {"status": np.zeros(1, np.int8)}


def empty_tasks():
    """Deal tasks that cost nothing (on several ranks); print the seconds of each in the quickest hundred."""
    import dmft
    from dmft.sweeps.coordinator import Coordinator

    times, keep = [], Coordinator.keep

    def timed(self, task, report):
        keep(self, task, report)
        times.append(time.perf_counter())

    Coordinator.keep = timed
    result = dmft.scan(Empty(), x=np.zeros(N_EMPTY), block=1, progress=False)
    if result is not None:
        # Other work on this machine can only make it slower.
        print(json.dumps(float((np.array(times)[100:] - np.array(times)[:-100]).min() / 100)))


def measure_dealing(n_ranks):
    """Return the seconds from one task to the next on so many ranks, if tasks cost nothing."""
    mpiexec = Path(sys.executable).with_name("mpiexec")
    command = [mpiexec, "-n", n_ranks, sys.executable, "-m", "mpi4py", "-m", "bench.dealer", "--empty"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure_log():
    """Return the seconds of a line of the log."""
    import dmft
    from dmft.store import Store

    with tempfile.TemporaryDirectory() as folder:
        dmft.scan(Empty(), x=[0.0], store=folder, progress=False)
        store = Store.open(folder)
        seconds = []
        for _ in range(1_000):
            begun = time.perf_counter()
            store.log("block 123456: 256 points in 1.23 s (host:123456)")
            seconds.append(time.perf_counter() - begun)
        return float(np.median(seconds))


def measure_tasks():
    """Return the seconds of one core for the blocks of a bifurcation diagram."""
    import dmft
    from dmft.attention.plan import Plan
    from dmft.attention.sweep_job import AttentionSweep
    from dmft.sweeps.grid import Task

    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    plan = Plan(model=model, n_steps=75_000, n_transient=100_000, record=("attention",), n_rows=100, n_exponents=None)
    job = AttentionSweep(plan, dmft.Start.random(0))
    grid = job.grid({"beta": np.linspace(0.1, 3, 321)})
    seconds = []
    for block in job.cut(grid, 16)[:-1]:  # the last one is smaller
        begun = time.process_time()
        job.run(Task.of(block, grid, (), 16), 1, lambda n_points: None)
        seconds.append(time.process_time() - begun)
    return np.array(seconds)


def main():
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.dealer", description=__doc__)
    parser.add_argument("--empty", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--dealing", type=float, help="seconds of rank 0 for a task [measured]")
    parser.add_argument("--latency", type=float, help="seconds until a message is noticed [measured]")
    arguments = parser.parse_args()
    if arguments.empty:
        empty_tasks()
        return
    round_trip, shared, line = measure_dealing(2), measure_dealing(3), measure_log()
    # Rank 0 does its part of either, so the quicker one bounds it; more processes than cores disturb.
    dealing = arguments.dealing or min(round_trip, shared) + line
    latency = arguments.latency or max(round_trip - dealing, 0.0) / 2
    seconds = measure_tasks()
    spread = seconds / seconds.mean()
    print(f"an empty task: {1e3 * round_trip:.3f} ms with one worker, {1e3 * shared:.3f} ms with two")
    print(f"a line of the log: {1e3 * line:.3f} ms")
    print(f"taken for rank 0: {1e3 * dealing:.3f} ms a task, {1e3 * latency:.3f} ms until a message is noticed")
    print(f"blocks of a bifurcation diagram: standard deviation {spread.std():.0%} of the mean {seconds.mean():.2f} s")
    rng = np.random.default_rng(1)
    print("\nefficiency of all ranks, and how busy rank 0 is")
    print(f"{'task':>7} {'tasks':>7}   " + "".join(f"{ranks:>8} ranks     " for ranks in RANKS))
    for mean in SECONDS:
        for tasks in TASKS_A_WORKER:
            cells = []
            for ranks in RANKS:
                durations = mean * rng.choice(spread, (ranks - 1) * tasks)
                end, busy = simulate(durations, ranks - 1, dealing, latency)
                cells.append(f"{durations.sum() / (ranks * end):>8.1%} ({busy / end:>4.0%})    ")
            print(f"{mean:>5.1f} s {tasks:>7}   " + "".join(cells))
    print(f"\nrank 0 is the limit beyond (seconds of a task) / {1e3 * dealing:.2f} ms ranks")


if __name__ == "__main__":
    main()
