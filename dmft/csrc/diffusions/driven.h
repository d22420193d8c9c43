/* Paths with a drift of the user's, that is compiled: of one state, or of as many side by side as it is given. The twin
 * is Diffusion with a drift of arrays: the operations are in the same order, for the same bits.
 */
#ifndef DMFT_DRIVEN_H
#define DMFT_DRIVEN_H

#include <string.h>

#include "diffusions.h"
#include "normals.h"

typedef void (*drift_of_one)(const double *, double *);
typedef void (*drift_of_many)(int64_t, const double *, double *);

INLINE ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* Numbers of as many paths as a register has lanes. */
INLINE uvec paths_from(uint64_t path)
{
    uvec p;
    for (int i = 0; i < WIDTH; i++) p[i] = path + (uint64_t)i;
    return p;
}

/* How many paths a drift of many is given for n: a multiple of PADDED, so that no path is in the rest of a loop over
   vectors, which a compiler may round in another way. */
INLINE ptrdiff_t padded(const Driven *run, ptrdiff_t n)
{
    return run->together ? (n + PADDED - 1) / PADDED * PADDED : n;
}

/* Velocities f of states x, both (d, wide) and padded with copies; one is work for 2 d doubles. */
static void drift_at(const Driven *run, ptrdiff_t n, ptrdiff_t wide, const double *x, double *f, double *one)
{
    const ptrdiff_t d = run->d;
    if (run->together) {
        ((drift_of_many)run->drift)(wide, x, f);
        return;
    }
    for (ptrdiff_t k = 0; k < n; k++) {
        for (ptrdiff_t j = 0; j < d; j++) one[j] = x[j * wide + k];
        ((drift_of_one)run->drift)(one, one + d);
        for (ptrdiff_t j = 0; j < d; j++) f[j * wide + k] = one[d + j];
    }
}

INLINE void gather(ptrdiff_t n, ptrdiff_t wide, ptrdiff_t d, const double *state, double *x)
{
    for (ptrdiff_t j = 0; j < d; j++)
        for (ptrdiff_t k = 0; k < wide; k++) x[j * wide + k] = state[smaller(k, n - 1) * d + j];
}

INLINE void scatter(ptrdiff_t n, ptrdiff_t wide, ptrdiff_t d, const double *x, double *out, ptrdiff_t stride)
{
    for (ptrdiff_t k = 0; k < n; k++)
        for (ptrdiff_t j = 0; j < d; j++) out[k * stride + j] = x[j * wide + k];
}

/* Fill rows of TOGETHER with the 4 n_fours normal numbers from place 4 `four` on of the streams of paths. */
static void noise_rows(uint64_t seed, uint64_t path, ptrdiff_t wide, uint64_t four, ptrdiff_t n_fours, double *xi)
{
    vec z[4 * MOST];
    for (ptrdiff_t lane = 0; lane < wide; lane += WIDTH)
        for (ptrdiff_t i = 0, some; i < n_fours; i += some) {
            some = smaller(MOST, n_fours - i);
            many_normals(some, seed, paths_from(path + (uint64_t)lane), four + (uint64_t)i, z);
            for (ptrdiff_t r = 0; r < 4 * some; r++) memcpy(xi + (4 * i + r) * TOGETHER + lane, z + r, sizeof *z);
        }
    leave_wide_registers();
}

/* Move states x a step of d components along velocities f. */
static void move(const Driven *run, ptrdiff_t wide, double *restrict x, const double *restrict f,
                 const double *restrict xi)
{
    for (ptrdiff_t j = 0; j < run->d; j++, x += wide, f += wide, xi += TOGETHER) {
        const double dt = run->dt, scale = run->scale[j];
        for (ptrdiff_t k = 0; k < wide; k++) x[k] = x[k] + dt * f[k] + scale * xi[k];
    }
}

static void driven(const Driven *run, uint64_t path, ptrdiff_t n, double *state, double *kept, ptrdiff_t n_kept,
                   double *work)
{
    const ptrdiff_t d = run->d, wide = padded(run, n), size = d * TOGETHER, few = driven_steps(d);
    double *x = work, *f = x + size, *ahead = f + size, *f_ahead = ahead + size, *xi = f_ahead + size;
    double *one = xi + TOGETHER * (few * d + 6);
    uint64_t four = run->four;
    ptrdiff_t offset = run->offset;
    gather(n, wide, d, state, x);
    for (ptrdiff_t t = 0, steps; t < run->n_steps; t += steps) {
        steps = smaller(few, run->n_steps - t);
        noise_rows(run->seed, path, wide, four, (offset + steps * d + 3) / 4, xi);
        const double *row = xi + offset * TOGETHER;
        for (ptrdiff_t s = 0; s < steps; s++, row += size) {
            drift_at(run, n, wide, x, f, one);
            if (run->heun) {
                memcpy(ahead, x, (size_t)(d * wide) * sizeof *x);
                move(run, wide, ahead, f, row);
                drift_at(run, n, wide, ahead, f_ahead, one);
                for (ptrdiff_t k = 0; k < d * wide; k++) f[k] = (f[k] + f_ahead[k]) / 2;
            }
            move(run, wide, x, f, row);
            const ptrdiff_t now = run->before + t + s + 1;
            if (now % run->every == 0) scatter(n, wide, d, x, kept + (now / run->every - 1) * d, n_kept * d);
        }
        offset += steps * d;
        four += (uint64_t)(offset / 4);
        offset %= 4;
    }
    scatter(n, wide, d, x, state, d);
}

static void velocities(const Driven *run, ptrdiff_t n, const double *state, double *out, double *work)
{
    const ptrdiff_t wide = padded(run, n), size = run->d * TOGETHER;
    gather(n, wide, run->d, state, work);
    drift_at(run, n, wide, work, work + size, work + 2 * size);
    scatter(n, wide, run->d, work + size, out, run->d);
}

#endif
