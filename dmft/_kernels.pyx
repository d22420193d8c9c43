"""The compiled loops behind plain arrays. Shapes and indices are checked at the top; what a network may be, in Python.

The kernels are C, compiled once for each instruction set (`csrc/README.md`); this file has the loop over blocks of
points and holds the instruction set in use.
"""

from cython.parallel cimport parallel, threadid
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from ._util import simd as _simd
from ._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from ._util.doors cimport natural, positive, ranged, sized

cdef extern from "attention/attention.h" nogil:
    enum: N_RECORDS, N_ROLES, RECORD_WEIGHTS
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
        double *memory
        int n_preset, n_filled, phase
        int n_stages, stage
        const double *left
        const double *given
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
        int (*stopped)(void *) noexcept nogil
        void *crew
    ctypedef struct Kernel:
        int n_block
        size_t (*scratch)(const Job *) noexcept nogil
        void (*run)(const Job *, Py_ssize_t, void *) noexcept nogil
    ctypedef struct Kernels:
        const Kernel *orbits
        const Kernel *few
        const Kernel *spectra
        const Kernel *steps
    bint IS_LARGE(int n_features, int n_context, int n_tangents)
    enum: LEAP

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
cdef const Kernels *_narrow  # for points that fit a block of it: fewer idle lanes, and the same bits


def _use(int i):
    global _active, _narrow
    ranged("set", i, 0, N_SETS - 1)
    _active = attention_sets[i]
    # The last one is the baseline, which may have no fma of its own.
    _narrow = attention_sets[i + 1] if i + 2 < N_SETS and set_runs(i + 1) else _active


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)
simd_path, simd_paths = _simd.simd_path, _simd.simd_paths


def is_large(int n_features, int n_context, int n_tangents):
    """Return whether so many tangents of windows of such a size are gone through point by point."""
    return bool(IS_LARGE(n_features, n_context, n_tangents))


def steps_together(int n_features, int n_context, int n_tangents, int qr_interval):
    """Return how many steps of a call, or after a sample, such frames may take before they are orthogonal again."""
    return LEAP if qr_interval == 1 and IS_LARGE(n_features, n_context, n_tangents) else qr_interval


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
        cdef Py_ssize_t J = self._signs.shape[0], L = self._position.shape[1], M = self._position.shape[2]
        for name, size in (("n_features", M), ("n_context", L), ("n_classes", J), ("n_heads", n_heads)):
            positive(name, size)
        if M % n_heads:
            raise ValueError(f"n_heads must divide n_features = {M}, got {n_heads}")
        sized("signs", self._signs.shape, (J if law == LAWS[0] else M, M))
        sized("couplings", self._couplings.shape, (4, J, M))
        sized("position", self._position.shape, (4, L, M))
        # The kernels count what one step of one point takes with an int.
        if max(J, L * max(M, 4)) * M > INT_MAX:
            raise ValueError(f"a step of {J} classes, {L} positions and {M} features must have < 2**31 numbers")

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
        cdef Py_ssize_t n = beta.shape[0], L = self._position.shape[1], M = self._position.shape[2]
        sized("gain", gain.shape, (n,))
        sized("epsilon", epsilon.shape, (n,))
        sized("window", window.shape, (n, L, M))
        ranged("phase", phase, 0, L - 1)
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


cdef int drive(Job *job, const double[::1] left, const double[:, :, ::1] given, int stage) except -1:
    """Give a job its drive, if there is one."""
    if (left is None) != (given is None):
        raise ValueError("left and given must be arrays, or both None")
    if left is None:
        return 0
    positive("n_stages", left.shape[0])
    ranged("n_stages", left.shape[0], 1, INT_MAX // 2)
    sized("given", given.shape, (left.shape[0], N_ROLES, job.n_features))
    ranged("stage", stage, 0, left.shape[0] - 1)
    job.n_stages, job.stage = <int> left.shape[0], stage
    job.left, job.given = &left[0], &given[0, 0, 0]
    return 0


cdef bint overflows(const Job *job, int n_block) noexcept:
    """Return whether keys, values and their tangents of a block leave a first cache, and take most of a step."""
    cdef double n_numbers = (4.0 if job.n_tangents else 2.0) * n_block * job.n_context * job.n_features
    return n_numbers > 4096.0 and 3.0 * job.n_context > job.n_classes


cdef const Kernel *kernel_for(const Job *job) noexcept:
    """Return the kernel that takes a job's points in the least time: the narrowest block that holds them all.

    Two vectors of points side by side wait less for their divisions, but more for a window that leaves the first cache.
    """
    cdef bint by_points
    if job.n_tangents > 1:
        by_points = IS_LARGE(job.n_features, job.n_context, job.n_tangents)
        return _narrow.spectra if job.n_points <= _narrow.spectra.n_block and not by_points else _active.spectra
    if job.n_points <= _narrow.few.n_block:
        return _narrow.few
    if job.n_points <= _active.few.n_block or overflows(job, _active.orbits.n_block):
        return _active.few
    return _active.orbits


cdef int run_blocks(const Kernel *kernel, Job *job, int n_threads) except -1:
    """Take all points through a job, block by block, on so many threads at most."""
    positive("n_threads", n_threads)
    if not job.n_points:
        return 0
    cdef Py_ssize_t i, n_blocks = (job.n_points + kernel.n_block - 1) // kernel.n_block
    n_threads = <int> min(n_blocks, <Py_ssize_t> n_threads)
    cdef size_t n_scratch = (kernel.scratch(job) + 127) // 64 * 64
    cdef char[::1] scratch = np.empty(n_threads * n_scratch + 64, dtype=np.int8)
    cdef char *aligned = <char *> ((<uintptr_t> &scratch[0] + 63) // 64 * 64)
    # One writer per point and no sum across points, so bits cannot depend on n_threads.
    cdef Crew crew = crew_of(n_blocks)
    job.stopped, job.crew = crew_stopped, &crew
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            kernel.run(job, i, aligned + threadid() * n_scratch)
            i = next_part(&crew, i)
    return dismiss(&crew)


def advance(*,
            Network network not None,
            const double[::1] beta not None,              # IN    (n_points,)
            const double[::1] gain not None,              # IN    (n_points,)
            const double[::1] epsilon not None,           # IN    (n_points,)
            double[:, :, ::1] window not None,            # INOUT (n_points, n_context, n_features)
            const double[:, :, :, ::1] preset,    # IN    (n_points, 2, n_preset, n_features) or None
            int n_filled,
            int phase,
            Py_ssize_t n_steps,
            Py_ssize_t every,
            Py_ssize_t clock,
            int section,                          # component whose changes of sign are recorded; below 0: by the clock
            records,                              # OUT   None or (n_points, n_rows, n_features), weights (.., H * L)
            int64_t[::1] n_recorded not None,             # INOUT (n_points,)
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
            const double[::1] left=None,              # IN    (n_stages,) or None, as the next
            const double[:, :, ::1] given=None,       # IN    (n_stages, 4, n_features)
            int stage=0,
            double[:, :, :, ::1] memory=None,         # OUT   (n_points, 2, n_context, n_features) or None
            int n_threads):
    """Take every point n_steps further, in place; see Job in csrc/attention/attention.h."""
    cdef Job job = network.job(beta, gain, epsilon, window, phase)
    cdef Py_ssize_t i, n = job.n_points, L = job.n_context, M = job.n_features, K = 0, n_rows = -1
    cdef double[:, :, ::1] record

    ranged("n_filled", n_filled, 1, L)
    natural("n_steps", n_steps)
    positive("every", every)
    natural("clock", clock)
    ranged("section", section, -1, M - 1)
    if preset is not None:
        ranged("n_preset", preset.shape[2], 1, n_filled)
        job.n_preset = <int> preset.shape[2]
        sized("preset", preset.shape, (n, 2, job.n_preset, M))
        job.preset = &preset[0, 0, 0, 0]
    drive(&job, left, given, stage)
    if memory is not None:
        sized("memory", memory.shape, (n, 2, L, M))
        job.memory = &memory[0, 0, 0, 0]
    job.n_filled = n_filled
    job.n_steps = n_steps
    job.every = every
    job.clock = clock
    job.section = section
    records = tuple(records)
    if len(records) != N_RECORDS:
        raise ValueError(f"records must be {N_RECORDS} arrays or None, got {len(records)}")
    for i in range(N_RECORDS):
        if records[i] is not None:
            record = records[i]
            sized(f"records[{i}]", record.shape, (n, n_rows, job.n_heads * L if i == RECORD_WEIGHTS else M))
            job.record[i] = &record[0, 0, 0]
            job.n_rows = n_rows = record.shape[1]
    sized("n_recorded", n_recorded.shape, (n,))
    for i in range(n):
        natural("n_recorded", n_recorded[i])
    job.n_recorded = &n_recorded[0]
    if frame is not None:
        K = frame.shape[1]
        ranged("n_tangents", K, 0, L * M)
        sized("frame", frame.shape, (n, K, L, M))
        if exponent is None or n_lost is None or mark is None:
            raise ValueError("exponent, n_lost and mark must be arrays where there is a frame, got None")
        sized("exponent", exponent.shape, (n, K))
        sized("n_lost", n_lost.shape, (n, K))
        sized("mark", mark.shape, (n, K, 2))
        positive("qr_interval", qr_interval)
        ranged("n_dual", n_dual, 0, K)
        if n_dual and (K != L * M or (K - n_dual) % 2 or K < 2):
            raise ValueError(f"n_dual must be 0 or leave an even number of {L * M} tangents, got {n_dual} of {K}")
        if K and n_steps and n_filled < L:
            raise ValueError(f"the window must be full for tangents, got {n_filled} of {L} rows")
        job.n_tangents = <int> K
        job.qr_interval = qr_interval
        job.n_dual = n_dual
        job.frame = &frame[0, 0, 0, 0]
        job.exponent = &exponent[0, 0]
        job.n_lost = &n_lost[0, 0]
        job.mark = &mark[0, 0, 0]
    job.interval = interval
    job.until = until
    # One sample after `until` steps, and then one every `interval`: there must be room for all.
    cdef Py_ssize_t n_samples = -1
    if sample_window is not None:
        job.n_samples = n_samples = sample_window.shape[1]
        sized("sample_window", sample_window.shape, (n, n_samples, L, M))
        job.sample_window = &sample_window[0, 0, 0, 0]
    if sample_growth is not None:
        sized("sample_growth", sample_growth.shape, (n, n_samples, K))
        job.n_samples = n_samples = sample_growth.shape[1]
        job.sample_growth = &sample_growth[0, 0, 0]
    if n_samples >= 0 and 1 <= until <= n_steps:
        ranged("samples", 1 + ((n_steps - until) // interval if interval > 0 else 0), 0, n_samples)

    run_blocks(kernel_for(&job), &job, n_threads)


def linearize(*,
              Network network not None,
              const double[::1] beta not None,              # IN    (n_points,)
              const double[::1] gain not None,              # IN    (n_points,)
              const double[::1] epsilon not None,           # IN    (n_points,)
              double[:, :, ::1] window not None,            # IN    (n_points, n_context, n_features), full
              int phase,
              double[:, ::1] next_row not None,             # OUT   (n_points, n_features)
              double[:, :, :, ::1] rows not None,           # OUT   (n_points, n_context, n_features, n_features)
              const double[::1] left=None,                  # IN    (n_stages,) or None, as the next
              const double[:, :, ::1] given=None,           # IN    (n_stages, 4, n_features)
              int stage=0,
              int n_threads):
    """Take one step of every window, and its derivative by each of the window's rows."""
    cdef Job job = network.job(beta, gain, epsilon, window, phase)
    cdef Py_ssize_t n = job.n_points, L = job.n_context, M = job.n_features

    sized("next_row", next_row.shape, (n, M))
    sized("rows", rows.shape, (n, L, M, M))
    drive(&job, left, given, stage)
    job.next = &next_row[0, 0]
    job.rows = &rows[0, 0, 0, 0]
    run_blocks(_active.steps, &job, n_threads)
