"""Jumps per second of trajectories: compiled, an ensemble in NumPy, and a loop in numba where it is installed.

Run with ``python bench/bench_jumps.py [--quick]``, one thread. All sides are timed in turns in one process, by the
clock of the thread; the fastest of several.
"""

import argparse
import itertools
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np

from dmft.thermodynamics import MarkovJump
from dmft.thermodynamics.agents import Forager, TwoDots


def tables(process):
    """Return where the edges of each state begin, targets, cumulative rates from 0 in each state, entropies."""
    order = np.argsort(process.source, kind="stable")
    first = np.searchsorted(process.source[order], np.arange(process.n_states + 1))
    rate = np.exp(process.log_rate[order])
    cumulative = np.concatenate([np.cumsum(rate[a:b]) for a, b in itertools.pairwise(first)])
    return first, process.target[order], cumulative, process.log_ratio[order]


def numpy_ensemble(process, n, t, seed=1):
    """Take all trajectories a jump further at a time: a vector operation over them for each line."""
    first, target, cumulative, gain = tables(process)
    total, rng = cumulative[first[1:] - 1], np.random.default_rng(seed)
    offset = np.arange(process.n_states) * (total.max() + 1)
    table = cumulative + np.repeat(offset, np.diff(first))  # one sorted array for all states
    x = rng.choice(process.n_states, n, p=process.stationary())
    now, flow, alive, jumps = np.zeros(n), np.zeros(n), np.arange(n), 0
    while alive.size:
        here = x[alive]
        now[alive] += rng.exponential(size=alive.size) / total[here]
        going = now[alive] < t
        alive, here = alive[going], here[going]
        edge = np.searchsorted(table, offset[here] + rng.random(alive.size) * total[here], side="right")
        flow[alive] += gain[edge]
        x[alive] = target[edge]
        jumps += alive.size
    return jumps


def numba_loop(process, n, t, seed=1):
    """Run a plain loop, compiled by numba; None where it is not installed."""
    try:
        import numba
    except ImportError:
        return None
    if "loop" not in KEPT:

        @numba.njit
        def loop(first, target, cumulative, gain, law, n, t, seed):
            np.random.seed(seed)  # noqa: NPY002 - what numba compiles
            jumps, flows = 0, np.zeros(n)
            for i in range(n):
                x, now = np.searchsorted(law, np.random.random() * law[-1]), 0.0  # noqa: NPY002
                while True:
                    low, high = first[x], first[x + 1]
                    now -= np.log(np.random.random()) / cumulative[high - 1]  # noqa: NPY002
                    if now >= t:
                        break
                    r = np.random.random() * cumulative[high - 1]  # noqa: NPY002
                    while low < high - 1 and cumulative[low] <= r:
                        low += 1
                    flows[i] += gain[low]
                    x = target[low]
                    jumps += 1
            return jumps

        KEPT["loop"] = loop
    return KEPT["loop"](*tables(process), np.cumsum(process.stationary()), n, t, seed)


KEPT = {}


def ours(process, n, t, seed=1):
    """Follow them with the package."""
    return int(process.paths(n, t, seed=seed, p0=process.stationary(), n_threads=1).n_jumps.sum())


def main():
    """Time all sides and print jumps per second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rng = np.random.default_rng(0)
    cases = {
        "two dots, 4 states": (TwoDots().process, 4_000, 100.0),
        "forager, 81 states": (Forager().process, 4_000, 300.0),
        "dense, 40 states": (MarkovJump.from_rates(rng.exponential(size=(40, 40))), 4_000, 20.0),
    }
    print("| process | compiled | numba loop | NumPy ensemble | ratio to the best |")
    print("|---|---|---|---|---|")
    for name, (process, n, t) in cases.items():
        n = n // 40 if quick else n
        best = {}
        for _ in range(1 if quick else 5):
            for side in (ours, numba_loop, numpy_ensemble):
                side(process, 2, 1.0)  # compiled, and in the caches
                begun = time.thread_time()
                jumps = side(process, n, t)
                if jumps is not None:
                    best[side] = max(best.get(side, 0.0), jumps / (time.thread_time() - begun))
        others = [best[side] for side in (numba_loop, numpy_ensemble) if side in best]
        shown = [f"{best[side]:.3g}/s" if side in best else "-" for side in (ours, numba_loop, numpy_ensemble)]
        print(f"| {name} | {' | '.join(shown)} | {best[ours] / max(others):.1f} |")


if __name__ == "__main__":
    main()
