"""Blocks of orbits of compiled maps: what they are told, what they work with, and derivatives of their steps.

For the loops of _maps.pyx; derivatives have the bits of derivatives.py.
"""

from libc.math cimport fabs
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy, memset

cdef extern from "cycles/cycles.h" nogil:
    size_t dmft_straighten_work(Py_ssize_t, Py_ssize_t)

cdef extern from "maps/arrays.h" nogil:
    int64_t *dmft_arrays_taken()

cdef extern from *:
    """
    #define DMFT_STEP 0x1p-7
    #define DMFT_TINY 1e-30
    """
    const double STEP "DMFT_STEP"  # as in derivatives.py
    const double TINY "DMFT_TINY"

ctypedef void (*Function)(const double *, const double *, int64_t, double *) noexcept nogil

cdef enum:
    GIVEN = 0
    COMPLEX = 1
    DIFFERENCES = 2
    ROOM = 2048  # numbers of states to come that have a place in front of the window: of the cache nearest to the core


cdef struct Shape:
    Function step           # the map, of `lanes` points side by side
    Function slope          # its derivative; for a complex step the map itself, of complex numbers
    bint reads              # the step leaves its window alone
    int kind                # where the derivative comes from
    Py_ssize_t lanes        # of a block; in all its arrays they are innermost
    Py_ssize_t slope_lanes  # of the derivative: as many, or 1
    Py_ssize_t size         # of a state
    Py_ssize_t n_in         # of a window
    Py_ssize_t n_parameters
    Py_ssize_t n_tangents
    Py_ssize_t pitch        # lanes of frames that go side by side; 0 if one goes after the other
    int64_t period
    int64_t qr_interval
    const double *scale     # (n_in,): how large coordinates are at least
    double rounding         # of entries of the derivative, relative to their terms


cdef struct Work:
    double *window          # (n_in, lanes): where the block is; it moves down, state by state
    double *ring            # (room + n_in, lanes): what it moves in
    int64_t *taken          # of the memory for arrays that functions make
    Py_ssize_t room
    double *parameters      # (n_parameters, lanes)
    double *point           # (2 n_in, lanes) each: windows that are handed over
    double *other
    double *values          # (2 n_parameters,): parameters of a lane
    double *ahead           # (2 size, lanes) each: what comes back
    double *behind
    double *rows            # (3, size, n_in, lanes)
    double *one             # (size, n_in): rows of a lane
    double *apart           # (lanes,)
    double *top             # (size, n_tangents)
    double *sums            # (size, n_tangents)
    double *bounds          # (lanes, n_in, n_tangents): terms that the entries of frames are sums of
    double *factors         # dmft_straighten_work
    double *derivative      # (size, n_in, pitch)
    double *frame           # (n_in, n_tangents, pitch) each: where tangents are, terms of their entries, what was there
    double *terms
    double *kept
    double *tops            # (size, n_tangents, pitch)
    double *tilt            # (n_tangents, n_tangents, pitch)
    double *logs            # (n_tangents, pitch)
    double *doubt           # (pitch,)
    double *reflections     # (n_in + 2, n_tangents, pitch)


cdef inline Py_ssize_t room_of(const Shape *map) noexcept nogil:
    """Return how many numbers of a lane have a place in front of the window, whole states."""
    return max(1, ROOM // (map.size * map.lanes)) * map.size


cdef inline Py_ssize_t needed(const Shape *map) noexcept nogil:
    """Return how many doubles a thread works with."""
    cdef Py_ssize_t k = map.n_tangents
    cdef Py_ssize_t n = (room_of(map) + 5 * map.n_in + 3 * map.n_parameters + 4 * map.size) * map.lanes
    if k:
        n += (3 * map.lanes + 1) * map.size * map.n_in + map.lanes + k * (2 * map.size + map.lanes * map.n_in)
        n += <Py_ssize_t>dmft_straighten_work(map.n_in, k)
        n += map.pitch * (map.size * map.n_in + k * (4 * map.n_in + map.size + k + 3) + 1)
    return n + 16  # so that threads do not write side by side, and vectors are aligned


cdef inline void divide(const Shape *map, double *given, Work *work) noexcept nogil:
    """Divide the memory of a thread up."""
    cdef Py_ssize_t lanes = map.lanes, k = map.n_tangents
    work.taken = dmft_arrays_taken()
    work.room = room_of(map)
    work.ring = given + (64 - <uintptr_t>given % 64) % 64 // sizeof(double)
    work.window = work.ring + work.room * lanes
    work.parameters = work.window + map.n_in * lanes
    work.point = work.parameters + map.n_parameters * lanes
    work.other = work.point + 2 * map.n_in * lanes
    work.values = work.other + 2 * map.n_in * lanes
    work.ahead = work.values + 2 * map.n_parameters * lanes
    work.behind = work.ahead + 2 * map.size * lanes
    work.rows = work.one = work.apart = work.top = work.sums = work.bounds = work.factors = work.derivative = NULL
    work.frame = work.terms = work.kept = work.tops = work.tilt = work.logs = work.doubt = work.reflections = NULL
    if map.n_tangents:
        work.rows = work.behind + 2 * map.size * lanes
        work.one = work.rows + 3 * map.size * map.n_in * lanes
        work.apart = work.one + map.size * map.n_in
        work.top = work.apart + lanes
        work.sums = work.top + map.size * map.n_tangents
        work.bounds = work.sums + map.size * map.n_tangents
        work.factors = work.bounds + lanes * map.n_in * map.n_tangents
        work.derivative = work.factors + dmft_straighten_work(map.n_in, k)
        work.frame = work.derivative + map.size * map.n_in * map.pitch
        work.terms = work.frame + map.n_in * k * map.pitch
        work.kept = work.terms + map.n_in * k * map.pitch
        work.tops = work.kept + map.n_in * k * map.pitch
        work.tilt = work.tops + map.size * k * map.pitch
        work.logs = work.tilt + k * k * map.pitch
        work.doubt = work.logs + k * map.pitch
        work.reflections = work.doubt + map.pitch


cdef inline void gather(double *out, Py_ssize_t lanes, const double *rows, Py_ssize_t n,
                        Py_ssize_t n_here) noexcept nogil:
    """Put rows of n numbers side by side, (n, lanes); the last of them also into the lanes that are left over."""
    cdef Py_ssize_t a, lane
    for lane in range(lanes):
        for a in range(n):
            out[a * lanes + lane] = rows[(lane if lane < n_here else n_here - 1) * n + a]


cdef inline void scatter(const double *block, Py_ssize_t lanes, double *out, Py_ssize_t n, Py_ssize_t apart,
                         Py_ssize_t n_here) noexcept nogil:
    """Put the first n numbers of each lane into a row; rows are so far apart."""
    cdef Py_ssize_t a, lane
    for lane in range(n_here):
        for a in range(n):
            out[lane * apart + a] = block[a * lanes + lane]


cdef inline void differentiate(const Shape *map, int64_t phase, const Work *work) noexcept nogil:
    """Fill in the derivative of a step of all lanes, the first (size, n_in, lanes) of the rows."""
    cdef Py_ssize_t i, a, k, lane, lanes = map.lanes, n_in = map.n_in, size = map.size, n = size * n_in * lanes, at
    cdef double spacing, least, first, second
    cdef double *rows = work.rows
    if map.kind == GIVEN:
        memcpy(work.point, work.window, n_in * lanes * sizeof(double))
        work.taken[0] = 0
        map.slope(work.point, work.parameters, phase, rows)
        return
    if map.kind == COMPLEX:
        step_in_complex(map, phase, work)
        return
    for i in range(n_in):
        least = map.scale[i]
        for k in range(3):
            memcpy(work.point, work.window, n_in * lanes * sizeof(double))
            memcpy(work.other, work.window, n_in * lanes * sizeof(double))
            for at in range(i * lanes, (i + 1) * lanes):
                spacing = STEP * (fabs(work.point[at]) if fabs(work.point[at]) > least else least)
                work.point[at] += spacing / (1 << k)
                work.other[at] -= spacing / (1 << k)
            # Before functions can write into them: as they came out in doubles.
            for lane in range(lanes):
                work.apart[lane] = work.point[i * lanes + lane] - work.other[i * lanes + lane]
            work.taken[0] = 0
            map.step(work.point, work.parameters, phase, work.ahead)
            work.taken[0] = 0
            map.step(work.other, work.parameters, phase, work.behind)
            for a in range(size):
                for lane in range(lanes):
                    rows[k * n + (a * n_in + i) * lanes + lane] = (
                        work.ahead[a * lanes + lane] - work.behind[a * lanes + lane]
                    ) / work.apart[lane]
    for at in range(n):
        first = (4.0 * rows[n + at] - rows[at]) / 3.0
        second = (4.0 * rows[2 * n + at] - rows[n + at]) / 3.0
        rows[at] = (16.0 * second - first) / 15.0


cdef inline void step_in_complex(const Shape *map, int64_t phase, const Work *work) noexcept nogil:
    """Fill in the derivative of a step of all lanes by complex steps."""
    cdef Py_ssize_t i, a, at, lanes = map.lanes, n_in = map.n_in
    cdef size_t row = lanes * sizeof(double)
    cdef const double *imaginary
    cdef double *to
    for a in range(map.n_parameters):
        memcpy(work.values + 2 * a * lanes, work.parameters + a * lanes, row)
        memset(work.values + (2 * a + 1) * lanes, 0, row)
    for i in range(n_in):
        for a in range(n_in):
            memcpy(work.point + 2 * a * lanes, work.window + a * lanes, row)
            memset(work.point + (2 * a + 1) * lanes, 0, row)
        for at in range(lanes):
            work.point[(2 * i + 1) * lanes + at] = TINY
        work.taken[0] = 0
        map.slope(work.point, work.values, phase, work.ahead)
        for a in range(map.size):
            to, imaginary = work.rows + (a * n_in + i) * lanes, work.ahead + (2 * a + 1) * lanes
            for at in range(lanes):
                to[at] = imaginary[at] / TINY


cdef inline void differentiate_one(const Shape *map, Py_ssize_t lane, int64_t phase, const Work *work) noexcept nogil:
    """Fill in the derivative of a lane by a function of one point."""
    cdef Py_ssize_t i, a, lanes = map.lanes, n_in = map.n_in, size = map.size
    cdef int step = 2 if map.kind == COMPLEX else 1
    for i in range(map.n_parameters):
        work.values[step * i] = work.parameters[i * lanes + lane]
        if map.kind == COMPLEX:
            work.values[step * i + 1] = 0.0
    if map.kind == GIVEN:
        for a in range(n_in):
            work.point[a] = work.window[a * lanes + lane]
        work.taken[0] = 0
        map.slope(work.point, work.values, phase, work.one)
        return
    for i in range(n_in):
        for a in range(n_in):
            work.point[2 * a] = work.window[a * lanes + lane]
            work.point[2 * a + 1] = TINY if a == i else 0.0
        work.taken[0] = 0
        map.slope(work.point, work.values, phase, work.ahead)
        for a in range(size):
            work.one[a * n_in + i] = work.ahead[2 * a + 1] / TINY
