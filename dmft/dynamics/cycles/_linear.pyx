"""Linear algebra round many cycles of one length, behind plain arrays; see csrc/cycles/cycles.h.

Shapes and indices are checked at the top. A cycle is worked on by itself: its numbers do not depend on the others.
"""

from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uintptr_t

import numpy as np

from ..._util import simd as _simd
from ..._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from ..._util.doors cimport positive, ranged, sized

cdef extern from "cycles/cycles.h" nogil:
    size_t dmft_frames_work(Py_ssize_t)
    int dmft_carry_frame(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double *, double *, double *, double *,
                         double *, double *, double *, int (*)(void *) noexcept nogil, void *)
    enum: CARRIED
    ctypedef struct Carry:
        int width
        size_t (*work)(Py_ssize_t, Py_ssize_t) noexcept nogil
        int (*carry)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double *, double *, double *,
                     double *, double *, double *, double *, int (*)(void *) noexcept nogil, void *) noexcept nogil
    size_t dmft_covariant_work(Py_ssize_t, Py_ssize_t)
    int dmft_carry_forward(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double *, double *, double *,
                           double *, int (*)(void *) noexcept nogil, void *)
    int dmft_carry_back(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *,
                        const double *, double *, double *, double *, double *, double *, Py_ssize_t, Py_ssize_t *,
                        double *, int (*)(void *) noexcept nogil, void *)
    size_t dmft_straighten_work(Py_ssize_t, Py_ssize_t)
    int dmft_straighten_moved(Py_ssize_t, Py_ssize_t, double, double, double, double *, double *, double *, double *,
                              int64_t *, double *, double *)
    void dmft_multiply_blocks(Py_ssize_t, Py_ssize_t, Py_ssize_t, const int64_t *, const double *, double *, double *,
                              double *)
    int dmft_strayed(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const int64_t *, const double *, double *,
                     double *, int (*)(void *) noexcept nogil, void *)
    size_t dmft_periodic_work(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t)
    int dmft_solve_periodic(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *,
                            const double *, const double *, const double *, const double *, double *, double *,
                            double *, int (*)(void *) noexcept nogil, void *)

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define CARRY(isa) &dmft_carry_##isa
    static const Carry *const carry_sets[] = EACH_SET(CARRY);
    """
    const Carry *carry_sets[]

SIDE_BY_SIDE = CARRIED  # rows of a frame at most that several cycles take round together

cdef const Carry *_active
cdef const Carry *_narrow  # for cycles that fit a register of it: fewer idle lanes, and the same bits


def _use(int i):
    global _active, _narrow
    ranged("set", i, 0, N_SETS - 1)
    _active = carry_sets[i]
    _narrow = carry_sets[i + 1] if i + 2 < N_SETS and set_runs(i + 1) else _active


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


cdef int _steps(const Py_ssize_t *shape) except -1:
    """Raise unless an array can be the top rows of cycles, (n_points, n_steps, n_features, size)."""
    positive("n_steps", shape[1])
    positive("n_features", shape[2])
    ranged("size % n_features", shape[3] % shape[2], 0, 0)
    positive("size", shape[3])
    return 0


def carry(*,
          const double[:, :, :, ::1] top not None,    # IN    (n_points, n_steps, n_features, size)
          double[:, :, ::1] frame not None,           # INOUT (n_points, size, size)
          double[:, :, :, ::1] upper not None,        # OUT   (n_points, n_steps, size, size): a triangle a step
          double[:, :, ::1] turn not None,            # OUT   (n_points, size, size): the frame in that before
          double[:, ::1] leak not None,               # OUT   (n_points, size): of the first 1, 2, ... vectors
          double[:, ::1] stretch not None,            # OUT   (n_points, size): logs of the diagonals, summed
          double[:, ::1] rounding not None,           # OUT   (n_points, size): how much of those it may be
          int n_threads):
    """Take frames once round the cycles."""
    cdef Py_ssize_t n = top.shape[0], n_steps = top.shape[1], n_features = top.shape[2], size = top.shape[3], p
    _steps(top.shape)
    sized("frame", frame.shape, (n, size, size))
    sized("upper", upper.shape, (n, n_steps, size, size))
    sized("turn", turn.shape, (n, size, size))
    sized("leak", leak.shape, (n, size))
    sized("stretch", stretch.shape, (n, size))
    sized("rounding", rounding.shape, (n, size))
    positive("n_threads", n_threads)
    cdef const Carry *many = _narrow if n <= _narrow.width else _active
    cdef Py_ssize_t width = many.width if size <= CARRIED else 1, i
    cdef size_t n_scratch = ((many.work(n_features, size) if width > 1 else dmft_frames_work(size)) + 15) // 8 * 8
    cdef double[::1] scratch = np.empty(n_threads * n_scratch + 8)
    cdef double *aligned = <double *> ((<uintptr_t> &scratch[0] + 63) // 64 * 64)
    cdef double *own = NULL
    cdef Crew crew = crew_of((n + width - 1) // width)
    i = p = -1
    with nogil, parallel(num_threads=n_threads):
        own = aligned + threadid() * n_scratch
        i = next_part(&crew, -1)
        while i >= 0:
            p = i * width
            if width > 1:
                many.carry(min(width, n - p), n_steps, n_features, size, &top[p, 0, 0, 0], &frame[p, 0, 0],
                           &upper[p, 0, 0, 0], &turn[p, 0, 0], &leak[p, 0], &stretch[p, 0], &rounding[p, 0], own,
                           crew_stopped, &crew)
            else:
                dmft_carry_frame(n_steps, n_features, size, &top[p, 0, 0, 0], &frame[p, 0, 0], &upper[p, 0, 0, 0],
                                 &turn[p, 0, 0], &leak[p, 0], &stretch[p, 0], &rounding[p, 0], own, crew_stopped, &crew)
            i = next_part(&crew, i)
    dismiss(&crew)


def forward(*,
            const double[:, :, ::1] top not None,       # IN    (n_steps, n_features, size)
            double[:, ::1] frame not None,              # INOUT (size, n_tangents)
            double[:, :, ::1] frames not None,          # OUT   (n_steps, size, n_tangents): before every step
            double[:, :, ::1] upper not None):          # OUT   (n_steps, n_tangents, n_tangents)
    """Take a frame of tangents along an orbit."""
    cdef Py_ssize_t n_steps = top.shape[0], n_features = top.shape[1], size = top.shape[2], k = frame.shape[1]
    _along(top.shape)
    ranged("n_tangents", k, 1, size)
    sized("frame", frame.shape, (size, k))
    sized("frames", frames.shape, (n_steps, size, k))
    sized("upper", upper.shape, (n_steps, k, k))
    cdef double[::1] scratch = np.empty(dmft_covariant_work(size, k))
    cdef Crew crew = crew_of(1)
    with nogil:
        dmft_carry_forward(n_steps, n_features, size, k, &top[0, 0, 0], &frame[0, 0], &frames[0, 0, 0],
                           &upper[0, 0, 0], &scratch[0], crew_stopped, &crew)
    dismiss(&crew)


def back(*,
         const double[:, :, ::1] top not None,          # IN    (n_steps, n_features, size)
         const double[:, :, ::1] frames not None,       # IN    (n_steps, size, n_tangents)
         const double[:, :, ::1] upper not None,        # IN    (n_steps, n_tangents, n_tangents)
         double[:, ::1] coefficients not None,          # INOUT (n_tangents, n_tangents)
         double[:, ::1] adjoint not None,               # INOUT (size, n_adjoints)
         double[:, ::1] growth not None,                # OUT   (n_steps, n_tangents)
         double[:, :, ::1] meeting not None,            # OUT   (n_steps, n_adjoints, n_adjoints)
         double[:, :, ::1] vectors not None,            # OUT   (n_kept, size, n_tangents)
         Py_ssize_t[::1] n_lost not None):              # INOUT (n_tangents,)
    """Take covariant and adjoint vectors back along an orbit."""
    cdef Py_ssize_t n_steps = top.shape[0], n_features = top.shape[1], size = top.shape[2], k = coefficients.shape[0]
    cdef Py_ssize_t m = adjoint.shape[1], n_kept = vectors.shape[0]
    _along(top.shape)
    ranged("n_tangents", k, 1, size)
    ranged("n_adjoints", m, 0, k)
    ranged("n_kept", n_kept, 0, n_steps)
    sized("frames", frames.shape, (n_steps, size, k))
    sized("upper", upper.shape, (n_steps, k, k))
    sized("coefficients", coefficients.shape, (k, k))
    sized("adjoint", adjoint.shape, (size, m))
    sized("growth", growth.shape, (n_steps, k))
    sized("meeting", meeting.shape, (n_steps, m, m))
    sized("vectors", vectors.shape, (n_kept, size, k))
    sized("n_lost", n_lost.shape, (k,))
    cdef double[::1] scratch = np.empty(dmft_covariant_work(size, k))
    cdef Crew crew = crew_of(1)
    with nogil:
        dmft_carry_back(n_steps, n_features, size, k, m, &top[0, 0, 0], &frames[0, 0, 0], &upper[0, 0, 0],
                        &coefficients[0, 0], &adjoint[0, 0] if m else NULL, &growth[0, 0],
                        &meeting[0, 0, 0] if m else NULL, &vectors[0, 0, 0] if n_kept else NULL, n_kept, &n_lost[0],
                        &scratch[0], crew_stopped, &crew)
    dismiss(&crew)


def straighten(*,
               const Py_ssize_t[::1] points not None,   # IN    (n,): whose frames
               const double[::1] largest not None,      # IN    (n_points,): no column of the terms is longer
               double[:, :, ::1] bound,                 # INOUT (n, size, n_tangents): terms of the entries, or None
               double rounding,                         # of entries, relative to their terms
               double n_steps,                          # since frames were orthogonal
               double[:, :, ::1] frame not None,        # INOUT (n_points, size, n_tangents)
               double[:, :, ::1] tilt not None,         # INOUT (n_points, n_tangents, n_tangents)
               double[:, ::1] growth not None,          # INOUT (n_points, n_tangents)
               int64_t[:, ::1] n_lost not None,         # INOUT (n_points, n_tangents)
               double[:, ::1] off not None,             # INOUT (n_points, n_tangents)
               Py_ssize_t[::1] asking not None):        # OUT   (n,): whose frames are left, for want of terms
    """Make frames that steps have moved orthogonal again; return how many are left as they are."""
    cdef Py_ssize_t n = frame.shape[0], size = frame.shape[1], k = frame.shape[2], n_left = 0, i, p
    ranged("n_tangents", k, 1, size)
    sized("largest", largest.shape, (n,))
    sized("tilt", tilt.shape, (n, k, k))
    sized("growth", growth.shape, (n, k))
    sized("n_lost", n_lost.shape, (n, k))
    sized("off", off.shape, (n, k))
    sized("asking", asking.shape, (points.shape[0],))
    if bound is not None:
        sized("bound", bound.shape, (points.shape[0], size, k))
    for i in range(points.shape[0]):
        ranged("points", points[i], 0, n - 1)
    cdef double[::1] scratch = np.empty(dmft_straighten_work(size, k))
    with nogil:
        for i in range(points.shape[0]):
            p = points[i]
            if dmft_straighten_moved(size, k, largest[p], rounding, n_steps, &frame[p, 0, 0],
                                     &bound[i, 0, 0] if bound is not None else NULL, &tilt[p, 0, 0], &growth[p, 0],
                                     &n_lost[p, 0], &off[p, 0], &scratch[0]):
                asking[n_left] = p
                n_left += 1
    return n_left


cdef int _along(const Py_ssize_t *shape) except -1:
    """Raise unless an array can be the top rows of an orbit, (n_steps, n_features, size)."""
    positive("n_steps", shape[0])
    positive("n_features", shape[1])
    positive("size", shape[2])
    ranged("size % n_features", shape[2] % shape[1], 0, 0)
    return 0


def products(*,
             const double[:, :, ::1] upper not None,   # IN    (n_steps, size, size)
             const int64_t[::1] ends not None,         # IN    (n_blocks,): one past the last row of each, ascending
             double[:, ::1] out not None,              # OUT   (n, n), n = ends[-1]: its diagonal blocks
             double[::1] power not None):              # OUT   (n_blocks,)
    """Multiply the leading diagonal blocks of all triangles; each has to be taken times a power of two."""
    cdef Py_ssize_t n_blocks = ends.shape[0], n = 0, i
    positive("n_steps", upper.shape[0])
    sized("upper", upper.shape, (-1, -1, upper.shape[1]))
    positive("n_blocks", n_blocks)
    for i in range(n_blocks):
        ranged("ends", ends[i], n + 1, upper.shape[1])
        n = ends[i]
    sized("out", out.shape, (n, n))
    sized("power", power.shape, (n_blocks,))
    cdef double[:, ::1] work = np.empty((n, n))
    with nogil:
        dmft_multiply_blocks(upper.shape[0], upper.shape[1], n_blocks, &ends[0], &upper[0, 0, 0], &out[0, 0], &power[0],
                             &work[0, 0])


def strayed(*,
            const double[:, :, ::1] upper not None,   # IN    (n_steps, size, size)
            const int64_t[::1] block not None,        # IN    (n,): of every vector, 0, 1, ...
            Py_ssize_t n_turns,
            double[::1] error not None):              # OUT   (n,)
    """Follow what rounding turns the leading vectors of a frame by, and write how much of each stretch it is."""
    cdef Py_ssize_t n = block.shape[0]
    positive("n_steps", upper.shape[0])
    sized("upper", upper.shape, (-1, -1, upper.shape[1]))
    ranged("n", n, 1, upper.shape[1])
    positive("n_turns", n_turns)
    sized("error", error.shape, (n,))
    cdef double[::1] work = np.empty(2 * n * upper.shape[1])
    cdef Crew crew = crew_of(1)
    with nogil:
        dmft_strayed(upper.shape[0], upper.shape[1], n, n_turns, &block[0], &upper[0, 0, 0], &error[0], &work[0],
                     crew_stopped, &crew)
    dismiss(&crew)


def solve(*,
          const double[:, :, :, ::1] top not None,    # IN    (n_points, n_steps, n_features, size)
          const double[::1] factor not None,          # IN    (n_parts,): of a turn; real, or real and imaginary part
          const double[:, :, :, ::1] right not None,  # IN    (n_points, n_right, n_parts, length + n_border)
          const double[:, :, :, ::1] drive,           # IN    (n_points, n_border, n_parts, length), or None
          const double[:, :, :, ::1] given,           # IN    (n_points, n_border, n_parts, length + n_border)
          double[:, :, :, ::1] out not None,          # OUT   as right
          double[:, ::1] volume,                      # OUT   (n_points, 2): of the determinant, or None
          int n_threads):
    """Solve for perturbations, of length n_steps n_features, that a turn multiplies by a factor, as it does drives."""
    cdef Py_ssize_t n = top.shape[0], n_steps = top.shape[1], n_features = top.shape[2], size = top.shape[3], p
    cdef Py_ssize_t length = n_steps * n_features, n_right = right.shape[1], n_parts = factor.shape[0]
    cdef Py_ssize_t n_border = 0 if drive is None else drive.shape[1]
    _steps(top.shape)
    ranged("n_parts", n_parts, 1, 2)
    positive("n_right", n_right)
    sized("right", right.shape, (n, n_right, n_parts, length + n_border))
    if (drive is None) != (given is None):
        raise ValueError("drive and given must be arrays, or both None")
    if drive is not None:
        positive("n_border", n_border)
        sized("drive", drive.shape, (n, n_border, n_parts, length))
        sized("given", given.shape, (n, n_border, n_parts, length + n_border))
    sized("out", out.shape, (n, n_right, n_parts, length + n_border))
    if volume is not None:
        sized("volume", volume.shape, (n, 2))
    positive("n_threads", n_threads)
    cdef double[:, ::1] scratch = np.empty(
        (n_threads, dmft_periodic_work(n_steps, n_features, size, n_right, n_border, n_parts))
    )
    cdef Crew crew = crew_of(n)
    p = -1
    with nogil, parallel(num_threads=n_threads):
        p = next_part(&crew, -1)
        while p >= 0:
            dmft_solve_periodic(n_steps, n_features, size, n_right, n_border, n_parts, &factor[0], &top[p, 0, 0, 0],
                                &right[p, 0, 0, 0], &drive[p, 0, 0, 0] if n_border else NULL,
                                &given[p, 0, 0, 0] if n_border else NULL, &out[p, 0, 0, 0],
                                &volume[p, 0] if volume is not None else NULL, &scratch[threadid(), 0],
                                crew_stopped, &crew)
            p = next_part(&crew, p)
    dismiss(&crew)
