/* Blocks of common sizes, whose numbers are constants and whose arrays are on the stack; and blocks of
 * any size, with arrays carved from scratch.
 */
#ifndef DMFT_SIZES_H
#define DMFT_SIZES_H

#include "block.h"

#define LOCAL(name, length) pack name##_[length];
#define BIND(name, length) b.name = name##_;
#define CARVE(name, length) b.name = at, at += (length);
#define LENGTH(name, length) + (length)

/* A kernel built for one size of network. J = 0: any number of classes up to 2^(M-1). */
typedef struct {
    int M, L, J;
    void (*run)(const Job *job, ptrdiff_t first);
} Built;

/* M, L, J: random features have J = 2^(M-1) classes, three segments 3. */
#if defined(__x86_64__) && WIDTH == 2 /* hardly a machine needs this path: keep it quick to compile */
#define SMALL_SIZES(X)
#define BUILT_SIZES(X)
#define BUILT_FEATURES(X)
#else
#define SMALL_SIZES(X) X(1, 4, 1) X(2, 4, 2) X(3, 4, 3) X(3, 4, 4)
#define BUILT_SIZES(X) X(1, 4, 1) X(2, 4, 2) X(3, 4, 0) X(3, 8, 0) X(5, 4, 0)
#define BUILT_FEATURES(X) X(3) X(5) X(8) /* so many features, with any context: functions of orbits alone */
#endif

/* The compiler is told to order instructions before it hands out registers (setup.py), which helps functions of any
   size; where sizes are constants, the order of the source keeps more in registers. */
#if defined(__GNUC__) && !defined(__clang__)
#define BY_SOURCE_ORDER __attribute__((optimize("no-schedule-insns")))
#else
#define BY_SOURCE_ORDER
#endif

/* A function for one size, named after the work and the size: `call` uses its constants M, L, H and block b. */
#define BUILT_FUNCTION(work, K_, call, M_, L_, J_)                                  \
    static void work##_##M_##_##L_##_##J_(const Job *job, ptrdiff_t first)          \
    {                                                                               \
        enum { M = M_, L = L_, H = 1, J = 1 << (M_ - 1), K = K_ };                  \
        Block b = {.job = job, .law = LAW_CLASSES, .n_classes = J_ ? J_ : job->n_classes, .first = first}; \
        ARRAYS(LOCAL) ARRAYS(BIND)                                                  \
        load_parameters(&b);                                                        \
        call;                                                                       \
    }
#define BUILT_ITEM(work, M_, L_, J_) {M_, L_, J_, work##_##M_##_##L_##_##J_},

/* The function that was built for a job's size, of a table that ends with M = 0; NULL: none was. */
static void (*built_for(const Job *job, const Built *built))(const Job *, ptrdiff_t)
{
    if (job->n_heads != 1 || job->law != LAW_CLASSES) return NULL;
    for (; built->M; built++)
        if (job->n_features == built->M && job->n_context == built->L
            && (built->J ? job->n_classes == built->J : job->n_classes <= 1 << (built->M - 1)))
            return built->run;
    return NULL;
}

/* Bytes, with room for K tangents in lanes. */
static size_t room(const Job *job, const ptrdiff_t K)
{
    const ptrdiff_t M = job->n_features, L = job->n_context, H = job->n_heads, J = job->n_classes;
    return sizeof(pack) * (0 ARRAYS(LENGTH));
}
static size_t scratch_size(const Job *job) { return room(job, job->n_tangents); }

/* A block of any size. */
INLINE Block any_block(const Job *job, ptrdiff_t first, void *scratch, const ptrdiff_t K)
{
    const ptrdiff_t M = job->n_features, L = job->n_context, H = job->n_heads, J = job->n_classes;
    Block b = {.job = job, .law = job->law, .n_classes = job->n_classes, .first = first};
    pack *at = scratch;
    ARRAYS(CARVE)
    load_parameters(&b);
    return b;
}

#endif
