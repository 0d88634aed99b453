/* viewer.c: images as PNG of their slices side by side, and the script that takes them apart. */
#include "app/pages/viewer.h"

#include <math.h>
#include <string.h>

#include "app/pages/canvas.h"
#include "app/pages/html.h"
#include "base/alloc.h"

enum { MOST_VOXELS = 4000000, WIDEST = 4096 };

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a page's images");
}

/* How the slices lie in the picture, after each block of step x step x step became one voxel. */
struct layout {
    int64_t step, size[3], across, down;
};

static struct layout lay_out(const struct mrc_viewer *v) {
    struct layout l = {.step = 0};
    double voxels;
    do {
        ++l.step;
        voxels = 1.0;
        for (int a = 0; a < 3; ++a) {
            l.size[a] = (v->size[a] + l.step - 1) / l.step;
            voxels *= (double)l.size[a];
        }
    } while (voxels > MOST_VOXELS);
    l.across = WIDEST / l.size[0];
    if (l.across < 1) l.across = 1;
    if (l.across > l.size[2]) l.across = l.size[2];
    l.down = (l.size[2] + l.across - 1) / l.across;
    return l;
}

/* Mean of a block, its parts outside the image left out. */
static unsigned char mean_of(const float *image, const struct mrc_viewer *v, const struct layout *l,
                             const int64_t at[3]) {
    double sum = 0.0;
    int64_t count = 0, end[3];
    for (int a = 0; a < 3; ++a) {
        end[a] = (at[a] + 1) * l->step;
        if (end[a] > v->size[a]) end[a] = v->size[a];
    }
    for (int64_t k = at[2] * l->step; k < end[2]; ++k)
        for (int64_t j = at[1] * l->step; j < end[1]; ++j)
            for (int64_t i = at[0] * l->step; i < end[0]; ++i, ++count)
                sum += (double)image[(k * v->size[1] + j) * v->size[0] + i];
    double mean = count > 0 ? sum / (double)count : 0.0;
    return (unsigned char)lrint(255.0 * (mean > 0.0 ? fmin(mean, 1.0) : 0.0));
}

static enum mrc_status render(unsigned char **png, size_t *bytes, const float *image,
                              const struct mrc_viewer *v, const struct layout *l,
                              struct mrc_error *err) {
    const int64_t width = l->across * l->size[0], height = l->down * l->size[1];
    unsigned char *grey = mrc_alloc((size_t)(width * height), 1);
    if (grey == NULL) return no_memory(err);
    int64_t at[3];
    for (at[2] = 0; at[2] < l->size[2]; ++at[2])
        for (at[1] = 0; at[1] < l->size[1]; ++at[1]) {
            unsigned char *row = grey + (at[2] / l->across * l->size[1] + at[1]) * width +
                                 at[2] % l->across * l->size[0];
            for (at[0] = 0; at[0] < l->size[0]; ++at[0]) row[at[0]] = mean_of(image, v, l, at);
        }
    enum mrc_status st = mrc_canvas_grey_png(png, bytes, grey, (int)width, (int)height, err);
    mrc_free(grey);
    return st;
}

/* Names go into JSON inside a page: letters that either would take amiss become spaces. */
static void add_name(struct mrc_text *page, const char *name) {
    for (const char *c = name; *c != '\0'; ++c)
        mrc_text_appendf(page, "%c",
                         strchr("\"\\<>&", *c) != NULL || (unsigned char)*c < ' ' ? ' ' : *c);
}

static enum mrc_status add_image(struct mrc_text *page, size_t n, const struct mrc_viewer *v,
                                 const struct layout *l, struct mrc_error *err) {
    unsigned char *png = NULL;
    size_t bytes = 0;
    enum mrc_status st = render(&png, &bytes, v->images[n], v, l, err);
    if (st != MRC_OK) return st;
    mrc_text_appendf(page, "%s{\"name\":\"", n > 0 ? ",\n" : "");
    add_name(page, v->names[n]);
    mrc_text_appendf(page, "\",\"png\":\"");
    mrc_html_base64(page, png, bytes);
    mrc_text_appendf(page, "\"}");
    mrc_free(png);
    return MRC_OK;
}

enum mrc_status mrc_viewer_append(struct mrc_text *page, const struct mrc_viewer *v,
                                  struct mrc_error *err) {
    MRC_ASSERT(v->count >= 1 && v->count <= MRC_VIEWER_IMAGES);
    const struct layout l = lay_out(v);
    const double step = (double)l.step;
    enum mrc_status st = MRC_OK;
    mrc_text_appendf(
        page,
        "<style>.planes{display:flex;flex-wrap:wrap;gap:1rem}.plane{flex:1 1 16rem;max-width:"
        "26rem}.plane canvas{width:100%%;background:#000;touch-action:none;display:block}"
        ".plane label{display:block}.plane input{width:100%%}.bar{display:flex;flex-wrap:wrap;"
        "gap:.5rem 1rem;align-items:center}.bar button[aria-pressed=true]{font-weight:700;"
        "outline:2px solid #fc0}.keys{font-size:.85rem;opacity:.8}</style>\n"
        "<div class=\"viewer\"><script type=\"application/json\">{\"size\":[%lld,%lld,%lld],"
        "\"mm\":[%g,%g,%g],\"across\":%lld,\"letters\":%s,\"images\":[\n",
        (long long)l.size[0], (long long)l.size[1], (long long)l.size[2], step * v->spacing_mm[0],
        step * v->spacing_mm[1], step * v->spacing_mm[2], (long long)l.across,
        v->letters ? "true" : "false");
    for (size_t n = 0; st == MRC_OK && n < v->count; ++n) st = add_image(page, n, v, &l, err);
    mrc_text_appendf(page, "]}</script>\n<script>\n");
    for (const char *const *line = mrc_viewer_script; *line != NULL; ++line)
        mrc_text_appendf(page, "%s\n", *line);
    mrc_text_appendf(page, "</script><noscript>The viewer needs JavaScript.</noscript></div>\n");
    return st == MRC_OK && page->failed ? no_memory(err) : st;
}
