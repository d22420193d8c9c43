/* Names of what is compiled once for each instruction set.
 *
 * setup.py compiles a kernel's source several times, each time with the compiler's flags for one
 * set and with two macros: ISA_NAME, the name of the set, and WIDTH, the doubles of its registers.
 * Without them (a header looked at alone, the doors, C that is compiled once) it is the baseline.
 *
 * Everything but the tables named by ISA() must be static: of two copies of a function that the
 * linker sees it keeps one, which may have instructions that a machine lacks.
 */
#ifndef DMFT_ISA_H
#define DMFT_ISA_H

#ifndef WIDTH
#define WIDTH 2 /* what every machine of this architecture has (SSE2, NEON) */
#define ISA_NAME baseline
#endif

#define ISA_JOINED(name, isa) name##_##isa
#define ISA_EXPANDED(name, isa) ISA_JOINED(name, isa)
#define ISA(name) ISA_EXPANDED(name, ISA_NAME) /* name_avx2 ... */

#endif
