/* The integrals of one instruction set; compiled once for each. */
#include "integrals.h"

#include "characteristic.h"
#include "fixed.h"
#include "gauss.h"

const Integrals ISA(dmft_integrals) = {averages, mean, pair, fixed, hermite, mehler, signs, product, given};
