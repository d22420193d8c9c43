/* Finite networks for the instructions every machine of this architecture has (SSE2, NEON). */
#define WIDTH 2
#include "_isa.h"
#ifdef ISA_NAME
#include "_network_map.h"
#endif
#include "_isa_end.h"

#if ISA_IS_X86
extern const Networks dmft_network_avx2, dmft_network_avx512;
#endif

int dmft_networks(const Networks *sets[3])
{
    int n = 0;
#if ISA_IS_X86
    if (ISA_HAS_8) sets[n++] = &dmft_network_avx512;
    if (ISA_HAS_4) sets[n++] = &dmft_network_avx2;
#endif
    sets[n++] = &dmft_network_baseline;
    return n;
}
