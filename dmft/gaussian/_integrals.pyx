"""The compiled integrals behind plain arrays. Shapes are checked at the top; values, in averages.py.

The integrals are C, compiled once for each instruction set (`csrc/README.md`); this file has the loops over chunks of
elements or over rows, and holds the instruction set in use.
"""

from cython.parallel cimport parallel, threadid
from libc.stdint cimport uintptr_t

import numpy as np

from .._util import simd as _simd
from .._util.crew cimport Crew, add, crew_of, crew_stopped, dismiss, next_part
from .._util.doors cimport positive, ranged, sized

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
        void (*signs)(Py_ssize_t, double, const double *, double, double *, double *,
                      int (*)(void *) noexcept nogil, void *) noexcept nogil
        void (*product)(Py_ssize_t, double, const double *, const double *, double, double *, double *,
                        double *, double *, int (*)(void *) noexcept nogil, void *) noexcept nogil
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
    PAIR_CHUNK = 8


def _use(int i):
    global _active
    ranged("set", i, 0, N_SETS - 1)
    _active = integrals_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)
simd_path, simd_paths = _simd.simd_path, _simd.simd_paths


cdef inline int _team(int n_threads, Py_ssize_t n_parts) except -1:
    """Never wake more threads than there are parts: a waiting one costs more than a small call."""
    positive("n_threads", n_threads)
    return <int> max(1, min(<Py_ssize_t> n_threads, n_parts))


cdef inline double *_wanted(str name, double[::1] array, Py_ssize_t n) except? NULL:
    """Return where an array of n numbers begins, NULL if there is none."""
    if array is None:
        return NULL
    sized(name, array.shape, (n,))
    return &array[0]


def averages(*,
             const double[::1] g not None,           # IN  (n,)
             const double[::1] v not None,           # IN  (n,) >= 0
             double[::1] mean=None,    # OUT (n,) or None, as the others
             double[::1] slope=None,
             double[::1] bend=None,
             double[::1] log2cosh=None,
             int n_threads):
    """Average tanh, its first and second derivative and log 2cosh over Gaussians."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g.shape[0], i, first, n_chunks = (n + CHUNK - 1) // CHUNK
    sized("v", v.shape, (n,))
    cdef double *a = _wanted("mean", mean, n)
    cdef double *b = _wanted("slope", slope, n)
    cdef double *c = _wanted("bend", bend, n)
    cdef double *d = _wanted("log2cosh", log2cosh, n)
    if n == 0:
        return
    # Chunks are whole vectors, so no element sees another's company change with n_threads.
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            first = i * CHUNK
            active.averages(min(<Py_ssize_t> CHUNK, n - first), &g[first], &v[first],
                            a + first if a else NULL, b + first if b else NULL,
                            c + first if c else NULL, d + first if d else NULL)
            i = next_part(&crew, i)
    dismiss(&crew)


def mean(*,
         const double[::1] g not None,           # IN  (n,)
         const double[::1] v not None,           # IN  (n,) >= 0
         double log_eps,
         double[::1] out not None,               # OUT (n,)
         int n_threads):
    """Average tanh over Gaussians."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g.shape[0], i, first, n_chunks = (n + CHUNK - 1) // CHUNK
    sized("v", v.shape, (n,))
    sized("out", out.shape, (n,))
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            first = i * CHUNK
            active.mean(min(<Py_ssize_t> CHUNK, n - first), &g[first], &v[first], log_eps, &out[first])
            i = next_part(&crew, i)
    dismiss(&crew)


def pair(*,
         const double[::1] g1 not None,          # IN  (n,), as the others
         const double[::1] g2 not None,
         const double[::1] v1 not None,
         const double[::1] v2 not None,
         const double[::1] rho not None,
         double log_eps,
         double[::1] out not None,               # OUT (n,)
         int n_threads):
    """Average products of two tanh over bivariate Gaussians."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g1.shape[0], i, first, n_chunks = (n + PAIR_CHUNK - 1) // PAIR_CHUNK
    sized("g2", g2.shape, (n,))
    sized("v1", v1.shape, (n,))
    sized("v2", v2.shape, (n,))
    sized("rho", rho.shape, (n,))
    sized("out", out.shape, (n,))
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            first = i * PAIR_CHUNK
            active.pair(min(<Py_ssize_t> PAIR_CHUNK, n - first), &g1[first], &g2[first], &v1[first],
                        &v2[first], &rho[first], log_eps, &out[first])
            i = next_part(&crew, i)
    dismiss(&crew)


def fixed(*,
          const double[::1] a not None,           # IN  (n,)
          const double[::1] v not None,           # IN  (n,) >= 0
          double[::1] out not None,               # OUT (n,)
          int n_threads):
    """Solve m = tanh(a - v m); return how many did not settle."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = a.shape[0], i, first, n_bad = 0, n_chunks = (n + CHUNK - 1) // CHUNK
    sized("v", v.shape, (n,))
    sized("out", out.shape, (n,))
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            first = i * CHUNK
            add(&n_bad, active.fixed(min(<Py_ssize_t> CHUNK, n - first), &a[first], &v[first], &out[first]))
            i = next_part(&crew, i)
    dismiss(&crew)
    return n_bad


def hermite(*,
            const double[::1] g not None,           # IN  (n,)
            const double[::1] v not None,           # IN  (n,)
            double[:, ::1] coefficient not None,    # OUT (HERMITE, n)
            double[:, ::1] rest not None,           # OUT (STAGES, n)
            int n_threads):
    """Expand tanh of a Gaussian in Hermite polynomials."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = g.shape[0], i, first, n_chunks = (n + PAIR_CHUNK - 1) // PAIR_CHUNK
    sized("v", v.shape, (n,))
    sized("coefficient", coefficient.shape, (N_HERMITE, n))
    sized("rest", rest.shape, (N_STAGES, n))
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            first = i * PAIR_CHUNK
            active.hermite(first, min(<Py_ssize_t> PAIR_CHUNK, n - first), n, &g[first], &v[first],
                           &coefficient[0, 0], &rest[0, 0])
            i = next_part(&crew, i)
    dismiss(&crew)


def mehler(*,
           const double[:, ::1] coefficient not None,    # IN  (HERMITE, n)
           const double[:, ::1] rest not None,           # IN  (STAGES, n)
           const double[:, ::1] rho not None,            # IN  (n, n)
           double tol,
           double[:, ::1] out not None,                  # OUT (n, n)
           int n_threads):
    """Sum Mehler's series of every pair; NaN where it falls short."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t n = rho.shape[0], i
    sized("rho", rho.shape, (n, n))
    sized("coefficient", coefficient.shape, (N_HERMITE, n))
    sized("rest", rest.shape, (N_STAGES, n))
    sized("out", out.shape, (n, n))
    n_threads = _team(n_threads, n // 64)
    cdef Crew crew = crew_of(n)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            active.mehler(i, n, &coefficient[0, 0], &rest[0, 0], &rho[i, 0], tol, &out[i, 0])
            i = next_part(&crew, i)
    dismiss(&crew)


def signs(*,
          double scale,
          const double[:, ::1] A not None,        # IN  (n_rows, n)
          double log_eps,
          double[:, ::1] out not None,            # OUT (n_rows, n)
          int n_threads):
    """Average s_a tanh(scale s.A) over all signs s, for every row of A."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t i, n = A.shape[1], n_work = (42 * n + 7) // 8 * 8
    sized("out", out.shape, (A.shape[0], n))
    n_threads = _team(n_threads, A.shape[0])
    cdef double[::1] work = np.empty(n_threads * n_work + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &work[0] + 63) // 64 * 64)
    cdef Crew crew = crew_of(A.shape[0])
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            active.signs(n, scale, &A[i, 0], log_eps, &out[i, 0], aligned + threadid() * n_work,
                         crew_stopped, &crew)
            i = next_part(&crew, i)
    dismiss(&crew)


def product(*,
            const double[::1] H not None,           # IN  (n_rows,)
            const double[:, :] a not None,          # IN  (n_rows, n), rows contiguous or one row repeated
            const double[:, :] m not None,          # IN  (n_rows, n), likewise
            double log_eps,
            double[::1] mean not None,              # OUT (n_rows,)
            double[::1] slope not None,             # OUT (n_rows,)
            double[:, ::1] secant,     # OUT (n_rows, n) or None
            int n_threads):
    """Average tanh(H + a.s) over independent signs of mean m, for every row."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t i, n_rows = H.shape[0], n = a.shape[1], n_work = (50 * n + 7) // 8 * 8
    sized("a", a.shape, (n_rows, n))
    sized("m", m.shape, (n_rows, n))
    if n > 1 and not a.strides[1] == m.strides[1] == sizeof(double):
        raise ValueError("a and m must have contiguous rows")
    sized("mean", mean.shape, (n_rows,))
    sized("slope", slope.shape, (n_rows,))
    if secant is not None:
        sized("secant", secant.shape, (n_rows, n))
    n_threads = _team(n_threads, H.shape[0])
    cdef double[::1] work = np.empty(n_threads * n_work + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &work[0] + 63) // 64 * 64)
    cdef double *k = NULL if secant is None else &secant[0, 0]
    cdef Crew crew = crew_of(H.shape[0])
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            active.product(n, H[i], &a[i, 0], &m[i, 0], log_eps, &mean[i], &slope[i],
                           k + i * n if k else NULL, aligned + threadid() * n_work, crew_stopped, &crew)
            i = next_part(&crew, i)
    dismiss(&crew)


def given(*,
          const double[::1] g not None,                 # IN  (n,)
          const double[:, ::1] v not None,              # IN  (n, n), or (n, 1): one for a row
          const double[:, ::1] rise not None,           # IN  (n, n)
          const double[:, ::1] linear,     # IN  (n, n) or None, as square
          const double[:, ::1] square,
          const double[::1] mu not None,                # IN  (n,)
          double log_eps,
          double[:, ::1] mean,             # OUT (n, n) or None; may be linear or square
          double[:, ::1] cov not None,                  # OUT (n, n); may be rise
          int n_threads):
    """Average tanh of every spin given one other, and take its covariance with that one."""
    cdef const Integrals *active = _active
    cdef Py_ssize_t i, n = rise.shape[0]
    cdef int v_stride = v.shape[1] > 1
    sized("g", g.shape, (n,))
    sized("v", v.shape, (n, n if v_stride else 1))
    sized("rise", rise.shape, (n, n))
    if (linear is None) != (square is None):
        raise ValueError("linear and square must both be arrays or both None")
    if linear is not None:
        sized("linear", linear.shape, (n, n))
        sized("square", square.shape, (n, n))
    sized("mu", mu.shape, (n,))
    if mean is not None:
        sized("mean", mean.shape, (n, n))
    sized("cov", cov.shape, (n, n))
    cdef const double *a = NULL if linear is None else &linear[0, 0]
    cdef const double *b = NULL if square is None else &square[0, 0]
    cdef double *c = NULL if mean is None else &mean[0, 0]
    n_threads = _team(n_threads, n // 16)
    cdef Crew crew = crew_of(n)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            active.given(n, g[i], &v[i, 0], v_stride, &rise[i, 0], a + i * n if a else NULL,
                         b + i * n if b else NULL, &mu[0], log_eps, c + i * n if c else NULL, &cov[i, 0])
            i = next_part(&crew, i)
    dismiss(&crew)
