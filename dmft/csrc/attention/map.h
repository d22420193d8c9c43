/* The attention map for one block of points; equations as in reference.py and arXiv:2406.07247.
 *
 * The ring: slot s = phase holds what belongs to the token at that position, its
 * attention A_{t-1}, m^k and m^v. A step overwrites one slot and sums over all of
 * them in the order of the slots, so nothing is ever shifted.
 *
 * Functions are written for any sizes (M features, L context, H heads) and inlined
 * with constants for the common ones (sizes.h), which lets the compiler unroll
 * them and keep the vectors in registers.
 */
#ifndef DMFT_MAP_H
#define DMFT_MAP_H

#include "laws.h"

/* Whether what a run does once, or once a row, is written out in functions of one size: calls would see the arrays,
   which then cannot live in registers. */
#ifndef WRITTEN_OUT
#define WRITTEN_OUT __builtin_constant_p(L)
#endif

/* m_a = from_a + sum_j G^role_{j,a} y_j; `from` may be m, or NULL for none. */
INLINE void project_some(const int M, const Block *b, const double *coupling, const pack *y, const pack *from, pack *m,
                         const int n)
{
    pack sum[ABREAST];
    for (int a = 0; a < n; a++) EACH(g) sum[a][g] = from ? from[a][g] : splat(0.0);
    for (int j = 0; j < b->n_classes; j++)
        for (int a = 0; a < n; a++) EACH(g) sum[a][g] = fma3(coupling[j * M + a], y[j][g], sum[a][g]);
    for (int a = 0; a < n; a++) EACH(g) m[a][g] = sum[a][g];
}

INLINE void project(const int M, const Block *b, int role, const pack *y, const pack *from, pack *m)
{
    const double *coupling = b->job->couplings + (ptrdiff_t)role * b->n_classes * M;
#define PROJECT(a, n) project_some(M, b, coupling + (a), y, from ? from + (a) : NULL, m + (a), n)
    SIDE_BY_SIDE(M, PROJECT);
}

INLINE void clear(const int n, pack *m)
{
    for (int i = 0; i < n; i++) EACH(g) m[i][g] = splat(0.0);
}

INLINE void copy(const int n, const pack *from, pack *to)
{
    for (int i = 0; i < n; i++) EACH(g) to[i][g] = from[i][g];
}

/* What the drive gives is added to m. */
INLINE void given_part(const int M, const Block *b, int role, int stage, pack *m)
{
    if (!b->job->n_stages) return;
    const double *given = b->job->given + ((ptrdiff_t)stage * N_ROLES + role) * M;
    for (int a = 0; a < M; a++) EACH(g) m[a][g] = fma3(splat(given[a]), b->semantic[g], m[a][g]);
}

/* Eq. (6): the position's part and what is given, then (1 - epsilon) sum_j G^role_{j,a} x_j; b->x holds
   (1 - epsilon) x_j. */
INLINE void overlap(SIZES, const Block *b, int role, int phase, int stage, pack *m)
{
    const pack *from = b->place + (role * L + phase) * M;
    if (b->job->n_stages) {
        copy(M, from, m);
        given_part(M, b, role, stage, m);
        from = m;
    }
    project(M, b, role, b->x, from, m);
}

INLINE void overlaps(SIZES, const Block *b, int phase, int stage)
{
    overlap(M, L, H, b, QUERY, phase, stage, b->query);
    overlap(M, L, H, b, KEY, phase, stage, b->key + phase * M);
    overlap(M, L, H, b, VALUE, phase, stage, b->value + phase * M);
}

INLINE void position_part(const int M, const Block *b, int role, int phase, pack *m)
{
    const double *position = b->job->position + ((ptrdiff_t)role * b->job->n_context + phase) * M;
    for (int a = 0; a < M; a++) EACH(g) m[a][g] = position[a] * b->positional[g];
}

/* ---- Eqs. (2), (3): softmax over the keys, attention from the values ---- */

/* Over all slots in their order if `full`, else over the n newest. */
#define SLOT(e) (full ? (e) : (phase - (e) + L) % L)

/* So many sums over slots go side by side in registers, where their number is a constant. */
#define FEW 8
#define IS_FEW(width) (__builtin_constant_p(width) && (width) <= FEW)

/* The score of the e-th key of a head, as its weight; the largest so far. */
INLINE void score(SIZES, const Block *b, const pack *query, int n_keys, int s, int h, int g, int e, pack top)
{
    const pack *key = b->key + s * M + h * (M / H);
    vec sum = query[0][g] * key[0][g];
    for (int a = 1; a < M / H; a++) sum = fma3(query[a][g], key[a][g], sum);
    b->weight[h * L + s][g] = sum;
    top[g] = e || !__builtin_constant_p(n_keys) ? vmax(top[g], sum) : sum;
}

INLINE void scores(SIZES, const Block *b, const int full, int n_keys, int phase, int h, pack top)
{
    const int width = M / H;
    const pack *query = b->gain_query + h * width;
    pack some[FEW]; /* in registers, whatever is written */
    for (int a = 0; IS_FEW(width) && a < width; a++) EACH(g) some[a][g] = query[a][g];
    if (IS_FEW(width)) query = some;
    EACH(g) top[g] = splat(-INFINITY);
    if (__builtin_constant_p(n_keys))
        EACH(g) for (int e = 0; e < n_keys; e++) score(M, L, H, b, query, n_keys, SLOT(e), h, g, e, top);
    else /* no largest one waits for itself */
        for (int e = 0; e < n_keys; e++) EACH(g) score(M, L, H, b, query, n_keys, SLOT(e), h, g, e, top);
}

/* The weight of the e-th key, made of its score; added to the sum of all, and its values times it to theirs. */
INLINE void weigh(SIZES, const Block *b, const int full, int phase, int h, int g, vec top, int e, vec *sum, vec *mean)
{
    const int width = M / H, s = SLOT(e);
    const pack *value = b->value + s * M + h * width;
    const vec w = vexp(b->weight[h * L + s][g] - top);
    b->weight[h * L + s][g] = w;
    *sum = e ? *sum + w : w;
    for (int a = 0; IS_FEW(width) && a < width; a++) mean[a] = e ? fma3(w, value[a][g], mean[a]) : w * value[a][g];
}

/* The attention for n features from a on, side by side, where there may be many. */
INLINE void some_means(SIZES, const Block *b, const int full, int n_keys, int phase, int h, int g, int a, const int n)
{
    const pack *w = b->weight + h * L, *value = b->value + a;
    vec mean[ABREAST];
    for (int i = 0; i < n; i++) mean[i] = w[SLOT(0)][g] * value[SLOT(0) * M + i][g];
    for (int e = 1; e < n_keys; e++)
        for (int i = 0; i < n; i++) mean[i] = fma3(w[SLOT(e)][g], value[SLOT(e) * M + i][g], mean[i]);
    for (int i = 0; i < n; i++) b->att[a + i][g] = mean[i] * b->share_of_one[h][g];
}

INLINE void attend_keys(SIZES, const Block *b, const int full, int n, int phase)
{
    const int width = M / H, n_keys = full ? L : n;
    for (int a = 0; a < M; a++) EACH(g) b->gain_query[a][g] = b->query[a][g] * b->gain[g];
    for (int h = 0; h < H; h++) {
        pack top;
        scores(M, L, H, b, full, n_keys, phase, h, top);
        EACH(g) {
            vec sum, mean[FEW];
            weigh(M, L, H, b, full, phase, h, g, top[g], 0, &sum, mean);
            for (int e = 1; e < n_keys; e++) weigh(M, L, H, b, full, phase, h, g, top[g], e, &sum, mean);
            const vec inverse = b->share_of_one[h][g] = 1.0 / sum;
            for (int a = 0; IS_FEW(width) && a < width; a++) b->att[h * width + a][g] = mean[a] * inverse;
#define MEANS(a, n) some_means(M, L, H, b, full, n_keys, phase, h, g, h * width + (a), n)
            if (!IS_FEW(width)) SIDE_BY_SIDE(width, MEANS);
        }
    }
}

APART void attend_any(const Block *b, int n, int phase)
{
    attend_keys(ITS_SIZES(b), b, 0, n, phase);
}

INLINE void attend(SIZES, const Block *b, const int full, int n, int phase)
{
    if (__builtin_constant_p(M) || full) attend_keys(M, L, H, b, full, n, phase);
    else attend_any(b, n, phase);
}

/* Softmax weights that sum to 1. */
INLINE void normalise(SIZES, const Block *b)
{
    for (int h = 0; h < H; h++) EACH(g) {
        for (int e = 0; e < L; e++) b->weight[h * L + e][g] *= b->share_of_one[h][g];
        b->share_of_one[h][g] = splat(1.0);
    }
}

/* ---- records ---- */

/* Which lanes record step t? `before` is A_{t-1}, b->att is A_t. */
INLINE int chosen(const Block *b, ptrdiff_t t, const pack *before, ivec lanes[GROUPS])
{
    const Job *job = b->job;
    if (job->section < 0) {
        EACH(g) lanes[g] = splat(0.0) == 0.0;
        return (job->clock + t) % job->every == 0;
    }
    int found = 0;
    EACH(g) {
        lanes[g] = (before[job->section][g] < 0.0) ^ (b->att[job->section][g] < 0.0);
        found |= any(lanes[g]);
    }
    return found;
}

/* One row of every record, for the chosen lanes. A call of its own, and of copies: if the block's
   arrays had addresses the compiler could not keep them in registers. */
APART void write_rows(const Job *job, ptrdiff_t first, const ivec lanes[GROUPS], const pack *row, const pack *share)
{
    const int M = job->n_features, n_weights = job->n_heads * job->n_context;
    double *weights = job->record[RECORD_WEIGHTS];
    EACH(g) for (int i = 0; i < WIDTH; i++) {
        ptrdiff_t p = first + g * WIDTH + i;
        if (p >= job->n_points || !lanes[g][i] || job->n_recorded[p] >= job->n_rows) continue;
        ptrdiff_t at = p * job->n_rows + job->n_recorded[p]++;
        for (int what = 0; what < N_FEATURE_RECORDS; what++)
            for (int a = 0; job->record[what] && a < M; a++) job->record[what][at * M + a] = row[what * M + a][g][i];
        for (int e = 0; weights && e < n_weights; e++) weights[at * n_weights + e] = share[e][g][i];
    }
}

/* The weights of the n newest keys, newest first; those that the window lacks have none. */
INLINE void share_of_keys(SIZES, const Block *b, const int n, int phase)
{
    for (int h = 0; h < H; h++)
        for (int d = 0; d < L; d++)
            EACH(g) {
                const vec weight = b->weight[h * L + (phase - d + L) % L][g] * b->share_of_one[h][g];
                b->share[h * L + d][g] = d < n ? weight : splat(0.0);
            }
}

/* Row t of some lanes, of a window with n tokens. */
INLINE void record_row(SIZES, const Block *b, const int n, ptrdiff_t t, int phase, const ivec lanes[GROUPS])
{
    pack *row = b->row, *semantic = row + RECORD_SEMANTIC * M, *output = row + RECORD_OUTPUT * M;
    clear(M, semantic);
    given_part(M, b, OUTPUT, stage_of(b, t), semantic);
    project(M, b, OUTPUT, b->x, semantic, semantic);
    position_part(M, b, OUTPUT, phase, output);
    for (int a = 0; a < M; a++) EACH(g) output[a][g] += semantic[a][g];
    copy(M, b->att, row + RECORD_ATTENTION * M);
    copy(M, b->value + phase * M, row + RECORD_VALUE * M);
    copy(M, b->query, row + RECORD_QUERY * M);
    copy(M, b->key + phase * M, row + RECORD_KEY * M);
    if (b->job->record[RECORD_WEIGHTS]) share_of_keys(M, L, H, b, n, phase);
    write_rows(b->job, b->first, lanes, b->row, b->share);
}

APART void record_any_row(const Block *b, int n, ptrdiff_t t, int phase, const ivec lanes[GROUPS])
{
    record_row(ITS_SIZES(b), b, n, t, phase, lanes);
}

INLINE void record(SIZES, const Block *b, const int n, ptrdiff_t t, int phase)
{
    ivec lanes[GROUPS];
    if (!b->job->n_rows || !chosen(b, t, b->ring + phase * M, lanes)) return;
    if (WRITTEN_OUT) record_row(M, L, H, b, n, t, phase, lanes);
    else record_any_row(COPIED(b), n, t, phase, lanes);
}

/* ---- state in and out ---- */

INLINE void load_window(SIZES, const Block *b)
{
    const Job *job = b->job;
    for (int role = 0; role < OUTPUT; role++)
        for (int s = 0; s < L; s++) position_part(M, b, role, s, b->place + (role * L + s) * M);
    for (int d = 0; d < job->n_filled; d++) {
        const int s = (job->phase - d + L) % L;
        for (int a = 0; a < M; a++) load(b, job->window + d * M + a, (ptrdiff_t)L * M, b->ring[s * M + a]);
        if (d == 0) continue; /* the first step makes this row's overlaps */
        const int stage = stage_of(b, -d), i = d - (job->n_filled - job->n_preset);
        const ptrdiff_t size = (ptrdiff_t)job->n_preset * M;
        driven_activations(M, b, b->ring + s * M, stage, 0);
        overlaps(M, L, H, b, s, stage);
        if (job->preset && i >= 0)
            for (int a = 0; a < M; a++) {
                load(b, job->preset + i * M + a, 2 * size, b->key[s * M + a]);
                load(b, job->preset + size + i * M + a, 2 * size, b->value[s * M + a]);
            }
    }
    copy(M, b->ring + job->phase * M, b->att);
}

INLINE void store_window(SIZES, const Block *b, int n, int phase)
{
    for (int d = 0; d < n; d++) {
        const pack *row = d ? b->ring + ((phase - d + L) % L) * M : b->att;
        for (int a = 0; a < M; a++) store(b, b->job->window + d * M + a, (ptrdiff_t)L * M, row[a]);
    }
    for (int d = 1; b->job->memory && d < n; d++)
        for (int a = 0; a < M; a++) {
            const ptrdiff_t at = d * M + a, slot = ((phase - d + L) % L) * M + a;
            store(b, b->job->memory + at, 2 * (ptrdiff_t)L * M, b->key[slot]);
            store(b, b->job->memory + (ptrdiff_t)L * M + at, 2 * (ptrdiff_t)L * M, b->value[slot]);
        }
}

/* ---- one run of the map ---- */

INLINE void take_up(SIZES, const Block *b, ptrdiff_t t, int phase, const int sloping)
{
    const int stage = stage_of(b, t);
    copy(M, b->att, b->ring + phase * M);
    driven_activations(M, b, b->att, stage, sloping);
    overlaps(M, L, H, b, phase, stage);
}

APART void take_any_up(const Block *b, ptrdiff_t t, int phase, int sloping)
{
    take_up(ITS_SIZES(b), b, t, phase, sloping);
}

INLINE void begin_step(SIZES, const Block *b, ptrdiff_t t, int phase, const int sloping)
{
    if (__builtin_constant_p(M)) take_up(M, L, H, b, t, phase, sloping);
    else take_any_up(b, t, phase, sloping);
}

#define NEXT(phase) ((phase) + 1 == L ? 0 : (phase) + 1)

#endif
