"""Compiled sums of logistic regressions on spins. Shapes are checked at the top; values, in regressions.py.

The kernel is C, compiled once for each instruction set (`csrc/README.md`); this file packs signs, has the loops over
neurons and pairs, and holds the instruction set in use. The twins are in reference.py.
"""

from cython.parallel cimport parallel
from libc.stdint cimport int8_t, uint64_t

from .._util import simd as _simd
from .._util.crew cimport Crew, crew_of, crew_stopped, dismiss, next_part
from .._util.doors cimport positive, ranged, sized

cdef extern from "regressions/regressions.h" nogil:
    enum:
        LANES_OF "LANES"
        BITS
        SET_OF "SET"
        PIECE
    ctypedef struct Trains:
        Py_ssize_t size, n_words, n_samples, n_sets
        const uint64_t *inputs
        const uint64_t *samples
    ctypedef struct Regressions:
        void (*means)(const Trains *, const double *, Py_ssize_t, Py_ssize_t, double *) noexcept nogil
        void (*weights)(const Trains *, const double *, Py_ssize_t, Py_ssize_t, double *) noexcept nogil
        void (*products)(const Trains *, const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                         double *) noexcept nogil

cdef extern from "sets.h" nogil:
    enum: N_SETS
    const char *SET_NAMES[]
    bint set_runs(int)

cdef extern from *:
    """
    #define REGRESSIONS(isa) &dmft_regressions_##isa
    static const Regressions *const regressions_sets[] = EACH_SET(REGRESSIONS);
    """
    const Regressions *regressions_sets[]

cdef enum:
    TILE = 2048  # pairs at a time, at most: their sums stay in the second cache

LANES, SET = LANES_OF, SET_OF

cdef const Regressions *_active


def _use(int i):
    global _active
    ranged("set", i, 0, N_SETS - 1)
    _active = regressions_sets[i]


_simd.register({SET_NAMES[i].decode(): i for i in range(N_SETS) if set_runs(i)}, _use)


def pack(const int8_t[:, :] spins,  # IN  (n, n_words): -1 and 1
         uint64_t[:, :] words):     # OUT (sets of n, n_words): 0 to begin with
    """Write the signs of rows in words, SET rows a word."""
    cdef Py_ssize_t i, j, n = spins.shape[0], n_words = spins.shape[1]
    cdef int place
    cdef Crew crew = crew_of(1)
    sized("words", words.shape, ((n + SET_OF - 1) // SET_OF, n_words))
    with nogil:
        for i in range(n):
            if crew_stopped(&crew):
                break
            place = 12 * (i % SET_OF // BITS) + 4 + i % SET_OF % BITS
            for j in range(n_words):
                words[i // SET_OF, j] |= <uint64_t> (spins[i, j] < 0) << place
    dismiss(&crew)


cdef Trains _trains(const uint64_t[:, ::1] inputs, const uint64_t[:, ::1] samples, Py_ssize_t n_samples):
    """Check what all functions get, and hand it on."""
    cdef Trains of
    positive("n_samples", n_samples)
    positive("size", samples.shape[1])
    of.n_sets, of.size, of.n_samples = samples.shape[0], samples.shape[1], n_samples
    of.n_words = (of.size + SET_OF - 1) // SET_OF
    sized("samples", samples.shape, ((n_samples + SET_OF - 1) // SET_OF, -1))
    sized("inputs", inputs.shape, (of.n_words, of.n_sets * SET_OF))
    of.inputs, of.samples = &inputs[0, 0], &samples[0, 0]
    return of


def means(const uint64_t[:, ::1] inputs,    # IN  (n_words, SET n_sets)
          const uint64_t[:, ::1] samples,   # IN  (n_sets, size)
          Py_ssize_t n_samples,
          const double[:, :, ::1] theta,    # IN  (n_blocks, SET n_words, LANES)
          double[:, :, :, ::1] out,         # INOUT (n_blocks, n_parts, size, LANES)
          int n_threads):
    """Add sums over samples of tanh(theta.x) x, in parts; see `reference.means`."""
    cdef Trains of = _trains(inputs, samples, n_samples)
    cdef Py_ssize_t n_blocks = theta.shape[0], n_parts = out.shape[1]
    cdef Py_ssize_t i = 0, first = 0, last = 0, n = 0
    cdef Crew crew = crew_of(n_blocks * n_parts)
    positive("n_threads", n_threads)
    positive("n_blocks", n_blocks)
    positive("n_parts", n_parts)
    sized("theta", theta.shape, (n_blocks, of.n_words * SET_OF, LANES_OF))
    sized("out", out.shape, (n_blocks, n_parts, of.size, LANES_OF))
    with nogil, parallel(num_threads=n_threads):
        i = next_part(&crew, -1)
        while i >= 0:
            first = of.n_sets * (i % n_parts) // n_parts
            last = of.n_sets * (i % n_parts + 1) // n_parts
            while first < last and not crew_stopped(&crew):
                n = min(<Py_ssize_t> PIECE, last - first)
                _active.means(&of, &theta[i // n_parts, 0, 0], first, n, &out[i // n_parts, i % n_parts, 0, 0])
                first = first + n
            i = next_part(&crew, i)
    dismiss(&crew)


def informations(const uint64_t[:, ::1] inputs,    # IN  (n_words, SET n_sets)
                 const uint64_t[:, ::1] samples,   # IN  (n_sets, size)
                 Py_ssize_t n_samples,
                 const double[:, :, ::1] theta,    # IN  (n_blocks, SET n_words, LANES)
                 double[:, :, ::1] weight,         # WORK (n_blocks, SET times sets at a time, LANES)
                 double[:, :, ::1] out,            # INOUT (n_blocks, size (size + 1) / 2, LANES): a <= b, row by row
                 int n_threads):
    """Add sums over samples of sech(theta.x)^2 x_a x_b; see `reference.informations`."""
    cdef Trains of = _trains(inputs, samples, n_samples)
    cdef Py_ssize_t n_blocks = theta.shape[0], n_pairs = out.shape[1], at_once = weight.shape[1] // SET_OF
    cdef Py_ssize_t tile, begin, n, n_pieces, n_tiles, i = 0, k = 0, first = 0, a = 0, b = 0, last = 0
    cdef Crew crew
    positive("n_threads", n_threads)
    positive("n_blocks", n_blocks)
    positive("at_once", at_once)
    sized("theta", theta.shape, (n_blocks, of.n_words * SET_OF, LANES_OF))
    sized("weight", weight.shape, (n_blocks, at_once * SET_OF, LANES_OF))
    sized("out", out.shape, (n_blocks, of.size * (of.size + 1) // 2, LANES_OF))
    # Tiles of pairs know nothing of each other: as many as the threads need.
    tile = min(<Py_ssize_t> TILE, max(<Py_ssize_t> 256, n_blocks * n_pairs // (8 * n_threads)))
    n_tiles = (n_pairs + tile - 1) // tile
    for begin in range(0, of.n_sets, at_once):
        n = min(at_once, of.n_sets - begin)
        n_pieces = (n + PIECE - 1) // PIECE
        crew = crew_of(n_blocks * n_pieces)
        with nogil, parallel(num_threads=n_threads):
            i = next_part(&crew, -1)
            while i >= 0:
                first = i % n_pieces * PIECE
                _active.weights(&of, &theta[i // n_pieces, 0, 0], begin + first, min(<Py_ssize_t> PIECE, n - first),
                                &weight[i // n_pieces, first * SET_OF, 0])
                i = next_part(&crew, i)
        dismiss(&crew)
        crew = crew_of(n_blocks * n_tiles)
        with nogil, parallel(num_threads=n_threads):
            i = next_part(&crew, -1)
            while i >= 0:
                first = i % n_tiles * tile
                a, b = 0, first  # the pair of that number
                while b >= of.size - a:
                    b = b - (of.size - a)
                    a = a + 1
                b = b + a
                last = min(first + tile, n_pairs)
                k = 0
                while k < n and not crew_stopped(&crew):
                    _active.products(&of, &weight[i // n_tiles, k * SET_OF, 0], begin + k,
                                     min(<Py_ssize_t> PIECE, n - k), a, b, last - first, &out[i // n_tiles, first, 0])
                    k = k + PIECE
                i = next_part(&crew, i)
        dismiss(&crew)


def square(const double[:, :, ::1] packed,  # IN  (n_blocks, size (size + 1) / 2, LANES)
           Py_ssize_t neuron,
           double[:, :] out):               # OUT (size, size): the upper triangle
    """Take the information of one neuron out of those of all."""
    cdef Py_ssize_t size = out.shape[0], a, b, k = 0
    sized("packed", packed.shape, (-1, size * (size + 1) // 2, LANES_OF))
    sized("out", out.shape, (size, size))
    ranged("neuron", neuron, 0, packed.shape[0] * LANES_OF - 1)
    for a in range(size):
        for b in range(a, size):
            out[a, b] = packed[neuron // LANES_OF, k, neuron % LANES_OF]
            k += 1
