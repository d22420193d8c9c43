/* A step of a small frame, whose direct and whose dual tangents are a panel each: as cholesky.h has it. The old frame stays
 * until the end, for tangents that have to be repaired.
 */
#ifndef DMFT_SMALL_H
#define DMFT_SMALL_H

#include "cholesky.h"

/* Whether a job's frames take such steps: all tangents of windows of four tokens with three features, on every instruction
   set. */
static int is_small(const Job *job)
{
    return job->n_features == 3 && job->n_context == 4 && job->n_heads == 1 && job->n_tangents == 12 && job->n_dual == 6
        && job->qr_interval == 1;
}

/* x y - z w, with an error of two units in the last place however much cancels (Kahan). */
INLINE vec cross_product(vec x, vec y, vec z, vec w)
{
    const vec product = z * w;
    return fma3(x, y, -product) + fnma3(z, w, product);
}

/* The inverse of C^T for three features and one head, by cross products, in `inverse_block`, and its
   condition. What rounding does to the determinant, a common factor, is no more than invert_oldest's errors. Returns where
   it may be out of range. */
INLINE ivec invert_three(const Block *b, int g, int oldest)
{
    const pack *c = b->oldest;
    const vec weight = b->weight[oldest][g];
    vec cross[9], condition = splat(0.0), largest = splat(0.0);
    for (int a = 0; a < 3; a++) {
        const pack *x = c + (a + 1) % 3 * 3, *y = c + (a + 2) % 3 * 3;
        for (int k = 0; k < 3; k++) {
            const int m = (k + 1) % 3, n = (k + 2) % 3;
            cross[a * 3 + k] = cross_product(x[m][g], y[n][g], x[n][g], y[m][g]);
        }
    }
    const vec volume = fma3(c[2][g], cross[2], fma3(c[1][g], cross[1], c[0][g] * cross[0]));
    const vec scale = 1.0 / (volume * weight), inverse = scale * weight, size = vmax(volume, -volume);
    for (int a = 0; a < 3; a++) {
        vec row[3];
        for (int k = 0; k < 3; k++) row[k] = c[a * 3 + k][g];
        condition = fma3(short_dot(3, row, row), short_dot(3, cross + a * 3, cross + a * 3), condition);
    }
    for (int k = 0; k < 9; k++) {
        const vec x = b->inverse_block[k][g] = cross[k] * scale;
        largest = vmax(largest, vmax(x, -x));
    }
    b->steep[0][g] = where(~(largest * 3.0 <= STEEP), splat(1.0), splat(0.0));
    b->condition[0][g] = condition * inverse * inverse;
    b->shrink[0][g] = splat(1.0);
    return ~((size > 0x1p-300) & (size < 0x1p+300)) | ~(weight >= SLIGHT);
}

/* The inverse of C^T, by cross products where these do. */
INLINE void invert_block(SIZES, const Block *b, int g, int phase)
{
    const int n = b->job->n_dual, begin = L * M - n, oldest = NEXT(phase);
    const ivec far = invert_three(b, g, oldest);
    if (!any(far)) return;
    vec inverse[9];
    for (int k = 0; k < 9; k++) inverse[k] = b->inverse_block[k][g];
    const vec steep = b->steep[0][g], condition = b->condition[0][g];
    b->condition[0][g] = splat(0.0);
    for (int k = 0; k < n; k++) b->inverse[begin + k][g] = inverse_or_zero(b->squared[k][g]);
    invert_oldest(M, L, H, b, g, phase, 1);
    const ivec slight = b->shrink[0][g] < 1.0;
    for (int k = 0; k < n; k++)
        b->squared[k][g] = where(slight, inverse_or_zero(b->inverse[begin + k][g]), b->squared[k][g]);
    for (int k = 0; k < 9; k++) b->inverse_block[k][g] = where(far, b->inverse_block[k][g], inverse[k]);
    b->steep[0][g] = where(far, b->steep[0][g], steep);
    b->condition[0][g] = where(far, b->condition[0][g], condition);
}

/* Pivots among the dual tangents, whose y'_0 are in z: as clear_steep, but z is made orthogonal to that of a pivot instead
   of clear of one component. In a lane with M pivots the others have none left. What is `taken` of each for those after it,
   and the squared length of what is `removed` from these. */
INLINE void clear_newest(SIZES, const Block *b, int g, const int n, const pack *squared, vec *z, vec *taken,
                          vec *removed)
{
    const vec shrink = b->shrink[0][g], steep = shrink * shrink * (STEEP * STEEP);
    vec cancelled[PANEL], open = b->steep[0][g] * (double)M; /* pivots that are wanting */
    int last = 0;
    for (int i = 0; i < n; i++) b->factor[i][g] = b->pivot_length[i][g] = b->pivot_rest[i][g] = splat(0.0);
    UNROLL for (int k = 0; k < n; k++) cancelled[k] = removed[k] = splat(0.0);
    UNROLL for (int k = 0; k < n * n; k++) taken[k] = splat(0.0);
    for (int i = 0; i < n && any(open > 0.0); i++) {
        last = i + 1;
        const vec *x = z + i * M;
        vec most = x[0] * x[0], rest = splat(0.0); /* what cancels in theirs but along its largest component */
        for (int a = 1; a < M; a++) {
            const vec square = x[a] * x[a];
            rest -= vmax(-most, -square);
            most = vmax(most, square);
        }
        const vec size = most + rest;
        cancelled[i] = where(open > 0.0, cancelled[i], splat(0.0));
        const ivec go = (size > squared[i][g] * steep) & (open > 0.0);
        const vec factor = b->factor[i][g] = where(go, 1.0 / size, splat(0.0));
        const vec length = b->pivot_length[i][g] = squared[i][g] + removed[i];
        b->pivot_rest[i][g] = rest;
        open -= where(go, splat(1.0), splat(0.0));
        const ivec done = go & (open == 0.0);
        for (int j = i + 1; j < n; j++) {
            vec *y = z + j * M, part = x[0] * y[0];
            for (int a = 1; a < M; a++) part = fma3(x[a], y[a], part);
            part *= factor;
            for (int a = 0; a < M; a++)
                y[a] = where(done, splat(0.0), fnma3(part, x[a], y[a]));
            taken[i * n + j] = part;
            removed[j] = fma3(part * part, length, removed[j]);
            cancelled[j] = fma3(part * part, rest, cancelled[j]);
        }
    }
    for (int i = 0; i < last; i++) removed[i] += cancelled[i];
    b->remain[0][g] = where(open > 0.0, splat(1.0), splat(0.0));
}

/* As make_ready has it. */
INLINE vec short_product(const int n, const vec *x, const vec *y)
{
    vec sum = x[0] * y[0];
    for (int i = 1; i < n; i++) sum = fma3(x[i * GROUPS], y[i * GROUPS], sum);
    return sum;
}

/* J^-T times the dual tangents, which goes to `moved`; `clear`: where it is steep. */
INLINE void move_dual(SIZES, const Block *b, int g, int oldest, const int n, const int clear, const vec *columns, vec *moved,
                      const vec *newest, const vec *taken, vec *mutual)
{
    const ptrdiff_t rows = L * M;
    vec sum[N_MUTUAL];
    UNROLL for (int k = 0; k < N_MUTUAL; k++) sum[k] = splat(0.0);
    for (int s = 0; s < L; s++)
        for (int r = s * M; r < (s + 1) * M; r++) {
            vec y[PANEL];
            if (s == oldest) {
                UNROLL for (int j = 0; j < n; j++) y[j] = newest[j * M + r - s * M];
            } else {
                UNROLL for (int j = 0; j < n; j++) {
                    y[j] = columns[r * GROUPS + j * NEXT_COLUMN];
                    if (clear) UNROLL for (int i = 0; i < n; i++)
                        if (i < j) y[j] = fnma3(taken[i * n + j], y[i], y[j]);
                }
                for (int a = 0; a < M; a++) {
                    const vec factor = LOADED(b->jacobian[a * rows + r][g]);
                    UNROLL for (int j = 0; j < n; j++) y[j] = fnma3(factor, newest[j * M + a], y[j]);
                }
            }
            UNROLL for (int j = 0; j < n; j++) moved[r * GROUPS + j * NEXT_COLUMN] = y[j];
            add_mutual(n, y, sum);
        }
    UNROLL for (int k = 0; k < N_MUTUAL; k++) mutual[k] = sum[k];
}

/* What start_repair wants of a step that step_small has made: the dual tangents' lengths and products, and the direct
   ones of before, out of which the pivots are taken. */
INLINE void repair_small(SIZES, const Block *b, int g, int phase)
{
    const ptrdiff_t rows = L * M;
    const int n = b->job->n_dual, n_direct = L * M - n, oldest = NEXT(phase);
    const vec *newest = &b->newest[0][g];
    for (int i = 0; i < n; i++) {
        const pack *x = b->frame + (n_direct + i) * PITCH(rows);
        vec cross = splat(0.0);
        for (ptrdiff_t r = 0; i % 2 == 0 && r < rows; r++) cross = fma3(x[r][g], x[PITCH(rows) + r][g], cross);
        b->cross[n_direct + i][g] = cross;
        b->inverse[n_direct + i][g] = inverse_or_zero(b->squared[i][g]);
    }
    for (int k = 0; k < n_direct; k++) {
        const vec *from = &b->moved[(n_direct - 1 - k) * PITCH(rows)][g];
        const int kept = L * M + k;
        vec *y = &b->frame[kept * PITCH(rows)][g], *z = y + oldest * M * GROUPS, part[PANEL], removed = splat(0.0);
        for (ptrdiff_t r = 0; r < rows; r++)
            y[r * GROUPS] = r / M == oldest ? from[r * GROUPS] : from[r * GROUPS] * b->shrink[0][g];
        make_ready(M, L, H, b, g, z);
        for (int i = 0; i < n; i++) {
            const vec *x = newest + i * M;
            part[i] = x[0] * z[0];
            for (int a = 1; a < M; a++) part[i] = fma3(x[a], z[a * GROUPS], part[i]);
            part[i] *= b->factor[i][g];
            for (int a = 0; a < M; a++) z[a * GROUPS] = fnma3(part[i], x[a], z[a * GROUPS]);
            removed = fma3(part[i] * part[i], fma3(b->remain[0][g], b->pivot_rest[i][g], b->pivot_length[i][g]), removed);
        }
        for (int a = 0; a < M; a++) z[a * GROUPS] = where(b->remain[0][g] > 0.0, z[a * GROUPS], splat(0.0));
        /* From parts of the pivots to parts of what these are made of. */
        for (int i = n - 1; i >= 0; i--) {
            for (int j = 0; j < i; j++) part[j] = fnma3(b->taken[j * n + i][g], part[i], part[j]);
            const vec *x = &b->moved[(n_direct + i) * PITCH(rows)][g];
            for (ptrdiff_t r = 0; r < rows; r++)
                if (r / M != oldest) y[r * GROUPS] = fnma3(part[i], x[r * GROUPS], y[r * GROUPS]);
        }
        b->inverse[kept][g] = b->kept_inverse[k][g];
        b->power[kept][g] = b->kept_power[k][g];
        b->lost[kept][g] = splat(0.0);
        b->removed[kept][g] = removed;
    }
    start_repair(M, L, H, b, g, phase, L * M, 1);
}

#define MOVE_DIRECT(n) move_direct(M, L, H, b, g, oldest, n, mutual[0])
#define CLEAR_NEWEST(n) clear_newest(M, L, H, b, g, n, b->squared, newest, taken, removed)
#define MOVE_CLEARED(n) move_dual(M, L, H, b, g, oldest, n, 1, columns, moved, newest, taken, mutual[1])
#define MOVE_DUAL(n) move_dual(M, L, H, b, g, oldest, n, 0, columns, moved, newest, taken, mutual[1])
#define FACTORIZE_DIRECT(n) factorize(n, mutual[0], part[0])
#define FACTORIZE_DUAL(n) factorize(n, mutual[1], part[1])
#define TAKE_OUT_DIRECT(n) take_out_parts(M, L, H, g, n, &b->frame[0][g], oldest, &b->moved[0][g], part[0], to, size[0])
#define TAKE_OUT_DUAL(n) take_out_parts(M, L, H, g, n, moved, -1, moved, part[1], to, size[1])

/* A step; then `squared` has the squared lengths of the dual tangents, `inverse` the inverse ones of the direct ones. A
   threshold is the same on both ways up to a factor, so that Gram-Schmidt changes no account of a lane that keeps enough. */
INLINE void step_small(SIZES, Block *b, int g, int phase)
{
    const ptrdiff_t rows = L * M;
    const int n_dual = USUAL_DUAL(L * M), n_direct = L * M - n_dual, oldest = NEXT(phase);
    const vec *columns = &b->frame[n_direct * PITCH(rows)][g];
    vec *moved = &b->moved[n_direct * PITCH(rows)][g], *newest = &b->newest[0][g], *taken = &b->taken[0][g];
    vec mutual[2][N_MUTUAL], part[2][N_MUTUAL], before[2][PANEL], size[2][PANEL], removed[PANEL];
    UNROLL for (int k = 0; k < N_MUTUAL; k++) part[0][k] = part[1][k] = splat(0.0);
    UNROLL for (int k = 0; k < PANEL; k++) size[0][k] = size[1][k] = splat(0.0);
    invert_block(M, L, H, b, g, phase);
    FOR_PANEL(n_direct, MOVE_DIRECT);
    for (int k = 0; k < n_direct; k++) before[0][k] = mutual[0][MUTUAL(k, k)];
    FOR_PANEL(n_direct, FACTORIZE_DIRECT);
    for (int k = 0; k < n_dual; k++) {
        const vec *from = columns + k * NEXT_COLUMN + oldest * M * GROUPS;
        for (int a = 0; a < M; a++) newest[k * M + a] = short_product(M, &b->inverse_block[a * M][g], from);
        removed[k] = splat(0.0);
    }
    b->remain[0][g] = splat(0.0);
    if (any(b->steep[0][g] > 0.0)) {
        FOR_PANEL(n_dual, CLEAR_NEWEST);
        FOR_PANEL(n_dual, MOVE_CLEARED);
    } else FOR_PANEL(n_dual, MOVE_DUAL);
    for (int k = 0; k < n_dual; k++) before[1][k] = mutual[1][MUTUAL(k, k)];
    FOR_PANEL(n_dual, FACTORIZE_DUAL);
    vec largest = splat(0.0);
    ivec direct_well = ~(ivec){0}, dual_well = direct_well;
    for (int k = 0; k < n_direct; k++) {
        const vec left = mutual[0][MUTUAL(k, k)];
        largest = vmax(largest, before[0][k] * b->inverse[k][g]);
        direct_well &= keeps_enough(left, before[0][k]) & (left * b->inverse[k][g] > largest * (4.0 * REPAIR));
    }
    const vec least = 4.0 * least_part(b, g);
    for (int k = 0; k < n_dual; k++) {
        const vec left = mutual[1][MUTUAL(k, k)];
        dual_well &= keeps_enough(left, before[1][k]) & (left > (before[1][k] + removed[k]) * least);
    }
    const int all_direct = !any(~direct_well), all_dual = !any(~dual_well);
    vec *to = &(all_direct ? b->moved : b->pivot)[0][g];
    if (any(direct_well)) FOR_PANEL(n_direct, TAKE_OUT_DIRECT);
    to = &(all_dual ? b->moved : b->pivot)[n_direct * PITCH(rows)][g];
    if (any(dual_well)) FOR_PANEL(n_dual, TAKE_OUT_DUAL);
    pack *frame = b->frame;
    b->frame = b->moved;
    b->moved = frame;
    for (int k = 0; k < n_direct; k++) {
        b->kept_inverse[k][g] = b->inverse[n_direct - 1 - k][g];
        b->kept_power[k][g] = b->power[n_direct - 1 - k][g];
    }
    if (!all_dual)
        for (int k = 0; k < n_dual; k++) b->inverse[n_direct + k][g] = inverse_or_zero(b->squared[k][g]);
    for (int k = 0; k < n_dual; k++) b->squared[k][g] = size[1][k];
    if (!all_dual) {
        for (int k = 0; k < n_dual; k++) b->removed[n_direct + k][g] = removed[k];
        finish_side(M, L, H, b, g, 1, n_direct, n_dual, dual_well, size[1]);
        for (int k = 0; k < n_dual; k++) {
            const vec length = squared_length(rows, g, b->frame + (n_direct + k) * PITCH(rows));
            b->squared[k][g] = where(dual_well, size[1][k], length);
        }
    }
    if (all_direct) {
        for (int k = 0; k < n_direct; k++) b->inverse[k][g] = inverse_or_zero(size[0][k]);
        return;
    }
    for (int k = 0; k < n_direct; k++)
        for (ptrdiff_t r = 0; r < rows; r++)
            if (r / M != oldest) b->frame[k * PITCH(rows) + r][g] = b->moved[k * PITCH(rows) + r][g];
    b->first_lost[0][g] = splat((double)n_direct);
    b->leading[0][g] = splat(0.0);
    b->may_repair[0][g] = b->steep[0][g];
    finish_side(M, L, H, b, g, 0, 0, n_direct, direct_well, size[0]);
    if (any(b->first_lost[0][g] < (double)n_direct)) repair_small(M, L, H, b, g, phase);
}

/* Powers of two are taken out of all tangents, or their inverse lengths made for a sample. */
INLINE void end_small(SIZES, Block *b, int g, int scaled, int sampled)
{
    const int n_dual = b->job->n_dual, n_direct = L * M - n_dual;
    if (scaled) scale_columns((ptrdiff_t)L * M, g, (ivec){0} == 0, n_direct, b->frame, b->inverse, b->power);
    for (int k = 0; (scaled || sampled) && k < n_dual; k++) {
        const int i = n_direct + k;
        if (scaled) {
            const ivec order = binary_order(b->squared[k][g]);
            scale_column(L * M, b->frame + i * PITCH((ptrdiff_t)L * M), g, order, b->power + i);
            b->squared[k][g] = (b->squared[k][g] * inverse_power(order)) * inverse_power(order);
        }
        if (sampled) b->inverse[i][g] = inverse_or_zero(b->squared[k][g]);
    }
    forget_step(b, g);
}

#endif
