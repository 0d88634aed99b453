/* dicom_write.c: see dicom_write.h. */
#include "io/dicom/dicom_write.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"

/* --- drafts --- */

void mrc_dicom_draft_text_as(struct mrc_dicom_draft *d, uint32_t tag, const char *vr,
                             const char *text) {
    if (d->st == MRC_OK) d->st = mrc_dcmtk_put(d->item, tag, vr, text, d->err);
}

void mrc_dicom_draft_text(struct mrc_dicom_draft *d, uint32_t tag, const char *text) {
    mrc_dicom_draft_text_as(d, tag, NULL, text);
}

void mrc_dicom_draft_number(struct mrc_dicom_draft *d, uint32_t tag, double value) {
    char text[MRC_DICOM_LINE];
    mrc_dicom_print_numbers(text, &value, 1);
    mrc_dicom_draft_text(d, tag, text);
}

void mrc_dicom_draft_integer(struct mrc_dicom_draft *d, uint32_t tag, int64_t value) {
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    mrc_dicom_draft_text(d, tag, text);
}

void mrc_dicom_draft_copy(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, uint32_t tag) {
    if (d->st == MRC_OK) d->st = mrc_dcmtk_copy(d->item, from, tag, d->err);
}

void mrc_dicom_draft_copy_valid(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, uint32_t tag) {
    if (d->st == MRC_OK) d->st = mrc_dcmtk_copy_valid(d->item, from, tag, d->err);
}

struct mrc_dicom_draft mrc_dicom_draft_item(struct mrc_dicom_draft *d, uint32_t sequence) {
    struct mrc_dicom_draft item = {.st = d->st, .err = d->err};
    if (item.st == MRC_OK) item.st = mrc_dcmtk_append(&item.item, d->item, sequence, d->err);
    return item;
}

void mrc_dicom_draft_join(struct mrc_dicom_draft *d, const struct mrc_dicom_draft *item) {
    if (d->st == MRC_OK) d->st = item->st;
}

void mrc_dicom_draft_code(struct mrc_dicom_draft *d, uint32_t sequence, const char *value,
                          const char *meaning) {
    struct mrc_dicom_draft code = mrc_dicom_draft_item(d, sequence);
    mrc_dicom_draft_text(&code, MRC_TAG(0x0008, 0x0100), value);
    mrc_dicom_draft_text(&code, MRC_TAG(0x0008, 0x0102), "DCM");
    mrc_dicom_draft_text(&code, MRC_TAG(0x0008, 0x0104), meaning);
    mrc_dicom_draft_join(d, &code);
}

void mrc_dicom_draft_synthetic(struct mrc_dicom_draft *d) {
    mrc_dicom_draft_text_as(d, MRC_TAG(0x0008, 0x001C), "CS", "YES");
}

void mrc_dicom_draft_pixels(struct mrc_dicom_draft *d, const uint16_t *pixels,
                            struct mrc_extent extent, int bits) {
    size_t count = (size_t)extent.i * (size_t)extent.j;
    uint16_t lo = UINT16_MAX, hi = 0;
    char text[8];
    for (size_t p = 0; p < count; ++p) {
        if (pixels[p] < lo) lo = pixels[p];
        if (pixels[p] > hi) hi = pixels[p];
    }
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0002), 1);
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0004), "MONOCHROME2");
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0010), extent.j);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0011), extent.i);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0100), 16);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0101), bits);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0102), bits - 1);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x0103), 0);
    (void)snprintf(text, sizeof text, "%u", (unsigned)lo);
    mrc_dicom_draft_text_as(d, MRC_TAG(0x0028, 0x0106), "US", text);
    (void)snprintf(text, sizeof text, "%u", (unsigned)hi);
    mrc_dicom_draft_text_as(d, MRC_TAG(0x0028, 0x0107), "US", text);
    if (d->st == MRC_OK)
        d->st = mrc_dcmtk_put_words(d->item, MRC_TAG(0x7FE0, 0x0010), pixels, count, d->err);
}

/* --- geometry --- */

static double dot(const double a[3], const double b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void column(double out[3], const struct mrc_dicom_grid *grid, int c) {
    for (int a = 0; a < 3; ++a) out[a] = grid->index_to_lps_mm[a][c];
}

/* Unit normal of the slices: the direction of increasing column crossed with that of increasing
 * row. */
static void grid_normal(double normal[3], const struct mrc_dicom_grid *grid) {
    double x[3], y[3];
    column(x, grid, 0);
    column(y, grid, 1);
    normal[0] = x[1] * y[2] - x[2] * y[1];
    normal[1] = x[2] * y[0] - x[0] * y[2];
    normal[2] = x[0] * y[1] - x[1] * y[0];
    double length = sqrt(dot(normal, normal));
    for (int a = 0; a < 3; ++a) normal[a] /= length;
}

enum mrc_status mrc_dicom_grid_of(struct mrc_dicom_grid *out, const mrc_volume *vol,
                                  double max_sine, struct mrc_error *err) {
    const struct mrc_geometry *geometry = mrc_volume_geometry(vol);
    double normal[3], step[3];
    *out = (struct mrc_dicom_grid){.extent = mrc_volume_extent(vol)};
    if (!geometry->physical)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "the volume has no position in a patient, expected one for DICOM");
    if (mrc_geometry_shear(geometry) > max_sine)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "the volume's axes are sheared by %.4f, expected orthogonal axes for DICOM",
                        mrc_geometry_shear(geometry));
    if (out->extent.i > UINT16_MAX || out->extent.j > UINT16_MAX || out->extent.k > 9999)
        return mrc_fail(err, MRC_ERR_RANGE, "%lld slices, expected at most 9999",
                        (long long)out->extent.k);
    mrc_geometry_to_lps(out->index_to_lps_mm, geometry);
    grid_normal(normal, out);
    column(step, out, 2);
    out->reversed = dot(step, normal) < 0.0;
    out->spacing_mm[0] = geometry->spacing_mm[0];
    out->spacing_mm[1] = geometry->spacing_mm[1];
    out->spacing_mm[2] = fabs(dot(step, normal));
    return MRC_OK;
}

int64_t mrc_dicom_grid_slice(const struct mrc_dicom_grid *grid, int64_t file) {
    return grid->reversed ? grid->extent.k - 1 - file : file;
}

void mrc_dicom_grid_position(double lps_mm[3], const struct mrc_dicom_grid *grid, int64_t slice) {
    for (int a = 0; a < 3; ++a)
        lps_mm[a] = grid->index_to_lps_mm[a][2] * (double)slice + grid->index_to_lps_mm[a][3];
}

double mrc_dicom_grid_location(const struct mrc_dicom_grid *grid, int64_t slice) {
    double normal[3], position[3];
    grid_normal(normal, grid);
    mrc_dicom_grid_position(position, grid, slice);
    return dot(normal, position);
}

/* "9e3" is a decimal string too, but not what people and careless readers expect: "9000", where 16
 * bytes are enough. */
static void without_exponent(char text[MRC_DICOM_DS_TEXT]) {
    static const char zeros[] = "00000000000000000";
    char digits[MRC_DICOM_DS_TEXT], plain[MRC_DICOM_LINE];
    const char *sign = text[0] == '-' ? "-" : "";
    char *mark = strpbrk(text, "eE");
    int64_t exponent = 0;
    if (mark == NULL ||
        mrc_parse_i64(&exponent, mark[1] == '+' ? mark + 2 : mark + 1, -99, 99) != MRC_OK)
        return;
    int count = 0, point = 0; /* digits before the point */
    for (const char *c = text + strlen(sign); c < mark; ++c) {
        if (*c == '.')
            point = count;
        else
            digits[count++] = *c;
    }
    if (memchr(text, '.', (size_t)(mark - text)) == NULL) point = count;
    point += (int)exponent;
    digits[count] = '\0';
    if (point < -15 || point > 16) return;
    if (point <= 0)
        (void)snprintf(plain, sizeof plain, "%s0.%.*s%s", sign, -point, zeros, digits);
    else if (point >= count)
        (void)snprintf(plain, sizeof plain, "%s%s%.*s", sign, digits, point - count, zeros);
    else
        (void)snprintf(plain, sizeof plain, "%s%.*s.%s", sign, point, digits, digits + point);
    if (strlen(plain) < MRC_DICOM_DS_TEXT) memcpy(text, plain, strlen(plain) + 1);
}

void mrc_dicom_print_numbers(char out[MRC_DICOM_LINE], const double *values, size_t count) {
    size_t used = 0;
    MRC_ASSERT(count >= 1 && count <= 6);
    for (size_t i = 0; i < count; ++i) {
        char text[MRC_DICOM_DS_TEXT];
        mrc_print_decimal(text, sizeof text,
                          values[i] == 0.0 ? 0.0 : values[i]); /* no minus before zero */
        without_exponent(text);
        used +=
            (size_t)snprintf(out + used, MRC_DICOM_LINE - used, "%s%s", i > 0 ? "\\" : "", text);
    }
}

/* --- time and files --- */

enum mrc_status mrc_dicom_split_time(char date[9], char time_of_day[7], const char *stamp,
                                     struct mrc_error *err) {
    if (strlen(stamp) != 14 || strspn(stamp, "0123456789") != 14)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "time stamp '%s', expected 14 digits YYYYMMDDhhmmss",
                        stamp);
    (void)snprintf(date, 9, "%.8s", stamp);
    (void)snprintf(time_of_day, 7, "%.6s", stamp + 8);
    return MRC_OK;
}

static char *file_path(const char *dir, int64_t number) {
    char name[32];
    (void)snprintf(name, sizeof name, "IM%04lld.dcm", (long long)(number + 1));
    return mrc_path_join(dir, name);
}

static enum mrc_status write_bytes(const char *path, const unsigned char *bytes, size_t size,
                                   struct mrc_error *err) {
    errno = 0;
    FILE *stream = fopen(path, "wb");
    if (stream == NULL)
        return mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected to write a file there", path,
                        strerror(errno));
    bool whole = fwrite(bytes, 1, size, stream) == size && fflush(stream) == 0;
    int cause = errno;
    if (fclose(stream) != 0 && whole) {
        cause = errno;
        whole = false;
    }
    if (whole) return MRC_OK;
    (void)unlink(path);
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s while writing", path,
                    cause != 0 ? strerror(cause) : "failed");
}

enum mrc_status mrc_dicom_write_file(mrc_dcmtk_file *file, const char *dir, int64_t number,
                                     struct mrc_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = file_path(dir, number);
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", dir);
    enum mrc_status st = mrc_dcmtk_encode(&bytes, &size, file, err);
    if (st == MRC_OK) st = write_bytes(path, bytes, size, err);
    mrc_free(bytes);
    mrc_free(path);
    return st;
}

static enum mrc_status sync_file(const char *path, struct mrc_error *err) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool synced = file >= 0 && (fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP);
    int cause = errno;
    if (file >= 0) (void)close(file);
    return synced ? MRC_OK
                  : mrc_fail(err, MRC_ERR_WRITE, "%s: %s while flushing to disk", path,
                             strerror(cause));
}

enum mrc_status mrc_dicom_sync_files(const char *dir, int64_t count, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (int64_t n = 0; st == MRC_OK && n < count; ++n) {
        char *path = file_path(dir, n);
        st = path != NULL ? sync_file(path, err)
                          : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", dir);
        mrc_free(path);
    }
    return st;
}
