/* tissue.c: the table of tissues, and the tables of label numbers that the program knows. */
#include "app/heads/tissue.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"

const struct mrc_sim_tissue_record mrc_sim_tissues[MRC_SIM_TISSUES] = {
    [MRC_SIM_AIR] = {.name = "air", .abbreviation = "AIR"},
    [MRC_SIM_WHITE] = {"white matter", "WM", .brain = true, .texture = 1.0f},
    [MRC_SIM_CORTEX] = {"cortical grey matter", "CGM", .brain = true, .texture = 1.0f},
    [MRC_SIM_CEREBELLAR_WHITE] = {"cerebellar white matter", "CWM", .brain = true, .texture = 1.2f},
    [MRC_SIM_CEREBELLAR_CORTEX] = {"cerebellar grey matter", "CBGM", .brain = true,
                                   .texture = 1.5f},
    [MRC_SIM_THALAMUS] = {"thalamus", "THA", .brain = true, .texture = 1.0f},
    [MRC_SIM_CAUDATE] = {"caudate", "CAU", .brain = true, .texture = 1.0f},
    [MRC_SIM_PUTAMEN] = {"putamen", "PUT", .brain = true, .texture = 1.0f},
    [MRC_SIM_PALLIDUM] = {"pallidum", "PAL", .brain = true, .texture = 1.0f},
    [MRC_SIM_BRAIN_STEM] = {"brain stem", "BS", .brain = true, .texture = 1.2f},
    [MRC_SIM_HIPPOCAMPUS] = {"hippocampus and amygdala", "HIP", .brain = true, .texture = 1.0f},
    [MRC_SIM_VENTRAL_DC] = {"ventral diencephalon", "VDC", .brain = true, .texture = 1.2f},
    [MRC_SIM_VENTRICLE] = {"ventricles", "VENT", .brain = true, .fluid = true, .texture = 0.3f},
    [MRC_SIM_FLUID] = {"cerebrospinal fluid", "CSF", .fluid = true, .texture = 1.0f},
    [MRC_SIM_CHOROID] = {"choroid plexus", "CP", .brain = true, .texture = 2.0f},
    [MRC_SIM_ARTERY] = {"artery", "ART", .texture = 2.0f},
    [MRC_SIM_VEIN] = {"vein", "VEIN", .texture = 2.0f},
    [MRC_SIM_EYE] = {"eye", "EYE", .texture = 0.5f},
    [MRC_SIM_LENS] = {"lens", "LENS", .texture = 0.5f},
    [MRC_SIM_OPTIC_NERVE] = {"optic nerve", "ON", .texture = 1.0f},
    [MRC_SIM_CORD] = {"spinal cord", "CORD", .texture = 1.0f},
    [MRC_SIM_DURA] = {"dura", "DURA", .texture = 2.0f},
    [MRC_SIM_BONE] = {"cortical bone", "B", .texture = 2.0f},
    [MRC_SIM_MARROW] = {"bone marrow", "BM", .fat = true, .texture = 4.0f},
    [MRC_SIM_FAT] = {"fat", "FAT", .fat = true, .texture = 2.0f},
    [MRC_SIM_MUSCLE] = {"muscle", "MUS", .texture = 3.0f},
    [MRC_SIM_SKIN] = {"skin", "SKIN", .texture = 2.0f},
    [MRC_SIM_MUCOSA] = {"mucosa", "MUC", .texture = 4.0f},
    [MRC_SIM_WHITE_LESION] = {"white matter lesion", "WML", .brain = true, .lesion = true,
                              .texture = 3.0f},
    [MRC_SIM_TUMOUR] = {"tumour", "TUM", .brain = true, .lesion = true, .texture = 4.0f},
    [MRC_SIM_TUMOUR_RIM] = {"tumour rim", "TRIM", .brain = true, .lesion = true, .texture = 3.0f},
    [MRC_SIM_OEDEMA] = {"oedema", "OED", .brain = true, .lesion = true, .texture = 3.0f},
    [MRC_SIM_NECROSIS] = {"necrosis", "NEC", .brain = true, .lesion = true, .texture = 4.0f},
    [MRC_SIM_CAVITY] = {"resection cavity", "CAV", .brain = true, .lesion = true, .texture = 0.5f},
    [MRC_SIM_INFARCT] = {"infarct", "INF", .brain = true, .lesion = true, .texture = 3.0f},
    [MRC_SIM_HAEMORRHAGE] = {"haemorrhage", "HAEM", .brain = true, .lesion = true, .texture = 3.0f},
};

/* FreeSurfer's colour table, and the numbers SynthSeg's maps add for what lies outside the brain. */
static const struct mrc_sim_label freesurfer[] = {
    {0, 0, MRC_SIM_AIR},
    {2, 2, MRC_SIM_WHITE},
    {3, 3, MRC_SIM_CORTEX},
    {4, 5, MRC_SIM_VENTRICLE},
    {7, 7, MRC_SIM_CEREBELLAR_WHITE},
    {8, 8, MRC_SIM_CEREBELLAR_CORTEX},
    {10, 10, MRC_SIM_THALAMUS},
    {11, 11, MRC_SIM_CAUDATE},
    {12, 12, MRC_SIM_PUTAMEN},
    {13, 13, MRC_SIM_PALLIDUM},
    {14, 15, MRC_SIM_VENTRICLE},
    {16, 16, MRC_SIM_BRAIN_STEM},
    {17, 18, MRC_SIM_HIPPOCAMPUS},
    {24, 24, MRC_SIM_FLUID},
    {25, 25, MRC_SIM_WHITE_LESION},
    {26, 26, MRC_SIM_CAUDATE},
    {28, 28, MRC_SIM_VENTRAL_DC},
    {30, 30, MRC_SIM_VEIN},
    {31, 31, MRC_SIM_CHOROID},
    {41, 41, MRC_SIM_WHITE},
    {42, 42, MRC_SIM_CORTEX},
    {43, 44, MRC_SIM_VENTRICLE},
    {46, 46, MRC_SIM_CEREBELLAR_WHITE},
    {47, 47, MRC_SIM_CEREBELLAR_CORTEX},
    {49, 49, MRC_SIM_THALAMUS},
    {50, 50, MRC_SIM_CAUDATE},
    {51, 51, MRC_SIM_PUTAMEN},
    {52, 52, MRC_SIM_PALLIDUM},
    {53, 54, MRC_SIM_HIPPOCAMPUS},
    {57, 57, MRC_SIM_WHITE_LESION},
    {58, 58, MRC_SIM_CAUDATE},
    {60, 60, MRC_SIM_VENTRAL_DC},
    {62, 62, MRC_SIM_VEIN},
    {63, 63, MRC_SIM_CHOROID},
    {72, 72, MRC_SIM_VENTRICLE},
    {77, 79, MRC_SIM_WHITE_LESION},
    {85, 85, MRC_SIM_OPTIC_NERVE},
    {136, 137, MRC_SIM_CHOROID},
    {163, 164, MRC_SIM_CHOROID},
    {165, 165, MRC_SIM_BONE},
    {251, 255, MRC_SIM_WHITE},
    {257, 257, MRC_SIM_FLUID},
    {258, 258, MRC_SIM_SOFT},
    {259, 259, MRC_SIM_EYE},
    {502, 502, MRC_SIM_ARTERY},
    {506, 506, MRC_SIM_EYE},
    {507, 507, MRC_SIM_SOFT},
    {508, 508, MRC_SIM_MUSCLE},
    {509, 509, MRC_SIM_MUCOSA},
    {511, 511, MRC_SIM_SKIN},
    {512, 512, MRC_SIM_CORD},
    {514, 514, MRC_SIM_VEIN},
    {515, 515, MRC_SIM_BONE},
    {516, 516, MRC_SIM_MARROW},
    {530, 530, MRC_SIM_OPTIC_NERVE},
    {1000, 1035, MRC_SIM_CORTEX},
    {2000, 2035, MRC_SIM_CORTEX},
    {3000, 3035, MRC_SIM_WHITE},
    {4000, 4035, MRC_SIM_WHITE},
    {5001, 5002, MRC_SIM_WHITE},
};

static const struct mrc_sim_label brainweb[] = {
    {0, 0, MRC_SIM_AIR},  {1, 1, MRC_SIM_FLUID},  {2, 2, MRC_SIM_CORTEX}, {3, 3, MRC_SIM_WHITE},
    {4, 4, MRC_SIM_FAT},  {5, 5, MRC_SIM_MUSCLE}, {6, 6, MRC_SIM_SKIN},   {7, 7, MRC_SIM_BONE},
    {8, 8, MRC_SIM_VEIN}, {9, 9, MRC_SIM_FAT},    {10, 10, MRC_SIM_DURA}, {11, 11, MRC_SIM_MARROW},
};

/* enum mrc_tissue of the generated head. Its marker says where left is, and heads may be mirrored: it
 * is left out. */
static const struct mrc_sim_label phantom[] = {
    {0, 0, MRC_SIM_AIR},          {1, 1, MRC_SIM_FLUID},      {2, 2, MRC_SIM_CORTEX},
    {3, 3, MRC_SIM_WHITE},        {4, 4, MRC_SIM_PUTAMEN},    {5, 5, MRC_SIM_VENTRICLE},
    {6, 6, MRC_SIM_WHITE_LESION}, {7, 7, MRC_SIM_BONE},       {8, 8, MRC_SIM_MARROW},
    {9, 9, MRC_SIM_FAT},          {10, 10, MRC_SIM_MUSCLE},   {11, 11, MRC_SIM_EYE},
    {12, 12, MRC_SIM_AIR},        {13, 13, MRC_SIM_PALLIDUM},
};

static const struct {
    const char *name;
    const struct mrc_sim_label *rows;
    size_t count;
} known[] = {{"freesurfer", freesurfer, sizeof freesurfer / sizeof freesurfer[0]},
             {"brainweb", brainweb, sizeof brainweb / sizeof brainweb[0]},
             {"phantom", phantom, sizeof phantom / sizeof phantom[0]}};

static enum mrc_status add_row(struct mrc_sim_table *t, struct mrc_sim_label row,
                               struct mrc_error *err) {
    void *rows = t->rows;
    if (!mrc_grow(&rows, &t->capacity, t->count + 1, sizeof *t->rows))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a table of labels");
    t->rows = rows;
    t->rows[t->count++] = row;
    return MRC_OK;
}

/* The code that a word of a table names: a tissue's name or abbreviation, or "soft tissue". */
static int code_of(const char *word) {
    if (strcasecmp(word, "soft tissue") == 0) return MRC_SIM_SOFT;
    if (strcasecmp(word, "marker on the patient's left") == 0) return MRC_SIM_AIR;
    if (strcasecmp(word, "deep grey matter") == 0) return MRC_SIM_PUTAMEN;
    if (strcasecmp(word, "lesion") == 0) return MRC_SIM_WHITE_LESION;
    if (strcasecmp(word, "muscle and skin") == 0) return MRC_SIM_MUSCLE;
    for (int t = 0; t < MRC_SIM_TISSUES; ++t)
        if (strcasecmp(word, mrc_sim_tissues[t].name) == 0 ||
            strcasecmp(word, mrc_sim_tissues[t].abbreviation) == 0)
            return t;
    return -1;
}

/* A line "number<TAB>tissue[<TAB>…]"; the first line may be a heading. */
static enum mrc_status read_line(struct mrc_sim_table *t, char *line, int number, const char *path,
                                 struct mrc_error *err) {
    int64_t label = 0;
    char word[64];
    line[strcspn(line, "\r")] = '\0';
    if (line[0] == '\0' || line[0] == '#') return MRC_OK;
    char *tissue = strchr(line, '\t');
    if (tissue == NULL)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: no tab, expected a number, a tab and a tissue",
                        path, number);
    *tissue++ = '\0';
    tissue[strcspn(tissue, "\t")] = '\0';
    mrc_text_plain(word, sizeof word, tissue);
    if (mrc_parse_i64(&label, line, 0, 1000000) != MRC_OK) {
        if (number == 1) return MRC_OK;
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: no label number, expected 0 to 1000000", path,
                        number);
    }
    const int code = code_of(word);
    if (code < 0)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: no tissue '%s', expected one of docs/heads.md",
                        path, number, word);
    if (mrc_sim_table_find(t, label) >= 0)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: label %lld stands there twice", path, number,
                        (long long)label);
    return add_row(t, (struct mrc_sim_label){(int32_t)label, (int32_t)label, (uint8_t)code}, err);
}

static enum mrc_status read_table(struct mrc_sim_table *t, const char *path,
                                  struct mrc_error *err) {
    enum { LARGEST = 1 << 20 };
    unsigned char *text = NULL;
    size_t size = 0;
    int number = 0;
    char *rest = NULL;
    enum mrc_status st = mrc_read_file(&text, &size, path, LARGEST, err);
    if (st != MRC_OK) return st;
    if (memchr(text, '\0', size) != NULL)
        st =
            mrc_fail(err, MRC_ERR_FORMAT, "%s: no text, expected lines of number and tissue", path);
    for (char *line = (char *)text; st == MRC_OK && line != NULL && *line != '\0'; line = rest) {
        rest = strchr(line, '\n');
        if (rest != NULL) *rest++ = '\0';
        st = read_line(t, line, ++number, path, err);
    }
    if (st == MRC_OK && t->count == 0)
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: no labels, expected lines of number and tissue",
                      path);
    mrc_free(text);
    return st;
}

enum mrc_status mrc_sim_table_load(struct mrc_sim_table *out, const char *name,
                                   struct mrc_error *err) {
    *out = (struct mrc_sim_table){.rows = NULL};
    mrc_text_plain(out->name, sizeof out->name, mrc_path_name(name));
    for (size_t n = 0; n < sizeof known / sizeof known[0]; ++n) {
        if (strcmp(name, known[n].name) != 0) continue;
        enum mrc_status st = MRC_OK;
        for (size_t r = 0; r < known[n].count && st == MRC_OK; ++r)
            st = add_row(out, known[n].rows[r], err);
        return st;
    }
    return read_table(out, name, err);
}

void mrc_sim_table_clear(struct mrc_sim_table *table) {
    mrc_free(table->rows);
    *table = (struct mrc_sim_table){.rows = NULL};
}

int mrc_sim_table_find(const struct mrc_sim_table *table, int64_t number) {
    for (size_t r = 0; r < table->count; ++r)
        if (number >= table->rows[r].first && number <= table->rows[r].last)
            return table->rows[r].code;
    return -1;
}
