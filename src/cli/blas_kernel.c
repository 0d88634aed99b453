/* blas_kernel.c: makes OpenBLAS run a kernel worthy of the processor (model/engine/blas_select.h).
 * Why by running the program again: OpenBLAS reads OPENBLAS_CORETYPE when the loader brings it in,
 * before the first line of ours. MARKER tells the second run what was done, and keeps the program
 * from running itself for ever:
 *
 *   absent            OpenBLAS took Prescott, SkylakeX would do  -> run again as "chosen:Prescott"
 *   chosen:Prescott   SkylakeX computes wrong sums               -> run again as "refused:SkylakeX"
 *   refused:SkylakeX  never runs itself again */
#include "cli/blas_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char variable[] = "OPENBLAS_CORETYPE", marker[] = "MRCYCLE_BLAS_KERNEL";
static const char chosen[] = "chosen:", refused[] = "refused:";

extern char **environ;

static struct mrc_kernel_choice settled;
static char **arguments; /* of the program, for its second run */

static bool begins(const char *text, const char *start) {
    return text != NULL && strncmp(text, start, strlen(start)) == 0;
}

/* Started as an argument of the loader (ld.so mrcycle …) the program is not its own executable. */
static bool is_own_executable(void) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return false;
    path[length] = '\0';
    const char *slash = strrchr(path, '/');
    return slash != NULL && !begins(slash + 1, "ld-") && !begins(slash + 1, "ld.");
}

/* Returns only where that is not possible; then the kernel that runs has to do. */
static void run_again(const char *kernel, const char *word, const char *other) {
    char note[64];
    if (!is_own_executable()) return;
    snprintf(note, sizeof note, "%s%s", word, other);
    int failed = kernel != NULL ? setenv(variable, kernel, 1) : unsetenv(variable);
    if (failed != 0 || setenv(marker, note, 1) != 0) return;
    execve("/proc/self/exe", arguments, environ);
    unsetenv(marker);
}

static void choose(struct mrc_kernel_choice *choice) {
    const char *wanted = getenv(variable), *note = getenv(marker), *other = "";
    const char *running = mrc_blas_kernel_name();
    choice->by = MRC_KERNEL_BY_OPENBLAS;
    if (begins(note, chosen)) {
        other = note + strlen(chosen);
        if (strcmp(other, running) != 0) choice->by = MRC_KERNEL_BY_MRCYCLE; /* it was heard */
    } else if (begins(note, refused)) {
        choice->by = MRC_KERNEL_FALLBACK;
        other = note + strlen(refused);
    } else if (wanted != NULL && wanted[0] != '\0') {
        choice->by = MRC_KERNEL_BY_USER;
        other = wanted;
    } else {
        struct mrc_cpu cpu;
        mrc_cpu_describe(&cpu);
        const char *faster = mrc_blas_faster_kernel(&cpu, running, wanted);
        if (faster != NULL) run_again(faster, chosen, running);
    }
    snprintf(choice->other, sizeof choice->other, "%s", other);
}

/* OpenBLAS makes a thread a core when it is loaded, which mrcycle does not use. Each asks for a large
 * buffer, in an address space that is too small for it again and again for ever, and is waited for at
 * the end. */
static void do_without_threads(void) {
    static const char threads[] = "OPENBLAS_NUM_THREADS";
    struct rlimit space;
    if (getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur == RLIM_INFINITY ||
        getenv(threads) != NULL || !is_own_executable() || setenv(threads, "1", 1) != 0)
        return;
    execve("/proc/self/exe", arguments, environ);
}

void mrc_blas_kernel_begin(char **argv) {
    arguments = argv;
    do_without_threads();
    mrc_blas_require_check();
}

enum mrc_status mrc_blas_kernel_settle(struct mrc_error *err) {
    struct mrc_error wrong = {0};
    choose(&settled);
    enum mrc_status status = mrc_blas_check(NULL, &wrong);
    if (status == MRC_ERR_NUMERIC && settled.by == MRC_KERNEL_BY_MRCYCLE)
        run_again(NULL, refused, mrc_blas_kernel_name());
    if (status == MRC_OK) return status;
    if (status == MRC_ERR_NOMEM) return mrc_fail(err, status, "%s", wrong.text);
    return mrc_fail(err, status, "%s (%s chooses another)", wrong.text, variable);
}

const struct mrc_kernel_choice *mrc_blas_kernel_choice(void) {
    return &settled;
}
