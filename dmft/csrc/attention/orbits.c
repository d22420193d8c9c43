/* The kernel of orbits, with the leading exponent or without: one tangent, no matrix. Two groups at a
 * time fill the waits for divisions and exponentials; where one holds all points, few.c takes it alone.
 */
#ifndef GROUPS
#define GROUPS 2
#define ORBITS dmft_orbits
#endif
#include "map.h"
#include "sizes.h"
#include "tangent.h"

#define RUN_ENDED(b, t) (!__builtin_constant_p(L) && ASKED(b, t, 4.0 * M * ((b)->n_classes + L)))

INLINE void orbit(SIZES, Block *b, const int full)
{
    int n = full ? L : b->job->n_filled, phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    for (ptrdiff_t t = 0; t < b->job->n_steps && !RUN_ENDED(b, t); t++, phase = NEXT(phase)) {
        begin_step(M, L, H, b, t, phase, 0);
        attend(M, L, H, b, full, n, phase);
        record(M, L, H, b, full ? L : n, t, phase);
        if (full && strobe(b, &until)) sample_window(M, L, H, b, n_sampled++, NEXT(phase));
        if (!full && n < L) n++;
    }
}

/* ---- the leading exponent ---- */

/* dx_j = sum_b dx_j/dA_b delta_b */
INLINE void class_tangents(const int M, const Block *b, const pack *delta, ptrdiff_t first, const int n)
{
    const double *sign = b->job->signs + first * M;
    pack sum[ABREAST];
    for (int j = 0; j < n; j++) EACH(g) sum[j][g] = sign[j * M] * delta[0][g];
    for (int a = 1; a < M; a++)
        for (int j = 0; j < n; j++) EACH(g) sum[j][g] = fma3(sign[j * M + a], delta[a][g], sum[j][g]);
    for (int j = 0; j < n; j++) EACH(g) b->dx[first + j][g] = b->rise[first + j][g] * sum[j][g];
}

INLINE void tangent_activations(const int M, const Block *b, const pack *delta)
{
#define CLASS_TANGENTS(j, n) class_tangents(M, b, delta, j, n)
    if (b->law == LAW_CLASSES) {
        SIDE_BY_SIDE_ROUGHLY(b->n_classes, CLASS_TANGENTS);
        return;
    }
    for (int j = 0; j < M; j++) EACH(g) {
        vec sum = b->slope[j * M][g] * delta[0][g];
        for (int a = 1; a < M; a++) sum = fma3(b->slope[j * M + a][g], delta[a][g], sum);
        b->dx[j][g] = sum;
    }
}

/* sum_r x_r y_r as four sums, which do not wait for one another. */
INLINE vec dot(const ptrdiff_t rows, int g, const pack *x, const pack *y)
{
    vec sum[4];
    for (int k = 0; k < 4; k++) sum[k] = splat(0.0);
    ptrdiff_t r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int k = 0; k < 4; k++) sum[k] = fma3(x[r + k][g], y[r + k][g], sum[k]);
    for (; r < rows; r++) sum[0] = fma3(x[r][g], y[r][g], sum[0]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

INLINE void tangent_overlaps(const int M, const Block *b, int phase)
{
    tangent_activations(M, b, b->frame + phase * M);
    project(M, b, QUERY, b->dx, NULL, b->dquery);
    project(M, b, KEY, b->dx, NULL, b->dkey + phase * M);
    project(M, b, VALUE, b->dx, NULL, b->dvalue + phase * M);
}

APART void any_tangent_overlaps(const Block *b, int phase) { tangent_overlaps(b->job->n_features, b, phase); }

/* The tangent of the score of a head's e-th key. */
INLINE vec score_tangent(SIZES, const Block *b, const pack *keys, int h, int g, int e)
{
    const pack *key = keys + e * M, *dkey = b->dkey + e * M;
    vec score = splat(0.0);
    for (int a = h * (M / H); a < (h + 1) * (M / H); a++)
        score = fma3(b->dquery[a][g], key[a][g], fma3(b->gain_query[a][g], dkey[a][g], score));
    return score;
}

/* The new attention's tangent, of n features from a on. What a slot's score moves by is in `turn`, or is `few`: a
   head's features are few, and all of them are taken here. */
INLINE void some_tangents(SIZES, const Block *b, int h, int g, pack *to, int a, const int n, const int few)
{
    const pack *w = b->weight + h * L, *keys = b->key, *values = b->value;
    vec sum[ABREAST];
#ifdef __GNUC__
    __asm__("" : "+r"(keys), "+r"(values)); /* read anew: too many to stay in registers since `attend` */
#endif
    for (int i = 0; i < n; i++) sum[i] = splat(0.0);
    for (int e = 0; e < L; e++) {
        const pack *value = values + e * M + a, *dvalue = b->dvalue + e * M + a;
        const vec score = few ? score_tangent(M, L, H, b, keys, h, g, e) : b->turn[e][g];
        for (int i = 0; i < n; i++)
            sum[i] = fma3(w[e][g], fma3(value[i][g] - b->att[a + i][g], score, dvalue[i][g]), sum[i]);
    }
    for (int i = 0; i < n; i++) to[a + i][g] = sum[i] * b->share_of_one[h][g];
}

INLINE void tangent_attend(SIZES, const Block *b, int phase)
{
    const int width = M / H;
    pack *to = b->frame + NEXT(phase) * M;
    for (int a = 0; a < M; a++) EACH(g) b->dquery[a][g] *= b->gain[g];
    for (int h = 0; h < H; h++) EACH(g) {
        if (IS_FEW(width) && width <= ABREAST) {
            some_tangents(M, L, H, b, h, g, to, h * width, width, 1);
            continue;
        }
        for (int e = 0; e < L; e++) b->turn[e][g] = score_tangent(M, L, H, b, b->key, h, g, e);
#define TANGENTS(a, n) some_tangents(M, L, H, b, h, g, to, h * width + (a), n, 0)
        SIDE_BY_SIDE(width, TANGENTS);
    }
}

INLINE void rescale(SIZES, const Block *b)
{
    EACH(g) {
        vec size = dot(L * M, g, b->frame, b->frame);
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
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    for (ptrdiff_t t = 0; t < b->job->n_steps && !RUN_ENDED(b, t); t++, phase = NEXT(phase)) {
        begin_step(M, L, H, b, t, phase, 1);
        if (__builtin_constant_p(M)) tangent_overlaps(M, b, phase);
        else any_tangent_overlaps(b, phase);
        attend(M, L, H, b, 1, L, phase);
        tangent_attend(M, L, H, b, phase);
        /* By the phase, not by t: a run in pieces must give the bits of one run. A long window changes slowly. */
        if (phase % (L < 16 ? 4 : 8) == 0) rescale(M, L, H, b);
        record(M, L, H, b, L, t, phase);
        if (strobe(b, &until)) {
            rescale(M, L, H, b); /* by a power of two: it changes no digit */
            sample_window(M, L, H, b, n_sampled, NEXT(phase));
            sample_growth(M, L, H, b, n_sampled++, 1);
        }
    }
}

/* ---- the kernel ---- */

/* Before the first step and after the last one. */
INLINE void begin(SIZES, const Block *b, const int n_tangents)
{
    load_window(M, L, H, b);
    if (!n_tangents) return;
    load_frame(M, L, H, b, 1);
    for (int s = 0; s < L && !RUN_ENDED(b, s); s++) {
        driven_activations(M, b, b->ring + s * M, stage_of(b, -((b->job->phase - s + L) % L)), 1);
        tangent_overlaps(M, b, s);
    }
}

INLINE void end(SIZES, const Block *b, const int n_tangents)
{
    const Job *job = b->job;
    const int phase = (int)((job->phase + job->n_steps) % L);
    store_window(M, L, H, b, job->n_steps < L - job->n_filled ? job->n_filled + (int)job->n_steps : L, phase);
    if (n_tangents) store_frame(M, L, H, b, 1, phase);
}

#define WHOLE(work, n_tangents) (begin(M, L, H, &b, n_tangents), work, end(M, L, H, &b, n_tangents))
#define ORBIT(...) BY_SOURCE_ORDER BUILT_FUNCTION(orbit, 1, WHOLE(orbit(M, L, H, &b, 1), 0), __VA_ARGS__)
#define LEADING(...) BY_SOURCE_ORDER BUILT_FUNCTION(leading, 1, WHOLE(leading(M, L, H, &b), 1), __VA_ARGS__)
SMALL_SIZES(ORBIT)
SMALL_SIZES(LEADING)
#define ORBIT_ITEM(...) BUILT_ITEM(orbit, __VA_ARGS__)
#define LEADING_ITEM(...) BUILT_ITEM(leading, __VA_ARGS__)
static const Built built_orbits[] = {SMALL_SIZES(ORBIT_ITEM){0}};
static const Built built_leading[] = {SMALL_SIZES(LEADING_ITEM){0}};

/* The same where arrays are in the scratch memory, for all functions that work on them there. */
APART void begin_any(const Job *job, ptrdiff_t first, void *scratch)
{
    const Block b = any_block(job, first, scratch, job->n_tangents);
    begin(ITS_SIZES(&b), &b, job->n_tangents);
}

APART void end_any(const Job *job, ptrdiff_t first, void *scratch)
{
    const Block b = any_block(job, first, scratch, job->n_tangents);
    end(ITS_SIZES(&b), &b, job->n_tangents);
}

#define ANY_CONTEXT(M_)                                                             \
    BY_SOURCE_ORDER static void of_features_##M_(const Job *job, ptrdiff_t first, void *scratch) \
    {                                                                               \
        Block b = any_block(job, first, scratch, job->n_tangents);                                   \
        b.law = LAW_CLASSES;                                                        \
        if (job->n_tangents) leading(M_, job->n_context, 1, &b);                    \
        else orbit(M_, job->n_context, 1, &b, 1);                                   \
    }
BUILT_FEATURES(ANY_CONTEXT)

static void of_any(const Job *job, ptrdiff_t first, void *scratch)
{
    Block b = any_block(job, first, scratch, job->n_tangents);
    if (job->n_tangents) leading(ITS_SIZES(&b), &b);
    else if (job->n_filled == job->n_context) orbit(ITS_SIZES(&b), &b, 1);
    else orbit(ITS_SIZES(&b), &b, 0);
}

static void run_any(const Job *job, ptrdiff_t first, void *scratch)
{
    begin_any(job, first, scratch);
    const int classes = job->n_heads == 1 && job->law == LAW_CLASSES && job->n_filled == job->n_context;
#define OF_FEATURES(M_) case M_: of_features_##M_(job, first, scratch); break;
    switch (classes ? job->n_features : 0) {
    BUILT_FEATURES(OF_FEATURES)
    default: of_any(job, first, scratch);
    }
    end_any(job, first, scratch);
}

/* Take a block whose windows are full through a job. */
static void run_full(const Job *job, ptrdiff_t first, void *scratch)
{
    void (*built)(const Job *, ptrdiff_t) = built_for(job, job->n_tangents ? built_leading : built_orbits);
    if (built) built(job, first);
    else run_any(job, first, scratch);
}

static void run(const Job *whole, ptrdiff_t block, void *scratch)
{
    const ptrdiff_t first = block * GROUPS * WIDTH;
    Job rest = *whole;
    if (rest.n_filled < rest.n_context) {
        /* The context grows in a run's first steps only: not worth a code of its own for each size. */
        Job growing = rest;
        const int n = rest.n_context - rest.n_filled;
        growing.n_steps = n < rest.n_steps ? n : rest.n_steps;
        run_any(&growing, first, scratch);
        rest.n_steps -= growing.n_steps;
        rest.n_filled += (int)growing.n_steps;
        rest.phase = (int)((rest.phase + growing.n_steps) % rest.n_context);
        rest.clock += growing.n_steps;
        if (rest.n_stages) rest.stage = (int)((rest.stage + growing.n_steps) % rest.n_stages);
    }
    if (rest.n_steps > 0) run_full(&rest, first, scratch);
    leave_wide_registers();
}

extern const Kernel ISA(ORBITS);
const Kernel ISA(ORBITS) = {GROUPS * WIDTH, scratch_size, run};
