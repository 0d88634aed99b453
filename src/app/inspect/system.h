/* system.h: what the program computes with: processor, threads, the kernel of OpenBLAS, memory. */
#ifndef MRC_APP_INSPECT_SYSTEM_H
#define MRC_APP_INSPECT_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/confine.h"
#include "base/cpu.h"
#include "base/status.h"
#include "base/text.h"
#include "io/libraries.h"
#include "model/engine/blas_select.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who chose OpenBLAS's kernel. */
enum mrc_kernel_chooser {
    MRC_KERNEL_BY_OPENBLAS,
    MRC_KERNEL_BY_MRCYCLE, /* `other`: what OpenBLAS runs by itself */
    MRC_KERNEL_BY_USER,    /* OPENBLAS_CORETYPE was set */
    MRC_KERNEL_FALLBACK    /* OpenBLAS's own, for sums of `other` were wrong */
};
struct mrc_kernel_choice {
    enum mrc_kernel_chooser by;
    char other[32];
};

struct mrc_system {
    struct mrc_cpu cpu;
    int cores, threads; /* of the machine; of our loops */
    const char *blas, *kernel;
    struct mrc_kernel_choice choice;
    const char *faster;           /* the kernel this processor deserves, or NULL: it runs */
    const char *transforms;       /* instructions of the convolutions' transforms: "AVX-512" … */
    double worst_error;           /* of mrc_blas_check; infinite where a result is no number */
    bool sums_right;              /* mrc_blas_check passed */
    uint64_t memory_bytes;        /* of the machine; 0: not known */
    struct mrc_confined confined; /* of what a decoder gives up what this kernel holds it to */
    int landlock;                 /* version of its interface; 0: none */
    struct mrc_library libraries[MRC_LIBRARIES];
    uint64_t available_bytes; /* without swapping, at this moment; 0: not known */
};
/** Is this machine fit to translate? What is asked for in words, with the remedy. */
struct mrc_fitness {
    bool model, isolation, memory, sums, speed; /* false: see the words */
    char why_model[256], why_isolation[256];    /* "" when they are there */
};
/** Loads the shipped model and starts child processes, as a translation does. Cannot fail. */
MRC_API void mrc_system_check(struct mrc_fitness *f, const struct mrc_system *s);
/** Lines of "name  fact", the last "fit  yes" or what is missing. */
MRC_API void mrc_system_print_fitness(struct mrc_text *out, const struct mrc_fitness *f,
                                      const struct mrc_system *s);
/** MRC_ERR_NOMEM only: wrong sums are a fact to report. */
MRC_STATUS mrc_system_describe(struct mrc_system *s, const struct mrc_kernel_choice *choice,
                               struct mrc_error *err);
/** Lines of "name  fact", or one JSON object. */
MRC_STATUS mrc_system_print(struct mrc_text *out, const struct mrc_system *s,
                            struct mrc_error *err);
MRC_STATUS mrc_system_print_json(struct mrc_text *out, const struct mrc_system *s,
                                 struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
