"""Jumps per second of trajectories: compiled, an ensemble in NumPy, numba and GillesPy2 where they are installed.

Run with ``python bench/bench_jumps.py [--quick]``, one thread. All sides are timed in turns in one process, by the
clock of the thread, GillesPy2's compiled solver by that of its process; the fastest of several.
"""

import argparse
import itertools
import os
import resource
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


def gillespy(process, n, t, seed=1):
    """Run the compiled direct method of GillesPy2, one particle in a species a state; None where it is not installed.

    Its solver keeps no entropy and starts all trajectories in one state; the jumps are counted by their mean rate.
    """
    try:
        import gillespy2
    except ImportError:
        return None
    name = f"solver of {process.n_states} states to {t:g}"
    if name not in KEPT:
        model = gillespy2.Model(name="jumps")
        species = [gillespy2.Species(name=f"S{x}", initial_value=int(x == 0)) for x in range(process.n_states)]
        model.add_species(species)
        for k, (x, y, log_rate) in enumerate(zip(process.source, process.target, process.log_rate, strict=True)):
            rate = gillespy2.Parameter(name=f"k{k}", expression=float(np.exp(log_rate)))
            model.add_parameter(rate)
            model.add_reaction(
                gillespy2.Reaction(name=f"R{k}", reactants={species[x]: 1}, products={species[y]: 1}, rate=rate)
            )
        model.timespan(gillespy2.TimeSpan(np.array([0.0, t])))  # of all runs: a solver takes no other
        KEPT[name] = gillespy2.SSACSolver(model=model)
    KEPT[name].run(number_of_trajectories=n, seed=seed)
    return process.budget().activity * t * n


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
        "two dots, 4 states": (TwoDots().process, 4_000, 2_000.0),
        "forager, 81 states": (Forager().process, 4_000, 400.0),
        "dense, 40 states": (MarkovJump.from_rates(rng.exponential(size=(40, 40))), 4_000, 40.0),
    }
    sides = {"compiled": ours, "numba loop": numba_loop, "NumPy ensemble": numpy_ensemble, "GillesPy2": gillespy}
    print(f"| process | {' | '.join(sides)} | ratio to the best |")
    print("|---|" + "---|" * (len(sides) + 1))
    for name, (process, n, t) in cases.items():
        n = n // 40 if quick else n
        best = {}
        for _ in range(1 if quick else 5):
            for title, side in sides.items():
                if side is gillespy and process.n_states > 10:  # takes minutes to compile more
                    continue
                side(process, 2, t)  # compiled, and in the caches
                few = max(n // 40, 2) if side is gillespy else n
                begun = seconds()
                jumps = side(process, few, t)
                if jumps is not None:
                    best[title] = max(best.get(title, 0.0), jumps / (seconds() - begun))
        shown = [f"{best[title]:.3g}/s" if title in best else "-" for title in sides]
        others = [rate for title, rate in best.items() if title != "compiled"]
        print(f"| {name} | {' | '.join(shown)} | {best['compiled'] / max(others):.1f} |", flush=True)


def seconds():
    """Return the time that this thread and finished processes have worked."""
    return time.thread_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


if __name__ == "__main__":
    main()
