/* The kernel of orbits for few points: one group, which a second would only keep waiting. */
#define GROUPS 1
#define ORBITS dmft_few
#include "orbits.c"
