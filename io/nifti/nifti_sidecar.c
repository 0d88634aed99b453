/* nifti_sidecar.c: see nifti_sidecar.h. BIDS keeps DICOM's keywords and gives times in seconds. */
#include "io/nifti/nifti_sidecar.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/dicom/deidentify.h"
#include "io/dicom/dicom_source.h"
#include "io/image_name.h"

enum { MAX_SIDECAR_BYTES = 1 << 20 };

static double number_of(const cJSON *json, const char *key, double unit) {
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(node) && isfinite(node->valuedouble) ? node->valuedouble * unit
                                                               : (double)NAN;
}

/* A text, or a list of texts joined by backslashes; dcm2niix joins by '_' what DICOM has apart. */
static void text_of(char *out, size_t capacity, const cJSON *json, const char *key) {
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(json, key);
    const char *text = cJSON_GetStringValue(node);
    size_t used = 0;
    out[0] = '\0';
    if (text != NULL) (void)snprintf(out, capacity, "%s", text);
    for (const cJSON *part = cJSON_IsArray(node) ? node->child : NULL; part != NULL;
         part = part->next) {
        text = cJSON_GetStringValue(part);
        if (text == NULL || used + 1 >= capacity) continue;
        (void)snprintf(out + used, capacity - used, "%s%s", used > 0 ? "\\" : "", text);
        used = strlen(out);
    }
}

static void codes_of(char *out, size_t capacity, const cJSON *json, const char *key) {
    text_of(out, capacity, json, key);
    for (char *c = out; *c != '\0'; ++c)
        if (*c == '_') *c = '\\';
}

static void read_physics(struct mrc_dicom_physics *p, const cJSON *json) {
    char agent[MRC_DICOM_LONG];
    p->repetition_ms = number_of(json, "RepetitionTime", 1000.0);
    p->echo_ms = number_of(json, "EchoTime", 1000.0);
    p->inversion_ms = number_of(json, "InversionTime", 1000.0);
    p->flip_deg = number_of(json, "FlipAngle", 1.0);
    p->echo_train = number_of(json, "EchoTrainLength", 1.0);
    codes_of(p->sequence, sizeof p->sequence, json, "ScanningSequence");
    codes_of(p->variant, sizeof p->variant, json, "SequenceVariant");
    text_of(p->sequence_name, sizeof p->sequence_name, json, "SequenceName");
    text_of(p->image_type, sizeof p->image_type, json, "ImageType");
    text_of(p->series_description, sizeof p->series_description, json, "SeriesDescription");
    text_of(p->protocol_name, sizeof p->protocol_name, json, "ProtocolName");
    text_of(agent, sizeof agent, json, "ContrastBolusIngredient");
    p->contrast_agent = agent[0] != '\0' && strcasecmp(agent, "NONE") != 0;
}

/* ImageType and the like, as of a DICOM image. */
static void read_types(struct mrc_nifti_sidecar *out, const cJSON *json) {
    struct mrc_dicom_slice slice = {.image_types = 0};
    char type[MRC_DICOM_LONG * 2], units[MRC_DICOM_CODE];
    char *rest = NULL;
    text_of(type, sizeof type, json, "ImageType");
    for (char *word = strtok_r(type, "\\", &rest);
         word != NULL && slice.image_types < MRC_DICOM_TYPES; word = strtok_r(NULL, "\\", &rest))
        (void)snprintf(slice.image_type[slice.image_types++], MRC_DICOM_CODE, "%.16s", word);
    text_of(slice.complex_component, sizeof slice.complex_component, json, "ComplexImageComponent");
    mrc_dicom_judge_types(&slice);
    text_of(units, sizeof units, json, "Units");
    if (slice.reason[0] == '\0' && units[0] != '\0' && strcasecmp(units, "arbitrary") != 0 &&
        strcasecmp(units, "a.u.") != 0 && strcasecmp(units, "au") != 0)
        (void)snprintf(slice.reason, sizeof slice.reason,
                       "a map: Units of its sidecar are not "
                       "arbitrary");
    (void)snprintf(out->refused, sizeof out->refused, "%.119s", slice.reason);
    out->derived =
        slice.derived || cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "RawImage"));
    out->synthetic = out->synthetic || slice.synthetic;
}

void mrc_nifti_sidecar_read(struct mrc_nifti_sidecar *out, const char *path) {
    char *name = mrc_nifti_sidecar_path(path);
    unsigned char *text = NULL;
    size_t size = 0;
    *out = (struct mrc_nifti_sidecar){0};
    if (name != NULL && mrc_path_exists(name) &&
        mrc_read_file(&text, &size, name, MAX_SIDECAR_BYTES, NULL) == MRC_OK) {
        cJSON *json = cJSON_ParseWithLength((const char *)text, size);
        const cJSON *mark = cJSON_GetObjectItemCaseSensitive(json, "SyntheticData");
        const char *word = cJSON_GetStringValue(mark);
        out->there = cJSON_IsObject(json);
        out->synthetic = cJSON_IsTrue(mark) || (word != NULL && strcasecmp(word, "YES") == 0);
        read_physics(&out->physics, json);
        read_types(out, json);
        text_of(out->manufacturer, sizeof out->manufacturer, json, "Manufacturer");
        out->physics.protocol_is_of_exam =
            strcmp(mrc_manufacturer_name(out->manufacturer), "GE") == 0;
        cJSON_Delete(json);
    }
    mrc_free(text);
    mrc_free(name);
}
