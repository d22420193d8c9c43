/* What _spins.pyx and the compiled vector spins share. Arrays are C-contiguous; nothing is checked here and nothing
 * allocated: the doors are in Python. Each function works on a run of elements or of rows and writes nothing else, so
 * threads may share them out.
 */
#ifndef DMFT_SPINS_H
#define DMFT_SPINS_H

#include <stddef.h>
#include <stdint.h>

/* Nodes and weights of the average over a Gaussian field: along the mean field (normal), and of the square of what is
   across it (chi-squared of D - 1 degrees of freedom). */
typedef struct {
    int n_along, n_across;
    const double *along, *along_weight, *across, *across_weight;
} Rule;

enum { LARGE, EXACT, AVERAGED };

/* Rows of fields to rows of means: m = g(|h|^2) h, h = theta + fields. */
typedef struct {
    ptrdiff_t n_components;
    int law;               /* LARGE: many components; EXACT; AVERAGED: exact, over a Gaussian field */
    double beta, radius;
    Rule rule;             /* of AVERAGED */
    double *theta;         /* INOUT (n, n_components): products; with the fields on return */
    const double *fields;  /* IN (n, n_components), or NULL */
    const double *spread;  /* IN (n,) or NULL: C, the variance of the field over radius^2, in all components */
    const double *old;     /* IN (n, n_components), or NULL */
    double *mean;          /* OUT (n, n_components); may be theta */
    double *square;        /* OUT (n,): |m|^2 */
    double *change;        /* OUT (n,): max |m - old|, or NULL */
} Rows;

enum { MOST_KEPT = 50 };

/* The last changes of the residual of an iteration, image - vector. */
typedef struct {
    ptrdiff_t size;
    int n_kept, place;   /* changes kept, at most MOST_KEPT; where the next one goes, -1: there is none yet */
    double *residual;    /* INOUT (size,): the last one, then this one */
    double *changes;     /* INOUT (n, size) */
} Mixing;

typedef struct {
    /* A, A/x, A', (A/x)'/x and the derivative of that over x, for D components; NULL: not wanted */
    void (*radial)(ptrdiff_t n, double D, const double *x, double *ratio, double *over, double *slope, double *first,
                   double *second);
    /* the x with A(x) = y */
    void (*inverse)(ptrdiff_t n, double D, const double *y, double *x);
    void (*response)(const Rows *rows, ptrdiff_t first, ptrdiff_t n);
    /* f = E A(|k|) k_1/|k| for k = (t, 0, ...) + s z, z normal: f/t, df/dt, and df/d(s^2) over t */
    void (*averages)(ptrdiff_t n, double D, const Rule *rule, const double *t, const double *s, double *over,
                     double *slope, double *bend);
    /* spins (n_all, n_components) drawn in the fields of rows first .. first + n - 1 */
    void (*draw)(const Rows *rows, const uint64_t key[2], uint64_t step, int purpose, double *spins, ptrdiff_t first,
                 ptrdiff_t n);
    /* products (2 n_kept + 1,): of the changes with the new one, with the residual, and of that with itself */
    void (*residuals)(const Mixing *mix, const double *image, const double *vector, double *products);
    /* out = the sum of weights times rows of a pool, of which out is none */
    void (*combine)(ptrdiff_t size, int n, const int *slots, const double *weights, const double *pool, double *out);
} Spins;

extern const Spins dmft_spins_baseline, dmft_spins_avx2, dmft_spins_avx512;

#endif
