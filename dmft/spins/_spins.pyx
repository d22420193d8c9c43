"""The compiled vector spins behind plain arrays. Shapes are checked at the top; values, in the modules beside.

The kernels are C, compiled once for each instruction set (`csrc/README.md`); this file has the loops over chunks of
elements or rows, and holds the instruction set in use.
"""

from cython.parallel cimport parallel
from libc.stdint cimport uint64_t

import numpy as np

from .._util import simd as _simd
from .._util.crew cimport Crew, crew_of, dismiss, next_part
from .._util.doors cimport positive, ranged, sized

cdef extern from "spins/spins.h" nogil:
    ctypedef struct Rule:
        int n_along, n_across
        const double *along
        const double *along_weight
        const double *across
        const double *across_weight
    enum: LARGE
    enum: EXACT
    enum: AVERAGED
    ctypedef struct Rows:
        Py_ssize_t n_components
        int law
        double beta, radius
        Rule rule
        double *theta
        const double *fields
        const double *spread
        const double *old
        double *mean
        double *square
        double *change
    enum: MOST_KEPT
    ctypedef struct Mixing:
        Py_ssize_t size
        int n_kept, place
        double *residual
        double *changes
    ctypedef struct Spins:
        void (*radial)(Py_ssize_t, double, const double *, double *, double *, double *, double *,
                       double *) noexcept nogil
        void (*inverse)(Py_ssize_t, double, const double *, double *) noexcept nogil
        void (*response)(const Rows *, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*averages)(Py_ssize_t, double, const Rule *, const double *, const double *, double *, double *,
                         double *) noexcept nogil
        void (*draw)(const Rows *, const uint64_t *, uint64_t, int, double *, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*residuals)(const Mixing *, const double *, const double *, double *) noexcept nogil
        void (*combine)(Py_ssize_t, int, const int *, const double *, const double *, double *) noexcept nogil

cdef extern from "philox.h" nogil:
    enum: FOR_SPINS
    enum: FOR_START

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define SPINS(isa) &dmft_spins_##isa
    static const Spins *const spins_sets[] = EACH_SET(SPINS);
    """
    const Spins *spins_sets[]

cdef const Spins *_active

# What a thread takes at once: whole vectors, and about a millisecond of work where there is so much. Another thread has
# to be woken up, which on a machine that others use takes longer than it helps with less.
cdef enum:
    CHUNK = 8192     # elements
    DRAWN = 1024     # spins
    ROWS = 32        # rows at least,
    PART = 2000000   # and work: in components of a row that are passed over,
    RATIO = 100      # with a ratio of Bessel functions, and
    NODE = 50        # with a node of an average, costing as much as so many

PURPOSES = {"spins": FOR_SPINS, "start": FOR_START}
LAWS = {"large": LARGE, "exact": EXACT, "averaged": AVERAGED}


def _use(int i):
    global _active
    ranged("set", i, 0, N_SETS - 1)
    _active = spins_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


cdef inline int _team(int n_threads, Py_ssize_t n_parts) except -1:
    """Never wake more threads than there are parts: a waiting one costs more than a small call."""
    positive("n_threads", n_threads)
    return <int> max(1, min(<Py_ssize_t> n_threads, n_parts))


cdef inline Py_ssize_t _rows_of_part(Py_ssize_t cost) noexcept:
    """Return how many rows of a cost are worth a thread."""
    return ROWS * max(<Py_ssize_t> 1, PART // (ROWS * cost))


cdef inline Py_ssize_t _cost(const Rule *rule) noexcept:
    """Return what an average over nodes costs."""
    return <Py_ssize_t> NODE * rule.n_along * rule.n_across


cdef inline double *_wanted(str name, double[::1] array, Py_ssize_t n) except? NULL:
    """Return where an array of n numbers begins, NULL if there is none."""
    if array is None:
        return NULL
    sized(name, array.shape, (n,))
    return &array[0]


cdef inline int _components(double n_components, double least) except -1:
    """Raise unless there is a number of components, `least` or more of them, and not too many to be numbers."""
    if not least <= n_components <= 1e9:
        raise ValueError(f"n_components must be in {least}..1e9, got {n_components}")
    return 0


cdef class Nodes:
    """Nodes and weights of an average over a Gaussian field: along the mean field and, squared, across it."""

    cdef readonly object arrays
    cdef Rule rule

    def __init__(self,
                 const double[::1] along not None,           # IN (n_along,)
                 const double[::1] along_weight not None,    # IN (n_along,)
                 const double[::1] across not None,          # IN (n_across,) >= 0
                 const double[::1] across_weight not None):  # IN (n_across,)
        cdef Py_ssize_t n = along.shape[0], k = across.shape[0]
        ranged("length of along", n, 1, 4096)
        ranged("length of across", k, 1, 4096)
        sized("along_weight", along_weight.shape, (n,))
        sized("across_weight", across_weight.shape, (k,))
        self.arrays = along, along_weight, across, across_weight
        self.rule.n_along, self.rule.n_across = <int> n, <int> k
        self.rule.along, self.rule.along_weight = &along[0], &along_weight[0]
        self.rule.across, self.rule.across_weight = &across[0], &across_weight[0]

    def __reduce__(self):
        return Nodes, tuple(np.array(each) for each in self.arrays)


def radial(*,
           double n_components,
           const double[::1] x not None,   # IN  (n,) >= 0
           double[::1] ratio not None,     # OUT (n,): A
           double[::1] over not None,      # OUT (n,): A / x
           double[::1] slope=None,         # OUT (n,) or None, as the others: A'
           double[::1] first=None,         # (A / x)' / x
           double[::1] second=None,        # its derivative over x
           int n_threads):
    """Return the mean length of a spin in a field, and its derivatives."""
    cdef const Spins *active = _active
    cdef Py_ssize_t n = x.shape[0], i, at, n_chunks = (n + CHUNK - 1) // CHUNK
    _components(n_components, 1.0)
    sized("ratio", ratio.shape, (n,))
    sized("over", over.shape, (n,))
    cdef double *a = _wanted("slope", slope, n)
    cdef double *b = _wanted("first", first, n)
    cdef double *c = _wanted("second", second, n)
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = at = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            at = i * CHUNK
            active.radial(min(<Py_ssize_t> CHUNK, n - at), n_components, &x[at], &ratio[at], &over[at],
                          a + at if a else NULL, b + at if b else NULL, c + at if c else NULL)
            i = next_part(&crew, i)
    dismiss(&crew)


def inverse(*,
            double n_components,
            const double[::1] y not None,  # IN  (n,) in [0, 1)
            double[::1] x not None,        # OUT (n,)
            int n_threads):
    """Return the field in which a spin has a mean length."""
    cdef const Spins *active = _active
    cdef Py_ssize_t n = y.shape[0], i, at, n_chunks = (n + CHUNK - 1) // CHUNK
    _components(n_components, 1.0)
    sized("x", x.shape, (n,))
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = at = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            at = i * CHUNK
            active.inverse(min(<Py_ssize_t> CHUNK, n - at), n_components, &y[at], &x[at])
            i = next_part(&crew, i)
    dismiss(&crew)


def averages(*,
             double n_components,
             Nodes nodes not None,
             const double[::1] t not None,  # IN  (n,) >= 0
             const double[::1] s not None,  # IN  (n,) >= 0
             double[::1] over not None,     # OUT (n,)
             double[::1] slope not None,    # OUT (n,)
             double[::1] bend not None,     # OUT (n,)
             int n_threads):
    """Average the mean of a spin over a Gaussian field, and its derivatives by mean and variance."""
    cdef const Spins *active = _active
    cdef const Rule *rule = &nodes.rule
    cdef Py_ssize_t n = t.shape[0], i, at, chunk = _rows_of_part(_cost(rule)), n_chunks = (n + chunk - 1) // chunk
    _components(n_components, 1.0 + 1e-9)
    sized("s", s.shape, (n,))
    sized("over", over.shape, (n,))
    sized("slope", slope.shape, (n,))
    sized("bend", bend.shape, (n,))
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = at = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            at = i * chunk
            active.averages(min(chunk, n - at), n_components, rule, &t[at], &s[at], &over[at],
                            &slope[at], &bend[at])
            i = next_part(&crew, i)
    dismiss(&crew)


def response(*,
             str law not None,
             double beta,
             double radius,
             Nodes nodes=None,                # of law "averaged"
             double[:, ::1] theta not None,   # INOUT (n, n_components): products; with the fields on return
             const double[:, ::1] fields=None,  # IN (n, n_components) or None
             const double[::1] spread=None,   # IN (n,) or None
             const double[:, ::1] old=None,   # IN (n, n_components) or None
             double[:, ::1] mean not None,    # OUT (n, n_components); may be theta
             double[::1] square not None,     # OUT (n,)
             double[::1] change=None,         # OUT (n,) or None; needs old
             int n_threads):
    """Take rows of fields to rows of means."""
    cdef const Spins *active = _active
    cdef Py_ssize_t n = theta.shape[0], D = theta.shape[1], i, at, chunk, n_chunks
    cdef Rows rows
    rows.law = LAWS.get(law, -1)
    ranged("number of the law", rows.law, 0, AVERAGED)
    _components(<double> D, 3.0 if rows.law == LARGE else 2.0 if rows.law == AVERAGED else 1.0)
    if rows.law == AVERAGED:
        if nodes is None or spread is None:
            raise ValueError("nodes and spread must be given with law 'averaged', got None")
        rows.rule = nodes.rule
    sized("mean", mean.shape, (n, D))
    sized("square", square.shape, (n,))
    if fields is not None:
        sized("fields", fields.shape, (n, D))
    if spread is not None:
        sized("spread", spread.shape, (n,))
    if old is not None:
        sized("old", old.shape, (n, D))
    if n == 0:
        return
    chunk = _rows_of_part(D + (RATIO if rows.law == EXACT else _cost(&rows.rule) if rows.law == AVERAGED else 0))
    n_chunks = (n + chunk - 1) // chunk
    rows.n_components, rows.beta, rows.radius = D, beta, radius
    rows.theta, rows.mean, rows.square = &theta[0, 0], &mean[0, 0], &square[0]
    rows.fields = rows.spread = rows.old = NULL
    if fields is not None:
        rows.fields = &fields[0, 0]
    if spread is not None:
        rows.spread = &spread[0]
    if old is not None:
        rows.old = &old[0, 0]
    rows.change = _wanted("change", change, n)
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = at = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            at = i * chunk
            active.response(&rows, at, min(chunk, n - at))
            i = next_part(&crew, i)
    dismiss(&crew)


def draw(*,
         double beta,
         double radius,
         double[:, ::1] theta not None,       # INOUT (n, n_components): products; with the fields on return
         const double[:, ::1] fields=None,    # IN (n, n_components) or None
         const uint64_t[::1] key not None,    # IN (2,): of the random numbers, seed and replica
         uint64_t step,
         str purpose not None,
         double[:, ::1] spins not None,       # OUT (n, n_components); not theta
         int n_threads):
    """Draw spins in fields."""
    cdef const Spins *active = _active
    cdef Py_ssize_t n = theta.shape[0], D = theta.shape[1], i, at, n_chunks = (n + DRAWN - 1) // DRAWN
    cdef int what = PURPOSES.get(purpose, -1)
    cdef Rows rows
    ranged("number of the purpose", what, 0, 255)
    _components(<double> D, 1.0)
    sized("key", key.shape, (2,))
    sized("spins", spins.shape, (n, D))
    if fields is not None:
        sized("fields", fields.shape, (n, D))
    if not (0.0 <= beta < 1e100 and 0.0 < radius < 1e100):  # else a rejection might never end
        raise ValueError(f"beta must be >= 0 and radius > 0, both below 1e100, got {beta} and {radius}")
    if n == 0:
        return
    rows.n_components, rows.beta, rows.radius, rows.theta, rows.fields = D, beta, radius, &theta[0, 0], NULL
    if fields is not None:
        rows.fields = &fields[0, 0]
    n_threads = _team(n_threads, n_chunks)
    cdef Crew crew = crew_of(n_chunks)
    i = at = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            at = i * DRAWN
            active.draw(&rows, &key[0], step, what, &spins[0, 0], at, min(<Py_ssize_t> DRAWN, n - at))
            i = next_part(&crew, i)
    dismiss(&crew)


def residuals(*,
              const double[:, ::1] pool not None,  # IN (n, size)
              Py_ssize_t image,                    # rows of the pool
              Py_ssize_t vector,
              double[::1] residual not None,       # INOUT (size,): the last one, then this one
              double[:, ::1] changes not None,     # INOUT (n_kept or more, size)
              int place,                           # where the new change goes, below n_kept; -1: there is none
              double[::1] products not None):      # OUT (2 n_kept + 1,)
    """Take the residual of an iteration, its change, and the products of these with the changes kept."""
    cdef const Spins *active = _active
    cdef Py_ssize_t n = pool.shape[0], size = pool.shape[1], n_kept = (products.shape[0] - 1) // 2
    cdef Mixing mix
    ranged("image", image, 0, n - 1)
    ranged("vector", vector, 0, n - 1)
    sized("residual", residual.shape, (size,))
    ranged("length of changes", changes.shape[0], n_kept, MOST_KEPT)
    sized("changes", changes.shape, (changes.shape[0], size))
    sized("products", products.shape, (2 * n_kept + 1,))
    ranged("place", place, 0 if n_kept else -1, n_kept - 1)
    if size == 0:
        return
    mix.size, mix.n_kept, mix.place, mix.residual = size, <int> n_kept, place, &residual[0]
    mix.changes = &changes[0, 0] if n_kept else NULL
    with nogil:
        active.residuals(&mix, &pool[image, 0], &pool[vector, 0], &products[0])


def combine(*,
            double[:, ::1] pool not None,       # INOUT (n, size)
            const int[::1] slots not None,      # IN (k,): rows of the pool
            const double[::1] weights not None,  # IN (k,)
            Py_ssize_t out):                    # OUT: a row that is none of these
    """Put a sum of rows times weights in another row."""
    cdef const Spins *active = _active
    cdef Py_ssize_t n = pool.shape[0], size = pool.shape[1], k = slots.shape[0], i
    ranged("number of rows", k, 1, n)
    sized("weights", weights.shape, (k,))
    ranged("out", out, 0, n - 1)
    for i in range(k):
        ranged("row", slots[i], 0, n - 1)
        if slots[i] == out:
            raise ValueError(f"out must be none of the rows that are summed, got {out}")
    if size == 0:
        return
    with nogil:
        active.combine(size, <int> k, &slots[0], &weights[0], &pool[0, 0], &pool[out, 0])
