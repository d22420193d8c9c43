"""Cost of a step of a finite network: against its size, explicit spins, and NumPy as the authors write it.

Run with ``python bench/bench_network.py [--quick]``, one thread. All sides of a ratio are timed in turns in
one process, by the clock of the thread; the fastest of several.
"""

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import dmft
from dmft.attention.position import position_bits

MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
MANY = dmft.SelfAttention(
    dmft.Features.random(n_features=3, n_sites=990, n_positions=2, seed=1), n_context=4, beta=1.27, gamma=220.0,
    epsilon=0.02,
)  # fmt: skip
N_AUTHORS = 990_000


def numpy_network(n_steps, n_sites=N_AUTHORS, seed=0):
    """One network in NumPy, a vector operation over the sites for each line of the equations."""
    features, L = MODEL.features, MODEL.n_context
    repeat = n_sites // features.n_sites
    semantic = {role: np.repeat(w[:, :99], repeat, axis=1).astype(float) for role, w in features.weights.items()}
    position = {role: w[:, 99:].astype(float) for role, w in features.weights.items()}
    bits, rng = position_bits(2), np.random.RandomState(seed)
    x, keys, values, out = np.ones(n_sites), [], [], []
    for t in range(n_steps):
        m = {
            role: 0.98 * semantic[role] @ x / n_sites + 0.02 * position[role] @ bits[t % L] / 2
            for role in ("query", "key", "value", "output")
        }
        keys, values = [m["key"], *keys][:L], [m["value"], *values][:L]
        score = MODEL.gain * np.array(keys) @ m["query"]
        weights = np.exp(score - score.max())
        out.append(weights / weights.sum() @ np.array(values))
        chance = (1 + np.tanh(MODEL.beta * out[-1] @ semantic["output"])) / 2
        x = np.where(chance > rng.uniform(0, 1, n_sites), 1.0, -1.0)
    return np.array(out)


def exact(n_sites, n_steps, n_replicas=1, model=MODEL):
    """Seconds per step and network of the exact sampler."""
    begun = time.thread_time()
    dmft.network(model, 1, n_transient=n_steps - 1, n_sites=n_sites, n_replicas=n_replicas, seed=1, n_threads=1)
    return (time.thread_time() - begun) / n_steps / n_replicas


def spins(n_sites, n_steps):
    """Seconds per step of explicit spins."""
    begun = time.thread_time()
    dmft.network(MODEL, 1, n_transient=n_steps - 1, n_sites=n_sites, seed=1, method="spins", n_threads=1)
    return (time.thread_time() - begun) / n_steps


def authors(n_steps):
    """Seconds per step of NumPy, without its set-up."""
    begun = time.thread_time()
    numpy_network(1)
    one = time.thread_time() - begun
    begun = time.thread_time()
    numpy_network(1 + n_steps)
    return (time.thread_time() - begun - one) / n_steps


def in_turns(calls, n):
    """The fastest of n timings of each call, all taken in turns."""
    return np.min([[call() for call in calls] for _ in range(n)], axis=0)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    few = parser.parse_args().quick
    n_steps = 5_000 if few else 20_000

    sizes = [10**k for k in range(2, 13, 2)]
    print(f"exact sampler, ns per step and network (load {os.getloadavg()[0]:.1f})")
    print(f"{'N':>8s} {'3 columns':>10s} {'8 replicas':>11s} {'many columns':>13s}")
    calls = [
        call
        for n in sizes
        for call in (
            lambda n=n: exact(n, n_steps),
            lambda n=n: exact(n, n_steps // 4, 8),
            lambda n=n: exact(n, 20, 8, MANY),
        )
    ]
    table = in_turns(calls, 3 if few else 7).reshape(-1, 3)
    for n, row in zip(sizes, 1e9 * table, strict=True):
        print(f"{n:8.0e} {row[0]:10.0f} {row[1]:11.0f} {row[2]:13.0f}")
    ratio = table.max(axis=0) / table.min(axis=0)
    print(f"{'most/least':>8s} {ratio[0]:8.2f} {ratio[1]:11.2f} {ratio[2]:13.2f}")

    calls = (
        lambda: authors(2),
        lambda: spins(N_AUTHORS, 10),
        lambda: exact(N_AUTHORS, n_steps),
        lambda: exact(N_AUTHORS, n_steps // 4, 8),
    )
    numpy, explicit, single, batch = in_turns(calls, 3 if few else 7)
    print(
        f"\none step of N = {N_AUTHORS}: NumPy {1e3 * numpy:.2f} ms ({1e9 * numpy / N_AUTHORS:.2f} ns a spin), "
        f"explicit spins {1e6 * explicit:.0f} us ({1e9 * explicit / N_AUTHORS:.2f} ns a spin), "
        f"exact {1e9 * single:.0f} ns, {1e9 * batch:.0f} ns in a batch of 8"
    )
    print(
        f"spins against NumPy x{numpy / explicit:.1f}, exact against spins x{explicit / single:.0f}, against NumPy "
        f"x{numpy / single:.0f}; in a batch x{explicit / batch:.0f} and x{numpy / batch:.0f}"
    )


if __name__ == "__main__":
    main()
