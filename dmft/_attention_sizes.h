/* Constants for the common sizes, arrays carved from scratch for all others. Included by the kernels
 * (_attention_orbits.h, _attention_spectra.h).
 */
#define LOCAL(name, length) pack name##_[length];
#define BIND(name, length) b.name = name##_;
#define CARVE(name, length) b.name = at, at += (length);
#define LENGTH(name, length) + (length)

/* A common size: constants, arrays on the stack. J = 0: any number of classes up to 2^(M-1). */
#define SIZED_BLOCK(M_, L_, J_, K_)                                                 \
    enum { M = M_, L = L_, H = 1, J = 1 << (M_ - 1), K = K_ };                      \
    Block b = {.job = job, .law = LAW_CLASSES, .n_classes = J_ ? J_ : job->n_classes, .first = first}; \
    ARRAYS(LOCAL) ARRAYS(BIND)

/* `call` for one size, as a function of its own. */
#define BUILT(work, K_, call, M_, L_, J_)                                           \
    static void work##_##M_##_##L_##_##J_(const Job *job, ptrdiff_t first)          \
    {                                                                               \
        SIZED_BLOCK(M_, L_, J_, K_)                                                 \
        call;                                                                       \
    }

/* M, L, J: random features have J = 2^(M-1) classes, three segments 3. */
#if defined(__x86_64__) && WIDTH == 2 /* hardly a machine needs this path: keep it quick to compile */
#define BUILT_SIZES(X)
#else
#define BUILT_SIZES(X) X(1, 4, 1) X(2, 4, 2) X(3, 4, 3) X(3, 4, 4) X(3, 8, 0) X(5, 4, 0)
#endif

/* In a function of `job` and `first`: calls and returns if the size is that of the job. */
#define TRY(work, M_, L_, J_)                                                       \
    if (job->n_features == M_ && job->n_context == L_ && job->n_heads == 1 && job->law == LAW_CLASSES \
        && (J_ ? job->n_classes == J_ : job->n_classes <= 1 << (M_ - 1))) {         \
        work##_##M_##_##L_##_##J_(job, first);                                      \
        return;                                                                     \
    }

/* Bytes. */
static size_t scratch_size(const Job *job)
{
    const ptrdiff_t M = job->n_features, L = job->n_context, H = job->n_heads, J = job->n_classes,
                    K = job->n_tangents;
    return sizeof(pack) * (0 ARRAYS(LENGTH));
}

/* Any size. */
#define ANY_BLOCK                                                                   \
    const int M = job->n_features, L = job->n_context, H = job->n_heads;            \
    const ptrdiff_t J = job->n_classes, K = job->n_tangents;                        \
    Block b = {.job = job, .law = job->law, .n_classes = job->n_classes, .first = first}; \
    pack *at = scratch;                                                             \
    ARRAYS(CARVE)
