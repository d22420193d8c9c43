/* What _kernels.pyx and the compiled map share. Arrays are C-contiguous and in the
 * order (point, step, context, feature); nothing here is checked: the doors are in Python.
 */
#ifndef DMFT_ATTENTION_H
#define DMFT_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "../records.h"

/* How many of all tangents of a window of such a size are dual ones, as functions for one size have it. */
#define USUAL_DUAL(size) ((size) - 2 * (((size) + 3) / 4))

/* Whether frames are gone through point by point: many tangents of a large window. */
#define IS_LARGE(n_features, n_context, n_tangents)                                 \
    ((n_features) * (n_context) > ((n_context) > 5 ? 40 : 64) && (n_tangents) > 12)
#define LEAP 4 /* so many steps their frames may take together (leap.h) */

enum { LAW_CLASSES, LAW_GAUSSIAN, LAW_INDEPENDENT };

typedef struct {
    /* the network, shared by all points */
    int n_features, n_context, n_heads, n_classes, law;
    const double *signs;     /* IN (n_classes, n_features): s_j; Gaussian: the output covariance */
    const double *couplings; /* IN (N_ROLES, n_classes, n_features): G^alpha_j */
    const double *position;  /* IN (N_ROLES, n_context, n_features): b^alpha(phase) / epsilon */
    /* the points */
    ptrdiff_t n_points;
    const double *beta, *gain, *epsilon; /* IN (n_points,); gain multiplies m^q.m^k */
    /* the state: rows newest first, n_filled of them count; phase is that of the next step */
    double *window;       /* INOUT (n_points, n_context, n_features) */
    const double *preset; /* IN (n_points, 2, n_preset, n_features): m^k and m^v of the oldest rows, or NULL */
    double *memory;       /* OUT (n_points, 2, n_context, n_features): m^k and m^v of all rows but the first, or NULL */
    int n_preset, n_filled, phase;
    /* the drive: tokens of which some sites are given; n_stages = 0: none; `stage` is that of the next step */
    int n_stages, stage;
    const double *left;  /* IN (n_stages,): the share of the sites that the network makes */
    const double *given; /* IN (n_stages, N_ROLES, n_features): the other sites' part of the overlaps, by 1 - epsilon */
    /* the run and its records */
    ptrdiff_t n_steps;
    ptrdiff_t every, clock;  /* record where (clock + step) is a multiple of every; or, */
    int section;             /* if not below 0, where this component of A changes its sign */
    ptrdiff_t n_rows;        /* room for rows in each record */
    double *record[N_RECORDS]; /* OUT (n_points, n_rows, n_features) each, or NULL; the weights of keys ... */
                               /* ... (n_points, n_rows, n_heads, n_context), newest first */
    int64_t *n_recorded;     /* INOUT (n_points,): rows filled so far; further ones are dropped */
    /* tangents, in a full window only */
    int n_tangents, qr_interval;
    int n_dual;       /* so many last ones are carried by J^-T: all L*M, and an even number is not */
    double *frame;    /* INOUT (n_points, n_tangents, n_context, n_features), rows as in window */
    double *exponent; /* INOUT (n_points, n_tangents): powers of two scaled out of the frame */
    int64_t *n_lost;  /* INOUT (n_points, n_tangents): steps whose stretch is below rounding */
    double *mark;     /* INOUT (n_points, n_tangents, 2): power and log length at the last strobe */
    /* samples at the strobes: after `until` steps, then every `interval` steps; until = 0: none */
    ptrdiff_t interval, until, n_samples; /* n_samples: the room for them */
    double *sample_window; /* OUT (n_points, n_samples, n_context, n_features), rows as in window, or NULL */
    double *sample_growth; /* OUT (n_points, n_samples, n_tangents) or NULL */
    /* one step alone, of a full window that stays as it is */
    double *next; /* OUT (n_points, n_features): the new attention */
    double *rows; /* OUT (n_points, n_context, n_features, n_features): its derivative by each row */
    /* whether the work shall end, asked where it may take long; then what is written is of no use */
    int (*stopped)(void *crew);
    void *crew;
} Job;

/* How many points one call takes, the scratch it wants, and the call. */
typedef struct {
    int n_block;
    size_t (*scratch)(const Job *job); /* bytes, 64-byte aligned */
    void (*run)(const Job *job, ptrdiff_t block, void *scratch);
} Kernel;

/* One instruction set: orbits with one tangent at most, many and few; orbits with several; and single steps. */
typedef struct {
    const Kernel *orbits, *few, *spectra, *steps;
} Kernels;

extern const Kernels dmft_attention_baseline, dmft_attention_avx2, dmft_attention_avx512;

#endif
