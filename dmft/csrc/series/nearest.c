/* Which of some states lie near each other: those that are sorted by one of their components, looked through from each
 * state to both sides for as long as that component alone does not part them.
 */
#include <math.h>

#include "series.h"

/* The square of the distance, or a number that is not below `most`. */
static inline double apart(ptrdiff_t n_dim, const double *a, const double *b, double most)
{
    double sum = 0.0;
    for (ptrdiff_t k = 0; k < n_dim && sum < most;)
        for (const ptrdiff_t end = k + 4 < n_dim ? k + 4 : n_dim; k < end; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sum;
}

/* x: (n, n_dim), sorted by a component; neighbour: OUT (n,), the place of the nearest other one, -1 where there is
   none; distance: OUT (n,). */
void dmft_nearest(ptrdiff_t n, ptrdiff_t n_dim, ptrdiff_t component, const double *x, int64_t *neighbour,
                  double *distance, int (*stopped)(void *), void *crew)
{
    for (ptrdiff_t i = 0; i < n && !stopped(crew); i++) {
        const double *here = x + i * n_dim;
        double best = INFINITY;
        ptrdiff_t at = -1, low = i - 1, high = i + 1;
        while (low >= 0 || high < n) {
            const double down = low >= 0 ? here[component] - x[low * n_dim + component] : INFINITY;
            const double up = high < n ? x[high * n_dim + component] - here[component] : INFINITY;
            const ptrdiff_t j = high >= n || down < up ? low-- : high++;
            const double step = down < up ? down : up;
            if (step * step >= best) break;
            const double square = apart(n_dim, here, x + j * n_dim, best);
            if (square < best) best = square, at = j;
        }
        neighbour[i] = at;
        distance[i] = sqrt(best);
    }
}

/* Whether a state of one kind comes within a radius of one of the other; kind: (n,), 0 or not. */
int dmft_meet(ptrdiff_t n, ptrdiff_t n_dim, ptrdiff_t component, const double *x, const unsigned char *kind,
              double radius, int (*stopped)(void *), void *crew)
{
    for (ptrdiff_t i = 0; i < n && !stopped(crew); i++) {
        const double *here = x + i * n_dim;
        for (ptrdiff_t j = i + 1; j < n && x[j * n_dim + component] - here[component] <= radius; j++)
            if (!kind[i] != !kind[j] && sqrt(apart(n_dim, here, x + j * n_dim, INFINITY)) <= radius) return 1;
    }
    return 0;
}
