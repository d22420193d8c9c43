/* Orbits for the instructions every machine of this architecture has (SSE2, NEON). */
#define WIDTH 2
#include "_isa.h"
#ifdef ISA_NAME
#include "_attention_orbits.h"
#endif
#include "_isa_end.h"

#define SET(name) (Kernels){#name, &dmft_orbits_##name, &dmft_spectra_##name, &dmft_steps_##name}

int dmft_supported(Kernels sets[3])
{
    int n = 0;
#if ISA_IS_X86
    if (ISA_HAS_8) sets[n++] = SET(avx512);
    if (ISA_HAS_4) sets[n++] = SET(avx2);
#endif
    sets[n++] = SET(baseline);
    return n;
}
