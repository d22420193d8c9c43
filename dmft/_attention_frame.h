/* One step of a frame of tangents: multiplied by the Jacobian, made orthogonal again. Included by
 * _attention_tangent.h.
 *
 * Where the softmax or the tokens saturate, J annihilates directions to more digits than a
 * double has, and the last columns of its QR decomposition J Q = Q' R are rounding noise. But
 * J^-T Q = Q' R^-T: the last columns again come out of Gram-Schmidt from the last one back, with
 * lengths 1 / |R_ii|, and now the most annihilated comes first. So the last n_dual tangents are
 * carried by J^-T. In `frame` they follow the others in this reverse order.
 */

/* A number that the compiler must take as it comes, so that it does not unroll a loop. */
INLINE ptrdiff_t hidden(ptrdiff_t n)
{
    __asm__("" : "+r"(n));
    return n;
}

/* The rows of a tangent, a token's at a time where its features are a constant number. */
#define ROWS_AT_ONCE (__builtin_constant_p(M) ? M : 1)
#define EACH_ROW(r)                                                                 \
    for (ptrdiff_t r##_ = 0, end_ = hidden(rows); r##_ < end_; r##_ += ROWS_AT_ONCE) \
        for (ptrdiff_t r = r##_; r < r##_ + ROWS_AT_ONCE; r++)

/* Tangents go two by two, and up to PANEL of them side by side, so that a load serves many
   multiply-adds. How many is an even number that the compiler knows. */
#define FOR_PANEL(n, action)                                                        \
    do {                                                                            \
        if ((n) > 4) action(6);                                                     \
        else if ((n) > 2) action(4);                                                \
        else if ((n) > 0) action(2);                                                \
    } while (0)

/* Rows a and on, n_rows of them, of the new attention's part of J times n tangents. */
#define ROWS_ABREAST (WIDTH == 8 ? 3 : 1) /* the sums shall fit in the registers */
INLINE void new_rows(SIZES, const Block *b, int g, int a, const int n_rows, const pack *columns, const int n,
                     vec *fresh)
{
    const ptrdiff_t rows = L * M;
    const pack *row = b->jacobian + a * rows;
    vec sum[ROWS_ABREAST * PANEL];
    UNROLL for (int i = 0; i < n_rows * PANEL; i++) sum[i] = splat(0.0);
    EACH_ROW(r)
        UNROLL for (int k = 0; k < n; k++)
            UNROLL for (int i = 0; i < n_rows; i++)
                sum[i * PANEL + k] = fma3(row[i * rows + r][g], columns[k * PITCH(rows) + r][g], sum[i * PANEL + k]);
    UNROLL for (int i = 0; i < n_rows * PANEL; i++) fresh[a * PANEL + i] = sum[i];
}

/* J times the tangents from c on: the new attention takes the place of the oldest slot. */
INLINE void propagate(SIZES, const Block *b, int g, int phase, int c, const int n)
{
    const ptrdiff_t rows = L * M;
    pack *columns = b->frame + c * PITCH(rows);
    TEMPORARY(fresh, PANEL * M);
    int a = 0;
    for (; a + ROWS_ABREAST <= M; a += ROWS_ABREAST) new_rows(M, L, H, b, g, a, ROWS_ABREAST, columns, n, fresh);
    for (; a < M; a++) new_rows(M, L, H, b, g, a, 1, columns, n, fresh);
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) columns[k * PITCH(rows) + NEXT(phase) * M + a][g] = fresh[a * PANEL + k];
}

/* For J^-T: the inverse of C^T, C = dA_t/dA of the oldest slot, by Gram-Schmidt on C's rows
   c_b = q_b + sum_a r_ab q_a. C has the weight of that slot as a factor, maybe 1e-100; it stays
   out of C and half its order of magnitude is taken out of J^-T (`shrink`), the other half out of
   the lengths of all dual tangents (`dual_power`). */
INLINE void invert_oldest(SIZES, const Block *b, int g, int phase)
{
    const int width = M / H, oldest = NEXT(phase);
    TEMPORARY(basis, M * M);
    TEMPORARY(part, M * M);
    TEMPORARY(length, M);
    vec *q = basis;
    pack *inverse = b->inverse_block;
    for (int c = 0; c < M; c++) {
        for (int k = 0; k < M; k++) q[c * M + k] = b->oldest[c * M + k][g];
        for (int a = 0; a < c; a++) {
            vec r = q[c * M] * q[a * M];
            for (int k = 1; k < M; k++) r = fma3(q[c * M + k], q[a * M + k], r);
            r *= length[a];
            for (int k = 0; k < M; k++) q[c * M + k] = fnma3(r, q[a * M + k], q[c * M + k]);
            part[a * M + c] = r;
        }
        vec size = q[c * M] * q[c * M];
        for (int k = 1; k < M; k++) size = fma3(q[c * M + k], q[c * M + k], size);
        length[c] = 1.0 / size;
    }
    vec least = b->weight[oldest][g];
    for (int h = 1; h < H; h++) least = -vmax(-least, -b->weight[h * L + oldest][g]);
    const ivec half = ((((ivec)least >> 52) + 1025) >> 1) - 1024; /* rounds down below zero too */
    const vec shrink = inverse_power(-half);
    for (int a = M - 1; a >= 0; a--) {
        for (int k = 0; k < M; k++) {
            vec sum = q[a * M + k] * length[a];
            for (int c = a + 1; c < M; c++) sum = fnma3(part[a * M + c], inverse[c * M + k][g], sum);
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

/* J^-T for the dual tangents from c on: y'_0 = C_oldest^-T y_oldest, and y'_{s+1} = y_s - C_s^T y'_0
   for the others, which only grow older. */
INLINE void propagate_dual(SIZES, const Block *b, int g, int phase, int c, const int n)
{
    const ptrdiff_t rows = L * M;
    const int oldest = NEXT(phase) * M;
    pack *columns = b->frame + c * PITCH(rows);
    TEMPORARY(fresh, PANEL * M);
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) {
            const pack *inverse = b->inverse_block + a * M, *last = columns + k * PITCH(rows) + oldest;
            vec sum = inverse[0][g] * last[0][g];
            for (int d = 1; d < M; d++) sum = fma3(inverse[d][g], last[d][g], sum);
            fresh[k * M + a] = sum;
        }
    const vec shrink = b->shrink[0][g];
    EACH_ROW(r)
        for (int k = 0; k < n; k++) {
            vec y = shrink * columns[k * PITCH(rows) + r][g];
            for (int a = 0; a < M; a++) y = fnma3(b->jacobian[a * rows + r][g], fresh[k * M + a], y);
            columns[k * PITCH(rows) + r][g] = y;
        }
    for (int k = 0; k < n; k++)
        for (int a = 0; a < M; a++) columns[k * PITCH(rows) + oldest + a][g] = fresh[k * M + a];
}

/* Gram-Schmidt leaves rounding errors of what it takes away, and of the directions of the tangents
   that it takes away. So a stretch is rounding if it is below this part of the largest by which
   this tangent or one before it on its side was multiplied, all squared: (2^9 epsilon)^2. */
#define LOST 0x1p-86
#define FAINT 0x1p-500     /* a squared norm that may underflow in the steps to come, ... */
#define HUGE_NORM 0x1p+500 /* ... or overflow */

/* Take 2^order out of a tangent of group g. */
INLINE void scale_column(const ptrdiff_t rows, pack *column, int g, ivec order, pack *power)
{
    const vec factor = inverse_power(order);
    for (ptrdiff_t r = 0; r < rows; r++) column[r][g] *= factor;
    (*power)[g] += __builtin_convertvector(order, vec);
}

/* A tangent whose length is near the end of the numbers, which is rare. */
static __attribute__((noinline, cold)) void mend(ptrdiff_t rows, pack *column, int g, const vec *size, pack *power)
{
    const ivec far = ((*size < FAINT) & (*size > 0.0)) | (*size > HUGE_NORM);
    scale_column(rows, column, g, binary_order(*size) & far, power);
}

/* Tangent i, orthogonal to those before it, has the squared length `size`: keeps the account of its
   stretch; returns false if the tangent was scaled, so that its products must be taken again. */
INLINE int accept(SIZES, const Block *b, int g, int i, int dual, vec size)
{
    /* `inverse` is still that of the step before, `removed` the squared length of what was taken away. */
    const vec stretch = size * b->inverse[i][g], image = fma3(b->removed[i][g], b->inverse[i][g], stretch);
    const vec largest = vmax(b->largest[dual][g], image);
    b->largest[dual][g] = largest;
    b->removed[i][g] = splat(0.0);
    /* An annihilated tangent is not lost, unless it is a dual one. */
    const ivec lost = ~(stretch > largest * LOST) & ~(size <= -(double)dual);
    b->lost[i][g] += where(lost, splat(1.0), splat(0.0));
    if (!any(((size < FAINT) & (size > 0.0)) | (size > HUGE_NORM))) return 1;
    mend(L * M, b->frame + i * PITCH((ptrdiff_t)L * M), g, &size, b->power + i);
    return 0;
}

/* The squared length of tangent i and its product with the next one. */
INLINE void products(SIZES, const Block *b, int g, int i, int side)
{
    const ptrdiff_t rows = L * M;
    const pack *first = b->frame + i * PITCH(rows), *second = first + PITCH(rows);
    vec size = splat(0.0), along = splat(0.0);
    EACH_ROW(r) {
        size = fma3(first[r][g], first[r][g], size);
        along = fma3(first[r][g], second[r][g], along);
    }
    b->size[side][g] = size;
    b->along[side][g] = along;
}

/* Tangents i and i + 1, orthogonal to those before them, are made so to each other if `own`, and
   their parts are taken out of n others, c and on. The second is orthogonal to the first up to
   rounding only: `cross` makes up for it, as if the first part had been taken out of the others
   first (modified Gram-Schmidt). */
INLINE void take_out(SIZES, const Block *b, int g, int side, int i, int c, const int n, const int own)
{
    const ptrdiff_t rows = L * M;
    const pack *first = b->frame + i * PITCH(rows);
    pack *second = b->frame + (i + 1) * PITCH(rows), *others = b->frame + c * PITCH(rows);
    vec one[PANEL], two[PANEL], size, along, cross, part = splat(0.0);
    if (own) {
        if (!accept(M, L, H, b, g, i, side, b->size[side][g])) products(M, L, H, b, g, i, side);
        const vec inverse = inverse_or_zero(b->size[side][g]);
        along = b->along[side][g];
        part = along * inverse;
        b->inverse[i][g] = inverse;
        b->removed[i + 1][g] = fma3(along, part, b->removed[i + 1][g]);
    }
    for (int done = !own;; done = 1) {
        size = cross = splat(0.0);
        for (int k = 0; k < n; k++) one[k] = two[k] = splat(0.0);
        EACH_ROW(r) {
            const vec p = first[r][g];
            vec q = second[r][g];
            if (own) {
                second[r][g] = q = fnma3(part, p, q);
                size = fma3(q, q, size);
                cross = fma3(p, q, cross);
            }
            for (int k = 0; k < n; k++) {
                const vec x = others[k * PITCH(rows) + r][g];
                one[k] = fma3(p, x, one[k]);
                two[k] = fma3(q, x, two[k]);
            }
        }
        if (done || accept(M, L, H, b, g, i + 1, side, size)) break;
        part = splat(0.0); /* the second was scaled: its products again */
    }
    if (own) {
        b->cross[i][g] = cross;
        b->inverse[i + 1][g] = inverse_or_zero(size);
    }
    else {
        cross = b->cross[i][g];
    }
    if (n == 0) return;
    const vec inverse = b->inverse[i][g], other_inverse = b->inverse[i + 1][g];
    for (int k = 0; k < n; k++) {
        const vec first_part = one[k] * inverse;
        const vec rest = fnma3(first_part, cross, two[k]), second_part = rest * other_inverse;
        b->removed[c + k][g] = fma3(one[k], first_part, fma3(rest, second_part, b->removed[c + k][g]));
        one[k] = first_part;
        two[k] = second_part;
    }
    size = along = splat(0.0);
    EACH_ROW(r) {
        const vec p = first[r][g], q = second[r][g];
        vec x[PANEL];
        for (int k = 0; k < n; k++) {
            x[k] = fnma3(two[k], q, fnma3(one[k], p, others[k * PITCH(rows) + r][g]));
            others[k * PITCH(rows) + r][g] = x[k];
        }
        if (own) { /* the others are the next pair and those after it */
            size = fma3(x[0], x[0], size);
            along = fma3(x[0], x[1], along);
        }
    }
    if (own) {
        b->size[side][g] = size;
        b->along[side][g] = along;
    }
}

/* Powers of two go from the tangents to `power`. */
INLINE void scale_frame(SIZES, const Block *b, int g, int n_tangents)
{
    const ptrdiff_t rows = L * M;
    for (int i = 0; i < n_tangents; i++) {
        const ivec order = -binary_order(b->inverse[i][g]); /* of zero, as of a squared norm of zero: any */
        scale_column(rows, b->frame + i * PITCH(rows), g, order, b->power + i);
        b->inverse[i][g] = (b->inverse[i][g] * inverse_power(-order)) * inverse_power(-order);
    }
}

/* One step of the frame: propagated and, if `qr`, made orthogonal by modified Gram-Schmidt
   without roots or logarithms: tangents keep their length up to a power of two, which goes to
   `power` where they are `scaled`. They go two by two, an odd number beside a tangent of zeros.
   The two sides and the groups take turns, so that none waits for its own divisions. */
#define IN_TURNS(side, g) for (int side = 0; side < n_sides; side++) for (int g = 0; g < n_groups; g++)
#define PROPAGATE(n) propagate(M, L, H, b, g, phase, c, n)
#define PROPAGATE_DUAL(n) propagate_dual(M, L, H, b, g, phase, c, n)
#define TAKE_OUT(n) take_out(M, L, H, b, g, side, begin[side] + i, c, n, 0)
#define TAKE_OUT_OWN(n) take_out(M, L, H, b, g, side, c, c + 2, n, 1)
INLINE void step_frame(SIZES, const Block *b, int n_tangents, int phase, int qr, int scaled)
{
    const int n_groups = (int)hidden(GROUPS);
    const int n_dual = b->job->n_dual, n_sides = n_dual > 0 ? 2 : 1;
    const int begin[2] = {0, n_tangents - n_dual}, end[2] = {n_tangents - n_dual, n_tangents};
    if (n_dual) for (int g = 0; g < n_groups; g++) invert_oldest(M, L, H, b, g, phase);
    for (int panel = 0; panel < end[0] || panel < n_dual; panel += PANEL) {
        IN_TURNS(side, g) {
            const int c = begin[side] + panel, n = end[side] - c;
            if (side) FOR_PANEL(n, PROPAGATE_DUAL);
            else FOR_PANEL(n, PROPAGATE);
        }
        if (!qr) continue;
        IN_TURNS(side, g) {
            const int c = begin[side] + panel, n = end[side] - c;
            for (int i = 0; i < panel; i += 2) FOR_PANEL(n, TAKE_OUT);
            if (n > 0) products(M, L, H, b, g, c, side);
        }
        for (int i = panel; i < panel + PANEL; i += 2)
            IN_TURNS(side, g) {
                const int c = begin[side] + i, after = panel + PANEL - 2 - i, left = end[side] - 2 - c;
                const int n = left < after ? left : after;
                if (n > 0) FOR_PANEL(n, TAKE_OUT_OWN);
                else if (left > -2) TAKE_OUT_OWN(0);
            }
    }
    if (!qr) return;
    if (scaled) for (int g = 0; g < n_groups; g++) scale_frame(M, L, H, b, g, n_tangents);
    EACH(g) b->largest[0][g] = b->largest[1][g] = splat(0.0);
}
