/* fuzz_dicom.c: a whole file through the bridge: header, pixels, who it is, de-identified. */
#include <string.h>

#include "base/alloc.h"
#include "base/isolate.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/deidentify.h"
#include "io/net/net.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(enum mrc_status st, const struct mrc_error *err) {
    if ((st == MRC_OK) != (err->text[0] == '\0')) abort();
}

static void read_pixels(mrc_dcmtk_file *file) {
    struct mrc_dcmtk_pixels pixels = {0};
    struct mrc_error err = {0};
    int64_t rows = 0, columns = 0, frames = 1;
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    (void)mrc_dcmtk_integer(&rows, root, MRC_TAG(0x0028, 0x0010), 0);
    (void)mrc_dcmtk_integer(&columns, root, MRC_TAG(0x0028, 0x0011), 0);
    (void)mrc_dcmtk_integer(&frames, root, MRC_TAG(0x0028, 0x0008), 0);
    if (rows > 256 || columns > 256 || frames > 16) return; /* slow, not interesting */
    expect(mrc_dcmtk_read_frame(&pixels, file, 0, &err), &err);
    mrc_free(pixels.bytes);
}

static void deidentify(const char *path) {
    static const struct mrc_pseudonym_key key = {{1, 2, 3}};
    struct mrc_deidentified names;
    struct mrc_error err = {0};
    unsigned char *out = NULL;
    size_t size = 0;
    expect(mrc_dicom_deidentify(&out, &size, &names, path, &key, &err), &err);
    mrc_free(out);
    struct mrc_acquisition how;
    mrc_error_clear(&err);
    expect(mrc_acquisition_read(&how, path, &key, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_error err = {0};
    struct mrc_net_identity identity;
    mrc_dcmtk_file *file = NULL;
    if (size < 2 || size > 60000) return 0;
    mrc_isolate_disable(true);
    const char *path = fuzz_file(NULL, "x.dcm", data, size);
    enum mrc_status st = mrc_dcmtk_open(&file, path, &err);
    expect(st, &err);
    if (st != MRC_OK) return 0;
    read_pixels(file);
    mrc_dcmtk_close(file);
    mrc_error_clear(&err);
    expect(mrc_net_identify(&identity, path, &err), &err);
    deidentify(path);
    return 0;
}
