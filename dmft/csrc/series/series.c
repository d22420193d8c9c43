/* Statistics of series that come in chunks: one point at a time, a chunk (n_samples, n_channels) in
 * C order, each sample used once and in its turn, so that how a series is cut changes no bit. What is
 * kept of a point does not grow with the series. Used by dmft/dynamics/streaming.py; over whole series: series.py.
 */
#include <string.h>

#include "series.h"

#include "../simd.h"

/* ---- weighted averages over the first l, 2l, 4l ... samples, all at once ----
 *
 * The weight exp(-1 / t(1-t)) at t = (n + 1/2) / 2^j l is below 1e-12 of its peak where t < 1/32,
 * and left out there: so sample n counts in N_LEVELS averages, and that of 2^j l samples may take the
 * place of that of 2^(j - N_LEVELS) l. A last one is over the second half of the current 2^j l. The
 * bump is smooth, so l need not be whole.
 */
enum { N_LEVELS = N_SUMS - 1, LATE = N_LEVELS };

/* The weights of sample n, and which average is complete with it (-1: none; else the slot of its j). */
static int birkhoff_weights(int64_t n, double length, double *weight)
{
    int top = 0, place[N_SUMS];
    double end = length, t[N_SUMS]; /* end: of the smallest window that holds sample n */
    for (; end <= (double)n; end *= 2.0) top++;
    for (int k = 0; k < N_LEVELS; k++) {
        const double here = ((double)n + 0.5) / (end * (1 << k));
        t[k] = here >= 1.0 / (1 << N_LEVELS) ? here : 0.0;
        place[k] = (top + k) % N_LEVELS;
    }
    t[LATE] = top > 0 ? ((double)n + 0.5 - 0.5 * end) / (0.5 * end) : 0.0;
    place[LATE] = LATE;
    for (int k = 0; k < N_SUMS; k += WIDTH) {
        vec v, bump;
        for (int i = 0; i < WIDTH; i++) v[i] = k + i < N_SUMS ? t[k + i] : 0.0;
        bump = vexp(-1.0 / (v * (1.0 - v)));
        for (int i = 0; i < WIDTH && k + i < N_SUMS; i++) weight[place[k + i]] = v[i] > 0.0 && v[i] < 1.0 ? bump[i] : 0.0;
    }
    leave_wide_registers();
    return (double)(n + 1) >= end ? top % N_LEVELS : -1;
}

/* Add samples to all the sums of `width` channels, at most 4, whose sums stay in registers. A weight of
   zero is no weight: what it would meet may be infinite. */
INLINE void add_weighted_some(const int width, ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x,
                              const double *weight, double *sums)
{
    double total[N_SUMS][4];
    for (int k = 0; k < N_SUMS; k++)
        for (int i = 0; i < width; i++) total[k][i] = sums[k * n_channels + i];
    for (ptrdiff_t s = 0; s < n_samples; s++)
        for (int k = 0; k < N_SUMS; k++)
            if (weight[s * N_SUMS + k] != 0.0)
                for (int i = 0; i < width; i++) total[k][i] += weight[s * N_SUMS + k] * x[s * n_channels + i];
    for (int k = 0; k < N_SUMS; k++)
        for (int i = 0; i < width; i++) sums[k * n_channels + i] = total[k][i];
}

static void add_weighted(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, const double *weight, double *sums)
{
    ptrdiff_t left = n_channels;
    for (; left >= 4; left -= 4, x += 4, sums += 4) add_weighted_some(4, n_samples, n_channels, x, weight, sums);
    for (; left > 0; left--, x++, sums++) add_weighted_some(1, n_samples, n_channels, x, weight, sums);
}

/* sums: (N_SUMS, n_channels); average: (3, n_channels), over the whole, the first and the second
   half of the last window that was complete. norm: (n_samples, N_SUMS), the sums of the weights. */
static void birkhoff_add(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, const double *weight,
                         const double *norm, const int *done, double *sums, double *average)
{
    for (ptrdiff_t begin = 0, end; begin < n_samples; begin = end) {
        for (end = begin; end < n_samples && done[end] < 0;) end++;
        const int complete = end < n_samples;
        end += complete; /* the sample that completes an average is its last */
        add_weighted(end - begin, n_channels, x + begin * n_channels, weight + begin * N_SUMS, sums);
        if (!complete) break;
        const int which = done[end - 1];
        const double *total = norm + (end - 1) * N_SUMS;
        double *sum = sums + which * n_channels, *late = sums + LATE * n_channels;
        for (ptrdiff_t c = 0; c < n_channels; c++) {
            average[n_channels + c] = average[c];
            average[c] = sum[c] / total[which];
            average[2 * n_channels + c] = late[c] / total[LATE];
            sum[c] = late[c] = 0.0;
        }
    }
    leave_wide_registers();
}

/* ---- sums over batches of equal length, merged in pairs when there is no room for more ---- */

static void batches_add(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, int64_t n, int64_t length,
                        int64_t room, double *sums)
{
    for (ptrdiff_t s = 0; s < n_samples; s++, n++, x += n_channels) {
        if (n == room * length) {
            for (int64_t i = 0; i < room / 2; i++)
                for (ptrdiff_t c = 0; c < n_channels; c++)
                    sums[i * n_channels + c] = sums[2 * i * n_channels + c] + sums[(2 * i + 1) * n_channels + c];
            memset(sums + room / 2 * n_channels, 0, room / 2 * n_channels * sizeof *sums);
            length *= 2;
        }
        double *sum = sums + n / length * n_channels;
        for (ptrdiff_t c = 0; c < n_channels; c++) sum[c] += x[c];
    }
}

/* ---- extremes; NaN is passed over ---- */

static void extremes_add(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, double *low, double *high)
{
    for (ptrdiff_t s = 0; s < n_samples; s++, x += n_channels)
        for (ptrdiff_t c = 0; c < n_channels; c++) {
            if (x[c] < low[c]) low[c] = x[c];
            if (x[c] > high[c]) high[c] = x[c];
        }
}

/* ---- first and second moments of the rows of windows (n_samples, n_rows, n_features), averaged over rows ----
   out: (n_samples, n_features (n_features + 3) / 2). In the order in which NumPy adds. */

enum { MOST_FEW = 3 };
INLINE void moments(ptrdiff_t n_samples, ptrdiff_t n_rows, const ptrdiff_t n_features, const double *x,
                    double *restrict out)
{
    const ptrdiff_t n_moments = n_features * (n_features + 3) / 2;
    /* Of a power of two the inverse is exact, and a product sooner made than a quotient. */
    const double inverse = (n_rows & (n_rows - 1)) == 0 ? 1.0 / (double)n_rows : 0.0;
    double few[MOST_FEW * (MOST_FEW + 3) / 2];
    for (ptrdiff_t s = 0; s < n_samples; s++, out += n_moments) {
        double *sum = __builtin_constant_p(n_features) ? few : out;
        for (ptrdiff_t k = 0; k < n_moments; k++) sum[k] = 0.0;
        for (ptrdiff_t r = 0; r < n_rows; r++, x += n_features) {
            double *second = sum + n_features;
            for (ptrdiff_t i = 0; i < n_features; i++) {
                sum[i] += x[i];
                for (ptrdiff_t j = i; j < n_features; j++) *second++ += x[i] * x[j];
            }
        }
        for (ptrdiff_t k = 0; k < n_moments; k++) out[k] = inverse ? sum[k] * inverse : sum[k] / (double)n_rows;
    }
}

static void moments_of(ptrdiff_t n_samples, ptrdiff_t n_rows, ptrdiff_t n_features, const double *x, double *out)
{
    switch (n_features) { /* few features: sums that stay in registers */
    case 1: moments(n_samples, n_rows, 1, x, out); break;
    case 2: moments(n_samples, n_rows, 2, x, out); break;
    case 3: moments(n_samples, n_rows, 3, x, out); break;
    default: moments(n_samples, n_rows, n_features, x, out);
    }
    leave_wide_registers();
}

const Statistics ISA(dmft_statistics) = {birkhoff_weights, birkhoff_add, batches_add, extremes_add, moments_of};
