/* fuzz_contrast_map.c: the table that names contrasts, and its patterns. */
#include <string.h>

#include "io/contrast_map.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mrc_contrast_map *map = NULL;
    struct mrc_error err = {0};
    char name[] = "a/b_t1.nii";
    enum mrc_status st = mrc_contrast_map_load(&map, fuzz_file(NULL, "m.tsv", data, size), &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (st == MRC_OK) {
        struct mrc_image_info image = {.path = name};
        memcpy(image.series_description, "aaaaaaaaaaaaaaaa t1 mprage", 27);
        (void)mrc_contrast_map_apply(map, &image);
    }
    mrc_contrast_map_destroy(map);
    return 0;
}
