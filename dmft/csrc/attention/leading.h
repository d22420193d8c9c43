/* A step of the leading tangents of a small frame, without dual ones: as cholesky.h has it. */
#ifndef DMFT_LEADING_H
#define DMFT_LEADING_H

#include "cholesky.h"

/* Whether a job's frames take such steps: four of windows of four tokens with three features, as many as labels ask for;
   fewer wait for less. */
#define LEADING_FEW 4
static int is_few(const Job *job)
{
    return job->n_features == 3 && job->n_context == 4 && job->n_heads == 1 && job->n_tangents == LEADING_FEW
        && job->n_dual == 0 && job->qr_interval == 1;
}

/* A step of LEADING_FEW direct tangents without dual ones. The frame stays where it is: it is gone through row by row. */
INLINE void step_few(SIZES, const Block *b, int g, int phase)
{
    enum { n = LEADING_FEW };
    const ptrdiff_t rows = L * M;
    const int oldest = NEXT(phase);
    vec mutual[N_MUTUAL], part[N_MUTUAL], before[n], size[PANEL], largest = splat(0.0);
    ivec well = ~(ivec){0};
    move_direct(M, L, H, b, g, oldest, n, mutual);
    for (int k = 0; k < n; k++) before[k] = mutual[MUTUAL(k, k)];
    factorize(n, mutual, part);
    for (int k = 0; k < n; k++) {
        const vec left = mutual[MUTUAL(k, k)];
        largest = vmax(largest, before[k] * b->inverse[k][g]);
        well &= keeps_enough(left, before[k]) & (left * b->inverse[k][g] > largest * (4.0 * LOST));
    }
    const int all = !any(~well);
    UNROLL for (int k = 0; k < PANEL; k++) size[k] = splat(0.0);
    if (any(well))
        take_out_parts(M, L, H, g, n, &b->frame[0][g], oldest, &b->moved[0][g], part, &(all ? b->frame : b->pivot)[0][g], size);
    if (all) {
        for (int k = 0; k < n; k++) b->inverse[k][g] = inverse_or_zero(size[k]);
        return;
    }
    for (int k = 0; k < n; k++)
        for (int r = oldest * M; r < (oldest + 1) * M; r++) b->frame[k * PITCH(rows) + r][g] = b->moved[k * PITCH(rows) + r][g];
    b->first_lost[0][g] = splat((double)n);
    b->leading[0][g] = b->may_repair[0][g] = splat(0.0);
    finish_side(M, L, H, b, g, 0, 0, n, well, size);
}

INLINE void end_few(SIZES, const Block *b, int g, int scaled)
{
    if (scaled) scale_columns((ptrdiff_t)L * M, g, (ivec){0} == 0, LEADING_FEW, b->frame, b->inverse, b->power);
    forget_step(b, g);
}

#endif
