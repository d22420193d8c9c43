/* The dense rows of a window's Jacobian. */
#ifndef DMFT_ROWS_H
#define DMFT_ROWS_H

#include "map.h"

/* dm^alpha_a/dA_c of one token, (M, M) for each of q, k and v: of column c, n rows from a on. */
INLINE void some_slopes(const int M, const Block *b, pack *const d[OUTPUT], int c, int a, const int n)
{
    const ptrdiff_t J = b->n_classes;
    const double *coupling = b->job->couplings + a, *sign = b->job->signs + c;
    pack sum[OUTPUT][ABREAST];
    for (int role = 0; role < OUTPUT; role++)
        for (int i = 0; i < n; i++) EACH(g) sum[role][i][g] = splat(0.0);
    for (ptrdiff_t j = 0; j < J; j++) {
        pack slope;
        EACH(g) slope[g] = b->law == LAW_CLASSES ? sign[j * M] * b->rise[j][g] : b->slope[j * M + c][g];
        for (int role = 0; role < OUTPUT; role++)
            for (int i = 0; i < n; i++) EACH(g)
                sum[role][i][g] = fma3(coupling[(role * J + j) * M + i], slope[g], sum[role][i][g]);
    }
    for (int role = 0; role < OUTPUT; role++)
        for (int i = 0; i < n; i++) EACH(g) d[role][(a + i) * M + c][g] = sum[role][i][g];
}

INLINE void overlap_slopes(const int M, const Block *b, int phase)
{
    pack *const d[OUTPUT] = {
        [QUERY] = b->dquery, [KEY] = b->dkey + phase * M * M, [VALUE] = b->dvalue + phase * M * M};
#define SOME_SLOPES(a, n) some_slopes(M, b, d, c, a, n)
    for (int c = 0; c < M && !ENDED(b, c + 1, 3.0 * M * b->n_classes); c++) SIDE_BY_SIDE(M, SOME_SLOPES);
}

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

#define SLOPES_WORK (3.0 * M * M * b->n_classes)

/* The slopes of the tokens that a step finds in the window. */
INLINE void slopes(SIZES, const Block *b)
{
    for (int s = 0; s < L && !ENDED(b, s, SLOPES_WORK); s++) {
        driven_activations(M, b, b->ring + s * M, stage_of(b, -((b->job->phase - s + L) % L)), 1);
        overlap_slopes(M, b, s);
    }
}

/* A step and its dense rows, from the state that `slopes` and later steps have made. */
INLINE void make_rows(SIZES, const Block *b, ptrdiff_t t, int phase)
{
    begin_step(M, L, H, b, t, phase, 1);
    overlap_slopes(M, b, phase);
    attend(M, L, H, b, 1, L, phase);
    normalise(M, L, H, b);
    jacobian_rows(M, L, H, b, phase);
}

APART void any_slopes(const Block *b) { slopes(ITS_SIZES(b), b); }
APART void make_any_rows(const Block *b, ptrdiff_t t, int phase) { make_rows(ITS_SIZES(b), b, t, phase); }

INLINE void step_with_rows(SIZES, const Block *b, ptrdiff_t t, int phase)
{
    if (__builtin_constant_p(M)) make_rows(M, L, H, b, t, phase);
    else make_any_rows(b, t, phase);
}

#endif
