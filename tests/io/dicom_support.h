/* dicom_support.h: small DICOM series made on purpose, right or wrong, for the tests of reading. */
#ifndef MRC_TESTS_DICOM_SUPPORT_H
#define MRC_TESTS_DICOM_SUPPORT_H

#include "support.h"

#include <stdbool.h>

#include "io/dcmtk/bridge.h"
#include "io/dicom/derived.h"
#include "io/image.h"
#include "io/volume.h"

enum { SIDE_I = 7, SIDE_J = 5, SIDE_K = 4 };

/** What one file is made of. Start from slice_spec_default and change what the test is about. */
struct slice_spec {
    const char *modality, *sop_class, *photometric, *image_type, *character_set, *patient_name,
        *patient_age;
    const char *series_uid, *study_uid, *sop_uid; /* sop_uid NULL: from the number */
    const char *frame_uid;                        /* NULL: not written */
    const char *scanning_sequence, *series_description;
    const char *study_date, *study_time; /* NULL: not written */
    const char *tr, *te, *ti, *flip;
    const char *slope, *intercept, *padding;
    const char *position, *orientation,
        *spacing; /* position NULL: axial, 2 mm apart by the number */
    int bits_allocated, bits_stored, high_bit, is_signed, samples;
    int number, instance_number;
    long pixel_bytes; /* 0: as many as there should be */
    int echo_number, temporal_position, acquisition_number, series_number; /* 0: not written */
    const char *trigger_time;                                              /* NULL: not written */
    const char *synthetic, *quality_control;
    uint16_t (*stored)(int i, int j, int number);
    void (*extra)(mrc_dcmtk_item *item); /* NULL: no more than that */
};
struct slice_spec slice_spec_default(int number);
/** 100 n + 10 j + i, a value that tells its place. */
uint16_t stored_ramp(int i, int j, int number);

/** A new folder below the system's temporary folder, removed by folder_remove; the text is the
 * caller's. */
char *folder_make(void);
void folder_remove(char *folder);
void write_slice(const struct slice_spec *spec, const char *folder, const char *name);
/** SIDE_K slices 2 mm apart, named a.dcm, b.dcm, … */
void write_series(const char *folder);

/** Loading `folder` must fail with this status and a text that contains all of `words` (separated
 * by '|'). */
void expect_refusal(const char *folder, enum mrc_status status, const char *words);
/** The volume at `folder`; the test fails when it cannot be loaded. */
mrc_volume *load_folder(const char *folder, bool allow_synthetic);

#endif
