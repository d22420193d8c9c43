/* The tangent map along the orbit: the leading exponent without a matrix, any number
 * of exponents with the dense rows of the window's Jacobian. Included by _attention_map.h.
 *
 * A window's Jacobian J is a companion matrix: M dense rows for the new attention, and a
 * shift for the rest. With rows kept by slot the shift costs nothing.
 */

/* dx_j = sum_b dx_j/dA_b delta_b */
INLINE void tangent_activations(const int M, const Block *b, const pack *delta)
{
    for (int j = 0; j < b->n_classes; j++) EACH(g) {
        vec sum = b->slope[j * M][g] * delta[0][g];
        for (int a = 1; a < M; a++) sum = fma3(b->slope[j * M + a][g], delta[a][g], sum);
        b->dx[j][g] = sum;
    }
}

/* dm^role_a/dA_c of one token, (M, M). */
INLINE void overlap_slope(const int M, const Block *b, int role, pack *d)
{
    const double *coupling = b->job->couplings + (ptrdiff_t)role * b->n_classes * M;
    for (int a = 0; a < M; a++)
        for (int c = 0; c < M; c++) EACH(g) {
            vec sum = coupling[a] * b->slope[c][g];
            for (int j = 1; j < b->n_classes; j++) sum = fma3(coupling[j * M + a], b->slope[j * M + c][g], sum);
            d[a * M + c][g] = sum;
        }
}

/* sum_r x_r y_r as four sums, which do not wait for one another. */
INLINE vec dot(const ptrdiff_t rows, int g, const pack *x, const pack *y)
{
    vec sum[4];
    for (int k = 0; k < 4; k++) sum[k] = splat(0.0);
    ptrdiff_t r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int k = 0; k < 4; k++) sum[k] = fma3(x[r + k][g], y[r + k][g], sum[k]);
    for (; r < rows; r++) sum[0] = fma3(x[r][g], y[r][g], sum[0]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* In the order in which a step sums, so that a run in pieces has the bits of one run. */
INLINE vec squared_length(const ptrdiff_t rows, int g, const pack *x)
{
    vec sum = splat(0.0);
    for (ptrdiff_t r = 0; r < rows; r++) sum = fma3(x[r][g], x[r][g], sum);
    return sum;
}

INLINE vec inverse_or_zero(vec x) { return where(x > 0.0, 1.0 / x, splat(0.0)); }

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
    EACH(g) b->largest[0][g] = b->largest[1][g] = splat(0.0);
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

/* The k with |x| / 2^k in [1, 2), from the squared norm; no matter how small the norm is. A norm
   of zero stays zero whatever is taken out; NaN stays NaN. */
INLINE ivec binary_order(vec squared)
{
    ivec tiny = squared < TINY;
    return (half_exponent(squared) & ~tiny) | (((ivec){0} - 400) & tiny);
}

/* ---- the leading exponent: one tangent, no matrix ---- */

INLINE void tangent_overlaps(const int M, const Block *b, int phase)
{
    tangent_activations(M, b, b->frame + phase * M);
    clear(M, b->dquery);
    clear(M, b->dkey + phase * M);
    clear(M, b->dvalue + phase * M);
    project(M, b, QUERY, b->dx, b->dquery);
    project(M, b, KEY, b->dx, b->dkey + phase * M);
    project(M, b, VALUE, b->dx, b->dvalue + phase * M);
}

INLINE void tangent_attend(SIZES, const Block *b, int phase)
{
    const int width = M / H, next = NEXT(phase);
    clear(M, b->frame + next * M);
    for (int a = 0; a < M; a++) EACH(g) b->dquery[a][g] *= b->gain[g];
    for (int h = 0; h < H; h++) EACH(g) {
        const int begin = h * width, end = begin + width;
        for (int e = 0; e < L; e++) {
            const pack *key = b->key + e * M, *dkey = b->dkey + e * M;
            const pack *value = b->value + e * M, *dvalue = b->dvalue + e * M;
            vec score = splat(0.0);
            for (int a = begin; a < end; a++)
                score = fma3(b->dquery[a][g], key[a][g], fma3(b->gain_query[a][g], dkey[a][g], score));
            for (int a = begin; a < end; a++) {
                vec move = fma3(value[a][g] - b->att[a][g], score, dvalue[a][g]);
                b->frame[next * M + a][g] = fma3(b->weight[h * L + e][g], move, b->frame[next * M + a][g]);
            }
        }
    }
}

INLINE void rescale(SIZES, const Block *b)
{
    EACH(g) {
        vec size = dot(L * M, g, b->frame, b->frame);
        ivec order = binary_order(size);
        vec factor = inverse_power(order);
        for (int r = 0; r < L * M; r++) {
            b->frame[r][g] *= factor;
            b->dkey[r][g] *= factor;
            b->dvalue[r][g] *= factor;
        }
        b->power[0][g] += __builtin_convertvector(order, vec);
    }
}

INLINE void leading(SIZES, Block *b)
{
    load_block(M, L, H, b);
    load_frame(M, L, H, b, 1);
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    for (int s = 0; s < L; s++) {
        activations(M, b, b->ring + s * M, b->x, b->slope);
        tangent_overlaps(M, b, s);
    }
    for (ptrdiff_t t = 0; t < b->job->n_steps; t++, phase = NEXT(phase)) {
        begin_step(M, L, H, b, phase, b->slope);
        tangent_overlaps(M, b, phase);
        attend(M, L, H, b, 1, L, phase);
        tangent_attend(M, L, H, b, phase);
        /* By the phase, not by t: a run in pieces must give the bits of one run. */
        if (phase % 4 == 0) rescale(M, L, H, b);
        record(M, b, t, phase);
        if (STROBE(until)) {
            rescale(M, L, H, b); /* by a power of two: it changes no digit */
            sample_window(M, L, H, b, n_sampled, NEXT(phase));
            sample_growth(M, L, H, b, n_sampled++, 1);
        }
    }
    store_window(M, L, H, b, L, phase);
    store_frame(M, L, H, b, 1, phase);
}

/* ---- any number of exponents ---- */

/* v_e - A of features `begin` to `end` for every slot. Where the weight of one is nearly 1, A is its
   v up to rounding; there it is made of the others, for sum_e w_e (v_e - A) = 0. */
INLINE void tilts(const int M, const int L, const Block *b, int g, const pack *w, int begin, int end, vec *tilt)
{
    vec heavy = splat(1.0);
    for (int e = 0; e < L; e++) heavy = where(w[e][g] > 0.5, w[e][g], heavy);
    const vec inverse = -1.0 / heavy;
    for (int a = begin; a < end; a++) {
        vec sum = splat(0.0);
        for (int e = 0; e < L; e++) {
            tilt[e * M + a] = b->value[e * M + a][g] - b->att[a][g];
            sum = fma3(where(w[e][g] > 0.5, splat(0.0), w[e][g]), tilt[e * M + a], sum);
        }
        sum *= inverse;
        for (int e = 0; e < L; e++) tilt[e * M + a] = where(w[e][g] > 0.5, sum, tilt[e * M + a]);
    }
}

/* dA_t/dA_{slot}: the value moves, the score moves through the key, and in the newest slot
   through the query too. `oldest`: those of the oldest slot without its weight, which may be tiny. */
INLINE void jacobian_rows(SIZES, const Block *b, int phase)
{
    const int width = M / H, oldest = NEXT(phase);
    for (int h = 0; h < H; h++) EACH(g) {
        const int begin = h * width, end = begin + width;
        const pack *weight = b->weight + h * L;
        TEMPORARY(tilt, L * M);
        TEMPORARY(dscore, M);
        TEMPORARY(pull, M * M);
        tilts(M, L, b, g, weight, begin, end, tilt);
        for (int e = 0; e < L; e++) {
            const pack *key = b->key + e * M, *dkey = b->dkey + e * M * M, *dvalue = b->dvalue + e * M * M;
            for (int c = 0; c < M; c++) {
                vec sum = b->gain_query[begin][g] * dkey[begin * M + c][g];
                for (int a = begin + 1; a < end; a++)
                    sum = fma3(b->gain_query[a][g], dkey[a * M + c][g], sum);
                dscore[c] = sum;
            }
            for (int a = begin; a < end; a++) {
                const vec lean = weight[e][g] * tilt[e * M + a];
                for (int c = begin; c < end; c++)
                    pull[a * M + c] = e ? fma3(lean, key[c][g], pull[a * M + c]) : lean * key[c][g];
                for (int c = 0; c < M; c++) {
                    const vec slope = fma3(tilt[e * M + a], dscore[c], dvalue[a * M + c][g]);
                    b->jacobian[(a * L + e) * M + c][g] = weight[e][g] * slope;
                    if (e == oldest) b->oldest[a * M + c][g] = slope;
                }
            }
        }
        for (int a = begin; a < end; a++)
            for (int c = 0; c < M; c++) {
                vec sum = pull[a * M + begin] * b->dquery[begin * M + c][g];
                for (int d = begin + 1; d < end; d++) sum = fma3(pull[a * M + d], b->dquery[d * M + c][g], sum);
                pack *newest = b->jacobian + (a * L + phase) * M + c;
                (*newest)[g] = fma3(sum, b->gain[g], (*newest)[g]);
            }
    }
}

#include "_attention_frame.h"

/* The slopes of the tokens that a step finds in the window. */
INLINE void slopes(SIZES, const Block *b)
{
    for (int s = 0; s < L; s++) {
        activations(M, b, b->ring + s * M, b->x, b->slope);
        overlap_slope(M, b, KEY, b->dkey + s * M * M);
        overlap_slope(M, b, VALUE, b->dvalue + s * M * M);
    }
}

/* A step and its dense rows, from the state that `slopes` and later steps have made. */
INLINE void step_with_rows(SIZES, const Block *b, int phase)
{
    begin_step(M, L, H, b, phase, b->slope);
    overlap_slope(M, b, QUERY, b->dquery);
    overlap_slope(M, b, KEY, b->dkey + phase * M * M);
    overlap_slope(M, b, VALUE, b->dvalue + phase * M * M);
    attend(M, L, H, b, 1, L, phase);
    jacobian_rows(M, L, H, b, phase);
}

INLINE void spectrum(SIZES, Block *b)
{
    const int n_tangents = b->job->n_tangents;
    load_block(M, L, H, b);
    load_frame(M, L, H, b, n_tangents);
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    slopes(M, L, H, b);
    for (ptrdiff_t t = 0; t < b->job->n_steps; t++, phase = NEXT(phase)) {
#ifndef NOSTEP
        step_with_rows(M, L, H, b, phase);
#endif
        const int strobe = STROBE(until);
        const int qr = strobe || (t + 1) % b->job->qr_interval == 0 || t + 1 == b->job->n_steps;
        /* By the phase, not by t: a run in pieces must give the bits of one run. */
        step_frame(M, L, H, b, n_tangents, phase, qr, phase % 4 == 0);
        record(M, b, t, phase);
        if (strobe) {
            sample_window(M, L, H, b, n_sampled, NEXT(phase));
            settle_dual_power(b);
            sample_growth(M, L, H, b, n_sampled++, n_tangents);
        }
    }
    store_window(M, L, H, b, L, phase);
    store_frame(M, L, H, b, n_tangents, phase);
}

/* ---- one step and its derivative, of windows that stay as they are ---- */

INLINE void linearize_block(SIZES, Block *b)
{
    const Job *job = b->job;
    load_block(M, L, H, b);
    slopes(M, L, H, b);
    step_with_rows(M, L, H, b, job->phase);
    for (int a = 0; a < M; a++) {
        store(b, job->next + a, M, b->att[a]);
        for (int d = 0; d < L; d++)
            for (int c = 0; c < M; c++)
                store(b, job->rows + ((ptrdiff_t)d * M + a) * M + c, (ptrdiff_t)L * M * M,
                      b->jacobian[(a * L + (job->phase - d + L) % L) * M + c]);
    }
}
