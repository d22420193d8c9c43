"""Compiled paths of diffusions, and their noise. Shapes are checked at the top; values, in lorenz.py and paths.py.

The kernels are C, compiled once for each instruction set (`csrc/README.md`); this file has the loops over paths and
holds the instruction set in use. The twin is reference.py.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.math cimport isfinite
from libc.stdint cimport uint64_t, uintptr_t

import numpy as np

from .._util import simd as _simd
from .._util.crew cimport Crew, crew_of, dismiss, next_part
from .._util.doors cimport natural, positive, ranged, sized

cdef extern from "diffusions/diffusions.h" nogil:
    enum: LORENZ
    enum: TOGETHER
    ctypedef struct Lorenz:
        double sigma, rho, b, coupling, drive, speed
        double noise[6]
    ctypedef struct Run:
        double dt
        int heun
        uint64_t seed, step
        Py_ssize_t n_steps, every
    ctypedef struct Driven:
        const void *drift
        int together
        Py_ssize_t d
        double dt
        int heun
        const double *scale
        uint64_t seed, four
        Py_ssize_t offset, n_steps, before, every
    Py_ssize_t driven_work(Py_ssize_t)
    ctypedef struct Diffusions:
        Py_ssize_t width
        void (*lorenz)(const Lorenz *, const Run *, uint64_t, Py_ssize_t, double *, double *,
                       const double *) noexcept nogil
        void (*normals)(uint64_t, uint64_t, Py_ssize_t, uint64_t, Py_ssize_t, double *) noexcept nogil
        void (*driven)(const Driven *, uint64_t, Py_ssize_t, double *, double *, Py_ssize_t, double *) noexcept nogil
        void (*velocities)(const Driven *, Py_ssize_t, const double *, double *, double *) noexcept nogil

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define DIFFUSIONS(isa) &dmft_diffusions_##isa
    static const Diffusions *const diffusions_sets[] = EACH_SET(DIFFUSIONS);
    """
    const Diffusions *diffusions_sets[]

cdef const Diffusions *_active


def _use(int i):
    global _active
    ranged("set", i, 0, N_SETS - 1)
    _active = diffusions_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


def lorenz(*,
           const double[::1] system,       # IN  (12,): sigma, rho, b, coupling, drive, speed, noise
           double dt,
           bint heun,
           uint64_t seed,
           uint64_t first_path,            # number of the first path
           uint64_t first_step,            # number of the first step
           Py_ssize_t n_steps,
           Py_ssize_t every,
           double[:, ::1] state,           # INOUT (n_paths, 6)
           double[:, :, ::1] kept,         # OUT (n_paths, n_steps / every, 6) or None
           const double[:, :, ::1] noise,  # IN  (n_paths, n_steps, 6) instead of that of the seed, or None
           int n_threads):
    """Follow paths of two coupled Lorenz systems, each on a stream of its own."""
    cdef Py_ssize_t n = state.shape[0], width = _active.width, i, n_blocks, n_kept = 0
    cdef Lorenz model
    cdef Run run
    cdef double *out = NULL
    cdef const double *given = NULL
    positive("n_threads", n_threads)
    natural("n_steps", n_steps)
    positive("every", every)
    sized("system", system.shape, (12,))
    sized("state", state.shape, (-1, LORENZ))
    if kept is not None:
        n_kept = n_steps // every
        sized("kept", kept.shape, (n, n_kept, LORENZ))
    if noise is not None:
        sized("noise", noise.shape, (n, n_steps, LORENZ))
    if not isfinite(dt):
        raise ValueError(f"dt must be finite, got {dt}")
    if n == 0 or n_steps == 0:
        return
    if kept is not None and n_kept:
        out = &kept[0, 0, 0]
    if noise is not None:
        given = &noise[0, 0, 0]
    model.sigma, model.rho, model.b, model.coupling = system[0], system[1], system[2], system[3]
    model.drive, model.speed = system[4], system[5]
    for i in range(LORENZ):
        model.noise[i] = system[6 + i]
    run.dt, run.heun, run.seed, run.step = dt, heun, seed, first_step
    run.n_steps, run.every = n_steps, every
    n_blocks = (n + width - 1) // width
    # One writer a path, so bits cannot depend on n_threads.
    for i in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=n_threads):
        _active.lorenz(&model, &run, first_path + <uint64_t> (i * width), min(width, n - i * width),
                       &state[i * width, 0], NULL if out == NULL else out + i * width * n_kept * LORENZ,
                       NULL if given == NULL else given + i * width * n_steps * LORENZ)


def normals(*,
            uint64_t seed,
            uint64_t first_path,           # number of the first path
            uint64_t first,                # which four numbers of every stream come first
            double[:, ::1] out,            # OUT (n_paths, 4 n_fours)
            int n_threads):
    """Fill in normal numbers of the streams of paths."""
    cdef Py_ssize_t n = out.shape[0], n_fours = out.shape[1] // 4, width = _active.width, i
    positive("n_threads", n_threads)
    if out.shape[1] % 4:
        raise ValueError(f"out must have shape (any, 4 n_fours), got shape ({n}, {out.shape[1]})")
    if n == 0 or n_fours == 0:
        return
    for i in prange((n + width - 1) // width, nogil=True, schedule="dynamic", num_threads=n_threads):
        _active.normals(seed, first_path + <uint64_t> (i * width), min(width, n - i * width), first, n_fours,
                        &out[i * width, 0])


def driven(*,
           size_t drift,                   # address of the user's function, as in diffusions.h
           bint together,                  # it takes many states
           const double[::1] scale,        # IN  (d,): of the noise of a step
           double dt,
           bint heun,
           uint64_t seed,
           uint64_t first_path,            # number of the first path
           uint64_t four,                  # which four numbers of every stream have the first
           Py_ssize_t offset,              # place of it in them
           Py_ssize_t n_steps,
           Py_ssize_t first,               # steps before these
           Py_ssize_t every,
           double[:, ::1] state,           # INOUT (n_paths, d)
           double[:, :, ::1] kept,         # INOUT (n_paths, at least (first + n_steps) / every, d)
           int n_threads):
    """Follow paths with a drift that is compiled."""
    cdef Py_ssize_t n = state.shape[0], d = state.shape[1], n_blocks, i
    cdef Driven run
    cdef double *out
    positive("n_threads", n_threads)
    natural("first", first)
    natural("n_steps", n_steps)
    positive("every", every)
    ranged("offset", offset, 0, 3)
    if drift == 0:
        raise ValueError("drift must be an address, got 0")
    if not isfinite(dt):
        raise ValueError(f"dt must be finite, got {dt}")
    sized("scale", scale.shape, (d,))
    sized("kept", kept.shape, (n, -1, d))
    if first > PY_SSIZE_T_MAX - n_steps or (first + n_steps) // every > kept.shape[1]:
        raise ValueError(f"kept must have room for step {first} + {n_steps}, got {kept.shape[1]} states")
    if n == 0 or n_steps == 0 or d == 0:
        return
    run.drift, run.together, run.d, run.dt, run.heun, run.scale = <const void *> drift, together, d, dt, heun, &scale[0]
    run.seed, run.four, run.offset = seed, four, offset
    run.n_steps, run.before, run.every = n_steps, first, every
    n_blocks = (n + TOGETHER - 1) // TOGETHER
    n_threads = <int> min(<Py_ssize_t> n_threads, n_blocks)
    cdef Py_ssize_t n_work = (driven_work(d) + 7) // 8 * 8, n_kept = kept.shape[1]
    cdef double[::1] work = np.empty(n_threads * n_work + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &work[0] + 63) // 64 * 64)
    out = &kept[0, 0, 0] if n_kept else NULL
    # One writer a path, so bits cannot depend on n_threads.
    cdef Crew crew = crew_of(n_blocks)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            _active.driven(&run, first_path + <uint64_t> (i * TOGETHER), min(TOGETHER, n - i * TOGETHER),
                           &state[i * TOGETHER, 0], NULL if out == NULL else out + i * TOGETHER * n_kept * d, n_kept,
                           aligned + threadid() * n_work)
            i = next_part(&crew, i)
    dismiss(&crew)


def velocities(*,
               size_t drift,               # address of the user's function, as in diffusions.h
               bint together,              # it takes many states
               const double[:, ::1] state,  # IN  (n, d)
               double[:, ::1] out):        # OUT (n, d)
    """Fill in what a compiled drift gives."""
    cdef Py_ssize_t n = state.shape[0], d = state.shape[1], most = TOGETHER, i
    cdef Driven run
    if drift == 0:
        raise ValueError("drift must be an address, got 0")
    sized("out", out.shape, (n, d))
    if n == 0 or d == 0:
        return
    run.drift, run.together, run.d = <const void *> drift, together, d
    cdef double[::1] work = np.empty(driven_work(d) + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &work[0] + 63) // 64 * 64)
    with nogil:
        for i in range((n + most - 1) // most):
            _active.velocities(&run, min(most, n - i * most), &state[i * most, 0],
                               &out[i * most, 0], aligned)
