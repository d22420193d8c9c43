/* A(x) = I_{D/2}(x) / I_{D/2-1}(x), the mean of a unit vector of D components in a field x, and its derivatives.
 *
 * With a = A/x, a+ that of D + 2 components, rise = x A'/A and drop = a - a+ the Bessel functions' recurrence is
 *     a = 1 / (D + x^2 a+),   rise = D a - x^2 a a+ rise+,   drop = a a+ (1 + rise+),
 * and each line shrinks errors. Where S = sqrt(mu^2 + x^2), mu = (D - 1) / 2, is at least FAR the expansion in 1/S is
 * exact to rounding; elsewhere it begins the recurrence at so large a D that it is. What a lane gets depends on its x
 * alone.
 */
#ifndef DMFT_SPINS_RATIO_H
#define DMFT_SPINS_RATIO_H

#include "../simd.h"
#include "expansion.h"

#define FAR 32.0
#define BEYOND 1e150 /* there A is 1 to rounding, and the square still a number */

/* What is wanted: A and a; rise and drop too; a+ and drop+ too. It is a constant wherever it is used. */
enum { VALUE, SLOPE, BEND };

typedef struct { vec ratio, over, rise, drop, next_over, next_drop; } bessel;

/* q sum_k term_k(q) t^k, of one of the tables */
INLINE vec sum_of(const double table[N_TERMS][2 * N_TERMS], vec q, vec t)
{
    vec sum = splat(0.0);
#pragma GCC unroll 16
    for (int k = N_TERMS - 1; k >= 0; k--) {
        vec term = splat(table[k][2 * k + 1]);
#pragma GCC unroll 32
        for (int i = 2 * k; i >= 0; i--) term = fma3(term, q, table[k][i]);
        sum = (sum + term) * t;
    }
    return sum * q;
}

static __attribute__((noinline)) bessel far_value(vec mu, vec x)
{
    vec S = vsqrt(fma3(x, x, mu * mu)), t = 1.0 / S, above = mu + S;
    vec total = 1.0 + sum_of(P_TERMS, mu * t, t);
    return (bessel){.ratio = x / above * total, .over = total / above};
}

static __attribute__((noinline)) bessel far_slope(vec mu, vec x)
{
    vec S = vsqrt(fma3(x, x, mu * mu)), t = 1.0 / S, above = mu + S, q = mu * t;
    vec p = sum_of(P_TERMS, q, t), f = sum_of(F_TERMS, q, t), total = 1.0 + p;
    return (bessel){
        .ratio = x / above * total,
        .over = total / above,
        .rise = (q + (p - (1.0 - q) * f)) / total,
        .drop = t * (1.0 + f) / (above * total),
    };
}

INLINE bessel far_of(double mu, vec x, int wanted)
{
    if (wanted == VALUE) return far_value(splat(mu), x);
    bessel b = far_slope(splat(mu), x);
    if (wanted == BEND) {
        bessel next = far_slope(splat(mu + 1.0), x);
        b.next_over = next.over;
        b.next_drop = next.drop;
    }
    return b;
}

/* By n steps of the recurrence, for x <= FAR. */
INLINE bessel near_of(double D, int n, vec x, int wanted)
{
    bessel b = far_of(0.5 * (D - 1.0) + n, x, wanted == VALUE ? VALUE : SLOPE);
    for (int j = n - 1; j >= 0; j--) {
        vec below = fma3(x, b.ratio, D + 2.0 * j), ratio = x / below;
        if (wanted != VALUE) {
            vec over = 1.0 / below;
            b.next_over = b.over;
            b.next_drop = b.drop;
            b.drop = over * b.over * (1.0 + b.rise);
            b.rise = fnma3(ratio * b.ratio, b.rise, (D + 2.0 * j) * over);
            b.over = over;
        } else if (!j) {
            b.over = 1.0 / below;
        }
        b.ratio = ratio;
    }
    return b;
}

INLINE bessel bessel_of(double D, vec x, int wanted)
{
    double mu = 0.5 * (D - 1.0);
    x = where(x > BEYOND, splat(BEYOND), x);
    if (mu >= FAR) return far_of(mu, x, wanted);
    ivec far = fma3(x, x, splat(mu * mu)) >= FAR * FAR;
    bessel b = {0}, c;
    if (any(~far)) b = near_of(D, (int)ceil(FAR - mu), where(far, splat(FAR), x), wanted);
    if (any(far)) {
        c = far_of(mu, where(far, x, splat(FAR)), wanted);
        b = (bessel){where(far, c.ratio, b.ratio),         where(far, c.over, b.over),
                     where(far, c.rise, b.rise),           where(far, c.drop, b.drop),
                     where(far, c.next_over, b.next_over), where(far, c.next_drop, b.next_drop)};
    }
    if (D == 1.0 && wanted != VALUE) { /* tanh: its slope is small, not 0, far out */
        ratio r = tanh_ratio(x);
        b.rise = where(x > 1.0, x * r.slope / (r.denominator * r.numerator), b.rise);
    }
    return b;
}

/* The x >= 0 with A(x) = y, for 0 <= y < 1. A is concave, and below tanh and below (S - mu) / x: Newton's steps from the
   inverse of these climb to the root. */
INLINE vec inverse_of(double D, vec y)
{
    vec left = (1.0 - y) * (1.0 + y), low = 0.5 * vlog((1.0 + y) / (1.0 - y)), x = (D - 1.0) * y / left;
    x = where(x > low, x, low);
    if (D == 1.0) x = where(y < 0.5, y, x);
    ivec busy = x > 0.0;
    for (int i = 0; i < 60 && any(busy); i++) {
        bessel b = bessel_of(D, x, SLOPE);
        vec step = (y - b.ratio) / (b.over * b.rise), next = x + step;
        busy &= next > 0.0;
        x = where(busy, next, x);
        busy &= vabs(step) > 4e-16 * x;
    }
    return x;
}

#endif
