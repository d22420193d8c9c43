"""Loops over a map that is one compiled function: no Python in a step.

The function is ``void (const double *window, const double *parameters, int64_t phase, double *out)``: from a window,
newest first, to the next state, or to its derivative by the window, row by row. It gets a copy of the window, unless
it is known to leave that alone. One of several lanes takes as many points at once: every number of its arguments is
then one of each point, side by side.
"""

from cython.parallel cimport parallel, threadid
from libc.math cimport fabs
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy, memmove, memset

import numpy as np

from .._util import simd as _simd
from .._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from .._util.doors cimport natural, positive, ranged, sized
from ._blocks cimport (
    DIFFERENCES,
    Function,
    Shape,
    Work,
    differentiate,
    differentiate_one,
    divide,
    dmft_arrays_taken,
    gather,
    needed,
    scatter,
)

cdef extern from "cycles/cycles.h" nogil:
    void dmft_straighten(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double, double, double *, double *,
                         double *, double *, int64_t *, double *, double *)

cdef extern from "maps/arrays.h" nogil:
    void *dmft_array(int64_t)

cdef extern from "maps/tangents.h" nogil:
    const Py_ssize_t PITCH
    ctypedef struct Frames:
        void (*carry)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double *, double *, double *, int,
                      int) noexcept nogil
        void (*straighten)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, double, double *,
                           const double *, double *, double *, double *, double *, double *) noexcept nogil

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define FRAMES(isa) &dmft_frames_##isa
    static const Frames *const frames_sets[] = EACH_SET(FRAMES);
    """
    const Frames *frames_sets[]

KINDS = ("given", "complex step", "differences")  # in the order of _blocks.pxd
cdef enum:
    BETWEEN = 64  # steps from one look for signals to the next
    SMALL = 512   # numbers of a frame that goes side by side with others

cdef const Frames *_active


def _use(int i):
    global _active
    ranged("set", i, 0, N_SETS - 1)
    _active = frames_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


cdef struct Tangents:       # of the orbits of a block, a row each
    double *frame           # (n_in, n_tangents)
    double *growth          # (n_grown, n_tangents)
    int64_t *n_lost         # (n_tangents,)
    double *error           # (n_tangents,)
    double *tilt            # (n_tangents, n_tangents)


cdef struct Sampling:       # steps lead, lead + every, ...; the newest `width` of a window are kept
    int64_t lead
    int64_t every
    Py_ssize_t n_rows
    Py_ssize_t width
    Py_ssize_t n_grown      # rows of growth


cdef void push(const Shape *map, double *frame, const Work *work) noexcept nogil:
    """Take a frame (n_in, n_tangents) of a lane through a step whose derivative is in its rows."""
    cdef Py_ssize_t a, b, c, n_in = map.n_in, size = map.size, k = map.n_tangents
    cdef double entry
    memset(work.top, 0, size * k * sizeof(double))
    for a in range(size):
        for b in range(n_in):
            entry = work.one[a * n_in + b]
            for c in range(k):
                work.top[a * k + c] += entry * frame[b * k + c]
    memmove(frame + size * k, frame, (n_in - size) * k * sizeof(double))
    memcpy(frame, work.top, size * k * sizeof(double))


cdef void spread(const Shape *map, double *bound, const Work *work) noexcept nogil:
    """Take the terms of a frame through a step: sums of sizes."""
    cdef Py_ssize_t a, b, c, n_in = map.n_in, size = map.size, k = map.n_tangents
    cdef double entry
    memset(work.sums, 0, size * k * sizeof(double))
    for a in range(size):
        for b in range(n_in):
            entry = fabs(work.one[a * n_in + b])
            for c in range(k):
                work.sums[a * k + c] += entry * bound[b * k + c]
    memmove(bound + size * k, bound, (n_in - size) * k * sizeof(double))
    memcpy(bound, work.sums, size * k * sizeof(double))


cdef void carry_together(const Shape *map, const Tangents *own, Py_ssize_t a_growth, Py_ssize_t n_here, int64_t phase,
                         int64_t since, bint over, bint together, const Work *work) noexcept nogil:
    """Do the same with small frames, side by side; what is in doubt goes one after the other."""
    cdef Py_ssize_t a, lane, n = map.size * map.n_in, k = map.n_tangents, n_frame = map.n_in * k, pitch = map.pitch
    cdef bint single = over and since == 0
    cdef const double *rows = work.derivative
    cdef double *growth
    if together and pitch == map.lanes:
        rows = work.rows
    else:
        for lane in range(n_here):
            if not together:
                differentiate_one(map, lane, phase, work)
            for a in range(n):
                work.derivative[a * pitch + lane] = work.rows[a * map.lanes + lane] if together else work.one[a]
    _active.carry(pitch, map.size, map.n_in, k, rows, work.frame, work.terms, work.tops, since == 0, not single)
    if not over:
        return
    _active.straighten(pitch, map.size, map.n_in, k, rows if single else NULL, map.rounding, work.frame, work.terms,
                       work.kept, work.tilt, work.logs, work.doubt, work.reflections)
    for lane in range(n_here):
        growth = own.growth + lane * a_growth
        if work.doubt[lane] == 0.0:
            for a in range(k):
                growth[a] += work.logs[a * pitch + lane]
            continue
        for a in range(n):
            work.one[a] = rows[a * pitch + lane]
        scatter(work.kept + lane, pitch, own.frame + lane * n_frame, n_frame, 0, 1)
        scatter(work.terms + lane, pitch, work.bounds, n_frame, 0, 1)
        scatter(work.tilt + lane, pitch, own.tilt + lane * k * k, k * k, 0, 1)
        dmft_straighten(map.n_in, k, map.size, work.one if single else NULL, map.rounding, <double>(since + 1),
                        own.frame + lane * n_frame, work.bounds, own.tilt + lane * k * k, growth, own.n_lost + lane * k,
                        own.error + lane * k, work.factors)
        for a in range(n_frame):
            work.frame[a * pitch + lane] = own.frame[lane * n_frame + a]
        for a in range(k * k):
            work.tilt[a * pitch + lane] = own.tilt[lane * k * k + a]


cdef void carry(const Shape *map, const Tangents *own, Py_ssize_t a_growth, Py_ssize_t n_here, int64_t phase,
                int64_t since, bint over, const Work *work) noexcept nogil:
    """Take the frames of all lanes through a step, `since` steps after they were orthogonal; make them so if `over`."""
    cdef Py_ssize_t a, lane, n = map.size * map.n_in, k = map.n_tangents, n_frame = map.n_in * k
    cdef bint together = map.kind == DIFFERENCES or map.slope_lanes == map.lanes
    cdef bint single = over and since == 0
    cdef double *frame
    cdef double *bound
    if together:
        differentiate(map, phase, work)
    if map.pitch:
        carry_together(map, own, a_growth, n_here, phase, since, over, together, work)
        return
    for lane in range(n_here):
        if together:
            for a in range(n):
                work.one[a] = work.rows[a * map.lanes + lane]
        else:
            differentiate_one(map, lane, phase, work)
        frame, bound = own.frame + lane * n_frame, work.bounds + lane * n_frame
        for a in range(n_frame if since == 0 else 0):
            bound[a] = fabs(frame[a])
        if not single:
            spread(map, bound, work)
        push(map, frame, work)
        if over:
            dmft_straighten(map.n_in, k, map.size, work.one if single else NULL, map.rounding, <double>(since + 1),
                            frame, bound, own.tilt + lane * k * k, own.growth + lane * a_growth,
                            own.n_lost + lane * k, own.error + lane * k, work.factors)


cdef void advance(const Shape *map, int64_t phase, Work *work) noexcept nogil:
    """Take the window a step on: the next state is put in front of it."""
    cdef Py_ssize_t lanes = map.lanes, n = map.n_in * lanes
    cdef double *window = work.window
    if window == work.ring:
        window += work.room * lanes
        memmove(window, work.ring, n * sizeof(double))
    work.window = window - map.size * lanes
    if not map.reads:
        memcpy(work.point, window, n * sizeof(double))
        window = work.point
    work.taken[0] = 0
    map.step(window, work.parameters, phase, work.window)


cdef void follow(const Shape *map, const Sampling *asked, Py_ssize_t n_here, int64_t phase, int64_t n_steps,
                 double *states, const Tangents *own, Work *work, Crew *crew) noexcept nogil:
    """Take the orbits of a block further; what they leave is of the first of them on."""
    cdef int64_t t, since = 0, pushed = 0, sampled = asked.lead
    cdef Py_ssize_t k = map.n_tangents, row = 0, lane, a_growth = asked.n_grown * k
    cdef Tangents now = own[0]
    cdef bint over
    for lane in range(n_here if k else 0):
        memset(now.growth + lane * a_growth, 0, k * sizeof(double))
    for t in range(1, n_steps + 1):
        since += 1
        if k:
            over = since % map.qr_interval == 0 or t == sampled or t == n_steps
            carry(map, &now, a_growth, n_here, phase, pushed, over, work)
            pushed = 0 if over else pushed + 1
        advance(map, phase, work)
        phase += 1
        if phase == map.period:
            phase = 0
        if t == sampled and row < asked.n_rows:
            if asked.width:
                scatter(work.window, map.lanes, states + row * asked.width, asked.width, asked.n_rows * asked.width,
                        n_here)
            row += 1
            sampled += asked.every
            since = 0
            if k and row < asked.n_rows:
                now.growth += k
                for lane in range(n_here):
                    memset(now.growth + lane * a_growth, 0, k * sizeof(double))
        if t % BETWEEN == 0 and crew_stopped(crew):
            return


def array_function():
    """Return the address of what gives functions memory for an array, ``void *(int64_t bytes)``, or NULL."""
    return <uintptr_t>&dmft_array


def evaluate(*,
             uintptr_t function,                       # address of a compiled function; not checked
             const double[:, ::1] window not None,     # IN    (n_points, n_in)
             const double[:, ::1] parameters not None,  # IN   (n_points, n_parameters)
             const int64_t[::1] phase not None,        # IN    (n_points,)
             double[:, ::1] out not None,              # OUT   (n_points, n_out)
             int n_threads,
             Py_ssize_t lanes=1):                      # points that the function takes side by side
    """Call a function for all points."""
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
    positive("lanes", lanes)
    cdef double[:, ::1] scratch = np.empty((n_threads, (n_in + k + n_out) * lanes + 8))
    cdef const double *values = &parameters[0, 0] if k else NULL
    cdef Crew crew = crew_of((n + lanes - 1) // lanes)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            evaluate_block(call, lanes, min(lanes, n - i * lanes), &window[i * lanes, 0], n_in,
                           values + i * lanes * k, k, &phase[i * lanes], &out[i * lanes, 0], n_out,
                           &scratch[threadid(), 0])
            i = next_part(&crew, i)
    dismiss(&crew)


cdef void evaluate_block(Function call, Py_ssize_t lanes, Py_ssize_t n_here, const double *windows, Py_ssize_t n_in,
                         const double *parameters, Py_ssize_t k, const int64_t *phase, double *out, Py_ssize_t n_out,
                         double *scratch) noexcept nogil:
    """Call a function for the points of a block, once for each phase that they have."""
    cdef double *values = scratch + n_in * lanes
    cdef double *returned = values + k * lanes
    cdef int64_t *taken = dmft_arrays_taken()
    cdef Py_ssize_t end, first = 0
    while first < n_here:
        end = first + 1
        while end < n_here and phase[end] == phase[first]:
            end += 1
        gather(scratch, lanes, windows + first * n_in, n_in, end - first)
        gather(values, lanes, parameters + first * k, k, end - first)
        gather(returned, lanes, out + first * n_out, n_out, end - first)  # what a function leaves stays as it was
        taken[0] = 0
        call(scratch, values, phase[first], returned)
        scatter(returned, lanes, out + first * n_out, n_out, n_out, end - first)
        first = end


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
        int64_t[:, ::1] n_lost not None,          # INOUT (n_points, n_tangents), as dmft_straighten has them
        double[:, ::1] error not None,            # INOUT (n_points, n_tangents)
        double[:, :, ::1] tilt not None,          # INOUT (n_points, n_tangents, n_tangents)
        double rounding,                          # of entries of the derivative, relative
        int64_t qr_interval,
        int n_threads,
        Py_ssize_t lanes=1,                       # points that step takes side by side
        Py_ssize_t slope_lanes=1,                 # and slope: as many, or 1
        bint reads=False):                        # whether step leaves its window alone
    """Take all orbits further, and their tangents if there are any."""
    cdef Py_ssize_t n = window.shape[0], n_in = window.shape[1], n_rows = states.shape[1], width = states.shape[2], i
    cdef Py_ssize_t n_parameters = parameters.shape[1], k = frame.shape[2]
    cdef Shape map
    cdef Sampling asked
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if not step or (k and not slope and kind != "differences"):
        raise ValueError("step and slope must be addresses of functions, got 0")
    positive("n_threads", n_threads)
    positive("lanes", lanes)
    if slope_lanes not in (1, lanes):
        raise ValueError(f"slope_lanes must be 1 or lanes = {lanes}, got {slope_lanes}")
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
        sized("n_lost", n_lost.shape, (n, k))
        sized("error", error.shape, (n, k))
        sized("tilt", tilt.shape, (n, k, k))
    if n == 0 or n_steps == 0:
        return
    map.step, map.slope, map.kind = <Function>step, <Function>slope, KINDS.index(kind)
    map.lanes, map.slope_lanes, map.reads = lanes, slope_lanes, reads
    map.size, map.n_in, map.n_parameters, map.n_tangents = size, n_in, n_parameters, k
    map.pitch = 0 if not k or n_in * k > SMALL else 1 if lanes == 1 else (lanes + PITCH - 1) // PITCH * PITCH
    map.period, map.qr_interval, map.scale, map.rounding = period, qr_interval, &scale[0], rounding
    asked.lead, asked.every, asked.n_rows, asked.width, asked.n_grown = lead, every, n_rows, width, growth.shape[1]
    cdef double[:, ::1] scratch = np.empty((n_threads, needed(&map)))
    cdef const double *values = &parameters[0, 0] if n_parameters else NULL
    cdef double *sampled = &states[0, 0, 0] if n_rows and width else NULL
    cdef Tangents own
    own.frame = own.growth = own.error = own.tilt = NULL
    own.n_lost = NULL
    if k:
        own.frame, own.growth, own.n_lost = &frame[0, 0, 0], &growth[0, 0, 0], &n_lost[0, 0]
        own.error, own.tilt = &error[0, 0], &tilt[0, 0, 0]
    cdef Py_ssize_t a_sample = n_rows * width
    cdef Crew crew = crew_of((n + lanes - 1) // lanes)
    i = -1
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            run_block(&map, &asked, min(lanes, n - i * lanes), &scratch[threadid(), 0], &window[i * lanes, 0],
                      values + i * lanes * n_parameters, phase, n_steps, sampled + i * lanes * a_sample, &own,
                      i * lanes, &crew)
            i = next_part(&crew, i)
    dismiss(&crew)


cdef void run_block(const Shape *map, const Sampling *asked, Py_ssize_t n_here, double *scratch, double *windows,
                    const double *parameters, int64_t phase, int64_t n_steps, double *states, const Tangents *own,
                    Py_ssize_t first, Crew *crew) noexcept nogil:
    """Take the orbits of a block further in the memory of a thread; tangents are those from the `first` point on."""
    cdef Work work
    cdef Py_ssize_t k = map.n_tangents
    cdef Tangents here
    here.frame, here.growth = own.frame + first * map.n_in * k, own.growth + first * asked.n_grown * k
    here.n_lost, here.error, here.tilt = own.n_lost + first * k, own.error + first * k, own.tilt + first * k * k
    divide(map, scratch, &work)
    gather(work.window, map.lanes, windows, map.n_in, n_here)
    gather(work.parameters, map.lanes, parameters, map.n_parameters, n_here)
    if map.pitch:
        gather(work.frame, map.pitch, here.frame, map.n_in * k, n_here)
        gather(work.tilt, map.pitch, here.tilt, k * k, n_here)
        memset(work.derivative, 0, map.size * map.n_in * map.pitch * sizeof(double))  # of lanes that are left over
    follow(map, asked, n_here, phase, n_steps, states, &here, &work, crew)
    scatter(work.window, map.lanes, windows, map.n_in, map.n_in, n_here)
    if map.pitch:
        scatter(work.frame, map.pitch, here.frame, map.n_in * k, map.n_in * k, n_here)
        scatter(work.tilt, map.pitch, here.tilt, k * k, k * k, n_here)


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
