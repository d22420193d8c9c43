/* Products with the generator of spins that flip one at a time, without its table; compiled once for each instruction set.
 * The twin is `net_flow` of dmft/thermodynamics/reference.py.
 */
#include "flips.h"

#include "../simd.h"

enum { BLOCK = 1 << 11 }; /* states whose sums stay in the nearest cache */

static void net_flow(int n, const double *rates, const double *p, double *out)
{
    const ptrdiff_t n_states = (ptrdiff_t)1 << n, size = n_states < BLOCK ? n_states : BLOCK;
    for (ptrdiff_t start = 0; start < n_states; start += size) {
        double *sum = out + start;
        for (ptrdiff_t k = 0; k < size; k++) sum[k] = 0.0;
        for (int i = 0; i < n; i++) {
            const ptrdiff_t turned = n_states >> (i + 1);
            const double *rate = rates + i * n_states;
            if (turned >= size) { /* into another block */
                const double *here = rate + start, *there = rate + (start ^ turned);
                const double *p_here = p + start, *p_there = p + (start ^ turned);
                for (ptrdiff_t k = 0; k < size; k++) sum[k] += there[k] * p_there[k] - here[k] * p_here[k];
                continue;
            }
            for (ptrdiff_t pair = start; pair < start + size; pair += 2 * turned)
                for (ptrdiff_t k = pair; k < pair + turned; k++) {
                    const double up = rate[k] * p[k], down = rate[k + turned] * p[k + turned];
                    out[k] += down - up;
                    out[k + turned] += up - down;
                }
        }
    }
    leave_wide_registers();
}

const Flips ISA(dmft_flips) = {net_flow};
