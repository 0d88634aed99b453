/* pseudonym.h: names for patients, studies and images that nobody turns back without a key.
 * HMAC-SHA-256 (RFC 2104, FIPS 198-1) under 32 random bytes which the user keeps in a file: the
 * same key gives the same names, in every run and for images and sets alike. A plain hash would not
 * do: patient IDs and UIDs are few enough to try them all. */
#ifndef MRC_BASE_PSEUDONYM_H
#define MRC_BASE_PSEUDONYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_PSEUDONYM_KEY_BYTES = 32, MRC_PSEUDONYM_TEXT = 17 };

struct mrc_pseudonym_key {
    uint8_t bytes[MRC_PSEUDONYM_KEY_BYTES];
};

/** Reads the key file, 64 hexadecimal digits; where none is, one is made of the system's random
 * bytes, mode 0600, and *created is true. MRC_ERR_ARGUMENT when others than its owner may read it,
 * MRC_ERR_FORMAT when it is no key, MRC_ERR_WRITE when it cannot be made. */
MRC_STATUS mrc_pseudonym_key_load(struct mrc_pseudonym_key *key, bool *created, const char *path,
                                  struct mrc_error *err);
/** The key at `path`, or where there is none bytes that nobody keeps: for looking only. */
MRC_STATUS mrc_pseudonym_key_try(struct mrc_pseudonym_key *key, const char *path,
                                 struct mrc_error *err);

/** HMAC of `size` bytes under the key. `purpose` keeps uses apart: the same text as a patient's and
 * as a study's name has nothing in common. */
MRC_STATUS mrc_pseudonym_digest(uint8_t out[MRC_HASH_BYTES], const struct mrc_pseudonym_key *key,
                                const char *purpose, const void *data, size_t size,
                                struct mrc_error *err);
/** 16 hexadecimal digits for a text. */
MRC_STATUS mrc_pseudonym_name(char out[MRC_PSEUDONYM_TEXT], const struct mrc_pseudonym_key *key,
                              const char *purpose, const char *text, struct mrc_error *err);
/** A UID of the form 2.25.… for a UID: one and the same whatever it names, so that references hold.
 */
MRC_STATUS mrc_pseudonym_uid(char out[MRC_UID_TEXT], const struct mrc_pseudonym_key *key,
                             const char *uid, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
