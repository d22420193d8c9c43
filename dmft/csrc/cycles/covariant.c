/* Frames of tangents taken along an orbit, and covariant vectors and adjoints taken back. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cycles.h"

#define LARGE 1e150   /* entries of a column beyond are scaled down; their squares have room */
#define ROUNDING 16.0 /* in units of the last place: a stretch so far below the largest one is not known */

/* moved = (rows of the new vector) times a frame (size, n_columns), which is shifted on. moved: WORK (n_features,
   n_columns). */
static void push(ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_columns, const double *rows, double *frame,
                 double *moved)
{
    for (ptrdiff_t a = 0; a < n_features; a++) {
        double *restrict new = moved + a * n_columns;
        for (ptrdiff_t c = 0; c < n_columns; c++) new[c] = 0.0;
        for (ptrdiff_t b = 0; b < size; b++)
            for (ptrdiff_t c = 0; c < n_columns; c++) new[c] += rows[a * size + b] * frame[b * n_columns + c];
    }
    memmove(frame + n_features * n_columns, frame, (size - n_features) * n_columns * sizeof *frame);
    memcpy(frame, moved, n_features * n_columns * sizeof *frame);
}

/* frame = transposed derivative times frame. moved: WORK (size, n_columns). */
static void pull(ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_columns, const double *rows, double *frame,
                 double *moved)
{
    const ptrdiff_t n_rest = (size - n_features) * n_columns;
    memcpy(moved, frame + n_features * n_columns, n_rest * sizeof *frame);
    memset(moved + n_rest, 0, n_features * n_columns * sizeof *frame);
    for (ptrdiff_t a = 0; a < n_features; a++)
        for (ptrdiff_t b = 0; b < size; b++)
            for (ptrdiff_t c = 0; c < n_columns; c++)
                moved[b * n_columns + c] += rows[a * size + b] * frame[a * n_columns + c];
    memcpy(frame, moved, size * n_columns * sizeof *frame);
}

size_t dmft_covariant_work(ptrdiff_t size, ptrdiff_t n_tangents)
{
    return (size_t)n_tangents * (3 * (size_t)size + (size_t)n_tangents + 4);
}

int dmft_carry_forward(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_tangents,
                       const double *top, double *frame, double *frames, double *upper, double *work,
                       int (*stopped)(void *), void *crew)
{
    const ptrdiff_t n = n_tangents;
    for (ptrdiff_t t = 0; t < n_steps; t++) {
        if (stopped(crew)) return 1;
        memcpy(frames + t * size * n, frame, size * n * sizeof *frame);
        push(n_features, size, n, top + t * n_features * size, frame, work);
        dmft_factorise(size, n, frame, upper + t * n * n, work);
    }
    return 0;
}

/* Solve upper x = column in place, entries 0 .. n - 1 of a column (stride apart); make it 1 long. Returns the log of how
   long it was, +inf if its own stretch vanishes. */
static double solve_column(ptrdiff_t n, ptrdiff_t stride, double least, const double *upper, double *x)
{
    double scale = 0.0, sum = 0.0;
    const double own = upper[(n - 1) * stride + n - 1];
    for (ptrdiff_t i = n - 1; i >= 0; i--) {
        double entry = x[i * stride], stretch = upper[i * stride + i];
        for (ptrdiff_t j = i + 1; j < n; j++) entry -= upper[i * stride + j] * x[j * stride];
        if (!(fabs(stretch) > least)) stretch = copysign(least, stretch);
        x[i * stride] = entry /= stretch;
        if (fabs(entry) > LARGE) {
            for (ptrdiff_t j = 0; j < n; j++) x[j * stride] /= fabs(entry);
            scale += log(fabs(entry));
        }
    }
    for (ptrdiff_t i = 0; i < n; i++) sum += x[i * stride] * x[i * stride];
    const double length = sqrt(sum);
    for (ptrdiff_t i = 0; i < n; i++) x[i * stride] /= length;
    return own == 0.0 ? INFINITY : scale + log(length);
}

int dmft_carry_back(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_tangents,
                    ptrdiff_t n_adjoints, const double *top, const double *frames, const double *upper,
                    double *coefficients, double *adjoint, double *growth, double *meeting, double *vectors,
                    ptrdiff_t n_kept, ptrdiff_t *n_lost, double *work, int (*stopped)(void *), void *crew)
{
    const ptrdiff_t n = n_tangents, m = n_adjoints;
    for (ptrdiff_t t = n_steps - 1; t >= 0; t--) {
        if (stopped(crew)) return 1;
        const double *factor = upper + t * n * n, *frame = frames + t * size * n;
        double largest = 0.0;
        for (ptrdiff_t i = 0; i < n * n; i++)
            if (!(fabs(factor[i]) <= largest)) largest = fabs(factor[i]);
        const double least = fmax(largest * 1e-140, DBL_MIN);
        for (ptrdiff_t j = 0; j < n; j++) {
            growth[t * n + j] = -solve_column(j + 1, n, least, factor, coefficients + j);
            const double stretch = fabs(factor[j * n + j]);
            n_lost[j] += stretch > 0.0 && stretch < ROUNDING * DBL_EPSILON * largest;
        }
        if (t < n_kept) {
            double *restrict row = vectors + t * size * n;
            for (ptrdiff_t i = 0; i < size; i++)
                for (ptrdiff_t j = 0; j < n; j++) {
                    double sum = 0.0;
                    for (ptrdiff_t l = 0; l <= j; l++) sum += frame[i * n + l] * coefficients[l * n + j];
                    row[i * n + j] = sum;
                }
        }
        if (!m) continue;
        pull(n_features, size, m, top + t * n_features * size, adjoint, work);
        dmft_factorise(size, m, adjoint, work, work + m * m);
        for (ptrdiff_t i = 0; i < m; i++)
            for (ptrdiff_t j = 0; j < m; j++) {
                double sum = 0.0;
                for (ptrdiff_t l = 0; l < size; l++) sum += adjoint[l * m + i] * frame[l * n + j];
                meeting[(t * m + i) * m + j] = sum;
            }
    }
    return 0;
}
