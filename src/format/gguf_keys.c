/* gguf_keys.c - typed access to the keys of a parsed GGUF file, and the names of split files. Reads
 * constant data; any thread. */
#include "base/bytes.h"
#include "format/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[] = {
    [GGUF_U8] = "u8",         [GGUF_I8] = "i8",       [GGUF_U16] = "u16", [GGUF_I16] = "i16",
    [GGUF_U32] = "u32",       [GGUF_I32] = "i32",     [GGUF_F32] = "f32", [GGUF_BOOL] = "bool",
    [GGUF_STRING] = "string", [GGUF_ARRAY] = "array", [GGUF_U64] = "u64", [GGUF_I64] = "i64",
    [GGUF_F64] = "f64",
};

static int compare_key(const void *key, const void *value) {
    return strcmp(key, ((const struct gguf_value *)value)->key);
}

const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key) {
    return gguf->values ? bsearch(key, gguf->value, gguf->values, sizeof *gguf->value, compare_key) : NULL;
}

static bool item_int(const struct gguf_value *value, uint64_t index, int64_t *result) {
    const uint8_t *data = value->data;
    switch (value->item_type) {
    case GGUF_U8: *result = data[index]; return true;
    case GGUF_I8: *result = (int8_t)data[index]; return true;
    case GGUF_U16: *result = read_u16(data + 2 * index); return true;
    case GGUF_I16: *result = (int16_t)read_u16(data + 2 * index); return true;
    case GGUF_U32: *result = read_u32(data + 4 * index); return true;
    case GGUF_I32: *result = (int32_t)read_u32(data + 4 * index); return true;
    case GGUF_U64: *result = (int64_t)read_u64(data + 8 * index); return *result >= 0;
    case GGUF_I64: *result = (int64_t)read_u64(data + 8 * index); return true;
    default: return false;
    }
}

int64_t gguf_array_int(const struct gguf_value *value, uint64_t index) {
    int64_t result;
    return item_int(value, index, &result) ? result : INT64_MIN;
}

double gguf_array_real(const struct gguf_value *value, uint64_t index) {
    int64_t whole;
    double wide;
    if (value->item_type == GGUF_F32) return (double)read_f32(value->data + 4 * index);
    if (value->item_type == GGUF_U64) return (double)read_u64(value->data + 8 * index);
    if (value->item_type == GGUF_F64) {
        memcpy(&wide, value->data + 8 * index, sizeof wide);
        return wide;
    }
    return item_int(value, index, &whole) ? (double)whole : NAN;
}

static enum status wrong_type(const struct gguf *gguf, const struct gguf_value *value, const char *expected) {
    return fail(STATUS_FORMAT, "%s: key %s must be %s, found %s", gguf->path, value->key, expected,
                type_names[value->type]);
}

enum status gguf_get_int(const struct gguf *gguf, const char *key, int64_t low, int64_t high,
                         int64_t *value) {
    const struct gguf_value *found = gguf_find(gguf, key);
    int64_t whole;
    if (!found) return fail(STATUS_FORMAT, "%s: key %s is missing", gguf->path, key);
    if (found->type == GGUF_ARRAY) return wrong_type(gguf, found, "a whole number");
    bool fits = item_int(found, 0, &whole);
    if (!fits && found->type != GGUF_U64) return wrong_type(gguf, found, "a whole number");
    if (!fits || whole < low || whole > high)
        return fail(STATUS_FORMAT, "%s: key %s is %.0f, allowed are %lld to %lld", gguf->path, key,
                    gguf_array_real(found, 0), (long long)low, (long long)high);
    *value = whole;
    return STATUS_OK;
}

enum status gguf_get_int_or(const struct gguf *gguf, const char *key, int64_t low, int64_t high,
                            int64_t fallback, int64_t *value) {
    *value = fallback;
    return gguf_find(gguf, key) ? gguf_get_int(gguf, key, low, high, value) : STATUS_OK;
}

enum status gguf_get_real_or(const struct gguf *gguf, const char *key, double fallback, double *value) {
    const struct gguf_value *found = gguf_find(gguf, key);
    *value = fallback;
    if (!found) return STATUS_OK;
    if (found->type == GGUF_ARRAY || found->type == GGUF_STRING || found->type == GGUF_BOOL)
        return wrong_type(gguf, found, "a number");
    double real = gguf_array_real(found, 0);
    if (!isfinite(real)) return fail(STATUS_FORMAT, "%s: key %s is not a finite number", gguf->path, key);
    *value = real;
    return STATUS_OK;
}

enum status gguf_get_bool_or(const struct gguf *gguf, const char *key, bool fallback, bool *value) {
    const struct gguf_value *found = gguf_find(gguf, key);
    *value = fallback;
    if (!found) return STATUS_OK;
    if (found->type != GGUF_BOOL) return wrong_type(gguf, found, "true or false");
    *value = found->data[0] != 0;
    return STATUS_OK;
}

enum status gguf_get_text_or(const struct gguf *gguf, struct arena *arena, const char *key,
                             const char **value) {
    const struct gguf_value *found = gguf_find(gguf, key);
    *value = NULL;
    if (!found) return STATUS_OK;
    if (found->type != GGUF_STRING) return wrong_type(gguf, found, "a string");
    if (memchr(found->text->data, 0, found->text->bytes))
        return fail(STATUS_FORMAT, "%s: key %s contains a zero byte", gguf->path, key);
    *value = arena_copy(arena, found->text->data, found->text->bytes);
    return *value ? STATUS_OK : fail(STATUS_MEMORY, "%s: out of memory for key %s", gguf->path, key);
}

enum { NUMBER_DIGITS = 5 };

/* Exactly five digits. */
static bool read_number(const char *text, int *number) {
    *number = 0;
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

/* "x-00001-of-00003.gguf": the length of "x", the part and the number of parts. */
static bool read_split_name(const char *path, size_t *stem, int *part, int *parts) {
    static const char pattern[] = "-00000-of-00000.gguf";
    size_t bytes = strlen(path), tail = sizeof pattern - 1;
    if (bytes <= tail) return false;
    const char *at = path + bytes - tail;
    *stem = bytes - tail;
    return at[0] == '-' && read_number(at + 1, part) && !strncmp(at + 6, "-of-", 4) &&
           read_number(at + 10, parts) && !strcmp(at + 15, ".gguf");
}

static char *part_path(struct arena *arena, const char *path, size_t stem, int part, int parts) {
    enum { TAIL = 64 };
    char tail[TAIL];
    int bytes = snprintf(tail, sizeof tail, "-%05d-of-%05d.gguf", part, parts);
    char *result = arena_take(arena, stem + (size_t)bytes + 1);
    if (!result) return NULL;
    memcpy(result, path, stem);
    memcpy(result + stem, tail, (size_t)bytes + 1);
    return result;
}

enum status gguf_split_paths(const char *path, struct arena *arena, char ***paths, int *count) {
    size_t stem = 0;
    int part = 1, parts = 1;
    if (!read_split_name(path, &stem, &part, &parts))
        part = parts = 1;
    else if (part < 1 || part > parts)
        return fail(STATUS_INPUT, "%s: part %d of %d is not possible", path, part, parts);
    else if (part > 1)
        return fail(STATUS_INPUT, "%s: is part %d of %d; open the first part, %.*s-00001-of-%05d.gguf", path,
                    part, parts, (int)stem, path, parts);
    *count = parts;
    *paths = arena_take(arena, (size_t)parts * sizeof **paths);
    for (int i = 0; *paths && i < parts; i++) {
        (*paths)[i] =
            parts == 1 ? arena_copy(arena, path, strlen(path)) : part_path(arena, path, stem, i + 1, parts);
        if (!(*paths)[i]) *paths = NULL;
    }
    return *paths ? STATUS_OK
                  : fail(STATUS_MEMORY, "%s: out of memory for the names of %d parts", path, parts);
}
