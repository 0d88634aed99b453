/* dicom_generated.c: a generated patient as a scanner would have sent it: MR Image Storage, one
 * file a slice, marked as phantom (QualityControlImage) and as synthetic (SyntheticData). PS3.3
 * A.4, C.8.3.1, C.7.6.1, C.12.1. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "io/dicom/derived.h"
#include "io/dicom/dicom_write.h"

/* What all slices share. */
struct job {
    const struct mrc_generated_series *series;
    struct mrc_dicom_grid grid;
    char date[9], time[7];
    double largest; /* stored value in the whole series, for the window */
};

static void put_patient_and_study(struct mrc_dicom_draft *d, const struct job *job) {
    const struct mrc_generated_series *s = job->series;
    mrc_dicom_draft_text(d, MRC_TAG(0x0010, 0x0010), s->patient_name);
    mrc_dicom_draft_text(d, MRC_TAG(0x0010, 0x0020), s->patient_id);
    mrc_dicom_draft_text(d, MRC_TAG(0x0010, 0x0030), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0010, 0x0040), "O");
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x000D), s->study_uid);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0020), job->date);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0030), job->time);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0050), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0090), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x1030), "Generated phantom");
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0010), "1");
}

static void put_series(struct mrc_dicom_draft *d, const struct job *job) {
    const struct mrc_generated_series *s = job->series;
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0060), "MR");
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x000E), s->series_uid);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0011), s->series_number);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x103E), s->series_description);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0021), job->date);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0031), job->time);
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0015), "HEAD");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x5100), "HFS");
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0052), s->frame_of_reference_uid);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x1040), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0070), "mrcycle");
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x1090), "phantom generator");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x1020), MRC_VERSION);
}

static void put_acquisition(struct mrc_dicom_draft *d, const struct job *job) {
    const struct mrc_generated_series *s = job->series;
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0020), s->scanning_sequence);
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0021), s->sequence_variant);
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0022), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0023), "2D");
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0080), s->repetition_time_ms);
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0081), s->echo_time_ms);
    if (s->inversion_time_ms > 0.0)
        mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0082), s->inversion_time_ms);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0018, 0x0091), 1);
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0087), s->field_strength_t);
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0050), s->slice_thickness_mm);
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0088), job->grid.spacing_mm[2]);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0022), job->date);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0032), job->time);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0012), 1);
}

static void put_plane(struct mrc_dicom_draft *d, const struct job *job, int64_t slice) {
    char text[MRC_DICOM_LINE];
    double numbers[6];
    const struct mrc_dicom_grid *g = &job->grid;
    numbers[0] = g->spacing_mm[1];
    numbers[1] = g->spacing_mm[0];
    mrc_dicom_print_numbers(text, numbers, 2);
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0030), text);
    for (int a = 0; a < 3; ++a) {
        numbers[a] = g->index_to_lps_mm[a][0] / g->spacing_mm[0];
        numbers[a + 3] = g->index_to_lps_mm[a][1] / g->spacing_mm[1];
    }
    mrc_dicom_print_numbers(text, numbers, 6);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0037), text);
    mrc_dicom_grid_position(numbers, g, slice);
    mrc_dicom_print_numbers(text, numbers, 3);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0032), text);
    mrc_dicom_draft_number(d, MRC_TAG(0x0020, 0x1041), mrc_dicom_grid_location(g, slice));
}

static void put_image(struct mrc_dicom_draft *d, const struct job *job, int64_t number,
                      const char *uid) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0016), "1.2.840.10008.5.1.4.1.1.4");
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0018), uid);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0008), "ORIGINAL\\PRIMARY\\OTHER");
    mrc_dicom_draft_synthetic(d);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0023), job->date);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0033), job->time);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0013), number + 1);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x4000), "Generated phantom, not a patient");
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0300), "YES");
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0301), "NO");
    mrc_dicom_draft_number(d, MRC_TAG(0x0028, 0x1050), (job->largest + 1.0) / 2.0);
    mrc_dicom_draft_number(d, MRC_TAG(0x0028, 0x1051), job->largest + 1.0);
    if (job->series->rescale_slope != 1.0) {
        mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x1052), "0");
        mrc_dicom_draft_number(d, MRC_TAG(0x0028, 0x1053), job->series->rescale_slope);
        mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x1054), "US");
    }
}

static uint16_t stored_value(float value, double slope) {
    double x = round((double)value / slope);
    return x >= 65535.0 ? UINT16_MAX : x > 0.0 ? (uint16_t)x : 0; /* NAN: 0 */
}

/* The series is known, the pixels and the place are the slice's: the same in gives the same UID. */
static enum mrc_status slice_uid(char uid[MRC_UID_TEXT], const struct job *job, int64_t number,
                                 const uint16_t *pixels, size_t count, struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    char text[24];
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    mrc_hash_add_text(hash, "mrcycle generated image");
    mrc_hash_add_text(hash, job->series->study_uid);
    mrc_hash_add_text(hash, job->series->series_uid);
    mrc_hash_add_text(hash, text);
    mrc_hash_add(hash, pixels, count * sizeof *pixels);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print_uid(uid, digest);
    return MRC_OK;
}

static enum mrc_status save_slice(const struct job *job, const mrc_volume *vol, int64_t number,
                                  uint16_t *pixels, const char *dir, struct mrc_error *err) {
    int64_t slice = mrc_dicom_grid_slice(&job->grid, number);
    size_t count = (size_t)job->grid.extent.i * (size_t)job->grid.extent.j;
    const float *from = mrc_volume_voxels_const(vol) + (size_t)slice * count;
    char uid[MRC_UID_TEXT];
    mrc_dcmtk_file *file = NULL;
    for (size_t p = 0; p < count; ++p)
        pixels[p] = stored_value(from[p], job->series->rescale_slope);
    enum mrc_status st = slice_uid(uid, job, number, pixels, count, err);
    if (st == MRC_OK) st = mrc_dcmtk_create(&file, err);
    if (st != MRC_OK) return st;
    struct mrc_dicom_draft d = {.item = mrc_dcmtk_root(file), .err = err};
    put_patient_and_study(&d, job);
    put_series(&d, job);
    put_acquisition(&d, job);
    put_plane(&d, job, slice);
    put_image(&d, job, number, uid);
    mrc_dicom_draft_pixels(&d, pixels, job->grid.extent, 16);
    if (d.st == MRC_OK) d.st = mrc_dicom_write_file(file, dir, number, err);
    mrc_dcmtk_close(file);
    return d.st;
}

static double largest_stored(const mrc_volume *vol, double slope) {
    struct mrc_extent extent = mrc_volume_extent(vol);
    const float *voxels = mrc_volume_voxels_const(vol);
    uint16_t largest = 0;
    for (int64_t v = 0, count = mrc_extent_count(extent); v < count; ++v) {
        uint16_t x = stored_value(voxels[v], slope);
        if (x > largest) largest = x;
    }
    return largest;
}

enum mrc_status mrc_dicom_save_generated(const mrc_volume *vol,
                                         const struct mrc_generated_series *series, const char *dir,
                                         struct mrc_error *err) {
    struct job job = {.series = series};
    MRC_ASSERT(series->rescale_slope > 0.0);
    enum mrc_status st = mrc_dicom_split_time(job.date, job.time, series->study_date_time, err);
    if (st == MRC_OK) st = mrc_dicom_grid_of(&job.grid, vol, 1e-4, err);
    if (st != MRC_OK) return st;
    job.largest = largest_stored(vol, series->rescale_slope);
    uint16_t *pixels =
        mrc_alloc((size_t)job.grid.extent.i * (size_t)job.grid.extent.j, sizeof *pixels);
    if (pixels == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", dir);
    for (int64_t n = 0; st == MRC_OK && n < job.grid.extent.k; ++n)
        st = save_slice(&job, vol, n, pixels, dir, err);
    if (st == MRC_OK) st = mrc_dicom_sync_files(dir, job.grid.extent.k, err);
    mrc_free(pixels);
    return st;
}
