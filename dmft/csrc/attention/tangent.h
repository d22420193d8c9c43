/* Tangents of the map: between the caller's arrays and lanes, their lengths, and samples of them at
 * the strobes: every `interval` steps, the window and the log of what each tangent has grown by
 * since the strobe before.
 *
 * A window's Jacobian J is a companion matrix: M dense rows for the new attention, and a
 * shift for the rest. With rows kept by slot the shift costs nothing.
 */
#ifndef DMFT_TANGENT_H
#define DMFT_TANGENT_H

#include "map.h"

#define TINY 0x1p-900 /* a squared norm that has lost digits to underflow, or nearly so */

/* In the order in which a step sums, so that a run in pieces has the bits of one run. */
INLINE vec squared_length(const ptrdiff_t rows, int g, const pack *x)
{
    vec sum = splat(0.0);
    for (ptrdiff_t r = 0; r < rows; r++) sum = fma3(x[r][g], x[r][g], sum);
    return sum;
}

INLINE vec inverse_or_zero(vec x) { return where(x > 0.0, 1.0 / x, splat(0.0)); }

/* The k with |x| / 2^k in [1, 2), from the squared norm; no matter how small the norm is. A norm
   of zero stays zero whatever is taken out; NaN stays NaN. */
INLINE ivec binary_order(vec squared)
{
    ivec tiny = squared < TINY;
    return (half_exponent(squared) & ~tiny) | (((ivec){0} - 400) & tiny);
}

/* Which of the caller's tangents is the i-th of `frame`? */
INLINE int callers(const Block *b, int i)
{
    const int n = b->job->n_tangents, n_direct = n - b->job->n_dual;
    return i < n_direct ? i : n - 1 - (i - n_direct);
}

/* What tells in a step whether a tangent is lost. */
INLINE void forget_step(const Block *b, int g)
{
    b->largest[0][g] = b->doubt[0][g] = b->doubt[1][g] = b->condition[0][g] = splat(0.0);
}

/* Tangents between the caller's rows, newest first, and slots. */
INLINE void load_frame(SIZES, const Block *b, const int n_tangents)
{
    const ptrdiff_t rows = L * M, stride = n_tangents * rows;
    for (int i = 0; i < n_tangents; i++) {
        const int k = callers(b, i);
        pack *column = b->frame + i * PITCH(rows);
        for (int d = 0; d < L; d++)
            for (int a = 0; a < M; a++)
                load(b, b->job->frame + k * rows + d * M + a, stride, column[(b->job->phase - d + L) % L * M + a]);
        load(b, b->job->exponent + k, n_tangents, b->power[i]);
        load(b, b->job->mark + 2 * k, 2 * (ptrdiff_t)n_tangents, b->mark_power[i]);
        load(b, b->job->mark + 2 * k + 1, 2 * (ptrdiff_t)n_tangents, b->mark_log[i]);
        EACH(g) b->lost[i][g] = splat(0.0);
        EACH(g) b->removed[i][g] = splat(0.0);
        EACH(g) b->inverse[i][g] = inverse_or_zero(squared_length(rows, g, column));
    }
    clear(L * M, b->frame + n_tangents * PITCH(rows)); /* beside an odd one */
    EACH(g) b->inverse[n_tangents][g] = b->removed[n_tangents][g] = b->power[n_tangents][g] = splat(0.0);
    EACH(g) forget_step(b, g);
    EACH(g) b->dual_power[0][g] = splat(0.0);
}

/* What was taken out of all dual tangents goes to the account of each. */
INLINE void settle_dual_power(const Block *b)
{
    const int n = b->job->n_tangents;
    for (int i = n - b->job->n_dual; i < n; i++) EACH(g) b->power[i][g] += b->dual_power[0][g];
    EACH(g) b->dual_power[0][g] = splat(0.0);
}

INLINE void store_frame(SIZES, const Block *b, const int n_tangents, int phase)
{
    const ptrdiff_t rows = L * M, stride = n_tangents * rows;
    settle_dual_power(b);
    for (int i = 0; i < n_tangents; i++) {
        const int k = callers(b, i);
        const pack *column = b->frame + i * PITCH(rows);
        for (int d = 0; d < L; d++)
            for (int a = 0; a < M; a++)
                store(b, b->job->frame + k * rows + d * M + a, stride, column[(phase - d + L) % L * M + a]);
        store(b, b->job->exponent + k, n_tangents, b->power[i]);
        store(b, b->job->mark + 2 * k, 2 * (ptrdiff_t)n_tangents, b->mark_power[i]);
        store(b, b->job->mark + 2 * k + 1, 2 * (ptrdiff_t)n_tangents, b->mark_log[i]);
        count(b, b->job->n_lost + k, n_tangents, b->lost[i]);
    }
}

/* ---- samples ---- */

/* Whether a step is the last one before a sample; `until` counts down to it (below 1: there is none). */
INLINE int strobe(const Block *b, ptrdiff_t *until)
{
    if (--*until) return 0;
    *until = b->job->interval;
    return 1;
}

/* log |column| of a tangent that has just been scaled; -inf where it has vanished. */
INLINE vec log_length(const ptrdiff_t rows, int g, const pack *column)
{
    vec size = splat(0.0), again = splat(0.0), raised = splat(0.0);
    for (ptrdiff_t r = 0; r < rows; r++) size += column[r][g] * column[r][g];
    ivec tiny = size < TINY; /* scaling lifts a norm by 2^400 at most */
    if (any(tiny)) {
        for (ptrdiff_t r = 0; r < rows; r++) again += (column[r][g] * 0x1p500) * (column[r][g] * 0x1p500);
        size = where(tiny, again, size);
        raised = where(tiny, splat(500.0 * M_LN2), raised);
    }
    ivec dead = size == 0.0;
    return where(dead, splat(-INFINITY), 0.5 * vlog(where(dead, splat(1.0), size)) - raised);
}

/* The same from 1 / |column|^2 where that is known, an ordinary number. */
INLINE vec log_length_from(vec inverse, const ptrdiff_t rows, int g, const pack *column)
{
    const ivec ordinary = (inverse > TINY) & (inverse < 1.0 / TINY);
    const vec length = -0.5 * vlog(where(ordinary, inverse, splat(1.0)));
    return any(~ordinary) ? where(ordinary, length, log_length(rows, g, column)) : length;
}

/* Growth is kept as a whole power of two and a logarithm, so that however long the run, no digit
   of one interval's growth is lost. */
INLINE vec growth_since_mark(const Block *b, int i, int g, vec length)
{
    vec growth = (b->power[i][g] - b->mark_power[i][g]) * M_LN2 + (length - b->mark_log[i][g]);
    /* A vanished tangent stays so; -inf - -inf would be NaN. */
    growth = where(length == -INFINITY, splat(-INFINITY), growth);
    b->mark_power[i][g] = b->power[i][g];
    b->mark_log[i][g] = length;
    return growth;
}

/* `n` numbers of each point, side by side in the caller's memory. A call of its own, and of copies,
   as write_rows is. */
APART void write_sample(const Job *job, ptrdiff_t first, int n, double *to, ptrdiff_t stride, const pack *sample)
{
    EACH(g) for (int i = 0; i < WIDTH; i++) {
        ptrdiff_t p = first + g * WIDTH + i;
        for (int r = 0; p < job->n_points && r < n; r++) to[p * stride + r] = sample[r][g][i];
    }
}

INLINE void sample_window(SIZES, const Block *b, ptrdiff_t at, int phase)
{
    const Job *job = b->job;
    if (!job->sample_window) return;
    for (int d = 0; d < L; d++)
        for (int a = 0; a < M; a++)
            EACH(g) b->sample[d * M + a][g] = d ? b->ring[((phase - d + L) % L) * M + a][g] : b->att[a][g];
    write_sample(job, b->first, L * M, job->sample_window + at * L * M, job->n_samples * L * M, b->sample);
}

INLINE void sample_growth(SIZES, const Block *b, ptrdiff_t at, int n)
{
    const Job *job = b->job;
    const ptrdiff_t rows = L * M;
    for (int i = 0; i < n; i++) EACH(g) {
        const pack *column = b->frame + i * PITCH(rows);
        vec length = n > 1 ? log_length_from(b->inverse[i][g], rows, g, column) : log_length(rows, g, column);
        vec growth = growth_since_mark(b, i, g, length);
        b->sample[callers(b, i)][g] = i < n - job->n_dual ? growth : -growth;
    }
    if (!job->sample_growth) return;
    write_sample(job, b->first, n, job->sample_growth + at * n, job->n_samples * n, b->sample);
}

#endif
