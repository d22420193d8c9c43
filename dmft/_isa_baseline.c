/* The map for the instructions every machine of this architecture has (SSE2, NEON). */
#define WIDTH 2
#include "_isa.h"
#ifdef ISA_NAME
#define KERNELS ISA(dmft)
#define NAME ISA_NAME
#include "_attention_map.h"
#endif
#include "_isa_end.h"

int dmft_supported(const Kernels *sets[3])
{
    int n = 0;
#if ISA_IS_X86
    if (ISA_HAS_8) sets[n++] = &dmft_avx512;
    if (ISA_HAS_4) sets[n++] = &dmft_avx2;
#endif
    sets[n++] = &dmft_baseline;
    return n;
}
