/* Small frames of tangents taken round cycles of one length, a lane a cycle.
 *
 * The same reflections as in frames.c: what there goes along a column or a row, here goes through all rows and columns
 * of WIDTH cycles at once, so that nothing waits and no register is half empty. Of one cycle alone it takes no longer
 * than there. A lane does not depend on the others, nor its bits on the instruction set.
 */
#include <float.h>
#include <string.h>

#include "cycles.h"

#include "../simd.h"

/* The larger of two sizes, NaN if one is. */
INLINE vec larger(vec largest, vec size) { return where((size > largest) | (size != size), size, largest); }

/* Lengths whose squares leave the numbers, in lanes that are far. */
static __attribute__((noinline, cold)) vec far_length(ptrdiff_t n, ptrdiff_t stride, const vec *x, const vec *largest)
{
    vec sum = splat(0.0);
    for (ptrdiff_t i = 0; i < n; i++) sum += x[i * stride] / *largest * (x[i * stride] / *largest);
    return where(*largest == 0.0, splat(0.0), *largest * vsqrt(sum));
}

/* The length of a column, in doubles of any size, and its largest entry. */
INLINE vec length_of(ptrdiff_t n, ptrdiff_t stride, const vec *x, vec *most)
{
    vec largest = splat(0.0), sum = splat(0.0);
    for (ptrdiff_t i = 0; i < n; i++) {
        largest = larger(largest, vabs(x[i * stride]));
        sum += x[i * stride] * x[i * stride];
    }
    *most = largest;
    const ivec far = ~((largest > 1e-140) & (largest < 1e140));
    return any(far) ? where(far, far_length(n, stride, x, &largest), vsqrt(sum)) : vsqrt(sum);
}

/* The reflection that leaves of column x its first entry alone: I - scale v v^T with v[0] = 1. Returns scale; 0, the
   identity, where there is nothing below the first entry. */
INLINE vec reflection(ptrdiff_t n, ptrdiff_t stride, vec *x, vec *v)
{
    vec below = splat(0.0), most;
    for (ptrdiff_t i = 1; i < n; i++) below = larger(below, vabs(x[i * stride]));
    const ivec idle = below == 0.0;
    const vec head = x[0], size = length_of(n, stride, x, &most);
    const vec length = (vec)((ivec)size | (~(ivec)head & INT64_MIN)); /* away from the head */
    const vec inverse = where(idle, splat(0.0), 1.0 / (head - length));
    v[0] = splat(1.0);
    for (ptrdiff_t i = 1; i < n; i++) v[i] = x[i * stride] * inverse;
    x[0] = where(idle, head, length);
    return where(idle, splat(0.0), (length - head) / length);
}

/* Reflect `width` columns of a. */
INLINE void reflect_some(ptrdiff_t n_rows, const int width, ptrdiff_t stride, vec *a, vec scale, const vec *v)
{
    enum { MOST = 4 };
    vec sum[MOST];
    for (int k = 0; k < width; k++) sum[k] = a[k];
    for (ptrdiff_t i = 1; i < n_rows; i++)
        for (int k = 0; k < width; k++) sum[k] += v[i] * a[i * stride + k];
    for (int k = 0; k < width; k++) a[k] -= (sum[k] *= scale);
    for (ptrdiff_t i = 1; i < n_rows; i++)
        for (int k = 0; k < width; k++) a[i * stride + k] -= v[i] * sum[k];
}

static void reflect(ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t stride, vec *a, vec scale, const vec *v)
{
    ptrdiff_t c = 0;
    for (; c + 4 <= n_columns; c += 4) reflect_some(n_rows, 4, stride, a + c, scale, v);
    if (n_columns - c == 3) reflect_some(n_rows, 3, stride, a + c, scale, v);
    else if (n_columns - c == 2) reflect_some(n_rows, 2, stride, a + c, scale, v);
    else if (n_columns - c == 1) reflect_some(n_rows, 1, stride, a + c, scale, v);
}

/* moved = q r: r into the upper triangle of moved, q into frame. */
INLINE void factorise(ptrdiff_t size, vec *moved, vec *frame, vec *reflections, vec *scales)
{
    for (ptrdiff_t j = 0; j < size; j++) {
        vec *column = moved + j * (size + 1), *v = reflections + j * size;
        scales[j] = reflection(size - j, size, column, v);
        reflect(size - j, size - j - 1, size, column + 1, scales[j], v);
    }
    memset(frame, 0, size * size * sizeof *frame);
    for (ptrdiff_t j = 0; j < size; j++) frame[j * (size + 1)] = splat(1.0);
    for (ptrdiff_t j = size - 1; j >= 0; j--)
        reflect(size - j, size - j, size, frame + j * (size + 1), scales[j], reflections + j * size);
}

/* Products of positive lengths of any number, as m 2^k with m in [1, 2); NaN where one is no number. */
INLINE void multiply(vec *m, vec *power, vec length)
{
    const ivec faint = length < 0x1p-500;
    const vec product = *m * where(faint, length * 0x1p+600, length);
    const vec k = __builtin_convertvector(((ivec)product >> 52) - 1023, vec);
    const vec rest = (vec)(((ivec)product & 0x000fffffffffffff) | (ivec)splat(1.0));
    *m = where(product <= DBL_MAX, rest, splat(NAN));
    *power += k - where(faint, splat(600.0), splat(0.0));
}

/* Entries of cycles, `apart` from one to the next, beyond the last of which its entries are repeated. */
INLINE vec gather(ptrdiff_t n, const double *x, ptrdiff_t apart)
{
    vec out;
    for (int i = 0; i < WIDTH; i++) out[i] = x[(i < n ? i : n - 1) * apart];
    return out;
}

INLINE void scatter(ptrdiff_t n, double *x, ptrdiff_t apart, vec from)
{
    for (int i = 0; i < WIDTH; i++)
        if (i < n) x[i * apart] = from[i];
}

/* moved, frame, the frame before, the reflections; the rows of a step; scales of reflections; of every stretch m and power,
   in how many steps it was none, and its rounding; what is left of rows in columns, how
   far vectors are turned towards later ones */
static size_t work(ptrdiff_t n_features, ptrdiff_t size)
{
    return (size_t)(5 * size * size + n_features * size + 6 * size) * WIDTH;
}

static int carry(ptrdiff_t n, ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, const double *top, double *frames,
                 double *upper, double *turn, double *leak, double *stretch, double *rounding, double *scratch,
                 int (*stopped)(void *), void *crew)
{
    const ptrdiff_t square = size * size, wide = n_features * size;
    vec *moved = (vec *)scratch, *frame = moved + square, *before = frame + square, *reflections = before + square;
    vec *rows = reflections + square, *scales = rows + wide;
    vec *m = scales + size, *power = m + size, *none = power + size, *rough = none + size, *taken = rough + size, *tilt = taken + size;
    for (ptrdiff_t i = 0; i < square; i++) before[i] = frame[i] = gather(n, frames + i, square);
    for (ptrdiff_t j = 0; j < size; j++) m[j] = splat(1.0), power[j] = none[j] = rough[j] = splat(0.0);
    for (ptrdiff_t i = 0; i < square; i++) tilt[i] = splat(DBL_EPSILON);
    for (ptrdiff_t t = 0; t < n_steps; t++) {
        if (stopped(crew)) {
            leave_wide_registers();
            return 1;
        }
        for (ptrdiff_t i = 0; i < wide; i++) rows[i] = gather(n, top + t * wide + i, n_steps * wide);
        for (ptrdiff_t a = 0; a < n_features; a++)
            for (ptrdiff_t c = 0; c < size; c++) {
                vec sum = rows[a * size] * frame[c];
                for (ptrdiff_t b = 1; b < size; b++) sum += rows[a * size + b] * frame[b * size + c];
                moved[a * size + c] = sum;
            }
        memcpy(moved + wide, frame, (size_t)(square - wide) * sizeof *moved);
        factorise(size, moved, frame, reflections, scales);
        vec largest = splat(0.0), most;
        for (ptrdiff_t j = 0; j < size; j++) {
            const vec length = vabs(moved[j * (size + 1)]);
            const ivec vanished = length == 0.0;
            largest = larger(largest, length);
            none[j] += where(vanished, splat(1.0), splat(0.0));
            multiply(m + j, power + j, where(vanished, splat(1.0), length));
        }
        for (ptrdiff_t c = 0; c < size; c++) taken[c] = splat(0.0);
        for (ptrdiff_t j = 0; j < size; j++) {
            /* As in frames.c: what is rounded in a column is its length, so far its vector is turned, and what it was
               turned before takes up its part. */
            const vec own = vabs(moved[j * (size + 1)]), inverse = where(own > 0.0, 1.0 / own, splat(1e300));
            const vec length = larger(largest, length_of(j + 1, size, moved + j, &most));
            vec sum = (DBL_EPSILON * length + taken[j]) * inverse;
            const vec turned = where(sum < 1.0, sum, splat(1.0));
            for (ptrdiff_t c = j + 1; c < size; c++) {
                const vec part = vabs(moved[j * size + c]);
                sum = larger(sum, tilt[j * size + c] * part * inverse);
                taken[c] = larger(taken[c], turned * part);
                const vec grown = tilt[j * size + c] * vabs(moved[c * (size + 1)]) * inverse;
                tilt[j * size + c] = larger(turned, where(grown < 1.0, grown, splat(1.0)));
            }
            rough[j] += sum;
            double *row = upper + (t * size + j) * size;
            for (ptrdiff_t c = 0; c < j; c++) scatter(n, row + c, n_steps * square, splat(0.0));
            for (ptrdiff_t c = j; c < size; c++) scatter(n, row + c, n_steps * square, moved[j * size + c]);
        }
    }
    for (ptrdiff_t j = 0; j < size; j++) {
        scatter(n, stretch + j, size, vlog(m[j]) + power[j] * M_LN2 + none[j] * DMFT_ANNIHILATED);
        scatter(n, rounding + j, size, rough[j]);
    }
    for (ptrdiff_t i = 0; i < size; i++)
        for (ptrdiff_t c = 0; c < size; c++) {
            vec sum = before[i] * frame[c];
            for (ptrdiff_t b = 1; b < size; b++) sum += before[b * size + i] * frame[b * size + c];
            moved[i * size + c] = sum;
            scatter(n, turn + i * size + c, square, sum);
            scatter(n, frames + i * size + c, square, frame[i * size + c]);
        }
    for (ptrdiff_t j = 1; j <= size; j++) {
        vec largest = splat(0.0);
        for (ptrdiff_t i = j; i < size; i++)
            for (ptrdiff_t c = 0; c < j; c++) largest = larger(largest, vabs(moved[i * size + c]));
        scatter(n, leak + j - 1, size, largest);
    }
    leave_wide_registers();
    return 0;
}

const Carry ISA(dmft_carry) = {WIDTH, work, carry};
