/* Which of some states lies nearest to another one: they are sorted by one of their components, and looked through from
 * there to both sides, a vector of them at a time, for as long as that component alone does not part them.
 */
#include <math.h>

#include "series.h"

#include "../simd.h"

INLINE vec loaded(const double *x)
{
    vec v;
    __builtin_memcpy(&v, x, sizeof v);
    return v;
}

/* x: (n_dim, N_BESIDE + n + N_BESIDE), sorted by a component, infinite beside the states; states: (n_states, n_dim),
   those that are asked about; place: (n_states,), of the first state of x that is not below it, which is not counted if
   it is its `own`. neighbour: OUT (n_states,), the place of the nearest one, -1 where there is none; distance: OUT
   (n_states,). */
void ISA(dmft_nearest)(ptrdiff_t n, ptrdiff_t n_dim, ptrdiff_t component, const double *x, ptrdiff_t n_states,
                       const double *states, const int64_t *place, int own, int64_t *neighbour, double *distance,
                       int (*stopped)(void *), void *crew)
{
    const ptrdiff_t stride = n + 2 * N_BESIDE;
    const double *first = x + N_BESIDE, *sorted = first + component * stride;
    for (ptrdiff_t i = 0; i < n_states; i++) {
        if (i % 64 == 0 && stopped(crew)) break;
        const double *here = states + i * n_dim;
        double best = INFINITY;
        ptrdiff_t found = -1, high = place[i] + (own != 0), low = place[i] - 1;
        for (;;) {
            const double up = high < n ? sorted[high] - here[component] : INFINITY;
            const double down = low >= 0 ? here[component] - sorted[low] : INFINITY, gap = up < down ? up : down;
            if (!(gap * gap < best)) break;
            const ptrdiff_t begin = up < down ? high : low - WIDTH + 1;
            if (up < down) high += WIDTH;
            else low -= WIDTH;
            vec square = splat(0.0);
            for (ptrdiff_t k = 0; k < n_dim; k++) {
                const vec apart = loaded(first + k * stride + begin) - splat(here[k]);
                square += apart * apart;
            }
            if (any(square < splat(best)))
                for (int k = 0; k < WIDTH; k++)
                    if (square[k] < best) best = square[k], found = begin + k;
        }
        neighbour[i] = found;
        distance[i] = sqrt(best);
    }
    leave_wide_registers();
}
