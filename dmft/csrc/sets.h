/* The choice of an instruction set: which ones were built, and which of them this machine runs.
 *
 * Included by the doors (.pyx) alone. setup.py defines DMFT_AVX2 and DMFT_AVX512 where it builds
 * these sets. A set is known by its place among those that were built, best first.
 */
#ifndef DMFT_SETS_H
#define DMFT_SETS_H

#ifdef DMFT_AVX512
#define IF_AVX512(...) __VA_ARGS__
#else
#define IF_AVX512(...)
#endif
#ifdef DMFT_AVX2
#define IF_AVX2(...) __VA_ARGS__
#else
#define IF_AVX2(...)
#endif

/* An initializer with one item a set. */
#define EACH_SET(item) {IF_AVX512(item(avx512), ) IF_AVX2(item(avx2), ) item(baseline)}

#define SET_NAME(isa) #isa
static const char *const SET_NAMES[] = EACH_SET(SET_NAME);
enum { N_SETS = sizeof SET_NAMES / sizeof *SET_NAMES };

/* Whether this machine runs the i-th set. */
static inline int set_runs(int i)
{
    static const int runs_baseline = 1;
#ifdef DMFT_AVX2
    const int runs_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#ifdef DMFT_AVX512
    const int runs_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                            && __builtin_cpu_supports("avx512vl");
#endif
#define SET_RUNS(isa) runs_##isa
    const int runs[] = EACH_SET(SET_RUNS);
    return runs[i];
}

#endif
