/* What _jumps.pyx and the compiled flows of spins share. Nothing is checked here and nothing allocated. */
#ifndef DMFT_FLIPS_H
#define DMFT_FLIPS_H

#include <stddef.h>

/* out = L p over the 2^n states of n spins (site 0 is the slowest bit), from the rate of the flips of each at every state,
   rates (n, 2^n). */
typedef struct { void (*net_flow)(int n, const double *rates, const double *p, double *out); } Flips;

extern const Flips dmft_flips_baseline, dmft_flips_avx2, dmft_flips_avx512;

#endif
