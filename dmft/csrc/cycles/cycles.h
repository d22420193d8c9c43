/* What _linear.pyx and the compiled linear algebra round a cycle share.
 *
 * A cycle has n_steps steps of a map from windows of n_context vectors of n_features numbers, newest first, to the next
 * vector: size = n_context n_features numbers move by a companion matrix in every step. `top` are the matrices that make
 * the new vector of the window, (n_steps, n_features, size). All arrays are in C order.
 */
#ifndef DMFT_CYCLES_H
#define DMFT_CYCLES_H

#include <stddef.h>
#include <stdint.h>

/* An orthogonal factorisation by Householder reflections of the first n_columns of a matrix (n_rows, n_all), in place:
   upper triangle and zeros below, the other columns turned along. Returns the number of reflections. v: WORK
   (n_rows + n_all). */
ptrdiff_t dmft_triangularise(ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t n_all, double *a, double *v);

/* moved (n_rows, n_columns) = q r: r into the upper triangle of `upper` (n_columns, n_columns), q over `moved`. q is
   orthonormal even where a column vanishes. work: (n_columns (n_rows + 2)); n_columns <= n_rows. */
void dmft_factorise(ptrdiff_t n_rows, ptrdiff_t n_columns, double *moved, double *upper, double *work);

/* Take a frame round the cycle, made orthogonal after every step. frame: INOUT (size, size); upper: OUT (n_steps, size,
   size), the triangular factors; turn: OUT (size, size), frame before, transposed, times frame after; leak: OUT (size,),
   how far the first 1, 2, ... vectors leave their own span; stretch: OUT (size,), sums of the logs of the diagonals of
   the factors, which stand for 0 below DMFT_ANNIHILATED; rounding: OUT (size,), how much of those may be that of the
   largest of each step. Returns whether it was stopped. */
#define DMFT_ANNIHILATED (-1e9)
size_t dmft_frames_work(ptrdiff_t size);
int dmft_carry_frame(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, const double *top, double *frame,
                     double *upper, double *turn, double *leak, double *stretch, double *rounding, double *work,
                     int (*stopped)(void *), void *crew);
/* The same of n cycles at a time, at most `width`, that follow one another in all arrays: carry.c, for each instruction
   set. Frames beyond CARRIED leave the first cache: dmft_carry_frame takes these, whatever their number. work: WORK in
   doubles, beginning at 64 bytes. */
enum { CARRIED = 16 };
typedef struct {
    int width;
    size_t (*work)(ptrdiff_t n_features, ptrdiff_t size);
    int (*carry)(ptrdiff_t n, ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, const double *top, double *frames,
                 double *upper, double *turn, double *leak, double *stretch, double *rounding, double *work,
                 int (*stopped)(void *), void *crew);
} Carry;
extern const Carry dmft_carry_baseline, dmft_carry_avx2, dmft_carry_avx512;

/* The products of the leading diagonal blocks of all factors, the last on the left, each times a power of two. ends
   (n_blocks,): one past the last row of each, ascending; product (n, n), n = ends[n_blocks - 1]: its diagonal blocks OUT;
   exponent (n_blocks,): OUT, of the powers; work: WORK (n, n). */
void dmft_multiply_blocks(ptrdiff_t n_steps, ptrdiff_t size, ptrdiff_t n_blocks, const int64_t *ends, const double *upper,
                          double *product, double *exponent, double *work);

/* How much of the leading n stretches, in the last of n_turns, is of what rounding turns a frame by: a draw of its signs.
   Vectors F (1 + E) for those F of the frame leave a step with R E R^-1 for E, and what it has rounded. block (n,): of
   every vector, 0, 1, ...: within one they may turn. error: OUT (n,), relative; NaN where it has no bounds.
   work: (2 n size). Returns whether it was stopped. */
int dmft_strayed(ptrdiff_t n_steps, ptrdiff_t size, ptrdiff_t n, ptrdiff_t n_turns, const int64_t *block,
                 const double *upper, double *error, double *work, int (*stopped)(void *), void *crew);

/* Make a frame (n, k) that steps have moved orthogonal again, with what rounding may have done. growth: INOUT (k,), to
   which the logs of the stretches are added; n_lost, off: INOUT (k,), steps whose stretch is below the rounding of the
   terms that it is a sum of, times `rounding`, and how far the sums of the logs may be off; tilt: INOUT (k, k), [i, j]:
   how far tangent i may have turned towards j > i. bound: INOUT (n, k), the sizes of the terms of the entries; where
   `rows` (n_new, n) are given, those of the frame before the one step that they have made. work: dmft_straighten_work doubles. */
size_t dmft_straighten_work(ptrdiff_t n, ptrdiff_t k);
void dmft_straighten(ptrdiff_t n, ptrdiff_t k, ptrdiff_t n_new, const double *rows, double rounding, double n_steps,
                     double *frame, double *bound, double *tilt, double *growth, int64_t *n_lost, double *off,
                     double *work);
/* The same where no column of the terms is longer than `largest`. bound may be NULL: a frame whose stretches differ so much
   that terms are asked for is left as it is then, and all else; returns whether it is. */
int dmft_straighten_moved(ptrdiff_t n, ptrdiff_t k, double largest, double rounding, double n_steps, double *frame,
                          double *bound, double *tilt, double *growth, int64_t *n_lost, double *off, double *work);

/* Tangents along an orbit, whose steps need not close. The frames before every step, (n_steps, size, n_tangents), and
   the triangular factors of the steps, (n_steps, n_tangents, n_tangents), are kept. frame: INOUT (size, n_tangents).
   Returns whether it was stopped. */
size_t dmft_covariant_work(ptrdiff_t size, ptrdiff_t n_tangents);
int dmft_carry_forward(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_tangents,
                       const double *top, double *frame, double *frames, double *upper, double *work,
                       int (*stopped)(void *), void *crew);
/* The same steps back: covariant vectors, by their coefficients in the frames (n_tangents, n_tangents; INOUT, those after
   the last step and before the first), and adjoint vectors (size, n_adjoints; INOUT), n_adjoints <= n_tangents. growth:
   (n_steps, n_tangents), logs of how much the vectors grow in each step. meeting: (n_steps, n_adjoints, n_adjoints),
   products of the adjoint vectors with the first of the frame. vectors: (n_kept, size, n_tangents), those before the
   first steps, n_kept <= n_steps. n_lost: INOUT (n_tangents,), steps whose stretch is below rounding. */
int dmft_carry_back(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_tangents,
                    ptrdiff_t n_adjoints, const double *top, const double *frames, const double *upper,
                    double *coefficients, double *adjoint, double *growth, double *meeting, double *vectors,
                    ptrdiff_t n_kept, ptrdiff_t *n_lost, double *work, int (*stopped)(void *), void *crew);

/* The perturbations x that a turn multiplies by a factor mu, x_t - (J x)_t = drive_t v + right_t with n_border more
   unknowns v and equations given (x, v) = the last numbers of right. Where n_parts is 2 all are complex, else real; each
   has its real and its imaginary part one after the other: factor (n_parts,), right (n_right, n_parts, length + n_border)
   with length = n_steps n_features, drive (n_border, n_parts, length), given (n_border, n_parts, length + n_border), out
   as right. volume (2,), or NULL: sign and log |.| of the determinant of mu minus the product of all steps, if there is
   no border and mu is real. Returns whether it was stopped. */
size_t dmft_periodic_work(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right, ptrdiff_t n_border,
                          ptrdiff_t n_parts);
int dmft_solve_periodic(ptrdiff_t n_steps, ptrdiff_t n_features, ptrdiff_t size, ptrdiff_t n_right, ptrdiff_t n_border,
                        ptrdiff_t n_parts, const double *factor, const double *top, const double *right,
                        const double *drive, const double *given, double *out, double *volume, double *work,
                        int (*stopped)(void *), void *crew);

#endif
