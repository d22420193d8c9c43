/* Vectors of parameter points, and the two functions the map needs of them.
 *
 * A `vec` holds WIDTH independent points, one a lane; WIDTH is what the
 * instruction set that is compiled for offers (isa.h). A lane sees the same IEEE
 * operations whatever the width, so every instruction set gives the same bits.
 * The compiler fuses nothing (-ffp-contract=off): where a product and a sum are
 * rounded once, the source says so with fma3. Clones of functions by an attribute
 * would spare the compilations, but GCC lowers vector types before it makes them.
 */
#ifndef DMFT_SIMD_H
#define DMFT_SIMD_H

#include <math.h>
#include <stdint.h>

#include "isa.h"
#if WIDTH > 2
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(8 * WIDTH), aligned(8 * WIDTH)));
typedef int64_t ivec __attribute__((vector_size(8 * WIDTH), aligned(8 * WIDTH)));

INLINE vec splat(double x) { return x - (vec){0}; }

/* x y + z rounded once, and the larger of two (the second if either is NaN), lane by lane. An x86
   processor without the instruction calls C's fma: the same bits, many times slower. */
#if WIDTH == 8
#define VECTOR(name) _mm512_##name##_pd
#elif WIDTH == 4
#define VECTOR(name) _mm256_##name##_pd
#endif

#if defined(__x86_64__) && WIDTH == 2
static __attribute__((noinline))
#else
INLINE
#endif
vec fused(vec x, vec y, vec z)
{
#ifdef VECTOR
    return VECTOR(fmadd)(x, y, z);
#else
    for (int i = 0; i < WIDTH; i++) z[i] = fma(x[i], y[i], z[i]);
    return z;
#endif
}

/* z - x y, rounded once. */
INLINE vec fused_minus(vec x, vec y, vec z)
{
#ifdef VECTOR
    return VECTOR(fnmadd)(x, y, z);
#else
    return fused(-x, y, z);
#endif
}

/* x y - z, rounded once. */
INLINE vec fused_less(vec x, vec y, vec z)
{
#ifdef VECTOR
    return VECTOR(fmsub)(x, y, z);
#else
    return fused(x, y, -z);
#endif
}

INLINE vec larger_of(vec x, vec y)
{
#ifdef VECTOR
    return VECTOR(max)(x, y);
#else
    for (int i = 0; i < WIDTH; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
    return y;
#endif
}

INLINE vec vabs(vec x) { return (vec)((ivec)x & INT64_MAX); }

INLINE vec vsqrt(vec x)
{
#ifdef VECTOR
    return VECTOR(sqrt)(x);
#else
    for (int i = 0; i < WIDTH; i++) x[i] = sqrt(x[i]);
    return x;
#endif
}

/* Arguments may be plain numbers: minus zero makes vectors of them. */
#define VEC(x) ((x) - (vec){0})
#define fma3(x, y, z) fused(VEC(x), VEC(y), VEC(z))
#define fnma3(x, y, z) fused_minus(VEC(x), VEC(y), VEC(z))
#define fms3(x, y, z) fused_less(VEC(x), VEC(y), VEC(z))
#define vmax(x, y) larger_of(VEC(x), VEC(y))

/* The last thing before a return to code that knows of no wide registers: while their upper parts
   are in use, its instructions run some fifty times slower. GCC sees to it, except where the last
   thing was a call of a static function. */
INLINE void leave_wide_registers(void)
{
#ifdef VECTOR
    _mm256_zeroupper();
#endif
}

/* mask ? a : b, lane by lane; the mask is what a comparison of vectors gives. */
INLINE vec where(ivec mask, vec a, vec b)
{
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

INLINE int any(ivec mask)
{
#if WIDTH == 8
    return _mm512_movepi64_mask((__m512i)mask) != 0;
#elif WIDTH == 4
    return _mm256_movemask_pd((__m256d)mask) != 0;
#else
    int64_t found = 0;
    for (int i = 0; i < WIDTH; i++) found |= mask[i];
    return found != 0;
#endif
}

/* Adding ROUND leaves the nearest whole number n in the low bits of the sum, adding BIASED the
   exponent of 2^n. */
#define ROUND 0x1.8p52
#define BIASED (ROUND + 1023.0)
INLINE vec power_of_two(vec n_plus_biased) { return (vec)((ivec)n_plus_biased << 52); }

/* 2^-k for a positive normal x with k = floor(log2(x) / 2): scales a squared norm into [1, 4). */
INLINE ivec half_exponent(vec x) { return ((((ivec)x >> 52) + 1) >> 1) - 512; }
INLINE vec inverse_power(ivec k) { return (vec)((1023 - k) << 52); }

#define LOG2_E 0x1.71547652b82fep+0
#define LN2_HI 0x1.62e42fefa2000p-1 /* 40 bits: n * LN2_HI is exact */
#define LN2_LO 0x1.9ef35793c7673p-41

/* exp(x) for x <= 709; below -708 it stays at exp(-708) = 3e-308. exp(x) = 2^n exp(r),
   |r| <= ln(2)/2, with (exp(r) - 1 - r) / r^2 interpolated at Chebyshev nodes (error 2e-17). */
INLINE vec vexp(vec x)
{
    x = vmax(-708.0, x);
    vec shifted = fma3(x, LOG2_E, BIASED), n = shifted - BIASED, two_n = power_of_two(shifted);
    vec r = fma3(n, -LN2_LO, fma3(n, -LN2_HI, x)), r2 = r * r, r4 = r2 * r2;
    vec low = fma3(r2, fma3(r, 0x1.11111111109b3p-7, 0x1.5555555553d63p-5),
                   fma3(r, 0x1.5555555555556p-3, 0x1.0000000000001p-1));
    vec middle = fma3(r2, fma3(r, 0x1.71de0dae63bb3p-19, 0x1.a019b90d2ae7ap-16),
                      fma3(r, 0x1.a01a01a7c41d5p-13, 0x1.6c16c1788bd90p-10));
    vec high = fma3(r, 0x1.af38a9b0ec855p-26, 0x1.289185613a3d6p-22);
    vec p = fma3(r4, fma3(r4, high, middle), low);
    return fma3(two_n, fma3(r2, p, r), two_n);
}

/* log(x) for a normal x > 0; NaN stays NaN. With x = 2^k m, m in [2^-1/2, 2^1/2), s = (m-1)/(m+1) and z = s^2:
   log(m) = 2s + s z P(z), P interpolated at Chebyshev nodes (error 5e-18). */
#define SQRT_HALF 0x1.6a09e667f3bcdp-1
INLINE vec vlog(vec x)
{
    ivec k = ((ivec)x - (ivec)splat(SQRT_HALF)) >> 52;
    vec m = where(x == x, (vec)((ivec)x - (k << 52)), x), n = __builtin_convertvector(k, vec);
    vec s = (m - 1.0) / (m + 1.0), z = s * s, z2 = z * z;
    vec p = ((0x1.5555555555558p-1 + z * 0x1.99999999952e2p-2)
             + z2 * (0x1.2492492df148dp-2 + z * 0x1.c71c62e5800a1p-3))
          + (z2 * z2) * ((0x1.7462b4ab2ef6bp-3 + z * 0x1.39fe606542ddep-3) + z2 * 0x1.2b584aae78a57p-3);
    return n * LN2_HI + (2.0 * s + (s * z * p + n * LN2_LO));
}

/* tanh(x) = numerator / denominator and sech(x)^2 = slope / denominator^2, so that neither
   cancels. With exp(-2|x|) = s (c + r) / (c - r), s = 2^n, -|x| = r + n ln(2)/2, c = r coth(r):
   tanh|x| = ((1-s) c - (1+s) r) / ((1+s) c - (1-s) r). The denominator is in [0.8, 2.4]. From n = -1023 on, which is
   |x| > 354.3, the exponent's bits of s are 0: tanh is 1 and sech 0. */
typedef struct { vec numerator, denominator, slope; } ratio;

INLINE ratio tanh_ratio(vec x)
{
    vec u = vmax(-354.6, (vec)((ivec)x | INT64_MIN));
    vec shifted = fma3(u, 2.0 * LOG2_E, BIASED), n = shifted - BIASED; /* n <= 0 */
    vec r = fma3(n, -0.5 * LN2_LO, fma3(n, -0.5 * LN2_HI, u));
    vec s = power_of_two(shifted);
    vec z = r * r, z2 = z * z;
    vec c = fma3(z2, fma3(z2, 0x1.63f262586d051p-16,
                          fma3(z, -0x1.bbd53204bb10fp-13, 0x1.1566ab5c0cca8p-9)),
                 fma3(z, -0x1.6c16c16c0abe6p-6, 0x1.5555555555553p-2));
    c = fma3(z, c, 1.0);
    vec a = 1.0 - s, b = 1.0 + s;
    return (ratio){
        (vec)((ivec)fms3(a, c, b * r) | ((ivec)x & INT64_MIN)),
        fms3(b, c, a * r),
        (4.0 * s) * fms3(c, c, z),
    };
}

#endif
