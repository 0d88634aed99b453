/* view.c: a page of any images. */
#include <math.h>
#include <stdio.h>

#include "app/common/place.h"
#include "app/compare/compare.h"
#include "app/compare/images.h"
#include "app/pages/html.h"
#include "app/sets/regrid.h"
#include "base/alloc.h"
#include "base/fs.h"

static enum mrc_status normalise(mrc_volume *vol, struct mrc_error *err) {
    float *x = mrc_volume_voxels(vol);
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(vol));
    double low = 0.0, high = 1.0;
    enum mrc_status st = compare_quantile(&low, x, NULL, count, 0.0, err);
    if (st == MRC_OK) st = compare_quantile(&high, x, NULL, count, 0.998, err);
    const double range = high > low ? high - low : 1.0;
    for (size_t n = 0; st == MRC_OK && n < count; ++n)
        x[n] = isfinite(x[n]) ? (float)fmin(fmax(((double)x[n] - low) / range, 0.0), 1.0) : 0.0f;
    return st;
}

struct shown {
    mrc_volume *vols[MRC_VIEW_IMAGES];
    char names[MRC_VIEW_IMAGES][40];
};

static enum mrc_status show(struct shown *shown, mrc_volume **grid, size_t n,
                            const struct mrc_view_options *o, struct mrc_error *err) {
    mrc_volume *vol = NULL;
    enum mrc_status st = compare_load(&vol, o->paths[n], o->assume_ras, err);
    if (st == MRC_OK && *grid == NULL) st = compare_make_grid(grid, vol, err);
    if (st == MRC_OK) st = mrc_regrid_like(&shown->vols[n], vol, *grid, o->paths[n], err);
    if (st == MRC_OK) st = normalise(shown->vols[n], err);
    if (st == MRC_OK)
        (void)snprintf(shown->names[n], sizeof shown->names[n], "%c: %s", (int)('A' + (int)n),
                       mrc_contrast_name(mrc_volume_provenance(vol)->contrast));
    mrc_volume_destroy(vol);
    return st;
}

static enum mrc_status write_page(const struct shown *shown, const struct mrc_view_options *o,
                                  struct mrc_error *err) {
    struct mrc_text page = {0};
    const char *names[MRC_VIEW_IMAGES];
    for (size_t n = 0; n < o->count; ++n) names[n] = shown->names[n];
    mrc_html_begin(&page, o->count > 1 ? "Images of one head" : "An image");
    enum mrc_status st = compare_append_viewer(&page, shown->vols, names, o->count, err);
    mrc_html_end(&page);
    if (st == MRC_OK && page.failed)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", o->output);
    if (st == MRC_OK) st = mrc_place_make_parent(o->output, err);
    if (st == MRC_OK) st = mrc_write_file(o->output, page.data, page.size, err);
    mrc_text_clear(&page);
    return st;
}

/* Only a page takes the place of a page. */
static enum mrc_status check_page(const char *path, bool replace, struct mrc_error *err) {
    unsigned char head[16];
    size_t size = 0;
    enum mrc_status st = mrc_place_check_file(path, replace, err);
    if (st != MRC_OK || !mrc_path_exists(path)) return st;
    st = mrc_read_head(head, sizeof head, &size, path, err);
    if (st == MRC_OK && (size < 9 || head[0] != '<' || head[1] != '!'))
        st = mrc_fail(err, MRC_ERR_WRITE, "%s: is not replaced, for it is no page", path);
    return st;
}

enum mrc_status mrc_view_write(const struct mrc_view_options *o, struct mrc_error *err) {
    MRC_ASSERT(o->count >= 1 && o->count <= MRC_VIEW_IMAGES);
    struct shown shown = {0};
    mrc_volume *grid = NULL;
    enum mrc_status st = check_page(o->output, o->replace, err);
    for (size_t n = 0; st == MRC_OK && n < o->count; ++n)
        st = mrc_place_keep_input(o->output, o->paths[n], err);
    for (size_t n = 0; st == MRC_OK && n < o->count; ++n) st = show(&shown, &grid, n, o, err);
    if (st == MRC_OK) st = write_page(&shown, o, err);
    for (size_t n = 0; n < o->count; ++n) mrc_volume_destroy(shown.vols[n]);
    mrc_volume_destroy(grid);
    return st;
}
