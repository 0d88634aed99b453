/* prepared.h: the manifest of a set that `mrcycle prepare` made, read and checked. */
#ifndef MRC_APP_SETS_PREPARED_H
#define MRC_APP_SETS_PREPARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/sets/split.h"
#include "base/status.h"
#include "base/text.h"
#include "model/files/contract.h"

/** One row. Texts belong to the manifest. */
struct mrc_prepared_slice {
    const char *subject, *contrast, *file, *hash, *split;
    const char *label; /* column `class`, which one may add; "" where there is none */
    int64_t index;
    double foreground, low, high;
};
struct mrc_prepared {
    char *text;
    struct mrc_prepared_slice *slices;
    size_t count, capacity;
};
/** Is there a manifest in the folder? */
bool mrc_prepared_is_there(const char *set);
/** MRC_ERR_FORMAT when a row is broken, a name leads out of the set, or a subject or equal slices
 * stand on two sides of the split. */
enum mrc_status mrc_prepared_read(struct mrc_prepared *out, const char *set, struct mrc_error *err);
void mrc_prepared_clear(struct mrc_prepared *prepared);

/** How its slices were cut, for the models that are trained on them: contract.json. Of a set of an
 * earlier version what report.json tells, and where that is missing too *out stays. */
enum mrc_status mrc_prepared_contract(struct mrc_contract *out, const char *set,
                                      struct mrc_error *err);
/** The text of that file. */
enum mrc_status mrc_prepared_contract_print(struct mrc_text *out,
                                            const struct mrc_contract *contract,
                                            struct mrc_error *err);

#endif
