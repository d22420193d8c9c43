/* Finite networks on 512-bit registers. */
#define WIDTH 8
#include "_isa.h"
#ifdef ISA_NAME
#include "_network_map.h"
#endif
#include "_isa_end.h"
