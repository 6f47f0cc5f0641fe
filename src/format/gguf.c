/* gguf.c - parsing one GGUF file: header, typed keys, tensor table. Owns nothing: payloads and tensor
 * data stay in the map, names and the key table go to the caller's arena. Every length in the file is
 * checked against the bytes that are left before anything is allocated for it. */
#include "format/gguf.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    KEY_BYTES = 65535,
    SMALLEST_VALUE = 8 + 1 + 4 + 1, /* a key of one byte, its type, one byte of payload */
    SMALLEST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8,
    DEFAULT_ALIGNMENT = 32,
    LARGEST_ALIGNMENT = 1 << 20
};

static const uint8_t type_bytes[] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

size_t gguf_type_bytes(enum gguf_type type) {
    return type_bytes[type];
}

/* Reads front to back and never past the end. */
struct cursor {
    const struct file_map *map;
    struct arena *arena;
    const uint8_t *at, *end;
};

static uint64_t bytes_left(const struct cursor *cursor) {
    return (uint64_t)(cursor->end - cursor->at);
}

static enum status take(struct cursor *cursor, uint64_t bytes, const char *what, const uint8_t **at) {
    *at = cursor->at;
    if (bytes > bytes_left(cursor))
        return fail(STATUS_FORMAT, "%s: ends inside %.100s: is the file cut off?", cursor->map->path, what);
    cursor->at += bytes;
    return STATUS_OK;
}

static enum status take_u32(struct cursor *cursor, const char *what, uint32_t *value) {
    const uint8_t *at;
    TRY(take(cursor, sizeof *value, what, &at));
    *value = read_u32(at);
    return STATUS_OK;
}

static enum status take_u64(struct cursor *cursor, const char *what, uint64_t *value) {
    const uint8_t *at;
    TRY(take(cursor, sizeof *value, what, &at));
    *value = read_u64(at);
    return STATUS_OK;
}

static enum status take_text(struct cursor *cursor, const char *what, struct gguf_text *text) {
    const uint8_t *at;
    uint64_t bytes;
    TRY(take_u64(cursor, what, &bytes));
    TRY(take(cursor, bytes, what, &at));
    *text = (struct gguf_text){(const char *)at, bytes};
    return STATUS_OK;
}

/* A name of a key or tensor: not empty, without NUL, copied so that it ends in one. */
static enum status take_name(struct cursor *cursor, const char *what, size_t limit, const char **name) {
    struct gguf_text text;
    TRY(take_text(cursor, what, &text));
    if (text.bytes < 1 || text.bytes > limit)
        return fail(STATUS_LIMIT, "%s: %s has %zu bytes, allowed are 1 to %zu", cursor->map->path, what,
                    text.bytes, limit);
    if (memchr(text.data, 0, text.bytes))
        return fail(STATUS_FORMAT, "%s: %s contains a zero byte", cursor->map->path, what);
    *name = arena_copy(cursor->arena, text.data, text.bytes);
    return *name ? STATUS_OK : fail(STATUS_MEMORY, "%s: out of memory for names", cursor->map->path);
}

static enum status out_of_memory(const struct cursor *cursor, uint64_t count, const char *what) {
    return fail(STATUS_MEMORY, "%s: out of memory for %llu %s", cursor->map->path, (unsigned long long)count,
                what);
}

static enum status take_texts(struct cursor *cursor, struct gguf_value *value) {
    if (value->count > bytes_left(cursor) / sizeof(uint64_t))
        return fail(STATUS_FORMAT, "%s: key %.100s: %llu strings do not fit into the file", cursor->map->path,
                    value->key, (unsigned long long)value->count);
    struct gguf_text *text = arena_take(cursor->arena, value->count * sizeof *text);
    if (!text) return out_of_memory(cursor, value->count, "strings");
    for (uint64_t i = 0; i < value->count; i++) TRY(take_text(cursor, value->key, &text[i]));
    value->text = text;
    return STATUS_OK;
}

static enum status check_truth_values(const struct cursor *cursor, const struct gguf_value *value) {
    for (uint64_t i = 0; i < value->count; i++)
        if (value->data[i] > 1)
            return fail(STATUS_FORMAT, "%s: key %.100s: %u is no truth value", cursor->map->path, value->key,
                        value->data[i]);
    return STATUS_OK;
}

/* `count` items of `type`, the payload of one value or of an array. */
static enum status take_items(struct cursor *cursor, struct gguf_value *value, enum gguf_type type) {
    value->data = cursor->at;
    if (type == GGUF_STRING) return take_texts(cursor, value);
    size_t bytes;
    if (!multiply_size_fits(value->count, type_bytes[type], &bytes))
        bytes = SIZE_MAX; /* more than any file has */
    TRY(take(cursor, bytes, value->key, &value->data));
    return type == GGUF_BOOL ? check_truth_values(cursor, value) : STATUS_OK;
}

static enum status take_type(struct cursor *cursor, const char *key, enum gguf_type *type) {
    uint32_t number;
    TRY(take_u32(cursor, key, &number));
    if (number > GGUF_F64)
        return fail(STATUS_UNSUPPORTED, "%s: key %.100s has unknown type %u", cursor->map->path, key,
                    (unsigned)number);
    *type = (enum gguf_type)number;
    return STATUS_OK;
}

static enum status take_value(struct cursor *cursor, struct gguf_value *value) {
    TRY(take_name(cursor, "the name of a key", KEY_BYTES, &value->key));
    TRY(take_type(cursor, value->key, &value->type));
    value->count = 1;
    value->item_type = value->type;
    if (value->type != GGUF_ARRAY) return take_items(cursor, value, value->type);
    TRY(take_type(cursor, value->key, &value->item_type));
    if (value->item_type == GGUF_ARRAY)
        return fail(STATUS_UNSUPPORTED, "%s: key %.100s: an array of arrays is not supported",
                    cursor->map->path, value->key);
    TRY(take_u64(cursor, value->key, &value->count));
    return take_items(cursor, value, value->item_type);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const struct gguf_value *)a)->key, ((const struct gguf_value *)b)->key);
}

static enum status take_values(struct cursor *cursor, struct gguf *gguf, uint64_t count) {
    if (count > bytes_left(cursor) / SMALLEST_VALUE)
        return fail(STATUS_FORMAT, "%s: %llu keys do not fit into the file", cursor->map->path,
                    (unsigned long long)count);
    gguf->value = arena_take(cursor->arena, count * sizeof *gguf->value);
    if (!gguf->value) return out_of_memory(cursor, count, "keys");
    for (uint64_t i = 0; i < count; i++) TRY(take_value(cursor, &gguf->value[i]));
    gguf->values = count;
    qsort(gguf->value, count, sizeof *gguf->value, compare_keys);
    for (uint64_t i = 1; i < count; i++)
        if (!compare_keys(&gguf->value[i - 1], &gguf->value[i]))
            return fail(STATUS_FORMAT, "%s: key %.100s occurs twice", cursor->map->path, gguf->value[i].key);
    return STATUS_OK;
}

/* What the format or its main implementation defines, but nothing here computes with. */
static const char *unsupported_name(uint32_t type) {
    switch (type) {
    case 9: return " (Q8_1)";
    case 15: return " (Q8_K)";
    case 24: return " (I8)";
    case 25: return " (I16)";
    case 28: return " (F64)";
    case 34: return " (TQ1_0)";
    case 35: return " (TQ2_0)";
    default: return "";
    }
}

static enum status take_shape(struct cursor *cursor, const char *name, struct tensor *tensor) {
    uint32_t rank;
    TRY(take_u32(cursor, name, &rank));
    if (rank < 1 || rank > TENSOR_MAX_RANK)
        return fail(STATUS_LIMIT, "%s: tensor %s has %u dimensions, allowed are 1 to %d", cursor->map->path,
                    name, (unsigned)rank, TENSOR_MAX_RANK);
    tensor->rank = (uint8_t)rank;
    for (int i = (int)rank - 1; i >= 0; i--) { /* innermost first in the file */
        uint64_t extent;
        TRY(take_u64(cursor, name, &extent));
        if (extent < 1 || extent > INT64_MAX)
            return fail(STATUS_FORMAT, "%s: tensor %s: %llu is no possible dimension", cursor->map->path,
                        name, (unsigned long long)extent);
        tensor->shape[i] = (int64_t)extent;
    }
    return STATUS_OK;
}

static enum status take_tensor(struct cursor *cursor, struct named_tensor *item, uint64_t *offset) {
    uint32_t type;
    *item = (struct named_tensor){.path = cursor->map->path};
    TRY(take_name(cursor, "the name of a tensor", TENSOR_NAME_BYTES, &item->name));
    TRY(take_shape(cursor, item->name, &item->tensor));
    TRY(take_u32(cursor, item->name, &type));
    if (!dtype_from_gguf(type, &item->tensor.dtype))
        return fail(STATUS_UNSUPPORTED, "%s: tensor %s: ggml type %u%s is not supported", item->path,
                    item->name, (unsigned)type, unsupported_name(type));
    return take_u64(cursor, item->name, offset);
}

static enum status place_tensor(const struct file_map *map, int64_t begin, int64_t alignment, uint64_t offset,
                                struct named_tensor *item) {
    int64_t bytes, available = map->bytes - begin;
    const struct tensor *tensor = &item->tensor;
    if (!shape_bytes(tensor->dtype, tensor->rank, tensor->shape, &bytes))
        return fail(
            STATUS_FORMAT,
            "%s: tensor %s: rows of %lld elements are not whole blocks of %d (%s), or its size overflows",
            item->path, item->name, (long long)tensor->shape[tensor->rank - 1],
            dtype_traits(tensor->dtype)->block_elements, dtype_traits(tensor->dtype)->name);
    if (offset % (uint64_t)alignment)
        return fail(STATUS_FORMAT, "%s: tensor %s: offset %llu is not a multiple of the alignment %lld",
                    item->path, item->name, (unsigned long long)offset, (long long)alignment);
    if (available < bytes || offset > (uint64_t)(available - bytes))
        return fail(
            STATUS_FORMAT,
            "%s: tensor %s: %lld bytes at offset %llu of the data, which has only %lld: is the file cut off?",
            item->path, item->name, (long long)bytes, (unsigned long long)offset,
            (long long)max_i64(available, 0));
    item->tensor.data = map->data + begin + offset;
    return STATUS_OK;
}

static enum status read_alignment(const struct gguf *gguf, int64_t *alignment) {
    TRY(gguf_get_int_or(gguf, "general.alignment", 8, LARGEST_ALIGNMENT, DEFAULT_ALIGNMENT, alignment));
    if (*alignment & (*alignment - 1))
        return fail(STATUS_FORMAT, "%s: general.alignment is %lld, which is no power of two", gguf->path,
                    (long long)*alignment);
    return STATUS_OK;
}

/* Offsets count from the end of the table, which is known only after its last entry: they wait in `offset`. */
static enum status place_tensors(const struct cursor *cursor, const struct gguf *gguf, const uint64_t *offset,
                                 struct tensor_list *list, size_t first) {
    int64_t alignment, begin = cursor->at - cursor->map->data;
    TRY(read_alignment(gguf, &alignment));
    begin = round_up(begin, alignment);
    for (size_t i = first; i < list->count; i++)
        TRY(place_tensor(cursor->map, begin, alignment, offset[i - first], &list->item[i]));
    return tensor_list_check_overlap(list, first);
}

static enum status take_tensors(struct cursor *cursor, const struct gguf *gguf, uint64_t count,
                                struct tensor_list *list) {
    size_t first = list->count;
    if (count > bytes_left(cursor) / SMALLEST_TENSOR)
        return fail(STATUS_FORMAT, "%s: %llu tensors do not fit into the file", cursor->map->path,
                    (unsigned long long)count);
    uint64_t *offset = malloc((count + 1) * sizeof *offset);
    if (!offset) return out_of_memory(cursor, count, "tensors");
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        struct named_tensor item;
        status = take_tensor(cursor, &item, &offset[i]);
        if (status == STATUS_OK) status = tensor_list_append(list, &item);
    }
    if (status == STATUS_OK) status = place_tensors(cursor, gguf, offset, list, first);
    free(offset);
    return status;
}

static enum status take_version(struct cursor *cursor, uint32_t *version) {
    const uint8_t *magic;
    const char *path = cursor->map->path;
    TRY(take(cursor, 4, "the header", &magic));
    if (memcmp(magic, "GGUF", 4)) return fail(STATUS_FORMAT, "%s: does not start with \"GGUF\"", path);
    TRY(take_u32(cursor, "the header", version));
    if (*version && !(*version & 0xffff))
        return fail(STATUS_UNSUPPORTED, "%s: a big-endian GGUF file is not supported", path);
    if (*version != 2 && *version != 3)
        return fail(STATUS_UNSUPPORTED, "%s: GGUF version %u is not supported, only 2 and 3", path,
                    (unsigned)*version);
    return STATUS_OK;
}

enum status gguf_parse(const struct file_map *map, struct arena *arena, struct gguf *gguf,
                       struct tensor_list *list) {
    struct cursor cursor = {.map = map, .arena = arena, .at = map->data, .end = map->data + map->bytes};
    uint64_t tensors, values;
    *gguf = (struct gguf){.path = map->path};
    TRY(refuse_lfs_pointer(map));
    TRY(take_version(&cursor, &gguf->version));
    TRY(take_u64(&cursor, "the header", &tensors));
    TRY(take_u64(&cursor, "the header", &values));
    TRY(take_values(&cursor, gguf, values));
    return take_tensors(&cursor, gguf, tensors, list);
}
