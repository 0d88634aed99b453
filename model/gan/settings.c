/* settings.c: the rows as tables, and settings to words and back. */
#include "model/gan/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/text.h"

static const struct mrc_setting settings[] = {
#define ROW(member_, kind_, value_, lo_, hi_, json_, option_, arg_, topic_, before_, help_)        \
    {.key = #member_,                                                                              \
     .json = json_,                                                                                \
     .option = option_,                                                                            \
     .arg = arg_,                                                                                  \
     .help = help_,                                                                                \
     .before = before_,                                                                            \
     .kind = MRC_SETTING_##kind_,                                                                  \
     .topic = MRC_TOPIC_##topic_,                                                                  \
     .offset = offsetof(struct mrc_cyclegan_settings, member_),                                    \
     .lo = lo_,                                                                                    \
     .hi = hi_},
    MRC_CYCLEGAN_SETTINGS(ROW)
#undef ROW
};

const struct mrc_setting *mrc_cyclegan_setting(size_t index) {
    MRC_ASSERT(index < MRC_CYCLEGAN_SETTING_COUNT);
    return &settings[index];
}

static const struct mrc_loss losses[] = {
#define ROW(member_, chart_, label_)                                                               \
    {.name = #member_,                                                                             \
     .label = label_,                                                                              \
     .chart = MRC_CHART_##chart_,                                                                  \
     .offset = offsetof(struct mrc_losses, member_)},
    MRC_LOSSES(ROW)
#undef ROW
};

const struct mrc_loss *mrc_loss_row(size_t index) {
    MRC_ASSERT(index < MRC_LOSS_COUNT);
    return &losses[index];
}

double mrc_loss_value(const struct mrc_losses *record, size_t index) {
    double value;
    memcpy(&value, (const char *)record + mrc_loss_row(index)->offset, sizeof value);
    return value;
}

void mrc_loss_set(struct mrc_losses *record, size_t index, double value) {
    memcpy((char *)record + mrc_loss_row(index)->offset, &value, sizeof value);
}

/* --- To words --- */

/* A member of any kind; only the one of the setting's is filled. */
union value {
    int64_t whole;
    uint64_t seed;
    double real;
    bool flag;
    const char *words;
    enum mrc_generator_kind generator;
    enum mrc_gan_mode gan_mode;
    enum mrc_structure_kind structure;
    enum mrc_init_kind init;
};

static size_t size_of(enum mrc_setting_kind kind) {
    union value v;
    switch (kind) {
    case MRC_SETTING_REAL: return sizeof v.real;
    case MRC_SETTING_SEED: return sizeof v.seed;
    case MRC_SETTING_FLAG: return sizeof v.flag;
    case MRC_SETTING_WORDS: return sizeof v.words;
    case MRC_SETTING_GENERATOR: return sizeof v.generator;
    case MRC_SETTING_GAN_MODE: return sizeof v.gan_mode;
    case MRC_SETTING_STRUCTURE: return sizeof v.structure;
    case MRC_SETTING_INIT_TYPE: return sizeof v.init;
    case MRC_SETTING_WHOLE:
    case MRC_SETTING_CHOICE:
    case MRC_SETTING_GENERATOR_F:
    case MRC_SETTING_DIFF_AUGMENT: break;
    }
    return sizeof v.whole;
}

static union value get(const void *record, const struct mrc_setting *s) {
    union value v = {0};
    memcpy(&v, (const char *)record + s->offset, size_of(s->kind));
    return v;
}

static void put(void *record, const struct mrc_setting *s, const union value *v) {
    memcpy((char *)record + s->offset, v, size_of(s->kind));
}

/* The settings of the model that the member of a GENERATOR or GENERATOR_F is of, in whatever record
 * they lie. */
static struct mrc_cyclegan_settings *model_of(const void *record, const struct mrc_setting *s) {
    const size_t at = s->kind == MRC_SETTING_GENERATOR
                          ? offsetof(struct mrc_cyclegan_settings, generator)
                          : offsetof(struct mrc_cyclegan_settings, generator_f);
    return (struct mrc_cyclegan_settings *)((uintptr_t)record + s->offset - at);
}

/* The kind of F: its own, or G's. */
static const char *name_of_f(const struct mrc_cyclegan_settings *all, int64_t own) {
    return mrc_generator_kind_name(own > 0 ? (enum mrc_generator_kind)(own - 1) : all->generator);
}

static const char *name_of(const void *record, const struct mrc_setting *s, const union value *v) {
    static const char *const truth[] = {"false", "true"};
    switch (s->kind) {
    case MRC_SETTING_FLAG: return (s->choices != NULL ? s->choices : truth)[v->flag];
    case MRC_SETTING_CHOICE: return s->choices[v->whole];
    case MRC_SETTING_GENERATOR: return mrc_generator_kind_name(v->generator);
    case MRC_SETTING_GENERATOR_F: return name_of_f(model_of(record, s), v->whole);
    case MRC_SETTING_GAN_MODE: return mrc_gan_mode_name(v->gan_mode);
    case MRC_SETTING_STRUCTURE: return mrc_structure_kind_name(v->structure);
    case MRC_SETTING_INIT_TYPE: return mrc_init_kind_name(v->init);
    case MRC_SETTING_WORDS: return v->words != NULL ? v->words : "";
    case MRC_SETTING_WHOLE:
    case MRC_SETTING_REAL:
    case MRC_SETTING_SEED:
    case MRC_SETTING_DIFF_AUGMENT: break;
    }
    return "";
}

/* "10" rather than "1e1", where that says it all. */
static void print_real(char out[MRC_SETTING_TEXT], double value) {
    double back = 0.0;
    (void)snprintf(out, MRC_SETTING_TEXT, "%g", value);
    if (mrc_parse_f64(&back, out, -1e300, 1e300) != MRC_OK || back != value)
        mrc_print_decimal(out, 40, value);
}

void mrc_setting_print(char out[MRC_SETTING_TEXT], const void *record,
                       const struct mrc_setting *s) {
    const union value v = get(record, s);
    char policy[MRC_DIFF_AUGMENT_TEXT];
    switch (s->kind) {
    case MRC_SETTING_WHOLE: (void)snprintf(out, MRC_SETTING_TEXT, "%" PRId64, v.whole); break;
    case MRC_SETTING_SEED: (void)snprintf(out, MRC_SETTING_TEXT, "%" PRIu64, v.seed); break;
    case MRC_SETTING_REAL: print_real(out, v.real); break;
    case MRC_SETTING_DIFF_AUGMENT:
        mrc_diff_augment_print(policy, v.whole);
        (void)snprintf(out, MRC_SETTING_TEXT, "%s", policy);
        break;
    case MRC_SETTING_FLAG:
    case MRC_SETTING_CHOICE:
    case MRC_SETTING_WORDS:
    case MRC_SETTING_GENERATOR:
    case MRC_SETTING_GENERATOR_F:
    case MRC_SETTING_GAN_MODE:
    case MRC_SETTING_STRUCTURE:
    case MRC_SETTING_INIT_TYPE:
        (void)snprintf(out, MRC_SETTING_TEXT, "%s", name_of(record, s, &v));
        break;
    }
}

/* --- From words --- */

static bool find_choice(int64_t *out, const char *const *choices, const char *text) {
    for (int64_t i = 0; choices[i] != NULL; ++i) {
        if (strcmp(choices[i], text) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

static bool parse_flag(bool *out, const struct mrc_setting *s, const char *text) {
    static const char *const truth[] = {"false", "true", NULL};
    int64_t index = 0;
    bool known = find_choice(&index, s->choices != NULL ? s->choices : truth, text);
    if (known) *out = index == 1;
    return known;
}

static bool parse_f(int64_t *out, const struct mrc_cyclegan_settings *all, const char *text) {
    enum mrc_generator_kind kind;
    if (mrc_parse_i64(out, text, 0, MRC_GENERATOR_KINDS) == MRC_OK)
        return true; /* as checkpoints have it */
    if (mrc_generator_kind_parse(&kind, text, NULL) != MRC_OK) return false;
    *out = kind == all->generator ? 0 : 1 + (int64_t)kind;
    return true;
}

/* "local": of both; "local,hybrid": of G, and of F, whose setting follows. */
static bool parse_generators(struct mrc_cyclegan_settings *all, const char *text) {
    enum mrc_generator_kind there, back;
    char first[16];
    size_t length = strcspn(text, ",");
    (void)snprintf(first, sizeof first, "%.*s", (int)length, text);
    if (mrc_generator_kind_parse(&there, first, NULL) != MRC_OK) return false;
    if (text[length] == ',' && mrc_generator_kind_parse(&back, text + length + 1, NULL) != MRC_OK)
        return false;
    all->generator = there;
    all->generator_f = text[length] == ',' ? 1 + (int64_t)back : 0;
    return true;
}

static bool parse_policy(int64_t *out, const char *text) {
    return mrc_parse_i64(out, text, 0, MRC_DIFF_ALL) == MRC_OK || /* as checkpoints have it */
           mrc_diff_augment_parse(out, text, NULL) == MRC_OK;
}

static bool parse(union value *v, const void *record, const struct mrc_setting *s,
                  const char *text) {
    switch (s->kind) {
    case MRC_SETTING_WHOLE:
        return mrc_parse_i64(&v->whole, text, (int64_t)s->lo, (int64_t)s->hi) == MRC_OK;
    case MRC_SETTING_REAL: return mrc_parse_f64(&v->real, text, s->lo, s->hi) == MRC_OK;
    case MRC_SETTING_SEED: return mrc_parse_i64(&v->whole, text, 0, INT64_MAX) == MRC_OK;
    case MRC_SETTING_FLAG: return parse_flag(&v->flag, s, text);
    case MRC_SETTING_CHOICE: return find_choice(&v->whole, s->choices, text);
    case MRC_SETTING_WORDS: v->words = text; return s->hi == 0.0 || (double)strlen(text) <= s->hi;
    case MRC_SETTING_GENERATOR_F: return parse_f(&v->whole, model_of(record, s), text);
    case MRC_SETTING_GAN_MODE: return mrc_gan_mode_parse(&v->gan_mode, text, NULL) == MRC_OK;
    case MRC_SETTING_STRUCTURE:
        return mrc_structure_kind_parse(&v->structure, text, NULL) == MRC_OK;
    case MRC_SETTING_DIFF_AUGMENT: return parse_policy(&v->whole, text);
    case MRC_SETTING_INIT_TYPE: return mrc_init_kind_parse(&v->init, text, NULL) == MRC_OK;
    case MRC_SETTING_GENERATOR: break;
    }
    return false;
}

static void print_choices(char out[MRC_SETTING_TEXT], const char *const *choices) {
    out[0] = '\0';
    for (size_t i = 0; choices[i] != NULL; ++i) {
        size_t used = strlen(out);
        (void)snprintf(out + used, MRC_SETTING_TEXT - used, "%s%s", i > 0 ? ", " : "", choices[i]);
    }
}

static void print_expected(char out[MRC_SETTING_TEXT], const struct mrc_setting *s) {
    static const char *const truth[] = {"false", "true", NULL};
    const char *words = "";
    switch (s->kind) {
    case MRC_SETTING_WHOLE:
        (void)snprintf(out, MRC_SETTING_TEXT, "a whole number from %.0f to %.0f", s->lo, s->hi);
        return;
    case MRC_SETTING_REAL:
        (void)snprintf(out, MRC_SETTING_TEXT, "a number from %g to %g", s->lo, s->hi);
        return;
    case MRC_SETTING_FLAG:
    case MRC_SETTING_CHOICE: print_choices(out, s->choices != NULL ? s->choices : truth); return;
    case MRC_SETTING_WORDS:
        (void)snprintf(out, MRC_SETTING_TEXT, "at most %.0f characters", s->hi);
        return;
    case MRC_SETTING_SEED: words = "a whole number from 0 to 9223372036854775807"; break;
    case MRC_SETTING_GENERATOR:
    case MRC_SETTING_GENERATOR_F:
        words = "unet, local, hybrid, shuffle, resnet, mesh or separable";
        break;
    case MRC_SETTING_GAN_MODE: words = "vanilla, lsgan or hinge"; break;
    case MRC_SETTING_STRUCTURE: words = "ngf or mind"; break;
    case MRC_SETTING_DIFF_AUGMENT:
        words = "none, or color, brightness, contrast, translation, cutout with commas between";
        break;
    case MRC_SETTING_INIT_TYPE: words = "normal, xavier, kaiming or orthogonal"; break;
    }
    (void)snprintf(out, MRC_SETTING_TEXT, "%s", words);
}

enum mrc_status mrc_setting_parse(void *record, const struct mrc_setting *s, const char *text,
                                  struct mrc_error *err) {
    union value v = {0};
    char plain[40], expected[MRC_SETTING_TEXT];
    if (s->kind == MRC_SETTING_GENERATOR) {
        if (parse_generators(model_of(record, s), text)) return MRC_OK;
    } else if (parse(&v, record, s, text)) {
        put(record, s, &v);
        return MRC_OK;
    }
    mrc_text_plain(plain, sizeof plain, text);
    print_expected(expected, s);
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is '%s', expected %s",
                    s->option != NULL ? s->option : s->key, plain, expected);
}

enum mrc_status mrc_setting_check(const void *record, const struct mrc_setting *s,
                                  struct mrc_error *err) {
    const union value v = get(record, s);
    double number = 0.0;
    switch (s->kind) {
    case MRC_SETTING_WHOLE:
    case MRC_SETTING_GENERATOR_F:
    case MRC_SETTING_DIFF_AUGMENT: number = (double)v.whole; break;
    case MRC_SETTING_REAL: number = v.real; break;
    case MRC_SETTING_SEED:
        if (v.seed <= INT64_MAX) return MRC_OK;
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is %" PRIu64 ", expected at most %" PRId64,
                        s->key, v.seed, INT64_MAX);
    case MRC_SETTING_FLAG:
    case MRC_SETTING_CHOICE:
    case MRC_SETTING_WORDS:
    case MRC_SETTING_GENERATOR:
    case MRC_SETTING_GAN_MODE:
    case MRC_SETTING_STRUCTURE:
    case MRC_SETTING_INIT_TYPE: return MRC_OK;
    }
    if (number >= s->lo && number <= s->hi) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is %g, expected %g to %g", s->key, number, s->lo,
                    s->hi);
}
