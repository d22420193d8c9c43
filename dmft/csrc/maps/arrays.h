/* Memory for the arrays that functions of Numba make in a step: each thread has its own, and begins anew every step. */

#ifndef DMFT_ARRAYS_H
#define DMFT_ARRAYS_H

#include <stddef.h>
#include <stdint.h>

#define ARRAYS_ROOM (1 << 18) /* of the second cache */

static _Thread_local struct {
    _Alignas(64) char room[ARRAYS_ROOM];
    int64_t taken;
} dmft_arrays;

/* How many bytes are taken: 0 at the beginning of a step. */
static inline int64_t *dmft_arrays_taken(void) { return &dmft_arrays.taken; }

/* Room for so many bytes until the next step; NULL if there is not that much. */
static void *dmft_array(int64_t bytes)
{
    int64_t at = dmft_arrays.taken;
    if (bytes < 0 || bytes > ARRAYS_ROOM - at)
        return NULL;
    dmft_arrays.taken = at + (bytes + 63) / 64 * 64;
    return dmft_arrays.room + at;
}

#endif
