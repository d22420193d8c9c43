/* Orbits on 512-bit registers. */
#define WIDTH 8
#include "_isa.h"
#ifdef ISA_NAME
#include "_attention_orbits.h"
#endif
#include "_isa_end.h"
