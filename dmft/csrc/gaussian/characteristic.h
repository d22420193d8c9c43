/* Means of tanh over independent signs, through the characteristic function of their sum:
 * tanh(x) = int_0^inf sin(k x) / sinh(pi k / 2) dk, so that
 * E tanh(H + sum_j a_j s_j) = int_0^inf Im[exp(ikH) prod_j (cos k a_j + i m_j sin k a_j)] / sinh(pi k / 2) dk.
 * The trapezoid with step 2 pi / (X + L/2), X = |H| + sum |a_j|, repeats the field at distances
 * where tanh has come within exp(-L) of its limits; the tail is cut at k = 2 L / pi.
 *
 * Eight nodes at once, whatever WIDTH is, and summed in one order: the same bits everywhere.
 *
 * Sums of thousands of amplitude take 10^4 nodes and more. Then the waves begin anew every SEGMENT blocks, from angles
 * of twice the digits: the angles grow with the sum, and so would their rounding. Each segment is summed by itself.
 */
#ifndef DMFT_CHARACTERISTIC_H
#define DMFT_CHARACTERISTIC_H

#include "gauss.h"

enum { SHORT = 1024, SEGMENT = 256 }; /* blocks: waves up to SHORT go on from the first node */
enum { OFTEN = 4096 }; /* blocks of one sign until it is asked again whether the work shall end */
#define EIGHT (8 / WIDTH)
#define EACH8(g) for (int g = 0; g < EIGHT; g++)
typedef vec vec8[EIGHT];

/* cos and sin of k_i x for the nodes k_i = (i + 1) step of a block, and of 8 steps, to go on. */
typedef struct { vec8 c, s; } wave;
INLINE void wave_start(double angle, wave *w, double *turn_c, double *turn_s)
{
    double c1 = cos(angle), s1 = sin(angle), c = c1, s = s1;
    for (int i = 0; i < 8; i++) {
        w->c[i / WIDTH][i % WIDTH] = c;
        w->s[i / WIDTH][i % WIDTH] = s;
        *turn_c = c;
        *turn_s = s;
        double next = c * c1 - s * s1;
        s = s * c1 + c * s1;
        c = next;
    }
}
/* cos and sin of n (angle + rest), where n angle may have few digits left below 1. */
INLINE void far_angle(double n, double angle, double rest, double *c, double *s)
{
    double high = n * angle, low = fma(n, angle, -high) + n * rest, ch = cos(high), sh = sin(high);
    *c = ch - low * sh;
    *s = sh + low * ch;
}
/* The same as wave_start from the first node of a block on, for long waves; `rest` is what the angle leaves out. */
INLINE void wave_restart(ptrdiff_t block, double angle, double rest, wave *w, double *turn_c, double *turn_s)
{
    double c1, s1, c, s;
    far_angle(1.0, angle, rest, &c1, &s1);
    far_angle((double)(8 * block + 1), angle, rest, &c, &s);
    far_angle(8.0, angle, rest, turn_c, turn_s);
    for (int i = 0; i < 8; i++) {
        w->c[i / WIDTH][i % WIDTH] = c;
        w->s[i / WIDTH][i % WIDTH] = s;
        double next = c * c1 - s * s1;
        s = s * c1 + c * s1;
        c = next;
    }
}
INLINE void wave_next(wave *w, double c, double s)
{
    EACH8(g) {
        vec next = w->c[g] * c - w->s[g] * s;
        w->s[g] = w->s[g] * c + w->c[g] * s;
        w->c[g] = next;
    }
}

INLINE double sum8(const vec8 x)
{
    double lane[8];
    for (int i = 0; i < 8; i++) lane[i] = x[i / WIDTH][i % WIDTH];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

typedef struct { double step; ptrdiff_t n_blocks; } nodes;
INLINE nodes nodes_for(double X, double log_eps)
{
    double step = 2.0 * M_PI / (X + 0.5 * log_eps);
    return (nodes){step, (ptrdiff_t)ceil(2.0 * log_eps / (8.0 * M_PI * step))};
}

/* Whether long waves begin anew at a block. */
INLINE int restarts(nodes over, ptrdiff_t block) { return over.n_blocks > SHORT && block % SEGMENT == 0; }

/* k of the nodes of a block and step / sinh(pi k / 2) = step sech / tanh: exact for small k too. */
INLINE void node_weights(ptrdiff_t block, double step, vec8 k, vec8 weight)
{
    EACH8(g) {
        for (int i = 0; i < WIDTH; i++) k[g][i] = step * (double)(8 * block + g * WIDTH + i + 1);
        ratio r = tanh_ratio((0.5 * M_PI) * k[g]);
        weight[g] = step * vsqrt(r.slope) / r.numerator;
    }
}

/* E s_a tanh of the signs times scale A: the factor i sin(k A_a) takes the place of that of a; prefix and suffix
   products leave one factor out without a division. work: wave, prefix, sum, total, turn: (16 + 8 + 8 + 8 + 2) n. */
static void signs(ptrdiff_t n, double scale, const double *A, double log_eps, double *out, double *work,
                  int (*stopped)(void *), void *crew)
{
    double X = 0.0;
    for (ptrdiff_t j = 0; j < n; j++) X += fabs(scale * A[j]);
    nodes over = nodes_for(X, log_eps);
    wave *w = (wave *)work;
    vec8 *prefix = (vec8 *)(work + 16 * n), *sum = (vec8 *)(work + 24 * n), *total = (vec8 *)(work + 32 * n), k, weight;
    double *turn = work + 40 * n;
    for (ptrdiff_t j = 0; j < n; j++) {
        wave_start(over.step * (scale * A[j]), &w[j], &turn[2 * j], &turn[2 * j + 1]);
        EACH8(g) sum[j][g] = total[j][g] = splat(0.0);
    }
    for (ptrdiff_t block = 0, n_since = 0; block < over.n_blocks; block++) {
        vec8 run, suffix;
        if ((n_since += n) > OFTEN && (n_since = 0, stopped(crew))) return;
        if (restarts(over, block))
            for (ptrdiff_t j = 0; j < n; j++) {
                double a = scale * A[j], angle = over.step * a;
                double rest = fma(over.step, a, -angle) + over.step * fma(scale, A[j], -a);
                wave_restart(block, angle, rest, &w[j], &turn[2 * j], &turn[2 * j + 1]);
                EACH8(g) {
                    total[j][g] += sum[j][g];
                    sum[j][g] = splat(0.0);
                }
            }
        node_weights(block, over.step, k, weight);
        EACH8(g) run[g] = splat(1.0);
        for (ptrdiff_t j = 0; j < n; j++) EACH8(g) {
            prefix[j][g] = run[g];
            run[g] *= w[j].c[g];
        }
        EACH8(g) suffix[g] = weight[g];
        for (ptrdiff_t j = n - 1; j >= 0; j--) {
            EACH8(g) {
                sum[j][g] += w[j].s[g] * (prefix[j][g] * suffix[g]);
                suffix[g] *= w[j].c[g];
            }
            wave_next(&w[j], turn[2 * j], turn[2 * j + 1]);
        }
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        EACH8(g) total[j][g] += sum[j][g];
        /* The node k = 0 has half a weight, and 2 A / pi for its integrand. */
        out[j] = sum8(total[j]) + over.step * (scale * A[j]) / M_PI;
    }
}

/* With fields and means the factors are complex. work: wave, prefix, sum, total, turn: (16 + 16 + 8 + 8 + 2) n. */
static void product(ptrdiff_t n, double H, const double *a, const double *m, double log_eps,
                    double *mean, double *slope, double *secant, double *work, int (*stopped)(void *), void *crew)
{
    double X = fabs(H), first = H, turn_h[2];
    for (ptrdiff_t j = 0; j < n; j++) {
        X += fabs(a[j]);
        first += a[j] * m[j];
    }
    nodes over = nodes_for(X, log_eps);
    wave *w = (wave *)work, field;
    vec8 *re = (vec8 *)(work + 16 * n), *im = (vec8 *)(work + 24 * n);
    vec8 *sum = (vec8 *)(work + 32 * n), *total = (vec8 *)(work + 40 * n);
    double *turn = work + 48 * n;
    vec8 k, weight, value, rise, values, rises;
    EACH8(g) value[g] = rise[g] = values[g] = rises[g] = splat(0.0);
    wave_start(over.step * H, &field, &turn_h[0], &turn_h[1]);
    for (ptrdiff_t j = 0; j < n; j++) {
        wave_start(over.step * a[j], &w[j], &turn[2 * j], &turn[2 * j + 1]);
        EACH8(g) sum[j][g] = total[j][g] = splat(0.0);
    }
    for (ptrdiff_t block = 0, n_since = 0; block < over.n_blocks; block++) {
        vec8 x, y, u, v;
        if ((n_since += n) > OFTEN && (n_since = 0, stopped(crew))) return;
        if (restarts(over, block)) {
            double angle = over.step * H;
            wave_restart(block, angle, fma(over.step, H, -angle), &field, &turn_h[0], &turn_h[1]);
            for (ptrdiff_t j = 0; j < n; j++) {
                angle = over.step * a[j];
                wave_restart(block, angle, fma(over.step, a[j], -angle), &w[j], &turn[2 * j], &turn[2 * j + 1]);
                EACH8(g) {
                    total[j][g] += sum[j][g];
                    sum[j][g] = splat(0.0);
                }
            }
            EACH8(g) {
                values[g] += value[g];
                rises[g] += rise[g];
                value[g] = rise[g] = splat(0.0);
            }
        }
        node_weights(block, over.step, k, weight);
        EACH8(g) {
            x[g] = field.c[g];
            y[g] = field.s[g];
        }
        wave_next(&field, turn_h[0], turn_h[1]);
        for (ptrdiff_t j = 0; j < n; j++) EACH8(g) {
            vec c = w[j].c[g], s = m[j] * w[j].s[g], next = x[g] * c - y[g] * s;
            re[j][g] = x[g];
            im[j][g] = y[g];
            y[g] = x[g] * s + y[g] * c;
            x[g] = next;
        }
        EACH8(g) {
            value[g] += weight[g] * y[g];
            rise[g] += weight[g] * (k[g] * x[g]);
            u[g] = weight[g];
            v[g] = splat(0.0);
        }
        for (ptrdiff_t j = n - 1; j >= 0; j--) {
            if (secant) EACH8(g) {
                vec c = w[j].c[g], s = m[j] * w[j].s[g], next = u[g] * c - v[g] * s;
                sum[j][g] += w[j].s[g] * (re[j][g] * u[g] - im[j][g] * v[g]);
                v[g] = u[g] * s + v[g] * c;
                u[g] = next;
            }
            wave_next(&w[j], turn[2 * j], turn[2 * j + 1]);
        }
    }
    EACH8(g) {
        values[g] += value[g];
        rises[g] += rise[g];
    }
    *mean = sum8(values) + over.step * first / M_PI;
    *slope = sum8(rises) + over.step / M_PI;
    for (ptrdiff_t j = 0; secant && j < n; j++) {
        EACH8(g) total[j][g] += sum[j][g];
        secant[j] = sum8(total[j]) + over.step * a[j] / M_PI;
    }
}

#endif
