/* Random words that are a function of where they are used, side by side in the lanes of a register: Philox4x32-10
 * (Salmon et al., SC11, 2011), whose products of 32 bits registers make without a detour.
 *
 * A key of 64 bits and a counter of four words of 32 bits give four words of 32 bits.
 */
#ifndef DMFT_PHILOX32_H
#define DMFT_PHILOX32_H

#include "simd.h"

#define LOW32 0xffffffff

/* Unsigned: registers shift signed words of 64 bits only by a detour. */
typedef uint64_t uvec __attribute__((vector_size(8 * WIDTH), aligned(8 * WIDTH)));

INLINE uvec same(uint64_t x) { return x - (uvec){0}; }

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

/* The keys of the rounds, in every lane. */
INLINE void philox32_keys(uint64_t key, uvec keys[20])
{
    uint32_t k = (uint32_t)key, l = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        keys[2 * round] = same(k);
        keys[2 * round + 1] = same(l);
        k += 0x9E3779B9u;
        l += 0xBB67AE85u;
    }
}

/* From the low halves of the words of n registers of counters to four random words each, in their place; the upper
   halves are left as they fall. n is a constant: what does not wait for one another stands side by side, or a processor
   would wait for each product. */
INLINE void philox32(const int n, const uvec keys[20], uvec *a, uvec *b, uvec *c, uvec *d)
{
    for (int round = 0; round < 10; round++) {
        uvec p[4], q[4];
        for (int j = 0; j < n; j++) {
            p[j] = product32(a[j], same(0xD2511F53));
            q[j] = product32(c[j], same(0xCD9E8D57));
        }
        for (int j = 0; j < n; j++) {
            a[j] = (q[j] >> 32) ^ b[j] ^ keys[2 * round];
            b[j] = q[j];
            c[j] = (p[j] >> 32) ^ d[j] ^ keys[2 * round + 1];
            d[j] = p[j];
        }
    }
}

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

#endif
