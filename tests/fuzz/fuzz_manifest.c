/* fuzz_manifest.c: the table of a prepared set. No name in it leads out of the set. */
#include <string.h>

#include "app/sets/prepared.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_prepared set = {0};
    struct mrc_error err = {0};
    const char *dir = NULL;
    (void)fuzz_file(&dir, "manifest.tsv", data, size);
    enum mrc_status st = mrc_prepared_read(&set, dir, &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    for (size_t i = 0; st == MRC_OK && i < set.count; ++i)
        if (strstr(set.slices[i].file, "..") != NULL || set.slices[i].file[0] == '/') abort();
    mrc_prepared_clear(&set);
    return 0;
}
