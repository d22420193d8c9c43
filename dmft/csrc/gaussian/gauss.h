/* Gaussian averages of tanh, one element a lane. Two ways to take them:
 *
 * The scale mixture: tanh(x) = E erf(x / (kappa sqrt 2)) over Kolmogorov's kappa, so an
 * average over a Gaussian of variance v only changes kappa^2 to kappa^2 + v. Twenty nodes,
 * the same for every v; the error is worst at v = 0, where the derivatives lose digits.
 *
 * The trapezoid: spectral for an analytic integrand with a Gaussian weight. The step is set
 * by the poles of tanh, at height pi / (2 sqrt v) from the real axis, so nodes ~ sqrt(v).
 *
 * A lane's nodes depend on that lane alone (the others wait, masked), hence the bits too.
 */
#ifndef DMFT_GAUSS_H
#define DMFT_GAUSS_H

#include <stddef.h>
#include <string.h>

#include "../mixture.h"
#include "../simd.h"
#include "integrals.h"

#define SQRT_HALF_PI 1.2533141373155002512
#define INV_SQRT_2PI 0.39894228040143267794
#define MIXTURE_BEATS_TRAPEZOID 4.0 /* variance from which the mixture is faster */
#define DERIVATIVES_BY_TRAPEZOID 0.25 /* variance below which the mixture loses digits of them */

INLINE vec with_sign(vec x, vec of) { return (vec)((ivec)x | ((ivec)of & INT64_MIN)); }
INLINE vec smaller(vec a, vec b) { return where(a < b, a, b); }
INLINE vec larger(vec a, vec b) { return where(a > b, a, b); }

/* The last vector repeats its last element, so all elements see the same instructions. */
INLINE vec load(const double *from, ptrdiff_t first, ptrdiff_t n)
{
    vec x;
    if (first + WIDTH <= n) memcpy(&x, from + first, sizeof x);
    else for (int i = 0; i < WIDTH; i++) x[i] = from[first + i < n ? first + i : n - 1];
    return x;
}

INLINE void store(double *to, ptrdiff_t first, ptrdiff_t n, vec x)
{
    if (first + WIDTH <= n) memcpy(to + first, &x, sizeof x);
    else for (int i = 0; i < WIDTH && first + i < n; i++) to[first + i] = x[i];
}

#define STAGE(stage) (8 << (stage)) /* terms of Mehler's series after which to look */
#define EACH_VECTOR(p, n) for (ptrdiff_t p = 0; p < (n); p += WIDTH)

/* exp(u^2/2) erfc(u / sqrt 2) for u >= 0; times exp(-u^2/2) it is right to 2e-17. Interpolated at
   Chebyshev nodes in an affine function of u / (u + 4) that maps [0, 9] to [-1, 1]. */
INLINE vec mills(vec u)
{
    static const double c[19] = {
        0x1.49bd3b6b47470p-2, -0x1.80a48d7396206p-2, 0x1.9d73e8b76d472p-3, -0x1.4038f25526f49p-4,
        0x1.4a78113213031p-6, -0x1.4a4a7781970a7p-9, -0x1.16e937f665937p-12, 0x1.14bc836d2123bp-13,
        0x1.5250a37e1197cp-19, -0x1.b8f0fbdf51d6ep-18, -0x1.557e86dee461bp-23, 0x1.89ca91c8291a2p-22,
        0x1.19d98facddc7fp-25, -0x1.5b219e6f50efbp-26, -0x1.2f59a0294d138p-28, 0x1.c8fcb8c3ec1e2p-31,
        0x1.d25bde715f6f4p-32, -0x1.3022e75090101p-37, -0x1.b45e316c6a894p-36,
    };
    vec t = 17.0 / 9 - (104.0 / 9) / (smaller(u, splat(9.0)) + 4.0), t2 = t * t;
    vec even = splat(c[18]), odd = splat(c[17]);
    for (int i = 8; i > 0; i--) {
        even = even * t2 + c[2 * i];
        odd = odd * t2 + c[2 * i - 1];
    }
    return (even * t2 + c[0]) + t * odd;
}

typedef struct { vec mean, slope, bend, log2cosh; } moments;

/* What is not used of the result, the compiler drops. */
INLINE moments by_mixture(vec g, vec v, const int want_erf)
{
    moments of = {0};
    vec size = vabs(g), tail = splat(0.0);
    for (int k = 0; k < N_MIXTURE; k++) {
        vec width = vsqrt(v + MIXTURE_VARIANCE[k]);
        vec inverse = 1.0 / width, u = g * inverse;
        vec e = vexp(-0.5 * (u * u)) * MIXTURE_WEIGHT[k];
        if (want_erf) tail += e * mills(vabs(u));
        vec rise = e * inverse;
        of.slope += rise;
        of.bend -= rise * u * inverse;
        of.log2cosh += e * width;
    }
    vec mean = 1.0 - SQRT_HALF_PI * tail;
    of.mean = with_sign(mean, g);
    of.log2cosh += size * mean;
    return of;
}

typedef struct { vec step, n; } grid;

/* Step and number of nodes on each side of 0, for a tanh of variance v: the contour moves up
   to the pole, or to where the Gaussian has grown by what was won. */
INLINE grid trapezoid(vec v, double log_eps)
{
    double reach = sqrt(2.0 * log_eps);
    vec inverse = larger(vsqrt(v) * (2.0 / M_PI), splat(1.0 / reach)); /* 1 / height */
    vec width = log_eps * (inverse * inverse) + 0.5;
    vec shared = 1.0 / (inverse * width);
    vec step = (2.0 * M_PI) * (inverse * inverse) * shared;
    vec n = (reach / (2.0 * M_PI)) * (width * width) * shared;
    return (grid){step, (n + 0.5 + ROUND) - ROUND};
}

INLINE double largest(vec x)
{
    double most = x[0];
    for (int i = 1; i < WIDTH; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* The weights W_q = step phi(q step) by recurrence: W_{q+1} = W_q R_q, R_{q+1} = R_q R. */
typedef struct { vec weight, ratio, fall; } bell;
INLINE bell bell_start(vec step)
{
    vec half = vexp(-0.5 * (step * step));
    return (bell){step * INV_SQRT_2PI, half, half * half};
}
INLINE void bell_next(bell *b)
{
    b->weight *= b->ratio;
    b->ratio *= b->fall;
}

/* tanh(g+b) + tanh(g-b) = 2 sinh 2g / (cosh 2g + cosh 2b), cosh(2 q b_1) by recurrence. With
   tanh 2g = p/d and sech 2g = h/d that is 2p / (d + h cosh 2b): nothing overflows. */
INLINE vec mean_by_trapezoid(vec g, vec v, double log_eps)
{
    grid over = trapezoid(v, log_eps);
    ratio two_g = tanh_ratio(2.0 * g);
    vec p = two_g.numerator, d = two_g.denominator, h = vsqrt(two_g.slope);
    bell w = bell_start(over.step);
    vec twice = (2.0 * over.step) * vsqrt(v);
    vec first = vexp(twice) + vexp(-twice), cosh_q = 0.5 * first, before = splat(1.0);
    vec sum = w.weight / (d + h);
    double n = largest(over.n);
    /* Two nodes a turn share their division; d and h cosh 2b stay below 1e14 times p. */
    for (double q = 1.0; q <= n; q += 2.0) {
        bell_next(&w);
        vec weight = where(over.n >= q, w.weight, splat(0.0)), x = d + h * cosh_q;
        before = first * cosh_q - before;
        bell_next(&w);
        vec weight2 = where(over.n > q, w.weight, splat(0.0)), y = d + h * before;
        cosh_q = first * before - cosh_q;
        sum += (2.0 * (weight * y + weight2 * x)) / (x * y);
    }
    return sum * p;
}

INLINE vec mean_of(vec g, vec v, double log_eps)
{
    ivec wide = v > MIXTURE_BEATS_TRAPEZOID;
    vec out = splat(0.0);
    if (any(~wide)) out = mean_by_trapezoid(g, where(wide, splat(0.0), v), log_eps);
    if (any(wide)) out = where(wide, by_mixture(g, v, 1).mean, out);
    return out;
}

INLINE moments derivatives_by_trapezoid(vec g, vec v)
{
    const double log_eps = 42.0; /* the pole is of third order */
    grid over = trapezoid(v, log_eps);
    bell w = bell_start(over.step);
    vec root = vsqrt(v);
    moments of = {0};
    double n = largest(over.n);
    for (double q = 0.0; q <= n; q += 1.0) {
        vec weight = where(over.n >= q, w.weight, splat(0.0)) * (q > 0.0 ? 1.0 : 0.5);
        for (int side = -1; side <= 1; side += 2) {
            ratio r = tanh_ratio(g + side * q * over.step * root);
            vec t = r.numerator / r.denominator;
            vec s = r.slope / (r.denominator * r.denominator);
            of.mean += weight * t;
            of.slope += weight * s;
            of.bend -= 2.0 * (weight * t * s);
        }
        bell_next(&w);
    }
    return of;
}

static void averages(ptrdiff_t n, const double *g, const double *v, double *mean, double *slope,
                     double *bend, double *log2cosh)
{
    EACH_VECTOR(p, n) {
        vec gp = load(g, p, n), vp = load(v, p, n);
        moments of = by_mixture(gp, vp, 1);
        ivec narrow = vp < DERIVATIVES_BY_TRAPEZOID;
        if (any(narrow)) {
            moments fine = derivatives_by_trapezoid(gp, where(narrow, vp, splat(0.0)));
            of.mean = where(narrow, fine.mean, of.mean);
            of.slope = where(narrow, fine.slope, of.slope);
            of.bend = where(narrow, fine.bend, of.bend);
        }
        if (mean) store(mean, p, n, of.mean);
        if (slope) store(slope, p, n, of.slope);
        if (bend) store(bend, p, n, of.bend);
        if (log2cosh) store(log2cosh, p, n, of.log2cosh);
    }
}

static void mean(ptrdiff_t n, const double *g, const double *v, double log_eps, double *out)
{
    EACH_VECTOR(p, n) store(out, p, n, mean_of(load(g, p, n), load(v, p, n), log_eps));
}

/* Given x, y is Gaussian of mean rho x and variance 1 - rho^2: one integral is mean_of, the
   other a trapezoid over the variable of the smaller variance. Right up to |rho| = 1. */
static void pair(ptrdiff_t n, const double *g1, const double *g2, const double *v1, const double *v2,
                 const double *rho, double log_eps, double *out)
{
    EACH_VECTOR(p, n) {
        vec ga = load(g1, p, n), gb = load(g2, p, n), va = load(v1, p, n), vb = load(v2, p, n);
        vec r = load(rho, p, n);
        ivec swap = va > vb;
        vec g = where(swap, gb, ga), v = where(swap, vb, va);
        vec other = where(swap, ga, gb), bath = where(swap, va, vb);
        vec pull = r * vsqrt(bath), root = vsqrt(v);
        vec left = bath * ((1.0 - r) * (1.0 + r));
        grid over = trapezoid(larger(v, pull * pull), log_eps + 3.0);
        vec sum = splat(0.0);
        double most = largest(over.n);
        for (double q = 0.0; q <= most; q += 1.0) {
            /* Nodes may be many here: a recurrence would lose digits like their square. */
            vec xq = q * over.step, bell_q = (over.step * INV_SQRT_2PI) * vexp(-0.5 * (xq * xq));
            vec weight = where(over.n >= q, bell_q, splat(0.0)) * (q > 0.0 ? 1.0 : 0.5);
            for (int side = -1; side <= 1; side += 2) {
                vec x = side * xq;
                ratio t = tanh_ratio(g + root * x);
                sum += weight * (t.numerator / t.denominator) * mean_of(other + pull * x, left, log_eps);
            }
        }
        store(out, p, n, sum);
    }
}

/* The polynomials grow like x^k / sqrt(k!) beyond the Gaussian's usual reach and like
   exp(y sqrt k) off the axis: both are in the reach and the step. */
static void hermite(ptrdiff_t first, ptrdiff_t n, ptrdiff_t n_all, const double *g, const double *v,
                    double *coefficient, double *rest)
{
    const double reach = 12.5, log_eps = 34.0, growth = 5.7;
    double up[N_HERMITE], down[N_HERMITE];
    for (int k = 0; k < N_HERMITE; k++) {
        up[k] = 1.0 / sqrt(k + 1.0);
        down[k] = sqrt(k / (k + 1.0));
    }
    EACH_VECTOR(p, n) {
        vec gp = load(g, p, n), vp = load(v, p, n), root = vsqrt(vp);
        vec height = smaller((0.5 * M_PI) / vsqrt(larger(vp, splat(1e-12))), splat(5.0));
        vec step = (2.0 * M_PI) * height / (log_eps + height * (growth + 0.5 * height));
        vec count, sum[N_HERMITE] = {{0}}, square = splat(0.0);
        for (int i = 0; i < WIDTH; i++) count[i] = ceil(reach / step[i]);
        double most = largest(count);
        for (double q = -most; q <= most; q += 1.0) {
            vec x = q * step;
            ratio t = tanh_ratio(gp + root * x);
            vec h = vexp(-0.5 * (x * x)) * (step * INV_SQRT_2PI), before = splat(0.0);
            vec y = t.numerator / t.denominator;
            h = where(count >= vabs(splat(q)), h * y, splat(0.0));
            square += h * y;
            for (int k = 0; k < N_HERMITE; k++) {
                sum[k] += h;
                vec next = x * h * up[k] - before * down[k];
                before = h;
                h = next;
            }
        }
        for (int k = 0, stage = 0; k < N_HERMITE; k++) {
            store(coefficient + k * n_all + first, p, n, sum[k]);
            square -= sum[k] * sum[k];
            if (k + 1 == STAGE(stage)) /* 1e-15: rounding of the sum */
                store(rest + stage++ * n_all + first, p, n, vsqrt(larger(square, splat(0.0)) + 1e-15));
        }
    }
}

/* By Schwarz, what n terms leave out is at most |rho|^n rest_i rest_k: a lane takes 8, 16 or 32. */
static void mehler(ptrdiff_t i, ptrdiff_t n_all, const double *coefficient, const double *rest,
                   const double *rho, double tol, double *out)
{
    double mine[N_HERMITE];
    for (int k = 0; k < N_HERMITE; k++) mine[k] = coefficient[k * n_all + i];
    EACH_VECTOR(p, n_all) {
        vec r = load(rho, p, n_all), sum = splat(0.0), power = r, found = splat(NAN);
        ivec busy = r == r;
        for (int stage = 0, k = 1; stage < N_STAGES && any(busy); stage++) {
            for (; k < STAGE(stage); k++) {
                sum += power * (mine[k] * load(coefficient + k * n_all, p, n_all));
                power *= r;
            }
            const double *left = rest + stage * n_all;
            ivec done = busy & (vabs(power) * (left[i] * load(left, p, n_all)) <= tol);
            found = where(done, sum, found);
            busy &= ~done;
        }
        store(out, p, n_all, found);
    }
}

#endif
