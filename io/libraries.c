/* libraries.c: each library is asked by the file that may include it. */
#include "io/libraries.h"

#include <cjson/cJSON.h>

#include "base/hash.h"
#include "io/dcmtk/bridge.h"
#include "io/dcmtk/jpeg2000.h"
#include "io/png/png_codec.h"

void mrc_libraries(struct mrc_library out[MRC_LIBRARIES]) {
    const struct mrc_library all[MRC_LIBRARIES] = {
        {"DCMTK", mrc_dcmtk_version()},  {"OpenJPEG", mrc_jpeg2000_version()},
        {"OpenSSL", mrc_hash_version()}, {"cJSON", cJSON_Version()},
        {"libpng", mrc_png_version()},   {"zlib", mrc_png_zlib_version()},
    };
    for (int i = 0; i < MRC_LIBRARIES; ++i) out[i] = all[i];
}
