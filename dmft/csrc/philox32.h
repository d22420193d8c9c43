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

/* The high halves of words in the place of the low ones; above them, what falls. By a shuffle, for the products and shifts
   of AVX-512 wait for one and the same unit. */
INLINE uvec high_half(uvec x)
{
#if WIDTH == 8
    return (uvec)_mm512_shuffle_epi32((__m512i)x, _MM_PERM_DDBB);
#elif WIDTH == 4
    return (uvec)_mm256_shuffle_epi32((__m256i)x, 0xf5);
#else
    return x >> 32;
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
            a[j] = high_half(q[j]) ^ b[j] ^ keys[2 * round];
            b[j] = q[j];
            c[j] = high_half(p[j]) ^ d[j] ^ keys[2 * round + 1];
            d[j] = p[j];
        }
    }
}

/* A word below 2^52 as a double, less a number: it stands in the mantissa of 2^52. */
INLINE vec number_less(uvec word, double less) { return (vec)(word | 0x4330000000000000) - (0x1p52 + less); }

INLINE vec line(vec x, double slope, double at_0) { return fma3(x, slope, at_0); }

/* -log(u) of u = x 2^-scale in (0, 1], x from 2^-60 to 2^60. With x = 2^k (1 + t), 1 + t in [2^-1/2, 2^1/2), it is
   t P(t) - (k - scale) log(2), P interpolated at Chebyshev nodes: errors below 1e-13 of its size, however close u is to 1.
   Without quotients, conversions and signed shifts, which are slow, the last two where registers have no instruction
   for them. */
INLINE vec minus_log(vec x, double scale)
{
    const uint64_t least = 0x3fe6a09e667f3bcd, bias = 64ull << 52; /* of the bits of 2^-1/2; keeps exponents above 0 */
    uvec bits = (uvec)x + same(bias - least);
    vec t = (vec)((bits & 0xfffffffffffff) + same(least)) - 1.0, t2 = t * t, t4 = t2 * t2;
    vec low = fma3(t4, fma3(t2, line(t, 0x1.fffc5cb7e1187p-4, -0x1.2491f53b7d074p-3),
                            line(t, 0x1.55555d98b617ep-3, -0x1.99999b01e07c4p-3)),
                   fma3(t2, line(t, 0x1.ffffffef14f50p-3, -0x1.555555543d37fp-2),
                        line(t, 0x1.0000000002a35p-1, -0x1.0000000000116p+0)));
    vec high = fma3(t4, fma3(t2, line(t, 0x1.3e6fae393b4a3p-5, -0x1.446e64f193c94p-4),
                             line(t, 0x1.51b75c33f0806p-4, -0x1.3b5f3ce81535dp-4)),
                    fma3(t2, line(t, 0x1.4f1b6ae6b807bp-4, -0x1.739f12997d609p-4),
                         line(t, 0x1.9a02c56b69a40p-4, -0x1.c72dc1f62ee0ep-4)));
    return fma3(number_less(bits >> 52, 64 + scale), -0x1.62e42fefa39efp-1, t * fma3(t4 * t4, high, low));
}

#endif
