/* file.h: for readers that take a path: the bytes as a file in memory, in a folder of this process. */
#ifndef MRC_TESTS_FUZZ_FILE_H
#define MRC_TESTS_FUZZ_FILE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/** Writes DIR/name and gives its path, which holds until the next call; *dir may be NULL. */
static inline const char *fuzz_file(const char **dir, const char *name, const uint8_t *data,
                                    size_t size) {
    static char folder[64], path[128];
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/dev/shm/mrc-fuzz-%ld", (long)getpid());
        if (mkdir(folder, 0700) != 0) abort();
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0 || write(file, data, size) != (ssize_t)size || close(file) != 0) abort();
    if (dir != NULL) *dir = folder;
    return path;
}

#endif
