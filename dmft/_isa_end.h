/* Ends what _isa.h began. */
#if defined(__clang__) && defined(ISA_NAME) && WIDTH > 2
#pragma clang attribute pop
#endif
