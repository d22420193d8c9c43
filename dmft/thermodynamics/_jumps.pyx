"""Compiled elimination, flows of spins and trajectories of jump processes. Shapes and indices are checked at the top;
values, in stationary.py and trajectories.py. The twins are in reference.py.

The kernels of flows and trajectories are C, compiled once for each instruction set (`csrc/README.md`); this file has
the loop over trajectories and holds the instruction set in use.
"""

from cython.parallel cimport parallel
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .._util import simd as _simd
from .._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from .._util.doors cimport positive, ranged, sized

cdef extern from "jumps/jumps.h" nogil:
    ctypedef struct State:
        double wait
        uint32_t first, n
    ctypedef struct Way:
        uint32_t target, edge
    ctypedef struct Edge:
        uint64_t share
        Way way[2]
    ctypedef struct Ensemble:
        const State *states
        const Edge *edges
        const double *gain
        Py_ssize_t n_gains, n_states
        const double *start
        double duration
        uint64_t seed, first
        int64_t *ends
        int64_t *n_jumps
        double *sums
        double *residence
        int (*stopped)(void *) noexcept nogil
        void *crew
    ctypedef struct Jumps:
        void (*paths)(const Ensemble *, Py_ssize_t, Py_ssize_t) noexcept nogil

cdef extern from "flips/flips.h" nogil:
    ctypedef struct Flips:
        void (*net_flow)(int, const double *, const double *, double *) noexcept nogil

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define JUMPS(isa) &dmft_jumps_##isa
    static const Jumps *const jumps_sets[] = EACH_SET(JUMPS);
    #define FLIPS(isa) &dmft_flips_##isa
    static const Flips *const flips_sets[] = EACH_SET(FLIPS);
    """
    const Jumps *jumps_sets[]
    const Flips *flips_sets[]

cdef enum:
    PIECE = 64  # trajectories of a part, at least, where there are many: as many as keep a processor busy, and more

cdef const Jumps *_active
cdef const Flips *_flips


def _use(int i):
    global _active, _flips
    ranged("set", i, 0, N_SETS - 1)
    _active, _flips = jumps_sets[i], flips_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


def eliminate(double[:, ::1] Q,        # INOUT (n_states, n_states): rates from row to column; destroyed
              double[::1] p):          # OUT   (n_states,): the stationary state, not normalised
    """Take out states one after the other, then put them back; see `reference.eliminate`."""
    cdef Py_ssize_t n = Q.shape[0], i, j, k
    cdef double total
    cdef Crew crew = crew_of(1)
    positive("n_states", n)
    sized("Q", Q.shape, (n, n))
    sized("p", p.shape, (n,))
    with nogil:
        for k in range(n - 1, 0, -1):
            if crew_stopped(&crew):
                break
            total = 0.0
            for j in range(k):
                total += Q[k, j]
            # By one thread: a team would have to meet n times, and waits longer than it works.
            for i in range(k):
                _remove(&Q[0, 0], n, k, i, total)
        p[0] = 1.0
        for k in range(1, n):
            total = 0.0
            for i in range(k):
                total += p[i] * Q[i, k]
            p[k] = total
            if total > 1e150:
                for i in range(k + 1):
                    p[i] /= total
    dismiss(&crew)


cdef inline void _remove(double *Q, Py_ssize_t n, Py_ssize_t k, Py_ssize_t i, double total) noexcept nogil:
    cdef double share = Q[i * n + k] / total
    cdef double *row = Q + i * n
    cdef const double *out = Q + k * n
    cdef Py_ssize_t j
    row[k] = share
    if share != 0.0:
        for j in range(k):
            row[j] += share * out[j]


def net_flow(const double[:, ::1] rates,   # IN  (n, 2^n): of the flips of each spin at every state
             const double[::1] p,          # IN  (2^n,)
             double[::1] out):             # OUT (2^n,)
    """Fill in the net flow of probability into every state; see `reference.net_flow`."""
    cdef Py_ssize_t n = rates.shape[0]
    ranged("n", n, 1, 40)
    sized("rates", rates.shape, (n, 1 << n))
    sized("p", p.shape, (1 << n,))
    sized("out", out.shape, (1 << n,))
    with nogil:
        _flips.net_flow(<int> n, &rates[0, 0], &p[0], &out[0])


cdef void _columns(const double *rate, Py_ssize_t n, double total, uint32_t first, Edge *edges, double *share,
                   uint32_t *stack) noexcept nogil:
    """Make the table of aliases of a state; work is share (n,) and stack (n,). See `reference.columns`."""
    cdef Py_ssize_t i, n_small = 0, n_large = 0
    cdef uint32_t low, high
    for i in range(n):
        share[i] = rate[i] / total * n
        edges[i].share, edges[i].way[1].edge = 0, first + <uint32_t> i
        if share[i] < 1.0:
            stack[n_small] = <uint32_t> i
            n_small += 1
        else:
            n_large += 1
            stack[n - n_large] = <uint32_t> i
    while n_small and n_large:
        n_small -= 1
        low, high = stack[n_small], stack[n - n_large]
        edges[low].share, edges[low].way[1].edge = <uint64_t> (share[low] * 2.0**64), first + high
        share[high] -= 1.0 - share[low]
        if share[high] < 1.0:
            n_large -= 1
            stack[n_small] = high
            n_small += 1
    # What is left has the share 1 but for rounding: whichever is chosen, it is the edge itself.


cdef bint _closed(const int64_t *first, const int64_t *target, Py_ssize_t n_states, Py_ssize_t n_edges) noexcept:
    """Return whether all edges belong to a state and lead to one."""
    cdef Py_ssize_t i
    if first[0] != 0 or first[n_states] != n_edges:
        return False
    for i in range(n_states):
        if first[i + 1] < first[i]:
            return False
    for i in range(n_edges):
        if not 0 <= target[i] < n_states:
            return False
    return True


def paths(*,
          const int64_t[::1] first,            # IN  (n_states + 1,): where the edges of a state begin
          const int64_t[::1] target,           # IN  (n_edges,)
          const double[::1] rate,              # IN  (n_edges,)
          const double[:, ::1] gain,           # IN  (n_edges, n_gains): what a jump adds to sums
          const double[::1] start,             # IN  (n_states,): cumulative law
          double duration,
          uint64_t seed,
          uint64_t first_item,                 # number of the first trajectory
          int64_t[:, ::1] ends,                # OUT (n_paths, 2): states at the start and at the end
          int64_t[::1] n_jumps,                # OUT (n_paths,)
          double[:, ::1] sums,                 # INOUT (n_paths, n_gains)
          double[:, ::1] residence,            # INOUT (n_paths, n_states) or None
          uint64_t[:, ::1] states,             # WORK (n_states, 2)
          uint64_t[:, ::1] edges,              # WORK (n_edges, 3)
          double[::1] share,                   # WORK (n_edges,)
          uint32_t[::1] stack,                 # WORK (n_edges,)
          int n_threads):
    """Follow trajectories by the direct method, each on a stream of its own."""
    cdef Ensemble all
    cdef Crew crew
    cdef Py_ssize_t i = 0, j, piece
    cdef double total
    cdef State *row
    cdef Edge *edge
    cdef Py_ssize_t n_states = start.shape[0], n_edges = target.shape[0], n_paths = ends.shape[0]
    cdef bint none = n_edges == 0
    positive("n_states", n_states)
    positive("n_threads", n_threads)
    ranged("n_states", n_states, 1, 2**32 - 1)
    ranged("n_edges", n_edges, 0, 2**32 - 1)
    sized("first", first.shape, (n_states + 1,))
    sized("rate", rate.shape, (n_edges,))
    sized("gain", gain.shape, (n_edges, -1))
    sized("ends", ends.shape, (-1, 2))
    sized("n_jumps", n_jumps.shape, (n_paths,))
    sized("sums", sums.shape, (n_paths, gain.shape[1]))
    sized("states", states.shape, (n_states, 2))
    sized("edges", edges.shape, (n_edges, 3))
    sized("share", share.shape, (n_edges,))
    sized("stack", stack.shape, (n_edges,))
    if residence is not None:
        sized("residence", residence.shape, (n_paths, n_states))
    if not _closed(&first[0], NULL if none else &target[0], n_states, n_edges):
        raise ValueError(f"first and target must be edges among {n_states} states in their order")
    for i in range(n_edges):
        if not 0.0 <= rate[i] <= 1e300:
            raise ValueError(f"rate must be in [0, 1e300], got {rate[i]} at [{i}]")
    if not isfinite(duration):
        raise ValueError(f"duration must be finite, got {duration}")
    if n_paths == 0:
        return
    row, edge = <State *> &states[0, 0], NULL if none else <Edge *> &edges[0, 0]
    for i in range(n_states):
        total = 0.0
        for j in range(first[i], first[i + 1]):
            total += rate[j]
            edge[j].way[0].target, edge[j].way[0].edge = <uint32_t> target[j], <uint32_t> j
        row[i].wait, row[i].first, row[i].n = INFINITY, <uint32_t> first[i], 0
        if total > 0.0:
            row[i].wait, row[i].n = 1.0 / total, <uint32_t> (first[i + 1] - first[i])
            _columns(&rate[first[i]], row[i].n, total, row[i].first, edge + first[i], &share[first[i]],
                     &stack[first[i]])
            for j in range(first[i], first[i + 1]):
                edge[j].way[1].target = <uint32_t> target[edge[j].way[1].edge]
    all.states, all.edges = row, edge
    all.gain = NULL if none or gain.shape[1] == 0 else &gain[0, 0]
    all.n_gains, all.n_states = gain.shape[1], n_states
    all.start = &start[0]
    all.duration, all.seed, all.first = duration, seed, first_item
    all.ends, all.n_jumps = &ends[0, 0], &n_jumps[0]
    all.sums = NULL if gain.shape[1] == 0 else &sums[0, 0]
    all.residence = NULL if residence is None else &residence[0, 0]
    piece = (n_paths + n_threads - 1) // n_threads
    if piece > PIECE:
        piece = max(<Py_ssize_t> PIECE, piece // 8)
    crew = crew_of((n_paths + piece - 1) // piece)
    all.stopped, all.crew = crew_stopped, &crew
    # One writer a trajectory, so bits cannot depend on n_threads.
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            _active.paths(&all, i * piece, min((i + 1) * piece, n_paths))
            i = next_part(&crew, i)
    dismiss(&crew)
