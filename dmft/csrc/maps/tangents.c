/* Tangents of orbits of maps, a lane an orbit; compiled once for each instruction set. The twin is `MapSystem` of
 * dmft/maps/system.py.
 */
#include "tangents.h"

#include <string.h>

#include "../simd.h"

#define GRADED 0x1p-20 /* as in cycles/stretches.c, which looks at what is in doubt */
#define FAINT 0x1p-26

typedef vec loose __attribute__((aligned(8)));

INLINE int64_t bits_of(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE double of_bits(int64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Vectors. */
#define OF(name) name##_of_vectors
#define N_LANES WIDTH
#define NUMBER vec
#define PLACE loose
#define INTEGER ivec
#define SPLAT(x) splat(x)
#define BITS(x) ((ivec)(x))
#define OF_BITS(x) ((vec)(x))
#define FMA(x, y, z) fma3(x, y, z)
#define ROOT(x) vsqrt(x)
#define SIZE(x) OF_BITS(BITS(x) & INT64_MAX)
#define LARGER(x, y) vmax(x, y)
#define WHERE(mask, x, y) where(mask, x, y)
#define LOG(x) vlog(x)
#define LEAVE() leave_wide_registers()
#include "frames.h"
#undef OF
#undef N_LANES
#undef NUMBER
#undef PLACE
#undef INTEGER
#undef SPLAT
#undef BITS
#undef OF_BITS
#undef FMA
#undef ROOT
#undef SIZE
#undef LARGER
#undef WHERE
#undef LOG
#undef LEAVE

/* Single numbers. */
#define OF(name) name##_of_numbers
#define N_LANES 1
#define NUMBER double
#define PLACE double
#define INTEGER int64_t
#define SPLAT(x) ((double)(x))
#define BITS(x) bits_of(x)
#define OF_BITS(x) of_bits(x)
#define FMA(x, y, z) fma(x, y, z)
#define ROOT(x) sqrt(x)
#define SIZE(x) fabs(x)
#define LARGER(x, y) ((x) > (y) ? (x) : (y))
#define WHERE(mask, x, y) ((mask) ? (x) : (y))
#define LOG(x) vlog(splat(x))[0]
#define LEAVE() leave_wide_registers()
#include "frames.h"

static void carry(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                  double *frame, double *bound, double *top, int begins, int spreads)
{
    if (pitch == 1) carry_of_numbers(1, size, n_in, n_tangents, rows, frame, bound, top, begins, spreads);
    else carry_of_vectors(pitch, size, n_in, n_tangents, rows, frame, bound, top, begins, spreads);
}

static void straighten(ptrdiff_t pitch, ptrdiff_t size, ptrdiff_t n_in, ptrdiff_t n_tangents, const double *rows,
                       double rounding, double *frame, const double *bound, double *kept, double *tilt, double *logs,
                       double *doubt, double *work)
{
    if (pitch == 1)
        straighten_of_numbers(1, size, n_in, n_tangents, rows, rounding, frame, bound, kept, tilt, logs, doubt, work);
    else
        straighten_of_vectors(pitch, size, n_in, n_tangents, rows, rounding, frame, bound, kept, tilt, logs, doubt,
                              work);
}

const Frames ISA(dmft_frames) = {carry, straighten};
