/* What _series.pyx and the compiled statistics share; see series.c, zero_one.c and nearest.c. */
#ifndef DMFT_SERIES_H
#define DMFT_SERIES_H

#include <stddef.h>
#include <stdint.h>

enum { N_SUMS = 6 };
enum { N_TOGETHER = 16 }; /* pairs of frequencies of the 0-1 test come in so many, enough for the widest registers */
enum { N_ROWS = 4 };      /* its rows that are worked on together, an even number */
enum { N_BESIDE = 8 };    /* numbers beside sorted states, as many as the widest registers hold */

/* What is kept of series that come in chunks (n_samples, n_channels); see series.c. */
typedef struct {
    int (*weights)(int64_t n, double length, double *weight);
    void (*birkhoff)(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, const double *weight,
                     const double *norm, const int *done, double *sums, double *average);
    void (*batches)(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, int64_t n, int64_t length, int64_t room,
                    double *sums);
    void (*extremes)(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, double *low, double *high);
    void (*moments)(ptrdiff_t n_samples, ptrdiff_t n_rows, ptrdiff_t n_features, const double *x, double *out);
} Statistics;
extern const Statistics dmft_statistics_baseline, dmft_statistics_avx2, dmft_statistics_avx512;
typedef void ZeroOne(ptrdiff_t n_samples, ptrdiff_t n_longest, ptrdiff_t n_frequencies, const double *x,
                     const double *twice, double *moved, double *rows, double *growth, int (*stopped)(void *),
                     void *crew);
ZeroOne dmft_zero_one_baseline, dmft_zero_one_avx2, dmft_zero_one_avx512;
typedef void Nearest(ptrdiff_t n, ptrdiff_t n_dim, ptrdiff_t component, const double *x, ptrdiff_t n_states,
                     const double *states, const int64_t *place, int own, int64_t *neighbour, double *distance,
                     int (*stopped)(void *), void *crew);
Nearest dmft_nearest_baseline, dmft_nearest_avx2, dmft_nearest_avx512;

#endif
