/* Which tangents of a step are rounding noise, and what is done about it. */
#ifndef DMFT_REPAIR_H
#define DMFT_REPAIR_H

#include "propagate.h"

/* Gram-Schmidt leaves rounding errors of what it takes away, and of the directions of the tangents
   that it takes away. So a stretch is rounding if it is below this part of what the tangent, or of the direct
   ones any before it, was multiplied by, all squared: (2^9 epsilon)^2. On the dual side errors of C^-T come first
   where its condition number is larger: (2^3 epsilon condition)^2. A lost tangent has a direction of rounding
   errors, which should have been left to those after it: with it all of these are lost in that step. */
#define LOST 0x1p-86
#define LOST_INVERSE 0x1p-98
#define REPAIR 0x1p-60 /* direct tangents are not left to rounding where they come as well from J^-T */
#define UNDERFLOWN 0x1p-960 /* a squared norm with few digits left */
#define FAINT 0x1p-500     /* a squared norm that may underflow in the steps to come, ... */
#define HUGE_NORM 0x1p+500 /* ... or overflow */

/* A tangent whose length is near the end of the numbers, which is rare. */
static __attribute__((noinline, cold)) void mend(ptrdiff_t rows, pack *column, int g, const vec *size, pack *power)
{
    const ivec far = ((*size < FAINT) & (*size > 0.0)) | (*size > HUGE_NORM);
    scale_column(rows, column, g, binary_order(*size) & far, power);
}

/* Of a dual tangent. */
INLINE vec least_part(const Block *b, int g) { return vmax(splat(LOST), b->condition[0][g] * LOST_INVERSE); }

#endif
