/* walk.c: see walk.h. Elements are passed over in one loop; the ends of the open sequences and
 * items stand in an array. */
#include "io/dcmtk/walk.h"

#include <inttypes.h>
#include <string.h>

static const char implicit_le[] = "1.2.840.10008.1.2", explicit_le[] = "1.2.840.10008.1.2.1";
static const char jpip_deflated[] = "1.2.840.10008.1.2.4.95",
                  jpip_htj2k_deflated[] = "1.2.840.10008.1.2.4.205";
static const char deflated_le[] = "1.2.840.10008.1.2.1.99", explicit_be[] = "1.2.840.10008.1.2.2";

struct element {
    uint16_t group, number;
    char vr[3];      /* "" in implicit encoding and for items */
    uint64_t length; /* MRC_WALK_UNDEFINED for 0xFFFFFFFF */
    size_t value_at;
};

/* What the walk stands on: `size` bytes are there, the file has file_bytes. */
struct cursor {
    const uint8_t *bytes;
    size_t size;
    uint64_t file_bytes;
    const char *name;
    struct mrc_error *err;
};

enum step { STEP_OK, STEP_MORE, STEP_FAILED };

static uint16_t read_u16(const uint8_t *p, bool big) {
    return (uint16_t)(big ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

static uint32_t read_u32(const uint8_t *p, bool big) {
    uint32_t first = read_u16(p, big), second = read_u16(p + 2, big);
    return big ? first << 16 | second : second << 16 | first;
}

/* VRs of PS3.5 table 6.2-1; 'L': a 32-bit length after two reserved bytes (7.1.2). */
static char vr_kind(const uint8_t *vr) {
    static const char small[] = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US ";
    static const char large[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV ";
    for (size_t i = 0; i + 3 < sizeof small; i += 3)
        if (memcmp(small + i, vr, 2) == 0) return 'S';
    for (size_t i = 0; i + 3 < sizeof large; i += 3)
        if (memcmp(large + i, vr, 2) == 0) return 'L';
    return '\0';
}

static enum step fail_truncated(const struct cursor *c, size_t at) {
    (void)mrc_fail(c->err, MRC_ERR_FORMAT,
                   "%s: truncated: the file ends at byte %" PRIu64
                   " inside the element at byte %zu",
                   c->name, c->file_bytes, at);
    return STEP_FAILED;
}

/* Not all of `count` bytes from `at` are in hand: read on, or the file is cut. */
static enum step lacking(const struct cursor *c, size_t at) {
    return c->size < c->file_bytes ? STEP_MORE : fail_truncated(c, at);
}

static bool has(const struct cursor *c, size_t at, size_t count) {
    return at <= c->size && count <= c->size - at;
}

/* Reads tag, VR and length at `at`. */
static enum step read_element(struct element *out, const struct cursor *c, size_t at,
                              enum mrc_walk_encoding encoding) {
    bool big = encoding == MRC_WALK_EXPLICIT_BE;
    if (!has(c, at, 8)) return lacking(c, at);
    const uint8_t *p = c->bytes + at;
    *out = (struct element){.group = read_u16(p, big), .number = read_u16(p + 2, big)};
    size_t head = 8;
    uint32_t length;
    if (encoding == MRC_WALK_IMPLICIT_LE || out->group == 0xFFFE) {
        length = read_u32(p + 4, big);
    } else {
        char kind = vr_kind(p + 4);
        if (kind == '\0') {
            (void)mrc_fail(c->err, MRC_ERR_FORMAT,
                           "%s: element (%04x,%04x) at byte %zu has the value representation "
                           "0x%02x%02x, expected one of PS3.5",
                           c->name, (unsigned)out->group, (unsigned)out->number, at, (unsigned)p[4],
                           (unsigned)p[5]);
            return STEP_FAILED;
        }
        memcpy(out->vr, p + 4, 2);
        head = kind == 'L' ? 12 : 8;
        if (!has(c, at, head)) return lacking(c, at);
        length = kind == 'L' ? read_u32(p + 8, big) : read_u16(p + 6, big);
    }
    out->length = length == UINT32_MAX ? MRC_WALK_UNDEFINED : length; /* 16 bits never reach it */
    out->value_at = at + head;
    return STEP_OK;
}

/* --- preamble and group 2 --- */

static bool looks_like_element(const uint8_t *p, bool big) {
    return read_u16(p, big) == 0x0008 && read_u16(p + 2, big) <= 0x0100 && vr_kind(p + 4) != '\0';
}

static bool looks_implicit(const uint8_t *p) {
    return read_u16(p, false) == 0x0008 && read_u16(p + 2, false) <= 0x0100 &&
           read_u32(p + 4, false) <= 1024;
}

bool mrc_walk_probe(const uint8_t *bytes, size_t size) {
    if (size >= 132 && memcmp(bytes + 128, "DICM", 4) == 0) return true;
    if (size < 64) return false;
    if (memcmp(bytes, "\2\0\0\0UL\4\0", 8) == 0) return true;
    return looks_like_element(bytes, false) || looks_like_element(bytes, true) ||
           looks_implicit(bytes);
}

static bool is_encapsulated(const char *uid) {
    return strcmp(uid, implicit_le) != 0 && strcmp(uid, explicit_le) != 0 &&
           strcmp(uid, explicit_be) != 0 && strcmp(uid, deflated_le) != 0;
}

static void set_syntax(struct mrc_walk *out, const char *uid) {
    (void)strncpy(out->transfer_syntax, uid, sizeof out->transfer_syntax - 1);
    out->encoding = strcmp(uid, implicit_le) == 0   ? MRC_WALK_IMPLICIT_LE
                    : strcmp(uid, explicit_be) == 0 ? MRC_WALK_EXPLICIT_BE
                                                    : MRC_WALK_EXPLICIT_LE;
    out->deflated = strcmp(uid, deflated_le) == 0 || strcmp(uid, jpip_deflated) == 0 ||
                    strcmp(uid, jpip_htj2k_deflated) == 0;
    out->encapsulated = is_encapsulated(uid);
}

static void guess_syntax(struct mrc_walk *out, const uint8_t *p) {
    set_syntax(out, looks_like_element(p, false)  ? explicit_le
                    : looks_like_element(p, true) ? explicit_be
                                                  : implicit_le);
}

/* Group 2 is always explicit little endian, and ends where another group begins: its own length is
 * often wrong. */
static enum step walk_group2(struct mrc_walk *out, const struct cursor *c, size_t at) {
    char uid[MRC_WALK_UID_TEXT] = "";
    for (;;) {
        if (!has(c, at, 2)) {
            enum step step = lacking(c, at);
            if (step == STEP_MORE || at != c->file_bytes) return step;
            return step;
        }
        if (read_u16(c->bytes + at, false) != 0x0002) break;
        struct element e;
        enum step step = read_element(&e, c, at, MRC_WALK_EXPLICIT_LE);
        if (step != STEP_OK) return step;
        if (e.length > c->file_bytes || !has(c, e.value_at, (size_t)e.length))
            return e.length > c->file_bytes ? fail_truncated(c, at) : lacking(c, at);
        if (e.number == 0x0010 && e.length < sizeof uid) {
            memcpy(uid, c->bytes + e.value_at, (size_t)e.length);
            uid[e.length] = '\0';
            size_t end = strlen(uid);
            while (end > 0 && uid[end - 1] == ' ') uid[--end] = '\0';
        }
        at = e.value_at + (size_t)e.length;
    }
    out->dataset_at = at;
    if (uid[0] != '\0') {
        set_syntax(out, uid);
        if (out->deflated && has(c, at, 8) &&
            (looks_like_element(c->bytes + at, false) || looks_implicit(c->bytes + at))) {
            (void)mrc_fail(c->err, MRC_ERR_FORMAT,
                           "%s: TransferSyntaxUID (0002,0010) says deflated, but the data set is "
                           "not",
                           c->name);
            return STEP_FAILED;
        }
    } else {
        if (!has(c, at, 8)) return lacking(c, at);
        guess_syntax(out, c->bytes + at);
    }
    return STEP_OK;
}

static enum mrc_status finish_step(enum step step, bool *more, const struct cursor *c,
                                   struct mrc_error *local) {
    *more = step == STEP_MORE;
    if (step != STEP_FAILED) return MRC_OK;
    return mrc_fail(c->err, local->code, "%s", local->text);
}

enum mrc_status mrc_walk_meta(struct mrc_walk *out, bool *more, const uint8_t *bytes, size_t size,
                              uint64_t file_bytes, const char *name, struct mrc_error *err) {
    *out = (struct mrc_walk){0};
    *more = false;
    struct cursor c = {bytes, size, file_bytes, name, err};
    if (size < 132 && size < file_bytes) {
        *more = true;
        return MRC_OK;
    }
    if (!mrc_walk_probe(bytes, size))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: not a DICOM file, expected DICM at byte 128",
                        name);
    bool preamble = size >= 132 && memcmp(bytes + 128, "DICM", 4) == 0;
    struct mrc_error local = {0};
    c.err = &local;
    enum step step = walk_group2(out, &c, preamble ? 132 : 0);
    c.err = err;
    return finish_step(step, more, &c, &local);
}

/* --- data set --- */

/* An open sequence, item, or run of pixel fragments inside an item. */
struct level {
    uint64_t end;                    /* MRC_WALK_UNDEFINED: a delimiter ends it */
    enum mrc_walk_encoding encoding; /* of what lies inside */
    bool guess;                      /* implicit and of known length: may be no sequence at all */
    bool fragments;                  /* items are opaque */
};

struct walker {
    struct cursor c;
    struct level levels[MRC_WALK_MAX_DEPTH * 2 + 1]; /* a sequence and its item are two */
    size_t depth;
    size_t at, elements;
};

static enum step push(struct walker *w, uint64_t end, enum mrc_walk_encoding encoding, bool guess,
                      bool fragments) {
    if (w->depth + 1 >= sizeof w->levels / sizeof *w->levels) {
        (void)mrc_fail(w->c.err, MRC_ERR_RANGE,
                       "%s: sequences are nested more than %d deep at byte %zu", w->c.name,
                       (int)MRC_WALK_MAX_DEPTH, w->at);
        return STEP_FAILED;
    }
    w->levels[++w->depth] = (struct level){end, encoding, guess, fragments};
    return STEP_OK;
}

/* Leaves every level that ends at or before the place reached. */
static void leave_finished(struct walker *w) {
    while (w->depth > 0 && w->levels[w->depth].end != MRC_WALK_UNDEFINED &&
           w->at >= w->levels[w->depth].end)
        --w->depth;
}

/* The nearest known end around the place reached. */
static uint64_t limit(const struct walker *w) {
    for (size_t level = w->depth; level > 0; --level)
        if (w->levels[level].end != MRC_WALK_UNDEFINED) return w->levels[level].end;
    return w->c.file_bytes;
}

/* The structure inside a level broke. If some enclosing level was only a guess, it was no sequence:
 * pass over it. */
static enum step broken(struct walker *w, const char *what) {
    size_t level = w->depth;
    while (level > 0 && !w->levels[level].guess) --level;
    if (level > 0) {
        w->at = (size_t)w->levels[level].end;
        w->depth = level - 1;
        return STEP_OK;
    }
    (void)mrc_fail(w->c.err, MRC_ERR_FORMAT, "%s: %s at byte %zu", w->c.name, what, w->at);
    return STEP_FAILED;
}

/* `end` lies beyond the limit. */
static enum step overrun(struct walker *w) {
    if (limit(w) == w->c.file_bytes && !w->levels[w->depth].guess)
        return fail_truncated(&w->c, w->at);
    return broken(w, "an element is longer than the sequence around it");
}

/* A delimiter closes the innermost level, which must be open-ended. */
static enum step close_level(struct walker *w, const struct element *e) {
    if (w->depth == 0 || w->levels[w->depth].end != MRC_WALK_UNDEFINED || e->length != 0)
        return broken(w, "a sequence delimiter stands outside a sequence");
    w->at = e->value_at;
    --w->depth;
    return STEP_OK;
}

static enum step skip_value(struct walker *w, const struct element *e) {
    if (e->length > limit(w) - e->value_at) return overrun(w);
    uint64_t end = e->value_at + e->length;
    if (end > w->c.size) return STEP_MORE;
    w->at = (size_t)end;
    return STEP_OK;
}

static enum step open_item(struct walker *w, const struct element *e) {
    struct level *level = &w->levels[w->depth];
    if (w->depth == 0) return broken(w, "an item stands outside a sequence");
    if (level->fragments && e->length != MRC_WALK_UNDEFINED) return skip_value(w, e);
    if (e->length != MRC_WALK_UNDEFINED && e->length > limit(w) - e->value_at) return overrun(w);
    w->at = e->value_at;
    return push(w, e->length == MRC_WALK_UNDEFINED ? MRC_WALK_UNDEFINED : e->value_at + e->length,
                level->encoding, false, false);
}

static bool begins_with_item(const struct cursor *c, size_t at, bool big) {
    return has(c, at, 4) && read_u16(c->bytes + at, big) == 0xFFFE &&
           read_u16(c->bytes + at + 2, big) == 0xE000;
}

/* Enters sequences; passes over everything else. */
static enum step open_element(struct walker *w, const struct element *e,
                              enum mrc_walk_encoding encoding) {
    bool implicit = encoding == MRC_WALK_IMPLICIT_LE;
    bool sequence = strcmp(e->vr, "SQ") == 0;
    bool unknown = strcmp(e->vr, "UN") == 0;
    if (e->length == MRC_WALK_UNDEFINED) {
        bool pixels = e->group == 0x7FE0 && e->number == 0x0010;
        bool fragments = !sequence && !unknown && (!implicit || pixels);
        w->at = e->value_at;
        return push(w, MRC_WALK_UNDEFINED, unknown ? MRC_WALK_IMPLICIT_LE : encoding, false,
                    fragments);
    }
    bool guess = implicit && e->length >= 8;
    if (!sequence && !guess) return skip_value(w, e);
    if (e->length > limit(w) - e->value_at) return overrun(w);
    if (e->value_at + e->length > w->c.size) return STEP_MORE;
    if (guess && !begins_with_item(&w->c, e->value_at, false)) return skip_value(w, e);
    w->at = e->value_at;
    return push(w, e->value_at + e->length, encoding, guess, false);
}

static bool is_pixels(const struct element *e) {
    return e->group == 0x7FE0 &&
           (e->number == 0x0008 || e->number == 0x0009 || e->number == 0x0010);
}

static bool is_beyond(const struct element *e, uint32_t until) {
    return until != 0 && ((uint32_t)e->group << 16 | e->number) > until;
}

/* *done: the walk has come to the pixels, or as far as was asked. */
static enum step walk_one(struct walker *w, struct mrc_walk *out, bool *done) {
    enum mrc_walk_encoding encoding = w->levels[w->depth].encoding;
    struct element e;
    if (limit(w) - w->at < 8 && limit(w) < w->c.file_bytes)
        return broken(w, "a sequence ends inside an element");
    enum step step = read_element(&e, &w->c, w->at, encoding);
    if (step != STEP_OK) return step;
    if (e.value_at > limit(w)) return overrun(w);
    out->has_unknown = out->has_unknown || strcmp(e.vr, "UN") == 0;
    if (++w->elements > MRC_WALK_MAX_ELEMENTS) {
        (void)mrc_fail(w->c.err, MRC_ERR_RANGE, "%s: more than %d elements", w->c.name,
                       (int)MRC_WALK_MAX_ELEMENTS);
        return STEP_FAILED;
    }
    if (e.group == 0xFFFE && e.number == 0xE000) return open_item(w, &e);
    if (e.group == 0xFFFE && (e.number == 0xE00D || e.number == 0xE0DD)) return close_level(w, &e);
    if (w->depth == 0 && is_beyond(&e, out->until)) {
        *done = true;
    } else if (w->depth == 0 && is_pixels(&e)) {
        *done = true;
        out->has_pixels = true;
        out->pixel_element = e.number;
        out->pixels_are_bytes = strcmp(e.vr, "OB") == 0;
        out->pixels_at = e.value_at;
        out->pixels_bytes = e.length;
    } else {
        return open_element(w, &e, encoding);
    }
    return STEP_OK;
}

/* Archives rewrite group 2 and leave the rest, or the other way round: the first element shows. */
static enum mrc_status check_syntax(const struct mrc_walk *walk, const struct cursor *c) {
    static const char *const words[] = {[MRC_WALK_IMPLICIT_LE] = "implicit little endian",
                                        [MRC_WALK_EXPLICIT_LE] = "explicit little endian",
                                        [MRC_WALK_EXPLICIT_BE] = "explicit big endian"};
    const uint8_t *p = c->bytes + walk->dataset_at;
    if (!has(c, walk->dataset_at, 8)) return MRC_OK;
    const bool looks[] = {[MRC_WALK_IMPLICIT_LE] = looks_implicit(p),
                          [MRC_WALK_EXPLICIT_LE] = looks_like_element(p, false),
                          [MRC_WALK_EXPLICIT_BE] = looks_like_element(p, true)};
    for (int found = 0; !looks[walk->encoding] && found < 3; ++found)
        if (looks[found])
            return mrc_fail(c->err, MRC_ERR_FORMAT,
                            "%s: TransferSyntaxUID (0002,0010) says %s, but the data set is %s",
                            c->name, words[walk->encoding], words[found]);
    return MRC_OK;
}

enum mrc_status mrc_walk_dataset(struct mrc_walk *out, bool *more, const uint8_t *bytes,
                                 size_t size, uint64_t file_bytes, const char *name,
                                 struct mrc_error *err) {
    struct mrc_error local = {0};
    struct walker w = {.c = {bytes, size, file_bytes, name, &local}, .at = out->dataset_at};
    w.levels[0] = (struct level){.end = MRC_WALK_UNDEFINED, .encoding = out->encoding};
    out->has_pixels = out->has_unknown = false;
    bool done = false;
    const enum mrc_status st =
        check_syntax(out, &(struct cursor){bytes, size, file_bytes, name, err});
    if (st != MRC_OK) return st;
    enum step step = STEP_OK;
    while (step == STEP_OK && !done) {
        leave_finished(&w);
        if (w.depth == 0) out->header_end = w.at;
        if (w.at >= file_bytes) {
            if (w.depth > 0) step = fail_truncated(&w.c, w.at);
            break;
        }
        step = walk_one(&w, out, &done);
    }
    return finish_step(step, more, &(struct cursor){bytes, size, file_bytes, name, err}, &local);
}
