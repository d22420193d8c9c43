/* Finite networks on 256-bit registers. */
#define WIDTH 4
#include "_isa.h"
#ifdef ISA_NAME
#include "_network_map.h"
#endif
#include "_isa_end.h"
