/* The map on 512-bit registers. Without fused multiply-add, so that bits agree. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl")
#endif
#define KERNELS dmft_avx512
#define NAME "avx512"
#define WIDTH 8
#include "_attention_map.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
