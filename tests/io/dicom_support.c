/* dicom_support.c: see dicom_support.h. */
#include "io/dicom_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "io/dcmtk/bridge.h"

uint16_t stored_ramp(int i, int j, int number) {
    return (uint16_t)(100 * number + 10 * j + i);
}

struct slice_spec slice_spec_default(int number) {
    return (struct slice_spec){.modality = "MR",
                               .sop_class = "1.2.840.10008.5.1.4.1.1.4",
                               .photometric = "MONOCHROME2",
                               .image_type = "ORIGINAL\\PRIMARY\\M",
                               .patient_name = "Test",
                               .series_uid = "2.25.1001",
                               .study_uid = "2.25.1000",
                               .scanning_sequence = "SE",
                               .series_description = "test",
                               .tr = "500",
                               .te = "15",
                               .orientation = "1\\0\\0\\0\\1\\0",
                               .spacing = "1.5\\1.25",
                               .bits_allocated = 16,
                               .bits_stored = 12,
                               .high_bit = 11,
                               .samples = 1,
                               .number = number,
                               .instance_number = number + 1,
                               .stored = stored_ramp};
}

char *folder_make(void) {
    const char *base = getenv("TMPDIR");
    char *path = mrc_asprintf("%s/mrc_dicom_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}

void folder_remove(char *folder) {
    mrc_remove_tree(folder);
    mrc_free(folder);
}

static void put(mrc_dcmtk_item *item, uint32_t tag, const char *text) {
    struct mrc_error err = {0};
    if (text != NULL) assert_ok(mrc_dcmtk_put(item, tag, NULL, text, &err), &err);
}

static void put_as(mrc_dcmtk_item *item, uint32_t tag, const char *vr, const char *text) {
    struct mrc_error err = {0};
    if (text != NULL) assert_ok(mrc_dcmtk_put(item, tag, vr, text, &err), &err);
}

static void put_int(mrc_dcmtk_item *item, uint32_t tag, long value) {
    char text[24];
    (void)snprintf(text, sizeof text, "%ld", value);
    put(item, tag, text);
}

static void put_position(mrc_dcmtk_item *item, const struct slice_spec *s) {
    char text[64];
    (void)snprintf(text, sizeof text, "-10\\-20\\%d", 30 + 2 * s->number);
    put(item, MRC_TAG(0x0020, 0x0032), s->position != NULL ? s->position : text);
    (void)snprintf(text, sizeof text, "2.25.2000%d", s->number);
    put(item, MRC_TAG(0x0008, 0x0018), s->sop_uid != NULL ? s->sop_uid : text);
}

static void put_texts(mrc_dcmtk_item *item, const struct slice_spec *s) {
    put(item, MRC_TAG(0x0008, 0x0005), s->character_set);
    put(item, MRC_TAG(0x0008, 0x0016), s->sop_class);
    put(item, MRC_TAG(0x0008, 0x0020), s->study_date);
    put(item, MRC_TAG(0x0008, 0x0030), s->study_time);
    put(item, MRC_TAG(0x0008, 0x0060), s->modality);
    put(item, MRC_TAG(0x0008, 0x0008), s->image_type);
    put(item, MRC_TAG(0x0010, 0x0010), s->patient_name);
    put(item, MRC_TAG(0x0010, 0x0020), "ID1");
    put(item, MRC_TAG(0x0010, 0x1010), s->patient_age);
    put(item, MRC_TAG(0x0020, 0x000D), s->study_uid);
    put(item, MRC_TAG(0x0020, 0x000E), s->series_uid);
    put(item, MRC_TAG(0x0020, 0x0052), s->frame_uid);
    put(item, MRC_TAG(0x0018, 0x0020), s->scanning_sequence);
    put(item, MRC_TAG(0x0008, 0x103E), s->series_description);
    put(item, MRC_TAG(0x0018, 0x0080), s->tr);
    put(item, MRC_TAG(0x0018, 0x0081), s->te);
    put(item, MRC_TAG(0x0018, 0x0082), s->ti);
    put(item, MRC_TAG(0x0018, 0x1314), s->flip);
    put(item, MRC_TAG(0x0020, 0x0037), s->orientation);
    put(item, MRC_TAG(0x0028, 0x0030), s->spacing);
    put(item, MRC_TAG(0x0028, 0x1053), s->slope);
    put(item, MRC_TAG(0x0028, 0x1052), s->intercept);
    put(item, MRC_TAG(0x0028, 0x0004), s->photometric);
    if (s->extra != NULL) s->extra(item);
    put_as(item, MRC_TAG(0x0028, 0x0120), s->is_signed ? "SS" : "US", s->padding);
    put_as(item, MRC_TAG(0x0008, 0x001C), "CS", s->synthetic);
    put(item, MRC_TAG(0x0028, 0x0300), s->quality_control);
}

static void put_pixels(mrc_dcmtk_item *item, const struct slice_spec *s) {
    size_t bytes = (size_t)SIDE_I * SIDE_J * (size_t)s->samples * (size_t)s->bits_allocated / 8;
    uint16_t words[SIDE_I * SIDE_J * 8] = {0};
    unsigned char *cells = (unsigned char *)words;
    for (int j = 0; j < SIDE_J; ++j) {
        for (int i = 0; i < SIDE_I; ++i) {
            size_t at = (size_t)(j * SIDE_I + i) * (size_t)s->samples;
            uint16_t value = s->stored(i, j, s->number);
            if (s->bits_allocated == 8)
                cells[at] = (unsigned char)value;
            else if (s->bits_allocated == 16)
                words[at] = value;
            else
                words[2 * at] = value; /* the lower half, in little endian */
        }
    }
    struct mrc_error err = {0};
    size_t count = s->pixel_bytes > 0 ? (size_t)s->pixel_bytes / 2 : (bytes + 1) / 2;
    assert_true(count <= sizeof words / sizeof *words);
    assert_ok(mrc_dcmtk_put_words(item, MRC_TAG(0x7FE0, 0x0010), words, count, &err), &err);
}

void write_slice(const struct slice_spec *s, const char *folder, const char *name) {
    struct mrc_error err = {0};
    mrc_dcmtk_file *file = NULL;
    unsigned char *bytes = NULL;
    size_t size = 0;
    assert_ok(mrc_dcmtk_create(&file, &err), &err);
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    put_texts(item, s);
    put_position(item, s);
    put_int(item, MRC_TAG(0x0020, 0x0013), s->instance_number);
    if (s->echo_number > 0) put_int(item, MRC_TAG(0x0018, 0x0086), s->echo_number);
    put(item, MRC_TAG(0x0018, 0x1060), s->trigger_time);
    if (s->acquisition_number > 0) put_int(item, MRC_TAG(0x0020, 0x0012), s->acquisition_number);
    if (s->series_number > 0) put_int(item, MRC_TAG(0x0020, 0x0011), s->series_number);
    if (s->temporal_position > 0) put_int(item, MRC_TAG(0x0020, 0x0100), s->temporal_position);
    put_int(item, MRC_TAG(0x0028, 0x0002), s->samples);
    put_int(item, MRC_TAG(0x0028, 0x0010), SIDE_J);
    put_int(item, MRC_TAG(0x0028, 0x0011), SIDE_I);
    put_int(item, MRC_TAG(0x0028, 0x0100), s->bits_allocated);
    put_int(item, MRC_TAG(0x0028, 0x0101), s->bits_stored);
    put_int(item, MRC_TAG(0x0028, 0x0102), s->high_bit);
    put_int(item, MRC_TAG(0x0028, 0x0103), s->is_signed);
    put_pixels(item, s);
    assert_ok(mrc_dcmtk_encode(&bytes, &size, file, &err), &err);
    char *path = mrc_path_join(folder, name);
    assert_non_null(path);
    assert_ok(mrc_write_file(path, bytes, size, &err), &err);
    mrc_free(path);
    mrc_free(bytes);
    mrc_dcmtk_close(file);
}

void write_series(const char *folder) {
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[] = {(char)('a' + n), '.', 'd', 'c', 'm', '\0'};
        write_slice(&spec, folder, name);
    }
}

void expect_refusal(const char *folder, enum mrc_status status, const char *words) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    enum mrc_status st = mrc_image_load(&vol, folder, NULL, &err);
    mrc_volume_destroy(vol);
    if (st != status)
        fail_msg("expected %s, found %s: %s", mrc_status_name(status), mrc_status_name(st),
                 err.text);
    char copy[200];
    (void)snprintf(copy, sizeof copy, "%s", words);
    char *rest = NULL;
    for (char *word = strtok_r(copy, "|", &rest); word != NULL; word = strtok_r(NULL, "|", &rest))
        if (strstr(err.text, word) == NULL) fail_msg("expected \"%s\" in: %s", word, err.text);
}

mrc_volume *load_folder(const char *folder, bool allow_synthetic) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    options.allow_synthetic = allow_synthetic;
    assert_ok(mrc_image_load(&vol, folder, &options, &err), &err);
    return vol;
}
