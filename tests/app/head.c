/* head.c: see head.h. */
#include "app/head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/files/checkpoint.h"

const double head_marker_ras_mm[3] = {-30.0, 12.0, 55.0};

static const double centre_ras_mm[3] = {5.0, -12.0, 30.0};
static const double radius_ras_mm[3] = {68.0, 84.0, 64.0};
static const double field_ras_mm[3] = {180.0, 204.0, 168.0};
static const double voxel_mm = 3.0;
static const double marker_radius_mm = 30.0; /* 7 % of the head: the 95th percentile lies within */

/* 0 R, 1 A, 2 S, and the sign of a letter. */
static int axis_of(char letter, double *sign) {
    static const char positive[] = "RAS", negative[] = "LPI";
    const char *p = strchr(positive, letter);
    *sign = p != NULL ? 1.0 : -1.0;
    return (int)(p != NULL ? p - positive : strchr(negative, letter) - negative);
}

static void rotate(double v[3], double angle, int a, int b) {
    double x = v[a], y = v[b];
    v[a] = cos(angle) * x - sin(angle) * y;
    v[b] = sin(angle) * x + cos(angle) * y;
}

static double intensity(const double ras[3]) {
    double inside = 0.0, to_marker = 0.0;
    for (int a = 0; a < 3; ++a) {
        double d = (ras[a] - centre_ras_mm[a]) / radius_ras_mm[a];
        inside += d * d;
        to_marker += (ras[a] - head_marker_ras_mm[a]) * (ras[a] - head_marker_ras_mm[a]);
    }
    if (to_marker < marker_radius_mm * marker_radius_mm) return 1000.0;
    if (inside > 1.0) return 0.0;
    return inside > 0.85 ? 350.0 : 520.0 + 60.0 * sin(ras[0] / 7.0) * cos(ras[1] / 9.0);
}

static void fill(mrc_volume *vol) {
    struct mrc_extent e = mrc_volume_extent(vol);
    float *voxels = mrc_volume_voxels(vol);
    double ras[3];
    for (int64_t k = 0; k < e.k; ++k)
        for (int64_t j = 0; j < e.j; ++j)
            for (int64_t i = 0; i < e.i; ++i) {
                mrc_geometry_position(ras, mrc_volume_geometry(vol), (double)i, (double)j,
                                      (double)k);
                voxels[(k * e.j + j) * e.i + i] = (float)intensity(ras);
            }
}

enum mrc_status head_create(mrc_volume **out, const char *axes, double tilt_deg,
                            struct mrc_error *err) {
    double matrix[3][4] = {{0}};
    int64_t sides[3];
    double angle = tilt_deg * acos(-1.0) / 180.0;
    for (int column = 0; column < 3; ++column) {
        double sign, direction[3] = {0};
        int axis = axis_of(axes[column], &sign);
        sides[column] = (int64_t)lround(field_ras_mm[axis] / voxel_mm);
        direction[axis] = sign * voxel_mm;
        rotate(direction, angle, 1, 2);
        rotate(direction, angle / 3.0, 0, 2);
        for (int row = 0; row < 3; ++row) matrix[row][column] = direction[row];
    }
    for (int row = 0; row < 3; ++row) {
        matrix[row][3] = centre_ras_mm[row];
        for (int column = 0; column < 3; ++column)
            matrix[row][3] -= matrix[row][column] * (double)(sides[column] - 1) / 2.0;
    }
    struct mrc_geometry geometry;
    struct mrc_extent extent = {sides[0], sides[1], sides[2]};
    enum mrc_status status = mrc_geometry_from_ras(&geometry, matrix, "head", err);
    if (status == MRC_OK) status = mrc_volume_create(out, extent, &geometry, err);
    if (status == MRC_OK) fill(*out);
    return status;
}

enum mrc_status head_thin(mrc_volume **vol, int64_t step, struct mrc_error *err) {
    struct mrc_geometry geometry = *mrc_volume_geometry(*vol);
    struct mrc_extent e = mrc_volume_extent(*vol);
    const size_t slice = (size_t)(e.i * e.j);
    mrc_volume *thin = NULL;
    for (int row = 0; row < 3; ++row) geometry.index_to_ras_mm[row][2] *= (double)step;
    e.k = (e.k + step - 1) / step;
    enum mrc_status status =
        mrc_geometry_from_ras(&geometry, geometry.index_to_ras_mm, "head", err);
    if (status == MRC_OK) status = mrc_volume_create(&thin, e, &geometry, err);
    if (status != MRC_OK) return status;
    for (int64_t k = 0; k < e.k; ++k)
        memcpy(mrc_volume_voxels(thin) + (size_t)k * slice,
               mrc_volume_voxels_const(*vol) + (size_t)(k * step) * slice, slice * sizeof(float));
    mrc_volume_destroy(*vol);
    *vol = thin;
    return MRC_OK;
}

enum mrc_status head_save_dicom(const mrc_volume *vol, enum mrc_contrast contrast, const char *dir,
                                struct mrc_error *err) {
    bool t1 = contrast == MRC_CONTRAST_T1W;
    struct mrc_generated_series series = {.contrast = contrast,
                                          .patient_name = "Head^Test",
                                          .patient_id = "HEAD",
                                          .study_uid = "2.25.1001",
                                          .series_uid = t1 ? "2.25.1002" : "2.25.1003",
                                          .frame_of_reference_uid = "2.25.1004",
                                          .series_description = t1 ? "T1 SE" : "T2 SE",
                                          .scanning_sequence = "SE",
                                          .sequence_variant = "NONE",
                                          .study_date_time = "20260102030405",
                                          .series_number = t1 ? 1 : 2,
                                          .repetition_time_ms = t1 ? 500.0 : 5000.0,
                                          .echo_time_ms = t1 ? 12.0 : 95.0,
                                          .slice_thickness_mm = voxel_mm,
                                          .field_strength_t = 1.5,
                                          .rescale_slope = 0.25};
    return mrc_dicom_save_generated(vol, &series, dir, err);
}

bool head_find_marker(double ras_mm[3], const mrc_volume *vol, float threshold) {
    struct mrc_extent e = mrc_volume_extent(vol);
    const float *voxels = mrc_volume_voxels_const(vol);
    double sum[3] = {0}, ras[3];
    int64_t count = 0;
    for (int64_t k = 0; k < e.k; ++k)
        for (int64_t j = 0; j < e.j; ++j)
            for (int64_t i = 0; i < e.i; ++i) {
                if (!(voxels[(k * e.j + j) * e.i + i] > threshold)) continue;
                mrc_geometry_position(ras, mrc_volume_geometry(vol), (double)i, (double)j,
                                      (double)k);
                for (int a = 0; a < 3; ++a) sum[a] += ras[a];
                ++count;
            }
    for (int a = 0; a < 3 && count > 0; ++a) ras_mm[a] = sum[a] / (double)count;
    return count > 0;
}

/* Every convolution passes its first channel on; the last one stretches it for the sigmoid. */
static enum mrc_status set_weights(mrc_net *net, int64_t channels, struct mrc_error *err) {
    size_t count = mrc_net_parameter_count(net);
    bool first = true;
    for (size_t p = 0; p < count; ++p) {
        const struct mrc_parameter *parameter = mrc_net_parameter(net, p);
        float *values = mrc_alloc(parameter->count, sizeof *values);
        if (values == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
        bool last = p + 2 >= count;
        if (parameter->rank == 4) {
            const int64_t *s = parameter->shape; /* [out][in][kh][kw] */
            int64_t in = first ? channels / 2 : 0, tap = (s[2] / 2) * s[3] + s[3] / 2;
            for (int64_t o = 0; o < (last ? s[0] : 1); ++o)
                values[(o * s[1] + in) * s[2] * s[3] + tap] = last ? 8.0f : 1.0f;
            first = false;
        } else if (last) {
            for (size_t o = 0; o < parameter->count; ++o) values[o] = -4.0f;
        }
        mrc_net_import(net, p, values, mrc_net_values(net));
        mrc_free(values);
    }
    return MRC_OK;
}

enum mrc_status head_save_model(const char *path, int64_t size, int64_t channels,
                                struct mrc_error *err) {
    struct mrc_cyclegan_settings settings = MRC_CYCLEGAN_DEFAULTS;
    settings.generator = MRC_GENERATOR_LOCAL;
    settings.discriminator_width = 4;
    settings.generator_width = 4;
    settings.batch = 1;
    settings.size = size;
    settings.channels = channels;
    mrc_cyclegan *gan = NULL;
    struct mrc_checkpoint_info info = {.name = "brightness", .version = "0", .data = "none"};
    struct mrc_checkpoint_options options = {0};
    enum mrc_status status = mrc_cyclegan_create(&gan, &settings, err);
    if (status == MRC_OK) status = set_weights(mrc_cyclegan_net_of(gan, MRC_NET_G), channels, err);
    if (status == MRC_OK) status = set_weights(mrc_cyclegan_net_of(gan, MRC_NET_F), channels, err);
    if (status == MRC_OK) status = mrc_checkpoint_save(gan, &info, &options, path, err);
    mrc_cyclegan_destroy(gan);
    return status;
}
