"""The compiled loops behind plain arrays. Nothing is checked here: the doors are in Python.

The kernels themselves are C (`_attention_orbits.h`, `_attention_spectra.h`), which each instruction set compiles anew;
this file owns the loop over blocks of points and the choice of the instruction set.
"""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from ._util import simd as _simd

cdef extern from "_attention.h" nogil:
    enum: N_RECORDS
    ctypedef struct Job:
        int n_features, n_context, n_heads, n_classes, law
        const double *signs
        const double *couplings
        const double *position
        Py_ssize_t n_points
        const double *beta
        const double *gain
        const double *epsilon
        double *window
        const double *preset
        int n_filled, phase
        Py_ssize_t n_steps, every, clock
        int component
        Py_ssize_t n_rows
        double *record[6]
        int64_t *n_recorded
        int n_tangents, qr_interval, n_dual
        double *frame
        double *exponent
        int64_t *n_lost
        double *mark
        Py_ssize_t interval, until, n_samples
        double *sample_window
        double *sample_growth
        double *next
        double *rows
    ctypedef struct Kernel:
        int n_block
        size_t (*scratch)(const Job *) noexcept nogil
        void (*run)(const Job *, Py_ssize_t, void *) noexcept nogil
    ctypedef struct Kernels:
        const char *name
        const Kernel *orbits
        const Kernel *spectra
        const Kernel *steps
    int dmft_supported(Kernels *sets)

cdef extern from "_mixture.h" nogil:
    enum: N_MIXTURE
    const double *MIXTURE_VARIANCE
    const double *MIXTURE_WEIGHT

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define DMFT_OPENMP 1
    #else
    #define DMFT_OPENMP 0
    #endif
    #ifdef __VERSION__
    #define DMFT_COMPILER __VERSION__
    #else
    #define DMFT_COMPILER "unknown"
    #endif
    """
    int DMFT_OPENMP
    const char *DMFT_COMPILER
    const char *DMFT_FLAGS

OPENMP = bool(DMFT_OPENMP)
COMPILER = DMFT_COMPILER.decode()
FLAGS = DMFT_FLAGS.decode()
# E sech^2(s z) = sum of weight / sqrt(variance + s^2)
MIXTURE = np.array([[MIXTURE_VARIANCE[i], MIXTURE_WEIGHT[i]] for i in range(N_MIXTURE)])

cdef Kernels _sets[3]
cdef int _n_sets = dmft_supported(_sets)
cdef Kernels _active = _sets[0]


def _use(int i):
    global _active
    _active = _sets[i]


_simd.register([_sets[i].name.decode() for i in range(_n_sets)], _use)
simd_path, simd_paths = _simd.simd_path, _simd.simd_paths


def block_size():
    """Return how many points one call of the active kernels takes at most."""
    return _active.orbits.n_block


cdef Job network_job(const double[:, ::1] signs, const double[:, :, ::1] couplings, const double[:, :, ::1] position,
                     int n_heads, int law, const double[::1] beta, const double[::1] gain, const double[::1] epsilon,
                     double[:, :, ::1] window, int phase):
    """Return a job of this network, its points and their windows, and nothing else to do."""
    cdef Job job
    memset(&job, 0, sizeof(Job))
    job.n_features = <int> signs.shape[1]
    job.n_context = <int> position.shape[1]
    job.n_heads = n_heads
    job.n_classes = <int> signs.shape[0]
    job.law = law
    job.signs = &signs[0, 0]
    job.couplings = &couplings[0, 0, 0]
    job.position = &position[0, 0, 0]
    job.n_points = beta.shape[0]
    job.beta = &beta[0]
    job.gain = &gain[0]
    job.epsilon = &epsilon[0]
    job.window = &window[0, 0, 0]
    job.n_filled = job.n_context
    job.phase = phase
    return job


cdef int run_blocks(const Kernel *kernel, const Job *job, int n_threads) except -1:
    """Take all points through a job, block by block, on so many threads at most."""
    cdef Py_ssize_t i, n_blocks = (job.n_points + kernel.n_block - 1) // kernel.n_block
    n_threads = <int> min(n_blocks, <Py_ssize_t> n_threads)
    cdef size_t n_scratch = (kernel.scratch(job) + 127) // 64 * 64
    cdef char[::1] scratch = np.empty(n_threads * n_scratch + 64, dtype=np.int8)
    cdef char *aligned = <char *> ((<uintptr_t> &scratch[0] + 63) // 64 * 64)
    # One writer per point and no sum across points, so bits cannot depend on n_threads.
    for i in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=n_threads):
        kernel.run(job, i, aligned + threadid() * n_scratch)
    return 0


def advance(const double[:, ::1] signs,           # IN    (n_classes, n_features)
            const double[:, :, ::1] couplings,    # IN    (4, n_classes, n_features): q, k, v, o
            const double[:, :, ::1] position,     # IN    (4, n_context, n_features)
            int n_heads,
            int law,                              # 0: site classes, 1: Gaussian, 2: independent
            const double[::1] beta,               # IN    (n_points,)
            const double[::1] gain,               # IN    (n_points,)
            const double[::1] epsilon,            # IN    (n_points,)
            double[:, :, ::1] window,             # INOUT (n_points, n_context, n_features)
            const double[:, :, ::1] preset,       # IN    (n_points, 2, n_features) or None
            int n_filled,
            int phase,
            Py_ssize_t n_steps,
            Py_ssize_t every,
            Py_ssize_t clock,
            int component,
            records,                              # OUT   6 of (n_points, n_rows, n_features) or None
            int64_t[::1] n_recorded,              # INOUT (n_points,)
            double[:, :, :, ::1] frame,           # INOUT (n_points, n_tangents, n_context, n_features)
            double[:, ::1] exponent,              # INOUT (n_points, n_tangents)
            int64_t[:, ::1] n_lost,               # INOUT (n_points, n_tangents)
            double[:, :, ::1] mark,               # INOUT (n_points, n_tangents, 2)
            Py_ssize_t interval,
            Py_ssize_t until,
            double[:, :, :, ::1] sample_window,   # OUT   (n_points, n_samples, n_context, n_features) or None
            double[:, :, ::1] sample_growth,      # OUT   (n_points, n_samples, n_tangents) or None
            int qr_interval,
            int n_dual,
            int n_threads):
    """Take every point n_steps further, in place; see Job in _attention.h."""
    cdef Job job = network_job(signs, couplings, position, n_heads, law, beta, gain, epsilon, window, phase)
    cdef Py_ssize_t i
    cdef double[:, :, ::1] record

    if preset is not None:
        job.preset = &preset[0, 0, 0]
    job.n_filled = n_filled
    job.n_steps = n_steps
    job.every = every
    job.clock = clock
    job.component = component
    for i in range(N_RECORDS):
        if records[i] is not None:
            record = records[i]
            job.record[i] = &record[0, 0, 0]
            job.n_rows = record.shape[1]
    job.n_recorded = &n_recorded[0]
    job.n_tangents = 0 if frame is None else <int> frame.shape[1]
    job.qr_interval = qr_interval
    job.n_dual = n_dual
    if job.n_tangents:
        job.frame = &frame[0, 0, 0, 0]
        job.exponent = &exponent[0, 0]
        job.n_lost = &n_lost[0, 0]
        job.mark = &mark[0, 0, 0]
    job.interval = interval
    job.until = until
    if sample_window is not None:
        job.n_samples = sample_window.shape[1]
        job.sample_window = &sample_window[0, 0, 0, 0]
    if sample_growth is not None:
        job.n_samples = sample_growth.shape[1]
        job.sample_growth = &sample_growth[0, 0, 0]

    run_blocks(_active.spectra if job.n_tangents > 1 else _active.orbits, &job, n_threads)


def linearize(const double[:, ::1] signs,         # IN    (n_classes, n_features)
              const double[:, :, ::1] couplings,  # IN    (4, n_classes, n_features): q, k, v, o
              const double[:, :, ::1] position,   # IN    (4, n_context, n_features)
              int n_heads,
              int law,
              const double[::1] beta,             # IN    (n_points,)
              const double[::1] gain,             # IN    (n_points,)
              const double[::1] epsilon,          # IN    (n_points,)
              double[:, :, ::1] window,           # IN    (n_points, n_context, n_features), full
              int phase,
              double[:, ::1] next_row,            # OUT   (n_points, n_features)
              double[:, :, :, ::1] rows,          # OUT   (n_points, n_context, n_features, n_features)
              int n_threads):
    """Take one step of every window, and its derivative by each of the window's rows."""
    cdef Job job = network_job(signs, couplings, position, n_heads, law, beta, gain, epsilon, window, phase)

    job.next = &next_row[0, 0]
    job.rows = &rows[0, 0, 0, 0]
    run_blocks(_active.steps, &job, n_threads)
