/* Random numbers that are a function of where they are used: Philox4x64-10.
 *
 * Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011). A key
 * and a counter give four words of 64 bits; there is no state to carry, so the numbers of a run
 * cannot depend on threads, company, pieces or restarts, and two runs with one key share them.
 *
 * key:     seed, then point and replica
 * counter: which four words of a draw, which item of a step, the step, what for
 */
#ifndef DMFT_PHILOX_H
#define DMFT_PHILOX_H

#include <stdint.h>

enum { FOR_COUNTS, FOR_SPINS, FOR_START, FOR_PAIRS, FOR_SIZES, FOR_JUMPS };

typedef struct { uint64_t key[2], item, step, purpose; } stream;
typedef struct { uint64_t word[4]; } words;

static inline words philox(const uint64_t counter[4], const uint64_t key[2])
{
    uint64_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k = key[0], l = key[1];
    for (int round = 0; round < 10; round++) {
        unsigned __int128 p = (unsigned __int128)0xD2E7470EE14C6C93u * a;
        unsigned __int128 q = (unsigned __int128)0xCA5A826395121157u * c;
        a = (uint64_t)(q >> 64) ^ b ^ k;
        b = (uint64_t)q;
        c = (uint64_t)(p >> 64) ^ d ^ l;
        d = (uint64_t)p;
        k += 0x9E3779B97F4A7C15u;
        l += 0xBB67AE8584CAA73Bu;
    }
    return (words){{a, b, c, d}};
}

/* The i-th four words of a stream. */
static inline words draw(const stream *s, uint64_t i)
{
    const uint64_t counter[4] = {i, s->item, s->step, s->purpose};
    return philox(counter, s->key);
}

/* In (0, 1), 53 bits; the complement of the word gives 1 - u. */
static inline double uniform(uint64_t word) { return ((double)(word >> 11) + 0.5) * 0x1p-53; }

/* In [0, 1], as fine near 0 as two words allow: 2^-128. */
static inline double fine_uniform(uint64_t high, uint64_t low)
{
    return (double)high * 0x1p-64 + (double)low * 0x1p-128;
}

#endif
