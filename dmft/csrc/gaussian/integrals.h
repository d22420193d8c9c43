/* What _integrals.pyx and the compiled integrals share. Arrays are C-contiguous; nothing is
 * checked here and nothing allocated: the doors are in dmft/gaussian/averages.py. Each function works on a
 * run of elements or on one row and writes nothing else, so threads may share them out.
 */
#ifndef DMFT_INTEGRALS_H
#define DMFT_INTEGRALS_H

#include <stddef.h>

/* Mehler's series: terms A_0 .. A_31; its remainder is known after 8, 16 and 32 of them. */
enum { N_HERMITE = 32, N_STAGES = 3 };

/* log_eps = log(1 / accuracy) in what takes it. What may take long asks stopped(crew) whether it shall end: then what it
   has written is of no use. */
typedef struct {
    /* E tanh(g + sqrt(v) x), first and second derivative by g, and E log 2cosh; NULL: not wanted */
    void (*averages)(ptrdiff_t n, const double *g, const double *v, double *mean, double *slope,
                     double *bend, double *log2cosh);
    /* E tanh(g + sqrt(v) x) alone: faster */
    void (*mean)(ptrdiff_t n, const double *g, const double *v, double log_eps, double *out);
    /* E tanh(g1 + sqrt(v1) x) tanh(g2 + sqrt(v2) y), x and y of correlation rho */
    void (*pair)(ptrdiff_t n, const double *g1, const double *g2, const double *v1, const double *v2,
                 const double *rho, double log_eps, double *out);
    /* m = tanh(a - v m); returns how many did not settle (they are NaN) */
    ptrdiff_t (*fixed)(ptrdiff_t n, const double *a, const double *v, double *out);
    /* A_k = E tanh(g + sqrt(v) x) h_k(x), h_k the orthonormal Hermite polynomials; element
       `first` on of n_all, in coefficient (N_HERMITE, n_all); rest (N_STAGES, n_all) is
       sqrt(E tanh^2 - sum A_k^2) */
    void (*hermite)(ptrdiff_t first, ptrdiff_t n, ptrdiff_t n_all, const double *g, const double *v,
                    double *coefficient, double *rest);
    /* cov(tanh, tanh) of row i with all columns by Mehler's series, NaN where the rest of the
       series may exceed tol; rho and out are rows of n_all */
    void (*mehler)(ptrdiff_t i, ptrdiff_t n_all, const double *coefficient, const double *rest,
                   const double *rho, double tol, double *out);
    /* E s_a tanh(scale sum_b s_b A_b) over all signs s, every a; work: 42 n doubles,
       aligned to 64 bytes */
    void (*signs)(ptrdiff_t n, double scale, const double *A, double log_eps, double *out, double *work,
                  int (*stopped)(void *), void *crew);
    /* E tanh(H + sum_j a_j s_j) for independent s_j of mean m_j, its derivative by H, and
       (t_j(+) - t_j(-)) / 2 for every j, t_j(s) the mean given s_j = s, or NULL; work: 50 n
       doubles, aligned to 64 bytes */
    void (*product)(ptrdiff_t n, double H, const double *a, const double *m, double log_eps,
                    double *mean, double *slope, double *secant, double *work, int (*stopped)(void *), void *crew);
    /* one row of a theory's means and covariances given one other spin: see fixed.h */
    void (*given)(ptrdiff_t n, double g, const double *v, int v_stride, const double *rise,
                  const double *linear, const double *square, const double *mu, double log_eps,
                  double *mean, double *cov);
} Integrals;

extern const Integrals dmft_integrals_baseline, dmft_integrals_avx2, dmft_integrals_avx512;

#endif
