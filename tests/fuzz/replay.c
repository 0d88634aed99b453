/* replay.c: main of a fuzz target without libFuzzer: runs it over every file of the folders it is
 * given. So a bad input met once is tried by every compiler and in every preset. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of a small file replaced by the values that break parsers. */
static void replay_mutations(unsigned char *bytes, size_t size) {
    static const unsigned char values[] = {0x00, 0x7f, 0x80, 0xff};
    for (size_t at = 0; at < size; ++at) {
        unsigned char kept = bytes[at];
        for (size_t v = 0; v < sizeof values; ++v) {
            bytes[at] = values[v];
            (void)LLVMFuzzerTestOneInput(bytes, size);
        }
        bytes[at] = kept;
    }
}

static enum mrc_status replay_file(const char *path, struct mrc_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    enum mrc_status st = mrc_read_file(&bytes, &size, path, (size_t)1 << 24, err);
    if (st != MRC_OK) return st;
    (void)LLVMFuzzerTestOneInput(bytes, size);
    /* and every beginning of it: a truncated file is the commonest broken one */
    for (size_t n = 0; n < size && n < 1024; ++n) {
        unsigned char *part = mrc_alloc(n, 1); /* of its own, so that reading beyond is seen */
        if (part == NULL) break;
        for (size_t i = 0; i < n; ++i) part[i] = bytes[i];
        (void)LLVMFuzzerTestOneInput(part, n);
        mrc_free(part);
    }
    if (size <= 1024) replay_mutations(bytes, size);
    mrc_free(bytes);
    return MRC_OK;
}

static enum mrc_status replay_folder(const char *folder, struct mrc_error *err) {
    struct mrc_name_list files = {0};
    enum mrc_status st = mrc_list_tree(&files, folder, 10000, err);
    if (st == MRC_OK && files.count == 0)
        st = mrc_fail(err, MRC_ERR_IO, "%s: no files, expected a corpus", folder);
    for (size_t i = 0; st == MRC_OK && i < files.count; ++i) st = replay_file(files.names[i], err);
    if (st == MRC_OK) printf("%s: %zu files\n", folder, files.count);
    mrc_name_list_clear(&files);
    return st;
}

int main(int argc, char **argv) {
    struct mrc_error err = {0};
    if (argc < 2) return 2;
    for (int i = 1; i < argc; ++i) {
        if (replay_folder(argv[i], &err) != MRC_OK) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    return 0;
}
