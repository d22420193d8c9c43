/* What _paths.pyx and the compiled diffusions share. Arrays are C-contiguous; nothing is checked here and nothing
 * allocated. Each call works on a few paths side by side (`width`, one a lane, or TOGETHER) and writes nothing else.
 */
#ifndef DMFT_DIFFUSIONS_H
#define DMFT_DIFFUSIONS_H

#include <stddef.h>
#include <stdint.h>

enum {
    LORENZ = 6,    /* components of two Lorenz systems */
    TOGETHER = 64, /* most paths that a drift of the user's is given at once */
    PADDED = 8,    /* their number is a multiple of it */
    FEW = 96       /* normal numbers of a path made at once, if a step takes fewer */
};

/* dx0 = sigma (x1 - (1 - coupling) x0 - coupling x3), dx1 = rho x0 - x1 - x0 x2, dx2 = x0 x1 - b x2, and the same
   with 0, 1, 2 and 3, 4, 5 exchanged; besides dx4 has drive (x1 - x4). All times speed. */
typedef struct { double sigma, rho, b, coupling, drive, speed, noise[LORENZ]; } Lorenz;

typedef struct {
    double dt;
    int heun;                 /* else Euler-Maruyama */
    uint64_t seed, step;      /* of the noise; number of the first step */
    ptrdiff_t n_steps, every; /* kept is the state after each `every` steps */
} Run;

/* A drift of the user's: void f(const double *x, double *velocity) of one state, or, of `together`,
   void f(int64_t n, const double *x, double *velocity) of n states, component j of state i at x[j * n + i]. */
typedef struct {
    const void *drift;
    int together;
    ptrdiff_t d; /* components */
    double dt;
    int heun;
    const double *scale;                         /* (d,): of the noise of a step */
    uint64_t seed, four;                         /* of the noise; four numbers with the first step's first, */
    ptrdiff_t offset, n_steps, before, every;    /* its place there; steps before these, of which each `every`-th is kept */
} Driven;

/* Doubles of work for it: velocities, two of each, states and what is ahead of them; the noise of a few steps. */
static inline ptrdiff_t driven_steps(ptrdiff_t d) { return d < FEW ? FEW / d : 1; }
static inline ptrdiff_t driven_work(ptrdiff_t d) { return TOGETHER * (4 * d + driven_steps(d) * d + 6) + 2 * d; }

typedef struct {
    ptrdiff_t width;
    /* the n paths from number `path` on: state (n, 6) in and out, kept (n, n_steps / every, 6) or NULL;
       noise (n, n_steps, 6) instead of that of the seed, or NULL */
    void (*lorenz)(const Lorenz *system, const Run *run, uint64_t path, ptrdiff_t n, double *state, double *kept,
                   const double *noise);
    /* normal numbers 4 first .. 4 (first + n_fours) - 1 of the streams of n paths, (n, 4 n_fours) */
    void (*normals)(uint64_t seed, uint64_t path, ptrdiff_t n, uint64_t first, ptrdiff_t n_fours, double *out);
    /* n <= TOGETHER paths from number `path` on: state (n, d) in and out, kept (n, n_kept, d); work begins at 64 bytes */
    void (*driven)(const Driven *run, uint64_t path, ptrdiff_t n, double *state, double *kept, ptrdiff_t n_kept,
                   double *work);
    /* velocities of n <= TOGETHER states (n, d) */
    void (*velocities)(const Driven *run, ptrdiff_t n, const double *state, double *out, double *work);
} Diffusions;

extern const Diffusions dmft_diffusions_baseline, dmft_diffusions_avx2, dmft_diffusions_avx512;

#endif
