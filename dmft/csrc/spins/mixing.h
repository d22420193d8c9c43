/* What Anderson's acceleration does with long vectors, one pass over memory each. Sums are in one order, whatever the
 * instruction set.
 */
#ifndef DMFT_SPINS_MIXING_H
#define DMFT_SPINS_MIXING_H

#include "rows.h"

enum { PIECE = 1024 }; /* elements that stay in the nearest cache between the sums */

/* part += a b, in LANES sums */
INLINE void add_products(ptrdiff_t n, const double *a, const double *b, double *part)
{
    vec sum[LANES / WIDTH];
    memcpy(sum, part, sizeof sum);
    ptrdiff_t k = 0;
    for (; k + LANES <= n; k += LANES)
        EACH_LANE(i) sum[i] = fma3(AT(a, k + i * WIDTH), AT(b, k + i * WIDTH), sum[i]);
    memcpy(part, sum, sizeof sum);
    for (int i = 0; k < n; k++, i++) part[i] = fma(a[k], b[k], part[i]);
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
        for (int j = 0; j < n_kept; j++) {
            const double *other = mix->changes + j * mix->size + at;
            add_products(n, other, change + at, part[j]);
            add_products(n, other, r, part[n_kept + j]);
        }
        add_products(n, r, r, part[2 * n_kept]);
    }
    for (int j = 0; j <= 2 * n_kept; j++) products[j] = total_of(part[j]);
    leave_wide_registers();
}

static void combine(ptrdiff_t size, int n, const int *slots, const double *weights, const double *pool, double *out)
{
    for (ptrdiff_t at = 0; at < size; at += PIECE) {
        ptrdiff_t here = size - at < PIECE ? size - at : PIECE;
        for (int j = 0; j < n; j++) {
            const double *row = pool + slots[j] * size + at;
            double w = weights[j];
            if (j) for (ptrdiff_t k = 0; k < here; k++) out[at + k] += w * row[k];
            else for (ptrdiff_t k = 0; k < here; k++) out[at + k] = w * row[k];
        }
    }
}

#endif
