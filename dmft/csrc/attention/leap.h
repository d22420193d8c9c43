/* Steps of a large frame that are taken together: multiplied by their Jacobians one after another, made orthogonal once.
 *
 * Rounding errors of a product of Jacobians are those of the largest stretch that its factors may have, and tell in the
 * least stretches. So steps go together where the squared stretch of every tangent is more than 1 / CONTRAST of the product of
 * bounds of |J|^2, which is known when the frame is orthogonal: errors are below 2^-28 of any stretch then. Where one is not,
 * all is put back, and the steps are taken one by one.
 * The two sides differ: where the softmax hardly takes the oldest key J^-T is steep, but most direct tangents are not those
 * that J annihilates.
 */
#ifndef DMFT_LEAP_H
#define DMFT_LEAP_H

#include "large.h"

/* Tangents from `begin` to `end` go to where `repair_point` keeps some, or come back from there. */
INLINE void keep_side(Point *p, int begin, int end, int back)
{
    double *side = tangent(p, begin);
    const ptrdiff_t n = end - begin;
    memcpy(back ? side : p->spare, back ? p->spare : side, n * p->next * sizeof(double));
    memcpy(back ? p->inverse + begin : p->kept_inverse, back ? p->kept_inverse : p->inverse + begin, n * sizeof(double));
    memcpy(back ? p->power + begin : p->kept_power, back ? p->kept_power : p->power + begin, n * sizeof(double));
    if (back) memset(p->removed + begin, 0, n * sizeof(double));
}

/* Steps from i on, up to `end`, whose stretches are bounded well enough to be tried together: how many, 1 if only one. */
INLINE int n_together(const Point *p, int side, int i, int end)
{
    double product = p->steps[i].most[side];
    int n = 1;
    for (; i + n < end && product * p->steps[i + n].most[side] < CONTRAST; n++) product *= p->steps[i + n].most[side];
    return n;
}

/* n steps of one side, from the i-th on, at once: whether they could be. */
APART int leap(Point *p, int side, int i, int n)
{
    const int begin = side ? p->n_direct : 0, end = side ? p->n_tangents : p->n_direct, even = begin + ((end - begin + 1) & ~1);
    p->leapt = 1.0;
    for (int k = 0; k < n; k++) p->leapt *= p->steps[i + k].most[side];
    p->contrasts = p->doubt[side] = p->may_repair = p->n_pivots = 0;
    keep_side(p, begin, even, 0);
    for (int c = begin; c < end && !p->contrasts && !ASKED(p->b, c - begin, panel_work(p)); c += PANEL) {
        const int left = even - c, m = left < PANEL ? left : PANEL;
        for (int k = 0; k < n; k++) {
            const int oldest = at_step(p, i + k);
            if (side) {
                make_z(p, oldest, c, m);
                propagate_dual_tangents(p, oldest, c, m, 0);
            } else propagate_tangents(p, oldest, c, m);
        }
        take_panels(p, begin, c, c, m);
        finish_panel(p, side, c, m);
        know_panel(p, c, m);
    }
    if (p->contrasts) keep_side(p, begin, even, 1);
    else
        for (int k = begin; k < end; k++) scale_length(p, k);
    return !p->contrasts;
}

/* Steps from i on, up to `end`, of the dual tangents alone. */
INLINE void leap_dual(Point *p, int i, int end)
{
    for (int n; p->n_dual && i < end; i += n) {
        n = n_together(p, 1, i, end);
        if (n > 1 && leap(p, 1, i, n)) continue;
        for (int k = 0; k < n; k++) step_point(p, i + k, 0, 1, 1, 1);
    }
}

/* n steps, made orthogonal as seldom as they can be. */
INLINE void leap_point(Point *p, int n_steps)
{
    for (int i = 0, n; i < n_steps; i += n) {
        n = n_together(p, 0, i, n_steps);
        if (n > 1 && leap(p, 0, i, n)) leap_dual(p, i, i + n);
        else
            for (int k = 0; k < n; k++) step_point(p, i + k, 1, 1, 1, 1);
    }
}

#endif
