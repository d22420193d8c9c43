"""Loops over a map that is one compiled function of one state: points side by side, no Python in a step.

The function is ``void (const double *window, const double *parameters, int64_t phase, double *out)``: from a window,
newest first, to the next state, or to its derivative by the window, row by row. It gets a copy of the window.
"""

from cython.parallel cimport parallel, threadid
from libc.math cimport INFINITY, NAN, fabs, isfinite, log
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy, memmove, memset

import numpy as np

from .._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from .._util.doors cimport natural, positive, ranged, sized

cdef extern from "cycles/cycles.h" nogil:
    void dmft_factorise(Py_ssize_t, Py_ssize_t, double *, double *, double *)

ctypedef void (*Function)(const double *, const double *, int64_t, double *) noexcept nogil

KINDS = ("given", "complex step", "differences")
cdef enum:
    GIVEN = 0
    COMPLEX = 1
    DIFFERENCES = 2
    BETWEEN = 64  # steps from one look for signals to the next

cdef double STEP = 2.0**-7  # as in derivatives.py, whose bits these derivatives have
cdef double TINY = 1e-30


cdef struct Shape:
    Function step           # the map
    Function slope          # its derivative; for a complex step the map itself, of complex numbers
    int kind                # where the derivative comes from
    Py_ssize_t size         # of a state
    Py_ssize_t n_in         # of a window
    Py_ssize_t n_parameters
    Py_ssize_t n_tangents
    int64_t period
    int64_t qr_interval
    const double *scale     # (n_in,): how large coordinates are at least


cdef struct Work:
    double *point           # (2 n_in,) each: windows that are handed over
    double *other
    double *values          # (2 n_parameters,)
    double *ahead           # (2 size,) each: what comes back
    double *behind
    double *rows            # (3, size, n_in)
    double *top             # (size, n_tangents)
    double *upper           # (n_tangents, n_tangents)
    double *factors         # (n_tangents (n_in + 2),)


cdef Py_ssize_t needed(const Shape *map) noexcept nogil:
    """Return how many doubles a thread works with."""
    cdef Py_ssize_t k = map.n_tangents, n = 4 * map.n_in + 2 * map.n_parameters + 4 * map.size
    if k:
        n += 3 * map.size * map.n_in + k * (map.size + k + map.n_in + 2)
    return n + 8  # so that threads do not write side by side


cdef void divide(const Shape *map, double *given, Work *work) noexcept nogil:
    """Divide the memory of a thread up."""
    work.point = given
    work.other = work.point + 2 * map.n_in
    work.values = work.other + 2 * map.n_in
    work.ahead = work.values + 2 * map.n_parameters
    work.behind = work.ahead + 2 * map.size
    work.rows = work.top = work.upper = work.factors = NULL
    if map.n_tangents:
        work.rows = work.behind + 2 * map.size
        work.top = work.rows + 3 * map.size * map.n_in
        work.upper = work.top + map.size * map.n_tangents
        work.factors = work.upper + map.n_tangents * map.n_tangents


cdef void differentiate(const Shape *map, const double *window, const double *parameters, int64_t phase,
                        const Work *work) noexcept nogil:
    """Fill in the derivative of a step, the first (size, n_in) of the rows."""
    cdef Py_ssize_t i, a, k, n_in = map.n_in, size = map.size, n = size * n_in
    cdef double spacing, apart, first, second
    cdef double *rows = work.rows
    if map.kind == GIVEN:
        memcpy(work.point, window, n_in * sizeof(double))
        map.slope(work.point, parameters, phase, rows)
    elif map.kind == COMPLEX:
        for i in range(map.n_parameters):
            work.values[2 * i] = parameters[i]
            work.values[2 * i + 1] = 0.0
        for i in range(n_in):
            for a in range(n_in):
                work.point[2 * a] = window[a]
                work.point[2 * a + 1] = TINY if a == i else 0.0
            map.slope(work.point, work.values, phase, work.ahead)
            for a in range(size):
                rows[a * n_in + i] = work.ahead[2 * a + 1] / TINY
    else:
        for i in range(n_in):
            spacing = STEP * (fabs(window[i]) if fabs(window[i]) > map.scale[i] else map.scale[i])
            for k in range(3):
                memcpy(work.point, window, n_in * sizeof(double))
                memcpy(work.other, window, n_in * sizeof(double))
                work.point[i] += spacing / (1 << k)
                work.other[i] -= spacing / (1 << k)
                apart = work.point[i] - work.other[i]  # as it came out in doubles
                map.step(work.point, parameters, phase, work.ahead)
                map.step(work.other, parameters, phase, work.behind)
                for a in range(size):
                    rows[k * n + a * n_in + i] = (work.ahead[a] - work.behind[a]) / apart
        for a in range(n):
            first = (4.0 * rows[n + a] - rows[a]) / 3.0
            second = (4.0 * rows[2 * n + a] - rows[n + a]) / 3.0
            rows[a] = (16.0 * second - first) / 15.0


cdef void push(const Shape *map, double *frame, const Work *work) noexcept nogil:
    """Take a frame (n_in, n_tangents) through a step whose derivative is in the rows."""
    cdef Py_ssize_t a, b, c, n_in = map.n_in, size = map.size, k = map.n_tangents
    cdef double entry
    memset(work.top, 0, size * k * sizeof(double))
    for a in range(size):
        for b in range(n_in):
            entry = work.rows[a * n_in + b]
            for c in range(k):
                work.top[a * k + c] += entry * frame[b * k + c]
    memmove(frame + size * k, frame, (n_in - size) * k * sizeof(double))
    memcpy(frame, work.top, size * k * sizeof(double))


cdef void straighten(const Shape *map, double *frame, double *growth, const Work *work) noexcept nogil:
    """Make a frame orthogonal again, and add the logs of what its vectors had grown by."""
    cdef Py_ssize_t i, k = map.n_tangents
    cdef double length
    cdef bint lost = False
    for i in range(map.n_in * k):
        if not isfinite(frame[i]):  # of an orbit that has left the real numbers
            lost = True
            break
    if lost:
        memset(frame, 0, map.n_in * k * sizeof(double))
        for i in range(k):
            frame[i * k + i] = 1.0
            growth[i] = NAN
        return
    dmft_factorise(map.n_in, k, frame, work.upper, work.factors)
    for i in range(k):
        length = fabs(work.upper[i * k + i])
        growth[i] += log(length) if length > 0.0 else -INFINITY


cdef void follow(const Shape *map, double *window, const double *parameters, int64_t phase, int64_t n_steps,
                 int64_t lead, int64_t every, double *states, Py_ssize_t n_rows, Py_ssize_t width, double *frame,
                 double *growth, const Work *work, Crew *crew) noexcept nogil:
    """Take one orbit further, with samples after steps lead, lead + every, ..."""
    cdef int64_t t, since = 0, sampled = lead
    cdef Py_ssize_t size = map.size, k = map.n_tangents, rest = (map.n_in - map.size) * sizeof(double), row = 0
    cdef double *grown = growth
    if k:
        memset(grown, 0, k * sizeof(double))
    for t in range(1, n_steps + 1):
        if k:
            differentiate(map, window, parameters, phase, work)
            push(map, frame, work)
        memcpy(work.point, window, map.n_in * sizeof(double))
        map.step(work.point, parameters, phase, work.ahead)
        if rest:
            memmove(window + size, window, rest)
        memcpy(window, work.ahead, size * sizeof(double))
        phase += 1
        if phase == map.period:
            phase = 0
        since += 1
        if k and (since % map.qr_interval == 0 or t == sampled or t == n_steps):
            straighten(map, frame, grown, work)
        if t == sampled and row < n_rows:
            if width:
                memcpy(states + row * width, window, width * sizeof(double))
            row += 1
            sampled += every
            since = 0
            if k and row < n_rows:
                grown += k
                memset(grown, 0, k * sizeof(double))
        if t % BETWEEN == 0 and crew_stopped(crew):
            return


def evaluate(*,
             uintptr_t function,                       # address of a compiled function; not checked
             const double[:, ::1] window not None,     # IN    (n_points, n_in)
             const double[:, ::1] parameters not None,  # IN   (n_points, n_parameters)
             const int64_t[::1] phase not None,        # IN    (n_points,)
             double[:, ::1] out not None,              # OUT   (n_points, n_out)
             int n_threads):
    """Call a function once for every point."""
    cdef Py_ssize_t n = window.shape[0], n_in = window.shape[1], n_out = out.shape[1], k = parameters.shape[1], i
    cdef Function call = <Function>function
    if not function:
        raise ValueError("function must be the address of a function, got 0")
    positive("n_threads", n_threads)
    sized("parameters", parameters.shape, (n, -1))
    sized("phase", phase.shape, (n,))
    sized("out", out.shape, (n, -1))
    if n == 0:
        return
    positive("n_in", n_in)
    positive("n_out", n_out)
    cdef double[:, ::1] scratch = np.empty((n_threads, n_in + 8))
    cdef const double *values = &parameters[0, 0] if k else NULL
    cdef Crew crew = crew_of(n)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            memcpy(&scratch[threadid(), 0], &window[i, 0], n_in * sizeof(double))
            call(&scratch[threadid(), 0], values + i * k, phase[i], &out[i, 0])
            i = next_part(&crew, i)
    dismiss(&crew)


def run(*,
        uintptr_t step,                           # addresses of compiled functions; not checked
        uintptr_t slope,                          # of the derivative; 0 without tangents, and of differences
        str kind,                                 # where it comes from, one of KINDS
        const double[::1] scale not None,         # IN    (n_in,): how large coordinates are at least
        double[:, ::1] window not None,           # INOUT (n_points, n_in), n_in = lags * size, newest first
        const double[:, ::1] parameters not None,  # IN   (n_points, n_parameters)
        Py_ssize_t size,                          # of a state
        int64_t phase, int64_t period,
        int64_t n_steps,
        int64_t lead, int64_t every,              # samples are taken after steps lead, lead + every, ...
        double[:, :, ::1] states not None,        # OUT   (n_points, n_samples, width): the newest of the window
        double[:, :, ::1] frame not None,         # INOUT (n_points, n_in, n_tangents)
        double[:, :, ::1] growth not None,        # OUT   (n_points, n_samples or 1, n_tangents)
        int64_t qr_interval,
        int n_threads):
    """Take all orbits further, and their tangents if there are any."""
    cdef Py_ssize_t n = window.shape[0], n_in = window.shape[1], n_rows = states.shape[1], width = states.shape[2], i
    cdef Py_ssize_t n_parameters = parameters.shape[1], k = frame.shape[2]
    cdef Shape map
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if not step or (k and not slope and kind != "differences"):
        raise ValueError("step and slope must be addresses of functions, got 0")
    positive("n_threads", n_threads)
    positive("period", period)
    ranged("phase", phase, 0, period - 1)
    natural("n_steps", n_steps)
    positive("every", every)
    positive("qr_interval", qr_interval)
    positive("size", size)
    positive("n_in", n_in)
    ranged("n_in % size", n_in % size, 0, 0)
    sized("scale", scale.shape, (n_in,))
    sized("parameters", parameters.shape, (n, -1))
    sized("states", states.shape, (n, -1, -1))
    ranged("width", width, 0, n_in)
    if n_rows and (lead < 1 or lead > n_steps or (n_steps - lead) // every + 1 < n_rows):
        raise ValueError(f"states must have as many samples as steps {lead}, {lead + every}, ... to {n_steps}")
    ranged("n_tangents", k, 0, n_in)
    sized("frame", frame.shape, (n, n_in, k))
    if k:
        sized("growth", growth.shape, (n, n_rows if n_rows > 1 else 1, k))
    if n == 0 or n_steps == 0:
        return
    map.step, map.slope, map.kind = <Function>step, <Function>slope, KINDS.index(kind)
    map.size, map.n_in, map.n_parameters, map.n_tangents = size, n_in, n_parameters, k
    map.period, map.qr_interval, map.scale = period, qr_interval, &scale[0]
    cdef double[:, ::1] scratch = np.empty((n_threads, needed(&map)))
    cdef const double *values = &parameters[0, 0] if n_parameters else NULL
    cdef double *sampled = &states[0, 0, 0] if n_rows and width else NULL
    cdef double *frames = &frame[0, 0, 0] if k else NULL
    cdef double *grown = &growth[0, 0, 0] if k else NULL
    cdef Py_ssize_t n_grown = growth.shape[1]
    cdef Crew crew = crew_of(n)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            one(&map, &scratch[threadid(), 0], &window[i, 0], values + i * n_parameters, phase, n_steps, lead, every,
                sampled + i * n_rows * width, n_rows, width, frames + i * n_in * k, grown + i * n_grown * k, &crew)
            i = next_part(&crew, i)
    dismiss(&crew)


cdef void one(const Shape *map, double *scratch, double *window, const double *parameters, int64_t phase,
              int64_t n_steps, int64_t lead, int64_t every, double *states, Py_ssize_t n_rows, Py_ssize_t width,
              double *frame, double *growth, Crew *crew) noexcept nogil:
    """Take one orbit further in the memory of a thread."""
    cdef Work work
    divide(map, scratch, &work)
    follow(map, window, parameters, phase, n_steps, lead, every, states, n_rows, width, frame, growth, &work, crew)


# ---- maps of textbooks ----

cdef void henon(const double *window, const double *parameters, int64_t phase, double *out) noexcept nogil:
    out[0] = 1.0 - parameters[0] * window[0] * window[0] + window[1]
    out[1] = parameters[1] * window[0]


cdef void henon_jacobian(const double *window, const double *parameters, int64_t phase, double *out) noexcept nogil:
    out[0] = -2.0 * parameters[0] * window[0]
    out[1] = 1.0
    out[2] = parameters[1]
    out[3] = 0.0


cdef void delayed_logistic(const double *window, const double *parameters, int64_t phase, double *out) noexcept nogil:
    out[0] = parameters[0] * window[0] * (1.0 - window[1])
