"""Nanoseconds a path step of two coupled Lorenz systems: compiled, with compiled drifts, an ensemble in NumPy.

Run with ``python bench/bench_diffusions.py [PYTHON]``, one thread; PYTHON is an interpreter that has Numba. Before
anything is timed all have to agree on paths with the same noise. The fastest of several by the clock of the process;
the ensemble with the best of three numbers of paths, in turn with the kernel. Cost: 30 cpu-seconds, and a C compiler.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dmft.diffusions import CoupledLorenz, Diffusion
from dmft.diffusions.paths import stream

DT = 1e-3
SYSTEM = CoupledLorenz(-0.5, noise=4.0)
DRIFT = """
#include <stdint.h>
void together(int64_t n, const double *restrict x, double *restrict v)
{
    for (int64_t i = 0; i < n; i++) {
        const double x0 = x[i], x1 = x[n + i], x2 = x[2 * n + i];
        const double x3 = x[3 * n + i], x4 = x[4 * n + i], x5 = x[5 * n + i];
        v[i] = 10 * (x1 - (1.5 * x0 - 0.5 * x3));
        v[n + i] = 28 * x0 - x1 - x0 * x2;
        v[2 * n + i] = x0 * x1 - 8. / 3 * x2;
        v[3 * n + i] = 10 * (x4 - (1.5 * x3 - 0.5 * x0));
        v[4 * n + i] = 28 * x3 - x4 - x3 * x5;
        v[5 * n + i] = x3 * x4 - 8. / 3 * x5;
    }
}
void drift(const double *x, double *v)
{
    v[0] = 10 * (x[1] - (1.5 * x[0] - 0.5 * x[3]));
    v[1] = 28 * x[0] - x[1] - x[0] * x[2];
    v[2] = x[0] * x[1] - 8. / 3 * x[2];
    v[3] = 10 * (x[4] - (1.5 * x[3] - 0.5 * x[0]));
    v[4] = 28 * x[3] - x[4] - x[3] * x[5];
    v[5] = x[3] * x[4] - 8. / 3 * x[5];
}
"""


def numpy_ensemble(n_paths, n_steps, given=None):
    """Take all paths a step further at a time, a component a row; return their states, shape (n_paths, 6)."""
    x, rng, scale = np.ones((6, n_paths)), np.random.default_rng(1), np.sqrt(DT) * SYSTEM.noise[:, None]
    for t in range(n_steps):
        noise = rng.standard_normal((6, n_paths)) if given is None else given[:, t].T
        velocity = np.array([
            10 * (x[1] - (1.5 * x[0] - 0.5 * x[3])), 28 * x[0] - x[1] - x[0] * x[2], x[0] * x[1] - 8 / 3 * x[2],
            10 * (x[4] - (1.5 * x[3] - 0.5 * x[0])), 28 * x[3] - x[4] - x[3] * x[5], x[3] * x[4] - 8 / 3 * x[5],
        ])  # fmt: skip
        x = x + DT * velocity + scale * noise
    return x.T


def compiled_drifts(folder):
    """Return the drift of one state and of many as functions of a C library."""
    source, library = Path(folder, "drift.c"), Path(folder, "drift.so")
    source.write_text(DRIFT)
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library], check=True)
    one, many = ctypes.CDLL(str(library)).drift, ctypes.CDLL(str(library)).together
    one.restype, one.argtypes = None, [ctypes.POINTER(ctypes.c_double)] * 2
    many.restype, many.argtypes = None, [ctypes.c_int64, *one.argtypes]
    return one, many


def per_step(run, n_paths, n_steps, repeats=5):
    """Return nanoseconds a path step."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        run(n_paths, n_steps)
        times.append(time.process_time() - begun)
    return 1e9 * min(times) / (n_paths * n_steps)


def main():
    """Print a line for each way."""
    with tempfile.TemporaryDirectory() as folder:
        one, many = (Diffusion(drift, SYSTEM.noise) for drift in compiled_drifts(folder))
        arrays = Diffusion(SYSTEM.drift, SYSTEM.noise)
        options = {"dt": DT, "seed": 1, "n_threads": 1}
        # The noise of 16 paths for 200 steps, and where it leads: the same by every way.
        noise = stream(1, 16, 0, 200 * 6).reshape(16, 200, 6)
        ends = SYSTEM.paths(16, 200, burn=0.0, every=200, start=np.ones((16, 6)), **options)[:, 0]
        others = [way.paths(np.ones((16, 6)), 200, every=200, **options)[:, 0] for way in (one, many, arrays)]
        others.append(numpy_ensemble(16, 200, noise))
        peer = None
        if len(sys.argv) > 1:
            np.save(Path(folder, "noise.npy"), noise)
            script = Path(__file__).parent / "peers" / "numba_lorenz.py"
            command = [sys.argv[1], script, Path(folder, "noise.npy")]
            peer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            others.append(np.array(peer["states"]))
        for other in others:
            np.testing.assert_allclose(other, ends, rtol=1e-10)
        in_turn = [
            (
                per_step(lambda n, t: SYSTEM.paths(n, t, burn=0.0, every=t, **options), 512, 2000, 3),
                min(per_step(numpy_ensemble, n, 100_000 // n, 1) for n in (512, 2048, 4096)),
            )
            for _ in range(9)
        ]
        kernel, ensemble = (min(times) for times in zip(*in_turn, strict=True))
        ways = {
            "kernel": kernel,
            "drift of many": per_step(lambda n, t: many.paths(np.ones((n, 6)), t, every=t, **options), 512, 2000),
            "drift of one": per_step(lambda n, t: one.paths(np.ones((n, 6)), t, every=t, **options), 512, 2000),
            "drift of arrays": per_step(lambda n, t: arrays.paths(np.ones((n, 6)), t, every=t, **options), 512, 200, 3),
            "NumPy ensemble": ensemble,
        }
    if peer:
        ways["Numba, a path at a time"] = peer["nanoseconds"]
    for name, nanoseconds in ways.items():
        print(f"{name:24} {nanoseconds:8.1f} ns   {ensemble / nanoseconds:5.1f} x NumPy")
    ratios = sorted(theirs / ours for ours, theirs in in_turn)
    print(f"kernel, in turn with the ensemble: {ratios[0]:.1f} to {ratios[-1]:.1f}, median {ratios[4]:.1f} x NumPy")


if __name__ == "__main__":
    main()
