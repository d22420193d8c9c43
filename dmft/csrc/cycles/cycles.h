/* What _linear.pyx and the compiled linear algebra round a cycle share.
 *
 * A cycle has n_steps steps of a map from windows of n_context vectors of n_features numbers, newest first, to the next
 * vector: size = n_context n_features numbers move by a companion matrix in every step. `top` are the matrices that make
 * the new vector of the window, (n_steps, n_features, size). All arrays are in C order.
 */
#ifndef DMFT_CYCLES_H
#define DMFT_CYCLES_H

#include <stddef.h>

/* An orthogonal factorisation by Householder reflections of the first n_columns of a matrix (n_rows, n_all), in place:
   upper triangle and zeros below, the other columns turned along. v: WORK (n_rows + n_all). */
void dmft_triangularise(ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t n_all, double *a, double *v);

/* moved (n_rows, n_columns) = q r: r into the upper triangle of `upper` (n_columns, n_columns), q over `moved`. q is
   orthonormal even where a column vanishes. work: (n_columns (n_rows + 2)); n_columns <= n_rows. */
void dmft_factorise(ptrdiff_t n_rows, ptrdiff_t n_columns, double *moved, double *upper, double *work);

size_t dmft_frames_work(ptrdiff_t size);
int dmft_carry_frame(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, const double *top, double *frame,
                     double *upper, double *turn, double *leak, double *work, int (*stopped)(void *), void *crew);
void dmft_multiply_block(ptrdiff_t n_steps, ptrdiff_t size, ptrdiff_t first, ptrdiff_t end, const double *upper,
                         double *product, double *exponent, double *work);

size_t dmft_periodic_work(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right);
int dmft_solve_periodic(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right, int bordered,
                        const double *top, const double *right, const double *border, double *out, double *work,
                        int (*stopped)(void *), void *crew);

#endif
