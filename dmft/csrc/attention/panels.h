/* Panels of tangents taken out of one another, where a panel leaves the first cache.
 *
 * All parts of a tangent along a finished panel are found at once. The products of the panel's own tangents with one
 * another, which are not quite zero, make up for it, as if they had been found one by one (modified Gram-Schmidt). Rows
 * go piece by piece: a piece of both panels stays in the first cache for what takes one panel out and for the products with
 * the next.
 */
#ifndef DMFT_PANELS_H
#define DMFT_PANELS_H

#include "propagate.h"

#define SMALL_WINDOW 60 /* rows; up to here a panel stays in the first cache as a whole */
#define PIECE 32        /* rows */

/* Products of m finished tangents with n others. */
INLINE void add_products(ptrdiff_t n_rows, const vec *finished, const int m, const vec *columns, const int n,
                         ptrdiff_t next, vec *product)
{
    vec sum[3 * PANEL];
    UNROLL for (int k = 0; k < m * n; k++) sum[k] = product[k];
    for (ptrdiff_t r = 0; r < n_rows * GROUPS; r += GROUPS) {
        vec q[3];
        UNROLL for (int a = 0; a < m; a++) q[a] = LOADED(finished[a * next + r]);
        UNROLL for (int k = 0; k < n; k++) {
            const vec x = LOADED(columns[k * next + r]);
            UNROLL for (int a = 0; a < m; a++) sum[a * n + k] = fma3(q[a], x, sum[a * n + k]);
        }
    }
    UNROLL for (int k = 0; k < m * n; k++) product[k] = sum[k];
    __asm__ volatile("" ::: "memory"); /* registers are for the sums of one loop, not for all of them */
}

/* The parts of m finished tangents, `stride` apart, are taken out of n others. */
INLINE void take_parts(ptrdiff_t n_rows, const vec *finished, const int m, vec *columns, const int n, ptrdiff_t next,
                       const vec *parts, const int stride)
{
    vec part[3 * PANEL];
    UNROLL for (int a = 0; a < m; a++)
        UNROLL for (int k = 0; k < n; k++) part[a * n + k] = parts[a * stride + k];
    for (ptrdiff_t r = 0; r < n_rows * GROUPS; r += GROUPS) {
        vec x[3];
        UNROLL for (int k = 0; k < n; k++) x[k] = columns[k * next + r];
        UNROLL for (int a = 0; a < m; a++) {
            const vec q = LOADED(finished[a * next + r]);
            UNROLL for (int k = 0; k < n; k++) x[k] = fnma3(part[a * n + k], q, x[k]);
        }
        UNROLL for (int k = 0; k < n; k++) columns[k * next + r] = x[k];
    }
}

/* An action for some of `width` tangents, an even number, three or two of them at once. */
#define BY_THREES(width, action)                                                    \
    do {                                                                            \
        if ((width) == 6) {                                                         \
            action(0, 3);                                                           \
            action(3, 3);                                                           \
        } else {                                                                    \
            action(0, 2);                                                           \
            if ((width) == 4) action(2, 2);                                         \
        }                                                                           \
    } while (0)
#define ADD(a, m) add_products(n_rows, panel + (a) * next, m, columns + r, n, next, product + (a) * n)
#define TAKE_6(k, n_) take_parts(n_rows, taken, 6, columns + (k) * next + r, n_, next, part + (k), n)
#define TAKE_4(k, n_) take_parts(n_rows, taken, 4, columns + (k) * next + r, n_, next, part + (k), n)
#define TAKE_2(k, n_) take_parts(n_rows, taken, 2, columns + (k) * next + r, n_, next, part + (k), n)

/* From products with `width` finished tangents, i and on, to the parts of n tangents, c and on. */
INLINE void panel_parts(const Block *b, int g, int i, int width, int c, const int n, const vec *product, vec *part)
{
    for (int a = 0; a < width; a++) {
        const vec inverse = b->inverse[i + a][g];
        for (int k = 0; k < n; k++) {
            vec rest = product[a * n + k];
            for (int d = 0; d < a; d++) rest = fnma3(b->overlap[(i + a) * PANEL + d][g], part[d * n + k], rest);
            part[a * n + k] = rest * inverse;
            b->removed[c + k][g] = fma3(rest, part[a * n + k], b->removed[c + k][g]);
        }
    }
}

/* The parts of n tangents, c and on, along the finished ones from i to `end` are taken out. */
INLINE void take_panels(ptrdiff_t rows, const Block *b, int g, int i, int end, int c, const int n)
{
    const ptrdiff_t next = PITCH(rows) * GROUPS;
    vec product[PANEL * PANEL], part[PANEL * PANEL];
    vec *columns = &b->frame[c * PITCH(rows)][g];
    int width = 0, begin = i;
    for (int first = i; first < end + PANEL; first += PANEL) { /* `first` is that of the products, `begin` of the parts */
        const vec *taken = &b->frame[begin * PITCH(rows)][g], *panel = &b->frame[first * PITCH(rows)][g];
        const int left = end - first, following = left < 0 ? 0 : left < PANEL ? left : PANEL;
        if (width) panel_parts(b, g, begin, width, c, n, product, part);
        for (int k = 0; k < PANEL * n; k++) product[k] = splat(0.0);
        for (ptrdiff_t row = 0; row < rows; row += PIECE) {
            const ptrdiff_t n_rows = rows - row < PIECE ? rows - row : PIECE, r = row * GROUPS;
            taken += row ? PIECE * GROUPS : 0, panel += row ? PIECE * GROUPS : 0;
            if (width == 6) BY_THREES(n, TAKE_6);
            else if (width == 4) BY_THREES(n, TAKE_4);
            else if (width == 2) BY_THREES(n, TAKE_2);
            if (following) BY_THREES(following, ADD);
        }
        width = following;
        begin = first;
    }
}

/* The same of any even number of them, a panel at most. */
#define TAKE_PANELS(n) take_panels(rows, b, g, i, end, c, n)
APART void take_panels_out(ptrdiff_t rows, const Block *b, int g, int i, int end, int c, int n)
{
    const ptrdiff_t M = 1, L = rows;
    FOR_PANEL(n, TAKE_PANELS);
}

/* The products of `n` tangents of a panel that is finished. */
INLINE void know_tangents(ptrdiff_t rows, const Block *b, int g, int i, const int n)
{
    const ptrdiff_t next = PITCH(rows) * GROUPS;
    const vec *columns = &b->frame[i * PITCH(rows)][g];
    vec sum[PANEL * PANEL];
    UNROLL for (int k = 0; k < n * n; k++) sum[k] = splat(0.0);
    for (ptrdiff_t r = 0; r < rows * GROUPS; r += GROUPS) {
        vec x[PANEL];
        UNROLL for (int k = 0; k < n; k++) x[k] = LOADED(columns[k * next + r]);
        UNROLL for (int k = 0; k < n; k++)
            UNROLL for (int d = 0; d < n; d++)
                if (d < k) sum[k * n + d] = fma3(x[d], x[k], sum[k * n + d]);
    }
    UNROLL for (int k = 0; k < n; k++)
        UNROLL for (int d = 0; d < n; d++)
            if (d < k) b->overlap[(i + k) * PANEL + d][g] = sum[k * n + d];
}

#define KNOW_TANGENTS(n) know_tangents(rows, b, g, i, n)
APART void know_panel(ptrdiff_t rows, const Block *b, int g, int i, int n)
{
    const ptrdiff_t M = 1, L = rows;
    FOR_PANEL(n, KNOW_TANGENTS);
}

#endif
