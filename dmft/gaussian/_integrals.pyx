"""The compiled integrals behind plain arrays. Nothing is checked here: the doors are in averages.py.

The integrals are C, compiled once for each instruction set (`csrc/README.md`); this file has the loops over chunks of
elements or over rows, and holds the instruction set in use.
"""

from cython.parallel cimport prange, threadid
from libc.stdint cimport uintptr_t

import numpy as np

from .._util import simd as _simd

cdef extern from "gaussian/integrals.h" nogil:
    ctypedef struct Integrals:
        void (*averages)(Py_ssize_t, const double *, const double *, double *, double *, double *,
                         double *) noexcept nogil
        void (*mean)(Py_ssize_t, const double *, const double *, double, double *) noexcept nogil
        void (*pair)(Py_ssize_t, const double *, const double *, const double *, const double *,
                     const double *, double, double *) noexcept nogil
        Py_ssize_t (*fixed)(Py_ssize_t, const double *, const double *, double *) noexcept nogil
        void (*hermite)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *,
                        double *, double *) noexcept nogil
        void (*mehler)(Py_ssize_t, Py_ssize_t, const double *, const double *, const double *,
                       double, double *) noexcept nogil
        void (*signs)(Py_ssize_t, double, const double *, double, double *, double *) noexcept nogil
        void (*product)(Py_ssize_t, double, const double *, const double *, double, double *,
                        double *, double *, double *) noexcept nogil
        void (*given)(Py_ssize_t, double, const double *, int, const double *, const double *,
                      const double *, const double *, double, double *, double *) noexcept nogil
    enum: N_HERMITE
    enum: N_STAGES

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define INTEGRALS(isa) &dmft_integrals_##isa
    static const Integrals *const integrals_sets[] = EACH_SET(INTEGRALS);
    """
    const Integrals *integrals_sets[]

HERMITE, STAGES = N_HERMITE, N_STAGES
cdef const Integrals *_active

# Elements a thread takes at once: enough to forget the cost of taking them.
cdef enum:
    CHUNK = 512
    PAIR_CHUNK = 16


def _use(int i):
    global _active
    _active = integrals_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)
simd_path, simd_paths = _simd.simd_path, _simd.simd_paths


cdef inline int _team(int n_threads, Py_ssize_t n_parts) noexcept:
    """Never wake more threads than there are parts: a waiting one costs more than a small call."""
    return <int> max(1, min(<Py_ssize_t> n_threads, n_parts))


cdef inline double *_at(double[::1] array, Py_ssize_t i) noexcept:
    return NULL if array is None else &array[i]


def averages(*,
             const double[::1] g,      # IN  (n,)
             const double[::1] v,      # IN  (n,) >= 0
             double[::1] mean=None,    # OUT (n,) or None, as the others
             double[::1] slope=None,
             double[::1] bend=None,
             double[::1] log2cosh=None,
             int n_threads):
    """Average tanh, its first and second derivative and log 2cosh over Gaussians."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g.shape[0], i, first, n_chunks = (n + CHUNK - 1) // CHUNK
    if n == 0:
        return
    cdef double *a = _at(mean, 0)
    cdef double *b = _at(slope, 0)
    cdef double *c = _at(bend, 0)
    cdef double *d = _at(log2cosh, 0)
    # Chunks are whole vectors, so no element sees another's company change with n_threads.
    n_threads = _team(n_threads, n_chunks)
    for i in prange(n_chunks, nogil=True, schedule="static", num_threads=n_threads):
        first = i * CHUNK
        active.averages(min(<Py_ssize_t> CHUNK, n - first), &g[first], &v[first],
                        a + first if a else NULL, b + first if b else NULL,
                        c + first if c else NULL, d + first if d else NULL)


def mean(*,
         const double[::1] g,          # IN  (n,)
         const double[::1] v,          # IN  (n,) >= 0
         double log_eps,
         double[::1] out,              # OUT (n,)
         int n_threads):
    """Average tanh over Gaussians."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g.shape[0], i, first, n_chunks = (n + CHUNK - 1) // CHUNK
    n_threads = _team(n_threads, n_chunks)
    for i in prange(n_chunks, nogil=True, schedule="static", num_threads=n_threads):
        first = i * CHUNK
        active.mean(min(<Py_ssize_t> CHUNK, n - first), &g[first], &v[first], log_eps, &out[first])


def pair(*,
         const double[::1] g1,         # IN  (n,), as the others
         const double[::1] g2,
         const double[::1] v1,
         const double[::1] v2,
         const double[::1] rho,
         double log_eps,
         double[::1] out,              # OUT (n,)
         int n_threads):
    """Average products of two tanh over bivariate Gaussians."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g1.shape[0], i, first, n_chunks = (n + PAIR_CHUNK - 1) // PAIR_CHUNK
    n_threads = _team(n_threads, n_chunks)
    for i in prange(n_chunks, nogil=True, schedule="dynamic", num_threads=n_threads):
        first = i * PAIR_CHUNK
        active.pair(min(<Py_ssize_t> PAIR_CHUNK, n - first), &g1[first], &g2[first], &v1[first],
                    &v2[first], &rho[first], log_eps, &out[first])


def fixed(*,
          const double[::1] a,         # IN  (n,)
          const double[::1] v,         # IN  (n,) >= 0
          double[::1] out,             # OUT (n,)
          int n_threads):
    """Solve m = tanh(a - v m); return how many did not settle."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = a.shape[0], i, first, n_bad = 0, n_chunks = (n + CHUNK - 1) // CHUNK
    n_threads = _team(n_threads, n_chunks)
    for i in prange(n_chunks, nogil=True, schedule="static", num_threads=n_threads):
        first = i * CHUNK
        n_bad += active.fixed(min(<Py_ssize_t> CHUNK, n - first), &a[first], &v[first], &out[first])
    return n_bad


def hermite(*,
            const double[::1] g,           # IN  (n,)
            const double[::1] v,           # IN  (n,)
            double[:, ::1] coefficient,    # OUT (HERMITE, n)
            double[:, ::1] rest,           # OUT (STAGES, n)
            int n_threads):
    """Expand tanh of a Gaussian in Hermite polynomials."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g.shape[0], i, first, n_chunks = (n + PAIR_CHUNK - 1) // PAIR_CHUNK
    n_threads = _team(n_threads, n_chunks)
    for i in prange(n_chunks, nogil=True, schedule="static", num_threads=n_threads):
        first = i * PAIR_CHUNK
        active.hermite(first, min(<Py_ssize_t> PAIR_CHUNK, n - first), n, &g[first], &v[first],
                       &coefficient[0, 0], &rest[0, 0])


def mehler(*,
           const double[:, ::1] coefficient,    # IN  (HERMITE, n)
           const double[:, ::1] rest,           # IN  (STAGES, n)
           const double[:, ::1] rho,            # IN  (n, n)
           double tol,
           double[:, ::1] out,                  # OUT (n, n)
           int n_threads):
    """Sum Mehler's series of every pair; NaN where it falls short."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = rho.shape[0], i
    n_threads = _team(n_threads, n // 64)
    for i in prange(n, nogil=True, schedule="static", num_threads=n_threads):
        active.mehler(i, n, &coefficient[0, 0], &rest[0, 0], &rho[i, 0], tol, &out[i, 0])


def signs(*,
          double scale,
          const double[:, ::1] A,      # IN  (n_rows, n)
          double log_eps,
          double[:, ::1] out,          # OUT (n_rows, n)
          int n_threads):
    """Average s_a tanh(scale s.A) over all signs s, for every row of A."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t i, n = A.shape[1], n_work = (42 * n + 7) // 8 * 8
    n_threads = _team(n_threads, A.shape[0])
    cdef double[::1] work = np.empty(n_threads * n_work + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &work[0] + 63) // 64 * 64)
    for i in prange(A.shape[0], nogil=True, schedule="dynamic", num_threads=n_threads):
        active.signs(n, scale, &A[i, 0], log_eps, &out[i, 0], aligned + threadid() * n_work)


def product(*,
            const double[::1] H,       # IN  (n_rows,)
            const double[:, :] a,      # IN  (n_rows, n), rows contiguous or one row repeated
            const double[:, :] m,      # IN  (n_rows, n), likewise
            double log_eps,
            double[::1] mean,          # OUT (n_rows,)
            double[::1] slope,         # OUT (n_rows,)
            double[:, ::1] secant,     # OUT (n_rows, n) or None
            int n_threads):
    """Average tanh(H + a.s) over independent signs of mean m, for every row."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t i, n = a.shape[1], n_work = (50 * n + 7) // 8 * 8
    n_threads = _team(n_threads, H.shape[0])
    cdef double[::1] work = np.empty(n_threads * n_work + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &work[0] + 63) // 64 * 64)
    cdef double *k = NULL if secant is None else &secant[0, 0]
    for i in prange(H.shape[0], nogil=True, schedule="dynamic", num_threads=n_threads):
        active.product(n, H[i], &a[i, 0], &m[i, 0], log_eps, &mean[i], &slope[i],
                       k + i * n if k else NULL, aligned + threadid() * n_work)


def given(*,
          const double[::1] g,             # IN  (n,)
          const double[:, ::1] v,          # IN  (n, n), or (n, 1): one for a row
          const double[:, ::1] rise,       # IN  (n, n)
          const double[:, ::1] linear,     # IN  (n, n) or None, as square
          const double[:, ::1] square,
          const double[::1] mu,            # IN  (n,)
          double log_eps,
          double[:, ::1] mean,             # OUT (n, n) or None; may be linear or square
          double[:, ::1] cov,              # OUT (n, n); may be rise
          int n_threads):
    """Average tanh of every spin given one other, and take its covariance with that one."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t i, n = rise.shape[0]
    cdef int v_stride = v.shape[1] > 1
    cdef const double *a = NULL if linear is None else &linear[0, 0]
    cdef const double *b = NULL if square is None else &square[0, 0]
    cdef double *c = NULL if mean is None else &mean[0, 0]
    n_threads = _team(n_threads, n // 16)
    for i in prange(n, nogil=True, schedule="static", num_threads=n_threads):
        active.given(n, g[i], &v[i, 0], v_stride, &rise[i, 0], a + i * n if a else NULL,
                     b + i * n if b else NULL, &mu[0], log_eps, c + i * n if c else NULL, &cov[i, 0])
