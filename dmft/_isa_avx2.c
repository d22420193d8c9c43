/* The map on 256-bit registers. Without fused multiply-add, so that bits agree. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#define KERNELS dmft_avx2
#define NAME "avx2"
#define WIDTH 4
#include "_attention_map.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
