/* tensorboard.c: records of protocol-buffer messages, written by hand: five kinds of fields of four
 * messages. */
#include "app/train/tensorboard.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"

enum {
    FRAME_HEAD_BYTES = 12, /* length and its checksum */
    FRAME_BYTES = 16,      /* and the checksum behind the message */
    MAX_FILE_BYTES = 1 << 30,
    COLOUR_RGB = 3, /* Image.colorspace */
};

/* The fields used, by message; Event.step is also read. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE_VALUE = 2,
    VALUE_IMAGE = 4,
    IMAGE_HEIGHT = 1,
    IMAGE_WIDTH = 2,
    IMAGE_COLORSPACE = 3,
    IMAGE_ENCODED = 4,
};
enum { WIRE_VARINT = 0, WIRE_64_BITS = 1, WIRE_BYTES = 2, WIRE_32_BITS = 5 };

struct mrc_tensorboard {
    char *path;
    FILE *stream;
    bool failed;
    int why; /* errno of the first failure */
};

/* Bytes that grow; `failed` stays set. */
struct bytes {
    unsigned char *data;
    size_t size, capacity;
    bool failed;
};

static void put(struct bytes *b, const void *data, size_t size) {
    void *items = b->data;
    if (b->failed || !mrc_grow(&items, &b->capacity, b->size + size, 1)) {
        b->failed = true;
        return;
    }
    b->data = items;
    if (size > 0) memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void bytes_clear(struct bytes *b) {
    mrc_free(b->data);
    *b = (struct bytes){0};
}

/* --- CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), masked as tfrecord does --- */

static uint32_t masked_crc(const unsigned char *data, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1u)));
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/* --- Little-endian numbers and protocol-buffer fields --- */

static void put_little(struct bytes *b, uint64_t value, int count) {
    unsigned char raw[8];
    for (int i = 0; i < count; ++i) raw[i] = (unsigned char)(value >> (8 * i));
    put(b, raw, (size_t)count);
}

static uint64_t get_little(const unsigned char *at, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; ++i) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void put_varint(struct bytes *b, uint64_t value) {
    do {
        unsigned char low = (unsigned char)(value & 0x7Fu);
        value >>= 7;
        if (value != 0) low |= 0x80u;
        put(b, &low, 1);
    } while (value != 0);
}

static void put_key(struct bytes *b, int field, int wire) {
    put_varint(b, (uint64_t)(field << 3 | wire));
}

static void put_integer(struct bytes *b, int field, int64_t value) {
    put_key(b, field, WIRE_VARINT);
    put_varint(b, (uint64_t)value);
}

static void put_bytes(struct bytes *b, int field, const void *data, size_t size) {
    put_key(b, field, WIRE_BYTES);
    put_varint(b, size);
    put(b, data, size);
}

static void put_message(struct bytes *b, int field, struct bytes *message) {
    b->failed = b->failed || message->failed;
    if (!b->failed) put_bytes(b, field, message->data, message->size);
    bytes_clear(message);
}

static struct bytes event_of(int64_t step, double seconds) {
    struct bytes event = {0};
    uint64_t raw;
    memcpy(&raw, &seconds, sizeof raw);
    put_key(&event, EVENT_WALL_TIME, WIRE_64_BITS);
    put_little(&event, raw, 8);
    put_integer(&event, EVENT_STEP, step);
    return event;
}

/* --- Records --- */

static void fail(mrc_tensorboard *board, int why) {
    if (!board->failed) board->why = why;
    board->failed = true;
}

static void write_record(mrc_tensorboard *board, struct bytes *message) {
    struct bytes frame = {0};
    put_little(&frame, message->size, 8);
    if (!frame.failed) put_little(&frame, masked_crc(frame.data, 8), 4);
    if (!message->failed) put(&frame, message->data, message->size);
    if (!message->failed) put_little(&frame, masked_crc(message->data, message->size), 4);
    if (frame.failed || message->failed)
        fail(board, ENOMEM);
    else if (fwrite(frame.data, 1, frame.size, board->stream) != frame.size)
        fail(board, errno);
    bytes_clear(&frame);
    bytes_clear(message);
}

static void write_value(mrc_tensorboard *board, int64_t step, double seconds, struct bytes *value) {
    struct bytes summary = {0}, event = event_of(step, seconds);
    put_message(&summary, SUMMARY_VALUE, value);
    put_message(&event, EVENT_SUMMARY, &summary);
    write_record(board, &event);
}

void mrc_tensorboard_scalar(mrc_tensorboard *board, int64_t step, double seconds, const char *tag,
                            double value) {
    struct bytes message = {0};
    float single = (float)value;
    uint32_t raw;
    memcpy(&raw, &single, sizeof raw);
    put_bytes(&message, VALUE_TAG, tag, strlen(tag));
    put_key(&message, VALUE_SIMPLE_VALUE, WIRE_32_BITS);
    put_little(&message, raw, 4);
    write_value(board, step, seconds, &message);
}

void mrc_tensorboard_picture(mrc_tensorboard *board, int64_t step, double seconds, const char *tag,
                             const unsigned char *png, size_t size, int64_t width, int64_t height) {
    struct bytes message = {0}, image = {0};
    put_integer(&image, IMAGE_HEIGHT, height);
    put_integer(&image, IMAGE_WIDTH, width);
    put_integer(&image, IMAGE_COLORSPACE, COLOUR_RGB);
    put_bytes(&image, IMAGE_ENCODED, png, size);
    put_bytes(&message, VALUE_TAG, tag, strlen(tag));
    put_message(&message, VALUE_IMAGE, &image);
    write_value(board, step, seconds, &message);
}

/* --- What an earlier run left --- */

static bool get_varint(uint64_t *value, const unsigned char **at, const unsigned char *end) {
    *value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7Fu) << shift;
        if ((byte & 0x80u) == 0) return true;
    }
    return false;
}

/* Event.step, which we write second; 0 where there is none. */
static int64_t step_of(const unsigned char *message, size_t size) {
    const unsigned char *at = message, *end = message + size;
    uint64_t key, step;
    if (size < 9 || *at++ != (EVENT_WALL_TIME << 3 | WIRE_64_BITS)) return 0;
    at += 8;
    if (!get_varint(&key, &at, end) || key != (EVENT_STEP << 3 | WIRE_VARINT)) return 0;
    return get_varint(&step, &at, end) ? (int64_t)step : 0;
}

/* The bytes of the whole record at the start of `data`; 0: there is none. */
static size_t record_bytes(const unsigned char *data, size_t size) {
    if (size < FRAME_BYTES) return 0;
    uint64_t length = get_little(data, 8);
    if (length > size - FRAME_BYTES || get_little(data + 8, 4) != masked_crc(data, 8)) return 0;
    const unsigned char *message = data + FRAME_HEAD_BYTES;
    if (get_little(message + length, 4) != masked_crc(message, (size_t)length)) return 0;
    return (size_t)length + FRAME_BYTES;
}

static enum mrc_status keep_records(struct bytes *kept, const char *path, int64_t last_step,
                                    struct mrc_error *err) {
    unsigned char *data = NULL;
    size_t size = 0, record;
    enum mrc_status status = mrc_read_file(&data, &size, path, MAX_FILE_BYTES, err);
    if (status == MRC_OK && size >= FRAME_BYTES && record_bytes(data, size) == 0)
        status = mrc_fail(err, MRC_ERR_FORMAT,
                          "%s: the first record is none, expected a TensorBoard event file", path);
    for (size_t at = 0; status == MRC_OK && (record = record_bytes(data + at, size - at)) > 0;
         at += record)
        if (step_of(data + at + FRAME_HEAD_BYTES, record - FRAME_BYTES) <= last_step)
            put(kept, data + at, record);
    mrc_free(data);
    if (status == MRC_OK && kept->failed)
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    return status;
}

static void put_version(mrc_tensorboard *board) {
    static const char version[] = "brain.Event:2";
    struct bytes event = event_of(0, 0.0);
    put_bytes(&event, EVENT_FILE_VERSION, version, sizeof version - 1);
    write_record(board, &event);
}

enum mrc_status mrc_tensorboard_open(mrc_tensorboard **out, const char *path, int64_t last_step,
                                     struct mrc_error *err) {
    struct bytes kept = {0};
    enum mrc_status status = MRC_OK;
    mrc_tensorboard *board = mrc_alloc(1, sizeof *board);
    if (board == NULL || (board->path = mrc_strdup(path)) == NULL)
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    if (status == MRC_OK && mrc_path_exists(path))
        status = keep_records(&kept, path, last_step, err);
    if (status == MRC_OK)
        status =
            mrc_write_file(path, kept.data != NULL ? (const void *)kept.data : "", kept.size, err);
    if (status == MRC_OK && (board->stream = fopen(path, "ab")) == NULL)
        status = mrc_fail(err, MRC_ERR_WRITE, "%s: %s", path, strerror(errno));
    if (status == MRC_OK && kept.size == 0) {
        put_version(board);
        status = mrc_tensorboard_flush(board, err);
    }
    bytes_clear(&kept);
    if (status == MRC_OK)
        *out = board;
    else
        mrc_tensorboard_close(board);
    return status;
}

enum mrc_status mrc_tensorboard_flush(mrc_tensorboard *board, struct mrc_error *err) {
    if (fflush(board->stream) != 0) fail(board, errno);
    if (!board->failed) return MRC_OK;
    if (board->why == ENOMEM) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", board->path);
    return mrc_fail(err, MRC_ERR_WRITE, "%s: cannot write: %s", board->path, strerror(board->why));
}

void mrc_tensorboard_close(mrc_tensorboard *board) {
    if (board == NULL) return;
    if (board->stream != NULL) fclose(board->stream);
    mrc_free(board->path);
    mrc_free(board);
}
