/* What _jumps.pyx and the compiled trajectories of jump processes share. Arrays are C-contiguous; nothing is checked here
 * and nothing allocated.
 */
#ifndef DMFT_JUMPS_H
#define DMFT_JUMPS_H

#include <stddef.h>
#include <stdint.h>

/* A state: the mean time until it is left (infinite for a trap), and its edges. */
typedef struct { double wait; uint32_t first, n; } State;

/* An edge, and a column of the table of aliases of its state (Walker 1977): a column is one of the n edges, each equally
   likely; within it the edge itself, the first of `way`, has `share` of 2^64, another the rest. */
typedef struct { uint32_t target, edge; } Way;
typedef struct { uint64_t share; Way way[2]; } Edge;

typedef struct {
    const State *states;
    const Edge *edges;
    const double *gain;    /* (n_edges, n_gains): what a jump adds to sums */
    ptrdiff_t n_gains, n_states;
    const double *start;   /* (n_states,): cumulative law */
    double duration;       /* in the unit of the waits */
    uint64_t seed, first;  /* first: number of the trajectory of row 0 */
    int64_t *ends;         /* (n_paths, 2): states at the start and at the end */
    int64_t *n_jumps;      /* (n_paths,) */
    double *sums;          /* (n_paths, n_gains): added to */
    double *residence;     /* (n_paths, n_states): added to; or NULL */
    int (*stopped)(void *crew);
    void *crew;
} Ensemble;

/* Follow the trajectories of rows from .. to - 1, and write nothing else. */
typedef struct { void (*paths)(const Ensemble *ensemble, ptrdiff_t from, ptrdiff_t to); } Jumps;

extern const Jumps dmft_jumps_baseline, dmft_jumps_avx2, dmft_jumps_avx512;

#endif
