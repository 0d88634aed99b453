/* make_inputs.c: writes the images and the model that the tests of the program start from into the
 * folder argv[1]. */
#include <cairo.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/head.h"
#include "base/alloc.h"
#include "base/fs.h"

static char *in_folder(const char *folder, const char *name, const char *suffix) {
    return mrc_asprintf("%s/%s%s", folder, name, suffix);
}

/* Axial heads have every second slice, for time; slices across the axes must not be so thick. */
enum { THIN = 2 };

/* A head as DICOM series `name` and, as the same voxels, NIfTI file `name`.nii.gz. */
static enum mrc_status make_head(const char *folder, const char *name, const char *axes,
                                 double tilt_deg, enum mrc_contrast contrast,
                                 struct mrc_error *err) {
    mrc_volume *vol = NULL;
    char *dicom = in_folder(folder, name, ""), *nifti = in_folder(folder, name, ".nii.gz");
    enum mrc_status status = head_create(&vol, axes, tilt_deg, err);
    if (status == MRC_OK && tilt_deg == 0.0 && strcmp(axes, "LPS") == 0)
        status = head_thin(&vol, THIN, err);
    if (status == MRC_OK) status = mrc_make_dirs(dicom, err);
    if (status == MRC_OK) status = head_save_dicom(vol, contrast, dicom, err);
    if (status == MRC_OK) status = mrc_nifti_save(vol, nifti, 16, "head", err);
    mrc_volume_destroy(vol);
    mrc_free(nifti);
    mrc_free(dicom);
    return status;
}

static enum mrc_status make_pngs(const char *folder, struct mrc_error *err) {
    mrc_volume *vol = NULL;
    char *dir = in_folder(folder, "png", "");
    enum mrc_status status = head_create(&vol, "LPI", 0.0, err);
    if (status == MRC_OK) status = head_thin(&vol, THIN, err);
    if (status == MRC_OK) status = mrc_make_dirs(dir, err);
    struct mrc_extent e = {0, 0, 0};
    if (status == MRC_OK) e = mrc_volume_extent(vol);
    for (int64_t n = 0; n < e.i * e.j * e.k; ++n) mrc_volume_voxels(vol)[n] /= 1000.0f;
    for (int64_t k = 0; status == MRC_OK && k < e.k; ++k) {
        char *path = mrc_asprintf("%s/head_%03d.png", dir, (int)k);
        status = mrc_png_write(mrc_volume_voxels(vol) + k * e.i * e.j, e.i, e.j, 8, path, err);
        mrc_free(path);
    }
    mrc_volume_destroy(vol);
    mrc_free(dir);
    return status;
}

static enum mrc_status make_rgb(const char *folder, struct mrc_error *err) {
    char *path = in_folder(folder, "rgb", ".png");
    cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 64, 64);
    cairo_t *cr = cairo_create(page);
    cairo_set_source_rgb(cr, 0.9, 0.3, 0.1);
    cairo_paint(cr);
    cairo_destroy(cr);
    cairo_status_t written = cairo_surface_write_to_png(page, path);
    cairo_surface_destroy(page);
    enum mrc_status status = MRC_OK;
    if (written != CAIRO_STATUS_SUCCESS)
        status = mrc_fail(err, MRC_ERR_WRITE, "%s: cannot be written", path);
    mrc_free(path);
    return status;
}

static enum mrc_status make_all(const char *folder, struct mrc_error *err) {
    static const struct {
        const char *name, *axes;
        double tilt_deg;
        enum mrc_contrast contrast;
    } heads[] = {{"axial", "LPS", 0.0, MRC_CONTRAST_T1W},
                 {"sagittal", "PIL", 0.0, MRC_CONTRAST_T1W},
                 {"coronal", "LIP", 0.0, MRC_CONTRAST_T1W},
                 {"tilted", "LPS", 6.0, MRC_CONTRAST_T1W},
                 {"t2", "LPS", 0.0, MRC_CONTRAST_T2W}};
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < sizeof heads / sizeof heads[0]; ++i)
        status = make_head(folder, heads[i].name, heads[i].axes, heads[i].tilt_deg,
                           heads[i].contrast, err);
    if (status == MRC_OK) status = make_pngs(folder, err);
    if (status == MRC_OK) status = make_rgb(folder, err);
    char *model = in_folder(folder, "model", ".safetensors");
    if (status == MRC_OK) status = head_save_model(model, 64, 1, err);
    mrc_free(model);
    return status;
}

int main(int argc, char **argv) {
    struct mrc_error err = {0};
    if (argc != 2 || make_all(argv[1], &err) != MRC_OK) {
        fprintf(stderr, "make_inputs: %s\n", argc == 2 ? err.text : "expected a folder");
        return 1;
    }
    return 0;
}
