/* Vector spins drawn in their fields: the law of von Mises and Fisher, exp(k w) (1 - w^2)^((D-3)/2) for the part w along
 * the field, and any direction across it alike. D = 1 and 3 invert the distribution of w; others reject (Wood, Commun.
 * Stat. Simul. Comput. 23, 157 (1994)), with one draw of four words a trial. The words of a site are a function of the
 * key, the step and the site alone.
 */
#ifndef DMFT_SPINS_SAMPLER_H
#define DMFT_SPINS_SAMPLER_H

#include "../philox.h"
#include "rows.h"

#define ACROSS (UINT64_C(1) << 40) /* the draws for directions across, after those of all trials */
#define TWO_PI_4 1.57079632679489661923

/* cos and sin of 2 pi u, 0 <= u < 1: by quarters of a turn, |r| <= pi/4, and Taylor's series to rounding. */
INLINE void turn(vec u, vec *cosine, vec *sine)
{
    vec shifted = 4.0 * u + ROUND, quarter = shifted - ROUND, r = (4.0 * u - quarter) * TWO_PI_4, z = r * r;
    ivec n = (ivec)shifted & 3;
    vec s, c = fma3(z, fma3(z, 1.0 / 20922789888000.0, -1.0 / 87178291200.0), 1.0 / 479001600.0);
    s = fma3(z, fma3(z, fma3(z, -1.0 / 1307674368000.0, 1.0 / 6227020800.0), -1.0 / 39916800.0), 1.0 / 362880.0);
    s = fma3(z, fma3(z, fma3(z, s, -1.0 / 5040.0), 1.0 / 120.0), -1.0 / 6.0);
    s = fma3(r * z, s, r);
    c = fma3(z, fma3(z, c, -1.0 / 3628800.0), 1.0 / 40320.0);
    c = fma3(z, fma3(z, fma3(z, c, -1.0 / 720.0), 1.0 / 24.0), -0.5);
    c = fma3(z, c, 1.0);
    vec a = where((n & 1) != 0, s, c), b = where((n & 1) != 0, c, s);
    *cosine = where((n == 1) | (n == 2), -a, a);
    *sine = where(n >= 2, -b, b);
}

/* Pairs of independent normal numbers of pairs of uniform ones. */
INLINE void normals(vec u, vec v, vec *one, vec *other)
{
    vec length = vsqrt(-2.0 * vlog(u)), c, s;
    turn(v, &c, &s);
    *one = length * c;
    *other = length * s;
}

/* 1 - w for one spin; D > 1. */
static double fall_from_field(double D, double k, const stream *from)
{
    if (D == 3.0) {
        double rest = uniform(draw(from, 0).word[0]);
        return k > 0.0 ? -log1p(rest * expm1(-2.0 * k)) / k : 2.0 * rest;
    }
    double n = D - 1.0, b = n / (2.0 * k + sqrt(4.0 * k * k + n * n)), x0 = (1.0 - b) / (1.0 + b);
    double one_less = 4.0 * b / ((1.0 + b) * (1.0 + b)); /* 1 - x0^2 */
    double shape = 0.5 * n - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * shape);
    for (uint64_t i = 0;; i++) {
        words w = draw(from, i);
        vec one, other;
        normals(splat(uniform(w.word[0])), splat(uniform(w.word[1])), &one, &other);
        double x = one[0], y = other[0], gamma2; /* gamma2: chi-squared of n */
        if (D == 2.0) {
            gamma2 = y * y;
        } else { /* Marsaglia and Tsang, ACM Trans. Math. Softw. 26, 363 (2000) */
            double v = 1.0 + c * y;
            if (v <= 0.0) continue;
            v = v * v * v;
            if (log(uniform(w.word[2])) >= 0.5 * y * y + shape * (1.0 - v + log(v))) continue;
            gamma2 = 2.0 * shape * v;
        }
        double z = 0.5 * (1.0 + x / sqrt(x * x + gamma2)); /* a symmetric beta number */
        double fall = 2.0 * b * z / (1.0 - (1.0 - b) * z), along = 1.0 - fall;
        double gain = k * (along - x0) + n * log((1.0 - x0 * along) / one_less);
        if (gain >= log(uniform(w.word[3]))) return fall;
    }
}

/* A row of n normal numbers. */
static void normal_row(ptrdiff_t n, const stream *from, double *row)
{
    for (ptrdiff_t k = 0; k < n; k += 16) {
        double u[8] __attribute__((aligned(64))), v[8] __attribute__((aligned(64)));
        double out[16] __attribute__((aligned(64)));
        for (int i = 0; i < 4; i++) {
            if (k + 4 * i >= n) {
                u[2 * i] = u[2 * i + 1] = v[2 * i] = v[2 * i + 1] = 0.5;
                continue;
            }
            words w = draw(from, ACROSS + (uint64_t)(k / 4 + i));
            u[2 * i] = uniform(w.word[0]);
            v[2 * i] = uniform(w.word[1]);
            u[2 * i + 1] = uniform(w.word[2]);
            v[2 * i + 1] = uniform(w.word[3]);
        }
        for (int i = 0; i < 8; i += WIDTH) {
            vec a, b, one, other;
            memcpy(&a, u + i, sizeof a);
            memcpy(&b, v + i, sizeof b);
            normals(a, b, &one, &other);
            memcpy(out + i, &one, sizeof one);
            memcpy(out + 8 + i, &other, sizeof other);
        }
        /* Number 2 i of a group of four words and number 2 i + 1 are a pair. */
        for (int i = 0; i < 16 && k + i < n; i++) row[k + i] = i % 2 ? out[8 + i / 2] : out[i / 2];
    }
}

/* Draw rows first .. first + n - 1 of spins in fields theta + fields; theta has the fields on return. */
static void draw_rows(const Rows *rows, const uint64_t key[2], uint64_t step, int purpose, double *spins,
                      ptrdiff_t first, ptrdiff_t n)
{
    ptrdiff_t D = rows->n_components;
    for (ptrdiff_t r = first; r < first + n; r++) {
        const stream from = {{key[0], key[1]}, (uint64_t)r, step, (uint64_t)purpose};
        double *h = rows->theta + r * D, *s = spins + r * D;
        double length = sqrt(add_row(D, h, rows->fields ? rows->fields + r * D : NULL));
        double k = rows->beta * rows->radius * length, R = rows->radius;
        if (D == 1) {
            double up = 1.0 / (1.0 + exp(-2.0 * (h[0] < 0.0 ? -k : k)));
            s[0] = uniform(draw(&from, 0).word[0]) < up ? R : -R;
            continue;
        }
        double fall = fall_from_field((double)D, k, &from), along = 1.0 - fall;
        double across = sqrt(fall > 0.0 && fall < 2.0 ? fall * (2.0 - fall) : 0.0);
        double to_unit = length > 0.0 ? 1.0 / length : 0.0;
#define UNIT(a) (length > 0.0 ? h[a] * to_unit : (double)((a) == 0))
        if (D == 2) {
            double side = draw(&from, ACROSS).word[0] >> 63 ? R * across : -R * across, x = UNIT(0), y = UNIT(1);
            s[0] = R * along * x - side * y;
            s[1] = R * along * y + side * x;
            continue;
        }
        normal_row(D, &from, s);
        double inner = 0.0, square = 0.0;
        for (ptrdiff_t a = 0; a < D; a++) inner = fma(s[a], UNIT(a), inner);
        for (ptrdiff_t a = 0; a < D; a++) {
            s[a] -= inner * UNIT(a);
            square = fma(s[a], s[a], square);
        }
        double scale = R * across / sqrt(square);
        for (ptrdiff_t a = 0; a < D; a++) s[a] = R * along * UNIT(a) + scale * s[a];
#undef UNIT
    }
    leave_wide_registers();
}

#endif
