/* hash.c: SHA-256 from libcrypto behind five calls. */
#include "base/hash.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

struct mrc_hash {
    EVP_MD_CTX *context;
};

enum mrc_status mrc_hash_create(mrc_hash **out, struct mrc_error *err) {
    *out = NULL;
    mrc_hash *hash = mrc_alloc(1, sizeof *hash);
    if (hash == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a hash");
    hash->context = EVP_MD_CTX_new();
    if (hash->context == NULL || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
        mrc_hash_destroy(hash);
        return mrc_fail(err, MRC_ERR_NOMEM, "libcrypto gives no SHA-256");
    }
    *out = hash;
    return MRC_OK;
}

void mrc_hash_add(mrc_hash *hash, const void *data, size_t size) {
    int done = EVP_DigestUpdate(hash->context, data, size);
    MRC_ASSERT(done == 1);
    (void)done;
}

void mrc_hash_add_text(mrc_hash *hash, const char *text) {
    const char *bytes = text != NULL ? text : "";
    size_t size = strlen(bytes);
    unsigned char length[8];
    for (int i = 0; i < 8; ++i) length[i] = (unsigned char)((uint64_t)size >> (8 * i));
    mrc_hash_add(hash, length, sizeof length);
    mrc_hash_add(hash, bytes, size);
}

void mrc_hash_finish(mrc_hash *hash, uint8_t out[MRC_HASH_BYTES]) {
    unsigned int size = 0;
    int done = EVP_DigestFinal_ex(hash->context, out, &size);
    MRC_ASSERT(done == 1 && size == MRC_HASH_BYTES);
    (void)done;
}

void mrc_hash_destroy(mrc_hash *hash) {
    if (hash == NULL) return;
    EVP_MD_CTX_free(hash->context);
    mrc_free(hash);
}

enum mrc_status mrc_hash_keyed(uint8_t out[MRC_HASH_BYTES], const void *key, size_t key_bytes,
                               const void *data, size_t size, struct mrc_error *err) {
    unsigned int written = 0;
    MRC_ASSERT(key_bytes <= INT_MAX);
    if (HMAC(EVP_sha256(), key, (int)key_bytes, data, size, out, &written) == NULL ||
        written != MRC_HASH_BYTES)
        return mrc_fail(err, MRC_ERR_NOMEM, "libcrypto gives no HMAC");
    return MRC_OK;
}

void mrc_hash_print(char out[MRC_HASH_TEXT], const uint8_t digest[MRC_HASH_BYTES]) {
    for (int i = 0; i < MRC_HASH_BYTES; ++i) (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* Divides a big-endian number by ten in place and returns the remainder. */
static unsigned divide_by_ten(uint8_t number[16]) {
    unsigned remainder = 0;
    for (int i = 0; i < 16; ++i) {
        unsigned value = remainder * 256u + number[i];
        number[i] = (uint8_t)(value / 10u);
        remainder = value % 10u;
    }
    return remainder;
}

void mrc_hash_print_uid(char out[MRC_UID_TEXT], const uint8_t digest[MRC_HASH_BYTES]) {
    uint8_t number[16];
    memcpy(number, digest, sizeof number);
    number[6] = (uint8_t)((number[6] & 0x0f) | 0x80); /* version 8: custom */
    number[8] = (uint8_t)((number[8] & 0x3f) | 0x80); /* RFC 9562's variant */
    char reversed[40];
    int digits = 0;
    do {
        reversed[digits++] = (char)('0' + divide_by_ten(number));
        int left = 0;
        for (int i = 0; i < 16; ++i) left |= number[i];
        if (left == 0) break;
    } while (digits < 39);
    memcpy(out, "2.25.", 5);
    for (int i = 0; i < digits; ++i) out[5 + i] = reversed[digits - 1 - i];
    out[5 + digits] = '\0';
}

const char *mrc_hash_version(void) {
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
