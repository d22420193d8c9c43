/* What _regressions.pyx and its kernel share. Nothing is checked here and nothing allocated.
 *
 * A sum over inputs of -1 and 1 is looked up: the sums of BITS numbers with all signs are a table, the signs of BITS
 * inputs are the place in it, and the places in TABLES tables are a word. The signs of a product of two inputs are the
 * exclusive or of their words.
 */
#ifndef DMFT_REGRESSIONS_H
#define DMFT_REGRESSIONS_H

#include <stddef.h>
#include <stdint.h>

enum {
    LANES = 16,           /* neurons side by side, whatever the registers */
    BITS = 6,
    TABLES = 5,
    SET = BITS * TABLES,  /* signs in a word */
    PIECE = 32            /* sets of samples at a time, whose numbers stay in the second cache */
};

/* Signs: a bit is 1 where the input is -1, and 0 beyond the last input or sample.
   inputs (n_words, SET n_sets): of SET inputs in one sample; samples (n_sets, size): of one input in SET samples. */
typedef struct {
    ptrdiff_t size, n_words, n_samples, n_sets;
    const uint64_t *inputs, *samples;
} Trains;

/* Of LANES neurons, theta (SET n_words, LANES), with 0 beyond the last input. Sets of samples from `first` on, `n` of them.
   means: out (size, LANES) += sum over samples of tanh(theta.x) x, at most PIECE sets
   weights: out (SET n, LANES) = sech(theta.x)^2, 0 beyond the last sample, at most PIECE sets
   products: out (n_pairs, LANES) += sum over samples of weight (SET n, LANES) times x_a x_b; pairs a <= b from (a, b) on,
   row by row */
typedef struct {
    void (*means)(const Trains *, const double *theta, ptrdiff_t first, ptrdiff_t n, double *out);
    void (*weights)(const Trains *, const double *theta, ptrdiff_t first, ptrdiff_t n, double *out);
    void (*products)(const Trains *, const double *weight, ptrdiff_t first, ptrdiff_t n, ptrdiff_t a, ptrdiff_t b,
                     ptrdiff_t n_pairs, double *out);
} Regressions;

extern const Regressions dmft_regressions_baseline, dmft_regressions_avx2, dmft_regressions_avx512;

#endif
