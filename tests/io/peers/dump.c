/* dump.c: every volume at some paths, as other people's readers can compare it: a line "at path" on
 * the output, then for volume n the file OUT/n.f32 with its voxels (n counts on from path to path)
 * and a line "volume n selector i j k matrix…" (index to RAS+) followed by a line "slice frame
 * path" for each slice, and "resampled" where slices are not files; "path" and the file's, of a
 * NIfTI file; or a line "refused reason". */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/parallel.h"
#include "io/image.h"

static int dump_volume(const mrc_volume *vol, const struct mrc_image_info *item, size_t number,
                       const char *out) {
    const struct mrc_extent e = mrc_volume_extent(vol);
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const struct mrc_provenance *p = mrc_volume_provenance(vol);
    char *path = mrc_asprintf("%s/%zu.f32", out, number);
    size_t bytes = (size_t)mrc_extent_count(e) * sizeof(float);
    int failed =
        path == NULL || mrc_write_file(path, (const unsigned char *)mrc_volume_voxels_const(vol),
                                       bytes, NULL) != MRC_OK;
    mrc_free(path);
    printf("volume %zu %s %lld %lld %lld", number, item->selector[0] != '\0' ? item->selector : "-",
           (long long)e.i, (long long)e.j, (long long)e.k);
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 4; ++c) printf(" %.12g", g->index_to_ras_mm[r][c]);
    printf("\n");
    if (p->kind == MRC_SOURCE_NIFTI) printf("path %s\n", item->path);
    if (p->kind == MRC_SOURCE_DICOM && p->file_count == (size_t)e.k && p->remark[0] == '\0')
        for (size_t k = 0; k < p->file_count; ++k)
            printf("slice %lld %s\n", (long long)p->frames[k], p->files[k]);
    else
        printf("resampled\n");
    return failed;
}

static int dump_path(const char *path, const char *out, size_t *number) {
    struct mrc_image_list list = {0};
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    struct mrc_error err = {0};
    int failed = 0;
    options.allow_synthetic = options.allow_derived = true;
    printf("at %s\n", path);
    if (mrc_image_list_scan(&list, path, &err) != MRC_OK) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        return 1;
    }
    for (size_t n = 0; n < list.count; ++n) {
        mrc_volume *vol = NULL;
        struct mrc_error why = {0};
        bool wanted = list.items[n].usable || list.items[n].synthetic || list.items[n].derived;
        if (!wanted)
            printf("refused %s\n", list.items[n].reason);
        else if (mrc_image_load_item(&vol, &list.items[n], &options, &why) == MRC_OK)
            failed += dump_volume(vol, &list.items[n], (*number)++, out);
        else
            printf("refused %s\n", why.text);
        mrc_volume_destroy(vol);
    }
    for (size_t r = 0; r < list.refused_count; ++r) printf("refused %s\n", list.refused[r].reason);
    mrc_image_list_clear(&list);
    return failed;
}

int main(int argc, char **argv) {
    size_t number = 0;
    int failed = 0;
    mrc_isolate_disable(true);   /* forks under ASan are slow; the program itself has them */
    mrc_parallel_set_threads(1); /* small volumes, and other tests beside */
    if (argc < 3) {
        fputs("usage: dump OUT PATH...\n", stderr);
        return 1;
    }
    for (int a = 2; a < argc; ++a) failed += dump_path(argv[a], argv[1], &number);
    return failed != 0;
}
