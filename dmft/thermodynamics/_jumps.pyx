"""Compiled elimination and compiled trajectories of jump processes. Shapes and indices are checked at the top; values,
in stationary.py and trajectories.py. The twins are in reference.py.
"""

from cython.parallel cimport prange
from libc.math cimport isfinite, log
from libc.stdint cimport int64_t, uint64_t

from .._util.doors cimport positive, sized

cdef extern from "philox.h" nogil:
    enum: FOR_JUMPS
    ctypedef struct words:
        uint64_t word[4]
    words philox(const uint64_t *counter, const uint64_t *key)
    double uniform(uint64_t word)


def eliminate(double[:, ::1] Q,        # INOUT (n_states, n_states): rates from row to column; destroyed
              double[::1] p):          # OUT   (n_states,): the stationary state, not normalised
    """Take out states one after the other, then put them back; see `reference.eliminate`."""
    cdef Py_ssize_t n = Q.shape[0], i, j, k
    cdef double total
    positive("n_states", n)
    sized("Q", Q.shape, (n, n))
    sized("p", p.shape, (n,))
    with nogil:
        for k in range(n - 1, 0, -1):
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


cdef inline void _remove(double *Q, Py_ssize_t n, Py_ssize_t k, Py_ssize_t i, double total) noexcept nogil:
    cdef double share = Q[i * n + k] / total
    cdef double *row = Q + i * n
    cdef const double *out = Q + k * n
    cdef Py_ssize_t j
    row[k] = share
    if share != 0.0:
        for j in range(k):
            row[j] += share * out[j]


cdef struct Graph:
    const int64_t *first
    const int64_t *target
    const double *cumulative
    const double *gain
    Py_ssize_t n_gains
    const double *start
    Py_ssize_t n_states
    double duration


cdef enum:
    AHEAD = 32  # jumps whose random numbers are made at a time: they do not wait for one another


cdef inline Py_ssize_t _find(const double *cumulative, Py_ssize_t low, Py_ssize_t high, double r) noexcept nogil:
    """Return the first index in [low, high) whose value is above r; the last if there is none."""
    cdef Py_ssize_t middle, place = low
    if high - low <= 16:
        for middle in range(low, high - 1):  # no branch that could be guessed wrongly
            place += cumulative[middle] <= r
        return place
    high -= 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > r:
            high = middle
        else:
            low = middle + 1
    return low


cdef inline void _ahead(const uint64_t *key, uint64_t *counter, Py_ssize_t n, double *waits,
                        double *places) noexcept nogil:
    """Draw the random numbers of n jumps, an even number: of each a wait at rate 1, and a uniform one."""
    cdef Py_ssize_t k
    cdef words w
    for k in range(0, n, 2):
        counter[0] += 1
        w = philox(counter, key)
        waits[k], places[k] = uniform(w.word[0]), uniform(w.word[1])
        waits[k + 1], places[k + 1] = uniform(w.word[2]), uniform(w.word[3])
    for k in range(n):
        waits[k] = -log(waits[k])


cdef void _path(const Graph *graph, uint64_t seed, uint64_t item, int64_t *ends, int64_t *n_jumps,
                double *sums, double *residence) noexcept nogil:
    cdef uint64_t key[2]
    cdef uint64_t counter[4]
    cdef double waits[AHEAD]
    cdef double places[AHEAD]
    cdef words w
    cdef Py_ssize_t x, e, c, low, high, k = 0, drawn = 0
    cdef int64_t jumps = 0
    cdef double now = 0.0, wait, total
    key[0], key[1] = seed, item
    counter[0] = counter[1] = counter[2] = 0
    counter[3] = FOR_JUMPS
    w = philox(counter, key)
    x = _find(graph.start, 0, graph.n_states, uniform(w.word[0]) * graph.start[graph.n_states - 1])
    ends[0] = x
    while True:
        low, high = graph.first[x], graph.first[x + 1]
        if low == high:  # a trap
            if residence != NULL:
                residence[x] += graph.duration - now
            break
        if k == drawn:
            drawn = min(AHEAD, max(2, 2 * drawn))  # few for short paths
            _ahead(key, counter, drawn, waits, places)
            k = 0
        total = graph.cumulative[high - 1]
        wait = waits[k] / total
        if not now + wait < graph.duration:  # nor where it is no number
            if residence != NULL:
                residence[x] += graph.duration - now
            break
        now += wait
        if residence != NULL:
            residence[x] += wait
        e = _find(graph.cumulative, low, high, places[k] * total)
        for c in range(graph.n_gains):
            sums[c] += graph.gain[e * graph.n_gains + c]
        x = graph.target[e]
        jumps += 1
        k += 1
    ends[1] = x
    n_jumps[0] = jumps


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
          const double[::1] cumulative,        # IN  (n_edges,): sums of rates, from 0 in every state
          const double[:, ::1] gain,           # IN  (n_edges, n_gains): what a jump adds to sums
          const double[::1] start,             # IN  (n_states,): cumulative law
          double duration,
          uint64_t seed,
          uint64_t first_item,                 # number of the first trajectory
          int64_t[:, ::1] ends,                # OUT (n_paths, 2): states at the start and at the end
          int64_t[::1] n_jumps,                # OUT (n_paths,)
          double[:, ::1] sums,                 # INOUT (n_paths, n_gains)
          double[:, ::1] residence,            # INOUT (n_paths, n_states) or None
          int n_threads):
    """Follow trajectories by the direct method, each on a stream of its own."""
    cdef Graph graph
    cdef Py_ssize_t i
    cdef double *stay = NULL
    cdef double *total = NULL
    cdef Py_ssize_t width = 0 if residence is None else residence.shape[1]
    cdef Py_ssize_t n_states = start.shape[0], n_edges = target.shape[0], n_paths = ends.shape[0]
    cdef bint none = n_edges == 0
    positive("n_states", n_states)
    positive("n_threads", n_threads)
    sized("first", first.shape, (n_states + 1,))
    sized("cumulative", cumulative.shape, (n_edges,))
    sized("gain", gain.shape, (n_edges, -1))
    sized("ends", ends.shape, (-1, 2))
    sized("n_jumps", n_jumps.shape, (n_paths,))
    sized("sums", sums.shape, (n_paths, gain.shape[1]))
    if residence is not None:
        sized("residence", residence.shape, (n_paths, n_states))
    if not _closed(&first[0], NULL if none else &target[0], n_states, n_edges):
        raise ValueError(f"first and target must be edges among {n_states} states in their order")
    for i in range(n_edges):
        if not isfinite(cumulative[i]):
            raise ValueError(f"cumulative must be finite, got {cumulative[i]} at [{i}]")
    if not isfinite(duration):
        raise ValueError(f"duration must be finite, got {duration}")
    if n_paths == 0:
        return
    if residence is not None:
        stay = &residence[0, 0]
    graph.first = &first[0]
    graph.target = NULL if none else &target[0]
    graph.cumulative = NULL if none else &cumulative[0]
    graph.gain = NULL if none or gain.shape[1] == 0 else &gain[0, 0]
    graph.n_gains = gain.shape[1]
    if graph.n_gains:
        total = &sums[0, 0]
    graph.start = &start[0]
    graph.n_states = start.shape[0]
    graph.duration = duration
    # One writer a trajectory, so bits cannot depend on n_threads.
    for i in prange(n_paths, nogil=True, schedule="dynamic", num_threads=n_threads):
        _path(&graph, seed, first_item + <uint64_t> i, &ends[i, 0], &n_jumps[i], total + i * graph.n_gains,
              NULL if stay == NULL else stay + i * width)
