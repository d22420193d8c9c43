/* The kernel of orbits for few points, and for windows that two groups would not hold in the first cache: one group,
 * which a second would only keep waiting. */
#define GROUPS 1
#define ORBITS dmft_few
#include "orbits.c"
