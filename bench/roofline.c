/* Loops whose speed is this core's limit; compiled by roofline.py once for each instruction set. */
#include "simd.h"

#define CHAINS 12 /* independent, to hide the latencies; with the constants they fit 16 registers */

static volatile double seed = 1.5;

double multiply_add(long turns)
{
    vec x[CHAINS], a = splat(seed * 0.25), b = splat(seed);
    for (int k = 0; k < CHAINS; k++) x[k] = splat(seed + k);
    for (long t = 0; t < turns; t++)
        for (int k = 0; k < CHAINS; k++) x[k] = fma3(x[k], a, b);
    for (int k = 1; k < CHAINS; k++) x[0] += x[k];
    return x[0][0];
}

double division(long turns)
{
    vec x[CHAINS], b = splat(seed);
    for (int k = 0; k < CHAINS; k++) x[k] = splat(seed + k);
    for (long t = 0; t < turns; t++)
        for (int k = 0; k < CHAINS; k++) x[k] = b / x[k];
    for (int k = 1; k < CHAINS; k++) x[0] += x[k];
    return x[0][0];
}

/* The package's functions on CHAINS vectors in the first cache. */
#define APPLY(name, expression)                                                      \
    double name(long turns)                                                          \
    {                                                                                \
        vec x[CHAINS], y[CHAINS], sum = splat(0.0);                                  \
        for (int k = 0; k < CHAINS; k++) x[k] = splat(-seed - k), y[k] = splat(0.0); \
        for (long t = 0; t < turns; t++) {                                           \
            for (int k = 0; k < CHAINS; k++) y[k] = expression(x[k]);                \
            __asm__ volatile("" : : "r"(x), "r"(y) : "memory");                      \
        }                                                                            \
        for (int k = 0; k < CHAINS; k++) sum += y[k];                                \
        return sum[0];                                                               \
    }

INLINE vec vtanh(vec x)
{
    ratio t = tanh_ratio(x);
    return t.numerator * (1.0 / t.denominator);
}

APPLY(exponential, vexp)
APPLY(tangent, vtanh)

/* CHAINS dependent multiplications of integers a turn: three cycles each. */
double cycles(long turns)
{
    long x = 3;
    for (long t = 0; t < turns; t++)
        for (int k = 0; k < CHAINS; k++) {
#if defined(__x86_64__)
            __asm__ volatile("imul %0, %0" : "+r"(x));
#elif defined(__aarch64__)
            __asm__ volatile("mul %0, %0, %0" : "+r"(x));
#endif
        }
    return (double)x;
}
