/* One step of a frame of tangents: multiplied by the Jacobian, made orthogonal again. Included by
 * _attention_tangent.h.
 *
 * Where the softmax or the tokens saturate, J annihilates directions to more digits than a
 * double has, and the last columns of its QR decomposition J Q = Q' R are rounding noise. But
 * J^-T Q = Q' R^-T: the last columns again come out of Gram-Schmidt from the last one back, with
 * lengths 1 / |R_ii|, and now the most annihilated comes first. So the last n_dual tangents are
 * carried by J^-T. In `frame` they follow the others in this reverse order.
 */

/* The new attention's rows of tangents i and i + 1. */
INLINE void propagate(SIZES, const Block *b, int g, int phase, int i)
{
    const ptrdiff_t rows = L * M;
    pack *first = b->frame + i * rows, *second = first + rows;
    for (int a = 0; a < M; a++) {
        const pack *row = b->jacobian + a * rows;
        vec one = row[0][g] * first[0][g], two = row[0][g] * second[0][g];
        for (ptrdiff_t r = 1; r < rows; r++) {
            one = fma3(row[r][g], first[r][g], one);
            two = fma3(row[r][g], second[r][g], two);
        }
        b->fresh[a][g] = one;
        b->fresh[M + a][g] = two;
    }
    for (int a = 0; a < M; a++) {
        first[NEXT(phase) * M + a][g] = b->fresh[a][g];
        second[NEXT(phase) * M + a][g] = b->fresh[M + a][g];
    }
}

#define ABREAST 4
/* For J^-T: the inverse of C^T, C = dA_t/dA of the oldest slot, by Gram-Schmidt on C's rows
   c_b = q_b + sum_a r_ab q_a. C has the weight of that slot as a factor, maybe 1e-100; it stays
   out of C and half its order of magnitude is taken out of J^-T (`shrink`), the other half out of
   the lengths of all dual tangents (`dual_power`). */
INLINE void invert_oldest(SIZES, const Block *b, int g, int phase)
{
    const int width = M / H, oldest = NEXT(phase);
    pack *q = b->basis, *part = b->part, *inverse = b->inverse_block;
    for (int c = 0; c < M; c++) {
        for (int a = 0; a < c; a++) {
            vec r = dot(M, g, q + c * M, q + a * M) * b->length[a][g];
            for (int k = 0; k < M; k++) q[c * M + k][g] = fma3(-r, q[a * M + k][g], q[c * M + k][g]);
            part[a * M + c][g] = r;
        }
        b->length[c][g] = 1.0 / dot(M, g, q + c * M, q + c * M);
    }
    vec least = b->weight[oldest][g];
    for (int h = 1; h < H; h++) least = -vmax(-least, -b->weight[h * L + oldest][g]);
    const ivec half = ((((ivec)least >> 52) + 1025) >> 1) - 1024; /* rounds down below zero too */
    const vec shrink = inverse_power(-half);
    for (int a = M - 1; a >= 0; a--) {
        for (int k = 0; k < M; k++) {
            vec sum = q[a * M + k][g] * b->length[a][g];
            for (int c = a + 1; c < M; c++) sum = fma3(-part[a * M + c][g], inverse[c * M + k][g], sum);
            inverse[a * M + k][g] = sum;
        }
    }
    for (int h = 0; h < H; h++) {
        vec scale = shrink / b->weight[h * L + oldest][g];
        for (int k = h * width * M; k < (h + 1) * width * M; k++) inverse[k][g] *= scale;
    }
    b->shrink[0][g] = shrink;
    b->dual_power[0][g] -= __builtin_convertvector(half, vec);
    /* A weight that the exponential could not hold is unknown, and so is all that is made of it. */
    b->largest[1][g] = where(least > 0x1p-1018, b->largest[1][g], splat(INFINITY));
}

/* J^-T for dual tangents i and i + 1: y'_0 = C_oldest^-T y_oldest, and y'_{s+1} = y_s - C_s^T y'_0
   for the others, which only grow older. */
INLINE void propagate_dual(SIZES, const Block *b, int g, int phase, int i)
{
    const ptrdiff_t rows = L * M;
    const int oldest = NEXT(phase) * M;
    pack *first = b->frame + i * rows, *second = first + rows;
    for (int a = 0; a < M; a++) {
        const pack *inverse = b->inverse_block + a * M;
        vec one = inverse[0][g] * first[oldest][g], two = inverse[0][g] * second[oldest][g];
        for (int c = 1; c < M; c++) {
            one = fma3(inverse[c][g], first[oldest + c][g], one);
            two = fma3(inverse[c][g], second[oldest + c][g], two);
        }
        b->fresh[a][g] = one;
        b->fresh[M + a][g] = two;
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
        vec one = b->shrink[0][g] * first[r][g], two = b->shrink[0][g] * second[r][g];
        for (int a = 0; a < M; a++) {
            one = fma3(-b->jacobian[a * rows + r][g], b->fresh[a][g], one);
            two = fma3(-b->jacobian[a * rows + r][g], b->fresh[M + a][g], two);
        }
        first[r][g] = one;
        second[r][g] = two;
    }
    for (int a = 0; a < M; a++) {
        first[oldest + a][g] = b->fresh[a][g];
        second[oldest + a][g] = b->fresh[M + a][g];
    }
}

/* Gram-Schmidt leaves rounding errors of what it takes away, and of the directions of the tangents
   that it takes away. So a stretch is rounding if it is below this part of the largest by which
   this tangent or one before it on its side was multiplied, all squared: (2^9 epsilon)^2. */
#define LOST 0x1p-86
#define FAINT 0x1p-500 /* a squared norm that may underflow in the steps to come, ... */
#define HUGE_NORM 0x1p+500 /* ... or overflow */

INLINE void scale_column(SIZES, const Block *b, int g, int i, ivec order)
{
    pack *column = b->frame + (ptrdiff_t)i * L * M;
    vec factor = inverse_power(order);
    for (int r = 0; r < L * M; r++) column[r][g] *= factor;
    b->power[i][g] += __builtin_convertvector(order, vec);
}

/* The length of a tangent that is orthogonal to those before it. */
INLINE void finish_column(SIZES, const Block *b, int g, int i, int dual, int scaled)
{
    const pack *column = b->frame + (ptrdiff_t)i * L * M;
    vec size = dot(L * M, g, column, column);
    /* `inverse` is still that of the step before, `removed` the squared length of what was taken away. */
    vec stretch = size * b->inverse[i][g], image = fma3(b->removed[i][g], b->inverse[i][g], stretch);
    b->largest[dual][g] = vmax(b->largest[dual][g], image);
    b->removed[i][g] = splat(0.0);
    vec least = b->largest[dual][g] * LOST;
    /* A tangent may be annihilated; a dual one of length zero, or none at all, is lost too. */
    ivec lost = dual ? ~(stretch > least) : (stretch <= least) & (size > 0.0);
    ivec far = ((size < FAINT) & (size > 0.0)) | (size > HUGE_NORM);
    if (any(lost | far)) {
        b->lost[i][g] += where(lost, splat(1.0), splat(0.0));
        scale_column(M, L, H, b, g, i, binary_order(size) & far);
        size = dot(L * M, g, column, column);
    }
    if (scaled) {
        ivec order = binary_order(size);
        scale_column(M, L, H, b, g, i, order);
        size = (size * inverse_power(order)) * inverse_power(order);
    }
    b->inverse[i][g] = inverse_or_zero(size);
}

/* Tangents i and i + 1 are done: orthogonal to those before them and to each other. */
INLINE void finish_pair(SIZES, const Block *b, int g, int i, int dual, int scaled, int last)
{
    const ptrdiff_t rows = L * M;
    pack *first = b->frame + i * rows, *second = first + rows;
    finish_column(M, L, H, b, g, i, dual, scaled);
    vec along = dot(rows, g, first, second), part = -along * b->inverse[i][g];
    b->removed[i + 1][g] = fma3(-along, part, b->removed[i + 1][g]);
    for (ptrdiff_t r = 0; r < rows; r++) second[r][g] = fma3(part, first[r][g], second[r][g]);
    finish_column(M, L, H, b, g, i + 1, dual, scaled);
    if (!last) b->cross[i][g] = dot(rows, g, first, second);
}

/* Take the parts along tangents i and i + 1, which are done, out of n others, c and on: two times n
   share their loads. The second is orthogonal to the first up to rounding only: `cross` makes up
   for it, as if the first part had been taken out first (modified Gram-Schmidt). */
INLINE void remove_parts(SIZES, const Block *b, const ptrdiff_t rows, int g, int i, int c, const int n)
{
    const pack *first = b->frame + i * rows, *second = first + rows;
    pack *others = b->frame + c * rows;
    vec one[ABREAST], two[ABREAST];
    for (int k = 0; k < n; k++) one[k] = two[k] = splat(0.0);
    for (ptrdiff_t r = 0; r < rows; r++) {
        vec p = first[r][g], q = second[r][g];
        for (int k = 0; k < n; k++) {
            vec x = others[k * rows + r][g];
            one[k] = fma3(p, x, one[k]);
            two[k] = fma3(q, x, two[k]);
        }
    }
    vec cross = b->cross[i][g], scale = -b->inverse[i][g], other_scale = -b->inverse[i + 1][g];
    for (int k = 0; k < n; k++) {
        vec part = one[k] * scale, along = fma3(part, cross, two[k]), other_part = along * other_scale;
        b->removed[c + k][g] = fma3(-one[k], part, fma3(-along, other_part, b->removed[c + k][g]));
        one[k] = part;
        two[k] = other_part;
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
        vec p = first[r][g], q = second[r][g];
        for (int k = 0; k < n; k++)
            others[k * rows + r][g] = fma3(two[k], q, fma3(one[k], p, others[k * rows + r][g]));
    }
}

/* One step of the frame: propagated and, if `qr`, made orthogonal by modified Gram-Schmidt
   without roots or logarithms: tangents keep their length up to a power of two, which goes to
   `power` where they are `scaled`. They go two by two, an odd number beside a tangent of zeros.
   ABREAST at a time meet all those before them, so that a large frame is read as rarely as can
   be. The two sides and the groups take turns, so that none waits for its own divisions. */
#define ONE_BY_ONE(g) for (int g = 0; g < n_groups; g++)
#define BOTH_SIDES(side) for (int side = 0; side < n_sides; side++)
INLINE void step_frame(SIZES, const Block *b, int n_tangents, int phase, int qr, int scaled)
{
    ptrdiff_t rows = L * M;
    int n_groups = GROUPS;
    __asm__("" : "+r"(n_groups), "+r"(rows)); /* keep the compiler from unrolling over groups */
    const int n_dual = b->job->n_dual, n_sides = n_dual > 0 ? 2 : 1;
    const int begin[2] = {0, n_tangents - n_dual}, end[2] = {n_tangents - n_dual, n_tangents};
    if (n_dual) ONE_BY_ONE(g) invert_oldest(M, L, H, b, g, phase);
    for (int panel = 0; panel < begin[1] || panel < n_dual; panel += ABREAST) {
        BOTH_SIDES(side)
            for (int c = begin[side] + panel; c < end[side] && c < begin[side] + panel + ABREAST; c += 2)
                ONE_BY_ONE(g) {
                    if (side) propagate_dual(M, L, H, b, g, phase, c);
                    else propagate(M, L, H, b, g, phase, c);
                }
        for (int i = 0; qr && i < panel + ABREAST; i += 2) {
            BOTH_SIDES(side)
                if (i >= panel && begin[side] + i < end[side])
                    ONE_BY_ONE(g) finish_pair(M, L, H, b, g, begin[side] + i, side, scaled, begin[side] + i + 2 >= end[side]);
            BOTH_SIDES(side) {
                const int c = begin[side] + (i < panel ? panel : i + 2), n = end[side] - c;
                if (n > 2 && i < panel) ONE_BY_ONE(g) remove_parts(M, L, H, b, rows, g, begin[side] + i, c, ABREAST);
                else if (n > 0 && i < panel + ABREAST - 2)
                    ONE_BY_ONE(g) remove_parts(M, L, H, b, rows, g, begin[side] + i, c, 2);
            }
        }
    }
    if (qr) EACH(g) b->largest[0][g] = b->largest[1][g] = splat(0.0);
}
