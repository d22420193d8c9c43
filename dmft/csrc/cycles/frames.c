/* Frames of tangents taken round a cycle, and what the factors of its steps multiply to. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cycles.h"

/* The larger of two sizes, NaN if one is. */
static inline double larger(double largest, double size) { return size > largest || size != size ? size : largest; }

/* The length of a column, in doubles of any size. */
static double length_of(ptrdiff_t n, ptrdiff_t stride, const double *x)
{
    double largest = 0.0, sum = 0.0;
    for (ptrdiff_t i = 0; i < n; i++) largest = larger(largest, fabs(x[i * stride]));
    if (largest == 0.0) return 0.0;
    if (largest > 1e-140 && largest < 1e140) {
        for (ptrdiff_t i = 0; i < n; i++) sum += x[i * stride] * x[i * stride];
        return sqrt(sum);
    }
    for (ptrdiff_t i = 0; i < n; i++) sum += x[i * stride] / largest * (x[i * stride] / largest);
    return largest * sqrt(sum);
}

/* The reflection that leaves of column x (stride apart) its first entry alone: I - scale v v^T with v[0] = 1. Returns
   scale; 0, the identity, if there is nothing below the first entry. */
static double reflection(ptrdiff_t n, ptrdiff_t stride, double *x, double *v)
{
    const double below = length_of(n - 1, stride, x + stride), head = x[0];
    if (below == 0.0) return 0.0;
    const double length = -copysign(hypot(head, below), head);
    v[0] = 1.0;
    for (ptrdiff_t i = 1; i < n; i++) v[i] = x[i * stride] / (head - length);
    x[0] = length;
    return (length - head) / length;
}

/* Reflect the columns of a, (n_rows, n_columns) with rows `stride` apart; four rows at a time, in the order of one by one. */
static void reflect(ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t stride, double *restrict a, double scale,
                    const double *restrict v, double *restrict sums)
{
    ptrdiff_t i = 0;
    for (ptrdiff_t c = 0; c < n_columns; c++) sums[c] = 0.0;
    for (; i + 4 <= n_rows; i += 4) {
        const double *restrict x = a + i * stride;
        for (ptrdiff_t c = 0; c < n_columns; c++)
            sums[c] = (((sums[c] + v[i] * x[c]) + v[i + 1] * x[stride + c]) + v[i + 2] * x[2 * stride + c])
                    + v[i + 3] * x[3 * stride + c];
    }
    for (; i < n_rows; i++)
        for (ptrdiff_t c = 0; c < n_columns; c++) sums[c] += v[i] * a[i * stride + c];
    for (i = 0; i + 4 <= n_rows; i += 4) {
        double *restrict x = a + i * stride;
        const double p0 = scale * v[i], p1 = scale * v[i + 1], p2 = scale * v[i + 2], p3 = scale * v[i + 3];
        for (ptrdiff_t c = 0; c < n_columns; c++) {
            const double sum = sums[c];
            x[c] -= p0 * sum;
            x[stride + c] -= p1 * sum;
            x[2 * stride + c] -= p2 * sum;
            x[3 * stride + c] -= p3 * sum;
        }
    }
    for (; i < n_rows; i++) {
        const double part = scale * v[i];
        for (ptrdiff_t c = 0; c < n_columns; c++) a[i * stride + c] -= part * sums[c];
    }
}

ptrdiff_t dmft_triangularise(ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t n_all, double *a, double *v)
{
    ptrdiff_t n_reflections = 0;
    for (ptrdiff_t j = 0; j < n_columns; j++) {
        double *column = a + j * n_all + j;
        const double scale = reflection(n_rows - j, n_all, column, v);
        if (scale != 0.0) reflect(n_rows - j, n_all - j - 1, n_all, column + 1, scale, v, v + n_rows);
        n_reflections += scale != 0.0;
        for (ptrdiff_t i = j + 1; i < n_rows; i++) a[i * n_all + j] = 0.0;
    }
    return n_reflections;
}

/* v of every reflection, its scale, one of them, sums, the frame before, what is left of rows in columns, how far vectors are
   turned towards later ones */
size_t dmft_frames_work(ptrdiff_t size) { return (size_t)size * (3 * (size_t)size + 5); }

void dmft_factorise(ptrdiff_t n_rows, ptrdiff_t n_columns, double *moved, double *upper, double *work)
{
    double *reflections = work, *scales = work + n_rows * n_columns, *sums = scales + n_columns;
    for (ptrdiff_t j = 0; j < n_columns; j++) {
        double *column = moved + j * n_columns + j, *v = reflections + j * n_rows;
        scales[j] = reflection(n_rows - j, n_columns, column, v);
        if (scales[j] != 0.0) reflect(n_rows - j, n_columns - j - 1, n_columns, column + 1, scales[j], v, sums);
        for (ptrdiff_t c = 0; c < n_columns; c++) upper[j * n_columns + c] = c < j ? 0.0 : moved[j * n_columns + c];
    }
    memset(moved, 0, n_rows * n_columns * sizeof *moved);
    for (ptrdiff_t j = 0; j < n_columns; j++) moved[j * n_columns + j] = 1.0;
    for (ptrdiff_t j = n_columns - 1; j >= 0; j--)
        if (scales[j] != 0.0)
            reflect(n_rows - j, n_columns - j, n_columns, moved + j * n_columns + j, scales[j], reflections + j * n_rows,
                    sums);
}

int dmft_carry_frame(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, const double *top, double *frame,
                     double *upper, double *turn, double *leak, double *stretch, double *rounding, double *work,
                     int (*stopped)(void *), void *crew)
{
    double *before = work + size * (size + 4), *taken = before + size * size, *tilt = taken + size;
    memcpy(before, frame, size * size * sizeof *frame);
    memset(stretch, 0, size * sizeof *stretch);
    memset(rounding, 0, size * sizeof *rounding);
    for (ptrdiff_t i = 0; i < size * size; i++) tilt[i] = DBL_EPSILON;
    for (ptrdiff_t t = 0; t < n_steps; t++) {
        if (stopped(crew)) return 1;
        double *moved = upper + t * size * size; /* made there, then copied back */
        const double *rows = top + t * n_features * size;
        for (ptrdiff_t a = 0; a < n_features; a++) {
            double *restrict new = moved + a * size;
            for (ptrdiff_t c = 0; c < size; c++) new[c] = 0.0;
            for (ptrdiff_t b = 0; b < size; b++)
                for (ptrdiff_t c = 0; c < size; c++) new[c] += rows[a * size + b] * frame[b * size + c];
        }
        memmove(frame + n_features * size, frame, (size - n_features) * size * sizeof *frame);
        memcpy(frame, moved, n_features * size * sizeof *frame);
        dmft_factorise(size, size, frame, moved, work);
        double largest = 0.0;
        for (ptrdiff_t j = 0; j < size; j++) {
            const double length = fabs(moved[j * (size + 1)]), grown = log(length);
            largest = larger(largest, length);
            stretch[j] += grown < DMFT_ANNIHILATED ? DMFT_ANNIHILATED : grown;
        }
        for (ptrdiff_t c = 0; c < size; c++) taken[c] = 0.0;
        for (ptrdiff_t j = 0; j < size; j++) {
            /* What is rounded in a column is its length, which may be far larger than any stretch: windows are shifted
               at length 1. By that its vector is turned, so that some of its row is left in the columns behind; and what
               it was turned before towards a later vector takes up its part of the row. */
            const double own = fabs(moved[j * (size + 1)]), inverse = own > 0.0 ? 1.0 / own : 1e300;
            const double length = larger(largest, length_of(j + 1, size, moved + j));
            double sum = (DBL_EPSILON * length + taken[j]) * inverse;
            const double turned = sum < 1.0 ? sum : 1.0;
            for (ptrdiff_t c = j + 1; c < size; c++) {
                const double part = fabs(moved[j * size + c]);
                sum = larger(sum, tilt[j * size + c] * part * inverse);
                taken[c] = larger(taken[c], turned * part);
                const double grown = tilt[j * size + c] * fabs(moved[c * (size + 1)]) * inverse;
                tilt[j * size + c] = larger(turned, grown < 1.0 ? grown : 1.0);
            }
            rounding[j] += sum;
        }
    }
    for (ptrdiff_t i = 0; i < size; i++) {
        double *restrict row = turn + i * size;
        for (ptrdiff_t c = 0; c < size; c++) row[c] = 0.0;
        for (ptrdiff_t b = 0; b < size; b++)
            for (ptrdiff_t c = 0; c < size; c++) row[c] += before[b * size + i] * frame[b * size + c];
    }
    for (ptrdiff_t j = 1; j <= size; j++) {
        double largest = 0.0;
        for (ptrdiff_t i = j; i < size; i++)
            for (ptrdiff_t c = 0; c < j; c++) largest = larger(largest, fabs(turn[i * size + c]));
        leak[j - 1] = largest;
    }
    return 0;
}

/* The product of one diagonal block of all factors; see dmft_multiply_blocks, whose work this takes. */
static double multiply_block(ptrdiff_t n_steps, ptrdiff_t size, ptrdiff_t n, const double *upper, ptrdiff_t stride,
                             double *product, double *work)
{
    double exponent = 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t c = 0; c < n; c++) product[i * stride + c] = i == c;
    for (ptrdiff_t t = 0; t < n_steps; t++) {
        const double *factor = upper + t * size * size;
        double largest = 0.0;
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t c = 0; c < n; c++) {
                double sum = 0.0;
                for (ptrdiff_t k = i; k < n; k++) sum += factor[i * size + k] * product[k * stride + c];
                work[i * n + c] = sum;
                largest = larger(largest, fabs(sum));
            }
        int power = 0;
        if (largest > 0.0 && largest <= DBL_MAX) frexp(largest, &power);
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t c = 0; c < n; c++) product[i * stride + c] = ldexp(work[i * n + c], -power);
        exponent += power;
        if (largest == 0.0) break;
    }
    return exponent;
}

void dmft_multiply_blocks(ptrdiff_t n_steps, ptrdiff_t size, ptrdiff_t n_blocks, const int64_t *ends, const double *upper,
                          double *product, double *exponent, double *work)
{
    const ptrdiff_t stride = ends[n_blocks - 1];
    for (ptrdiff_t i = 0; i < n_blocks; i++) {
        const ptrdiff_t first = i ? ends[i - 1] : 0;
        exponent[i] = multiply_block(n_steps, size, ends[i] - first, upper + first * (size + 1), stride,
                                     product + first * (stride + 1), work);
    }
}

static inline double drawn(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 63 ? DBL_EPSILON : -DBL_EPSILON;
}

int dmft_strayed(ptrdiff_t n_steps, ptrdiff_t size, ptrdiff_t n, ptrdiff_t n_turns, const int64_t *block,
                 const double *upper, double *error, double *work, int (*stopped)(void *), void *crew)
{
    /* Columns of E, of those below the block of each alone, and of R E R^-1, one after the other. */
    double *tilt = work, *turned = work + n * size;
    uint64_t state = 1;
    for (ptrdiff_t i = 0; i < n * size; i++) tilt[i] = 0.0;
    for (ptrdiff_t step = 0; step < n_turns * n_steps; step++) {
        if (stopped(crew)) return 1;
        const double *factor = upper + step % n_steps * size * size;
        if (step % n_steps == 0)
            for (ptrdiff_t k = 0; k < n; k++) error[k] = 0.0;
        double largest = 0.0;
        for (ptrdiff_t k = 0; k < size; k++) largest = larger(largest, fabs(factor[k * (size + 1)]));
        for (ptrdiff_t k = 0; k < n; k++) {
            double *restrict column = turned + k * size;
            const double *restrict before = tilt + k * size;
            const double rounded = larger(largest, length_of(k + 1, size, factor + k));
            const double inverse = 1.0 / factor[k * (size + 1)];
            for (ptrdiff_t i = 0; i < size; i++) {
                double sum = rounded * drawn(&state);
                for (ptrdiff_t c = i; c < size; c++) sum += factor[i * size + c] * before[c];
                column[i] = sum;
            }
            for (ptrdiff_t c = 0; c < k; c++) {
                const double part = factor[c * size + k];
                const double *restrict other = turned + c * size;
                for (ptrdiff_t i = 0; i < size; i++) column[i] -= part * other[i];
            }
            for (ptrdiff_t i = 0; i < size; i++) column[i] *= inverse;
        }
        for (ptrdiff_t k = 0; k < n; k++) {
            const double *restrict column = turned + k * size;
            double most = 0.0;
            for (ptrdiff_t i = 0; i < n; i++) {
                if (block[i] != block[k]) continue;
                double sum = column[i];
                for (ptrdiff_t c = 0; c < n && block[c] < block[k]; c++) sum += turned[c * size + i] * column[c];
                most = fabs(sum) <= most ? most : fabs(sum); /* NaN, too */
            }
            error[k] += most;
            double *restrict after = tilt + k * size;
            for (ptrdiff_t i = 0; i < size; i++) {
                const int below = i >= n || block[i] > block[k];
                after[i] = !below ? 0.0 : column[i] > 1.0 ? 1.0 : column[i] < -1.0 ? -1.0 : column[i];
            }
        }
    }
    return 0;
}
