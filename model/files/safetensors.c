/* safetensors.c: reads and writes the container of checkpoints. A file is input from strangers:
 * nothing of the header is used before it is checked against the file's size. */
#include "model/files/safetensors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are stored little-endian and copied as they are"
#endif

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000, DATA_ALIGNMENT = 8, PLAIN_NAME = 64 };
static const uint64_t LARGEST_FILE = (uint64_t)1
                                     << 53; /* offsets are JSON numbers: exact as doubles */
static const char METADATA[] = "__metadata__";

struct mrc_safetensors {
    char *file;   /* for messages */
    FILE *stream; /* NULL when only parsed */
    uint64_t data_at, data_bytes;
    struct mrc_tensor *tensors;
    size_t count;
    cJSON *header;
    const cJSON *metadata; /* inside header, or NULL */
};

/* --- Tensors --- */

static const struct {
    const char *name;
    size_t bytes;
} types[] = {[MRC_TENSOR_F32] = {"F32", 4}, [MRC_TENSOR_F16] = {"F16", 2}};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

const char *mrc_tensor_type_name(enum mrc_tensor_type type) {
    return types[type].name;
}

size_t mrc_tensor_count(const struct mrc_tensor *tensor) {
    size_t count = 1;
    for (int i = 0; i < tensor->rank; ++i) count *= (size_t)tensor->shape[i];
    return count;
}

size_t mrc_tensor_bytes(const struct mrc_tensor *tensor) {
    return mrc_tensor_count(tensor) * types[tensor->type].bytes;
}

uint16_t mrc_half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u); /* NaN */
    if (magnitude >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u);              /* rounds beyond 65504, or infinite */
    if (magnitude < 0x33000000u) return (uint16_t)sign; /* below half of the least subnormal */
    uint32_t exponent = magnitude >> 23, fraction = (magnitude & 0x7fffffu) | 0x800000u;
    uint32_t shift = exponent < 113 ? 126 - exponent : 13; /* subnormal halves lose more bits */
    uint32_t half = fraction >> shift;
    uint32_t rest = fraction & ((1u << shift) - 1u), middle = 1u << (shift - 1u);
    if (exponent >= 113) half += (exponent - 113u) << 10; /* the hidden bit adds the missing one */
    if (rest > middle || (rest == middle && (half & 1u) != 0)) ++half;
    return (uint16_t)(sign | half);
}

float mrc_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 0x1fu,
             fraction = half & 0x3ffu;
    if (exponent == 0) {
        float value = ldexpf((float)fraction, -24);
        return sign != 0 ? -value : value;
    }
    uint32_t bits =
        sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void mrc_tensor_encode(unsigned char *bytes, const float *values, size_t count,
                       enum mrc_tensor_type type) {
    if (type == MRC_TENSOR_F32) {
        memcpy(bytes, values, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        uint16_t half = mrc_half_from_float(values[i]);
        memcpy(bytes + i * sizeof(half), &half, sizeof(half));
    }
}

void mrc_tensor_decode(float *values, const unsigned char *bytes, size_t count,
                       enum mrc_tensor_type type) {
    if (type == MRC_TENSOR_F32) {
        memcpy(values, bytes, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        uint16_t half;
        memcpy(&half, bytes + i * sizeof(half), sizeof(half));
        values[i] = mrc_half_to_float(half);
    }
}

/* --- Parsing --- */

static enum mrc_status broken_tensor(const mrc_safetensors *file, const char *name,
                                     const char *what, struct mrc_error *err) {
    char plain[PLAIN_NAME];
    mrc_text_plain(plain, sizeof(plain), name);
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: tensor %s %s", file->file, plain, what);
}

/* A JSON number that is a whole number from 0 to `limit`; limit is at most 2^53. */
static bool get_whole(uint64_t *out, const cJSON *item, uint64_t limit) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0) || item->valuedouble > (double)limit)
        return false;
    uint64_t value = (uint64_t)item->valuedouble;
    if ((double)value != item->valuedouble) return false;
    *out = value;
    return true;
}

static enum mrc_status parse_type(struct mrc_tensor *tensor, const cJSON *item,
                                  const mrc_safetensors *file, struct mrc_error *err) {
    if (!cJSON_IsString(item)) return broken_tensor(file, tensor->name, "has no dtype", err);
    for (int i = 0; i < TYPES; ++i) {
        if (strcmp(item->valuestring, types[i].name) != 0) continue;
        tensor->type = (enum mrc_tensor_type)i;
        return MRC_OK;
    }
    char name[PLAIN_NAME], type[16];
    mrc_text_plain(name, sizeof(name), tensor->name);
    mrc_text_plain(type, sizeof(type), item->valuestring);
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: tensor %s has dtype %s, expected F32 or F16",
                    file->file, name, type);
}

/* The product of the sides stays within the file, so nothing later can overflow. */
static enum mrc_status parse_shape(struct mrc_tensor *tensor, const cJSON *item,
                                   const mrc_safetensors *file, struct mrc_error *err) {
    if (!cJSON_IsArray(item)) return broken_tensor(file, tensor->name, "has no shape", err);
    uint64_t count = 1;
    bool fits = true, is_empty = false;
    for (const cJSON *side = item->child; side != NULL; side = side->next) {
        uint64_t value = 0;
        if (tensor->rank == MRC_TENSOR_RANK)
            return broken_tensor(file, tensor->name, "has more than 8 dimensions", err);
        fits = get_whole(&value, side, LARGEST_FILE) && fits;
        if (value == 0)
            is_empty = true;
        else if (count > file->data_bytes / value)
            count = file->data_bytes + 1;
        else
            count *= value;
        tensor->shape[tensor->rank++] = (int64_t)value;
    }
    if (!fits || (!is_empty && count > file->data_bytes))
        return broken_tensor(file, tensor->name, "has a shape that does not fit the file", err);
    return MRC_OK;
}

static enum mrc_status parse_place(struct mrc_tensor *tensor, const cJSON *item,
                                   const mrc_safetensors *file, struct mrc_error *err) {
    uint64_t begin = 0, end = 0;
    bool whole = cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2 &&
                 get_whole(&begin, item->child, file->data_bytes) &&
                 get_whole(&end, item->child->next, file->data_bytes) && begin <= end;
    if (!whole) return broken_tensor(file, tensor->name, "has data_offsets outside the file", err);
    if (end - begin != mrc_tensor_bytes(tensor))
        return broken_tensor(file, tensor->name, "has data_offsets that do not match its shape",
                             err);
    tensor->begin = begin;
    return MRC_OK;
}

static enum mrc_status parse_tensor(mrc_safetensors *file, const cJSON *item,
                                    struct mrc_error *err) {
    struct mrc_tensor *tensor = &file->tensors[file->count];
    if (!cJSON_IsObject(item))
        return broken_tensor(file, item->string, "is not described by an object", err);
    if (item->string[0] == '\0' || strlen(item->string) >= sizeof(tensor->name))
        return broken_tensor(file, item->string, "has a name that is empty or longer than 95 bytes",
                             err);
    (void)snprintf(tensor->name, sizeof(tensor->name), "%s", item->string);
    enum mrc_status st =
        parse_type(tensor, cJSON_GetObjectItemCaseSensitive(item, "dtype"), file, err);
    if (st == MRC_OK)
        st = parse_shape(tensor, cJSON_GetObjectItemCaseSensitive(item, "shape"), file, err);
    if (st == MRC_OK)
        st = parse_place(tensor, cJSON_GetObjectItemCaseSensitive(item, "data_offsets"), file, err);
    if (st == MRC_OK) ++file->count;
    return st;
}

static enum mrc_status parse_metadata(mrc_safetensors *file, const cJSON *item,
                                      struct mrc_error *err) {
    if (!cJSON_IsObject(item) || file->metadata != NULL)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: __metadata__ is not one object, expected a map of strings",
                        file->file);
    for (const cJSON *pair = item->child; pair != NULL; pair = pair->next)
        if (!cJSON_IsString(pair))
            return mrc_fail(err, MRC_ERR_FORMAT,
                            "%s: __metadata__ holds a value that is not a string", file->file);
    file->metadata = item;
    return MRC_OK;
}

static int by_place(const void *a, const void *b) {
    const struct mrc_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    size_t x_bytes = mrc_tensor_bytes(x), y_bytes = mrc_tensor_bytes(y);
    return (x_bytes > y_bytes) - (x_bytes < y_bytes);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct mrc_tensor *)a)->name, ((const struct mrc_tensor *)b)->name);
}

/* The tensors must cover the data from end to end, and no two may have one name. Leaves them sorted
 * by name. */
static enum mrc_status check_tensors(mrc_safetensors *file, struct mrc_error *err) {
    uint64_t end = 0;
    if (file->count > 1) qsort(file->tensors, file->count, sizeof(*file->tensors), by_place);
    for (size_t i = 0; i < file->count; ++i) {
        if (file->tensors[i].begin != end)
            return broken_tensor(file, file->tensors[i].name,
                                 "overlaps the one before it or leaves a gap", err);
        end += mrc_tensor_bytes(&file->tensors[i]);
    }
    if (end != file->data_bytes)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: tensors take %" PRIu64 " bytes, the file holds %" PRIu64, file->file,
                        end, file->data_bytes);
    if (file->count > 1) qsort(file->tensors, file->count, sizeof(*file->tensors), by_name);
    for (size_t i = 1; i < file->count; ++i)
        if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
            return broken_tensor(file, file->tensors[i].name, "is there twice", err);
    return MRC_OK;
}

static enum mrc_status parse_header(mrc_safetensors *file, const char *text, size_t size,
                                    struct mrc_error *err) {
    const char *end = NULL;
    bool exhausted = false;
    file->header = mrc_json_parse(text, size, &end, &exhausted);
    if (exhausted) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", file->file);
    bool whole = cJSON_IsObject(file->header) && end != NULL;
    for (; whole && end < text + size; ++end)
        whole = strchr(" \t\r\n", *end) != NULL && *end != '\0';
    if (!whole)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: header is not one JSON object", file->file);

    size_t items = (size_t)cJSON_GetArraySize(file->header);
    file->tensors = mrc_alloc(items, sizeof(*file->tensors));
    if (file->tensors == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for %zu tensors", file->file, items);
    enum mrc_status st = MRC_OK;
    for (const cJSON *item = file->header->child; st == MRC_OK && item != NULL; item = item->next)
        st = strcmp(item->string, METADATA) == 0 ? parse_metadata(file, item, err)
                                                 : parse_tensor(file, item, err);
    return st == MRC_OK ? check_tensors(file, err) : st;
}

/* Length of the header from the first 8 bytes, checked against limit and file. */
static enum mrc_status header_length(uint64_t *out, const unsigned char *bytes, size_t size,
                                     uint64_t file_bytes, const char *file, struct mrc_error *err) {
    if (size < LENGTH_BYTES || file_bytes < LENGTH_BYTES)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: file of %" PRIu64 " bytes, expected a safetensors file of 8 or more",
                        file, file_bytes);
    if (file_bytes > LARGEST_FILE)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: file of %" PRIu64 " bytes is too large", file,
                        file_bytes);
    uint64_t length;
    memcpy(&length, bytes, LENGTH_BYTES);
    if (length > file_bytes - LENGTH_BYTES)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: not a safetensors file, or cut short: header of %" PRIu64
                        " bytes in a file of %" PRIu64,
                        file, length, file_bytes);
    if (length > HEADER_LIMIT)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: header of %" PRIu64 " bytes, at most %d are read",
                        file, length, HEADER_LIMIT);
    *out = length;
    return MRC_OK;
}

enum mrc_status mrc_safetensors_parse(mrc_safetensors **out, const unsigned char *bytes,
                                      size_t size, uint64_t file_bytes, const char *file_name,
                                      struct mrc_error *err) {
    uint64_t length = 0;
    enum mrc_status st = header_length(&length, bytes, size, file_bytes, file_name, err);
    if (st != MRC_OK) return st;
    if (length > size - LENGTH_BYTES)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: header of %" PRIu64 " bytes is cut short",
                        file_name, length);
    mrc_safetensors *file = mrc_alloc(1, sizeof(*file));
    if (file != NULL) file->file = mrc_strdup(file_name);
    if (file == NULL || file->file == NULL) {
        mrc_safetensors_close(file);
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", file_name);
    }
    file->data_at = LENGTH_BYTES + length;
    file->data_bytes = file_bytes - file->data_at;
    st = parse_header(file, (const char *)bytes + LENGTH_BYTES, (size_t)length, err);
    if (st != MRC_OK) {
        mrc_safetensors_close(file);
        return st;
    }
    *out = file;
    return MRC_OK;
}

/* --- Files --- */

static enum mrc_status cannot_read(const char *path, struct mrc_error *err) {
    int code = errno;
    return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a readable file", path,
                    code != 0 ? strerror(code) : "ends early");
}

/* The first 8 bytes and the header they announce. *bytes is the caller's. */
static enum mrc_status read_header(unsigned char **bytes, size_t *size, uint64_t *file_bytes,
                                   FILE *stream, const char *path, struct mrc_error *err) {
    unsigned char start[LENGTH_BYTES];
    off_t end = -1;
    errno = 0;
    if (fseeko(stream, 0, SEEK_END) != 0 || (end = ftello(stream)) < 0 ||
        fseeko(stream, 0, SEEK_SET) != 0)
        return cannot_read(path, err);
    *file_bytes = (uint64_t)end;
    size_t got = fread(start, 1, sizeof(start), stream);
    if (got < sizeof(start) && ferror(stream)) return cannot_read(path, err);
    uint64_t length = 0;
    enum mrc_status st = header_length(&length, start, got, *file_bytes, path, err);
    if (st != MRC_OK) return st;
    *size = (size_t)length + LENGTH_BYTES;
    *bytes = mrc_alloc(*size, 1);
    if (*bytes == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a header of %zu bytes", path,
                        *size);
    memcpy(*bytes, start, LENGTH_BYTES);
    if (fread(*bytes + LENGTH_BYTES, 1, (size_t)length, stream) != length)
        return cannot_read(path, err);
    return MRC_OK;
}

enum mrc_status mrc_safetensors_open(mrc_safetensors **out, const char *path,
                                     struct mrc_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    uint64_t file_bytes = 0;
    if (mrc_path_is_dir(path))
        return mrc_fail(err, MRC_ERR_IO, "%s: is a folder, expected a safetensors file", path);
    errno = 0;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return cannot_read(path, err);
    enum mrc_status st = read_header(&bytes, &size, &file_bytes, stream, path, err);
    if (st == MRC_OK) st = mrc_safetensors_parse(out, bytes, size, file_bytes, path, err);
    mrc_free(bytes);
    if (st == MRC_OK)
        (*out)->stream = stream;
    else
        (void)fclose(stream);
    return st;
}

void mrc_safetensors_close(mrc_safetensors *file) {
    if (file == NULL) return;
    if (file->stream != NULL) (void)fclose(file->stream);
    cJSON_Delete(file->header);
    mrc_free(file->tensors);
    mrc_free(file->file);
    mrc_free(file);
}

size_t mrc_safetensors_count(const mrc_safetensors *file) {
    return file->count;
}

const struct mrc_tensor *mrc_safetensors_tensor(const mrc_safetensors *file, size_t index) {
    MRC_ASSERT(index < file->count);
    return &file->tensors[index];
}

const struct mrc_tensor *mrc_safetensors_find(const mrc_safetensors *file, const char *name) {
    struct mrc_tensor wanted = {.rank = 0};
    if (strlen(name) >= sizeof(wanted.name) || file->count == 0) return NULL;
    (void)snprintf(wanted.name, sizeof(wanted.name), "%s", name);
    return bsearch(&wanted, file->tensors, file->count, sizeof(wanted), by_name);
}

const char *mrc_safetensors_metadata(const mrc_safetensors *file, const char *key) {
    if (file->metadata == NULL) return NULL;
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file->metadata, key));
}

enum mrc_status mrc_safetensors_read(mrc_safetensors *file, const struct mrc_tensor *tensor,
                                     unsigned char *bytes, struct mrc_error *err) {
    MRC_ASSERT(file->stream != NULL);
    size_t size = mrc_tensor_bytes(tensor);
    errno = 0;
    if (fseeko(file->stream, (off_t)(file->data_at + tensor->begin), SEEK_SET) != 0 ||
        fread(bytes, 1, size, file->stream) != size)
        return cannot_read(file->file, err);
    return MRC_OK;
}

/* --- Writing --- */

static bool add_number(cJSON *array, double value) {
    cJSON *item = cJSON_CreateNumber(value);
    if (item == NULL || array == NULL || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        return false;
    }
    return true;
}

static bool add_tensor(cJSON *header, const struct mrc_tensor *tensor) {
    cJSON *item = cJSON_AddObjectToObject(header, tensor->name);
    bool good = cJSON_AddStringToObject(item, "dtype", mrc_tensor_type_name(tensor->type)) != NULL;
    cJSON *shape = cJSON_AddArrayToObject(item, "shape");
    for (int i = 0; i < tensor->rank; ++i)
        good = add_number(shape, (double)tensor->shape[i]) && good;
    cJSON *place = cJSON_AddArrayToObject(item, "data_offsets");
    good = add_number(place, (double)tensor->begin) && good;
    return add_number(place, (double)(tensor->begin + mrc_tensor_bytes(tensor))) && good &&
           shape != NULL;
}

/* The header's text on cJSON's heap, or NULL when memory is exhausted. */
static char *print_header(const struct mrc_safetensors_content *content) {
    cJSON *header = mrc_json_begin();
    cJSON *metadata = cJSON_AddObjectToObject(header, METADATA);
    bool good = metadata != NULL;
    for (size_t i = 0; i < content->metadata_count; ++i)
        good = good && cJSON_AddStringToObject(metadata, content->metadata[i].key,
                                               content->metadata[i].value) != NULL;
    for (size_t i = 0; good && i < content->tensor_count; ++i)
        good = add_tensor(header, &content->tensors[i]);
    char *text = good ? mrc_json_print(header, false) : NULL;
    cJSON_Delete(header);
    return text;
}

/* Gives every tensor its place; returns the bytes of the largest. */
static size_t settle_places(struct mrc_safetensors_content *content) {
    uint64_t at = 0;
    size_t largest = 0;
    for (size_t i = 0; i < content->tensor_count; ++i) {
        MRC_ASSERT(i == 0 || strcmp(content->tensors[i - 1].name, content->tensors[i].name) < 0);
        size_t bytes = mrc_tensor_bytes(&content->tensors[i]);
        content->tensors[i].begin = at;
        at += bytes;
        if (bytes > largest) largest = bytes;
    }
    return largest;
}

static void write_stream(FILE *stream, const struct mrc_safetensors_content *content,
                         const char *header, unsigned char *buffer) {
    size_t text = strlen(header);
    uint64_t length = (text + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    (void)fwrite(&length, 1, LENGTH_BYTES, stream); /* commit reports what failed here */
    (void)fwrite(header, 1, text, stream);
    for (; text < length; ++text) (void)fputc(' ', stream);
    for (size_t i = 0; i < content->tensor_count; ++i) {
        content->fill(content->context, i, buffer);
        if (fwrite(buffer, 1, mrc_tensor_bytes(&content->tensors[i]), stream) == 0 &&
            ferror(stream))
            return;
    }
}

enum mrc_status mrc_safetensors_save(struct mrc_safetensors_content *content, const char *path,
                                     struct mrc_error *err) {
    unsigned char *buffer = mrc_alloc(settle_places(content), 1);
    char *header = print_header(content);
    struct mrc_output output = {0};
    enum mrc_status st = MRC_OK;
    if (buffer == NULL || header == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    if (st == MRC_OK) st = mrc_output_open_file(&output, path, err);
    if (st == MRC_OK) {
        write_stream(output.stream, content, header, buffer);
        st = mrc_output_commit(&output, err);
    }
    mrc_output_discard(&output);
    cJSON_free(header);
    mrc_free(buffer);
    return st;
}
