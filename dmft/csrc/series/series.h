/* What _series.pyx and the compiled statistics share; see series.c, zero_one.c and nearest.c. */
#ifndef DMFT_SERIES_H
#define DMFT_SERIES_H

#include <stddef.h>
#include <stdint.h>

enum { N_SUMS = 6 };
enum { N_TOGETHER = 32 }; /* frequencies of the 0-1 test come in so many, enough for the widest registers */

int dmft_birkhoff_weights(int64_t n, double length, double *weight);
void dmft_birkhoff_add(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, const double *weight,
                       const double *norm, const int *done, double *sums, double *average);
void dmft_batches_add(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, int64_t n, int64_t length,
                      int64_t room, double *sums);
void dmft_extremes_add(ptrdiff_t n_samples, ptrdiff_t n_channels, const double *x, double *low, double *high);
typedef void ZeroOne(ptrdiff_t n_samples, ptrdiff_t n_longest, ptrdiff_t n_frequencies, const double *x,
                     const double *twice, double *moved, double *rows, double *growth, int (*stopped)(void *),
                     void *crew);
ZeroOne dmft_zero_one_baseline, dmft_zero_one_avx2, dmft_zero_one_avx512;
void dmft_moments(ptrdiff_t n_samples, ptrdiff_t n_rows, ptrdiff_t n_features, const double *x, double *out);
void dmft_nearest(ptrdiff_t n, ptrdiff_t n_dim, ptrdiff_t component, const double *x, int64_t *neighbour,
                  double *distance, int (*stopped)(void *), void *crew);
int dmft_meet(ptrdiff_t n, ptrdiff_t n_dim, ptrdiff_t component, const double *x, const unsigned char *kind,
              double radius, int (*stopped)(void *), void *crew);

#endif
