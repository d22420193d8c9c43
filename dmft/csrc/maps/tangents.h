/* What _maps.pyx and its kernel share. Nothing is checked here and nothing allocated.
 *
 * Tangents of orbits side by side, a lane an orbit: in all arrays the lanes are innermost, `pitch` of them, 1 or a
 * multiple of PITCH. No lane sees another.
 */
#ifndef DMFT_TANGENTS_H
#define DMFT_TANGENTS_H

#include <stddef.h>

enum { PITCH = 8 }; /* of the widest registers */

/* carry: frame (n_in, n_tangents) and its terms, bound, taken through a step whose derivative is rows (size, n_in), newest
   first; bound begins as the sizes of the frame if asked to, and is taken along if asked to; with top (size, n_tangents)
   straighten: frame made orthogonal by reflections, logs (n_tangents) of the lengths that its vectors had, and tilt
   (n_tangents, n_tangents), as dmft_straighten has them; rows (size, n_in) of a single step, or NULL. Where doubt (1,) is
   1 nothing is right but kept (n_in, n_tangents), the frame that was given, and tilt, which is as it was; with work
   (n_in + 2, n_tangents) */
typedef struct {
    void (*carry)(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                  double *frame, double *bound, double *top, int begins, int spreads);
    void (*straighten)(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                       double rounding, double *frame, const double *bound, double *kept, double *tilt, double *logs,
                       double *doubt, double *work);
} Frames;

extern const Frames dmft_frames_baseline, dmft_frames_avx2, dmft_frames_avx512;

#endif
