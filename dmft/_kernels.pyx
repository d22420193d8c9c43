"""The compiled loops behind plain arrays. Nothing is checked here: the doors are in Python.

The kernels are C, compiled once for each instruction set (`csrc/README.md`); this file has the loop over blocks of
points and holds the instruction set in use.
"""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from ._util import simd as _simd

cdef extern from "attention/attention.h" nogil:
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
        int section
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
        const Kernel *orbits
        const Kernel *spectra
        const Kernel *steps

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from "mixture.h" nogil:
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
    #define ATTENTION(isa) &dmft_attention_##isa
    static const Kernels *const attention_sets[] = EACH_SET(ATTENTION);
    """
    const Kernels *attention_sets[]
    int DMFT_OPENMP
    const char *DMFT_COMPILER
    const char *DMFT_FLAGS

OPENMP = bool(DMFT_OPENMP)
COMPILER = DMFT_COMPILER.decode()
FLAGS = DMFT_FLAGS.decode()
LAWS = ("classes", "gaussian", "independent")  # in the order of the kernels' laws
# E sech^2(s z) = sum of weight / sqrt(variance + s^2)
MIXTURE = np.array([[MIXTURE_VARIANCE[i], MIXTURE_WEIGHT[i]] for i in range(N_MIXTURE)])

cdef const Kernels *_active


def _use(int i):
    global _active
    _active = attention_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)
simd_path, simd_paths = _simd.simd_path, _simd.simd_paths


def block_size():
    """Return how many points one call of the active kernels takes at most."""
    return _active.orbits.n_block


cdef class Network:
    """The constant part of a network, which all points and calls share.

    Parameters
    ----------
    signs : ndarray, shape (n_classes, n_features)
        The output columns of the site classes; the output covariance for features of another law.
    couplings : ndarray, shape (4, n_classes, n_features)
        Of query, key, value, output.
    position : ndarray, shape (4, n_context, n_features)
        The position's part of the overlaps at each phase, by epsilon.
    n_heads : int
    law : str
        One of LAWS.
    """

    cdef const double[:, ::1] _signs
    cdef const double[:, :, ::1] _couplings
    cdef const double[:, :, ::1] _position
    cdef readonly int n_heads
    cdef readonly str law

    def __cinit__(self, *, signs, couplings, position, int n_heads, str law):
        self._signs = np.array(signs, dtype=float, order="C")
        self._couplings = np.array(couplings, dtype=float, order="C")
        self._position = np.array(position, dtype=float, order="C")
        if law not in LAWS:
            raise ValueError(f"law must be one of {LAWS}, got {law!r}")
        self.n_heads, self.law = n_heads, law

    @property
    def signs(self):
        """A copy of the output columns, (n_classes, n_features)."""
        return np.array(self._signs)

    @property
    def couplings(self):
        """A copy of the couplings, (4, n_classes, n_features)."""
        return np.array(self._couplings)

    @property
    def position(self):
        """A copy of the position's part, (4, n_context, n_features)."""
        return np.array(self._position)

    @property
    def n_context(self):
        """Rows of a window."""
        return self._position.shape[1]

    @property
    def n_features(self):
        """Numbers in a row."""
        return self._position.shape[2]

    def __reduce__(self):
        return _network, (self.signs, self.couplings, self.position, self.n_heads, self.law)

    cdef Job job(self, const double[::1] beta, const double[::1] gain, const double[::1] epsilon,
                 double[:, :, ::1] window, int phase):
        """Return a job of this network, some points and their windows, and nothing else to do."""
        cdef Job job
        memset(&job, 0, sizeof(Job))
        job.n_features = <int> self._signs.shape[1]
        job.n_context = <int> self._position.shape[1]
        job.n_heads = self.n_heads
        job.n_classes = <int> self._signs.shape[0]
        job.law = LAWS.index(self.law)
        job.signs = &self._signs[0, 0]
        job.couplings = &self._couplings[0, 0, 0]
        job.position = &self._position[0, 0, 0]
        job.n_points = beta.shape[0]
        job.beta = &beta[0]
        job.gain = &gain[0]
        job.epsilon = &epsilon[0]
        job.window = &window[0, 0, 0]
        job.n_filled = job.n_context
        job.phase = phase
        job.section = -1
        return job


def _network(signs, couplings, position, n_heads, law):
    return Network(signs=signs, couplings=couplings, position=position, n_heads=n_heads, law=law)


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


def advance(*,
            Network network not None,
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
            int section,                          # component whose changes of sign are recorded; below 0: by the clock
            records,                              # OUT   6 of (n_points, n_rows, n_features) or None
            int64_t[::1] n_recorded,              # INOUT (n_points,)
            double[:, :, :, ::1] frame=None,      # INOUT (n_points, n_tangents, n_context, n_features) or None
            double[:, ::1] exponent=None,         # INOUT (n_points, n_tangents), as the next; with a frame
            int64_t[:, ::1] n_lost=None,
            double[:, :, ::1] mark=None,          # INOUT (n_points, n_tangents, 2)
            int qr_interval=1,
            int n_dual=0,
            Py_ssize_t interval=0,
            Py_ssize_t until=0,
            double[:, :, :, ::1] sample_window=None,  # OUT (n_points, n_samples, n_context, n_features) or None
            double[:, :, ::1] sample_growth=None,     # OUT (n_points, n_samples, n_tangents) or None
            int n_threads):
    """Take every point n_steps further, in place; see Job in csrc/attention/attention.h."""
    cdef Job job = network.job(beta, gain, epsilon, window, phase)
    cdef Py_ssize_t i
    cdef double[:, :, ::1] record

    if preset is not None:
        job.preset = &preset[0, 0, 0]
    job.n_filled = n_filled
    job.n_steps = n_steps
    job.every = every
    job.clock = clock
    job.section = section
    for i in range(N_RECORDS):
        if records[i] is not None:
            record = records[i]
            job.record[i] = &record[0, 0, 0]
            job.n_rows = record.shape[1]
    job.n_recorded = &n_recorded[0]
    if frame is not None:
        job.n_tangents = <int> frame.shape[1]
        job.qr_interval = qr_interval
        job.n_dual = n_dual
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


def linearize(*,
              Network network not None,
              const double[::1] beta,             # IN    (n_points,)
              const double[::1] gain,             # IN    (n_points,)
              const double[::1] epsilon,          # IN    (n_points,)
              double[:, :, ::1] window,           # IN    (n_points, n_context, n_features), full
              int phase,
              double[:, ::1] next_row,            # OUT   (n_points, n_features)
              double[:, :, :, ::1] rows,          # OUT   (n_points, n_context, n_features, n_features)
              int n_threads):
    """Take one step of every window, and its derivative by each of the window's rows."""
    cdef Job job = network.job(beta, gain, epsilon, window, phase)

    job.next = &next_row[0, 0]
    job.rows = &rows[0, 0, 0, 0]
    run_blocks(_active.steps, &job, n_threads)
