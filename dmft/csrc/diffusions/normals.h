/* Normal numbers that are a function of where they are used, for as many paths as a register has lanes.
 *
 * A call of philox32.h gives four words, and by Box and Muller's transform four normal numbers. Uniforms have 32 bits:
 * no normal number is beyond 6.8.
 *
 * key: seed; counter: which four numbers of a path (64 bits), path (64 bits)
 */
#ifndef DMFT_NORMALS_H
#define DMFT_NORMALS_H

#include <stddef.h>

#include "../philox32.h"

#define MOST 24 /* fours made at once: a multiple of 3 */
#define SIGN 0x8000000000000000

INLINE vec root(vec x)
{
#ifdef VECTOR
    return VECTOR(sqrt)(x);
#else
    for (int i = 0; i < WIDTH; i++) x[i] = sqrt(x[i]);
    return x;
#endif
}

/* A word below 2^52 as a double, less a number: it stands in the mantissa of 2^52. */
INLINE vec number_less(uvec word, double less) { return (vec)(word | 0x4330000000000000) - (0x1p52 + less); }

INLINE vec line(vec x, double slope, double at_0) { return fma3(x, slope, at_0); }

/* Words `four` to four + n - 1 of the streams of `path`, n <= MOST: out has four halves of each, and above them what falls. */
INLINE void words(ptrdiff_t n, uint64_t seed, uvec path, uint64_t four, uvec *out)
{
    uvec keys[20];
    philox32_keys(seed, keys);
    for (ptrdiff_t i = 0; i < n; i += 3) {
        uvec a[3], b[3], c[3], d[3];
        for (int j = 0; j < 3; j++) {
            a[j] = same((four + (uint64_t)(i + j)) & LOW32);
            b[j] = same((four + (uint64_t)(i + j)) >> 32);
            c[j] = path;
            d[j] = path >> 32;
        }
        philox32(3, keys, a, b, c, d);
        for (int j = 0; j < 3; j++) {
            out[4 * (i + j)] = a[j];
            out[4 * (i + j) + 1] = b[j];
            out[4 * (i + j) + 2] = c[j];
            out[4 * (i + j) + 3] = d[j];
        }
    }
}

/* The 4 n normal numbers from place 4 `four` on of the streams of `path`; n <= MOST.
   Two of two words: a uniform u in (0, 1) from the first, an angle in (0, pi/2) and two signs from the second;
   sqrt(-2 log u) times its cosine and its sine, which are (cos t -+ sin t) / sqrt(2) of t about the middle. Logarithm,
   sine and cosine are interpolated at Chebyshev nodes (errors below 1e-15, of the first in its own size), without
   conversions and signed shifts, which are slow where registers have no instruction for them. In loops so short that a
   processor sees many numbers at once: in one it would wait for quotients and roots. */
INLINE void many_normals(ptrdiff_t n, uint64_t seed, uvec path, uint64_t four, vec *out)
{
    uvec word[4 * MOST];
    vec r[2 * MOST], s[2 * MOST];
    const uint64_t least = 0x3fe6a09e667f3bcd, bias = 64ull << 52; /* of the bits of 2^-1/2; keeps exponents above 0 */
    const double step = 0x1.921fb54442d18p-1 * 0x1p-29;            /* pi/4 / 2^29 */
    words(n, seed, path, four, word);
    /* u = 2^r m with m in [2^-1/2, 2^1/2), s = (m - 1) / (m + 1): log(m) = 2s + s z P(z) with z = s^2. */
    for (ptrdiff_t j = 0; j < 2 * n; j++) {
        uvec bits = (uvec)number_less(word[2 * j] & LOW32, -0.5) + same(bias - least);
        vec m = (vec)((bits & 0xfffffffffffff) + same(least));
        r[j] = number_less(bits >> 52, 64 + 32);
        s[j] = (m - 1.0) / (m + 1.0);
    }
    for (ptrdiff_t j = 0; j < 2 * n; j++) {
        vec z = s[j] * s[j], z2 = z * z;
        vec p = fma3(z2 * z2, line(z, -0x1.546a3155bacbfp-3, -0x1.7382dbfa1ce75p-3),
                     fma3(z2, line(z, -0x1.c71fccd953895p-3, -0x1.2492462af84abp-2),
                          line(z, -0x1.9999999b8677ap-2, -0x1.55555555553b8p-1)));
        r[j] = root(fma3(r[j], -0x1.62e42fefa39efp-1, s[j] * fma3(z, p, -2.0)));
    }
    for (ptrdiff_t j = 0; j < 2 * n; j++) {
        uvec two = word[2 * j + 1];
        vec t = line(number_less(two & 0x3fffffff, 0x1p29), step, 0.5 * step), z = t * t, z2 = z * z;
        vec a = fma3(z2 * z2, line(z, 0x1.5e0b19f8b1451p-33, -0x1.ae600b02b6262p-26),
                     fma3(z2, line(z, 0x1.71de37968a100p-19, -0x1.a01a019e83aaep-13),
                          line(z, 0x1.1111111110bb2p-7, -0x1.5555555555555p-3)));
        vec b = fma3(z2, fma3(z2, 0x1.1c81c3531fff2p-29, line(z, -0x1.27e25f4bb4e6fp-22, 0x1.a019ff53a6a1cp-16)),
                     line(z, -0x1.6c16c16b614fcp-10, 0x1.5555555555437p-5));
        vec sine = fma3(t * z, a, t), cosine = fma3(z2, b, line(z, -0.5, 1.0));
        out[2 * j] = (vec)((uvec)(r[j] * (cosine - sine)) ^ ((two << 32) & SIGN));
        out[2 * j + 1] = (vec)((uvec)(r[j] * (cosine + sine)) ^ ((two << 33) & SIGN));
    }
}

#endif
