/* pseudonym.c: the key file and the names made with it. */
#include "base/pseudonym.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"

enum { DIGITS = 2 * MRC_PSEUDONYM_KEY_BYTES };

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static bool parse(struct mrc_pseudonym_key *key, const char *text, size_t size) {
    if (size != DIGITS && !(size == DIGITS + 1 && text[DIGITS] == '\n')) return false;
    for (int i = 0; i < MRC_PSEUDONYM_KEY_BYTES; ++i) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        key->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static enum mrc_status read_key(struct mrc_pseudonym_key *key, int file, const char *path,
                                struct mrc_error *err) {
    char text[DIGITS + 8];
    struct stat facts;
    ssize_t size = read(file, text, sizeof text);
    if (size < 0 || fstat(file, &facts) != 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a key file", path, strerror(errno));
    if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: mode %04o, expected 0600: whoever reads the key can name the patients",
                        path, (unsigned)(facts.st_mode & 07777u));
    if (!parse(key, text, (size_t)size))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: no key, expected %d hexadecimal digits", path,
                        (int)DIGITS);
    return MRC_OK;
}

static enum mrc_status draw_key(struct mrc_pseudonym_key *key, struct mrc_error *err) {
    if (getrandom(key->bytes, sizeof key->bytes, 0) == (ssize_t)sizeof key->bytes) return MRC_OK;
    return mrc_fail(err, MRC_ERR_IO, "the system gives no random bytes for a key: %s",
                    strerror(errno));
}

static enum mrc_status make_key(struct mrc_pseudonym_key *key, const char *path,
                                struct mrc_error *err) {
    char text[DIGITS + 2];
    enum mrc_status status = draw_key(key, err);
    if (status != MRC_OK) return status;
    mrc_hash_print(text, key->bytes);
    text[DIGITS] = '\n';
    return mrc_write_private_file(path, text, DIGITS + 1, err);
}

enum mrc_status mrc_pseudonym_key_load(struct mrc_pseudonym_key *key, bool *created,
                                       const char *path, struct mrc_error *err) {
    *created = false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        *created = true;
        return make_key(key, path, err);
    }
    if (file < 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a key file", path, strerror(errno));
    enum mrc_status status = read_key(key, file, path, err);
    (void)close(file);
    return status;
}

enum mrc_status mrc_pseudonym_key_try(struct mrc_pseudonym_key *key, const char *path,
                                      struct mrc_error *err) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return draw_key(key, err);
    enum mrc_status status = read_key(key, file, path, err);
    (void)close(file);
    return status;
}

enum mrc_status mrc_pseudonym_digest(uint8_t out[MRC_HASH_BYTES],
                                     const struct mrc_pseudonym_key *key, const char *purpose,
                                     const void *data, size_t size, struct mrc_error *err) {
    size_t label = strlen(purpose) + 1;
    unsigned char *message = mrc_alloc(label + size, 1);
    if (message == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a pseudonym");
    memcpy(message, purpose, label);
    if (size > 0) memcpy(message + label, data, size);
    enum mrc_status status =
        mrc_hash_keyed(out, key->bytes, sizeof key->bytes, message, label + size, err);
    mrc_free(message);
    return status;
}

enum mrc_status mrc_pseudonym_name(char out[MRC_PSEUDONYM_TEXT],
                                   const struct mrc_pseudonym_key *key, const char *purpose,
                                   const char *text, struct mrc_error *err) {
    uint8_t digest[MRC_HASH_BYTES];
    char digits[MRC_HASH_TEXT];
    enum mrc_status status = mrc_pseudonym_digest(digest, key, purpose, text, strlen(text), err);
    out[0] = '\0';
    if (status != MRC_OK) return status;
    mrc_hash_print(digits, digest);
    (void)snprintf(out, MRC_PSEUDONYM_TEXT, "%.16s", digits);
    return MRC_OK;
}

enum mrc_status mrc_pseudonym_uid(char out[MRC_UID_TEXT], const struct mrc_pseudonym_key *key,
                                  const char *uid, struct mrc_error *err) {
    uint8_t digest[MRC_HASH_BYTES];
    enum mrc_status status = mrc_pseudonym_digest(digest, key, "uid", uid, strlen(uid), err);
    out[0] = '\0';
    if (status == MRC_OK) mrc_hash_print_uid(out, digest);
    return status;
}
