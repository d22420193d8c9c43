/* What Anderson's acceleration does with long vectors, one pass over memory each. Sums are in one order, whatever the
 * instruction set.
 */
#ifndef DMFT_SPINS_MIXING_H
#define DMFT_SPINS_MIXING_H

#include "rows.h"

enum { PIECE = 512 }; /* elements of a few rows that stay in the nearest cache between the sums */

/* part += a b, and more += a c, each in LANES sums */
INLINE void add_products(ptrdiff_t n, const double *a, const double *b, const double *c, double *part, double *more)
{
    vec sum[LANES / WIDTH], other[LANES / WIDTH];
    memcpy(sum, part, sizeof sum);
    if (c) memcpy(other, more, sizeof other);
    ptrdiff_t k = 0;
    for (; k + LANES <= n; k += LANES) EACH_LANE(i) {
        ptrdiff_t p = k + i * WIDTH;
        vec x = AT(a, p);
        sum[i] = fma3(x, AT(b, p), sum[i]);
        if (c) other[i] = fma3(x, AT(c, p), other[i]);
    }
    memcpy(part, sum, sizeof sum);
    if (c) memcpy(more, other, sizeof other);
    for (int i = 0; k < n; k++, i++) {
        part[i] = fma(a[k], b[k], part[i]);
        if (c) more[i] = fma(a[k], c[k], more[i]);
    }
}

static void residuals(const Mixing *mix, const double *image, const double *vector, double *products)
{
    double part[2 * MOST_KEPT + 1][LANES] __attribute__((aligned(64))) = {{0.0}};
    int n_kept = mix->n_kept;
    double *change = mix->place < 0 ? NULL : mix->changes + mix->place * mix->size;
    for (ptrdiff_t at = 0; at < mix->size; at += PIECE) {
        ptrdiff_t n = mix->size - at < PIECE ? mix->size - at : PIECE;
        double *r = mix->residual + at;
        for (ptrdiff_t k = 0; k < n; k++) {
            double now = image[at + k] - vector[at + k];
            if (change) change[at + k] = now - r[k];
            r[k] = now;
        }
        for (int j = 0; j < n_kept; j++)
            add_products(n, mix->changes + j * mix->size + at, change + at, r, part[j], part[n_kept + j]);
        add_products(n, r, r, NULL, part[2 * n_kept], NULL);
    }
    for (int j = 0; j <= 2 * n_kept; j++) products[j] = total_of(part[j]);
    leave_wide_registers();
}

static void combine(ptrdiff_t size, int n, const int *slots, const double *weights, const double *pool, double *out)
{
    ptrdiff_t k = 0;
    for (; k + LANES <= size; k += LANES) {
        const double *row = pool + slots[0] * size + k;
        vec sum[LANES / WIDTH];
        EACH_LANE(i) sum[i] = weights[0] * AT(row, i * WIDTH);
        for (int j = 1; j < n; j++) {
            row = pool + slots[j] * size + k;
            EACH_LANE(i) sum[i] += weights[j] * AT(row, i * WIDTH);
        }
        EACH_LANE(i) *(unaligned *)(out + k + i * WIDTH) = sum[i];
    }
    for (; k < size; k++) {
        double sum = weights[0] * pool[slots[0] * size + k];
        for (int j = 1; j < n; j++) sum += weights[j] * pool[slots[j] * size + k];
        out[k] = sum;
    }
    leave_wide_registers();
}

#endif
