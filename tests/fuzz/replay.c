/* replay.c: runs a fuzz target without a fuzzer, so that every compiler replays what was ever
 * found. replay_<parser> FILE-OR-FOLDER… Each file is given whole; then cut at every length, and
 * with every byte replaced by the values that break parsers, so that a corpus of a few good files
 * is already a small fuzzer that does the same on every run. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "fuzz.h"

enum { MAX_FILES = 10000, MAX_FILE_BYTES = 16 << 20, MAX_MUTATED_BYTES = 2048 };

/* A copy of exactly that size, so that the address sanitizer sees one byte too far. */
static bool run(const unsigned char *data, size_t size) {
    unsigned char *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) return false;
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return true;
}

static bool mutate(unsigned char *data, size_t size) {
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    bool ran = true;
    for (size_t cut = 0; ran && cut < size; ++cut) ran = run(data, cut);
    for (size_t at = 0; ran && at < size; ++at) {
        unsigned char kept = data[at];
        for (size_t v = 0; ran && v < sizeof values; ++v) {
            data[at] = values[v];
            ran = run(data, size);
        }
        data[at] = kept;
    }
    return ran;
}

static bool replay_file(const char *path) {
    unsigned char *data = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    if (mrc_read_file(&data, &size, path, MAX_FILE_BYTES, &err) != MRC_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return false;
    }
    bool ran = run(data, size) && (size > MAX_MUTATED_BYTES || mutate(data, size));
    mrc_free(data);
    return ran;
}

static bool replay_folder(const char *path, size_t *count) {
    struct mrc_name_list files = {0};
    struct mrc_error err = {0};
    if (mrc_list_tree(&files, path, MAX_FILES, &err) != MRC_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return false;
    }
    bool ran = true;
    for (size_t f = 0; ran && f < files.count; ++f) ran = replay_file(files.names[f]);
    *count += files.count;
    mrc_name_list_clear(&files);
    return ran;
}

int main(int argc, char **argv) {
    size_t count = 0;
    for (int a = 1; a < argc; ++a) {
        bool is_dir = mrc_path_is_dir(argv[a]);
        bool ran = is_dir ? replay_folder(argv[a], &count) : replay_file(argv[a]);
        if (!ran) return EXIT_FAILURE;
        if (!is_dir) ++count;
    }
    (void)printf("%zu files replayed\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE; /* an empty corpus tests nothing */
}
