/* One step of a frame of tangents: multiplied by the Jacobian, made orthogonal again.
 *
 * Where the softmax or the tokens saturate, J annihilates directions to more digits than a
 * double has, and the last columns of its QR decomposition J Q = Q' R are rounding noise. But
 * J^-T Q = Q' R^-T: the last columns again come out of Gram-Schmidt from the last one back, with
 * lengths 1 / |R_ii|, and now the most annihilated comes first. So the last n_dual tangents are
 * carried by J^-T. In `frame` they follow the others in this reverse order.
 */
#ifndef DMFT_FRAME_H
#define DMFT_FRAME_H

#include "tangent.h"

/* A number or an address that the compiler must take as it comes, so that it neither unrolls a loop
   that ends there nor keeps an address of its own for each of many arrays that lie beside it. */
#define HIDDEN(x)                                                                   \
    ({                                                                              \
        __typeof__(x) hidden_ = (x);                                                \
        __asm__("" : "+r"(hidden_));                                                \
        hidden_;                                                                    \
    })

/* A vector that is loaded once for all its uses, not once for each. */
#ifdef __x86_64__
#define LOADED(x)                                                                   \
    ({                                                                              \
        vec loaded_ = (x);                                                          \
        __asm__("" : "+v"(loaded_));                                                \
        loaded_;                                                                    \
    })
#else
#define LOADED(x) (x)
#endif

/* One row after another of a column of one group, a token's at a time where its features are a
   constant number. What lies beside it, as other columns do, is at a distance. */
#define ROWS_AT_ONCE (__builtin_constant_p(M) ? M : 1)
#define EACH_ROW(at, column)                                                        \
    for (vec *at##_ = HIDDEN(column), *end_ = HIDDEN(at##_ + rows * GROUPS); at##_ < end_; \
         at##_ = HIDDEN(at##_ + ROWS_AT_ONCE * GROUPS))                             \
        for (vec *at = at##_; at < at##_ + ROWS_AT_ONCE * GROUPS; at += GROUPS)
#define NEXT_COLUMN (PITCH(rows) * GROUPS)

/* Tangents go two by two, and up to PANEL of them side by side, so that a load serves many
   multiply-adds. How many is an even number that the compiler knows. */
#define FOR_PANEL(n, action)                                                        \
    do {                                                                            \
        if ((n) > 4 && L * M > 4) action(6);                                        \
        else if ((n) > 2) action(4);                                                \
        else if ((n) > 0) action(2);                                                \
    } while (0)

/* Rows a and on, n_rows of them, of the new attention's part of J times n tangents. */
#define ROWS_ABREAST (WIDTH == 8 ? 3 : 1) /* the sums shall fit in the registers */
INLINE void new_rows(SIZES, const Block *b, int g, int a, const int n_rows, vec *columns, const int n, vec *fresh)
{
    const ptrdiff_t rows = L * M;
    const ptrdiff_t factors = HIDDEN(&b->jacobian[a * rows][g]) - HIDDEN(columns);
    vec sum[ROWS_ABREAST * PANEL];
    UNROLL for (int i = 0; i < n_rows * PANEL; i++) sum[i] = splat(0.0);
    EACH_ROW(x, columns) {
        vec factor[ROWS_ABREAST];
        UNROLL for (int i = 0; i < n_rows; i++) factor[i] = LOADED(x[factors + i * rows * GROUPS]);
        UNROLL for (int k = 0; k < n; k++) {
            const vec y = LOADED(x[k * NEXT_COLUMN]);
            UNROLL for (int i = 0; i < n_rows; i++) sum[i * PANEL + k] = fma3(factor[i], y, sum[i * PANEL + k]);
        }
    }
    UNROLL for (int i = 0; i < n_rows * PANEL; i++) fresh[a * PANEL + i] = sum[i];
}

/* J times the tangents from c on: the new attention takes the place of the oldest slot. */
INLINE void propagate(SIZES, const Block *b, int g, int phase, int c, const int n)
{
    const ptrdiff_t rows = L * M;
    vec *columns = &b->frame[c * PITCH(rows)][g];
    TEMPORARY(fresh, PANEL * M);
    int a = 0;
    for (; a + ROWS_ABREAST <= M; a += ROWS_ABREAST) new_rows(M, L, H, b, g, a, ROWS_ABREAST, columns, n, fresh);
    for (; a < M; a++) new_rows(M, L, H, b, g, a, 1, columns, n, fresh);
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) columns[k * NEXT_COLUMN + (NEXT(phase) * M + a) * GROUPS] = fresh[a * PANEL + k];
}

/* Take 2^order out of a tangent of group g. */
INLINE void scale_column(const ptrdiff_t rows, pack *column, int g, ivec order, pack *power)
{
    const vec factor = inverse_power(order);
    for (ptrdiff_t r = 0; r < rows; r++) column[r][g] *= factor;
    (*power)[g] += __builtin_convertvector(order, vec);
}

/* The lengths of n tangents, as powers of two, go to `power` in some lanes. */
INLINE void scale_columns(const ptrdiff_t rows, int g, ivec lanes, int n, pack *columns, pack *inverse, pack *power)
{
    for (int i = 0; i < n; i++) {
        const ivec order = -binary_order(inverse[i][g]) & lanes; /* of zero, as of a squared norm of zero: any */
        scale_column(rows, columns + i * PITCH(rows), g, order, power + i);
        inverse[i][g] = (inverse[i][g] * inverse_power(-order)) * inverse_power(-order);
    }
}

/* Before a step whose J^-T would stretch beyond the numbers, for it has the weight of the oldest slot
   below it, maybe 1e-300: in the lanes where that is slight, half its order of magnitude is taken out
   of J^-T, that is out of all rows of the dual tangents but the oldest, and returned as a factor for
   these; `dual_power` has the account. The tangents are scaled too. */
#define SLIGHT 0x1p-200
static __attribute__((noinline, cold)) vec brace(const int M, ptrdiff_t rows, int g, int oldest, int n, pack *columns,
                                                 pack *inverse, pack *power, pack *dual_power, const vec *weight)
{
    const ivec lanes = *weight < SLIGHT;
    const ivec half = (((((ivec)*weight >> 52) + 1025) >> 1) - 1024) & lanes; /* rounds down below zero too */
    const vec shrink = inverse_power(-half);
    scale_columns(rows, g, lanes, n, columns, inverse, power);
    for (int i = 0; i < n; i++)
        for (ptrdiff_t r = 0; r < rows; r++)
            if (r / M != oldest) columns[i * PITCH(rows) + r][g] *= shrink;
    (*dual_power)[g] -= __builtin_convertvector(half, vec);
    return shrink;
}

INLINE vec short_dot(const int n, const vec *x, const vec *y)
{
    vec sum = x[0] * y[0];
    for (int i = 1; i < n; i++) sum = fma3(x[i], y[i], sum);
    return sum;
}

/* For J^-T: the inverse of C^T, C = dA_t/dA of the oldest slot, by Gram-Schmidt on C's rows
   c_b = q_b + sum_a r_ab q_a. What rounding leaves of the q_a in q_b is taken out too: else the inverse
   of a nearly singular C would have errors as large as its lesser part. C has the weight of that slot
   as a factor, which stays out of it, for it may be 1e-100: then `brace` takes half its order of
   magnitude out of J^-T. */
INLINE void invert_oldest(SIZES, const Block *b, int g, int phase)
{
    const int width = M / H, oldest = NEXT(phase);
    TEMPORARY(basis, M * M);
    TEMPORARY(part, M * M);
    TEMPORARY(length, M);
    TEMPORARY(again, M);
    TEMPORARY(square, M);
    vec *q = basis, condition = splat(0.0);
    pack *inverse = b->inverse_block;
    for (int c = 0; c < M; c++) {
        for (int k = 0; k < M; k++) q[c * M + k] = b->oldest[c * M + k][g];
        square[c] = short_dot(M, q + c * M, q + c * M);
        for (int a = 0; a < c; a++) {
            const vec r = part[a * M + c] = short_dot(M, q + c * M, q + a * M) * length[a];
            for (int k = 0; k < M; k++) q[c * M + k] = fnma3(r, q[a * M + k], q[c * M + k]);
        }
        for (int a = 0; a < c; a++) again[a] = short_dot(M, q + c * M, q + a * M) * length[a];
        for (int a = 0; a < c; a++) {
            for (int k = 0; k < M; k++) q[c * M + k] = fnma3(again[a], q[a * M + k], q[c * M + k]);
            part[a * M + c] += again[a];
        }
        length[c] = 1.0 / short_dot(M, q + c * M, q + c * M);
    }
    vec least = b->weight[oldest][g];
    for (int h = 1; h < H; h++) least = -vmax(-least, -b->weight[h * L + oldest][g]);
    vec shrink = splat(1.0);
    if (any(least < SLIGHT)) {
        const int n = b->job->n_dual, begin = b->job->n_tangents - n;
        shrink = brace(M, L * M, g, oldest, n, b->frame + begin * PITCH((ptrdiff_t)L * M), b->inverse + begin,
                       b->power + begin, b->dual_power, &least);
        /* A weight that the exponential could not hold is unknown, and so is all that is made of it. */
        b->largest[1][g] = where(least > 0x1p-1018, b->largest[1][g], splat(INFINITY));
    }
    for (int a = M - 1; a >= 0; a--) {
        for (int k = 0; k < M; k++) {
            vec sum = q[a * M + k] * length[a];
            for (int c = a + 1; c < M; c++) sum = fnma3(part[a * M + c], inverse[c * M + k][g], sum);
            inverse[a * M + k][g] = sum;
            condition = fma3(sum * square[a], sum, condition);
        }
    }
    b->condition[0][g] = vmax(b->condition[0][g], condition);
    for (int h = 0; h < H; h++) {
        vec scale = shrink / b->weight[h * L + oldest][g];
        for (int k = h * width * M; k < (h + 1) * width * M; k++) inverse[k][g] *= scale;
    }
}

/* J^-T for the dual tangents from c on: y'_0 = C_oldest^-T y_oldest, and y'_{s+1} = y_s - C_s^T y'_0
   for the others, which only grow older. */
#define FACTORS 8
INLINE void propagate_dual(SIZES, const Block *b, int g, int phase, int c, const int n)
{
    const ptrdiff_t rows = L * M;
    const vec *inverse = &b->inverse_block[0][g];
    vec *columns = &b->frame[c * PITCH(rows)][g], *oldest = columns + NEXT(phase) * M * GROUPS;
    TEMPORARY(fresh, PANEL * M);
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) {
            vec sum = inverse[a * M * GROUPS] * oldest[k * NEXT_COLUMN];
            for (int d = 1; d < M; d++)
                sum = fma3(inverse[(a * M + d) * GROUPS], oldest[k * NEXT_COLUMN + d * GROUPS], sum);
            fresh[k * M + a] = sum;
        }
    const ptrdiff_t factors = HIDDEN(&b->jacobian[0][g]) - HIDDEN(columns);
    EACH_ROW(x, columns) {
        vec factor[FACTORS];
        const int n_loaded = __builtin_constant_p(M) && M <= FACTORS ? M : 0;
        for (int a = 0; a < n_loaded; a++) factor[a] = LOADED(x[factors + a * rows * GROUPS]);
        for (int k = 0; k < n; k++) {
            vec y = x[k * NEXT_COLUMN];
            for (int a = 0; a < M; a++)
                y = fnma3(a < n_loaded ? factor[a] : x[factors + a * rows * GROUPS], fresh[k * M + a], y);
            x[k * NEXT_COLUMN] = y;
        }
    }
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) oldest[k * NEXT_COLUMN + a * GROUPS] = fresh[k * M + a];
}

/* Gram-Schmidt leaves rounding errors of what it takes away, and of the directions of the tangents
   that it takes away. So a stretch is rounding if it is below this part of the largest by which
   this tangent or one before it on its side was multiplied, all squared: (2^9 epsilon)^2. On the dual
   side errors of C^-T come first where its condition number is larger: (2^3 epsilon condition)^2.
   A lost tangent has a direction of rounding errors, which should have been left to those after it: with it
   all of these are lost in that step. */
#define LOST 0x1p-86
#define LOST_INVERSE 0x1p-98
#define UNDERFLOWN 0x1p-960 /* a squared norm with few digits left */
#define FAINT 0x1p-500     /* a squared norm that may underflow in the steps to come, ... */
#define HUGE_NORM 0x1p+500 /* ... or overflow */

/* A tangent whose length is near the end of the numbers, which is rare. */
static __attribute__((noinline, cold)) void mend(ptrdiff_t rows, pack *column, int g, const vec *size, pack *power)
{
    const ivec far = ((*size < FAINT) & (*size > 0.0)) | (*size > HUGE_NORM);
    scale_column(rows, column, g, binary_order(*size) & far, power);
}

/* Tangent i, orthogonal to those before it, has the squared length `size`: keeps the account of its
   stretch; returns false if the tangent was scaled, so that its products must be taken again. */
INLINE int accept(SIZES, const Block *b, int g, int i, int dual, vec size)
{
    /* `inverse` is still that of the step before, `removed` the squared length of what was taken away. */
    const vec stretch = size * b->inverse[i][g], image = fma3(b->removed[i][g], b->inverse[i][g], stretch);
    const vec largest = vmax(b->largest[dual][g], image);
    b->largest[dual][g] = largest;
    b->removed[i][g] = splat(0.0);
    const vec least = largest * (dual ? vmax(LOST, b->condition[0][g] * LOST_INVERSE) : splat(LOST));
    ivec lost = ~(stretch > least) | ~(size > UNDERFLOWN);
    /* What does not move annihilates all. Any other zero may have come of numbers too small to be held. */
    if (!dual) lost &= ~(b->beta[g] * b->semantic[g] == 0.0);
    lost |= (ivec)b->doubt[dual][g];
    b->doubt[dual][g] = (vec)lost;
    b->lost[i][g] += where(lost, splat(1.0), splat(0.0));
    if (!any(((size < FAINT) & (size > 0.0)) | (size > HUGE_NORM))) return 1;
    mend(L * M, b->frame + i * PITCH((ptrdiff_t)L * M), g, &size, b->power + i);
    return 0;
}

/* The squared length of tangent i and its product with the next one. */
INLINE void products(SIZES, const Block *b, int g, int i, int side)
{
    const ptrdiff_t rows = L * M;
    vec size = splat(0.0), along = splat(0.0);
    EACH_ROW(x, &b->frame[i * PITCH(rows)][g]) {
        size = fma3(x[0], x[0], size);
        along = fma3(x[0], x[NEXT_COLUMN], along);
    }
    b->size[side][g] = size;
    b->along[side][g] = along;
}

/* From the products `one` and `two` of a pair, i and i + 1, with n tangents, c and on, to their parts
   along the pair. Its second is orthogonal to its first up to rounding only: `cross` makes up for
   it, as if the first part had been taken out of the others first (modified Gram-Schmidt). */
INLINE void parts(const Block *b, int g, int i, int c, const int n, vec *one, vec *two)
{
    const vec inverse = b->inverse[i][g], other_inverse = b->inverse[i + 1][g], cross = b->cross[i][g];
    for (int k = 0; k < n; k++) {
        const vec first_part = one[k] * inverse;
        const vec rest = fnma3(first_part, cross, two[k]), second_part = rest * other_inverse;
        b->removed[c + k][g] = fma3(one[k], first_part, fma3(rest, second_part, b->removed[c + k][g]));
        one[k] = first_part;
        two[k] = second_part;
    }
}

/* Tangents i and i + 1, orthogonal to those before them, are made so to each other, and their parts
   are taken out of the n after them. The squared length of the first and its product with the second
   are known (`size`, `along`), and will be those of the next pair. */
INLINE void finish(SIZES, const Block *b, int g, int side, int i, const int n)
{
    const ptrdiff_t rows = L * M;
    vec *pair = &b->frame[i * PITCH(rows)][g];
    vec one[PANEL], two[PANEL], size, along, cross;
    if (!accept(M, L, H, b, g, i, side, b->size[side][g])) products(M, L, H, b, g, i, side);
    const vec inverse = inverse_or_zero(b->size[side][g]);
    along = b->along[side][g];
    vec part = along * inverse;
    b->inverse[i][g] = inverse;
    b->removed[i + 1][g] = fma3(along, part, b->removed[i + 1][g]);
    for (int done = 0;; done = 1) {
        size = cross = splat(0.0);
        for (int k = 0; k < n; k++) one[k] = two[k] = splat(0.0);
        EACH_ROW(at, pair) {
            const vec p = at[0], q = fnma3(part, p, at[NEXT_COLUMN]);
            at[NEXT_COLUMN] = q;
            size = fma3(q, q, size);
            cross = fma3(p, q, cross);
            for (int k = 0; k < n; k++) {
                const vec x = LOADED(at[(2 + k) * NEXT_COLUMN]);
                one[k] = fma3(p, x, one[k]);
                two[k] = fma3(q, x, two[k]);
            }
        }
        if (done || accept(M, L, H, b, g, i + 1, side, size)) break;
        part = splat(0.0); /* the second was scaled: its products again */
    }
    b->cross[i][g] = cross;
    b->inverse[i + 1][g] = inverse_or_zero(size);
    if (n == 0) return;
    parts(b, g, i, i + 2, n, one, two);
    size = along = splat(0.0);
    EACH_ROW(at, pair) {
        const vec p = at[0], q = at[NEXT_COLUMN];
        vec x[PANEL];
        for (int k = 0; k < n; k++) {
            x[k] = fnma3(two[k], q, fnma3(one[k], p, at[(2 + k) * NEXT_COLUMN]));
            at[(2 + k) * NEXT_COLUMN] = x[k];
        }
        size = fma3(x[0], x[0], size);
        along = fma3(x[0], x[1], along);
    }
    b->size[side][g] = size;
    b->along[side][g] = along;
}

/* The parts of n tangents, c and on, along all finished ones from i on are taken out, pair by pair: what
   takes one pair out takes the products with the next, so that the n tangents are gone through once
   a pair. */
INLINE void take_out(SIZES, const Block *b, int g, int i, int c, const int n)
{
    const ptrdiff_t rows = L * M;
    vec *pair = &b->frame[i * PITCH(rows)][g];
    vec one[PANEL], two[PANEL];
    for (int k = 0; k < n; k++) one[k] = two[k] = splat(0.0);
    ptrdiff_t others = (c - i) * NEXT_COLUMN;
    EACH_ROW(at, pair)
        for (int k = 0; k < n; k++) {
            const vec x = LOADED(at[others + k * NEXT_COLUMN]);
            one[k] = fma3(at[0], x, one[k]);
            two[k] = fma3(at[NEXT_COLUMN], x, two[k]);
        }
    for (; i < c; i += 2, pair += 2 * NEXT_COLUMN, others -= 2 * NEXT_COLUMN) {
        vec first_part[PANEL], second_part[PANEL];
        parts(b, g, i, c, n, one, two);
        for (int k = 0; k < n; k++) {
            first_part[k] = one[k];
            second_part[k] = two[k];
            one[k] = two[k] = splat(0.0);
        }
        const ptrdiff_t next = i + 2 < c ? 2 * NEXT_COLUMN : 0; /* after the last pair: itself, for nothing */
        EACH_ROW(at, pair) {
            const vec p = at[0], q = at[NEXT_COLUMN], next_p = LOADED(at[next]), next_q = LOADED(at[next + NEXT_COLUMN]);
            for (int k = 0; k < n; k++) {
                const vec x = fnma3(second_part[k], q, fnma3(first_part[k], p, at[others + k * NEXT_COLUMN]));
                at[others + k * NEXT_COLUMN] = x;
                one[k] = fma3(next_p, x, one[k]);
                two[k] = fma3(next_q, x, two[k]);
            }
        }
    }
}

/* One step of the frame: propagated and, if `qr`, made orthogonal by modified Gram-Schmidt
   without roots or logarithms: tangents keep their length up to a power of two, which goes to
   `power` where they are `scaled`. They go two by two, an odd number beside a tangent of zeros.
   The two sides take turns, so that neither waits for its own divisions. */
#define IN_TURNS(side, g) for (int side = 0; side < n_sides; side++) EACH(g)
#define PROPAGATE(n) propagate(M, L, H, b, g, phase, c, n)
#define PROPAGATE_DUAL(n) propagate_dual(M, L, H, b, g, phase, c, n)
#define TAKE_OUT(n) take_out(M, L, H, b, g, begin[side], c, n)
#define FINISH(n) finish(M, L, H, b, g, side, c, n)
INLINE void step_frame(SIZES, const Block *b, int n_tangents, int phase, int qr, int scaled)
{
    const int n_dual = b->job->n_dual, n_sides = n_dual > 0 ? 2 : 1;
    const int begin[2] = {0, n_tangents - n_dual}, end[2] = {n_tangents - n_dual, n_tangents};
    if (n_dual) EACH(g) invert_oldest(M, L, H, b, g, phase);
    const double work = 2.0 * PANEL * L * M * (M + n_tangents); /* of a panel */
    for (int panel = 0; (panel < end[0] || panel < n_dual) && !ENDED(b, panel + 1, work); panel += PANEL) {
        IN_TURNS(side, g) {
            const int c = begin[side] + panel, n = end[side] - c;
            if (side) FOR_PANEL(n, PROPAGATE_DUAL);
            else FOR_PANEL(n, PROPAGATE);
        }
        if (!qr) continue;
        IN_TURNS(side, g) {
            const int c = begin[side] + panel, n = end[side] - c;
            if (panel > 0) FOR_PANEL(n, TAKE_OUT);
            if (n > 0) products(M, L, H, b, g, c, side);
        }
        for (int i = panel; i < panel + PANEL; i += 2)
            IN_TURNS(side, g) {
                const int c = begin[side] + i, after = panel + PANEL - 2 - i, left = end[side] - 2 - c;
                const int n = left < after ? left : after;
                if (n > 0) FOR_PANEL(n, FINISH);
                else if (left > -2) FINISH(0);
            }
    }
    if (!qr) return;
    if (scaled) EACH(g)
        scale_columns((ptrdiff_t)L * M, g, (ivec){0} == 0, n_tangents, b->frame, b->inverse, b->power);
    EACH(g) forget_step(b, g);
}

#endif
