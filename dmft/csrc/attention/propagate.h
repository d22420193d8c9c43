/* Tangents through one step: the direct ones by J, the dual ones by J^-T (see frame.h). */
#ifndef DMFT_PROPAGATE_H
#define DMFT_PROPAGATE_H

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
   magnitude out of J^-T, and of the dual tangents if they are in lanes. Returns whether J^-T may be steep in some lane. */
#define STEEP 0x1p+12
INLINE int invert_oldest(SIZES, const Block *b, int g, int phase, const int in_lanes)
{
    const int width = M / H, oldest = NEXT(phase);
    TEMPORARY(basis, M * M);
    TEMPORARY(part, M * M);
    TEMPORARY(length, M);
    TEMPORARY(again, M);
    TEMPORARY(square, M);
    vec *q = basis, condition = splat(0.0), volume = splat(1.0);
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
        const vec size = short_dot(M, q + c * M, q + c * M);
        length[c] = 1.0 / size;
        volume = c ? volume * size : size;
    }
    b->volume[0][g] = volume;
    vec least = b->weight[oldest][g];
    for (int h = 1; h < H; h++) least = -vmax(-least, -b->weight[h * L + oldest][g]);
    vec shrink = splat(1.0), largest = splat(0.0);
    if (any(least < SLIGHT)) {
        const int n = in_lanes ? b->job->n_dual : 0, begin = b->job->n_tangents - n;
        shrink = brace(M, L * M, g, oldest, n, b->frame + begin * PITCH((ptrdiff_t)L * M), b->inverse + begin,
                       b->power + begin, b->dual_power, &least);
        /* A weight that the exponential could not hold is unknown, and so is all that is made of it. */
        b->condition[0][g] = where(least > 0x1p-1018, b->condition[0][g], splat(INFINITY));
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
        for (int k = h * width * M; k < (h + 1) * width * M; k++) {
            inverse[k][g] *= scale;
            largest = vmax(largest, vmax(inverse[k][g], -inverse[k][g]));
        }
    }
    b->shrink[0][g] = shrink;
    const ivec steep = ~(largest * (double)M <= shrink * STEEP);
    b->steep[0][g] = where(steep, splat(1.0), splat(0.0));
    return any(steep);
}

/* J^-T for the dual tangents from c on: y'_0 = C_oldest^-T y_oldest, and y'_{s+1} = y_s - C_s^T y'_0
   for the others, which only grow older. `ready`: y'_0 has taken the place of y_oldest. */
INLINE void propagate_dual(SIZES, const Block *b, int g, int phase, int c, const int n, const int ready)
{
    const ptrdiff_t rows = L * M;
    const vec *inverse = &b->inverse_block[0][g];
    vec *columns = &b->frame[c * PITCH(rows)][g], *oldest = columns + NEXT(phase) * M * GROUPS;
    TEMPORARY(fresh, PANEL * M);
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) {
            vec sum = oldest[k * NEXT_COLUMN + a * GROUPS];
            if (!ready) sum = inverse[a * M * GROUPS] * oldest[k * NEXT_COLUMN];
            for (int d = 1; !ready && d < M; d++)
                sum = fma3(inverse[(a * M + d) * GROUPS], oldest[k * NEXT_COLUMN + d * GROUPS], sum);
            fresh[k * M + a] = sum;
        }
    const ptrdiff_t factors = HIDDEN(&b->jacobian[0][g]) - HIDDEN(columns);
    EACH_ROW(x, columns) {
        vec y[PANEL];
        UNROLL for (int k = 0; k < n; k++) y[k] = x[k * NEXT_COLUMN];
        for (int a = 0; a < M; a++) {
            const vec factor = LOADED(x[factors + a * rows * GROUPS]);
            UNROLL for (int k = 0; k < n; k++) y[k] = fnma3(factor, fresh[k * M + a], y[k]);
        }
        UNROLL for (int k = 0; k < n; k++) x[k * NEXT_COLUMN] = y[k];
    }
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) oldest[k * NEXT_COLUMN + a * GROUPS] = fresh[k * M + a];
}

#endif
