/* A block of points: its arrays, and how they come from the caller's and go back.
 *
 * A block is GROUPS x WIDTH points. Every quantity is an array of vectors over those points, its
 * last axis the group: two groups are worked on side by side where one alone would wait for its own
 * divisions and exponentials. A source defines GROUPS before it includes anything (1 otherwise).
 */
#ifndef DMFT_BLOCK_H
#define DMFT_BLOCK_H

#ifndef GROUPS
#define GROUPS 1
#endif

#include "../simd.h"
#include "attention.h"

#define EACH(g) for (int g = 0; g < GROUPS; g++)
#define UNROLL _Pragma("GCC unroll 36")
#define PANEL 6 /* so many tangents go side by side */
#define SIZES const int M, const int L, const int H

/* Whether the work shall end, asked at every i-th part or at every 64th, if parts are small; `work` is
   about that of a part, in multiply-adds. Never where sizes are constants: those parts take microseconds. */
#define ASKED(b, i, work) (((work) > 4000.0 || (i) % 64 == 0) && (b)->job->stopped((b)->job->crew))
#define ENDED(b, i, work) (!__builtin_constant_p(M) && ASKED(b, i, work))

typedef vec pack[GROUPS];

/* An array of one step and one group: of its own where its length is a small constant, so that it
   may live in registers; else the block's. */
#define SMALL 36
#define TEMPORARY(name, length)                                                     \
    vec name##_[SMALL], *const name = __builtin_constant_p(length) && (length) <= SMALL ? name##_ : (vec *)b->name

/* From one tangent of the frame to the next. Tangents a multiple of 4096 bytes apart would fight for
   the same places of the first cache. */
#define PITCH(rows) ((rows) + ((rows) > 8))

/* The arrays of a block, with their lengths; J is the number of classes (or of features,
   for Gaussian ones) and K the number of tangents. */
#define ARRAYS(X)                                                                   \
    X(att, M)              /* A of the step before, then of this one */             \
    X(ring, L * M)         /* the attention that made the token in each slot */     \
    X(query, M)            /* m^q of the newest token ... */                        \
    X(gain_query, M)       /* ... times gain */                                     \
    X(key, L * M)          /* m^k ... */                                            \
    X(value, L * M)        /* ... and m^v of the token in each slot */              \
    X(weight, H * L)       /* of each key exp(score - the largest one), ... */      \
    X(share_of_one, H)     /* ... and the inverse of their sum */                   \
    X(work, 5 * M)         /* scratch of the law of independent features */        \
    X(x, J)                /* mean activity of a site of each class */              \
    X(place, 3 * L * M)    /* the position's part of m^q, m^k, m^v at each phase */ \
    X(row, N_FEATURE_RECORDS * M) /* a row of each record ... */                     \
    X(fresh, PANEL * M)    /* a panel's tangents of the new attention */            \
    X(turn, L)             /* the tangent of every slot's score, for one head */      \
    X(frame, (2 * K + 2) * PITCH(L * M)) /* tangents of the window, rows by slot */     \
    X(rise, J)             /* dx_j/dA_b of the newest token: of site classes, less s_jb, ... */ \
    X(slope, M * M)        /* ... and of features of another law */                 \
    X(dx, J)               /* one tangent of x ... */                               \
    X(dquery, M * M)       /* ... and of m^q (M), or dm^q_a/dA_b (M, M) */          \
    X(dkey, L * M * M)     /* likewise for the token in each slot */                \
    X(dvalue, L * M * M)                                                            \
    X(tilt, L * M)         /* v - A of every slot */                                \
    X(dscore, M)           /* d(score of slot e) / dA_{e,b}, one slot and head */   \
    X(pull, M * M)         /* gain^-1 dA_a / dm^q_c */                              \
    X(jacobian, M * L * M) /* dA_t / dA of every slot */                            \
    X(power, 2 * K + 2)        /* powers of two taken out of the tangents */            \
    X(mark_power, K)       /* the same at the last strobe, ... */                   \
    X(mark_log, K)         /* ... and the log of their length then */               \
    X(sample, L * M)       /* one sample of the window or of the growth */          \
    X(lost, 2 * K + 2)         /* steps whose stretch is below rounding */              \
    X(inverse, 2 * K + 2)      /* inverse squared lengths of the tangents, ... */       \
    X(removed, 2 * K + 2)      /* ... squared lengths of what was taken out of each, ... */ \
    X(cross, 2 * K + 2)        /* ... and the dot product of two neighbours */          \
    X(size, 2)             /* of the tangent that is next on each side, the squared length, ... */ \
    X(along, 2)            /* ... and the dot product with the one after it */      \
    X(largest, 1)          /* squared factor by which direct tangents were multiplied at most */ \
    X(doubt, 2)            /* where a tangent of each side was lost in this step: a mask */ \
    X(condition, 1)        /* squared condition number of C, see invert_oldest */   \
    X(oldest, M * M)       /* for invert_oldest: C, ... */                          \
    X(basis, M * M)        /* ... orthogonal rows of it, ... */                     \
    X(length, M)           /* ... the inverses of their squared lengths, ... */     \
    X(part, M * M)         /* ... what was taken out of each for another, ... */    \
    X(again, M)            /* ... the last bit of it, ... */                        \
    X(square, M)           /* ... squared lengths of C's rows, ... */               \
    X(inverse_block, M * M) /* ... and the inverse of C^T */                        \
    X(dual_power, 1)       /* power of two taken out of all dual tangents, ... */   \
    X(shrink, 1)           /* ... and the part of it that a step has taken out of J^-T */ \
    X(steep, 1)            /* for clear_steep: 1 where J^-T is steep, ... */        \
    X(left, M)             /* ... components that are not cleared yet, ... */ \
    X(chosen, K * M)       /* ... the one that each pivot clears, ... */            \
    X(factor, K)           /* ... the inverse of its own, or 0: no pivot, ... */    \
    X(pivot_length, K)     /* ... its squared length without that slot, ... */      \
    X(pivot_rest, K)       /* ... that of its z but for what it clears, ... */      \
    X(cancelled, K)        /* ... and what that has taken out of others' z; ... */  \
    X(remain, 1)           /* 1 where some component has no pivot; ... */           \
    X(pivot, K * PITCH(L * M)) /* ... and the pivots for `repair`; ... */           \
    X(taken, PANEL * K)    /* ... how much of each of a panel is taken out of others */ \
    X(volume, 1)           /* squared determinant of C */                           \
    X(may_repair, 1)       /* 1 where direct tangents may be lost, but come from J^-T too; ... */ \
    X(leading, 1)          /* ... and one of the first M is; ... */                 \
    X(first_lost, 1)       /* ... the first one that is lost, ... */                \
    X(kept_inverse, K)     /* ... their inverse squared lengths before the step ... */ \
    X(kept_power, K)       /* ... and the powers of two taken out of them */        \
    X(moved, (2 * K + 2) * PITCH(L * M)) /* for step_small: the frame after a step, or before it, ... */ \
    X(newest, PANEL * M)   /* ... y'_0 of its dual tangents ... */                  \
    X(squared, K)          /* ... and their squared lengths; ... */                 \
    X(share, H * L)        /* ... and of that of the weights */

typedef struct {
    const Job *job;
    int law, n_classes;                    /* constants where sizes are */
    int repairs;                           /* whether direct tangents are kept in this step */
    ptrdiff_t first;                       /* the block's first point */
    pack beta, gain, semantic, positional; /* semantic = 1 - epsilon, positional = epsilon */
#define POINTER(name, length) pack *name;
    ARRAYS(POINTER)
} Block;

/* What takes sizes as they come, or happens seldom, is a call of its own that all functions of a source share: most of the
   time of a compilation goes into copies of the same. */
#if defined(__GNUC__) && !defined(__clang__)
#define APART static __attribute__((noinline, noclone))
#else
#define APART static __attribute__((noinline))
#endif
/* A block of its own for such a call: what the call is not shown may stay in registers. */
#define COPIED(b) ((const Block[]){*(b)})
#define ITS_SIZES(b) (b)->job->n_features, (b)->job->n_context, (b)->job->n_heads

/* ---- between the caller's arrays (point first) and lanes ---- */

/* Calls of their own, which are not shown the Block: what they cannot change, the compiler may keep
   in registers. The last block repeats its last point, so every point sees the same instructions. */
APART void gather(const Job *job, ptrdiff_t first, const double *from, ptrdiff_t stride, pack to)
{
    EACH(g) for (int i = 0; i < WIDTH; i++) {
        ptrdiff_t p = first + g * WIDTH + i;
        to[g][i] = from[(p < job->n_points ? p : job->n_points - 1) * stride];
    }
}

APART void scatter(const Job *job, ptrdiff_t first, double *to, ptrdiff_t stride, const pack from)
{
    EACH(g) for (int i = 0; i < WIDTH; i++) {
        ptrdiff_t p = first + g * WIDTH + i;
        if (p < job->n_points) to[p * stride] = from[g][i];
    }
}

APART void scatter_more(const Job *job, ptrdiff_t first, int64_t *to, ptrdiff_t stride, const pack more)
{
    EACH(g) for (int i = 0; i < WIDTH; i++) {
        ptrdiff_t p = first + g * WIDTH + i;
        if (p < job->n_points) to[p * stride] += (int64_t)more[g][i];
    }
}

INLINE void load(const Block *b, const double *from, ptrdiff_t stride, pack to)
{
    gather(b->job, b->first, from, stride, to);
}

INLINE void store(const Block *b, double *to, ptrdiff_t stride, const pack from)
{
    scatter(b->job, b->first, to, stride, from);
}

INLINE void load_parameters(Block *b)
{
    load(b, b->job->beta, 1, b->beta);
    load(b, b->job->gain, 1, b->gain);
    load(b, b->job->epsilon, 1, b->positional);
    EACH(g) b->semantic[g] = 1.0 - b->positional[g];
}

/* Add whole numbers to the caller's counts. */
INLINE void count(const Block *b, int64_t *to, ptrdiff_t stride, const pack more)
{
    scatter_more(b->job, b->first, to, stride, more);
}

/* Several of one kind side by side, so that none waits for itself: action(a, n) takes those of M from
   a on, a number n that the compiler knows. ROUGHLY: up to three that are left go one after another, in less code. */
#define ABREAST (WIDTH == 8 ? 8 : 4)
#define SIDE_BY_SIDE(M, action) SIDE_BY_SIDE_AND(REST_AT_ONCE, M, action)
#define SIDE_BY_SIDE_ROUGHLY(M, action) SIDE_BY_SIDE_AND(REST_ONE_BY_ONE, M, action)
#define SIDE_BY_SIDE_AND(REST, M, action)                                           \
    do {                                                                            \
        int a_ = 0;                                                                 \
        if (__builtin_constant_p(M) && (M) <= ABREAST) {                            \
            action(a_, (M));                                                        \
            break;                                                                  \
        }                                                                           \
        for (; a_ + ABREAST <= (M); a_ += ABREAST) action(a_, ABREAST);             \
        if (ABREAST > 4 && a_ + 4 <= (M)) a_ += 4, action(a_ - 4, 4);               \
        REST(M, action)                                                             \
    } while (0)
#define REST_AT_ONCE(M, action)                                                     \
    if (ABREAST > 2 && a_ + 3 == (M)) action(a_, 3);                                \
    else if (ABREAST > 2 && a_ + 2 == (M)) action(a_, 2);                           \
    else if (a_ + 1 == (M)) action(a_, 1);
#define REST_ONE_BY_ONE(M, action)                                                  \
    for (; a_ < (M); a_++) action(a_, 1);

#endif
