/* Normal numbers that are a function of where they are used, for as many paths as a register has lanes.
 *
 * A call of philox32.h gives four words, and by Box and Muller's transform four normal numbers. Uniforms have 32 bits:
 * no normal number is beyond 6.8.
 *
 * key: seed; counter: which four numbers of a path (64 bits), path (64 bits)
 */
#ifndef DMFT_NORMALS_H
#define DMFT_NORMALS_H

#include "../philox32.h"

INLINE vec root(vec x)
{
#ifdef VECTOR
    return VECTOR(sqrt)(x);
#else
    for (int i = 0; i < WIDTH; i++) x[i] = sqrt(x[i]);
    return x;
#endif
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

/* The 4 n normal numbers from place 4 `four` on of the streams of `path`; n is a constant. */
INLINE void many_normals(const int n, uint64_t seed, uvec path, uint64_t four, vec *out)
{
    uvec keys[20], a[4], b[4], c[4], d[4];
    philox32_keys(seed, keys);
    for (int j = 0; j < n; j++) {
        a[j] = same((four + (uint64_t)j) & LOW32);
        b[j] = same((four + (uint64_t)j) >> 32);
        c[j] = path;
        d[j] = path >> 32;
    }
    philox32(n, keys, a, b, c, d);
    for (int j = 0; j < n; j++) {
        normal_pair(a[j] & LOW32, b[j] & LOW32, out + 4 * j, out + 4 * j + 1);
        normal_pair(c[j] & LOW32, d[j] & LOW32, out + 4 * j + 2, out + 4 * j + 3);
    }
}

#endif
