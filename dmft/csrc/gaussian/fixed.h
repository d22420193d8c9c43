/* m = tanh(a - v m), v >= 0: theta + v tanh(theta) = |a| has one root. The left side is concave
 * for theta >= 0 and the start max(|a|/(1+v), |a|-v) lies below the root, so Newton's steps
 * climb to it and never pass it. Started at theta = a, as one would, it may cycle for ever.
 * Newton's step overestimates nothing: the error after a step d is at most d^2, so from
 * d < CLOSE one third-order step and tanh's own expansion finish to rounding.
 */
#ifndef DMFT_FIXED_H
#define DMFT_FIXED_H

#include "gauss.h"

#define CLOSE 2e-6
#define MAX_NEWTON 100 /* 4 to 7 are usual, v = 1e12 takes under 30 */

/* Two vectors side by side, because one alone would wait for its own divisions. NaN where it
   does not settle, or for a NaN argument. */
INLINE void fixed_of(const vec a[2], const vec v[2], vec m[2])
{
    vec size[2], theta[2];
    ivec busy[2];
    for (int g = 0; g < 2; g++) {
        size[g] = vabs(a[g]);
        theta[g] = larger(size[g] / (1.0 + v[g]), size[g] - v[g]);
        busy[g] = theta[g] == theta[g];
        m[g] = splat(NAN);
    }
    for (int i = 0; i < MAX_NEWTON && any(busy[0] | busy[1]); i++)
        for (int g = 0; g < 2; g++) {
            ratio r = tanh_ratio(theta[g]);
            vec inverse = 1.0 / r.denominator, t = r.numerator * inverse;
            vec s = r.slope * (inverse * inverse);
            vec rise = 1.0 / (1.0 + v[g] * s);
            vec d = ((size[g] - theta[g]) - v[g] * t) * rise;
            ivec close = d < CLOSE;
            vec last = d * (1.0 + v[g] * s * t * rise * d);
            m[g] = where(busy[g] & close, t + s * last * (1.0 - last * t), m[g]);
            busy[g] &= ~close;
            theta[g] = where(busy[g], theta[g] + d, theta[g]);
        }
    for (int g = 0; g < 2; g++) m[g] = with_sign(m[g], a[g]);
}

static ptrdiff_t fixed(ptrdiff_t n, const double *a, const double *v, double *out)
{
    ptrdiff_t n_bad = 0;
    for (ptrdiff_t p = 0; p < n; p += 2 * WIDTH) {
        vec ap[2] = {load(a, p, n), load(a, p + WIDTH, n)}, vp[2] = {load(v, p, n), load(v, p + WIDTH, n)}, m[2];
        fixed_of(ap, vp, m);
        for (int g = 0; g < 2; g++) {
            ptrdiff_t q = p + g * WIDTH;
            store(out, q, n, m[g]);
            for (int i = 0; i < WIDTH && q + i < n; i++) n_bad += !(m[g][i] == m[g][i]);
        }
    }
    return n_bad;
}

/* The means t of one spin given s_l = 1 and -1 of spins l of mean mu_l, its field g + rise_l x
   with x = s_l - mu_l: mean_l averages them over s_l, cov_l is the covariance with s_l. Its
   variance v_l stays and t is the fixed point, or (linear) it is v_l - (linear_l + square_l x) x
   and t the Gaussian mean; v_stride 0: one v for all. Below 0 it counts as 0. mean and cov may
   be rows of the input, mean may be NULL. */
static void given(ptrdiff_t n, double g, const double *v, int v_stride, const double *rise,
                  const double *linear, const double *square, const double *mu, double log_eps,
                  double *mean, double *cov)
{
    EACH_VECTOR(p, n) {
        vec vp = v_stride ? load(v, p, n) : splat(*v), r = load(rise, p, n), m = load(mu, p, n);
        vec x[2] = {1.0 - m, -1.0 - m}, field[2], left[2], t[2];
        for (int side = 0; side < 2; side++) {
            field[side] = g + r * x[side];
            left[side] = vp;
            if (linear) left[side] -= (load(linear, p, n) + load(square, p, n) * x[side]) * x[side];
            left[side] = larger(left[side], splat(0.0));
        }
        if (linear) for (int side = 0; side < 2; side++) t[side] = mean_of(field[side], left[side], log_eps);
        else fixed_of(field, left, t);
        if (mean) store(mean, p, n, 0.5 * (t[0] * (1.0 + m) + t[1] * (1.0 - m)));
        store(cov, p, n, 0.5 * ((1.0 - m) * (1.0 + m)) * (t[0] - t[1]));
    }
}

#endif
