/* Frames made orthogonal again, with what rounding may have done to their stretches; dmft/dynamics/reference.py has
   the twin. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cycles.h"

#define LOST 0x1p-5    /* a stretch that may be off by such a part tells nothing */
#define GRADED 0x1p-20 /* of the largest: stretches below are looked at one by one */
#define FAINT 0x1p-26  /* what tangents may have turned by unnoticed */
#define N_PASSES 4

static double sum_of_squares(ptrdiff_t n, const double *x)
{
    double sums[4] = {0.0, 0.0, 0.0, 0.0}; /* side by side */
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) sums[j] += x[i + j] * x[i + j];
    for (; i < n; i++) sums[0] += x[i] * x[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* The length of column k of rows `stride` apart, in doubles of any size. */
static double length_of(ptrdiff_t n, ptrdiff_t stride, const double *x)
{
    double largest = 0.0, sum = 0.0;
    for (ptrdiff_t i = 0; i < n; i++) largest = fabs(x[i * stride]) > largest ? fabs(x[i * stride]) : largest;
    if (largest == 0.0) return 0.0;
    for (ptrdiff_t i = 0; i < n; i++) sum += x[i * stride] / largest * (x[i * stride] / largest);
    return largest * sqrt(sum);
}

/* Take off column k of a frame its parts along the columns before it, until nothing is left of them. parts: INOUT (k,),
   or NULL. `faint`: what is below the rounding of its own coordinate is set to 0. terms: WORK (n,). */
static void take_off(ptrdiff_t n, ptrdiff_t stride, ptrdiff_t k, int faint, double *frame, double *parts, double *terms)
{
    double length = length_of(n, stride, frame + k);
    for (int pass = 0; pass < N_PASSES && k; pass++) {
        for (ptrdiff_t i = 0; i < n; i++) terms[i] = fabs(frame[i * stride + k]);
        for (ptrdiff_t j = 0; j < k; j++) {
            double part = 0.0;
            for (ptrdiff_t i = 0; i < n; i++) part += frame[i * stride + j] * frame[i * stride + k];
            for (ptrdiff_t i = 0; i < n; i++) {
                const double its = part * frame[i * stride + j];
                frame[i * stride + k] -= its;
                terms[i] += fabs(its);
            }
            if (parts) parts[j * stride] += part;
        }
        for (ptrdiff_t i = 0; i < n && faint; i++)
            if (fabs(frame[i * stride + k]) <= DBL_EPSILON * terms[i]) frame[i * stride + k] = 0.0;
        const double before = length;
        length = length_of(n, stride, frame + k);
        if (!(length > 0.0 && length < 0.5 * before)) return;
    }
}

/* Any direction that is left, in column k. */
static void any_other(ptrdiff_t n, ptrdiff_t stride, ptrdiff_t k, double *frame, double *terms)
{
    ptrdiff_t best = 0;
    double least = INFINITY;
    for (ptrdiff_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (ptrdiff_t j = 0; j < k; j++) sum += frame[i * stride + j] * frame[i * stride + j];
        if (sum < least) least = sum, best = i;
        frame[i * stride + k] = 0.0;
    }
    frame[best * stride + k] = 1.0;
    take_off(n, stride, k, 0, frame, NULL, terms);
}

/* moved = q upper as dmft_factorise has it, but row by row: small coordinates keep their digits. bound: INOUT (n, k), to
   which the terms of this are added; noise: OUT (k, k), [j, k]: how far rounding may reach, of column k along j >= k. */
static void factorise_rows(ptrdiff_t n, ptrdiff_t k, double rounding, double *frame, double *upper, double *bound,
                           double *noise, double *terms)
{
    memset(upper, 0, k * k * sizeof *upper);
    memset(noise, 0, k * k * sizeof *noise);
    for (ptrdiff_t c = 0; c < k; c++) {
        take_off(n, k, c, 1, frame, upper + c, terms);
        const double stretch = length_of(n, k, frame + c);
        upper[c * k + c] = stretch;
        if (!(stretch > 0.0)) any_other(n, k, c, frame, terms);
        const double length = length_of(n, k, frame + c);
        for (ptrdiff_t i = 0; i < n; i++) frame[i * k + c] /= length;
        for (ptrdiff_t j = 0; j <= c; j++)
            for (ptrdiff_t i = 0; i < n; i++) bound[i * k + c] += fabs(frame[i * k + j] * upper[j * k + c]);
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < k; j++) {
            const double part = rounding * fabs(frame[i * k + j]);
            for (ptrdiff_t c = 0; c <= j; c++) noise[j * k + c] += part * bound[i * k + c];
        }
}

/* Add what a step may be off by; replace stretches of zero that are of rounding. error: WORK (k,). */
static void lose(ptrdiff_t k, const double *upper, double *stretch, const double *noise, double n_steps,
                 double *tilt, int64_t *n_lost, double *off, double *error)
{
    const double least = log(DBL_MIN);
    for (ptrdiff_t c = 0; c < k; c++) {
        const double own = noise[c * k + c];
        error[c] = own > 0.0 ? own / stretch[c] : 0.0;
    }
    for (ptrdiff_t c = 0; c < k; c++) {
        double reach = 0.0, fresh = 0.0;
        for (ptrdiff_t j = 0; j < c; j++) /* an error of tangent j along c takes up what c has along j */
            if (stretch[j] > 0.0) fresh += noise[c * k + j] / stretch[j] * fabs(upper[j * k + c]);
        if (stretch[c] > 0.0) error[c] += fresh / stretch[c];
        for (ptrdiff_t j = c; j >= 0; j--) { /* what is left of old errors of j along c, on both */
            reach += fabs(upper[j * k + c]);
            if (j == c || !(stretch[j] > 0.0)) continue;
            const double old = tilt[j * k + c] * reach / stretch[j];
            error[j] += old;
            error[c] += old;
        }
    }
    int lost = 0;
    for (ptrdiff_t c = 0; c < k; c++) {
        lost |= !(error[c] <= LOST);
        if (!lost) {
            if (error[c] > FAINT) off[c] += error[c];
            continue;
        }
        if (stretch[c] == 0.0) stretch[c] = noise[c * k + c];
        if (stretch[c] > 0.0) off[c] += fmax(log(stretch[c]) - least, 0.0);
        n_lost[c] += (int64_t)n_steps;
        for (ptrdiff_t j = 0; j < k; j++) tilt[c * k + j] = 0.0; /* it begins anew */
    }
}

size_t dmft_straighten_work(ptrdiff_t n, ptrdiff_t k)
{
    return (size_t)k * (2 * (size_t)n + 2 * (size_t)k + 4) + (size_t)n;
}

/* As dmft_straighten and dmft_straighten_moved have it: rows or NULL, bound or NULL. */
static int straighten(ptrdiff_t n, ptrdiff_t k, ptrdiff_t n_new, const double *rows, double largest, double rounding,
                      double n_steps, double *frame, double *bound, double *tilt, double *growth, int64_t *n_lost,
                      double *off, double *work)
{
    double *upper = work, *factors = upper + k * k, *kept = factors + k * (n + 2), *noise = kept + n * k;
    double *stretch = noise + k * k, *error = stretch + k, *terms = error + k;
    ptrdiff_t n_finite = 0;
    while (n_finite < n * k && isfinite(frame[n_finite])) n_finite++;
    if (n_finite < n * k) { /* of an orbit that has left the real numbers */
        memset(frame, 0, n * k * sizeof *frame);
        memset(tilt, 0, k * k * sizeof *tilt);
        for (ptrdiff_t j = 0; j < k; j++) frame[j * k + j] = 1.0, growth[j] = NAN;
        return 0;
    }
    memcpy(kept, frame, n * k * sizeof *frame);
    dmft_factorise(n, k, frame, upper, factors);
    double least = INFINITY;
    for (ptrdiff_t j = 0; j < k; j++) {
        stretch[j] = fabs(upper[j * k + j]);
        least = stretch[j] < least ? stretch[j] : least;
    }
    const int graded = !(least > GRADED * largest);
    if (graded && !bound) {
        memcpy(frame, kept, n * k * sizeof *frame);
        return 1;
    }
    const int looked_at = graded || sum_of_squares(k * k, tilt) > FAINT * FAINT;
    const double most = 3.0 * rounding * largest;
    for (ptrdiff_t i = 0; i < k * k && looked_at; i++) noise[i] = most;
    if (graded) {
        if (rows) { /* the terms of the sums of the step: those of the frame before it are in `bound` */
            double *before = factors;
            memcpy(before, bound, n * k * sizeof *bound);
            memcpy(bound + n_new * k, before, (n - n_new) * k * sizeof *bound);
            memset(bound, 0, n_new * k * sizeof *bound);
            for (ptrdiff_t a = 0; a < n_new; a++)
                for (ptrdiff_t b = 0; b < n; b++)
                    for (ptrdiff_t c = 0; c < k; c++) bound[a * k + c] += fabs(rows[a * n + b]) * before[b * k + c];
        }
        memcpy(frame, kept, n * k * sizeof *frame);
        factorise_rows(n, k, rounding, frame, upper, bound, noise, terms);
        for (ptrdiff_t j = 0; j < k; j++) stretch[j] = upper[j * k + j];
    }
    if (looked_at) lose(k, upper, stretch, noise, n_steps, tilt, n_lost, off, error);
    for (ptrdiff_t c = 0; c < k; c++) {
        growth[c] += stretch[c] > 0.0 ? log(stretch[c]) : -INFINITY;
        if (c == k - 1) break;
        double *restrict row = tilt + c * k;
        const double inverse = stretch[c] > 0.0 ? 1.0 / stretch[c] : 0.0;
        if (looked_at)
            for (ptrdiff_t j = c + 1; j < k; j++) row[j] = (row[j] * stretch[j] + noise[j * k + c]) * inverse;
        else
            for (ptrdiff_t j = c + 1; j < k; j++) row[j] = (row[j] * stretch[j] + most) * inverse;
    }
    return 0;
}

int dmft_straighten_moved(ptrdiff_t n, ptrdiff_t k, double largest, double rounding, double n_steps, double *frame,
                          double *bound, double *tilt, double *growth, int64_t *n_lost, double *off, double *work)
{
    return straighten(n, k, 0, NULL, largest, rounding, n_steps, frame, bound, tilt, growth, n_lost, off, work);
}

void dmft_straighten(ptrdiff_t n, ptrdiff_t k, ptrdiff_t n_new, const double *rows, double rounding, double n_steps,
                     double *frame, double *bound, double *tilt, double *growth, int64_t *n_lost, double *off,
                     double *work)
{
    const double square = rows ? sum_of_squares(n_new * n, rows) + (double)(n - n_new) : sum_of_squares(n * k, bound);
    straighten(n, k, n_new, rows, sqrt(square), rounding, n_steps, frame, bound, tilt, growth, n_lost, off, work);
}
