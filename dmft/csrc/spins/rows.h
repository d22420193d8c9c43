/* Rows of local fields to rows of means, one pass over memory round a product of matrices. */
#ifndef DMFT_SPINS_ROWS_H
#define DMFT_SPINS_ROWS_H

#include <string.h>

#include "averages.h"

enum { ROWS = 32, LANES = 16 }; /* rows of a block; partial sums of a row, whatever the instruction set */

INLINE double total_of(const double *part)
{
    double sum[LANES];
    memcpy(sum, part, sizeof sum);
    for (int n = LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++) sum[i] += sum[i + n];
    return sum[0];
}

/* Each loop has LANES partial results: vectors of them while they last, one by one at the end of a row. */
#define EACH_LANE(i) for (int i = 0; i < LANES / WIDTH; i++)
#define AT(array, k) (*(const unaligned *)((array) + (k)))
typedef double unaligned __attribute__((vector_size(8 * WIDTH), aligned(8)));

/* theta += fields, and its squared length */
static double add_row(ptrdiff_t n, double *theta, const double *fields)
{
    vec sum[LANES / WIDTH] = {0};
    double part[LANES];
    ptrdiff_t k = 0;
    for (; k + LANES <= n; k += LANES) EACH_LANE(i) {
        ptrdiff_t p = k + i * WIDTH;
        vec h = AT(theta, p);
        if (fields) {
            h += AT(fields, p);
            *(unaligned *)(theta + p) = h;
        }
        sum[i] = fma3(h, h, sum[i]);
    }
    memcpy(part, sum, sizeof part);
    for (int i = 0; k < n; k++, i++) {
        if (fields) theta[k] += fields[k];
        part[i] = fma(theta[k], theta[k], part[i]);
    }
    return total_of(part);
}

/* mean = scale theta, its squared length, and how far it is from the old one; NaN if a number is. */
static void scale_row(ptrdiff_t n, double scale, const double *theta, const double *old, double *mean, double *square,
                      double *change)
{
    vec sum[LANES / WIDTH] = {0}, most[LANES / WIDTH] = {0};
    double part[LANES], far[LANES], largest = 0.0;
    ptrdiff_t k = 0;
    for (; k + LANES <= n; k += LANES) EACH_LANE(i) {
        ptrdiff_t p = k + i * WIDTH;
        vec m = scale * AT(theta, p);
        sum[i] = fma3(m, m, sum[i]);
        if (change) {
            vec d = vabs(m - AT(old, p));
            most[i] = where(d > most[i], d, most[i]);
        }
        *(unaligned *)(mean + p) = m;
    }
    memcpy(part, sum, sizeof part);
    memcpy(far, most, sizeof far);
    for (int i = 0; k < n; k++, i++) {
        double m = scale * theta[k], d = change ? fabs(m - old[k]) : 0.0;
        part[i] = fma(m, m, part[i]);
        if (d > far[i]) far[i] = d;
        mean[k] = m;
    }
    *square = total_of(part);
    if (!change) return;
    for (int i = 0; i < LANES; i++) if (far[i] > largest) largest = far[i];
    *change = *square == *square ? largest : NAN;
}

/* m = scale h for squared lengths of h */
static void scales(const Rows *rows, const double *square, const double *spread, double *scale)
{
    double beta = rows->beta, radius = rows->radius, D = (double)rows->n_components, nu = 0.5 * D - 1.0;
    double sharp = rows->law == LARGE ? beta * radius * radius / nu : beta * radius * radius;
    for (int i = 0; i < ROWS; i += WIDTH) {
        vec h2, C;
        memcpy(&h2, square + i, sizeof h2);
        memcpy(&C, spread + i, sizeof C);
        vec all = h2 + radius * radius * C, g;
        if (rows->law == LARGE) {
            double unit = sharp / radius;
            g = sharp / (1.0 + vsqrt(1.0 + unit * unit * all));
        } else if (rows->law == EXACT) {
            g = sharp * bessel_of(D, beta * radius * vsqrt(all), VALUE).over;
        } else {
            double unit = beta * radius;
            vec s = unit * radius * vsqrt(C / D);
            g = sharp * average_of(D, &rows->rule, unit * vsqrt(h2), s, VALUE).over;
        }
        memcpy(scale + i, &g, sizeof g);
    }
}

static void response(const Rows *rows, ptrdiff_t first, ptrdiff_t n)
{
    ptrdiff_t D = rows->n_components, last = first + n;
    for (; first < last; first += ROWS) {
        double square[ROWS] __attribute__((aligned(64))), spread[ROWS] __attribute__((aligned(64)));
        double scale[ROWS] __attribute__((aligned(64)));
        int here = last - first < ROWS ? (int)(last - first) : ROWS;
        for (int i = 0; i < here; i++) {
            ptrdiff_t r = first + i;
            square[i] = add_row(D, rows->theta + r * D, rows->fields ? rows->fields + r * D : NULL);
            spread[i] = rows->spread ? rows->spread[r] : 0.0;
        }
        for (int i = here; i < ROWS; i++) square[i] = square[0], spread[i] = spread[0];
        scales(rows, square, spread, scale);
        for (int i = 0; i < here; i++) {
            ptrdiff_t r = first + i;
            scale_row(D, scale[i], rows->theta + r * D, rows->old ? rows->old + r * D : NULL, rows->mean + r * D,
                      rows->square + r, rows->old && rows->change ? rows->change + r : NULL);
        }
    }
    leave_wide_registers();
}

#endif
