/* cpu.h: the processor this process runs on, as far as fast arithmetic depends on it. */
#ifndef MRC_BASE_CPU_H
#define MRC_BASE_CPU_H

#include <stdbool.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A feature counts when the operating system keeps its registers too. All are false where the
 * processor is not an x86-64 one. */
struct mrc_cpu {
    char name[64];    /* "AMD EPYC 9354P"; "unknown" where the processor does not say */
    bool avx2_fma;    /* AVX2 and FMA: 8 floats multiplied and added at a time */
    bool avx512;      /* AVX-512 F, BW, DQ and VL: 16 floats */
    bool avx512_bf16; /* products of bfloat16; shown only */
};
MRC_API void mrc_cpu_describe(struct mrc_cpu *cpu);

#ifdef __cplusplus
}
#endif
#endif
