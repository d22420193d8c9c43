"""The compiled statistics behind plain arrays, a chunk of many points at a time; see csrc/series/series.c.

Shapes and indices are checked at the top.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport INT64_MAX, int64_t

import numpy as np

from .._util import simd as _simd
from .._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from .._util.doors cimport natural, positive, ranged, sized

cdef extern from "series/series.h" nogil:
    enum: N_SUMS
    enum: N_TOGETHER
    enum: N_ROWS
    ctypedef struct Statistics:
        int (*weights)(int64_t, double, double *) noexcept nogil
        void (*birkhoff)(Py_ssize_t, Py_ssize_t, const double *, const double *, const double *, const int *, double *,
                         double *) noexcept nogil
        void (*batches)(Py_ssize_t, Py_ssize_t, const double *, int64_t, int64_t, int64_t, double *) noexcept nogil
        void (*extremes)(Py_ssize_t, Py_ssize_t, const double *, double *, double *) noexcept nogil
        void (*moments)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double *) noexcept nogil
    ctypedef void ZeroOne(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *, double *, double *,
                          double *, int (*)(void *) noexcept nogil, void *) noexcept nogil
    enum: N_BESIDE
    ctypedef void Nearest(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, const double *,
                          const int64_t *, bint, int64_t *, double *, int (*)(void *) noexcept nogil,
                          void *) noexcept nogil

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define ZERO_ONE(isa) &dmft_zero_one_##isa
    static ZeroOne *const zero_one_sets[] = EACH_SET(ZERO_ONE);
    #define NEAREST(isa) &dmft_nearest_##isa
    static Nearest *const nearest_sets[] = EACH_SET(NEAREST);
    #define STATISTICS(isa) &dmft_statistics_##isa
    static const Statistics *const statistics_sets[] = EACH_SET(STATISTICS);
    """
    ZeroOne *zero_one_sets[]
    Nearest *nearest_sets[]
    const Statistics *statistics_sets[]

BIRKHOFF_SUMS = N_SUMS
TOGETHER = N_TOGETHER
BESIDE = N_BESIDE

cdef ZeroOne *_zero_one
cdef Nearest *_nearest
cdef const Statistics *_statistics


def _use(int i):
    global _zero_one, _nearest, _statistics
    ranged("set", i, 0, N_SETS - 1)
    _zero_one, _nearest, _statistics = zero_one_sets[i], nearest_sets[i], statistics_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


def weights(*,
            int64_t first,               # index of the first sample
            double length,               # of the shortest average, in samples
            double[::1] norm not None,                # INOUT (N_SUMS,): sums of the weights so far
            double[:, ::1] weight not None,           # OUT   (n_samples, N_SUMS)
            double[:, ::1] total not None,            # OUT   (n_samples, N_SUMS): `norm` after each sample
            int[::1] done not None):                  # OUT   (n_samples,): the sum that is complete then, or -1
    """Weights of a chunk's samples, the same for all points."""
    cdef Py_ssize_t s, k, n = weight.shape[0]
    natural("first", first)
    if not 0.0 < length < float("inf"):
        raise ValueError(f"length must be finite and > 0, got {length}")
    sized("norm", norm.shape, (N_SUMS,))
    sized("weight", weight.shape, (n, N_SUMS))
    sized("total", total.shape, (n, N_SUMS))
    sized("done", done.shape, (n,))
    for s in range(weight.shape[0]):
        done[s] = _statistics.weights(first + s, length, &weight[s, 0])
        for k in range(N_SUMS):
            norm[k] += weight[s, k]
            total[s, k] = norm[k]
        if done[s] >= 0:
            norm[done[s]] = norm[N_SUMS - 1] = 0.0


def birkhoff(*,
             const double[:, :, ::1] x not None,       # IN    (n_points, n_samples, n_channels)
             const double[:, ::1] weight not None,     # IN    (n_samples, N_SUMS)
             const double[:, ::1] total not None,      # IN    (n_samples, N_SUMS)
             const int[::1] done not None,             # IN    (n_samples,)
             double[:, :, ::1] sums not None,          # INOUT (n_points, N_SUMS, n_channels)
             double[:, :, ::1] average not None,       # INOUT (n_points, 3, n_channels): whole, first, second half
             int n_threads):
    """Add a chunk to the weighted averages."""
    cdef Py_ssize_t p, n = x.shape[1]
    sized("weight", weight.shape, (n, N_SUMS))
    sized("total", total.shape, (n, N_SUMS))
    sized("done", done.shape, (n,))
    for p in range(n):
        ranged("done", done[p], -1, N_SUMS - 2)
    sized("sums", sums.shape, (x.shape[0], N_SUMS, x.shape[2]))
    sized("average", average.shape, (x.shape[0], 3, x.shape[2]))
    positive("n_threads", n_threads)
    for p in prange(x.shape[0], nogil=True, num_threads=n_threads):
        _statistics.birkhoff(x.shape[1], x.shape[2], &x[p, 0, 0], &weight[0, 0], &total[0, 0], &done[0],
                             &sums[p, 0, 0], &average[p, 0, 0])


def batches(*,
            const double[:, :, ::1] x not None,       # IN    (n_points, n_samples, n_channels)
            int64_t first,
            int64_t length,                   # samples in a batch, before this chunk
            double[:, :, ::1] sums not None,          # INOUT (n_points, room, n_channels)
            int n_threads):
    """Add a chunk to the sums of batches."""
    cdef Py_ssize_t p
    sized("sums", sums.shape, (x.shape[0], -1, x.shape[2]))
    positive("room", sums.shape[1])
    ranged("length", length, 1, INT64_MAX // 4 // sums.shape[1])
    ranged("first", first, 0, sums.shape[1] * length)
    positive("n_threads", n_threads)
    for p in prange(x.shape[0], nogil=True, num_threads=n_threads):
        _statistics.batches(x.shape[1], x.shape[2], &x[p, 0, 0], first, length, sums.shape[1], &sums[p, 0, 0])


def extremes(*,
             const double[:, :, ::1] x not None,       # IN    (n_points, n_samples, n_channels)
             double[:, ::1] low not None,              # INOUT (n_points, n_channels)
             double[:, ::1] high not None,
             int n_threads):
    """Add a chunk to the extremes."""
    cdef Py_ssize_t p
    sized("low", low.shape, (x.shape[0], x.shape[2]))
    sized("high", high.shape, (x.shape[0], x.shape[2]))
    positive("n_threads", n_threads)
    for p in prange(x.shape[0], nogil=True, num_threads=n_threads):
        _statistics.extremes(x.shape[1], x.shape[2], &x[p, 0, 0], &low[p, 0], &high[p, 0])


def zero_one(*,
             const double[:, ::1] x not None,          # IN    (n_points, n_samples), each of mean 0
             const double[:, ::1] twice not None,      # IN    (n_longest, n_frequencies): 2 cos(dc); n of TOGETHER
             double[:, :, ::1] growth not None,        # OUT   (n_points, 2, n_frequencies): of c, of pi - c
             int n_threads):
    """The 0-1 test of every series at every frequency c, and at pi - c."""
    cdef Py_ssize_t n_longest = twice.shape[0], n_frequencies = twice.shape[1], p
    cdef double *work = NULL
    ranged("n_longest", n_longest, 1, x.shape[1] - 1)
    positive("n_frequencies", n_frequencies)
    ranged("n_frequencies % TOGETHER", n_frequencies % N_TOGETHER, 0, 0)
    sized("growth", growth.shape, (x.shape[0], 2, n_frequencies))
    positive("n_threads", n_threads)
    cdef double[:, ::1] scratch = np.empty((n_threads, n_longest * (2 * n_frequencies + 1 + N_ROWS)))
    cdef Crew crew = crew_of(x.shape[0])
    p = -1
    with nogil, parallel(num_threads=n_threads):
        work = &scratch[threadid(), 0]
        p = next_part(&crew, -1)
        while p >= 0:
            _zero_one(x.shape[1], n_longest, n_frequencies, &x[p, 0], &twice[0, 0], work,
                      work + 2 * n_longest * n_frequencies, &growth[p, 0, 0], crew_stopped, &crew)
            p = next_part(&crew, p)
    dismiss(&crew)


def moments(*,
            const double[:, :, ::1] x not None,       # IN    (n_points, n_samples, n_rows * n_features)
            Py_ssize_t n_features,
            double[:, :, ::1] out not None,           # OUT   (n_points, n_samples, n_features * (n_features + 3) / 2)
            int n_threads):
    """First and second moments of the rows of every sample, averaged over rows."""
    cdef Py_ssize_t p
    ranged("n_features", n_features, 1, 2**31 - 1)
    ranged("x.shape[2] % n_features", x.shape[2] % n_features, 0, 0)
    positive("x.shape[2]", x.shape[2])
    sized("out", out.shape, (x.shape[0], x.shape[1], n_features * (n_features + 3) // 2))
    positive("n_threads", n_threads)
    for p in prange(x.shape[0], nogil=True, num_threads=n_threads):
        _statistics.moments(x.shape[1], x.shape[2] // n_features, n_features, &x[p, 0, 0], &out[p, 0, 0])


def nearest(*,
            const double[:, ::1] x not None,          # IN    (n_dim, n + 2 BESIDE), sorted by `component`
            Py_ssize_t component,
            const double[:, ::1] states not None,     # IN    (n_states, n_dim)
            const int64_t[::1] place not None,        # IN    (n_states,): of the first one in x that is not below it
            bint own,                                 # whether that one is itself, which does not count
            int64_t[::1] neighbour not None,          # OUT   (n_states,): the place of the nearest one; -1: none
            double[::1] distance not None):           # OUT   (n_states,)
    """The nearest neighbour of states among those of x, which have BESIDE infinite ones on both sides."""
    cdef Py_ssize_t i, n = x.shape[1] - 2 * N_BESIDE
    ranged("component", component, 0, x.shape[0] - 1)
    natural("x.shape[1] - 2 BESIDE", n)
    sized("states", states.shape, (-1, x.shape[0]))
    sized("place", place.shape, (states.shape[0],))
    sized("neighbour", neighbour.shape, (states.shape[0],))
    sized("distance", distance.shape, (states.shape[0],))
    for i in range(place.shape[0]):
        ranged("place", place[i], 0, n - own)
    if not states.shape[0]:
        return
    cdef Crew crew = crew_of(1)
    with nogil:
        _nearest(n, x.shape[0], component, &x[0, 0], states.shape[0], &states[0, 0], &place[0], own, &neighbour[0],
                 &distance[0], crew_stopped, &crew)
    dismiss(&crew)
