/* Gram-Schmidt of a panel of tangents all at once, for small frames.
 *
 * Gram-Schmidt finds the parts of a tangent along another one after the other, and each waits for the one before. Here
 * the products of all tangents of a side are taken in one pass, R comes of them as Cholesky's factor, and a second pass takes
 * all parts out. That squares contrasts: so it counts only for lanes in which every tangent of a side keeps more than WELL
 * of its squared length, which then has errors of epsilon / WELL; the tangents themselves are combined as exactly as by
 * Gram-Schmidt, and what a part leaves is taken out in the step after. Where some lane has less, that side goes through
 * Gram-Schmidt too, for such lanes.
 */
#ifndef DMFT_CHOLESKY_H
#define DMFT_CHOLESKY_H

#include "frame.h"

#define WELL 0x1p-42

/* Where the products of tangents k <= j of a side are. */
#define MUTUAL(j, k) ((j) * ((j) + 1) / 2 + (k))
#define N_MUTUAL (PANEL * (PANEL + 1) / 2)

INLINE void add_mutual(const int n, const vec *x, vec *sum)
{
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int k = 0; k < n; k++)
            if (k <= j) sum[MUTUAL(j, k)] = fma3(x[k], x[j], sum[MUTUAL(j, k)]);
}

/* J times the direct tangents: the new attention goes to `moved`, the other rows are those of `frame`. */
INLINE void move_direct(SIZES, const Block *b, int g, int oldest, const int n, vec *mutual)
{
    const ptrdiff_t rows = L * M;
    vec sum[N_MUTUAL];
    TEMPORARY(fresh, PANEL * M);
    int a = 0;
    for (; a + ROWS_ABREAST <= M; a += ROWS_ABREAST) new_rows(M, L, H, b, g, a, ROWS_ABREAST, &b->frame[0][g], n, fresh);
    for (; a < M; a++) new_rows(M, L, H, b, g, a, 1, &b->frame[0][g], n, fresh);
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) b->moved[k * PITCH(rows) + oldest * M + a][g] = fresh[a * PANEL + k];
    UNROLL for (int k = 0; k < N_MUTUAL; k++) sum[k] = splat(0.0);
    for (int s = 0; s < L; s++) {
        const vec *from = &(s == oldest ? b->moved : b->frame)[s * M][g];
        for (int a = 0; a < M; a++) {
            vec x[PANEL];
            UNROLL for (int k = 0; k < n; k++) x[k] = LOADED(from[k * NEXT_COLUMN + a * GROUPS]);
            add_mutual(n, x, sum);
        }
    }
    UNROLL for (int k = 0; k < N_MUTUAL; k++) mutual[k] = sum[k];
}

/* Cholesky's factor, by rows without their lengths: what is taken of each tangent for those after it. `mutual` keeps the
   squared lengths that are left, on its diagonal. */
INLINE void factorize(const int n, vec *mutual, vec *part)
{
    UNROLL for (int i = 0; i < n - 1; i++) {
        const vec inverse = 1.0 / mutual[MUTUAL(i, i)];
        UNROLL for (int j = i + 1; j < n; j++) part[MUTUAL(j, i)] = mutual[MUTUAL(j, i)] * inverse;
        UNROLL for (int j = i + 1; j < n; j++)
            UNROLL for (int k = i + 1; k < n; k++)
                if (k <= j) mutual[MUTUAL(j, k)] = fnma3(part[MUTUAL(j, i)], mutual[MUTUAL(k, i)], mutual[MUTUAL(j, k)]);
    }
}

/* The parts are taken out of the n tangents, whose rows are in `from`, those of the slot s in `fresh`; they go to `to`. */
INLINE void take_out_parts(SIZES, int g, const int n, const vec *from, int s, const vec *fresh, const vec *part, vec *to,
                           vec *size)
{
    const ptrdiff_t rows = L * M;
    UNROLL for (int k = 0; k < n; k++) size[k] = splat(0.0);
    for (int slot = 0; slot < L; slot++) {
        const vec *source = slot == s ? fresh : from;
        for (int r = slot * M * GROUPS; r < (slot + 1) * M * GROUPS; r += GROUPS) {
            vec x[PANEL];
            UNROLL for (int k = 0; k < n; k++) {
                x[k] = source[k * NEXT_COLUMN + r];
                UNROLL for (int i = 0; i < n; i++)
                    if (i < k) x[k] = fnma3(part[MUTUAL(k, i)], x[i], x[k]);
                to[k * NEXT_COLUMN + r] = x[k];
                size[k] = fma3(x[k], x[k], size[k]);
            }
        }
    }
}

#define FINISH_SIDE(n) finish(M, L, H, b, g, side, i, n)

/* A side by Gram-Schmidt. Lanes that keep enough have their tangents from `pivot`, of these squared lengths, and no account
   but that of a step in which all lanes do: what is left, by Cholesky, may be far less where that of a tangent before is little. */
INLINE void finish_side(SIZES, const Block *b, int g, int side, int begin, const int count, ivec well, const vec *squared)
{
    const ptrdiff_t rows = L * M;
    vec lost[PANEL], power[PANEL];
    for (int k = 0; k < count; k++) {
        lost[k] = b->lost[begin + k][g];
        power[k] = b->power[begin + k][g];
    }
    products(M, L, H, b, g, begin, side);
    for (int i = begin; i < begin + count; i += 2) {
        const int n = begin + count - 2 - i;
        if (n > 0) FOR_PANEL(n, FINISH_SIDE);
        else FINISH_SIDE(0);
    }
    for (int k = 0; k < count; k++) {
        const int i = begin + k;
        for (ptrdiff_t r = 0; r < rows; r++) {
            vec *x = &b->frame[i * PITCH(rows) + r][g];
            *x = where(well, b->pivot[i * PITCH(rows) + r][g], *x);
        }
        b->inverse[i][g] = where(well, inverse_or_zero(squared[k]), b->inverse[i][g]);
        b->lost[i][g] = where(well, lost[k], b->lost[i][g]);
        b->power[i][g] = where(well, power[k], b->power[i][g]);
    }
    b->doubt[side][g] = where(well, splat(0.0), b->doubt[side][g]);
    if (!side) b->first_lost[0][g] = where(well, splat((double)count), b->first_lost[0][g]);
}

/* Where enough is left of the squared length that a tangent had before, and neither is near the end of the numbers. */
INLINE ivec keeps_enough(vec left, vec before)
{
    return (left > vmax(before * WELL, FAINT * 2.0)) & (before < HUGE_NORM * 0.5);
}

#endif
