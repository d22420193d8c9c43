/* A step of a large frame: point by point, as step_frame takes one for a vector of points (frame.h), with the same accounts.
 *
 * What the numbers of one point decide, branches do: as many pivots as there are features, nothing where J^-T is not steep.
 * The map and its Jacobian are made for a vector of points before.
 */
#ifndef DMFT_LARGE_H
#define DMFT_LARGE_H

#include "frame.h"
#include "panels.h"

INLINE double larger(double x, double y) { return x > y ? x : y; }
INLINE int is_far(double size) { return (size < FAINT && size > 0.0) || size > HUGE_NORM; }

/* Take 2^order out of tangent i. */
APART void scale_tangent(const Point *p, int i, ivec order)
{
    double *x = tangent(p, i);
    const vec factor = inverse_power(order);
    for (ptrdiff_t r = 0; r < p->padded; r += WIDTH) put(x + r, get(x + r) * factor);
    p->power[i] += (double)order[0];
}

/* The length of tangent i, as a power of two, goes to `power`. */
INLINE void scale_length(const Point *p, int i)
{
    const ivec order = -binary_order(splat(p->inverse[i]));
    const double factor = inverse_power(-order)[0];
    scale_tangent(p, i, order);
    p->inverse[i] = (p->inverse[i] * factor) * factor;
}

/* As `accept`: false if the tangent was scaled. */
INLINE int accept_tangent(Point *p, int i, int dual, double size)
{
    const double stretch = size * p->inverse[i], image = fma(p->removed[i], p->inverse[i], stretch);
    const double largest = dual ? image : larger(p->largest, image);
    const double part = dual ? p->least : p->may_repair ? REPAIR : LOST;
    int lost = !(stretch > largest * part) || !(size > UNDERFLOWN);
    p->removed[i] = 0.0;
    if (p->leapt > 0.0) {
        lost = 0;
        if (i < p->n_tangents) p->contrasts |= !(stretch * CONTRAST > p->leapt);
    } else if (!dual) {
        p->largest = largest;
        lost = lost && !p->still;
        if (p->may_repair) {
            if (i < p->M && !(stretch > largest * LOST)) p->leading = 1.0;
            if (lost && p->first_lost > i) p->first_lost = i;
            lost = 0;
        }
    }
    if (dual && i == p->n_tangents) lost = 0; /* the zeros beside an odd one */
    lost = p->doubt[dual] = lost || (p->doubt[dual] && p->leapt == 0.0);
    p->lost[i] += lost;
    if (!is_far(size)) return 1;
    scale_tangent(p, i, binary_order(splat(size)));
    return 0;
}

/* As `finish`: `start` has the squared length of tangent i and its product with the next one, and will have those of the
   next pair. */
INLINE void finish_pair(Point *p, int dual, int i, const int n, double *start)
{
    const ptrdiff_t next = p->next;
    double *pair = tangent(p, i);
    EIGHT(one);
    EIGHT(two);
    if (!accept_tangent(p, i, dual, start[0])) products_of(p, pair, 1, pair, 2, start);
    const double inverse = p->inverse[i] = inverse_of(start[0]);
    double part = start[1] * inverse;
    p->removed[i + 1] = fma(start[1], part, p->removed[i + 1]);
    for (int done = 0;; done = 1) {
        SUMS(ones, PANEL);
        SUMS(twos, PANEL);
        EACH_PIECE(h) {
            vec size = splat(0.0), cross = splat(0.0), first[PANEL], second[PANEL];
            UNROLL for (int k = 0; k < n; k++) first[k] = second[k] = splat(0.0);
            for (ptrdiff_t r = h * WIDTH; r < p->padded; r += 8) {
                const vec x = get(pair + r), y = fnma3(part, x, get(pair + next + r));
                put(pair + next + r, y);
                size = fma3(y, y, size);
                cross = fma3(x, y, cross);
                UNROLL for (int k = 0; k < n; k++) {
                    const vec z = LOADED(get(pair + (2 + k) * next + r));
                    first[k] = fma3(x, z, first[k]);
                    second[k] = fma3(y, z, second[k]);
                }
            }
            UNROLL for (int k = 0; k < n; k++) ones[h][k] = first[k], twos[h][k] = second[k];
            ones[h][n] = size, ones[h][n + 1] = cross;
        }
        totals(ones[0], PANEL, n + 2, one);
        if (n) totals(twos[0], PANEL, n, two);
        if (done || accept_tangent(p, i + 1, dual, one[n])) break;
        part = 0.0; /* the second was scaled: its products again */
    }
    const double other = p->inverse[i + 1] = inverse_of(one[n]), cross = one[n + 1];
    if (n == 0) return;
    for (int k = 0; k < n; k++) {
        const double first = one[k] * inverse, rest = fma(-first, cross, two[k]), second = rest * other;
        p->removed[i + 2 + k] = fma(one[k], first, fma(rest, second, p->removed[i + 2 + k]));
        one[k] = first;
        two[k] = second;
    }
    SUMS(sums, 2);
    EACH_PIECE(h) {
        vec size = splat(0.0), along = splat(0.0);
        for (ptrdiff_t r = h * WIDTH; r < p->padded; r += 8) {
            const vec x = get(pair + r), y = get(pair + next + r);
            vec z[PANEL];
            UNROLL for (int k = 0; k < n; k++) {
                z[k] = fnma3(two[k], y, fnma3(one[k], x, get(pair + (2 + k) * next + r)));
                put(pair + (2 + k) * next + r, z[k]);
            }
            size = fma3(z[0], z[0], size);
            along = fma3(z[0], z[1], along);
        }
        sums[h][0] = size, sums[h][1] = along;
    }
    totals(sums[0], 2, 2, start);
}

/* Tangents c and on of a side, n of them, a panel at most, orthogonal to all before, are made so to one another. */
APART void finish_panel(Point *p, int dual, int c, int n)
{
    EIGHT(start);
    products_of(p, tangent(p, c), 1, tangent(p, c), 2, start);
    for (; n > 2; c += 2, n -= 2) n == 6 ? finish_pair(p, dual, c, 4, start) : finish_pair(p, dual, c, 2, start);
    finish_pair(p, dual, c, 0, start);
}

/* ---- what J^-T stretches most (steep.h) ---- */

/* y'_0 of n tangents, c and on, to `z`. */
INLINE void make_z(const Point *p, int oldest, int c, int n)
{
    const int M = p->M;
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) p->aged[a * p->numbers + k] = tangent(p, c + k)[oldest * M + a];
    for (int a = 0; a < M; a++) {
        double *z = p->z + a * p->numbers;
        for (int k = 0; k < n; k++) z[k] = p->inverse_block[a * M] * p->aged[k];
        for (int d = 1; d < M; d++)
            for (int k = 0; k < n; k++) z[k] = fma(p->inverse_block[a * M + d], p->aged[d * p->numbers + k], z[k]);
    }
}

/* The component that pivot i has chosen is cleared of `z` of the tangents from `begin` to n; `taken` is what is taken out. */
INLINE void clear_chosen(const Point *p, int i, int begin, int n)
{
    const double *x = p->pivot_z + i * p->M, factor = p->factor[i];
    double *taken = p->taken + i * p->numbers, *chosen = p->z + (int)p->chosen[i] * p->numbers;
    for (int k = 0; k < begin; k++) taken[k] = 0.0;
    for (int k = begin; k < n; k++) taken[k] = chosen[k] * factor;
    for (int a = 0; a < p->M; a++) {
        double *z = p->z + a * p->numbers;
        for (int k = begin; k < n; k++) z[k] = fma(-taken[k], x[a], z[k]);
    }
    for (int k = begin; k < n; k++) chosen[k] = 0.0;
}

/* The last pivot, tangent k of the dual ones, is taken out of the z of those after it; their other rows are left to
   propagate_dual_tangents. */
INLINE void clear_by(Point *p, int k, int n)
{
    const int i = p->n_pivots - 1, begin = p->n_direct;
    const double *x = p->pivot_z + i * p->M, *taken = p->taken + i * p->numbers;
    double *removed = p->removed + begin, *pivot = p->pivots + i * p->next, rest = 0.0;
    for (int a = 0; a < p->M; a++) rest = a == p->chosen[i] ? rest : fma(x[a], x[a], rest);
    const double length = p->pivot_length[i] = 1.0 / p->inverse[begin + k] + removed[k];
    p->pivot_rest[i] = rest;
    clear_chosen(p, i, k + 1, n);
    for (int j = k + 1; j < n; j++) {
        removed[j] = fma(taken[j] * taken[j], length, removed[j]);
        p->cancelled[j] = fma(taken[j] * taken[j], rest, p->cancelled[j]);
    }
    double *own = tangent(p, begin + k);
    take_out_of(p, p->pivots, i, own, 1, p->taken + k, p->numbers);
    for (int d = 0; d < i; d++) p->taken[d * p->numbers + k] = 0.0;
    for (ptrdiff_t r = 0; r < p->padded; r++) pivot[r] = own[r];
}

/* As clear_steep, of dual tangents whose y'_0 are in `z`. */
INLINE void clear_steep_of(Point *p, int step, int repairable)
{
    const int M = p->M, n = p->n_dual, width = M / p->H;
    const double steep = p->shrink * p->shrink * (STEEP * STEEP);
    double volume = p->steps[step].volume;
    int n_left = M, last = 0;
    for (int a = 0; a < M; a++) p->left[a] = 1;
    for (int j = 0; j < n; j++) p->cancelled[j] = 0.0;
    for (int k = 0; k < n && n_left; k++) {
        double most = 0.0;
        int chosen = -1;
        last = k + 1;
        for (int a = 0; a < M; a++) {
            const double size = fabs(p->z[a * p->numbers + k]) * p->left[a];
            if (size > most) chosen = a;
            most = larger(most, size);
        }
        if (!(most * most * p->inverse[p->n_direct + k] > steep) || chosen < 0) continue;
        const int i = p->n_pivots++;
        for (int a = 0; a < M; a++) p->pivot_z[i * M + a] = p->z[a * p->numbers + k];
        const double pivot = p->pivot_z[i * M + chosen];
        const double weight = p->weights[step * p->H + chosen / width] * (pivot / p->shrink);
        p->chosen[i] = chosen;
        p->factor[i] = 1.0 / pivot;
        p->left[chosen] = 0;
        n_left--;
        volume *= weight * weight * p->inverse[p->n_direct + k];
        clear_by(p, k, n);
    }
    for (int j = 0; j < last; j++) p->removed[p->n_direct + j] += p->cancelled[j];
    p->remain = n_left > 0;
    p->may_repair = repairable && (n_left || !(volume > MAY_REPAIR));
}

/* J^-T for n tangents, c and on, whose y'_0 are in `z` from k on; pivots are taken out of them before. */
INLINE void propagate_dual_tangents(const Point *p, int oldest, int c, int n, int k)
{
    double *x = tangent(p, c);
    take_out_of(p, p->pivots, p->n_pivots, x, n, p->taken + k, p->numbers);
    take_out_of(p, p->jacobian, p->M, x, n, p->z + k, p->numbers);
    for (int j = 0; j < n; j++)
        for (int a = 0; a < p->M; a++) x[j * p->next + oldest * p->M + a] = p->z[a * p->numbers + k + j];
}

/* J times n tangents, c and on. */
INLINE void propagate_tangents(const Point *p, int oldest, int c, int n)
{
    double *x = tangent(p, c);
    products_of(p, p->jacobian, p->M, x, n, p->aged);
    for (int j = 0; j < n; j++)
        for (int a = 0; a < p->M; a++) x[j * p->next + oldest * p->M + a] = p->aged[a * 8 + j];
}

/* ---- direct tangents that come as well from J^-T (frame.h) ---- */

/* As keep_frame: n direct tangents, c and on, as they are before the step. */
INLINE void keep_tangents(const Point *p, int c, int n)
{
    for (int i = c; i < c + n; i++) {
        const int k = p->n_direct - 1 - i;
        const double *x = tangent(p, i);
        double *to = p->spare + k * p->next;
        for (ptrdiff_t r = 0; r < p->padded; r += WIDTH) put(to + r, get(x + r));
        p->inverse[p->kept + k] = p->kept_inverse[k] = p->inverse[i];
        p->power[p->kept + k] = p->kept_power[k] = p->power[i];
    }
}

/* As clear_kept, of n of them. */
INLINE void clear_spare(const Point *p, int oldest, int n)
{
    make_z(p, oldest, p->kept, n);
    for (int k = p->kept; k < p->kept + n; k++) {
        double *x = tangent(p, k);
        for (ptrdiff_t r = 0; r < p->padded; r++) x[r] *= p->shrink;
        p->lost[k] = p->removed[k] = 0.0;
    }
    for (int i = 0; i < p->n_pivots; i++) {
        const double *taken = p->taken + i * p->numbers, length = fma(p->remain, p->pivot_rest[i], p->pivot_length[i]);
        clear_chosen(p, i, 0, n);
        for (int k = 0; k < n; k++)
            p->removed[p->kept + k] = fma(taken[k] * taken[k], length, p->removed[p->kept + k]);
    }
}

/* As `repair`. */
INLINE void repair_point(Point *p, int oldest)
{
    const int kept = p->kept, n = p->n_direct - (p->first_lost & ~1), end = kept + n;
    p->may_repair = 0;
    clear_spare(p, oldest, n);
    for (int c = kept; c < end && !ASKED(p->b, c - kept, PANEL / 4.0 * p->rows * end); c += PANEL) {
        const int width = end - c < PANEL ? end - c : PANEL;
        propagate_dual_tangents(p, oldest, c, width, c - kept);
        take_panels(p, p->n_direct, kept, c, width);
        take_panels(p, kept, c, c, width);
        finish_panel(p, 1, c, width);
        know_panel(p, c, width);
    }
    for (int k = kept; k < end; k++) {
        const int i = p->n_direct - 1 - (k - kept);
        const double factor = p->inverse[k] / p->kept_inverse[k - kept] * p->shrink, *z = tangent(p, k);
        double *x = tangent(p, i);
        if (i < p->first_lost) continue;
        if (!(factor > 0.0 && factor < INFINITY)) { /* an image beyond the numbers tells nothing */
            p->lost[i] += 1.0;
        } else {
            for (ptrdiff_t r = 0; r < p->padded; r++) x[r] = z[r] * factor;
            /* What was scaled on the way is scaled by as much in the other direction. */
            p->power[i] = 2.0 * p->kept_power[k - kept] - p->power[k];
            p->lost[i] += larger(p->lost[k], p->leading);
        }
        double size = length_of(p, i);
        if (is_far(size)) {
            scale_tangent(p, i, binary_order(splat(size)));
            size = length_of(p, i);
        }
        p->inverse[i] = inverse_of(size);
    }
}

/* ---- one step ---- */

/* What else a step needs of the block, and what J^-T stretches if dual tangents are taken through it. */
INLINE int begin_point(Point *p, int step, int dual, int repairable)
{
    const Block *b = p->b;
    const int M = p->M, lane = p->lane, oldest = at_step(p, step);
    p->still = b->beta[0][lane] * b->semantic[0][lane] == 0.0;
    p->first_lost = p->n_direct;
    p->largest = p->leading = p->leapt = 0.0;
    p->may_repair = p->doubt[0] = p->doubt[1] = p->n_pivots = 0;
    if (!p->n_dual || !dual) return oldest;
    if (p->shrink != 1.0) /* as `brace` */
        for (int i = p->n_direct; i < p->n_tangents; i++) {
            double *x = tangent(p, i);
            scale_length(p, i);
            for (ptrdiff_t r = 0; r < p->rows; r++)
                if (r / M != oldest) x[r] *= p->shrink;
        }
    make_z(p, oldest, p->n_direct, p->n_dual);
    for (int a = 0; a < M && p->n_dual & 1; a++) p->z[a * p->numbers + p->n_dual] = 0.0;
    for (int i = 0; i < M && p->n_dual & 1; i++) p->taken[i * p->numbers + p->n_dual] = 0.0;
    if (p->steps[step].steep > 0.0) clear_steep_of(p, step, repairable);
    return oldest;
}

/* Multiply-adds of a panel, in registers. */
INLINE double panel_work(const Point *p) { return PANEL / 4.0 * p->rows * (p->M + p->n_tangents / 4); }

/* As step_frame, of one side or both, with the i-th of the steps that are taken together. */
APART void step_point(Point *p, int step, int direct, int dual, int qr, int scaled)
{
    const int oldest = begin_point(p, step, dual, direct && p->b->job->qr_interval == 1);
    for (int side = !direct; side < 1 + (dual && p->n_dual > 0); side++) {
        const int begin = side ? p->n_direct : 0, end = side ? p->n_tangents : p->n_direct;
        for (int c = begin; c < end && !ASKED(p->b, c - begin, panel_work(p)); c += PANEL) {
            const int left = (end - c + 1) & ~1, n = left < PANEL ? left : PANEL;
            if (side) propagate_dual_tangents(p, oldest, c, n, c - begin);
            else {
                if (p->may_repair) keep_tangents(p, c, n);
                propagate_tangents(p, oldest, c, n);
            }
            if (!qr) continue;
            take_panels(p, begin, c, c, n);
            finish_panel(p, side, c, n);
            know_panel(p, c, n);
        }
    }
    if (!qr) return;
    if (p->first_lost < p->n_direct) repair_point(p, oldest);
    for (int i = direct ? 0 : p->n_direct; scaled && i < (dual ? p->n_tangents : p->n_direct); i++) scale_length(p, i);
}

#endif
