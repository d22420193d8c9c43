/* Normal numbers that are a function of where they are used, for as many paths as a register has lanes.
 *
 * Philox4x32-10 (Salmon et al., SC11, 2011), whose products of 32 bits a register makes side by side; one call
 * gives four words, and by Box and Muller's transform four normal numbers. Uniforms have 32 bits: no normal number
 * is beyond 6.8.
 *
 * key: seed; counter: which four numbers of a path (64 bits), path (64 bits)
 */
#ifndef DMFT_NORMALS_H
#define DMFT_NORMALS_H

#include "../simd.h"

#define LOW32 0xffffffff

/* Unsigned: registers shift signed words of 64 bits only by a detour. */
typedef uint64_t uvec __attribute__((vector_size(8 * WIDTH), aligned(8 * WIDTH)));

/* The 64 bits of the product of the low halves of two words. */
INLINE uvec product32(uvec x, uvec y)
{
#if WIDTH == 8
    return (uvec)_mm512_mul_epu32((__m512i)x, (__m512i)y);
#elif WIDTH == 4
    return (uvec)_mm256_mul_epu32((__m256i)x, (__m256i)y);
#else
    return (x & LOW32) * (y & LOW32);
#endif
}

INLINE vec root(vec x)
{
#ifdef VECTOR
    return VECTOR(sqrt)(x);
#else
    for (int i = 0; i < WIDTH; i++) x[i] = sqrt(x[i]);
    return x;
#endif
}

INLINE uvec same(uint64_t x) { return x - (uvec){0}; }

/* A word below 2^32 as a double: in the mantissa of 2^52. */
INLINE vec number(uvec word) { return (vec)(word | 0x4330000000000000) - 0x1p52; }

/* log(x) for x in [2^-60, 1], as vlog of simd.h, but without the conversions and signed shifts that are slow where
   registers have no instruction for them. */
INLINE vec log_share(vec x)
{
    const uvec bits = (uvec)x, bias = same(64ull << 52);
    uvec k = (bits - (uvec)splat(SQRT_HALF) + bias) >> 52;
    vec m = (vec)(bits - (k << 52) + bias), n = number(k) - 64.0;
    vec s = (m - 1.0) / (m + 1.0), z = s * s, z2 = z * z;
    vec p = ((0x1.5555555555558p-1 + z * 0x1.99999999952e2p-2)
             + z2 * (0x1.2492492df148dp-2 + z * 0x1.c71c62e5800a1p-3))
          + (z2 * z2) * ((0x1.7462b4ab2ef6bp-3 + z * 0x1.39fe606542ddep-3) + z2 * 0x1.2b584aae78a57p-3);
    return n * LN2_HI + (2.0 * s + (s * z * p + n * LN2_LO));
}

/* Two normal numbers from two words. The upper two bits of the second are the quadrant of an angle. */
INLINE void normal_pair(uvec one, uvec two, vec *first, vec *second)
{
    vec radius = root(-2.0 * log_share((number(one) + 0.5) * 0x1p-32));
    /* In (-pi/4, pi/4): sine and cosine by series, error below 1e-16. */
    vec x = (number(two & 0x3fffffff) + (0.5 - 0x1p29)) * (0x1p-30 * 1.5707963267948966), z = x * x, z2 = z * z;
    vec s = (-1.0 / 6 + z * (1.0 / 120))
          + z2 * ((-1.0 / 5040 + z * (1.0 / 362880)) + z2 * (-1.0 / 39916800 + z * (1.0 / 6227020800.0)));
    vec c = (1.0 / 24 + z * (-1.0 / 720))
          + z2 * ((1.0 / 40320 + z * (-1.0 / 3628800)) + z2 * (1.0 / 479001600.0 + z * (-1.0 / 87178291200.0)));
    s = x + x * z * s;
    c = (1.0 - 0.5 * z) + z2 * c;
    uvec back = (two >> 31) << 63;
    ivec odd = (ivec)(-(two >> 30 & 1));
    *first = radius * (vec)((uvec)where(odd, -s, c) ^ back);
    *second = radius * (vec)((uvec)where(odd, c, s) ^ back);
}

/* The 4 n normal numbers from place 4 `four` on of the streams of `path`; n is a constant. What does not wait for one
   another stands side by side, or a processor would wait for each product. */
INLINE void many_normals(const int n, uint64_t seed, uvec path, uint64_t four, vec *out)
{
    uvec a[4], b[4], c[4], d[4]; /* their upper halves are left as they fall */
    for (int j = 0; j < n; j++) {
        a[j] = same((four + (uint64_t)j) & LOW32);
        b[j] = same((four + (uint64_t)j) >> 32);
        c[j] = path;
        d[j] = path >> 32;
    }
    uint32_t k = (uint32_t)seed, l = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uvec p[4], q[4];
        for (int j = 0; j < n; j++) {
            p[j] = product32(a[j], same(0xD2511F53));
            q[j] = product32(c[j], same(0xCD9E8D57));
        }
        for (int j = 0; j < n; j++) {
            a[j] = (q[j] >> 32) ^ b[j] ^ same(k);
            b[j] = q[j];
            c[j] = (p[j] >> 32) ^ d[j] ^ same(l);
            d[j] = p[j];
        }
        k += 0x9E3779B9u;
        l += 0xBB67AE85u;
    }
    for (int j = 0; j < n; j++) {
        normal_pair(a[j] & LOW32, b[j] & LOW32, out + 4 * j, out + 4 * j + 1);
        normal_pair(c[j] & LOW32, d[j] & LOW32, out + 4 * j + 2, out + 4 * j + 3);
    }
}

#endif
