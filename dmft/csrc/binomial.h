/* Binomial draws, exact to rounding for any n up to 2^53 and any p in [0, 1/2].
 *
 * Below n p = 10 by inversion, from the upper tail, so that a tiny P(k > 0) keeps its relative
 * precision. Above by transformed rejection: Hormann, "The generation of binomial random variates",
 * J. Statist. Comput. Simul. 46 (1993) 101, algorithm BTRS, with its acceptance from Loader's
 * saddle-point form of the probabilities ("Fast and accurate computation of binomial
 * probabilities", 2000): differences of log-factorials would have lost all digits at n = 1e15.
 * Only +, -, *, / and sqrt: the same bits everywhere.
 */
#ifndef DMFT_BINOMIAL_H
#define DMFT_BINOMIAL_H

#include "philox.h"
#include "simd.h"

#define TWO_PI 0x1.921fb54442d18p+2

/* sum of z^k / (2 k + 1) over k >= 1, for z < 0.12: divisions are what the draws would wait for */
static double odd_series(double z)
{
    static const double reciprocal[18] = {
        1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19,
        1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27, 1.0 / 29, 1.0 / 31, 1.0 / 33, 1.0 / 35, 1.0 / 37,
    };
    double power = z, sum = 0.0;
    for (int k = 0; k < 18 && power > 1e-17; k++, power *= z) sum += power * reciprocal[k];
    return sum;
}

/* log(1 + v) - log(1 - v) for |v| <= 1/3 */
static double log_ratio(double v) { return 2.0 * v * (1.0 + odd_series(v * v)); }

/* log(x) for a positive normal x */
static double log_of(double x)
{
    union { double x; int64_t bits; } u = {x};
    int64_t shift = (u.bits - 0x3fe6a09e667f3bcd) >> 52; /* mantissa into [sqrt(1/2), sqrt(2)) */
    u.bits -= shift * ((int64_t)1 << 52);
    return (double)shift * LN2_HI + (log_ratio((u.x - 1.0) / (u.x + 1.0)) + (double)shift * LN2_LO);
}

static double exp_of(double x) { return vexp(splat(x))[0]; }

/* log n! - log(sqrt(2 pi n) n^n e^-n) */
static double stirling_error(double n)
{
    static const double small[16] = {
        0.0, 0x1.4c071bcda0a5bp-4, 0x1.52a9b923ea649p-5, 0x1.c579a268d80b3p-6, 0x1.54a2662fd78a9p-6,
        0x1.10b4e513fcbedp-6, 0x1.c6b167bebdf36p-7, 0x1.85d4d612e4a86p-7, 0x1.552805e7b3076p-7,
        0x1.2f4871b12ab64p-7, 0x1.10f9d4c0743a7p-7, 0x1.f0593088014f8p-8, 0x1.c7018733aa9c6p-8,
        0x1.a40514700f36cp-8, 0x1.86076c002d4a7p-8, 0x1.6c08f6f194a10p-8,
    };
    if (n < 16.0) return small[(int)n];
    double z = 1.0 / (n * n);
    return (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z / 1188)))) / n;
}

/* x log(x / mean) - difference, where x = mean + difference: the deviance of a Poisson count */
static double deviance(double x, double mean, double difference)
{
    if (x == 0.0) return mean;
    double v = difference / (x + mean);
    if (v > 0.1 || v < -0.1) return x * log_of(x / mean) - difference;
    return difference * v + 2.0 * x * v * odd_series(v * v);
}

/* a * b = high + low exactly (Dekker) */
static double product(double a, double b, double *low)
{
    double high = a * b, s = a * 0x1.0000002p27, t = b * 0x1.0000002p27;
    double a1 = s - (s - a), b1 = t - (t - b), a2 = a - a1, b2 = b - b1;
    *low = ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2;
    return high;
}

/* Up to a constant, minus the log of the probability of k, but for sqrt(k (n - k)); k - n p is
   taken from n p = whole + part, so that no digit of it is lost. */
static double minus_log_weight(double n, double k, double whole, double part)
{
    double difference = (k - whole) - part, mean = whole + part;
    return deviance(k, mean, difference) + deviance(n - k, n - mean, -difference)
           + stirling_error(k) + stirling_error(n - k);
}

static double invert(const stream *s, double n, double p, uint64_t flip)
{
    words w = draw(s, 0);
    double u = fine_uniform(w.word[0] ^ flip, w.word[1] ^ flip);
    /* y = log(1 - p)^n > -14; the rest of the tail of P(k > 0) = 1 - exp(y) */
    double y = -n * log_ratio(p / (2.0 - p)), none = exp_of(y), tail = 1.0 - none;
    if (y > -0.25) { /* -expm1(y) */
        double term = -y, sum = term, last;
        int k = 1;
        do {
            last = sum;
            term *= y / ++k;
            sum += term;
        } while (sum != last);
        tail = sum;
    }
    double odds = p / (1.0 - p), weight = none, end = tail * 1e-17, k = 0.0;
    while (u < tail && k < n) {
        weight *= (n - k) * odds / (k + 1.0);
        if (weight < end) break; /* what is left of the tail is rounding */
        k += 1.0;
        tail -= weight;
    }
    return k;
}

static double reject(const stream *s, double n, double p, uint64_t flip)
{
    double low, high = product(n, p, &low);
    double whole = (double)(int64_t)high, part = (high - whole) + low;
    double spread = sqrt((whole + part) * (1.0 - p));
    double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
    double accept = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * spread;
    for (uint64_t i = 0;; i++) {
        words w = draw(s, i);
        for (int j = 0; j < 4; j += 2) {
            /* decreasing in the word, as the inversion is */
            double u = 0.5 - uniform(w.word[j] ^ flip), v = uniform(w.word[j + 1]);
            double us = 0.5 - (u < 0.0 ? -u : u);
            double x = (2.0 * a / us + b) * u + (part + 0.5);
            if (x < -whole || x >= n - whole + 1.0) continue;
            double floored = (double)(int64_t)x, k = whole + (floored - (floored > x));
            if (us >= 0.07 && v <= accept) return k;
            double mode = whole + (double)(int64_t)(part + p);
            double k1 = k > 0.0 ? k : 1.0 / TWO_PI, l1 = n - k > 0.0 ? n - k : 1.0 / TWO_PI;
            double bound = minus_log_weight(n, mode, whole, part) - minus_log_weight(n, k, whole, part);
            /* v alpha / hat <= weight / weight of the mode */
            double t = v * alpha / (a / (us * us) + b);
            if (log_of(t * t * (k1 / mode) * (l1 / (n - mode))) <= 2.0 * bound) return k;
        }
    }
}

/* The number of successes among n, a whole double, each of probability p <= 1/2; the draws
   decrease with the words of the stream, or with their complements where flip is ~0. NaN where
   p is none. */
static double binomial(const stream *s, double n, double p, uint64_t flip)
{
    if (n == 0.0 || p == 0.0) return 0.0;
    if (!(p > 0.0 && p <= 0.5)) return NAN;
    return n * p < 10.0 ? invert(s, n, p, flip) : reject(s, n, p, flip);
}

#endif
