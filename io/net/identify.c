/* identify.c: what a received file says that it is. */
#include "io/dcmtk/bridge.h"
#include "io/net/net.h"

enum mrc_status mrc_net_identify(struct mrc_net_identity *out, const char *path,
                                 struct mrc_error *err) {
    static const uint32_t sop_class = MRC_TAG(0x0008, 0x0016), instance = MRC_TAG(0x0008, 0x0018),
                          study = MRC_TAG(0x0020, 0x000d), series = MRC_TAG(0x0020, 0x000e);
    mrc_dcmtk_file *file = NULL;
    struct mrc_error why = {0};
    enum mrc_status status = mrc_dcmtk_open(&file, path, &why);
    if (status == MRC_ERR_NOMEM) { /* a header that is too large for an association to check */
        mrc_error_clear(&why);
        status = mrc_dcmtk_open_beginning(&file, path, series, &why);
    }
    if (status != MRC_OK) return mrc_fail(err, status, "%s", why.text);
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    bool whole = mrc_dcmtk_text(out->sop_class, sizeof out->sop_class, root, sop_class, 0) &&
                 mrc_dcmtk_text(out->instance, sizeof out->instance, root, instance, 0) &&
                 mrc_dcmtk_text(out->series, sizeof out->series, root, series, 0);
    (void)mrc_dcmtk_text(out->study, sizeof out->study, root, study, 0);
    mrc_dcmtk_close(file);
    return whole ? MRC_OK
                 : mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: without SOP class, instance or series UID", path);
}
