/* What _network.pyx and the compiled finite networks share. Arrays are C-contiguous and nothing
 * is checked here: the doors are in Python.
 *
 * A run is one replica of one parameter point. Runs share the columns of the features; each has
 * its own parameters, number of sites and random numbers.
 */
#ifndef DMFT_NETWORK_H
#define DMFT_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "../records.h"


typedef struct {
    /* the network */
    int n_features, n_context, n_heads, n_columns;
    const double *signs;    /* IN (n_columns, n_features): +-1, what the spins of a group listen to */
    const double *columns;  /* IN (N_ROLES, n_columns, n_features): +-1, W^alpha of its sites */
    const double *position; /* IN (N_ROLES, n_context, n_features): b^alpha(phase) / epsilon */
    /* the runs */
    ptrdiff_t n_runs;
    const double *beta, *gain, *epsilon; /* IN (n_runs,); gain multiplies m^q.m^k */
    const double *n_sites;  /* IN (n_runs,) */
    const double *sizes;    /* IN (n_runs, n_columns): sites of each group; they add up to n_sites */
    const uint64_t *keys;   /* IN (n_runs, 2) of the generator */
    uint64_t step;          /* counts the tokens of a run: that of the generator */
    int purpose;            /* of the random numbers: see philox.h */
    int n_coupled;          /* 1, or 2: runs 2i and 2i + 1 are a pair, drawn jointly */
    int independent;        /* whether a pair has independent noise, or common */
    int explicit_spins;     /* draw every spin by itself */
    const double *uniforms; /* IN (n_steps, n_spins) explicit numbers for the spins, or NULL */
    ptrdiff_t n_spins;
    /* the state: the newest attention, and the older tokens' overlaps, newest first */
    double *attention;      /* INOUT (n_runs, n_features) */
    double *memory;         /* INOUT (n_runs, 2, n_context, n_features): m^k and m^v; row 0 is spare */
    int n_filled, phase;    /* the attention and n_filled - 1 older tokens count */
    /* the drive: tokens of which some sites are given; n_stages = 0: none; `stage` is that of the next step */
    int n_stages, stage;
    const double *strength; /* IN (n_stages,): the chance of a site to be given; of pairs 0 or 1 */
    const double *given;    /* IN (n_runs, n_stages, n_columns): sites of each group that the given token has up */
    /* the run and its records */
    ptrdiff_t n_steps, every, clock; /* record where (clock + step) is a multiple of every */
    ptrdiff_t n_rows, first_row;     /* room for rows in each record, and the first to fill */
    double *record[N_RECORDS]; /* OUT (n_runs, n_rows, n_features) each, or NULL; the weights of keys ... */
                               /* ... (n_runs, n_rows, n_heads, n_context), newest first */
    double *sums;              /* OUT (n_runs, n_rows, n_columns): sum of the spins, or NULL */
    uint64_t *spins;           /* OUT (n_runs, n_rows, n_words): the spins packed, or NULL */
    ptrdiff_t n_words;
    double *distance;          /* OUT (n_runs / 2, n_rows): differing sites of a pair, or NULL */
    /* whether the work shall end, asked now and then; then what is written is of no use */
    int (*stopped)(void *crew);
    void *crew;
} NetworkJob;

/* One instruction set: how many runs one call takes, the scratch it wants, and the calls. */
typedef struct {
    int n_block;
    size_t (*scratch)(const NetworkJob *job); /* bytes, 64-byte aligned */
    void (*run)(const NetworkJob *job, ptrdiff_t block, void *scratch);
    double (*binomial)(double n, double p, const uint64_t key[2], uint64_t item, uint64_t step, int purpose);
} Networks;

extern const Networks dmft_network_baseline, dmft_network_avx2, dmft_network_avx512;

#endif
