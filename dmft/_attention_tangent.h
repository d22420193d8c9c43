/* The tangent map along the orbit: the leading exponent without a matrix, any number
 * of exponents with the dense rows of the window's Jacobian. Included by _attention_map.h.
 *
 * A window's Jacobian is a companion matrix: M dense rows for the new attention, and a
 * shift for the rest. With rows kept by slot the shift costs nothing.
 */

/* y_j = sum_b dx_j/dA_b delta_b */
INLINE void tangent_activations(const int M, const Block *b, const pack *delta)
{
    for (int j = 0; j < b->job->n_classes; j++) EACH(g) {
        vec sum = b->slope[j * M][g] * delta[0][g];
        for (int a = 1; a < M; a++) sum += b->slope[j * M + a][g] * delta[a][g];
        b->dx[j][g] = sum;
    }
}

/* dm^role_a/dA_c of one token, (M, M). */
INLINE void overlap_slope(const int M, const Block *b, int role, pack *d)
{
    const double *coupling = b->job->couplings + (ptrdiff_t)role * b->job->n_classes * M;
    for (int a = 0; a < M; a++) {
        for (int c = 0; c < M; c++) EACH(g) d[a * M + c][g] = splat(0.0);
        for (int j = 0; j < b->job->n_classes; j++)
            for (int c = 0; c < M; c++) EACH(g) d[a * M + c][g] += coupling[j * M + a] * b->slope[j * M + c][g];
        for (int c = 0; c < M; c++) EACH(g) d[a * M + c][g] *= b->semantic[g];
    }
}

/* Tangents between the caller's rows, newest first, and slots. */
INLINE void load_frame(SIZES, const Block *b, int n_tangents)
{
    for (int i = 0; i < n_tangents; i++)
        for (int d = 0; d < L; d++)
            for (int a = 0; a < M; a++)
                load(b, b->job->frame + ((ptrdiff_t)i * L + d) * M + a, (ptrdiff_t)n_tangents * L * M,
                     b->frame[((ptrdiff_t)i * L + (b->job->phase - d + L) % L) * M + a]);
    for (int i = 0; i < n_tangents; i++) {
        load(b, b->job->exponent + i, n_tangents, b->power[i]);
        load(b, b->job->mark + 2 * i, 2 * (ptrdiff_t)n_tangents, b->mark_power[i]);
        load(b, b->job->mark + 2 * i + 1, 2 * (ptrdiff_t)n_tangents, b->mark_log[i]);
    }
}

INLINE void store_frame(SIZES, const Block *b, int n_tangents, int phase)
{
    for (int i = 0; i < n_tangents; i++)
        for (int d = 0; d < L; d++)
            for (int a = 0; a < M; a++)
                store(b, b->job->frame + ((ptrdiff_t)i * L + d) * M + a, (ptrdiff_t)n_tangents * L * M,
                      b->frame[((ptrdiff_t)i * L + (phase - d + L) % L) * M + a]);
    for (int i = 0; i < n_tangents; i++) {
        store(b, b->job->exponent + i, n_tangents, b->power[i]);
        store(b, b->job->mark + 2 * i, 2 * (ptrdiff_t)n_tangents, b->mark_power[i]);
        store(b, b->job->mark + 2 * i + 1, 2 * (ptrdiff_t)n_tangents, b->mark_log[i]);
    }
}

/* The k with |x| / 2^k in [1, 2), from the squared norm; no matter how small the norm is. A norm
   of zero stays zero whatever is taken out; NaN stays NaN. */
INLINE ivec binary_order(vec squared)
{
    ivec tiny = squared < TINY;
    return (half_exponent(squared) & ~tiny) | (((ivec){0} - 400) & tiny);
}

/* ---- the leading exponent: one tangent, no matrix ---- */

INLINE void tangent_overlaps(const int M, const Block *b, int phase)
{
    tangent_activations(M, b, b->frame + phase * M);
    project(M, b, QUERY, b->dx, b->dquery);
    project(M, b, KEY, b->dx, b->dkey + phase * M);
    project(M, b, VALUE, b->dx, b->dvalue + phase * M);
}

INLINE void tangent_attend(SIZES, const Block *b, int phase)
{
    const int width = M / H, next = NEXT(phase);
    for (int h = 0; h < H; h++) EACH(g) {
        for (int a = h * width; a < (h + 1) * width; a++) b->frame[next * M + a][g] = splat(0.0);
        for (int e = 0; e < L; e++) {
            vec score = splat(0.0);
            for (int a = h * width; a < (h + 1) * width; a++)
                score += b->dquery[a][g] * b->key[e * M + a][g] + b->query[a][g] * b->dkey[e * M + a][g];
            score *= b->gain[g];
            for (int a = h * width; a < (h + 1) * width; a++)
                b->frame[next * M + a][g] += b->weight[h * L + e][g]
                    * (b->dvalue[e * M + a][g] + (b->value[e * M + a][g] - b->att[a][g]) * score);
        }
    }
}

INLINE void rescale(SIZES, const Block *b)
{
    EACH(g) {
        vec size = splat(0.0);
        for (int r = 0; r < L * M; r++) size += b->frame[r][g] * b->frame[r][g];
        ivec order = binary_order(size);
        vec factor = inverse_power(order);
        for (int r = 0; r < L * M; r++) {
            b->frame[r][g] *= factor;
            b->dkey[r][g] *= factor;
            b->dvalue[r][g] *= factor;
        }
        b->power[0][g] += __builtin_convertvector(order, vec);
    }
}

INLINE void leading(SIZES, Block *b)
{
    load_block(M, L, H, b);
    load_frame(M, L, H, b, 1);
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    for (int s = 0; s < L; s++) {
        activations(M, b, b->ring + s * M, b->x, b->slope);
        tangent_overlaps(M, b, s);
    }
    for (ptrdiff_t t = 0; t < b->job->n_steps; t++, phase = NEXT(phase)) {
        begin_step(M, b, phase, b->slope);
        tangent_overlaps(M, b, phase);
        attend(M, L, H, b, 1, L, phase);
        tangent_attend(M, L, H, b, phase);
        /* By the phase, not by t: a run in pieces must give the bits of one run. */
        if (phase % 4 == 0) rescale(M, L, H, b);
        record(M, b, t, phase);
        if (STROBE(until)) {
            rescale(M, L, H, b); /* by a power of two: it changes no digit */
            sample_window(M, L, H, b, n_sampled, NEXT(phase));
            sample_growth(M, L, H, b, n_sampled++, 1);
        }
    }
    store_window(M, L, H, b, L, phase);
    store_frame(M, L, H, b, 1, phase);
}

/* ---- any number of exponents ---- */

/* dA_t/dA_{slot}: the value moves, the score moves through the key, and in the newest slot
   through the query too. */
INLINE void jacobian_rows(SIZES, const Block *b, int phase)
{
    const int width = M / H;
    for (int h = 0; h < H; h++) {
        const int begin = h * width, end = begin + width;
        const pack *w = b->weight + h * L;
        for (int e = 0; e < L; e++)
            for (int c = 0; c < M; c++) EACH(g) {
                vec sum = splat(0.0);
                for (int a = begin; a < end; a++)
                    sum += b->query[a][g] * b->dkey[(e * M + a) * M + c][g];
                b->dscore[e * M + c][g] = sum * b->gain[g];
            }
        for (int a = begin; a < end; a++) {
            for (int c = begin; c < end; c++) EACH(g) b->pull[c][g] = splat(0.0);
            for (int e = 0; e < L; e++) EACH(g) {
                vec lean = w[e][g] * (b->value[e * M + a][g] - b->att[a][g]);
                for (int c = begin; c < end; c++) b->pull[c][g] += lean * b->key[e * M + c][g];
                for (int c = 0; c < M; c++)
                    b->jacobian[(a * L + e) * M + c][g] = w[e][g] * b->dvalue[(e * M + a) * M + c][g]
                                                        + lean * b->dscore[e * M + c][g];
            }
            for (int c = 0; c < M; c++) EACH(g) {
                vec sum = splat(0.0);
                for (int d = begin; d < end; d++) sum += b->pull[d][g] * b->dquery[d * M + c][g];
                b->jacobian[(a * L + phase) * M + c][g] += sum * b->gain[g];
            }
        }
    }
}

INLINE void propagate(SIZES, const Block *b, int n_tangents, int phase)
{
    for (int i = 0; i < n_tangents; i++) {
        pack *column = b->frame + (ptrdiff_t)i * L * M;
        for (int a = 0; a < M; a++) EACH(g) {
            vec sum = b->jacobian[a * L * M][g] * column[0][g];
            for (int r = 1; r < L * M; r++) sum += b->jacobian[a * L * M + r][g] * column[r][g];
            b->fresh[a][g] = sum;
        }
        for (int a = 0; a < M; a++) EACH(g) column[NEXT(phase) * M + a][g] = b->fresh[a][g];
    }
}

/* A stretch below this part of the largest one is rounding: (2^9 epsilon)^2. */
#define LOST 0x1p-86

INLINE vec squared(const ptrdiff_t rows, int g, const pack *column)
{
    vec sum = column[0][g] * column[0][g];
    for (ptrdiff_t r = 1; r < rows; r++) sum += column[r][g] * column[r][g];
    return sum;
}

/* Take the part along `column` out of n others. Several at a time share its loads, and do not
   wait for one another's sums. */
#define ABREAST 4
INLINE void remove_part(const ptrdiff_t rows, int g, const pack *column, vec inverse, const int n, pack *others)
{
    vec dot[ABREAST];
    for (int c = 0; c < n; c++) dot[c] = splat(0.0);
    for (ptrdiff_t r = 0; r < rows; r++)
        for (int c = 0; c < n; c++) dot[c] += column[r][g] * others[c * rows + r][g];
    for (int c = 0; c < n; c++) dot[c] *= inverse;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (int c = 0; c < n; c++) others[c * rows + r][g] -= dot[c] * column[r][g];
}

/* Modified Gram-Schmidt without roots or logarithms: columns keep their length up to a
   power of two, which goes to `power`. */
INLINE void orthogonalise(SIZES, const Block *b, int n_tangents)
{
    const ptrdiff_t rows = L * M;
    EACH(g) {
        vec largest = splat(0.0);
        for (int i = 0; i < n_tangents; i++) {
            vec size = squared(rows, g, b->frame + i * rows);
            largest = select(largest < size, size, largest);
        }
        for (int i = 0; i < n_tangents; i++) {
            pack *column = b->frame + i * rows;
            vec size = squared(rows, g, column);
            vec inverse = select(size > 0.0, 1.0 / size, splat(0.0));
            int j = i + 1;
            for (; j + ABREAST <= n_tangents; j += ABREAST)
                remove_part(rows, g, column, inverse, ABREAST, b->frame + j * rows);
            for (; j < n_tangents; j++) remove_part(rows, g, column, inverse, 1, b->frame + j * rows);
            b->size[i][g] = size;
        }
        for (int i = 0; i < n_tangents; i++) {
            pack *column = b->frame + i * rows;
            ivec order = binary_order(b->size[i][g]);
            vec factor = inverse_power(order);
            for (int r = 0; r < rows; r++) column[r][g] *= factor;
            b->power[i][g] += __builtin_convertvector(order, vec);
            ivec lost = (b->size[i][g] <= largest * LOST) & (b->size[i][g] > 0.0);
            for (int lane = 0; any(lost) && lane < WIDTH; lane++) {
                ptrdiff_t p = b->first + g * WIDTH + lane;
                if (p < b->job->n_points && lost[lane]) b->job->n_lost[p * n_tangents + i]++;
            }
        }
    }
}

/* The slopes of the tokens that a step finds in the window. */
INLINE void slopes(SIZES, const Block *b)
{
    for (int s = 0; s < L; s++) {
        activations(M, b, b->ring + s * M, b->x, b->slope);
        overlap_slope(M, b, KEY, b->dkey + s * M * M);
        overlap_slope(M, b, VALUE, b->dvalue + s * M * M);
    }
}

/* A step and its dense rows, from the state that `slopes` and later steps have made. */
INLINE void step_with_rows(SIZES, const Block *b, int phase)
{
    begin_step(M, b, phase, b->slope);
    overlap_slope(M, b, QUERY, b->dquery);
    overlap_slope(M, b, KEY, b->dkey + phase * M * M);
    overlap_slope(M, b, VALUE, b->dvalue + phase * M * M);
    attend(M, L, H, b, 1, L, phase);
    jacobian_rows(M, L, H, b, phase);
}

INLINE void spectrum(SIZES, Block *b)
{
    const int n_tangents = b->job->n_tangents;
    load_block(M, L, H, b);
    load_frame(M, L, H, b, n_tangents);
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    slopes(M, L, H, b);
    for (ptrdiff_t t = 0; t < b->job->n_steps; t++, phase = NEXT(phase)) {
        step_with_rows(M, L, H, b, phase);
        propagate(M, L, H, b, n_tangents, phase);
        const int strobe = STROBE(until);
        if (strobe || (t + 1) % b->job->qr_interval == 0 || t + 1 == b->job->n_steps)
            orthogonalise(M, L, H, b, n_tangents);
        record(M, b, t, phase);
        if (strobe) {
            sample_window(M, L, H, b, n_sampled, NEXT(phase));
            sample_growth(M, L, H, b, n_sampled++, n_tangents);
        }
    }
    store_window(M, L, H, b, L, phase);
    store_frame(M, L, H, b, n_tangents, phase);
}

/* ---- one step and its derivative, of windows that stay as they are ---- */

INLINE void linearize_block(SIZES, Block *b)
{
    const Job *job = b->job;
    load_block(M, L, H, b);
    slopes(M, L, H, b);
    step_with_rows(M, L, H, b, job->phase);
    for (int a = 0; a < M; a++) {
        store(b, job->next + a, M, b->att[a]);
        for (int d = 0; d < L; d++)
            for (int c = 0; c < M; c++)
                store(b, job->rows + ((ptrdiff_t)d * M + a) * M + c, (ptrdiff_t)L * M * M,
                      b->jacobian[(a * L + (job->phase - d + L) % L) * M + c]);
    }
}
