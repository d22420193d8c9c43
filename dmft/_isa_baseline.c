/* The map for the instructions every machine of this architecture has (SSE2, NEON). */
#define KERNELS dmft_baseline
#define NAME "baseline"
#define WIDTH 2
#include "_attention_map.h"

int dmft_supported(const Kernels *sets[3])
{
    int n = 0;
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl")) sets[n++] = &dmft_avx512;
    if (__builtin_cpu_supports("avx2")) sets[n++] = &dmft_avx2;
#endif
    sets[n++] = &dmft_baseline;
    return n;
}
