/* Averages of the exact response over a Gaussian field of mean t and deviation s a component, in units in which the
 * response is A(|k|) k/|k|: a sum over nodes along the mean field and nodes of the square of what is across it. */
#ifndef DMFT_SPINS_AVERAGES_H
#define DMFT_SPINS_AVERAGES_H

#include "ratio.h"
#include "spins.h"

typedef struct { vec over, slope, bend; } averaged;

/* Below this t/s the mean along t would lose digits when divided by t; it is the mean slope across t as well. */
#define SHORT 1e-2

INLINE averaged average_of(double D, const Rule *rule, vec t, vec s, int wanted)
{
    averaged sum = {0};
    vec direct = splat(0.0), across = splat(0.0);
    ivec is_short = t < SHORT * s;
    int some_short = any(is_short | (t == 0.0));
    vec s_over_t = s / where(t == 0.0, splat(1.0), t);
    for (int j = 0; j < rule->n_across; j++) {
        vec c = s * s * rule->across[j];
        for (int i = 0; i < rule->n_along; i++) {
            double w = rule->across_weight[j] * rule->along_weight[i];
            vec k = t + s * rule->along[i], x2 = fma3(k, k, c), x = vsqrt(x2);
            bessel b = wanted == VALUE ? (some_short ? bessel_of(D, x, SLOPE) : bessel_of(D, x, VALUE))
                                       : bessel_of(D, x, BEND);
            vec value = w * b.over;
            direct = fma3(value, 1.0 + s_over_t * rule->along[i], direct);
            if (some_short) across = fma3(value, 1.0 - b.drop * c / (D - 1.0), across);
            if (wanted != VALUE) {
                sum.slope = fma3(value, 1.0 - b.drop * k * k, sum.slope);
                /* half of ((D + 2) (A/x)'/x + x^2 ((A/x)'/x)'/x) k, over k; k/t is averaged below */
                vec second = b.drop * (b.drop + b.over) - b.next_over * b.next_drop;
                vec half = 0.5 * (x2 * second - (D + 2.0) * b.drop);
                sum.bend = fma3(value * half, 1.0 + s_over_t * rule->along[i], sum.bend);
            }
        }
    }
    sum.over = where(is_short | (t == 0.0), across, direct);
    return sum;
}

#endif
