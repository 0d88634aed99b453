/* confine.h: what a process gives up before it reads the first byte of a stranger's, so that
 * whoever takes it over by that byte holds nothing. Two mechanisms of Linux, each where the kernel
 * has it: a filter of system calls (seccomp), and rules of which files can be reached (Landlock).
 * Limits of memory and time are elsewhere (isolate.h). Nothing can be taken back. */
#ifndef MRC_BASE_CONFINE_H
#define MRC_BASE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_confinement {
    /* Computes: reads files that exist, and speaks through what is open. No socket is made, nothing
     * is written, no process is started, executed, traced or signalled. */
    MRC_CONFINE_DECODER,
    /* The same, and writes files: for who receives through a socket that it was given. */
    MRC_CONFINE_RECEIVER
};

/** The files that can still be reached. `read` names them one after the other, a file or a folder
 * with all below it, until it gives NULL; those that do not exist are passed over. NULL: none. */
struct mrc_confine_files {
    void *context;
    const char *(*read)(void *context, size_t number);
    const char *const *write; /* folders in which files are made, written, renamed and removed */
    size_t write_count;
};
/** A ruleset for mrc_confine, as a file descriptor to be closed; -1: the kernel has no Landlock, or
 * none that lets a receiver rename. */
int mrc_confine_ruleset(enum mrc_confinement what, const struct mrc_confine_files *files);

struct mrc_confined {
    bool calls; /* seccomp filters the system calls */
    bool files; /* Landlock rules over the files */
};
/** Confines this process and all its threads to come; ruleset -1: the files are as before. Says
 * what holds. */
struct mrc_confined mrc_confine(enum mrc_confinement what, int ruleset);

/** The version of the kernel's Landlock; 0: it has none. */
int mrc_confine_landlock(void);

#ifdef __cplusplus
}
#endif
#endif
