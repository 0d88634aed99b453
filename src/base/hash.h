/* hash.h: SHA-256 (OpenSSL's libcrypto), and DICOM UIDs made from it. */
#ifndef MRC_BASE_HASH_H
#define MRC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_HASH_BYTES = 32, MRC_HASH_TEXT = 65, MRC_UID_TEXT = 65 };

typedef struct mrc_hash mrc_hash;
MRC_STATUS mrc_hash_create(mrc_hash **out, struct mrc_error *err);
MRC_API void mrc_hash_add(mrc_hash *hash, const void *data, size_t size);
/** Adds the text and its length, so that ("ab","c") and ("a","bc") differ. NULL counts as "". */
MRC_API void mrc_hash_add_text(mrc_hash *hash, const char *text);
/** Gives the digest of all that was added; the hash can only be destroyed afterwards. */
MRC_API void mrc_hash_finish(mrc_hash *hash, uint8_t out[MRC_HASH_BYTES]);
MRC_API void mrc_hash_destroy(mrc_hash *hash);

/** HMAC-SHA-256 (RFC 2104) of `size` bytes under a key. */
MRC_STATUS mrc_hash_keyed(uint8_t out[MRC_HASH_BYTES], const void *key, size_t key_bytes,
                          const void *data, size_t size, struct mrc_error *err);

/** The digest as 64 hexadecimal digits. */
MRC_API void mrc_hash_print(char out[MRC_HASH_TEXT], const uint8_t digest[MRC_HASH_BYTES]);
/** "2.25." and the digest's first 128 bits as the decimal of a version-8 UUID (PS3.5 B.2, RFC
 * 9562): the same digest gives the same UID. At most 44 characters. */
MRC_API void mrc_hash_print_uid(char out[MRC_UID_TEXT], const uint8_t digest[MRC_HASH_BYTES]);

/** Of the library that computes it. */
const char *mrc_hash_version(void);

#ifdef __cplusplus
}
#endif
#endif
