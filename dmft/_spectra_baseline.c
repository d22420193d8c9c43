/* Spectra for the instructions every machine of this architecture has (SSE2, NEON). */
#define WIDTH 2
#include "_isa.h"
#ifdef ISA_NAME
#include "_attention_spectra.h"
#endif
#include "_isa_end.h"
