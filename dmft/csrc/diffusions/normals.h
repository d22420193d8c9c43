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

/* The root of x, normal and above 0, without roots and quotients, for which a processor takes as long as for thirty
   products: 1/sqrt(x) from half the exponent (to 4 %), two steps of Taylor's series about it (6e-6, 1e-15). */
INLINE vec root(vec x)
{
    vec y = (vec)(same(0x5fe6eb50c7b537a9) - ((uvec)x >> 1)), e = fnma3(x * y, y, 1.0);
    y = fma3(y * e, fma3(e, line(e, 0.3125, 0.375), 0.5), y);
    vec w = x * y;
    e = fnma3(w, y, 1.0);
    return fma3(w * e, line(e, 0.375, 0.5), w);
}

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
   sqrt(-2 log u) times its cosine and its sine, which are (cos t -+ sin t) / sqrt(2) of t about the middle. Sine and
   cosine are interpolated at Chebyshev nodes; errors of all, below 2e-13 in their own size, are small beside the 2e-10
   that uniforms lie apart. In loops so short that a processor sees many numbers at once: in one it would wait for
   products of products. */
INLINE void many_normals(ptrdiff_t n, uint64_t seed, uvec path, uint64_t four, vec *out)
{
    uvec word[4 * MOST];
    vec r[2 * MOST];
    const double step = 0x1.921fb54442d18p-1 * 0x1p-29; /* pi/4 / 2^29 */
    words(n, seed, path, four, word);
    for (ptrdiff_t j = 0; j < 2 * n; j++) r[j] = minus_log(number_less(word[2 * j] & LOW32, -0.5), 32.0);
    for (ptrdiff_t j = 0; j < 2 * n; j++) r[j] = root(r[j]);
    for (ptrdiff_t j = 0; j < 2 * n; j++) {
        uvec two = word[2 * j + 1];
        vec t = line(number_less(two & 0x3fffffff, 0x1p29), step, 0.5 * step), z = t * t, z2 = z * z;
        vec a = fma3(z2, fma3(z2, -0x1.aa285788aaa42p-26, line(z, 0x1.71d9a9f41c5a9p-19, -0x1.a019fd9b35ee5p-13)),
                     line(z, 0x1.1111110fd3d43p-7, -0x1.555555555516bp-3));
        vec b = fma3(z2, fma3(z2, 0x1.1c81c3531fff2p-29, line(z, -0x1.27e25f4bb4e6fp-22, 0x1.a019ff53a6a1cp-16)),
                     line(z, -0x1.6c16c16b614fcp-10, 0x1.5555555555437p-5));
        vec sine = fma3(t * z, a, t), cosine = fma3(z2, b, line(z, -0.5, 1.0));
        out[2 * j] = (vec)((uvec)(r[j] * (cosine - sine)) ^ ((two << 32) & SIGN));
        out[2 * j + 1] = (vec)((uvec)(r[j] * (cosine + sine)) ^ ((two << 33) & SIGN));
    }
}

#endif
