/* The kernel of many exponents, by a frame of tangents, and that of one step and its derivative. One
 * group of points at a time: the frames of two would not fit into the first cache.
 */
#define GROUPS 1
#define WRITTEN_OUT 0
#include "frame.h"
#include "leading.h"
#include "leap.h"
#include "map.h"
#include "rows.h"
#include "sizes.h"
#include "small.h"
#include "tangent.h"

/* What is done once, and at strobes, for all sizes. */
APART void begin_any(const Block *b)
{
    load_window(ITS_SIZES(b), b);
    load_frame(ITS_SIZES(b), b, b->job->n_tangents);
    any_slopes(b);
}

APART void end_any(const Block *b, int phase)
{
    store_window(ITS_SIZES(b), b, b->job->n_context, phase);
    store_frame(ITS_SIZES(b), b, b->job->n_tangents, phase);
}

APART void sample_any(const Block *b, ptrdiff_t at, int phase)
{
    sample_window(ITS_SIZES(b), b, at, phase);
    sample_growth(ITS_SIZES(b), b, at, b->job->n_tangents);
}

/* After step t, whether its frame is made orthogonal. */
INLINE int is_orthogonal(const Job *job, ptrdiff_t t, int sampled)
{
    return sampled || (t + 1) % job->qr_interval == 0 || t + 1 == job->n_steps;
}

enum { ANY_FRAME, SMALL_FRAME, FEW_TANGENTS }; /* what a job is for: step_frame, step_small or step_few */

INLINE void spectrum(SIZES, Block *b, const int frame)
{
    const int n_tangents = b->job->n_tangents, small = frame == SMALL_FRAME;
    begin_any(COPIED(b));
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    for (int k = 0; small && k < b->job->n_dual; k++)
        EACH(g) b->squared[k][g] = squared_length(L * M, g, b->frame + (L * M - b->job->n_dual + k) * PITCH(L * M));
    for (ptrdiff_t t = 0; t < b->job->n_steps && !ENDED(b, t, SLOPES_WORK); t++, phase = NEXT(phase)) {
        step_with_rows(M, L, H, b, t, phase);
        const int sampled = strobe(b, &until);
        const int qr = is_orthogonal(b->job, t, sampled);
        /* By the phase, not by t: a run in pieces must give the bits of one run. */
        if (small) {
            step_small(M, L, H, b, 0, phase);
            end_small(M, L, H, b, 0, phase % 4 == 0, sampled);
        } else if (frame == FEW_TANGENTS) {
            step_few(M, L, H, b, 0, phase);
            end_few(M, L, H, b, 0, phase % 4 == 0);
        } else step_frame(M, L, H, b, n_tangents, phase, qr, phase % 4 == 0);
        record(M, L, H, b, L, t, phase);
        if (sampled) {
            settle_dual_power(b);
            sample_any(COPIED(b), n_sampled++, NEXT(phase));
        }
    }
    end_any(COPIED(b), phase);
}

/* The same of large windows, whose frames are behind the block's arrays. */
static void large(const Job *job, ptrdiff_t first, void *scratch)
{
    const int M = job->n_features, L = job->n_context, H = job->n_heads;
    Block block = any_block(job, first, scratch, 0), *b = &block;
    Point points[WIDTH];
    const int n_points = make_points(b, (double *)((char *)scratch + room(job, 0)), points);
    int phase = job->phase;
    ptrdiff_t until = job->until, n_sampled = 0;
    int n_taken = 0; /* steps of the map that frames have before them */
    load_window(M, L, H, b);
    any_slopes(b);
    b->dual_power[0][0] = splat(0.0);
    forget_step(b, 0);
    for (int i = 0; i < n_points; i++) load_point(&points[i]);
    for (ptrdiff_t t = 0; t < job->n_steps && !ENDED(b, t, SLOPES_WORK); t++, phase = NEXT(phase)) {
        step_with_rows(M, L, H, b, t, phase);
        const int sampled = strobe(b, &until), qr = is_orthogonal(job, t, sampled);
        if (job->n_dual) invert_oldest(M, L, H, b, 0, phase, 0);
        share_step(points, n_points, n_taken++, NEXT(phase));
        if (qr) forget_step(b, 0);
        record(M, L, H, b, L, t, phase);
        if (job->qr_interval > 1)
            for (int i = 0; i < n_points; i++) step_point(&points[i], 0, 1, 1, qr, phase % 4 == 0);
        else if (sampled || n_taken == LEAP || t + 1 == job->n_steps)
            for (int i = 0; i < n_points; i++) leap_point(&points[i], n_taken);
        else continue;
        n_taken = 0;
        if (!sampled) continue;
        sample_window(M, L, H, b, n_sampled, NEXT(phase));
        for (int i = 0; i < n_points; i++) sample_point(&points[i], n_sampled);
        n_sampled++;
    }
    store_window(M, L, H, b, L, phase);
    for (int i = 0; i < n_points; i++) store_point(&points[i], phase);
}

/* ---- one step and its derivative, of windows that stay as they are ---- */

INLINE void linearize_block(SIZES, Block *b)
{
    const Job *job = b->job;
    load_window(M, L, H, b);
    any_slopes(b);
    step_with_rows(M, L, H, b, 0, job->phase);
    for (int a = 0; a < M; a++) {
        store(b, job->next + a, M, b->att[a]);
        for (int d = 0; d < L; d++)
            for (int c = 0; c < M; c++)
                store(b, job->rows + ((ptrdiff_t)d * M + a) * M + c, (ptrdiff_t)L * M * M,
                      b->jacobian[(a * L + (job->phase - d + L) % L) * M + c]);
    }
}

/* ---- the kernels ---- */

#define SPECTRUM(M_, L_, J_) BY_SOURCE_ORDER BUILT_FUNCTION(spectrum, M * L, spectrum(M, L, H, &b, ANY_FRAME), M_, L_, J_)
#define SPECTRUM_ITEM(...) BUILT_ITEM(spectrum, __VA_ARGS__)
BUILT_SIZES(SPECTRUM)
static const Built built_spectra[] = {BUILT_SIZES(SPECTRUM_ITEM){0}};

/* As BUILT_FUNCTION, for any law and any number of classes: there is no other function for such jobs. */
#define SMALL_FUNCTION(name, frame)                                                 \
    BY_SOURCE_ORDER static void name(const Job *job, ptrdiff_t first, void *scratch) \
    {                                                                               \
        enum { M = 3, L = 4, H = 1, J = 1 << (M - 1), K = M * L };                  \
        const Block any = any_block(job, first, scratch, job->n_tangents);          \
        Block b = any;                                                              \
        ARRAYS(LOCAL) ARRAYS(BIND)                                                  \
        if (job->n_classes > J) b.x = any.x, b.rise = any.rise, b.dx = any.dx;      \
        spectrum(M, L, H, &b, frame);                                               \
    }
SMALL_FUNCTION(small, SMALL_FRAME)
SMALL_FUNCTION(few, FEW_TANGENTS)

static void run_any(const Job *job, ptrdiff_t first, void *scratch)
{
    Block b = any_block(job, first, scratch, job->n_tangents);
    spectrum(job->n_features, job->n_context, job->n_heads, &b, ANY_FRAME);
}

static void run(const Job *job, ptrdiff_t block, void *scratch)
{
    const ptrdiff_t first = block * GROUPS * WIDTH;
    void (*built)(const Job *, ptrdiff_t) = built_for(job, built_spectra);
    const int usual = USUAL_DUAL(job->n_features * job->n_context);
    if (is_large(job)) large(job, first, scratch);
    else if (is_small(job)) small(job, first, scratch);
    else if (is_few(job)) few(job, first, scratch);
    else if (built && (job->n_dual == 0 || job->n_dual == usual)) built(job, first);
    else run_any(job, first, scratch);
    leave_wide_registers();
}

/* For any size alone: what uses it spends most of its time in linear algebra. */
static void linearize(const Job *job, ptrdiff_t block, void *scratch)
{
    Block b = any_block(job, block * GROUPS * WIDTH, scratch, job->n_tangents);
    linearize_block(job->n_features, job->n_context, job->n_heads, &b);
    leave_wide_registers();
}

static size_t spectra_size(const Job *job)
{
    const int n_points = job->n_points < WIDTH ? (int)job->n_points : WIDTH;
    return is_large(job) ? room(job, 0) + points_size(job, n_points) * sizeof(double) : scratch_size(job);
}

static const Kernel spectra = {GROUPS * WIDTH, spectra_size, run};
static const Kernel steps = {GROUPS * WIDTH, scratch_size, linearize};

extern const Kernel ISA(dmft_orbits), ISA(dmft_few);
const Kernels ISA(dmft_attention) = {&ISA(dmft_orbits), &ISA(dmft_few), &spectra, &steps};
