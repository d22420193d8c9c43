/* Sums over the samples of logistic regressions on spins, a lane a neuron; compiled once for each instruction set. A sum of
 * BITS terms takes one addition. The twins are `means` and `informations` of dmft/ising/reference.py.
 */
#include "regressions.h"

#include "../simd.h"

enum { WIDE = LANES / WIDTH, PLACES = 1 << BITS, HALF = 1 << BITS / 2, FIELD = 12, TIMES_LANES = 4 };

typedef vec Row[WIDE]; /* a number of each neuron */
typedef vec loose __attribute__((aligned(8)));
typedef loose Given[WIDE]; /* the same in an array of the caller */
typedef Row Table[PLACES];

/* Where the word's k-th table has its sum, in doubles. A field of a word is a place with room to be multiplied by LANES. */
INLINE ptrdiff_t place(uint64_t word, int k)
{
    return (ptrdiff_t)((word >> (FIELD * k)) & ((uint64_t)(PLACES - 1) << TIMES_LANES));
}

/* The sums of BITS rows with all signs; a bit of the place is 1 where the sign is minus. Each is that of the first half
   of the rows, which stay in registers, and that of the second. */
static void fill_table(const Given *value, Row *table)
{
    for (int l = 0; l < WIDE; l++) {
        vec low[HALF], high[HALF];
        for (int i = 0; i < HALF; i++) {
            const vec first = i & 1 ? -value[0][l] : value[0][l], third = i & 1 ? -value[3][l] : value[3][l];
            const vec pair = i & 2 ? first - value[1][l] : first + value[1][l];
            const vec other = i & 2 ? third - value[4][l] : third + value[4][l];
            low[i] = i & 4 ? pair - value[2][l] : pair + value[2][l];
            high[i] = i & 4 ? other - value[5][l] : other + value[5][l];
        }
        for (int j = 0; j < HALF; j++)
            for (int i = 0; i < HALF; i++) table[j * HALF + i][l] = low[i] + high[j];
    }
}

INLINE void fill_tables(const Given *value, Table *tables)
{
    for (int k = 0; k < TABLES; k++) fill_table(value + k * BITS, tables[k]);
}

/* sum += that of SET terms with the signs of a word. */
INLINE void add_signed(const Table *tables, uint64_t word, Row sum)
{
#pragma GCC unroll 8
    for (int k = 0; k < TABLES; k++) {
        const vec *row = (const vec *)((const double *)tables[k] + place(word, k));
        for (int l = 0; l < WIDE; l++) sum[l] += row[l];
    }
}

/* theta.x of samples from set `first` on, n sets. */
static void fields(const Trains *of, const Given *theta, ptrdiff_t first, ptrdiff_t n, Given *out)
{
    Table tables[TABLES];
    for (ptrdiff_t word = 0; word < of->n_words; word++) {
        const uint64_t *signs = of->inputs + (word * of->n_sets + first) * SET;
        fill_tables(theta + word * SET, tables);
        for (ptrdiff_t t = 0; t < n * SET; t++) {
            Row sum;
            for (int l = 0; l < WIDE; l++) sum[l] = word ? out[t][l] : splat(0.0);
            add_signed((const Table *)tables, signs[t], sum);
            for (int l = 0; l < WIDE; l++) out[t][l] = sum[l];
        }
    }
}

/* How many samples there are from set `first` on, of n sets. */
INLINE ptrdiff_t n_there(const Trains *of, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t left = of->n_samples - first * SET;
    return left < n * SET ? left : n * SET;
}

static void means(const Trains *of, const double *theta, ptrdiff_t first, ptrdiff_t n, double *result)
{
    Row mean[PIECE * SET];
    Given *out = (Given *)result;
    Table tables[TABLES];
    const ptrdiff_t there = n_there(of, first, n);
    fields(of, (const Given *)theta, first, n, (Given *)mean);
    for (ptrdiff_t t = 0; t < n * SET; t++)
        for (int l = 0; l < WIDE; l++) {
            const ratio tanh_of = tanh_ratio(mean[t][l]);
            mean[t][l] = t < there ? tanh_of.numerator / tanh_of.denominator : splat(0.0);
        }
    for (ptrdiff_t set = 0; set < n; set++) {
        const uint64_t *signs = of->samples + (first + set) * of->size;
        fill_tables((const Given *)mean + set * SET, tables);
        for (ptrdiff_t a = 0; a < of->size; a++) {
            Row sum;
            for (int l = 0; l < WIDE; l++) sum[l] = out[a][l];
            add_signed((const Table *)tables, signs[a], sum);
            for (int l = 0; l < WIDE; l++) out[a][l] = sum[l];
        }
    }
    leave_wide_registers();
}

static void weights(const Trains *of, const double *theta, ptrdiff_t first, ptrdiff_t n, double *result)
{
    Given *out = (Given *)result;
    const ptrdiff_t there = n_there(of, first, n);
    fields(of, (const Given *)theta, first, n, out);
    for (ptrdiff_t t = 0; t < n * SET; t++)
        for (int l = 0; l < WIDE; l++) {
            const ratio tanh_of = tanh_ratio(out[t][l]);
            out[t][l] = t < there ? tanh_of.slope / (tanh_of.denominator * tanh_of.denominator) : splat(0.0);
        }
    leave_wide_registers();
}

static void products(const Trains *of, const double *weight, ptrdiff_t first, ptrdiff_t n, ptrdiff_t a, ptrdiff_t b,
                     ptrdiff_t n_pairs, double *result)
{
    Table tables[TABLES];
    for (ptrdiff_t set = 0; set < n; set++) {
        const uint64_t *signs = of->samples + (first + set) * of->size;
        Given *out = (Given *)result, *end = out + n_pairs;
        fill_tables((const Given *)weight + set * SET, tables);
        for (ptrdiff_t i = a, from = b; out < end; from = ++i) {
            Row *row_end = end - out < of->size - from ? end : out + (of->size - from);
            for (const uint64_t *other = signs + from; out < row_end; out++, other++) {
                Row sum;
                for (int l = 0; l < WIDE; l++) sum[l] = (*out)[l];
                add_signed((const Table *)tables, signs[i] ^ *other, sum);
                for (int l = 0; l < WIDE; l++) (*out)[l] = sum[l];
            }
        }
    }
    leave_wide_registers();
}

const Regressions ISA(dmft_regressions) = {means, weights, products};
