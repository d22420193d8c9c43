/* Points with frames of their own, rows in the lanes of registers: their arrays, from the caller's and back, and samples of
 * their growth, as tangent.h has them for points in lanes.
 *
 * A tangent has its rows one after another, zeros beside them up to a multiple of eight. A sum over rows is eight sums, each
 * of every eighth row, added up in one order on every instruction set. So one point's half of a frame of a hundred tangents
 * stays in the first cache, where those of a vector of points would not.
 */
#ifndef DMFT_POINTS_H
#define DMFT_POINTS_H

#include <string.h>

#include "repair.h"
#include "sizes.h"

#define PADDED(n) (((n) + 7) & ~(ptrdiff_t)7)
#define PIECES (8 / WIDTH) /* registers for eight rows */
#define CONTRAST 0x1p48 /* between the squared stretches of steps that are taken together */
#define CONDITIONED 0x1p-56 /* a `least` above which errors of J^-T may be more than 2^-28 of a stretch */
#define EACH_PIECE(h) for (int h = 0; h < PIECES; h++)
/* From one tangent to the next, in doubles: an odd number of lines of the cache, so that they do not fight for its places. */
#define STRIDE(rows) (PADDED(rows) | 8)

/* What a point has of its own, with lengths; `all`: of its tangents, and of direct ones that are kept. */
#define OWN(X)                                                                      \
    X(frame, (K + 2) * next)     /* its tangents */                                 \
    X(inverse, all)              /* as the block's arrays of these names, ... */    \
    X(removed, all)                                                                 \
    X(power, all)                                                                   \
    X(lost, all)                                                                    \
    X(jacobians, LEAP * M * next) /* ... of the steps that are taken together, a tangent's length from row to row, ... */ \
    X(inverse_blocks, LEAP * PADDED(M * M)) /* ... likewise, ... */                 \
    X(weights, PADDED(LEAP * H)) /* ... and of the oldest key, for each head */
/* What all points use in turn, within a step. */
#define SHARED(X)                                                                   \
    X(spare, (K + 2) * next)     /* direct tangents that are kept for `repair_point` */ \
    X(kept_inverse, numbers)     /* as the block's arrays of these names */         \
    X(kept_power, numbers)                                                          \
    X(overlap, 8 * all)          /* products of each tangent with those before it in its panel */ \
    X(aged, M * numbers)         /* y_oldest of dual tangents, ... */               \
    X(z, M * numbers)            /* ... and y'_0 */                                 \
    X(cancelled, numbers)        /* what pivots have taken out of each one's z */   \
    X(pivots, M * next)          /* the tangents that clear components, ... */      \
    X(taken, M * numbers)        /* ... how much of each is taken out of others, ... */ \
    X(pivot_z, PADDED(M * M))    /* ... its z, ... */                               \
    X(chosen, PADDED(M))         /* ... and, as the block's, its component, ... */  \
    X(factor, PADDED(M))                                                            \
    X(pivot_length, PADDED(M))                                                      \
    X(pivot_rest, PADDED(M))                                                        \
    X(left, PADDED(M))           /* ... and those that are not cleared yet */

/* Numbers of a step that one point's frame asks for. */
typedef struct {
    int oldest;     /* the slot that it fills anew */
    double most[2]; /* bounds of |J|^2 and |J^-T|^2 */
    double shrink, least, volume, steep; /* as the block's arrays of these names; `least`: below it a dual stretch is lost */
} Step;

typedef struct {
    const Block *b;
    int lane, M, H, n_tangents, n_direct, n_dual, n_pivots;
    int kept; /* the first tangent of `spare`, behind the others */
    ptrdiff_t rows, padded, next, numbers;
    Step steps[LEAP];
    /* of this step, as the block's arrays of these names */
    const double *jacobian, *inverse_block;
    double shrink, least, remain, largest, leading;
    int first_lost, may_repair, doubt[2];
    int still;     /* whether the map is constant */
    double leapt;  /* bound of the squared stretch of steps that are taken together, 0: one alone */
    int contrasts; /* whether a tangent has kept too little of it */
#define NUMBERS(name, length) double *name;
    OWN(NUMBERS) SHARED(NUMBERS)
} Point;

static int is_large(const Job *job) { return IS_LARGE(job->n_features, job->n_context, job->n_tangents); }

/* Doubles of `n_points` points. */
static ptrdiff_t points_size(const Job *job, int n_points)
{
    const ptrdiff_t K = job->n_tangents, M = job->n_features, H = job->n_heads, next = STRIDE(M * job->n_context);
    const ptrdiff_t numbers = PADDED(K + 2), all = PADDED(2 * K + 2);
    return (0 SHARED(LENGTH)) + n_points * (0 OWN(LENGTH));
}

/* The points of a block that there are, in so much memory; returns how many. */
static int make_points(const Block *b, double *at, Point *points)
{
    const Job *job = b->job;
    const ptrdiff_t K = job->n_tangents, M = job->n_features, H = job->n_heads, rows = M * job->n_context;
    const ptrdiff_t next = STRIDE(rows);
    const ptrdiff_t numbers = PADDED(K + 2), all = PADDED(2 * K + 2), left = job->n_points - b->first;
    const int n_points = left < WIDTH ? (int)left : WIDTH;
    memset(at, 0, points_size(job, n_points) * sizeof(double));
    Point p = {.b = b, .M = (int)M, .H = (int)H, .n_tangents = (int)K, .n_dual = job->n_dual, .n_direct = (int)K - job->n_dual,
               .kept = (int)(K + (K & 1)), .rows = rows, .padded = PADDED(rows), .next = next, .numbers = numbers};
#define PART(name, length) p.name = at, at += (length);
    SHARED(PART)
    for (p.lane = 0; p.lane < n_points; p.lane++) {
        OWN(PART)
        points[p.lane] = p;
    }
    return n_points;
}

INLINE double *tangent(const Point *p, int i)
{
    return i < p->kept ? p->frame + i * p->next : p->spare + (i - p->kept) * p->next;
}

INLINE vec get(const double *x) { return *(const vec *)x; }
INLINE void put(double *x, vec y) { *(vec *)x = y; }
INLINE double inverse_of(double x) { return x > 0.0 ? 1.0 / x : 0.0; }

/* Sums of the lanes of n times PIECES registers, to n of eight numbers; the rest of eight is anything. */
#if WIDTH == 8
INLINE vec add_halves(vec x, vec y)
{
    return (vec)_mm512_shuffle_f64x2(x, y, 0x44) + (vec)_mm512_shuffle_f64x2(x, y, 0xee);
}
INLINE vec add_quarters(vec x, vec y)
{
    return (vec)_mm512_shuffle_f64x2(x, y, 0x88) + (vec)_mm512_shuffle_f64x2(x, y, 0xdd);
}
INLINE void totals(const vec *sum, const int stride, const int n, double *to)
{
    (void)stride;
#define SUM(i) sum[(i) % n]
    const vec even = add_quarters(add_halves(SUM(0), SUM(2)), add_halves(SUM(4), SUM(6)));
    const vec odd = add_quarters(add_halves(SUM(1), SUM(3)), add_halves(SUM(5), SUM(7)));
    put(to, VECTOR(unpacklo)(even, odd) + VECTOR(unpackhi)(even, odd));
}
#else
INLINE void totals(const vec *sum, const int stride, const int n, double *to)
{
    for (int k = 0; k < n; k++) {
        vec x[PIECES];
        EACH_PIECE(h) x[h] = sum[h * stride + k];
        for (int half = PIECES / 2; half; half /= 2)
            for (int h = 0; h < half; h++) x[h] += x[h + half];
        to[k] = WIDTH == 4 ? (x[0][0] + x[0][2 % WIDTH]) + (x[0][1] + x[0][3 % WIDTH]) : x[0][0] + x[0][1];
    }
}
#endif

/* An array for such sums, and for eight numbers. */
#define SUMS(name, n) vec name[PIECES][n]
#define EIGHT(name) double name[8] __attribute__((aligned(64)))

/* In the order in which a step sums. */
INLINE double length_of(const Point *p, int i)
{
    EIGHT(length);
    SUMS(sums, 1);
    EACH_PIECE(h) {
        sums[h][0] = splat(0.0);
        for (ptrdiff_t r = h * WIDTH; r < p->padded; r += 8) {
            const vec x = get(tangent(p, i) + r);
            sums[h][0] = fma3(x, x, sums[h][0]);
        }
    }
    totals(sums[0], 1, 1, length);
    return length[0];
}

/* What frames ask of a step, from the block's lanes to all points at once, for this goes through a first cache; it is the
   i-th of those that are taken together. */
static void share_step(Point *points, int n_points, int i, int oldest)
{
    const Block *b = points->b;
    const int M = points->M, H = points->H, square = (int)PADDED(M * M);
    vec direct = splat(1.0), inverse = splat(0.0);
    for (int a = 0; a < M; a++)
        for (ptrdiff_t r = 0; r < points->rows; r++) {
            const vec row = b->jacobian[a * points->rows + r][0];
            direct = fma3(row, row, direct);
            for (int k = 0; k < n_points; k++) points[k].jacobians[(i * M + a) * points->next + r] = row[k];
        }
    for (int k = 0; k < n_points; k++) points[k].steps[i] = (Step){.oldest = oldest, .most = {direct[k], INFINITY}};
    if (!b->job->n_dual) return;
    for (int a = 0; a < M * M; a++) {
        const vec part = b->inverse_block[a][0];
        inverse = fma3(part, part, inverse);
        for (int k = 0; k < n_points; k++) points[k].inverse_blocks[i * square + a] = part[k];
    }
    for (int h = 0; h < H; h++)
        for (int k = 0; k < n_points; k++)
            points[k].weights[i * H + h] = b->weight[h * b->job->n_context + oldest][0][k];
    const vec least = least_part(b, 0), volume = b->volume[0][0], steep = b->steep[0][0], shrink = b->shrink[0][0];
    for (int k = 0; k < n_points; k++) {
        Step *step = &points[k].steps[i];
        step->shrink = shrink[k], step->least = least[k], step->volume = volume[k], step->steep = steep[k];
        /* J^-T y is y'_0 = C^-T y_oldest and y_s - C_s^T y'_0. */
        if (shrink[k] == 1.0 && least[k] < CONDITIONED) step->most[1] = 2.0 * fma(inverse[k], direct[k], 1.0);
    }
}

/* The step that the functions below mean. */
INLINE int at_step(Point *p, int i)
{
    p->jacobian = p->jacobians + i * p->M * p->next;
    p->inverse_block = p->inverse_blocks + i * PADDED(p->M * p->M);
    p->shrink = p->steps[i].shrink;
    p->least = p->steps[i].least;
    return p->steps[i].oldest;
}

/* Where the rows of slot s of the caller's i-th tangent are. */
INLINE double *callers_rows(const Point *p, int i, int s, int phase)
{
    const int L = p->b->job->n_context, d = (phase - s + L) % L;
    return p->b->job->frame + ((p->b->first + p->lane) * p->n_tangents + callers(p->b, i)) * p->rows + d * p->M;
}

INLINE ptrdiff_t callers_number(const Point *p, int i)
{
    return (p->b->first + p->lane) * p->n_tangents + callers(p->b, i);
}

static void load_point(const Point *p)
{
    const Job *job = p->b->job;
    for (int i = 0; i < p->n_tangents; i++) {
        for (int s = 0; s < job->n_context; s++)
            memcpy(tangent(p, i) + s * p->M, callers_rows(p, i, s, job->phase), p->M * sizeof(double));
        p->power[i] = job->exponent[callers_number(p, i)];
        p->inverse[i] = inverse_of(length_of(p, i));
    }
}

/* As settle_dual_power. */
static void settle_point(const Point *p)
{
    pack *power = p->b->dual_power;
    for (int i = p->n_direct; i < p->n_tangents; i++) p->power[i] += power[0][0][p->lane];
    power[0][0][p->lane] = 0.0;
}

static void store_point(const Point *p, int phase)
{
    const Job *job = p->b->job;
    settle_point(p);
    for (int i = 0; i < p->n_tangents; i++) {
        for (int s = 0; s < job->n_context; s++)
            memcpy(callers_rows(p, i, s, phase), tangent(p, i) + s * p->M, p->M * sizeof(double));
        job->exponent[callers_number(p, i)] = p->power[i];
        job->n_lost[callers_number(p, i)] += (int64_t)p->lost[i];
    }
}

/* As sample_growth. */
static void sample_point(const Point *p, ptrdiff_t at)
{
    const Job *job = p->b->job;
    settle_point(p);
    for (int i = 0; i < p->n_tangents; i++) {
        const ptrdiff_t k = callers_number(p, i), begin = k - callers(p->b, i);
        double *mark = job->mark + 2 * k;
        for (ptrdiff_t r = 0; r < p->rows; r++) p->b->tilt[r][0] = splat(tangent(p, i)[r]);
        const double length = log_length_from(splat(p->inverse[i]), p->rows, 0, p->b->tilt)[0];
        const double since = (p->power[i] - mark[0]) * M_LN2 + (length - mark[1]);
        const double growth = length == -INFINITY ? length : since; /* a vanished tangent stays so */
        mark[0] = p->power[i];
        mark[1] = length;
        if (!job->sample_growth) continue;
        job->sample_growth[begin * job->n_samples + at * p->n_tangents + callers(p->b, i)] =
            i < p->n_direct ? growth : -growth;
    }
}

#endif
