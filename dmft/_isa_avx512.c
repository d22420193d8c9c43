/* The map on 512-bit registers. */
#define WIDTH 8
#include "_isa.h"
#ifdef ISA_NAME
#define KERNELS ISA(dmft)
#define NAME ISA_NAME
#include "_attention_map.h"
#endif
#include "_isa_end.h"
