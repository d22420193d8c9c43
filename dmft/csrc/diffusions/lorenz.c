/* Paths of two coupled Lorenz systems with noise; compiled once for each instruction set. The twin is
 * dmft/diffusions/reference.py.
 */
#include "driven.h"

enum {
    AHEAD = MOST / 3 * 2, /* steps whose noise is made at once */
    GROUPS = 2            /* of WIDTH paths side by side: the steps of one alone wait for each other */
};

INLINE void lorenz_drift(const Lorenz *s, const vec x[LORENZ], vec f[LORENZ])
{
    const double self = 1.0 - s->coupling;
    f[0] = s->sigma * (x[1] - (self * x[0] + s->coupling * x[3]));
    f[1] = s->rho * x[0] - x[1] - x[0] * x[2];
    f[2] = x[0] * x[1] - s->b * x[2];
    f[3] = s->sigma * (x[4] - (self * x[3] + s->coupling * x[0]));
    f[4] = s->rho * x[3] - x[4] - x[3] * x[5] + s->drive * (x[1] - x[4]);
    f[5] = x[3] * x[4] - s->b * x[5];
}

/* n steps of GROUPS blocks of paths, each with AHEAD steps of normal numbers; heun is a constant. */
INLINE void lorenz_steps(const Lorenz *s, double dt, const int heun, const double scale[LORENZ], ptrdiff_t n,
                         const vec *xi, vec state[GROUPS * LORENZ])
{
    vec x[GROUPS * LORENZ];
    for (int i = 0; i < GROUPS * LORENZ; i++) x[i] = state[i];
    for (ptrdiff_t t = 0; t < n; t++, xi += LORENZ)
        for (int g = 0; g < GROUPS; g++) {
            vec *y = x + g * LORENZ, f[LORENZ], kick[LORENZ];
            lorenz_drift(s, y, f);
            for (int i = 0; i < LORENZ; i++) kick[i] = scale[i] * xi[g * AHEAD * LORENZ + i];
            if (heun) {
                vec ahead[LORENZ], h[LORENZ];
                for (int i = 0; i < LORENZ; i++) ahead[i] = y[i] + (dt * f[i] + kick[i]);
                lorenz_drift(s, ahead, h);
                for (int i = 0; i < LORENZ; i++) f[i] = 0.5 * (f[i] + h[i]);
            }
            for (int i = 0; i < LORENZ; i++) y[i] += dt * f[i] + kick[i];
        }
    for (int i = 0; i < GROUPS * LORENZ; i++) state[i] = x[i];
}

static void lorenz(const Lorenz *s, const Run *run, uint64_t path, ptrdiff_t n, double *state, double *kept,
                   const double *noise)
{
    const ptrdiff_t n_kept = run->n_steps / run->every;
    const double dt = s->speed * run->dt;
    double scale[LORENZ];
    vec x[GROUPS * LORENZ], z[GROUPS * AHEAD * LORENZ] = {{0}};
    for (int i = 0; i < LORENZ; i++) {
        scale[i] = s->noise[i] * sqrt(run->dt);
        for (int g = 0; g < GROUPS; g++) x[g * LORENZ + i] = splat(0.0);
        for (ptrdiff_t k = 0; k < n; k++) x[k / WIDTH * LORENZ + i][k % WIDTH] = state[k * LORENZ + i];
    }
    ptrdiff_t left = run->every, record = 0;
    for (ptrdiff_t t = 0, steps; t < run->n_steps; t += steps) {
        const uint64_t step = run->step + (uint64_t)t;
        const ptrdiff_t at = (ptrdiff_t)(step % AHEAD), end = smaller(AHEAD, at + run->n_steps - t);
        steps = smaller(end - at, left);
        if (noise) {
            for (ptrdiff_t k = 0; k < n; k++)
                for (ptrdiff_t j = 0; j < steps * LORENZ; j++)
                    z[(k / WIDTH * AHEAD + at) * LORENZ + j][k % WIDTH] = noise[(k * run->n_steps + t) * LORENZ + j];
        } else if (!at || !t) {
            const ptrdiff_t first = at / 2, twos = (end + 1) / 2 - first; /* of steps: they take three fours */
            for (ptrdiff_t g = 0; g * WIDTH < n; g++)
                many_normals(3 * twos, run->seed, paths_from(path + (uint64_t)(g * WIDTH)), step / 2 * 3,
                             z + (g * AHEAD + 2 * first) * LORENZ);
        }
        if (run->heun) lorenz_steps(s, dt, 1, scale, steps, z + at * LORENZ, x);
        else lorenz_steps(s, dt, 0, scale, steps, z + at * LORENZ, x);
        left -= steps;
        if (left == 0) {
            left = run->every;
            if (kept)
                for (ptrdiff_t k = 0; k < n; k++)
                    for (int i = 0; i < LORENZ; i++)
                        kept[(k * n_kept + record) * LORENZ + i] = x[k / WIDTH * LORENZ + i][k % WIDTH];
            record++;
        }
    }
    for (ptrdiff_t k = 0; k < n; k++)
        for (int i = 0; i < LORENZ; i++) state[k * LORENZ + i] = x[k / WIDTH * LORENZ + i][k % WIDTH];
    leave_wide_registers();
}

static void normals(uint64_t seed, uint64_t path, ptrdiff_t n, uint64_t first, ptrdiff_t n_fours, double *out)
{
    vec z[4 * MOST];
    for (ptrdiff_t lane = 0; lane < n; lane += WIDTH)
        for (ptrdiff_t j = 0, some; j < n_fours; j += some) {
            some = smaller(MOST, n_fours - j);
            many_normals(some, seed, paths_from(path + (uint64_t)lane), first + (uint64_t)j, z);
            for (ptrdiff_t k = lane; k < smaller(n, lane + WIDTH); k++)
                for (ptrdiff_t i = 0; i < 4 * some; i++) out[(k * n_fours + j) * 4 + i] = z[i][k - lane];
        }
    leave_wide_registers();
}

const Diffusions ISA(dmft_diffusions) = {GROUPS * WIDTH, lorenz, normals, driven, velocities};
