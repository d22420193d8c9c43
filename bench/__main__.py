"""`python -m bench`: the kernels, their peers and the core's limit, side by side in one run."""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Before any library starts its threads: one core, one thread for everybody.
CORE = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
if CORE is not None:
    os.sched_setaffinity(0, {CORE})
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np  # noqa: E402

from bench import ours, peers, roofline  # noqa: E402
from bench.peers import common  # noqa: E402
from dmft import _kernels  # noqa: E402

SCALAR_POINTS = 64  # peers that take one point after the other are timed on this many at most
LEAST_STEPS = 8


def parse():
    def sizes(text):
        return [tuple(map(int, size.split("x"))) for size in text.split(",")]

    def numbers(text):
        return [int(n) for n in text.split(",")]

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--points", type=numbers, default=[16, 64, 256, 1024, 4096], help="batches")
    parser.add_argument("--sizes", type=sizes, default=list(common.SIZES), help="such as 3x4,5x4: M x L")
    parser.add_argument("--works", type=lambda text: text.split(","), default=list(common.WORKS))
    parser.add_argument("--only", default="", help="competitors with this in their name, besides ours")
    parser.add_argument("--path", choices=_kernels.simd_paths(), help="SIMD path of ours")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="length of one run")
    parser.add_argument("--limit", type=float, default=20.0, help="skip whoever needs longer than this for 8 steps")
    parser.add_argument("--quick", action="store_true", help="3x4 and 64 points only, 3 short repeats")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    args = parser.parse_args()
    if args.quick:
        args.points, args.sizes, args.repeats, args.seconds = [64], [(3, 4)], 3, 0.03
    return args


def machine():
    """Return what the numbers depend on besides the code."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(": ")[1] for line in lines if "model name" in line), processor)
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "processor": processor,
        "core": CORE,
        "compiler": _kernels.COMPILER,
        "flags": _kernels.FLAGS,
        "path": _kernels.simd_path(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "revision": revision.stdout.strip(),
    }


def cpu_seconds(function, problem, n_steps):
    """Time of this process: what others do on the core in the meantime is not in it."""
    start = time.process_time()
    with np.errstate(all="ignore"):  # the last exponents of a large beta are often -inf
        function(problem, n_steps)
    return time.process_time() - start


class Runner:
    """One competitor on one problem, with as many steps as fill a run."""

    def __init__(self, peer, work, problem, seconds, limit):
        self.name, self.function = peer.name, peer.function(work)
        self.problem = problem if peer.batched else problem.spread(SCALAR_POINTS)
        self.samples = []
        self.skipped = None
        n_steps = LEAST_STEPS
        while True:
            cpu_seconds(self.function, self.problem, n_steps)  # compiles
            taken = cpu_seconds(self.function, self.problem, n_steps)
            if taken > limit:
                self.skipped = f"{taken:.0f} s for {n_steps} steps"
                return
            if taken > 0.5 * seconds:
                break
            n_steps = min(64 * n_steps, max(n_steps + 1, int(n_steps * seconds / max(taken, 1e-6))))
        self.n_steps = n_steps

    def sample(self):
        taken = cpu_seconds(self.function, self.problem, self.n_steps)
        self.samples.append(1e9 * taken / (self.n_steps * self.problem.n_points))


def settled(problem):
    """Return a problem with the windows of a hundred of their lengths later, as most steps of a run have them."""
    n_context = problem.window.shape[1]
    return dataclasses.replace(problem, window=ours.orbit(problem, 100 * n_context))


def measure(args, work, size, n_points, competitors):
    """Return the competitors with their times and the core's rates, all taken in turns.

    A core that others use too changes its speed within seconds: the limit must be measured beside
    what is compared with it.
    """
    problem = settled(common.problem(*size, n_points))
    runners = [Runner(peer, work, problem, args.seconds, args.limit) for peer in competitors]
    rates = []
    for _ in range(args.repeats):
        rates.append(roofline.sample(_kernels.simd_path()))
        for runner in runners:
            if not runner.skipped:
                runner.sample()
    return runners, roofline.summary(rates, statistics.median)


def rows(runners, bound):
    """Yield name, median, half the interquartile range, the least, ratio to ours and fraction of the bound."""
    ours = statistics.median(runners[0].samples)
    for runner in runners:
        if runner.skipped:
            yield {"name": runner.name, "skipped": runner.skipped}
            continue
        low, median, high = np.percentile(runner.samples, [25, 50, 75])
        yield {
            "name": runner.name,
            "ns": median,
            "spread": (high - low) / 2,
            "least": min(runner.samples),
            "ratio": median / ours,
            "reached": bound / median,
            "n_steps": runner.n_steps,
            "samples": runner.samples,
        }


def line(row):
    if "skipped" in row:
        return f"  {row['name']:27}  {row['skipped']}"
    time = f"{row['ns']:12.1f} +- {row['spread']:9.1f} {row['least']:10.1f}"
    return f"  {row['name']:27} {time} {row['ratio']:9.2f} {row['reached']:9.3f}"


def main():
    args = parse()
    if args.path:
        _kernels.simd_path(args.path)
    facts = machine()
    best = roofline.measure(facts["path"])
    for name, value in facts.items():
        print(f"{name:>10}: {value}")
    print(
        f"      core: about {best.clock:.2f} GHz; at best, ns per element: {best.fma:.4f} FMA, "
        f"{best.division:.3f} division, "
        f"{best.exp:.3f} exp, {best.tanh:.3f} tanh"
    )
    print("\nns of CPU time per step and point: median, half the interquartile range, least; times ours; part")
    print("reached of the speed at which our arithmetic alone would take all of the core's FMA units\n")
    print(f"  {'':27} {'ns':>12}    {'':9} {'least':>10} {'/ ours':>9} {'reached':>9}")
    tables = []
    for size in args.sizes:
        for work in args.works:
            competitors = [peers.OURS]
            for peer in peers.PEERS:
                if not peer.takes(work, *size) or (args.only not in peer.name and peer is not peers.ONE_SIDED):
                    continue
                if peer.missing:
                    print(f"  {peer.name:27}  {peer.missing}")
                else:
                    competitors.append(peer)
            for peer in competitors:
                peers.check(peer, work, *size)
            for n_points in args.points:
                runners, rates = measure(args, work, size, n_points, competitors)
                M, L, J = runners[0].problem.sizes
                counts = roofline.counts(work, M, L, J)
                bound = counts.bound(rates)
                table = list(rows(runners, bound))
                print(f"{work}, M = {M}, L = {L}, J = {J}, {n_points} points: at least {bound:.1f} ns")
                print("\n".join(map(line, table)), flush=True)
                tables.append(
                    {
                        "work": work, "M": M, "L": L, "J": J, "n_points": n_points, "counts": vars(counts),
                        "bound": bound, "rates": vars(rates), "rows": table,
                    }
                )  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps({"machine": facts, "best_rates": vars(best), "tables": tables}, indent=1))
        print(f"\nwritten to {args.json}")


if __name__ == "__main__":
    sys.exit(main())
