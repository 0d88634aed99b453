/* contract.c: checks, and a row of words a key. */
#include "model/files/contract.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const double LARGEST_ROOM = 10.0, SMALLEST_PIXEL_MM = 0.1, LARGEST_PIXEL_MM = 10.0;
enum { LARGEST_SIDE = 1024, MOST_CHANNELS = 32 };

static const char *const key_names[MRC_CONTRACT_KEYS] = {[MRC_CONTRACT_LIST] = "contrasts",
                                                         [MRC_CONTRACT_DIMS] = "dims",
                                                         [MRC_CONTRACT_SAMPLE] = "sample",
                                                         [MRC_CONTRACT_OUT] = "out_channels",
                                                         [MRC_CONTRACT_CHANNELS] = "channel_kind",
                                                         [MRC_CONTRACT_PIXEL] = "pixel_mm",
                                                         [MRC_CONTRACT_PLANES] = "planes",
                                                         [MRC_CONTRACT_NORMALISE] = "normalise",
                                                         [MRC_CONTRACT_ROOM] = "room"};
static const char *const channel_names[] = {"slice", "neighbours", "colours", "contrasts", NULL};
static const char *const plane_names[] = {"axial", "sagittal", "coronal", NULL};

const char *mrc_contract_key_name(enum mrc_contract_key key) {
    return key_names[key];
}

struct mrc_contract mrc_contract_of_slices(int64_t size, int64_t channels, bool stored) {
    struct mrc_contract contract = MRC_CONTRACT_DEFAULTS;
    contract.sample = (struct mrc_shape){.n = 1, .c = channels, .d = 1, .h = size, .w = size};
    contract.out_channels = channels;
    contract.channels = channels > 1 ? MRC_CHANNELS_NEIGHBOURS : MRC_CHANNELS_SLICE;
    contract.stored = stored;
    return contract;
}

int mrc_contract_index(const struct mrc_contract *contract, enum mrc_contrast contrast) {
    for (int i = 0; i < contract->contrast_count; ++i)
        if (contract->contrasts[i] == contrast) return i;
    return -1;
}

enum mrc_status mrc_contract_settle_from(enum mrc_contrast *from, const struct mrc_contract *c,
                                         enum mrc_contrast to, struct mrc_error *err) {
    char others[MRC_CONTRACT_TEXT], all[MRC_CONTRACT_TEXT];
    const int target = mrc_contract_index(c, to);
    mrc_contract_print_choice(others, c, to);
    mrc_contract_print(all, c, MRC_CONTRACT_LIST);
    if (target < 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "translation to %s, expected one of the model's, %s",
                        mrc_contrast_name(to), all);
    if (*from == MRC_CONTRAST_UNKNOWN && c->contrast_count == 2) *from = c->contrasts[1 - target];
    if (*from != to && mrc_contract_index(c, *from) >= 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "translation from %s, expected %s, from which the model "
                    "makes %s",
                    mrc_contrast_name(*from), others[0] != '\0' ? others : "another contrast",
                    mrc_contrast_name(to));
}

double mrc_contract_room(const struct mrc_contract *contract, enum mrc_contrast contrast) {
    int index = mrc_contract_index(contract, contrast);
    return index >= 0 && !contract->stored ? contract->room[index] : 1.0;
}

/* By the words, which say all there is. */
bool mrc_contract_is_plain(const struct mrc_contract *contract) {
    const struct mrc_contract plain =
        mrc_contract_of_slices(contract->sample.h, contract->sample.c, contract->stored);
    char own[MRC_CONTRACT_TEXT], other[MRC_CONTRACT_TEXT];
    bool same = true;
    for (int key = 0; same && key < MRC_CONTRACT_KEYS; ++key) {
        mrc_contract_print(own, contract, (enum mrc_contract_key)key);
        mrc_contract_print(other, &plain, (enum mrc_contract_key)key);
        same = strcmp(own, other) == 0;
    }
    return same;
}

/* --- Checking --- */

static enum mrc_status check_contrasts(const struct mrc_contract *c, struct mrc_error *err) {
    if (c->contrast_count < 1 || c->contrast_count > MRC_CONTRACT_CONTRASTS)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%lld contrasts, expected 1 to %d",
                        (long long)c->contrast_count, MRC_CONTRACT_CONTRASTS);
    for (int i = 0; i < c->contrast_count; ++i) {
        if (mrc_contract_index(c, c->contrasts[i]) != i)
            return mrc_fail(err, MRC_ERR_ARGUMENT, "contrast %s twice, expected it once",
                            mrc_contrast_name(c->contrasts[i]));
        if (!(c->room[i] >= 1.0 && c->room[i] <= LARGEST_ROOM))
            return mrc_fail(err, MRC_ERR_ARGUMENT, "room of %s is %g, expected 1 to %g",
                            mrc_contrast_name(c->contrasts[i]), c->room[i], LARGEST_ROOM);
        if (c->stored && c->room[i] > 1.0)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "room of %s is %g with intensities as stored, expected none",
                            mrc_contrast_name(c->contrasts[i]), c->room[i]);
    }
    return MRC_OK;
}

static bool is_side(int64_t side) {
    return side >= 1 && side <= LARGEST_SIDE;
}

static enum mrc_status check_sample(const struct mrc_contract *c, struct mrc_error *err) {
    const struct mrc_shape s = c->sample;
    if (c->dims != 2 && c->dims != 3)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "dims is %lld, expected 2 or 3", (long long)c->dims);
    if (s.c < 1 || s.c > MOST_CHANNELS || !is_side(s.d) || !is_side(s.h) || !is_side(s.w) ||
        (c->dims == 2 && s.d != 1))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "sample of %lld channels and %lld x %lld x %lld, expected at most %d and "
                        "sides of 1 to %d%s",
                        (long long)s.c, (long long)s.d, (long long)s.h, (long long)s.w,
                        MOST_CHANNELS, LARGEST_SIDE, c->dims == 2 ? ", one deep" : "");
    if (c->out_channels < 1 || c->out_channels > MOST_CHANNELS)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%lld channels out, expected 1 to %d",
                        (long long)c->out_channels, MOST_CHANNELS);
    bool fits = c->channels == MRC_CHANNELS_SLICE        ? s.c == 1
                : c->channels == MRC_CHANNELS_NEIGHBOURS ? s.c % 2 == 1
                : c->channels == MRC_CHANNELS_COLOURS    ? s.c == 3
                                                         : true;
    if (!fits)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%lld channels as %s", (long long)s.c,
                        channel_names[c->channels]);
    return MRC_OK;
}

enum mrc_status mrc_contract_check(const struct mrc_contract *c, struct mrc_error *err) {
    enum mrc_status st = check_contrasts(c, err);
    if (st == MRC_OK) st = check_sample(c, err);
    if (st != MRC_OK) return st;
    if (c->pixel_mm != 0.0 &&
        !(c->pixel_mm >= SMALLEST_PIXEL_MM && c->pixel_mm <= LARGEST_PIXEL_MM))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "pixel_mm is %g, expected 0 or %g to %g",
                        c->pixel_mm, SMALLEST_PIXEL_MM, LARGEST_PIXEL_MM);
    if (c->stored && c->pixel_mm > 0.0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "pixel_mm is %g with intensities as stored, expected 0: pictures have no "
                        "size",
                        c->pixel_mm);
    if (c->planes == 0 || (c->planes & ~(unsigned)MRC_PLANES_ALL) != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "planes %#x, expected some of three", c->planes);
    if (!(c->low_percentile >= 0.0 && c->low_percentile < c->high_percentile &&
          c->high_percentile <= 100.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "percentiles %g and %g, expected 0 <= low < high <= 100", c->low_percentile,
                        c->high_percentile);
    return MRC_OK;
}

/* --- To words --- */

/* Appends to out[used …]; a text that is too long is cut, which the checks above rule out. */
static void add(char out[MRC_CONTRACT_TEXT], const char *text) {
    size_t used = strlen(out);
    (void)snprintf(out + used, MRC_CONTRACT_TEXT - used, "%s%s", used > 0 ? "," : "", text);
}

static void add_number(char out[MRC_CONTRACT_TEXT], const char *before, double value) {
    char number[32], text[64];
    mrc_print_decimal(number, sizeof number, value);
    (void)snprintf(text, sizeof text, "%s%s", before, number);
    add(out, text);
}

/* In digits: the shortest text of 160 would be 1.6e2. */
static void add_whole(char out[MRC_CONTRACT_TEXT], int64_t value) {
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    add(out, text);
}

static void add_rooms(char out[MRC_CONTRACT_TEXT], const struct mrc_contract *c) {
    char before[32];
    for (int i = 0; i < c->contrast_count; ++i) {
        (void)snprintf(before, sizeof before, "%s=", mrc_contrast_name(c->contrasts[i]));
        add_number(out, before, c->room[i]);
    }
}

void mrc_contract_print_choice(char out[MRC_CONTRACT_TEXT], const struct mrc_contract *c,
                               enum mrc_contrast except) {
    size_t used = 0;
    int64_t left = c->contrast_count - (mrc_contract_index(c, except) >= 0);
    out[0] = '\0';
    for (int i = 0; i < c->contrast_count; ++i) {
        if (c->contrasts[i] == except) continue;
        --left;
        used += (size_t)snprintf(out + used, MRC_CONTRACT_TEXT - used, "%s%s",
                                 mrc_contrast_name(c->contrasts[i]),
                                 left > 1    ? ", "
                                 : left == 1 ? " or "
                                             : "");
    }
}

void mrc_contract_print(char out[MRC_CONTRACT_TEXT], const struct mrc_contract *c,
                        enum mrc_contract_key key) {
    const int64_t sides[] = {c->sample.c, c->sample.d, c->sample.h, c->sample.w};
    out[0] = '\0';
    switch (key) {
    case MRC_CONTRACT_LIST:
        for (int i = 0; i < c->contrast_count; ++i) add(out, mrc_contrast_name(c->contrasts[i]));
        break;
    case MRC_CONTRACT_DIMS: add_whole(out, c->dims); break;
    case MRC_CONTRACT_SAMPLE:
        for (int i = 0; i < 4; ++i) add_whole(out, sides[i]);
        break;
    case MRC_CONTRACT_OUT: add_whole(out, c->out_channels); break;
    case MRC_CONTRACT_CHANNELS: add(out, channel_names[c->channels]); break;
    case MRC_CONTRACT_PIXEL: add_number(out, "", c->pixel_mm); break;
    case MRC_CONTRACT_PLANES:
        for (int p = 0; plane_names[p] != NULL; ++p)
            if ((c->planes & 1u << p) != 0) add(out, plane_names[p]);
        break;
    case MRC_CONTRACT_NORMALISE:
        if (c->stored) {
            add(out, "stored");
        } else {
            add_number(out, "", c->low_percentile);
            add_number(out, "", c->high_percentile);
        }
        break;
    case MRC_CONTRACT_ROOM: add_rooms(out, c); break;
    case MRC_CONTRACT_KEYS: break;
    }
}

/* --- From words --- */

enum { MOST_PARTS = 8, PART_TEXT = 40 };
/* The parts between commas. */
struct parts {
    char text[MOST_PARTS][PART_TEXT];
    int count; /* -1: too many, or one that is empty or too long */
};

static struct parts split(const char *text) {
    struct parts p = {.count = 0};
    for (;;) {
        size_t length = strcspn(text, ",");
        if (p.count == MOST_PARTS || length == 0 || length >= PART_TEXT) {
            p.count = -1;
            return p;
        }
        (void)snprintf(p.text[p.count++], PART_TEXT, "%.*s", (int)length, text);
        if (text[length] == '\0') return p;
        text += length + 1;
    }
}

static bool parse_whole(int64_t *out, const char *text) {
    return mrc_parse_i64(out, text, 0, LARGEST_SIDE) == MRC_OK;
}

/* A contrast that was among them before keeps its room. */
static bool parse_contrasts(struct mrc_contract *c, const struct parts *p) {
    const struct mrc_contract before = *c;
    for (int i = 0; i < p->count; ++i) {
        if (mrc_contrast_parse(&c->contrasts[i], p->text[i], NULL) != MRC_OK) return false;
        const int had = mrc_contract_index(&before, c->contrasts[i]);
        c->room[i] = had >= 0 ? before.room[had] : 1.0;
    }
    c->contrast_count = p->count;
    return true;
}

static bool parse_sample(struct mrc_contract *c, const struct parts *p) {
    int64_t *const sides[] = {&c->sample.c, &c->sample.d, &c->sample.h, &c->sample.w};
    bool good = p->count == 4;
    for (int i = 0; good && i < 4; ++i) good = parse_whole(sides[i], p->text[i]);
    c->sample.n = 1;
    return good;
}

static int find_name(const char *const *names, const char *text) {
    for (int i = 0; names[i] != NULL; ++i)
        if (strcmp(names[i], text) == 0) return i;
    return -1;
}

static bool parse_channels(struct mrc_contract *c, const char *text) {
    int kind = find_name(channel_names, text);
    if (kind >= 0) c->channels = (enum mrc_channels)kind;
    return kind >= 0;
}

static bool parse_planes(struct mrc_contract *c, const struct parts *p) {
    unsigned planes = 0;
    for (int i = 0; i < p->count; ++i) {
        int plane = find_name(plane_names, p->text[i]);
        if (plane < 0) return false;
        planes |= 1u << plane;
    }
    c->planes = planes;
    return true;
}

static bool parse_normalise(struct mrc_contract *c, const struct parts *p) {
    c->stored = p->count == 1 && strcmp(p->text[0], "stored") == 0;
    return c->stored ||
           (p->count == 2 && mrc_parse_f64(&c->low_percentile, p->text[0], 0.0, 100.0) == MRC_OK &&
            mrc_parse_f64(&c->high_percentile, p->text[1], 0.0, 100.0) == MRC_OK &&
            c->low_percentile < c->high_percentile);
}

/* "T2w=2.2" */
static bool parse_room(struct mrc_contract *c, const char *text) {
    enum mrc_contrast contrast;
    char name[PART_TEXT];
    size_t length = strcspn(text, "=");
    (void)snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (text[length] != '=' || mrc_contrast_parse(&contrast, name, NULL) != MRC_OK) return false;
    int index = mrc_contract_index(c, contrast);
    return index >= 0 &&
           mrc_parse_f64(&c->room[index], text + length + 1, 1.0, LARGEST_ROOM) == MRC_OK;
}

static bool parse_rooms(struct mrc_contract *c, const struct parts *p) {
    bool good = true;
    for (int i = 0; i < c->contrast_count; ++i) c->room[i] = 1.0;
    for (int i = 0; good && i < p->count; ++i) good = parse_room(c, p->text[i]);
    return good;
}

static bool parse_parts(struct mrc_contract *c, enum mrc_contract_key key, const struct parts *p) {
    const char *only = p->count == 1 ? p->text[0] : "";
    switch (key) {
    case MRC_CONTRACT_LIST: return parse_contrasts(c, p);
    case MRC_CONTRACT_DIMS: return parse_whole(&c->dims, only);
    case MRC_CONTRACT_SAMPLE: return parse_sample(c, p);
    case MRC_CONTRACT_OUT: return parse_whole(&c->out_channels, only);
    case MRC_CONTRACT_CHANNELS: return parse_channels(c, only);
    case MRC_CONTRACT_PIXEL:
        return mrc_parse_f64(&c->pixel_mm, only, 0.0, LARGEST_PIXEL_MM) == MRC_OK &&
               (c->pixel_mm == 0.0 || c->pixel_mm >= SMALLEST_PIXEL_MM);
    case MRC_CONTRACT_PLANES: return parse_planes(c, p);
    case MRC_CONTRACT_NORMALISE: return parse_normalise(c, p);
    case MRC_CONTRACT_ROOM: return parse_rooms(c, p);
    case MRC_CONTRACT_KEYS: break;
    }
    return false;
}

enum mrc_status mrc_contract_parse(struct mrc_contract *contract, enum mrc_contract_key key,
                                   const char *text, struct mrc_error *err) {
    static const char *const expected[MRC_CONTRACT_KEYS] = {
        [MRC_CONTRACT_LIST] = "names of contrasts such as T1w,T2w",
        [MRC_CONTRACT_DIMS] = "2 or 3",
        [MRC_CONTRACT_SAMPLE] = "channels, depth, height and width such as 1,1,64,64",
        [MRC_CONTRACT_OUT] = "a number of channels",
        [MRC_CONTRACT_CHANNELS] = "slice, neighbours, colours or contrasts",
        [MRC_CONTRACT_PIXEL] = "millimetres, 0 or 0.1 to 10",
        [MRC_CONTRACT_PLANES] = "some of axial,sagittal,coronal",
        [MRC_CONTRACT_NORMALISE] = "two percentiles such as 0.5,95, the lower one first, or stored",
        [MRC_CONTRACT_ROOM] = "contrasts of the model with 1 to 10, such as T1w=1.3,T2w=2.2"};
    struct mrc_contract changed = *contract;
    const struct parts parts = split(text);
    char plain[PART_TEXT];
    if (parts.count > 0 && parse_parts(&changed, key, &parts)) {
        *contract = changed;
        return MRC_OK;
    }
    mrc_text_plain(plain, sizeof plain, text);
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is \"%s\", expected %s", key_names[key], plain,
                    expected[key]);
}
