/* What J^-T stretches most, taken out before it is stretched.
 *
 * Where y'_0 is far longer than y was, the images of all tangents have nearly the same direction, and Gram-Schmidt
 * would find rounding noise in their differences. But J^-T (y - c x) differs from J^-T y by what Gram-Schmidt takes
 * out anyway if x is a dual tangent before y. So each one with a long y'_0, a pivot, clears that one's largest component
 * from those after it, exactly and before they are propagated: in a lane M tangents do, and the others have no
 * y'_0 left.
 */
#ifndef DMFT_STEEP_H
#define DMFT_STEEP_H

#include "propagate.h"

/* y'_0 of a tangent in the place of y_oldest. */
INLINE void make_ready(SIZES, const Block *b, int g, vec *oldest)
{
    const vec *inverse = &b->inverse_block[0][g];
    TEMPORARY(again, M);
    for (int a = 0; a < M; a++) {
        again[a] = inverse[a * M * GROUPS] * oldest[0];
        for (int d = 1; d < M; d++) again[a] = fma3(inverse[(a * M + d) * GROUPS], oldest[d * GROUPS], again[a]);
    }
    for (int a = 0; a < M; a++) oldest[a * GROUPS] = again[a];
}

/* Clears the component of z = y'_0 that a pivot with the part x_0 has `chosen`; returns how much is taken out. */
INLINE vec clear_component(const int M, int g, const pack *chosen, vec factor, const vec *x, vec *z)
{
    vec part = chosen[0][g] * z[0];
    for (int a = 1; a < M; a++) part = fma3(chosen[a][g], z[a * GROUPS], part);
    part *= factor;
    for (int a = 0; a < M; a++)
        z[a * GROUPS] = where(chosen[a][g] > 0.0, splat(0.0), fnma3(part, x[a * GROUPS], z[a * GROUPS]));
    return part;
}

/* Rows other than z of the tangents after a pivot, less what is `taken` of it. */
INLINE void clear_rows(SIZES, const Block *b, int g, int oldest, vec *columns, int n, int i, const pack *taken)
{
    const vec *x = columns + i * (PITCH(L * M) * GROUPS);
    for (int j = i + 1; j < n; j++) {
        vec *y = columns + j * (PITCH(L * M) * GROUPS);
        const vec part = taken[j][g];
        for (int r = 0; r < oldest * M * GROUPS; r += GROUPS) y[r] = fnma3(part, x[r], y[r]);
        for (int r = (oldest + 1) * M * GROUPS; r < L * M * GROUPS; r += GROUPS) y[r] = fnma3(part, x[r], y[r]);
    }
}

/* The same with all pivots, which are among the first n_pivots, and J^-T at once: the n tangents, a panel at most, are gone
   through once. They go to `pivot` too if they are kept. */
INLINE void clear_and_propagate(SIZES, const Block *b, int g, int oldest, vec *columns, const int n, const int n_pivots,
                                const int keep)
{
    const ptrdiff_t rows = L * M;
    const vec *z = columns + oldest * M * GROUPS;
    for (int s = 0; s < L; s++)
        for (int r = s * M; s != oldest && r < (s + 1) * M; r++) {
            vec *row = columns + r * GROUPS, x[PANEL], factor[PANEL];
            UNROLL for (int a = 0; a < M; a++) factor[a] = LOADED(b->jacobian[a * rows + r][g]);
            UNROLL for (int j = 0; j < n; j++) {
                vec y = row[j * NEXT_COLUMN];
                UNROLL for (int i = 0; i < n_pivots; i++)
                    if (i < j) y = fnma3(b->taken[i * n + j][g], x[i], y);
                if (j < n_pivots) x[j] = y;
                if (keep) b->pivot[j * PITCH(rows) + r][g] = y;
                UNROLL for (int a = 0; a < M; a++) y = fnma3(factor[a], z[j * NEXT_COLUMN + a * GROUPS], y);
                row[j * NEXT_COLUMN] = y;
            }
        }
}

/* Direct tangents as they are before the step, from the last one to the first, behind the dual ones; and the pivots. */
#define KEPT(n_tangents, n_dual) ((n_tangents) + ((n_dual) & 1))
INLINE void keep_frame(SIZES, const Block *b, int g, int oldest, int at_once)
{
    const ptrdiff_t rows = L * M;
    const int n_dual = b->job->n_dual, n_direct = b->job->n_tangents - n_dual, kept = KEPT(b->job->n_tangents, n_dual);
    for (int k = 0; k < n_direct; k++) {
        const vec *from = &b->frame[(n_direct - 1 - k) * PITCH(rows)][g];
        vec *to = &b->frame[(kept + k) * PITCH(rows)][g];
        for (ptrdiff_t r = 0; r < rows; r++) to[r * GROUPS] = from[r * GROUPS];
        b->kept_inverse[k][g] = b->inverse[n_direct - 1 - k][g];
        b->kept_power[k][g] = b->power[n_direct - 1 - k][g];
    }
    for (int i = 0; i < n_dual; i++) {
        if (!any(b->factor[i][g] != 0.0)) continue;
        const vec *from = &b->frame[(n_direct + i) * PITCH(rows)][g];
        vec *to = &b->pivot[i * PITCH(rows)][g];
        for (ptrdiff_t r = at_once ? oldest * M : 0; r < (at_once ? (oldest + 1) * M : rows); r++)
            to[r * GROUPS] = from[r * GROUPS];
    }
}

/* All dual tangents are made ready and cleared. What is left of the volume of the direct ones tells whether these
   may have to be repaired: it is |det C| times the product of the pivots. Returns whether they are propagated too. */
#define MAY_REPAIR 0x1p-44
INLINE int clear_steep(SIZES, Block *b, int g, int oldest, int repairable)
{
    const ptrdiff_t rows = L * M;
    const int n = __builtin_constant_p(M) ? USUAL_DUAL(L * M) : b->job->n_dual;
    const int n_direct = b->job->n_tangents - b->job->n_dual, width = M / H;
    vec *columns = &b->frame[n_direct * PITCH(rows)][g], *z = columns + oldest * M * GROUPS;
    pack *inverse = b->inverse + n_direct, *removed = b->removed + n_direct;
    const vec shrink = b->shrink[0][g], steep = shrink * shrink * (STEEP * STEEP);
    vec volume = b->volume[0][g];
    TEMPORARY(left, M);
    for (int a = 0; a < M; a++) left[a] = b->steep[0][g];
    for (int k = 0; k < n; k++) make_ready(M, L, H, b, g, z + k * NEXT_COLUMN);
    const int at_once = __builtin_constant_p(M) && M <= PANEL && n <= PANEL;
    int more = n > 0;
    for (int i = 0; i < n; i++) b->factor[i][g] = b->cancelled[i][g] = splat(0.0);
    for (int k = 0; at_once && k < n * n; k++) b->taken[k][g] = splat(0.0);
    int last = 0;
    for (int i = 0; i < n && more; i++) {
        last = i + 1;
        vec *x = z + i * NEXT_COLUMN, most = splat(0.0), pivot = splat(1.0), weight = splat(0.0);
        pack *chosen = b->chosen + i * M;
        vec open_rows = splat(0.0);
        for (int a = 0; a < M; a++) open_rows = vmax(open_rows, left[a]);
        b->cancelled[i][g] = where(open_rows > 0.0, b->cancelled[i][g], splat(0.0));
        for (int a = 0; a < M; a++) {
            const vec size = vmax(x[a * GROUPS], -x[a * GROUPS]) * left[a];
            pivot = where(size > most, x[a * GROUPS], pivot);
            most = vmax(most, size);
        }
        const ivec go = most * most * inverse[i][g] > steep;
        const vec factor = b->factor[i][g] = where(go, 1.0 / pivot, splat(0.0));
        if (!any(go)) continue;
        ivec open = go;
        more = 0;
        for (int a = 0; a < M; a++) {
            const ivec here = open & (x[a * GROUPS] == pivot) & (left[a] > 0.0);
            open &= ~here;
            chosen[a][g] = where(here, splat(1.0), splat(0.0));
            weight = where(here, b->weight[a / width * L + oldest][g], weight);
            left[a] = where(here, splat(0.0), left[a]);
            more |= any(left[a] > 0.0);
        }
        weight *= pivot / shrink;
        volume = where(go, volume * (weight * weight * inverse[i][g]), volume);
        pack *taken = b->taken + (at_once ? i : 0) * n;
        for (int j = i + 1; j < n; j++)
            taken[j][g] = clear_component(M, g, chosen, factor, x, z + j * NEXT_COLUMN);
        /* Of its squared length, and of what others have added, for those that it is taken from. */
        const vec length = (1.0 / inverse[i][g]) + removed[i][g];
        /* What is left of its z has cancelled in theirs, which tells where they have one in the end. */
        vec rest = splat(0.0);
        for (int a = 0; a < M; a++) rest = fma3((1.0 - chosen[a][g]) * x[a * GROUPS], x[a * GROUPS], rest);
        b->pivot_length[i][g] = length;
        b->pivot_rest[i][g] = rest;
        for (int j = i + 1; j < n; j++) {
            const vec part = taken[j][g];
            removed[j][g] = fma3(part * part, length, removed[j][g]);
            b->cancelled[j][g] = fma3(part * part, rest, b->cancelled[j][g]);
        }
        if (!at_once) clear_rows(M, L, H, b, g, oldest, columns, n, i, taken);
    }
    for (int i = 0; i < last; i++) removed[i][g] += b->cancelled[i][g];
    b->remain[0][g] = splat(0.0);
    for (int a = 0; a < M; a++) {
        volume *= 1.0 - left[a];
        b->remain[0][g] = vmax(b->remain[0][g], left[a]);
    }
    const ivec may = repairable ? (b->steep[0][g] > 0.0) & ~(volume > MAY_REPAIR) : (ivec){0};
    const int keep = any(may);
    b->may_repair[0][g] = where(may, splat(1.0), splat(0.0));
    b->repairs |= keep;
    if (keep) keep_frame(M, L, H, b, g, oldest, at_once);
    const int few = at_once && M < n ? M : n; /* most often they are the first ones */
    if (at_once && keep) clear_and_propagate(M, L, H, b, g, oldest, columns, n, n, 1);
    else if (at_once && last > few) clear_and_propagate(M, L, H, b, g, oldest, columns, n, n, 0);
    else if (at_once) clear_and_propagate(M, L, H, b, g, oldest, columns, n, few, 0);
    return at_once;
}

/* What was kept, from one place of `frame` to another, by the same pivots. */
INLINE void clear_kept(SIZES, const Block *b, int g, int oldest, int kept, int end)
{
    const ptrdiff_t rows = L * M;
    for (int k = kept; k < end; k++) {
        vec *y = &b->frame[k * PITCH(rows)][g], *z = y + oldest * M * GROUPS;
        for (ptrdiff_t r = 0; r < rows; r++)
            if (r / M != oldest) y[r * GROUPS] *= b->shrink[0][g];
        make_ready(M, L, H, b, g, z);
        b->inverse[k][g] = b->kept_inverse[k - kept][g];
        b->power[k][g] = b->kept_power[k - kept][g];
        b->lost[k][g] = b->removed[k][g] = splat(0.0);
        for (int i = 0; i < b->job->n_dual; i++) {
            const vec *x = &b->pivot[i * PITCH(rows)][g];
            if (!any(b->factor[i][g] != 0.0)) continue;
            const vec part = clear_component(M, g, b->chosen + i * M, b->factor[i][g], x + oldest * M * GROUPS, z);
            b->removed[k][g] = fma3(part * part, fma3(b->remain[0][g], b->pivot_rest[i][g], b->pivot_length[i][g]),
                                    b->removed[k][g]);
            for (ptrdiff_t r = 0; r < rows; r++)
                if (r / M != oldest) y[r * GROUPS] = fnma3(part, x[r * GROUPS], y[r * GROUPS]);
        }
    }
}

#endif
