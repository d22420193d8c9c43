/* What _paths.pyx and the compiled diffusions share. Arrays are C-contiguous; nothing is checked here and nothing
 * allocated. Each call works on up to `width` paths side by side, one a lane, and writes nothing else.
 */
#ifndef DMFT_DIFFUSIONS_H
#define DMFT_DIFFUSIONS_H

#include <stddef.h>
#include <stdint.h>

enum { LORENZ = 6 }; /* components of two Lorenz systems */

/* dx0 = sigma (x1 - (1 - coupling) x0 - coupling x3), dx1 = rho x0 - x1 - x0 x2, dx2 = x0 x1 - b x2, and the same
   with 0, 1, 2 and 3, 4, 5 exchanged; besides dx4 has drive (x1 - x4). All times speed. */
typedef struct { double sigma, rho, b, coupling, drive, speed, noise[LORENZ]; } Lorenz;

typedef struct {
    double dt;
    int heun;                 /* else Euler-Maruyama */
    uint64_t seed, step;      /* of the noise; number of the first step */
    ptrdiff_t n_steps, every; /* kept is the state after each `every` steps */
} Run;

typedef struct {
    ptrdiff_t width;
    /* the n paths from number `path` on: state (n, 6) in and out, kept (n, n_steps / every, 6) or NULL;
       noise (n, n_steps, 6) instead of that of the seed, or NULL */
    void (*lorenz)(const Lorenz *system, const Run *run, uint64_t path, ptrdiff_t n, double *state, double *kept,
                   const double *noise);
    /* normal numbers 4 first .. 4 (first + n_fours) - 1 of the streams of n paths, (n, 4 n_fours) */
    void (*normals)(uint64_t seed, uint64_t path, ptrdiff_t n, uint64_t first, ptrdiff_t n_fours, double *out);
} Diffusions;

extern const Diffusions dmft_diffusions_baseline, dmft_diffusions_avx2, dmft_diffusions_avx512;

#endif
