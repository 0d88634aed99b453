/* fuzz_record.c: what a header's reader sent home, after strangers' bytes took it over: the first byte
 * chooses the format, the others begin its record, zeros end it. What passes the check is described. */
#include <string.h>

#include "base/alloc.h"
#include "io/dicom/dicom_slice.h"
#include "io/image.h"
#include "io/png/png_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kind {
    const struct mrc_format *format;
    size_t bytes;
} kinds[] = {{&mrc_format_dicom, sizeof(struct mrc_dicom_slice)},
             {&mrc_format_dicom, 2 * sizeof(struct mrc_dicom_slice)},
             {&mrc_format_nifti, sizeof(struct mrc_image_info)},
             {&mrc_format_png, sizeof(struct mrc_png_facts)}};

static void describe(const struct kind *kind, void *record) {
    char path[] = "/dev/null/x.nii";
    struct mrc_error err = {0};
    struct mrc_image_file file = {.path = path,
                                  .format = kind->format,
                                  .record = record,
                                  .record_bytes = kind->bytes,
                                  .probed = true};
    const struct mrc_image_file *files[] = {&file};
    struct mrc_image_list list = {0};
    (void)kind->format->scan(&list, files, 1, &err);
    mrc_image_list_clear(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const struct kind *kind = &kinds[data[0] % 4];
    unsigned char *record = mrc_alloc(kind->bytes, 1);
    if (record == NULL) return 0;
    memcpy(record, data + 1, size - 1 < kind->bytes ? size - 1 : kind->bytes);
    if (kind->format->check(record, kind->bytes)) describe(kind, record);
    mrc_free(record);
    return 0;
}
