/* One step of a frame of tangents: multiplied by the Jacobian, made orthogonal again.
 *
 * Where the softmax or the tokens saturate, J annihilates directions to more digits than a
 * double has, and the last columns of its QR decomposition J Q = Q' R are rounding noise. But
 * J^-T Q = Q' R^-T: the last columns again come out of Gram-Schmidt from the last one back, with
 * lengths 1 / |R_ii|, and now the most annihilated comes first. So the last n_dual tangents are
 * carried by J^-T. In `frame` they follow the others in this reverse order.
 */
#ifndef DMFT_FRAME_H
#define DMFT_FRAME_H

#include "repair.h"
#include "steep.h"

/* Tangent i, orthogonal to those before it, has the squared length `size`: keeps the account of its
   stretch; returns false if the tangent was scaled, so that its products must be taken again. */
INLINE int accept(SIZES, const Block *b, int g, int i, int dual, vec size)
{
    /* `inverse` is still that of the step before, `removed` the squared length of what was taken away. */
    const vec stretch = size * b->inverse[i][g], image = fma3(b->removed[i][g], b->inverse[i][g], stretch);
    const vec largest = dual ? image : vmax(b->largest[0][g], image);
    b->removed[i][g] = splat(0.0);
    const ivec mended = b->may_repair[0][g] > 0.0;
    const vec part = dual ? least_part(b, g) : where(mended, splat(REPAIR), splat(LOST));
    ivec lost = ~(stretch > largest * part) | ~(size > UNDERFLOWN);
    if (!dual) {
        b->largest[0][g] = largest;
        /* What does not move annihilates all. Any other zero may have come of numbers too small to be held. */
        lost &= ~(b->beta[g] * b->semantic[g] == 0.0);
        /* Where one of the first M is lost, errors outlive the step: they are mended, but count as lost. */
        const ivec leading = ~(stretch > largest * LOST) & (splat((double)i) < (double)M);
        b->leading[0][g] = where(leading & mended, splat(1.0), b->leading[0][g]);
        const ivec first = lost & mended & (b->first_lost[0][g] > (double)i);
        b->first_lost[0][g] = where(first, splat((double)i), b->first_lost[0][g]);
        lost &= ~mended;
    }
    if (dual && i == b->job->n_tangents) lost = (ivec){0}; /* the zeros beside an odd one */
    lost |= (ivec)b->doubt[dual][g];
    b->doubt[dual][g] = (vec)lost;
    b->lost[i][g] += where(lost, splat(1.0), splat(0.0));
    if (!any(((size < FAINT) & (size > 0.0)) | (size > HUGE_NORM))) return 1;
    mend(L * M, b->frame + i * PITCH((ptrdiff_t)L * M), g, &size, b->power + i);
    return 0;
}

/* The squared length of tangent i and its product with the next one. */
INLINE void products(SIZES, const Block *b, int g, int i, int side)
{
    const ptrdiff_t rows = L * M;
    vec size = splat(0.0), along = splat(0.0);
    EACH_ROW(x, &b->frame[i * PITCH(rows)][g]) {
        size = fma3(x[0], x[0], size);
        along = fma3(x[0], x[NEXT_COLUMN], along);
    }
    b->size[side][g] = size;
    b->along[side][g] = along;
}

/* From the products `one` and `two` of a pair, i and i + 1, with n tangents, c and on, to their parts
   along the pair. Its second is orthogonal to its first up to rounding only: `cross` makes up for
   it, as if the first part had been taken out of the others first (modified Gram-Schmidt). */
INLINE void parts(const Block *b, int g, int i, int c, const int n, vec *one, vec *two)
{
    const vec inverse = b->inverse[i][g], other_inverse = b->inverse[i + 1][g], cross = b->cross[i][g];
    for (int k = 0; k < n; k++) {
        const vec first_part = one[k] * inverse;
        const vec rest = fnma3(first_part, cross, two[k]), second_part = rest * other_inverse;
        b->removed[c + k][g] = fma3(one[k], first_part, fma3(rest, second_part, b->removed[c + k][g]));
        one[k] = first_part;
        two[k] = second_part;
    }
}

/* Tangents i and i + 1, orthogonal to those before them, are made so to each other, and their parts
   are taken out of the n after them. The squared length of the first and its product with the second
   are known (`size`, `along`), and will be those of the next pair. */
INLINE void finish(SIZES, const Block *b, int g, int side, int i, const int n)
{
    const ptrdiff_t rows = L * M;
    vec *pair = &b->frame[i * PITCH(rows)][g];
    vec one[PANEL], two[PANEL], size, along, cross;
    if (!accept(M, L, H, b, g, i, side, b->size[side][g])) products(M, L, H, b, g, i, side);
    const vec inverse = inverse_or_zero(b->size[side][g]);
    along = b->along[side][g];
    vec part = along * inverse;
    b->inverse[i][g] = inverse;
    b->removed[i + 1][g] = fma3(along, part, b->removed[i + 1][g]);
    for (int done = 0;; done = 1) {
        size = cross = splat(0.0);
        for (int k = 0; k < n; k++) one[k] = two[k] = splat(0.0);
        EACH_ROW(at, pair) {
            const vec p = at[0], q = fnma3(part, p, at[NEXT_COLUMN]);
            at[NEXT_COLUMN] = q;
            size = fma3(q, q, size);
            cross = fma3(p, q, cross);
            for (int k = 0; k < n; k++) {
                const vec x = LOADED(at[(2 + k) * NEXT_COLUMN]);
                one[k] = fma3(p, x, one[k]);
                two[k] = fma3(q, x, two[k]);
            }
        }
        if (done || accept(M, L, H, b, g, i + 1, side, size)) break;
        part = splat(0.0); /* the second was scaled: its products again */
    }
    b->cross[i][g] = cross;
    b->inverse[i + 1][g] = inverse_or_zero(size);
    if (n == 0) return;
    parts(b, g, i, i + 2, n, one, two);
    size = along = splat(0.0);
    EACH_ROW(at, pair) {
        const vec p = at[0], q = at[NEXT_COLUMN];
        vec x[PANEL];
        for (int k = 0; k < n; k++) {
            x[k] = fnma3(two[k], q, fnma3(one[k], p, at[(2 + k) * NEXT_COLUMN]));
            at[(2 + k) * NEXT_COLUMN] = x[k];
        }
        size = fma3(x[0], x[0], size);
        along = fma3(x[0], x[1], along);
    }
    b->size[side][g] = size;
    b->along[side][g] = along;
}

/* The parts of n tangents, c and on, along all finished ones from i on are taken out, pair by pair: what
   takes one pair out takes the products with the next, so that the n tangents are gone through once
   a pair. */
INLINE void take_out(SIZES, const Block *b, int g, int i, int c, const int n)
{
    const ptrdiff_t rows = L * M;
    vec *pair = &b->frame[i * PITCH(rows)][g];
    vec one[PANEL], two[PANEL];
    for (int k = 0; k < n; k++) one[k] = two[k] = splat(0.0);
    ptrdiff_t others = (c - i) * NEXT_COLUMN;
    EACH_ROW(at, pair)
        for (int k = 0; k < n; k++) {
            const vec x = LOADED(at[others + k * NEXT_COLUMN]);
            one[k] = fma3(at[0], x, one[k]);
            two[k] = fma3(at[NEXT_COLUMN], x, two[k]);
        }
    for (; i < c; i += 2, pair += 2 * NEXT_COLUMN, others -= 2 * NEXT_COLUMN) {
        vec first_part[PANEL], second_part[PANEL];
        parts(b, g, i, c, n, one, two);
        for (int k = 0; k < n; k++) {
            first_part[k] = one[k];
            second_part[k] = two[k];
            one[k] = two[k] = splat(0.0);
        }
        const ptrdiff_t next = i + 2 < c ? 2 * NEXT_COLUMN : 0; /* after the last pair: itself, for nothing */
        EACH_ROW(at, pair) {
            const vec p = at[0], q = at[NEXT_COLUMN], next_p = LOADED(at[next]), next_q = LOADED(at[next + NEXT_COLUMN]);
            for (int k = 0; k < n; k++) {
                const vec x = fnma3(second_part[k], q, fnma3(first_part[k], p, at[others + k * NEXT_COLUMN]));
                at[others + k * NEXT_COLUMN] = x;
                one[k] = fma3(next_p, x, one[k]);
                two[k] = fma3(next_q, x, two[k]);
            }
        }
    }
}

#define TAKE_OUT(n) take_out(M, L, H, b, g, begin[side], c, n)
#define IN_TURNS(side, g) for (int side = 0; side < n_sides; side++) EACH(g)
#define PROPAGATE(n) propagate(M, L, H, b, g, phase, c, n)
#define PROPAGATE_DUAL(n) propagate_dual(M, L, H, b, g, phase, c, n, steep)
#define PROPAGATE_READY(n) propagate_dual(M, L, H, b, g, phase, c, n, 1)
#define FINISH(n) finish(M, L, H, b, g, side, c, n)

/* Direct tangents again, in the lanes and from the one on that are lost: they follow the dual ones, which are finished,
   as the next of their side. A tangent y, of image z there, is stretched by |y| / |z|. `cleared`: pivots are taken out of them. */
APART void repair(SIZES, const Block *b, int g, int phase, int n_tangents, int cleared)
{
    const ptrdiff_t rows = L * M;
    const int n_direct = n_tangents - b->job->n_dual, begin[2] = {0, n_direct};
    const int kept = KEPT(n_tangents, b->job->n_dual);
    int first = n_direct;
    for (int i = 0; i < WIDTH; i++) first = b->first_lost[0][g][i] < first ? (int)b->first_lost[0][g][i] : first;
    const int end = kept + n_direct - (first & ~1); /* they go two by two */
    if (!cleared) clear_kept(M, L, H, b, g, NEXT(phase), kept, end);
    for (int panel = kept; panel < end; panel += PANEL) {
        const int c = panel, n = end - c, side = 1;
        FOR_PANEL(n, PROPAGATE_READY);
        FOR_PANEL(n, TAKE_OUT);
        products(M, L, H, b, g, c, side);
        for (int c = panel; c < panel + PANEL && c < end; c += 2) {
            const int after = panel + PANEL - 2 - c, left = end - 2 - c, n = left < after ? left : after;
            if (n > 0) FOR_PANEL(n, FINISH);
            else FINISH(0);
        }
    }
    for (int k = kept; k < end; k++) {
        const int i = n_direct - 1 - (k - kept);
        const vec *z = &b->frame[k * PITCH(rows)][g];
        const vec factor = b->inverse[k][g] / b->kept_inverse[k - kept][g] * b->shrink[0][g];
        /* An image beyond the numbers tells nothing. */
        const ivec lost = b->first_lost[0][g] <= (double)i, here = lost & (factor > 0.0) & (factor < INFINITY);
        vec *column = &b->frame[i * PITCH(rows)][g];
        for (ptrdiff_t r = 0; r < rows; r++)
            column[r * GROUPS] = where(here, z[r * GROUPS] * factor, column[r * GROUPS]);
        /* What was scaled on the way is scaled by as much in the other direction. */
        b->power[i][g] = where(here, 2.0 * b->kept_power[k - kept][g] - b->power[k][g], b->power[i][g]);
        const vec loss = where(here, vmax(b->lost[k][g], b->leading[0][g]), splat(1.0));
        b->lost[i][g] += where(lost, loss, splat(0.0));
        vec size = squared_length(rows, g, b->frame + i * PITCH(rows));
        if (any(((size < FAINT) & (size > 0.0)) | (size > HUGE_NORM))) {
            mend(rows, b->frame + i * PITCH(rows), g, &size, b->power + i);
            size = squared_length(rows, g, b->frame + i * PITCH(rows));
        }
        b->inverse[i][g] = inverse_or_zero(size);
    }
}

/* The same with arrays of one vector of its own, so that the block's may stay in registers. */
INLINE void start_repair(SIZES, const Block *b, int g, int phase, int n_tangents, int cleared)
{
    pack size[2], along[2], doubt[2], condition[1], first_lost[1], may_repair[1], shrink[1], remain[1], leading[1];
    doubt[1][g] = b->doubt[1][g];
    condition[0][g] = b->condition[0][g];
    first_lost[0][g] = b->first_lost[0][g];
    may_repair[0][g] = splat(0.0);
    remain[0][g] = b->remain[0][g];
    leading[0][g] = b->leading[0][g];
    shrink[0][g] = b->shrink[0][g];
    const Block some = {
        .job = b->job, .frame = b->frame, .jacobian = b->jacobian, .power = b->power,
        .lost = b->lost, .inverse = b->inverse, .removed = b->removed, .cross = b->cross, .size = size,
        .along = along, .doubt = doubt, .condition = condition, .inverse_block = b->inverse_block,
        .first_lost = first_lost, .may_repair = may_repair, .shrink = shrink, .pivot = b->pivot, .pivot_length = b->pivot_length, .pivot_rest = b->pivot_rest,
        .remain = remain, .leading = leading, .chosen = b->chosen, .factor = b->factor,
        .kept_inverse = b->kept_inverse, .kept_power = b->kept_power, .fresh = b->fresh, .again = b->again};
    repair(M, L, H, &some, g, phase, n_tangents, cleared);
}

/* One step of the frame: propagated and, if `qr`, made orthogonal by modified Gram-Schmidt
   without roots or logarithms: tangents keep their length up to a power of two, which goes to
   `power` where they are `scaled`. They go two by two, an odd number beside a tangent of zeros.
   The two sides take turns, so that neither waits for its own divisions. */
INLINE void step_frame(SIZES, Block *b, int n_tangents, int phase, int qr, int scaled)
{
    const int n_dual = b->job->n_dual, n_sides = n_dual > 0 ? 2 : 1, oldest = NEXT(phase);
    const int begin[2] = {0, n_tangents - n_dual}, end[2] = {n_tangents - n_dual, n_tangents};
    int steep = 0;
    if (n_dual) EACH(g) steep |= invert_oldest(M, L, H, b, g, phase, 1);
    EACH(g) b->first_lost[0][g] = splat((double)begin[1]), b->may_repair[0][g] = b->leading[0][g] = splat(0.0);
    b->repairs = 0;
    int propagated = 0;
    if (steep) EACH(g) propagated |= clear_steep(M, L, H, b, g, oldest, b->job->qr_interval == 1);
    const double work = 2.0 * PANEL * L * M * (M + n_tangents); /* of a panel */
    for (int panel = 0; (panel < end[0] || panel < n_dual) && !ENDED(b, panel + 1, work); panel += PANEL) {
        IN_TURNS(side, g) {
            const int c = begin[side] + panel, n = end[side] - c;
            if (side && !propagated) FOR_PANEL(n, PROPAGATE_DUAL);
            if (!side) FOR_PANEL(n, PROPAGATE);
        }
        if (!qr) continue;
        IN_TURNS(side, g) {
            const int c = begin[side] + panel, n = end[side] - c;
            if (panel > 0) FOR_PANEL(n, TAKE_OUT);
            if (n > 0) products(M, L, H, b, g, c, side);
        }
        for (int i = panel; i < panel + PANEL; i += 2)
            IN_TURNS(side, g) {
                const int c = begin[side] + i, after = panel + PANEL - 2 - i, left = end[side] - 2 - c;
                const int n = left < after ? left : after;
                if (n > 0) FOR_PANEL(n, FINISH);
                else if (left > -2) FINISH(0);
            }
    }
    if (!qr) return;
    if (b->repairs) EACH(g)
        if (any(b->first_lost[0][g] < (double)begin[1])) start_repair(M, L, H, b, g, phase, n_tangents, 0);
    if (scaled) EACH(g)
        scale_columns((ptrdiff_t)L * M, g, (ivec){0} == 0, n_tangents, b->frame, b->inverse, b->power);
    EACH(g) forget_step(b, g);
}

#endif
