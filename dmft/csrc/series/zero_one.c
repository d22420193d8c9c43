/* The 0-1 test of a series: how the mean square displacement of its walk grows, at many frequencies at once.
 *
 * The walk z(j) = sum_{k <= j} x_k e^{ikc} moves in n steps, squared and summed over J begins, by
 *
 *     D(n) = sum_j |z(j + n) - z(j)|^2 = D(n - 1) + R(n, n) + 2 sum_{0 < d < n} cos(dc) R(n - d, n),
 *     R(a, b) = sum_{j < J} x_{j + a} x_{j + b}.
 *
 * R knows nothing of c, and R(a + 1, b + 1) differs from R(a, b) by two products: no walk is made and no Fourier
 * transform, and what is left for each frequency is n / 2 products a step. Frequencies come in pairs c, pi - c, whose
 * cosines differ by the sign of those of odd d alone: sums over odd and over even d serve both.
 */
#include <math.h>

#include "series.h"

#include "../simd.h"

/* Vectors side by side, for as many sums as there are registers: they wait for none of the others, and every number of
   the table is loaded once for all rows. */
enum { ROWS = N_ROWS, LANES = WIDTH == 8 ? 2 : 1, LAGS = 8 };

INLINE vec loaded(const double *x)
{
    vec v;
    __builtin_memcpy(&v, x, sizeof v);
    return v;
}

INLINE void store(double *x, vec v) { __builtin_memcpy(x, &v, sizeof v); }

/* R(1, 1 + d) for LAGS vectors of lags from d on: sums over the begins. */
static void some_products(ptrdiff_t n_begins, ptrdiff_t d, const double *x, double *first)
{
    vec sum[LAGS] = {{0}};
    for (ptrdiff_t j = 1; j <= n_begins; j++)
        for (int k = 0; k < LAGS; k++) sum[k] += splat(x[j]) * loaded(x + j + d + k * WIDTH);
    for (int k = 0; k < LAGS; k++) store(first + d + k * WIDTH, sum[k]);
}

/* R(1, 1 + d) for d < n. The last vectors begin where they end with the last lag: some are summed twice. */
static void first_products(ptrdiff_t n_begins, ptrdiff_t n, const double *x, double *first)
{
    enum { STEP = LAGS * WIDTH };
    if (n >= STEP)
        for (ptrdiff_t d = 0; d < n; d += STEP) some_products(n_begins, d < n - STEP ? d : n - STEP, x, first);
    else
        for (ptrdiff_t d = 0; d < n; d++) {
            double sum = 0.0;
            for (ptrdiff_t j = 1; j <= n_begins; j++) sum += x[j] * x[j + d];
            first[d] = sum;
        }
}

/* R(b - d, b) for d < b, row b, from the row before. */
INLINE void next_row(ptrdiff_t b, ptrdiff_t n_begins, const double *x, const double *first, const double *before,
                     double *row)
{
    const double *old = x + b - 1, *new = old + n_begins;
    for (ptrdiff_t d = 0; d < b - 1; d++) row[d] = before[d] - old[0] * old[-d] + new[0] * new[-d];
    row[b - 1] = first[b - 1];
}

/* The correlation of displacements, every `stride`, with time: 0 where they differ by rounding alone. */
static double correlation(ptrdiff_t n, ptrdiff_t stride, const double *moved, double power)
{
    double mean = 0.0, square = 0.0, both = 0.0, time = 0.0;
    for (ptrdiff_t i = 0; i < n; i++) mean += moved[i * stride];
    mean /= (double)n;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double away = moved[i * stride] - mean, t = (double)i - 0.5 * (double)(n - 1);
        square += away * away;
        both += away * t;
        time += t * t;
    }
    const double size = sqrt(square * time), length = (double)n;
    return size > 1e-15 * length * length * length * power ? both / size : 0.0;
}

/* x: (n_samples,), of mean 0; twice: (n_longest, n_frequencies), 2 cos(dc), the frequencies padded to a multiple of
   N_TOGETHER; moved: WORK (n_longest, 2, n_frequencies); rows: WORK (1 + N_ROWS, n_longest); growth: OUT
   (2, n_frequencies), of c and of pi - c. */
void ISA(dmft_zero_one)(ptrdiff_t n_samples, ptrdiff_t n_longest, ptrdiff_t n_frequencies, const double *x,
                        const double *twice, double *moved, double *rows, double *growth, int (*stopped)(void *),
                        void *crew)
{
    const ptrdiff_t n_begins = n_samples - n_longest, n_both = 2 * n_frequencies;
    double *first = rows, *row[ROWS];
    for (int r = 0; r < ROWS; r++) row[r] = rows + (1 + r) * n_longest;
    first_products(n_begins, n_longest, x, first);
    for (ptrdiff_t b = 1; b <= n_longest; b += ROWS) {
        if (stopped(crew)) break;
        /* Rows that are not there repeat what was before, unused. */
        const int n_rows = n_longest - b + 1 < ROWS ? (int)(n_longest - b + 1) : ROWS;
        for (int r = 0; r < n_rows; r++) next_row(b + r, n_begins, x, first, row[(r + ROWS - 1) % ROWS], row[r]);
        for (ptrdiff_t f = 0; f < n_frequencies; f += LANES * WIDTH) {
            vec sum[2][ROWS][LANES] = {{{{0}}}}; /* even and odd d */
            for (ptrdiff_t d = 1; d < b; d += 2) /* an even number of them */
                for (int odd = 1; odd >= 0; odd--)
                    for (int k = 0; k < LANES; k++) {
                        const ptrdiff_t here = d + 1 - odd;
                        const vec wave = loaded(twice + here * n_frequencies + f + k * WIDTH);
                        for (int r = 0; r < ROWS; r++) sum[odd][r][k] += splat(row[r][here]) * wave;
                    }
            for (int r = 0; r < n_rows; r++)
                for (int k = 0; k < LANES; k++) {
                    double *here = moved + (b - 1 + r) * n_both + f + k * WIDTH;
                    for (ptrdiff_t d = b; d < b + r; d++) {
                        const vec wave = loaded(twice + d * n_frequencies + f + k * WIDTH);
                        sum[d % 2][r][k] += splat(row[r][d]) * wave;
                    }
                    for (int other = 0; other < 2; other++, here += n_frequencies) {
                        const vec last = b + r == 1 ? splat(0.0) : loaded(here - n_both);
                        const vec waves = other ? sum[0][r][k] - sum[1][r][k] : sum[0][r][k] + sum[1][r][k];
                        store(here, last + (splat(row[r][0]) + waves));
                    }
                }
        }
    }
    leave_wide_registers();
    for (ptrdiff_t f = 0; f < n_both; f++)
        growth[f] = correlation(n_longest, n_both, moved + f, first[0]);
}
