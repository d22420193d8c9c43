/* Compile the rest of a file for the instruction set of vectors of WIDTH doubles: defines
 * ISA_NAME and ISA(x) = x_<name>, or nothing where the architecture has no such set. Ends
 * with _isa_end.h. A function clone attribute would be shorter, but GCC lowers vector types
 * before it makes the clones.
 */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h> /* before any target pragma */
#endif
#if WIDTH == 2 /* what every machine of this architecture has (SSE2, NEON) */
#define ISA_NAME "baseline"
#define ISA(name) name##_baseline
#elif defined(__x86_64__) && defined(__GNUC__) && WIDTH == 4
#define ISA_NAME "avx2"
#define ISA(name) name##_avx2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#elif defined(__x86_64__) && defined(__GNUC__) && WIDTH == 8
#define ISA_NAME "avx512"
#define ISA(name) name##_avx512
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl")
#endif
#endif

/* Whether this machine runs the set of that width. */
#if defined(__x86_64__) && defined(__GNUC__)
#define ISA_HAS_8 (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") \
                   && __builtin_cpu_supports("avx512vl"))
#define ISA_HAS_4 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define ISA_IS_X86 1
#else
#define ISA_IS_X86 0
#endif
