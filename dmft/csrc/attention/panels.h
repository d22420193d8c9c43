/* Products of panels of one point's tangents with one another, and parts taken out: what most of a step of a large frame is.
 */
#ifndef DMFT_PANELS_H
#define DMFT_PANELS_H

#include "points.h"
#include "propagate.h"

/* So many rows or tangents go together: sums or parts of these and six others shall fit in the registers. */
#define TOGETHER (WIDTH == 8 ? 3 : 2)

/* Registers are for the sums of one loop, not for all of them. */
#define LOOP_ENDS __asm__ volatile("" ::: "memory")

/* An action for 2, 4 or 6 tangents, a number that the compiler knows. */
#define FOR_EVEN(n, action)                                                         \
    do {                                                                            \
        if ((n) == 6) action(6);                                                    \
        else if ((n) == 4) action(4);                                               \
        else action(2);                                                             \
    } while (0)

/* Row r of one of six tangents, x and on: the fourth is `further`. Two addresses that move with r, and no more, serve all. */
INLINE const double *row_of(const double *x, const double *further, ptrdiff_t next, int k)
{
    return k < 3 ? x + k * next : further + (k - 3) * next;
}
#define MOVED(x, by) (x = HIDDEN(x + (by)))

/* Products of m rows, q, with n tangents: eight numbers a row of these. */
INLINE void some_products(const Point *p, const double *q, const int m, const double *x, const int n, double *to)
{
    const ptrdiff_t next = p->next;
    SUMS(sums, TOGETHER * PANEL);
    EACH_PIECE(h) {
        vec sum[TOGETHER * PANEL];
        UNROLL for (int k = 0; k < m * n; k++) sum[k] = splat(0.0);
        const double *rows = HIDDEN(q + h * WIDTH), *near = HIDDEN(x + h * WIDTH), *end = x + p->padded;
        const double *further = HIDDEN(near + 3 * next);
        for (; near < end; MOVED(near, 8), MOVED(further, 8), MOVED(rows, 8)) {
            vec y[TOGETHER];
            UNROLL for (int a = 0; a < m; a++) y[a] = LOADED(get(rows + a * next));
            UNROLL for (int k = 0; k < n; k++) {
                const vec z = LOADED(get(row_of(near, further, next, k)));
                UNROLL for (int a = 0; a < m; a++) sum[a * n + k] = fma3(y[a], z, sum[a * n + k]);
            }
        }
        UNROLL for (int k = 0; k < m * n; k++) sums[h][k] = sum[k];
    }
    UNROLL for (int a = 0; a < m; a++) totals(sums[0] + a * n, TOGETHER * PANEL, n, to + a * 8);
    LOOP_ENDS;
}

/* The same of any number of rows, and of 2, 4 or 6 tangents. */
#define ROWS_TOGETHER(n) some_products(p, q, TOGETHER, x, n, to)
#define TWO_ROWS(n) some_products(p, q, 2, x, n, to)
#define ONE_ROW(n) some_products(p, q, 1, x, n, to)
APART void products_of(const Point *p, const double *q, int m, const double *x, int n, double *to)
{
    for (; m >= TOGETHER; m -= TOGETHER, q += TOGETHER * p->next, to += TOGETHER * 8) FOR_EVEN(n, ROWS_TOGETHER);
    if (m == 2) FOR_EVEN(n, TWO_ROWS);
    if (m == 1) FOR_EVEN(n, ONE_ROW);
}

/* The parts of m rows, q, are taken out of n tangents. */
INLINE void take_some(const Point *p, const double *q, const int m, double *x, const int n, const double *parts,
                      ptrdiff_t stride)
{
    const ptrdiff_t next = p->next;
    vec part[TOGETHER * PANEL];
    UNROLL for (int a = 0; a < m; a++)
        UNROLL for (int k = 0; k < n; k++) part[a * n + k] = splat(parts[a * stride + k]);
    const double *further = HIDDEN(q + 3 * next), *end = q + p->padded;
    for (; q < end; MOVED(q, WIDTH), MOVED(further, WIDTH), MOVED(x, WIDTH)) {
        vec y[TOGETHER];
        UNROLL for (int k = 0; k < n; k++) y[k] = get(x + k * next);
        UNROLL for (int a = 0; a < m; a++) {
            const vec z = LOADED(get(row_of(q, further, next, a)));
            UNROLL for (int k = 0; k < n; k++) y[k] = fnma3(part[a * n + k], z, y[k]);
        }
        UNROLL for (int k = 0; k < n; k++) put(x + k * next, y[k]);
    }
    LOOP_ENDS;
}

/* How many of n, an even number or 1, go together. */
#define SHARE(n) ((n) % TOGETHER ? 2 - (n) % 2 : TOGETHER)
#define TAKE_FROM(m_, n_)                                                           \
    for (int k = 0; k < (n_); k += SHARE(n_)) take_some(p, q, m_, x + k * p->next, SHARE(n_), parts + k, stride)
#define TAKE(m_)                                                                    \
    do {                                                                            \
        if (n == 6) TAKE_FROM(m_, 6);                                               \
        else if (n == 4) TAKE_FROM(m_, 4);                                          \
        else if (n == 2) TAKE_FROM(m_, 2);                                          \
        else TAKE_FROM(m_, 1);                                                      \
    } while (0)
/* The same of any number of rows, and of 1, 2, 4 or 6 tangents. */
APART void take_out_of(const Point *p, const double *q, int m, double *x, int n, const double *parts, ptrdiff_t stride)
{
    for (; m >= 6; m -= 6, q += 6 * p->next, parts += 6 * stride) TAKE(6);
    if (m >= 4) {
        TAKE(4);
        m -= 4, q += 4 * p->next, parts += 4 * stride;
    }
    if (m == 3) TAKE(3);
    if (m == 2) TAKE(2);
    if (m == 1) TAKE(1);
}

/* The parts of n tangents, c and on, along `width` finished ones, i and on, are taken out, and their squared lengths added
   to `removed`: those of six tangents are found at once, and the products of these with one another, which are not quite
   zero, make up for it, as if they had been found one by one (modified Gram-Schmidt). */
INLINE void take_panel(const Point *p, int i, const int width, int c, const int n, vec *removed)
{
    const double *q = tangent(p, i);
    double *x = tangent(p, c);
    double product[8 * PANEL] __attribute__((aligned(64))), parts[8 * PANEL] __attribute__((aligned(64)));
    for (int a = 0; a < width; a += SHARE(width)) some_products(p, q + a * p->next, SHARE(width), x, n, product + a * 8);
    EACH_PIECE(h) {
        vec part[PANEL];
        UNROLL for (int a = 0; a < width; a++) {
            vec rest = get(product + a * 8 + h * WIDTH);
            UNROLL for (int d = 0; d < width; d++)
                if (d < a) rest = fnma3(p->overlap[(i + a) * 8 + d], part[d], rest);
            part[a] = rest * p->inverse[i + a];
            removed[h] = fma3(rest, part[a], removed[h]);
            put(parts + a * 8 + h * WIDTH, part[a]);
        }
    }
    for (int k = 0; k < n; k += SHARE(n)) take_some(p, q, width, x + k * p->next, SHARE(n), parts + k, 8);
}

/* The same of all finished tangents from i to `end`, for a number n that the compiler knows. */
INLINE void take_finished(const Point *p, int i, int end, int c, const int n)
{
    EIGHT(gain);
    vec removed[PIECES];
    EACH_PIECE(h) removed[h] = splat(0.0);
    for (; i + PANEL <= end; i += PANEL) take_panel(p, i, PANEL, c, n, removed);
    if (end - i == 4) take_panel(p, i, 4, c, n, removed);
    if (end - i == 2) take_panel(p, i, 2, c, n, removed);
    EACH_PIECE(h) put(gain + h * WIDTH, removed[h]);
    for (int k = 0; k < n; k++) p->removed[c + k] += gain[k];
}

#define FINISHED(n) take_finished(p, i, end, c, n)
APART void take_panels(const Point *p, int i, int end, int c, int n) { FOR_EVEN(n, FINISHED); }

/* The products of n tangents of a panel that is finished. */
INLINE void know_some(const Point *p, int i, const int n)
{
    const ptrdiff_t next = p->next;
    const double *columns = tangent(p, i);
    SUMS(sums, PANEL * PANEL);
    EACH_PIECE(h) {
        vec sum[PANEL * PANEL];
        UNROLL for (int k = 0; k < n * n; k++) sum[k] = splat(0.0);
        for (ptrdiff_t r = h * WIDTH; r < p->padded; r += 8) {
            vec x[PANEL];
            UNROLL for (int k = 0; k < n; k++) x[k] = LOADED(get(columns + k * next + r));
            UNROLL for (int k = 0; k < n; k++)
                UNROLL for (int d = 0; d < n; d++)
                    if (d < k) sum[k * n + d] = fma3(x[d], x[k], sum[k * n + d]);
        }
        UNROLL for (int k = 0; k < n * n; k++) sums[h][k] = sum[k];
    }
    UNROLL for (int k = 1; k < n; k++) totals(sums[0] + k * n, PANEL * PANEL, n, p->overlap + (i + k) * 8);
}

#define KNOW(n) know_some(p, i, n)
APART void know_panel(const Point *p, int i, int n) { FOR_EVEN(n, KNOW); }

#endif
