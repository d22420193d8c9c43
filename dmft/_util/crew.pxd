"""Threads that share the parts of a loop in compiled code, and end soon if a signal says so.

The thread that called hands Python's signals on: between its parts, where a long part asks, and while it waits for the
others. So Ctrl-C ends a loop within a fraction of a second, however its parts are shared out:

    cdef Crew crew = crew_of(n_parts)
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            ...
            i = next_part(&crew, i)
    dismiss(&crew)

Which thread takes a part is left to chance: a part must be written by itself alone.
"""

cdef extern from *:
    """
    #include <time.h>
    #ifdef _OPENMP
    #include <omp.h>
    #define CREW_THREAD omp_get_thread_num()
    #else
    #define CREW_THREAD 0
    #endif

    typedef struct {
        Py_ssize_t n_parts, n_taken, n_done; /* the last two by all threads */
        int stopped;                         /* likewise: a handler has raised an exception */
        double next;                         /* when to look for signals again; 0: not asked before */
    } Crew;

    static inline Crew crew_of(Py_ssize_t n_parts)
    {
        Crew crew = {n_parts, 0, 0, 0, 0.0};
        return crew;
    }

    /* Whether the work shall end. Any thread may ask, as often as once a microsecond. */
    static int crew_stopped(void *of)
    {
        Crew *crew = (Crew *)of;
        if (CREW_THREAD == 0 && !crew->stopped) {
            struct timespec now;
            clock_gettime(CLOCK_MONOTONIC, &now);
            double t = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
            if (crew->next == 0.0) crew->next = t + 0.05;
            if (t >= crew->next) {
                PyGILState_STATE state = PyGILState_Ensure();
                if (PyErr_CheckSignals()) __atomic_store_n(&crew->stopped, 1, __ATOMIC_RELAXED);
                PyGILState_Release(state);
                crew->next = t + 0.05;
            }
        }
        return __atomic_load_n(&crew->stopped, __ATOMIC_RELAXED);
    }

    /* The next part for a thread that has done another (-1: none yet); -1 at the end. */
    static inline Py_ssize_t next_part(Crew *crew, Py_ssize_t done)
    {
        if (done >= 0) __atomic_add_fetch(&crew->n_done, 1, __ATOMIC_RELAXED);
        if (crew_stopped(crew)) return -1;
        Py_ssize_t i = __atomic_fetch_add(&crew->n_taken, 1, __ATOMIC_RELAXED);
        if (i < crew->n_parts) return i;
        if (CREW_THREAD == 0) /* no other thread can look for signals: it waits for them here, awake at first */
            for (long n = 0;
                 __atomic_load_n(&crew->n_done, __ATOMIC_RELAXED) < crew->n_parts && !crew_stopped(crew); n++)
                if (n > 20000) {
                    struct timespec moment = {0, 100000};
                    nanosleep(&moment, NULL);
                }
        return -1;
    }

    /* Count something that threads find. */
    static inline void add(Py_ssize_t *sum, Py_ssize_t n) { __atomic_add_fetch(sum, n, __ATOMIC_RELAXED); }
    """
    ctypedef struct Crew:
        int stopped
    Crew crew_of(Py_ssize_t n_parts) noexcept nogil
    int crew_stopped(void *crew) noexcept nogil
    Py_ssize_t next_part(Crew *crew, Py_ssize_t done) noexcept nogil
    void add(Py_ssize_t *sum, Py_ssize_t n) noexcept nogil


cdef inline int dismiss(const Crew *crew) except -1:
    """Raise what a handler of a signal has raised in the loop."""
    return -1 if crew.stopped else 0
