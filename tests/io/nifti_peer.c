/* nifti_peer.c: our side of the comparison with nibabel (nifti_peer.py drives it).
 *   nifti_peer write DIR      saves volumes of every kind into DIR, and what they hold into
 * DIR/expected.tsv nifti_peer read FILE…     prints what each file holds, or "refused" and why A
 * line: name, three sides, twelve elements of the index-to-RAS matrix, the mean of the finite
 * voxels, and the voxels at the first, a middle and the last index; separated by tabs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/dicom/derived.h"
#include "io/image.h"
#include "io/nifti/nifti_header.h"

static void print_volume(FILE *out, const char *name, const mrc_volume *vol) {
    struct mrc_extent e = mrc_volume_extent(vol);
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const float *x = mrc_volume_voxels_const(vol);
    int64_t count = mrc_extent_count(e), finite = 0;
    double sum = 0.0;
    for (int64_t v = 0; v < count; ++v) {
        if (!isfinite(x[v])) continue;
        sum += (double)x[v];
        ++finite;
    }
    (void)fprintf(out, "%s\t%lld\t%lld\t%lld", name, (long long)e.i, (long long)e.j,
                  (long long)e.k);
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 4; ++c) (void)fprintf(out, "\t%.17g", g->index_to_ras_mm[r][c]);
    }
    int64_t i = e.i / 2, j = e.j / 3, k = e.k / 4;
    (void)fprintf(out, "\t%.17g\t%.9g\t%.9g\t%.9g\n", finite > 0 ? sum / (double)finite : 0.0,
                  (double)x[0], (double)x[i + e.i * (j + e.j * k)], (double)x[count - 1]);
}

static double matrices[][3][4] = {
    {{-2, 0, 0, 90}, {0, 1.5, 0, -126}, {0, 0, 3, -72}},
    {{2, 0, 0, -90}, {0, 1.5, 0, -126}, {0, 0, 3, -72}},
    {{0, 0, 1.2, -80}, {-1, 0, 0, 100}, {0, 1, 0, -90}},
    {{0, 0, -1.2, 80}, {1, 0, 0, -100}, {0, 1, 0, -90}},
    {{-1, 0, 0, 90}, {0, 0, 2.5, -100}, {0, 1, 0, -80}},
    {{0.9396926208, 0, 0.3420201433, -10}, {0, 1, 0, -20}, {-0.3420201433, 0, 0.9396926208, -30}},
};

static enum mrc_status write_one(FILE *expected, const char *dir, int m, int datatype,
                                 const char *ending, struct mrc_error *err) {
    struct mrc_extent e = {7 + m, 6, 5};
    struct mrc_geometry g;
    mrc_volume *vol = NULL;
    char *path = mrc_asprintf("%s/m%d_%d%s", dir, m, datatype, ending);
    enum mrc_status st = mrc_geometry_from_ras(&g, matrices[m], "peer", err);
    if (st == MRC_OK) st = mrc_volume_create(&vol, e, &g, err);
    for (int64_t v = 0; st == MRC_OK && v < mrc_extent_count(e); ++v)
        mrc_volume_voxels(vol)[v] = (float)(v * 31 % 256);
    if (st == MRC_OK) st = mrc_nifti_save(vol, path, datatype, "peer", err);
    if (st == MRC_OK) print_volume(expected, mrc_path_name(path), vol);
    mrc_volume_destroy(vol);
    mrc_free(path);
    return st;
}

static int write_all(const char *dir) {
    static const int types[] = {MRC_NIFTI_FLOAT32, MRC_NIFTI_INT16, MRC_NIFTI_UINT8};
    struct mrc_error err = {0};
    char *list = mrc_asprintf("%s/expected.tsv", dir);
    FILE *expected = list != NULL ? fopen(list, "w") : NULL;
    enum mrc_status st = expected != NULL ? MRC_OK : MRC_ERR_WRITE;
    for (int m = 0; st == MRC_OK && m < 6; ++m) {
        for (int t = 0; st == MRC_OK && t < 3; ++t)
            st = write_one(expected, dir, m, types[t], m % 2 == 0 ? ".nii" : ".nii.gz", &err);
    }
    if (expected != NULL && fclose(expected) != 0) st = MRC_ERR_WRITE;
    mrc_free(list);
    if (st != MRC_OK) (void)fprintf(stderr, "%s\n", err.text);
    return st == MRC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "write") == 0) return write_all(argv[2]);
    if (argc < 3 || strcmp(argv[1], "read") != 0) return EXIT_FAILURE;
    for (int a = 2; a < argc; ++a) {
        struct mrc_error err = {0};
        mrc_volume *vol = NULL;
        if (mrc_image_load(&vol, argv[a], NULL, &err) == MRC_OK)
            print_volume(stdout, argv[a], vol);
        else
            (void)printf("%s\trefused\t%s\n", argv[a], err.text);
        mrc_volume_destroy(vol);
    }
    return EXIT_SUCCESS;
}
