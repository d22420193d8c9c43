/* Vectors of parameter points, and the two functions the map needs of them.
 *
 * A `vec` holds WIDTH independent points, one a lane; WIDTH is what the
 * instruction set of the including file offers. A lane sees the same IEEE
 * additions, multiplications and divisions whatever the width, and nothing is
 * contracted to a fused multiply-add, so every instruction set gives the same
 * bits. GCC lowers vector types before it makes function clones, which would
 * tear them to pieces: hence one small file per instruction set (_isa_*.c)
 * with a target pragma, where a clone attribute would be shorter.
 */
#ifndef DMFT_SIMD_H
#define DMFT_SIMD_H

#include <math.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(8 * WIDTH), aligned(8 * WIDTH)));
typedef int64_t ivec __attribute__((vector_size(8 * WIDTH), aligned(8 * WIDTH)));

INLINE vec splat(double x) { return x - (vec){0}; }

/* mask ? a : b, lane by lane; the mask is what a comparison of vectors gives. */
INLINE vec select(ivec mask, vec a, vec b)
{
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

INLINE int any(ivec mask)
{
    int64_t found = 0;
    for (int i = 0; i < WIDTH; i++) found |= mask[i];
    return found != 0;
}

/* Adding ROUND leaves the nearest whole number n in the low bits of the sum. */
#define ROUND 0x1.8p52
INLINE vec power_of_two(vec n_plus_round) { return (vec)(((ivec)n_plus_round + 1023) << 52); }

/* 2^-k for a positive normal x with k = floor(log2(x) / 2): scales a squared norm into [1, 4). */
INLINE ivec half_exponent(vec x) { return (((ivec)x >> 52) - 1023) >> 1; }
INLINE vec inverse_power(ivec k) { return (vec)((1023 - k) << 52); }

#define LOG2_E 0x1.71547652b82fep+0
#define LN2_HI 0x1.62e42fefa2000p-1 /* 40 bits: n * LN2_HI is exact */
#define LN2_LO 0x1.9ef35793c7673p-41

/* exp(x) for x <= 709; below -708 it is 0. exp(x) = 2^n exp(r), |r| <= ln(2)/2, with
   (exp(r) - 1 - r) / r^2 interpolated at Chebyshev nodes (error 2e-17). */
INLINE vec vexp(vec x)
{
    ivec under = x < -708.0;
    vec shifted = select(under, splat(0.0), x) * LOG2_E + ROUND;
    vec n = shifted - ROUND;
    vec r = (x - n * LN2_HI) - n * LN2_LO;
    vec r2 = r * r, r4 = r2 * r2;
    vec p = ((0x1.0000000000001p-1 + r * 0x1.5555555555556p-3)
             + r2 * (0x1.5555555553d63p-5 + r * 0x1.11111111109b3p-7))
          + r4 * (((0x1.6c16c1788bd90p-10 + r * 0x1.a01a01a7c41d5p-13)
                   + r2 * (0x1.a019b90d2ae7ap-16 + r * 0x1.71de0dae63bb3p-19))
                  + r4 * (0x1.289185613a3d6p-22 + r * 0x1.af38a9b0ec855p-26));
    return select(under, splat(0.0), (1.0 + (r + r2 * p)) * power_of_two(shifted));
}

/* log(x) for a normal x > 0; NaN stays NaN. With x = 2^k m, m in [2^-1/2, 2^1/2), s = (m-1)/(m+1) and z = s^2:
   log(m) = 2s + s z P(z), P interpolated at Chebyshev nodes (error 5e-18). */
#define SQRT_HALF 0x1.6a09e667f3bcdp-1
INLINE vec vlog(vec x)
{
    ivec k = ((ivec)x - (ivec)splat(SQRT_HALF)) >> 52;
    vec m = select(x == x, (vec)((ivec)x - (k << 52)), x), n = __builtin_convertvector(k, vec);
    vec s = (m - 1.0) / (m + 1.0), z = s * s, z2 = z * z;
    vec p = ((0x1.5555555555558p-1 + z * 0x1.99999999952e2p-2)
             + z2 * (0x1.2492492df148dp-2 + z * 0x1.c71c62e5800a1p-3))
          + (z2 * z2) * ((0x1.7462b4ab2ef6bp-3 + z * 0x1.39fe606542ddep-3) + z2 * 0x1.2b584aae78a57p-3);
    return n * LN2_HI + (2.0 * s + (s * z * p + n * LN2_LO));
}

/* tanh(x) = numerator / denominator and sech(x)^2 = slope / denominator^2, so that
   neither cancels. With exp(-2|x|) = s (c - r) / (c + r), s = 2^-n, c = r coth(r/2):
   tanh|x| = ((1-s) c + (1+s) r) / ((1+s) c + (1-s) r). The denominator is in [1.6, 4.8]. */
typedef struct { vec numerator, denominator, slope; } ratio;

INLINE ratio tanh_ratio(vec x)
{
    vec y = (vec)((ivec)x & INT64_MAX) * 2.0;
    ivec over = y > 708.0;
    y = select(over, splat(708.0), y);
    vec shifted = ROUND - y * LOG2_E;
    vec n = shifted - ROUND; /* n <= 0 */
    vec r = (y + n * LN2_HI) + n * LN2_LO;
    vec s = power_of_two(shifted);
    vec z = r * r, z2 = z * z;
    vec c = 2.0 + z * ((0x1.5555555555553p-3 - z * 0x1.6c16c16c0abe6p-9)
                       + z2 * ((0x1.1566ab5c0cca8p-14 - z * 0x1.bbd53204bb10fp-20)
                               + z2 * 0x1.63f262586d051p-25));
    vec a = 1.0 - s, b = 1.0 + s;
    vec numerator = a * c + b * r;
    ivec sign = (ivec)x & INT64_MIN;
    return (ratio){
        (vec)((ivec)numerator ^ sign),
        b * c + a * r,
        select(over, splat(0.0), (4.0 * s) * ((c - r) * (c + r))),
    };
}

#endif
