"""Nanoseconds a step of a map of compiled functions, beside the attention kernel of the same equations.

Run with ``python bench/bench_maps.py``, one thread, by an interpreter that has Numba. The paper's network is written as
a function of `numba.njit` with the kernel's own economy: its state is the attention and the overlaps that it made, so
that a step has three tanh and four exp, as in the kernel. Both have sixteen points side by side, and take the same
steps, which is checked before they are timed, in turn, by the clock of the process; so do C, a point at a time, and
Numba on the Henon map. About 10 cpu-seconds.
"""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numba
import numpy as np
from scipy import LowLevelCallable

import dmft
from dmft.maps import _maps

NETWORK = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.5, gamma=220.0, epsilon=0.02)
SIGNS = np.ascontiguousarray(NETWORK.features.classes.signs)
ROLES = "query", "key", "value"
COUPLINGS = np.stack([NETWORK.features.classes.couplings[role] for role in ROLES])
FIELDS = np.stack([NETWORK.features.position_field(role, 4) for role in ROLES])
GAIN, EPSILON = NETWORK.gain, NETWORK.epsilon
M, L, J = 3, 4, len(SIGNS)


@numba.njit
def step(window, beta, phase):
    """Return attention, key and value overlaps from those of four steps."""
    out, query, scores = np.zeros(9), np.zeros(M), np.zeros(L)
    for j in range(J):
        field = 0.0
        for f in range(M):
            field += SIGNS[j, f] * window[0, f]
        activity = (1.0 - EPSILON) * np.tanh(beta * field)
        for f in range(M):
            query[f] += COUPLINGS[0, j, f] * activity
            out[3 + f] += COUPLINGS[1, j, f] * activity
            out[6 + f] += COUPLINGS[2, j, f] * activity
    for f in range(M):
        query[f] += EPSILON * FIELDS[0, phase, f]
        out[3 + f] += EPSILON * FIELDS[1, phase, f]
        out[6 + f] += EPSILON * FIELDS[2, phase, f]
    top = -np.inf
    for d in range(L):
        for f in range(M):
            scores[d] += query[f] * (out[3 + f] if d == 0 else window[d - 1, 3 + f])
        scores[d] *= GAIN
        top = max(top, scores[d])
    total = 0.0
    for d in range(L):
        scores[d] = np.exp(scores[d] - top)
        total += scores[d]
    for d in range(L):
        weight = scores[d] / total
        for f in range(M):
            out[f] += weight * (out[6 + f] if d == 0 else window[d - 1, 6 + f])
    return out


@numba.njit
def henon(state, a, b):
    """Return the next state."""
    return 1.0 - a * state[0] * state[0] + state[1], b * state[0]


def seconds(*calls, repeats=5):
    """Return the least seconds of each of several calls, made in turn."""
    best = [np.inf] * len(calls)
    for _ in range(repeats):
        for i, call in enumerate(calls):
            begun = time.process_time()
            call()
            best[i] = min(best[i], time.process_time() - begun)
    return best


def network_sweeps(n_points=256, n_steps=40_000):
    """Print the time of both sweeps of the network."""
    begun = dmft.trajectory(NETWORK, 8)
    parts = begun.attention, begun.overlaps["key"], begun.overlaps["value"]
    state = np.concatenate(parts, axis=1)[: -L - 1 : -1]
    model = dmft.Map(step, state=state, parameters={"beta": 1.5}, lags=L, period=4, derivative="differences")
    found = dmft.trajectory(model, 20).states[:, :M]
    known = dmft.trajectory(NETWORK, 20, start=begun.window).attention
    assert np.abs(found - known).max() < 1e-9, np.abs(found - known).max()
    axis, how = np.linspace(0.5, 3.0, n_points), {"n_steps": n_steps, "n_rows": 1, "n_transient": 0, "progress": False}
    kernel, compiled = seconds(
        lambda: dmft.sweep(NETWORK, beta=axis, **how, n_threads=1),
        lambda: dmft.sweep(model, beta=axis, **how, n_threads=1),
    )
    each = 1e9 / (n_points * n_steps)
    print(f"the paper's network: kernel {kernel * each:.1f} ns a step, Map {compiled * each:.1f} ns,")
    print(f"  a ratio of {compiled / kernel:.2f} for the same operations")


def henon_sweeps(n_points=64, n_steps=100_000):
    """Print the time of sweeps of the Henon map."""
    options = {"state": [0.1, 0.1], "parameters": {"a": 1.4, "b": 0.3}}
    of_c, of_numba = dmft.Map(LowLevelCallable.from_cython(_maps, "henon"), **options), dmft.Map(henon, **options)
    axis, how = np.linspace(0.0, 1.4, n_points), {"n_rows": 1, "n_transient": 0, "progress": False, "n_threads": 1}
    times = seconds(*(lambda m=m: dmft.sweep(m, a=axis, n_steps=n_steps, **how) for m in (of_c, of_numba)))
    each = 1e9 / (n_points * n_steps)
    print(f"Henon map, five operations: C {times[0] * each:.1f} ns a step, Numba {times[1] * each:.1f} ns")


if __name__ == "__main__":
    network_sweeps()
    henon_sweeps()
