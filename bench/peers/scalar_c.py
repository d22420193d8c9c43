"""Scalar C, compiled for the sizes of the problem when it is first needed."""

import ctypes
import functools
import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from dmft import _kernels

from .common import by_slot, newest_first

SOURCE = Path(__file__).with_suffix(".c")
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
PACKAGE = tuple(flag for flag in _kernels.FLAGS.split() if flag != "-fopenmp")
PLAIN = ("-O3",)
NATIVE = ("-O3", "-march=native", "-ffast-math")


@functools.cache
def build(M, L, J, flags):
    """Return the compiled library."""
    sizes = [f"-DM={M}", f"-DL={L}", f"-DJ={J}"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "scalar.so")
        subprocess.run([*COMPILER, *flags, *sizes, "-shared", "-fPIC", SOURCE, "-o", target, "-lm"], check=True)
        return ctypes.CDLL(str(target))  # stays loaded when the file is gone


def call(name, problem, n_steps, flags, *out):
    def array(x):
        return np.ascontiguousarray(x).ctypes.data_as(ctypes.c_void_p)

    rings = np.ascontiguousarray(by_slot(problem))
    getattr(build(*problem.sizes, flags), name)(
        *map(array, (problem.signs, problem.couplings, problem.position)),
        ctypes.c_long(problem.n_points),
        *map(array, (problem.beta, problem.gain, problem.epsilon, rings)),
        ctypes.c_int(problem.phase),
        ctypes.c_long(n_steps),
        *map(array, out),
    )
    return rings


def orbit(problem, n_steps, flags=PACKAGE):
    rings = call("orbit", problem, n_steps, flags)
    return newest_first(rings, (problem.phase + n_steps) % problem.sizes[1])


def leading(problem, n_steps, flags=PACKAGE):
    exponents = np.empty(problem.n_points)
    call("leading", problem, n_steps, flags, exponents)
    return exponents


def spectrum(problem, n_steps, flags=PACKAGE):
    exponents = np.empty((problem.n_points, problem.window[0].size))
    call("spectrum", problem, n_steps, flags, exponents)
    return exponents
