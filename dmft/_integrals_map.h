/* The integrals of one instruction set; included once for each. */
#include "_integrals.h"
#include "_simd.h"

#include "_gauss.h"

#include "_characteristic.h"
#include "_fixed.h"

extern const Integrals ISA(dmft_integrals);
const Integrals ISA(dmft_integrals) = {
    ISA_NAME, averages, mean, pair, fixed, hermite, mehler, signs, product, given,
};
