/* The kernel of many exponents, by a frame of tangents, and that of one step and its derivative. One
 * group of points at a time: the frames of two would not fit into the first cache.
 */
#define GROUPS 1
#include "frame.h"
#include "map.h"
#include "rows.h"
#include "sizes.h"
#include "small.h"
#include "tangent.h"

INLINE void spectrum(SIZES, Block *b)
{
    const int n_tangents = b->job->n_tangents;
    load_block(M, L, H, b);
    load_frame(M, L, H, b, n_tangents);
    int phase = b->job->phase;
    ptrdiff_t until = b->job->until, n_sampled = 0;
    const int small = is_small(M, L, H, b->job);
    for (int k = 0; small && k < b->job->n_dual; k++)
        EACH(g) b->squared[k][g] = squared_length(L * M, g, b->frame + (L * M - b->job->n_dual + k) * PITCH(L * M));
    slopes(M, L, H, b);
    for (ptrdiff_t t = 0; t < b->job->n_steps && !ENDED(b, t, SLOPES_WORK); t++, phase = NEXT(phase)) {
        step_with_rows(M, L, H, b, t, phase);
        const int sampled = strobe(b, &until);
        const int qr = sampled || (t + 1) % b->job->qr_interval == 0 || t + 1 == b->job->n_steps;
        /* By the phase, not by t: a run in pieces must give the bits of one run. */
        if (small) {
            step_small(M, L, H, b, 0, phase);
            end_small(M, L, H, b, 0, phase % 4 == 0, sampled);
        } else step_frame(M, L, H, b, n_tangents, phase, qr, phase % 4 == 0);
        record(M, L, H, b, L, t, phase);
        if (sampled) {
            sample_window(M, L, H, b, n_sampled, NEXT(phase));
            settle_dual_power(b);
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

#define SPECTRUM(M_, L_, J_) BY_SOURCE_ORDER BUILT_FUNCTION(spectrum, M_ * L_, spectrum(M, L, H, &b), M_, L_, J_)
#define SPECTRUM_ITEM(...) BUILT_ITEM(spectrum, __VA_ARGS__)
BUILT_SIZES(SPECTRUM)
static const Built built_spectra[] = {BUILT_SIZES(SPECTRUM_ITEM){0}};

static void run_any(const Job *job, ptrdiff_t first, void *scratch)
{
    Block b = any_block(job, first, scratch);
    spectrum(job->n_features, job->n_context, job->n_heads, &b);
}

static void run(const Job *job, ptrdiff_t block, void *scratch)
{
    const ptrdiff_t first = block * GROUPS * WIDTH;
    void (*built)(const Job *, ptrdiff_t) = built_for(job, built_spectra);
    const int usual = USUAL_DUAL(job->n_features * job->n_context);
    if (built && (job->n_dual == 0 || job->n_dual == usual)) built(job, first);
    else run_any(job, first, scratch);
    leave_wide_registers();
}

/* For any size alone: what uses it spends most of its time in linear algebra. */
static void linearize(const Job *job, ptrdiff_t block, void *scratch)
{
    Block b = any_block(job, block * GROUPS * WIDTH, scratch);
    linearize_block(job->n_features, job->n_context, job->n_heads, &b);
    leave_wide_registers();
}

static const Kernel spectra = {GROUPS * WIDTH, scratch_size, run};
static const Kernel steps = {GROUPS * WIDTH, scratch_size, linearize};

extern const Kernel ISA(dmft_orbits), ISA(dmft_few);
const Kernels ISA(dmft_attention) = {&ISA(dmft_orbits), &ISA(dmft_few), &spectra, &steps};
