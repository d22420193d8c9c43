"""The compiled finite networks behind plain arrays. Shapes and indices are checked at the top; what a network
may be, in batch.py.

The equations and draws are C, compiled once for each instruction set (`csrc/README.md`); this file has the loop over
blocks of runs and holds the instruction set in use.
"""

from cython.parallel cimport parallel, threadid
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uint64_t, uintptr_t

import numpy as np

from ..._util import simd as _simd
from ..._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from ..._util.doors cimport natural, positive, ranged, sized

cdef extern from "network/network.h" nogil:
    enum: N_RECORDS, RECORD_WEIGHTS
    ctypedef struct NetworkJob:
        int n_features, n_context, n_heads, n_columns
        const double *signs
        const double *columns
        const double *position
        Py_ssize_t n_runs
        const double *beta
        const double *gain
        const double *epsilon
        const double *n_sites
        const double *sizes
        const uint64_t *keys
        uint64_t step
        int purpose, n_coupled, independent, explicit_spins
        const double *uniforms
        Py_ssize_t n_spins
        double *attention
        double *memory
        int n_filled, phase
        int n_stages, stage
        const double *strength
        const double *given
        Py_ssize_t n_steps, every, clock, n_rows, first_row
        double *record[6]
        double *sums
        uint64_t *spins
        Py_ssize_t n_words
        double *distance
        int (*stopped)(void *) noexcept nogil
        void *crew
    ctypedef struct Networks:
        int n_block
        size_t (*scratch)(const NetworkJob *) noexcept nogil
        void (*run)(const NetworkJob *, Py_ssize_t, void *) noexcept nogil
        double (*binomial)(double, double, const uint64_t *, uint64_t, uint64_t, int) noexcept nogil

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define NETWORK(isa) &dmft_network_##isa
    static const Networks *const network_sets[] = EACH_SET(NETWORK);
    """
    const Networks *network_sets[]

cdef extern from "philox.h" nogil:
    enum: FOR_COUNTS
    enum: FOR_SPINS
    enum: FOR_START
    enum: FOR_PAIRS
    enum: FOR_SIZES
    ctypedef struct words:
        uint64_t word[4]
    words philox_words "philox"(const uint64_t *counter, const uint64_t *key)

# What random numbers are for: no two purposes share any.
PURPOSES = {"counts": FOR_COUNTS, "spins": FOR_SPINS, "start": FOR_START, "pairs": FOR_PAIRS, "sizes": FOR_SIZES}

cdef const Networks *_active
cdef double MOST = 2.0**53


def _use(int i):
    global _active
    ranged("set", i, 0, N_SETS - 1)
    _active = network_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)
simd_path, simd_paths = _simd.simd_path, _simd.simd_paths


def block_size():
    """Return how many runs one call of the active kernel takes."""
    return _active.n_block


def philox(const uint64_t[::1] counter not None,  # IN (4,)
           const uint64_t[::1] key not None):     # IN (2,)
    """Return four words of the generator, (4,)."""
    sized("counter", counter.shape, (4,))
    sized("key", key.shape, (2,))
    cdef words w = philox_words(&counter[0], &key[0])
    return np.array([w.word[0], w.word[1], w.word[2], w.word[3]], dtype=np.uint64)


cdef inline int whole(str name, double value) except -1:
    """Raise unless a number of sites is one that a double can count."""
    if not (0.0 <= value <= MOST and value == <double> <int64_t> value):
        raise ValueError(f"{name} must be a whole number in 0..2**53, got {value}")
    return 0


def binomial(*,
             double n, double p,
             const uint64_t[::1] key not None,     # IN  (2,)
             uint64_t item, int purpose,
             double[::1] out not None):            # OUT (n_draws,)
    """Draw binomial numbers, one at each step of a stream."""
    sized("key", key.shape, (2,))
    whole("n", n)
    cdef const Networks *active = _active
    cdef Py_ssize_t i
    with nogil:
        for i in range(out.shape[0]):
            out[i] = active.binomial(n, p, &key[0], item, <uint64_t> i, purpose)


cdef class Network:
    """The constant part of a finite network, which all runs and calls share.

    Parameters
    ----------
    signs : ndarray, shape (n_columns, n_features)
        +-1, what the spins of a group listen to.
    columns : ndarray, shape (4, n_columns, n_features)
        +-1, columns of query, key, value, output of the sites of each group.
    position : ndarray, shape (4, n_context, n_features)
        The position's part of the overlaps at each phase, by epsilon.
    n_heads : int
    """

    cdef const double[:, ::1] _signs
    cdef const double[:, :, ::1] _columns
    cdef const double[:, :, ::1] _position
    cdef readonly int n_heads

    def __cinit__(self, *, signs, columns, position, int n_heads):
        self._signs = np.array(signs, dtype=float, order="C")
        self._columns = np.array(columns, dtype=float, order="C")
        self._position = np.array(position, dtype=float, order="C")
        self.n_heads = n_heads
        cdef Py_ssize_t J = self._signs.shape[0], L = self._position.shape[1], M = self._position.shape[2]
        for name, size in (("n_features", M), ("n_context", L), ("n_columns", J), ("n_heads", n_heads)):
            positive(name, size)
        if M % n_heads:
            raise ValueError(f"n_heads must divide n_features = {M}, got {n_heads}")
        sized("signs", self._signs.shape, (J, M))
        sized("columns", self._columns.shape, (4, J, M))
        sized("position", self._position.shape, (4, L, M))
        if max(J, 2 * L) * M > INT_MAX:  # the kernels count what one step of one run takes with an int
            raise ValueError(f"a step of {J} groups, {L} positions and {M} features must have < 2**31 numbers")

    def __reduce__(self):
        arrays = (np.array(self._signs), np.array(self._columns), np.array(self._position))
        return _network, (*arrays, self.n_heads)


def _network(signs, columns, position, n_heads):
    return Network(signs=signs, columns=columns, position=position, n_heads=n_heads)


def advance(*,
            Network network not None,
            const double[::1] beta not None,            # IN    (n_runs,)
            const double[::1] gain not None,            # IN    (n_runs,)
            const double[::1] epsilon not None,         # IN    (n_runs,)
            const double[::1] n_sites not None,         # IN    (n_runs,)
            const double[:, ::1] sizes not None,        # IN    (n_runs, n_columns)
            const uint64_t[:, ::1] keys not None,       # IN    (n_runs, 2)
            uint64_t step,
            int purpose,
            int n_coupled,
            bint independent,
            bint explicit_spins,
            const double[:, ::1] uniforms,     # IN    (n_steps, n_spins) or None
            double[:, ::1] attention not None,          # INOUT (n_runs, n_features)
            double[:, :, :, ::1] memory not None,       # INOUT (n_runs, 2, n_context, n_features)
            int n_filled,
            int phase,
            Py_ssize_t n_steps,
            Py_ssize_t every,
            Py_ssize_t clock,
            Py_ssize_t first_row,
            records,                           # OUT   None or (n_runs, n_rows, n_features), weights (.., H * L)
            double[:, :, ::1] sums,            # OUT   (n_runs, n_rows, n_columns) or None
            uint64_t[:, :, ::1] spins,         # OUT   (n_runs, n_rows, n_words) or None
            double[:, ::1] distance,           # OUT   (n_runs / 2, n_rows) or None
            const double[::1] strength=None,   # IN    (n_stages,) or None, as the next
            const double[:, :, ::1] given=None,  # IN  (n_runs, n_stages, n_columns)
            int stage=0,
            int n_threads):
    """Take every run n_steps further, in place; see NetworkJob in csrc/network/network.h."""
    cdef NetworkJob job
    cdef Py_ssize_t i, j, k, n_blocks, n = beta.shape[0], n_rows = -1, n_words, n_spins
    cdef Py_ssize_t J = network._columns.shape[1], L = network._position.shape[1], M = network._position.shape[2]
    cdef double[:, :, ::1] record
    cdef const Networks *active = _active

    sized("gain", gain.shape, (n,))
    sized("epsilon", epsilon.shape, (n,))
    sized("n_sites", n_sites.shape, (n,))
    sized("sizes", sizes.shape, (n, J))
    for i in range(n):
        for j in range(J):
            whole("sizes", sizes[i, j])
    sized("keys", keys.shape, (n, 2))
    ranged("n_coupled", n_coupled, 1, 2)
    if n % n_coupled:
        raise ValueError(f"runs must come in pairs, got {n}")
    sized("attention", attention.shape, (n, M))
    sized("memory", memory.shape, (n, 2, L, M))
    ranged("n_filled", n_filled, 1, L)
    ranged("phase", phase, 0, L - 1)
    natural("n_steps", n_steps)
    positive("every", every)
    natural("clock", clock)
    natural("first_row", first_row)
    positive("n_threads", n_threads)
    records = tuple(records)
    if len(records) != N_RECORDS:
        raise ValueError(f"records must be {N_RECORDS} arrays or None, got {len(records)}")
    if uniforms is not None or spins is not None:
        for i in range(n):  # every group begins a new word
            n_words, n_spins = 0, 0
            for j in range(J):
                n_spins += <Py_ssize_t> sizes[i, j]
                n_words += (<Py_ssize_t> sizes[i, j] + 63) // 64
            if uniforms is not None and n_spins > uniforms.shape[1]:
                raise ValueError(f"uniforms must be for {n_spins} spins, got {uniforms.shape[1]}")
            if spins is not None and n_words > spins.shape[2]:
                raise ValueError(f"spins must have room for {n_words} words, got {spins.shape[2]}")

    job.n_columns = <int> network._columns.shape[1]
    job.n_features = <int> network._columns.shape[2]
    job.n_context = <int> network._position.shape[1]
    job.n_heads = network.n_heads
    job.signs = &network._signs[0, 0]
    job.columns = &network._columns[0, 0, 0]
    job.position = &network._position[0, 0, 0]
    job.n_runs = beta.shape[0]
    job.beta = &beta[0]
    job.gain = &gain[0]
    job.epsilon = &epsilon[0]
    job.n_sites = &n_sites[0]
    job.sizes = &sizes[0, 0]
    job.keys = &keys[0, 0]
    job.step = step
    job.purpose = purpose
    job.n_coupled = n_coupled
    job.independent = independent
    job.explicit_spins = explicit_spins
    if uniforms is not None:
        sized("uniforms", uniforms.shape, (n_steps, -1))
    job.uniforms = NULL if uniforms is None else &uniforms[0, 0]
    job.n_spins = 0 if uniforms is None else uniforms.shape[1]
    job.attention = &attention[0, 0]
    job.memory = &memory[0, 0, 0, 0]
    job.n_filled = n_filled
    job.phase = phase
    job.n_stages, job.stage = 0, 0
    job.strength, job.given = NULL, NULL
    if strength is not None:
        if given is None:
            raise ValueError("given must be an array where there is a strength, got None")
        ranged("n_stages", strength.shape[0], 1, INT_MAX // 2)
        sized("given", given.shape, (n, strength.shape[0], J))
        ranged("stage", stage, 0, strength.shape[0] - 1)
        for k in range(strength.shape[0]):
            if not 0.0 <= strength[k] <= 1.0 or (n_coupled == 2 and 0.0 < strength[k] < 1.0):
                raise ValueError(f"strength must be in [0, 1], of pairs 0 or 1, got {strength[k]}")
            for i in range(n):
                for j in range(J):
                    whole("given", given[i, k, j])
                    if given[i, k, j] > sizes[i, j]:
                        raise ValueError(f"given must be <= sizes, got {given[i, k, j]} of {sizes[i, j]}")
        job.n_stages, job.stage = <int> strength.shape[0], stage
        if n and J:
            job.strength, job.given = &strength[0], &given[0, 0, 0]
    job.n_steps = n_steps
    job.every = every
    job.clock = clock
    job.first_row = first_row
    for i in range(N_RECORDS):
        job.record[i] = NULL
        if records[i] is not None:
            record = records[i]
            sized(f"records[{i}]", record.shape, (n, n_rows, network.n_heads * L if i == RECORD_WEIGHTS else M))
            n_rows = record.shape[1]
            job.record[i] = &record[0, 0, 0]
    job.sums = NULL
    if sums is not None:
        sized("sums", sums.shape, (n, n_rows, J))
        n_rows = sums.shape[1]
        job.sums = &sums[0, 0, 0]
    job.spins = NULL
    job.n_words = 0
    if spins is not None:
        sized("spins", spins.shape, (n, n_rows, -1))
        n_rows = spins.shape[1]
        job.spins, job.n_words = &spins[0, 0, 0], spins.shape[2]
    job.distance = NULL
    if distance is not None:
        if n_coupled != 2:
            raise ValueError("distance must be None for runs that are no pairs")
        sized("distance", distance.shape, (n // 2, n_rows))
        n_rows = distance.shape[1]
        job.distance = &distance[0, 0]
    job.n_rows = max(<Py_ssize_t> 0, n_rows)
    if n == 0:
        return

    cdef size_t n_scratch = (active.scratch(&job) + 127) // 64 * 64
    n_blocks = (job.n_runs + active.n_block - 1) // active.n_block
    n_threads = <int> min(<Py_ssize_t> n_threads, n_blocks)
    cdef char[::1] scratch = np.empty(n_threads * n_scratch + 64, dtype=np.int8)
    cdef char *aligned = <char *> ((<uintptr_t> &scratch[0] + 63) // 64 * 64)
    # One writer per run and no sum across runs, so bits cannot depend on n_threads.
    cdef Crew crew = crew_of(n_blocks)
    job.stopped, job.crew = crew_stopped, &crew
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            active.run(&job, i, aligned + threadid() * n_scratch)
            i = next_part(&crew, i)
    dismiss(&crew)
