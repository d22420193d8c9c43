"""Two coupled Lorenz systems in Numba, for bench_diffusions.py: `numba_lorenz.py NOISE.npy`, in a venv with numba.

Writes the states that steps with the given noise lead to, and the nanoseconds of a path step with noise of its own.
"""

import json
import sys
import time

import numba
import numpy as np

DT, NOISE = 1e-3, 4.0


@numba.njit
def step(x, z, scale):
    """Take a step of one path."""
    a, b, c, d, e, f = x
    return (
        a + (DT * (10 * (b - (1.5 * a - 0.5 * d))) + scale * z[0]),
        b + (DT * (28 * a - b - a * c) + scale * z[1]),
        c + (DT * (a * b - 8 / 3 * c) + scale * z[2]),
        d + (DT * (10 * (e - (1.5 * d - 0.5 * a))) + scale * z[3]),
        e + (DT * (28 * d - e - d * f) + scale * z[4]),
        f + (DT * (d * e - 8 / 3 * f) + scale * z[5]),
    )


@numba.njit
def given(noise):
    """Follow paths with given noise, (n_paths, n_steps, 6)."""
    out = np.empty((len(noise), 6))
    for p in range(len(noise)):
        x = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
        for t in range(noise.shape[1]):
            z = noise[p, t]
            x = step(x, (z[0], z[1], z[2], z[3], z[4], z[5]), NOISE * np.sqrt(DT))
        out[p] = x
    return out


@numba.njit
def drawn(rng, n_paths, n_steps):
    """Follow paths, each with noise drawn as it goes: no memory, the ziggurat of NumPy."""
    out = np.empty((n_paths, 6))
    scale = NOISE * np.sqrt(DT)
    for p in range(n_paths):
        x = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
        for _ in range(n_steps):
            z = (
                rng.standard_normal(),
                rng.standard_normal(),
                rng.standard_normal(),
                rng.standard_normal(),
                rng.standard_normal(),
                rng.standard_normal(),
            )
            x = step(x, z, scale)
        out[p] = x
    return out


if __name__ == "__main__":
    states = given(np.load(sys.argv[1]))
    rng = np.random.Generator(np.random.SFC64(1))
    drawn(rng, 2, 2)
    times = []
    for _ in range(7):
        begun = time.process_time()
        drawn(rng, 512, 2000)
        times.append(time.process_time() - begun)
    print(json.dumps({"states": states.tolist(), "nanoseconds": 1e9 * min(times) / (512 * 2000)}))
