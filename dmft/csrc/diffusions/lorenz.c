/* Paths of two coupled Lorenz systems with noise; compiled once for each instruction set. The twin is
 * dmft/diffusions/reference.py.
 */
#include "diffusions.h"

#include "normals.h"

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

INLINE void lorenz_step(const Lorenz *s, const Run *run, const vec xi[LORENZ], const double scale[LORENZ],
                        vec x[LORENZ])
{
    vec f[LORENZ], kick[LORENZ];
    const double dt = s->speed * run->dt;
    lorenz_drift(s, x, f);
    for (int i = 0; i < LORENZ; i++) kick[i] = scale[i] * xi[i];
    if (run->heun) {
        vec ahead[LORENZ], g[LORENZ];
        for (int i = 0; i < LORENZ; i++) ahead[i] = x[i] + (dt * f[i] + kick[i]);
        lorenz_drift(s, ahead, g);
        for (int i = 0; i < LORENZ; i++) f[i] = 0.5 * (f[i] + g[i]);
    }
    for (int i = 0; i < LORENZ; i++) x[i] += dt * f[i] + kick[i];
}

INLINE uvec paths_from(uint64_t path)
{
    uvec p;
    for (int i = 0; i < WIDTH; i++) p[i] = path + (uint64_t)i;
    return p;
}

static void lorenz(const Lorenz *s, const Run *run, uint64_t path, ptrdiff_t n, double *state, double *kept,
                   const double *noise)
{
    const uvec paths = paths_from(path);
    const ptrdiff_t n_kept = run->n_steps / run->every;
    double scale[LORENZ];
    vec x[LORENZ], z[2 * LORENZ] = {{0}};
    for (int i = 0; i < LORENZ; i++) {
        scale[i] = s->noise[i] * sqrt(run->dt);
        x[i] = splat(0.0);
        for (ptrdiff_t lane = 0; lane < n; lane++) x[i][lane] = state[lane * LORENZ + i];
    }
    ptrdiff_t left = run->every, record = 0;
    for (ptrdiff_t t = 0; t < run->n_steps; t++) {
        const uint64_t step = run->step + (uint64_t)t;
        const int odd = (int)(step & 1); /* two steps take three fours of numbers */
        if (noise) {
            for (int i = 0; i < LORENZ; i++)
                for (ptrdiff_t lane = 0; lane < n; lane++)
                    z[odd * LORENZ + i][lane] = noise[(lane * run->n_steps + t) * LORENZ + i];
        } else if (!odd || t == 0) {
            many_normals(3, run->seed, paths, step / 2 * 3, z);
        }
        lorenz_step(s, run, z + odd * LORENZ, scale, x);
        if (--left == 0) {
            left = run->every;
            if (kept)
                for (int i = 0; i < LORENZ; i++)
                    for (ptrdiff_t lane = 0; lane < n; lane++) kept[(lane * n_kept + record) * LORENZ + i] = x[i][lane];
            record++;
        }
    }
    for (int i = 0; i < LORENZ; i++)
        for (ptrdiff_t lane = 0; lane < n; lane++) state[lane * LORENZ + i] = x[i][lane];
    leave_wide_registers();
}

static void normals(uint64_t seed, uint64_t path, ptrdiff_t n, uint64_t first, ptrdiff_t n_fours, double *out)
{
    const uvec paths = paths_from(path);
    for (ptrdiff_t j = 0; j < n_fours; j++) {
        vec z[4];
        many_normals(1, seed, paths, first + (uint64_t)j, z);
        for (int i = 0; i < 4; i++)
            for (ptrdiff_t lane = 0; lane < n; lane++) out[(lane * n_fours + j) * 4 + i] = z[i][lane];
    }
    leave_wide_registers();
}

const Diffusions ISA(dmft_diffusions) = {WIDTH, lorenz, normals};
